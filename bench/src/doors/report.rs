//! The result, as one object and as a table.

use std::fmt::Write as _;

use serde::Serialize;

use super::decode::DecodeFigures;
use super::plan::{FIX_IN_FLIGHT, FIX_SESSIONS, FOLLOWS, REST_CONNECTIONS, REST_IN_FLIGHT};
use super::sm::SmFigures;
use super::spec::{OrderOutcome, PushOutcome, QueryOutcome, VisibleOutcome};
use crate::clock::median;
use crate::device::{Syncs, at_quantile};
use crate::machine::Machine;

/// The device alone, with the groups of the journal, before and behind the load that made them.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DiskFigures {
    pub(crate) syncs: usize,
    /// Bytes of a group, mean.
    pub(crate) group_bytes: f64,
    pub(crate) fdatasync_p50_ms: f64,
    pub(crate) fdatasync_p99_ms: f64,
    pub(crate) fdatasync_p99_ms_before: f64,
    pub(crate) fdatasync_p99_ms_behind: f64,
}

impl DiskFigures {
    /// From both looks.
    pub(crate) fn of(before: Syncs, behind: Syncs) -> Self {
        let bytes = before.bytes + behind.bytes;
        let (mut before, mut behind) = (before.millis, behind.millis);
        let mut all = [before.as_slice(), behind.as_slice()].concat();
        Self {
            syncs: all.len(),
            group_bytes: bytes as f64 / all.len().max(1) as f64,
            fdatasync_p50_ms: at_quantile(&mut all, 0.5),
            fdatasync_p99_ms: at_quantile(&mut all, 0.99),
            fdatasync_p99_ms_before: at_quantile(&mut before, 0.99),
            fdatasync_p99_ms_behind: at_quantile(&mut behind, 0.99),
        }
    }
}

/// A door at its rate.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DoorFigures {
    #[serde(flatten)]
    pub(crate) outcome: OrderOutcome,
    pub(crate) disk: DiskFigures,
    /// 2 × the device's p99 + 2 ms (FIX) or 4 ms (REST).
    pub(crate) formula_ms: f64,
}

impl DoorFigures {
    pub(crate) fn new(outcome: OrderOutcome, disk: DiskFigures, beside_ms: f64) -> Self {
        let formula_ms = 2.0 * disk.fdatasync_p99_ms + beside_ms;
        Self { outcome, disk, formula_ms }
    }
}

/// Fills in queries.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct VisibleFigures {
    #[serde(flatten)]
    pub(crate) outcome: VisibleOutcome,
    /// Orders a second through the HTTP door at the same time.
    pub(crate) beside_orders_per_s: f64,
}

/// Orders beside heavy reads and sign-ins.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PairFigures {
    /// Median of the ratios.
    pub(crate) ratio: f64,
    /// Offered through the HTTP door in both runs of a pair.
    pub(crate) orders_per_s: f64,
    pub(crate) errors: u64,
    /// What the orders behind `errors` were told, over all runs, and how often.
    pub(crate) reasons: std::collections::BTreeMap<String, u64>,
    pub(crate) ratios: Vec<f64>,
    pub(crate) quiet_p99_ms: Vec<f64>,
    pub(crate) busy_p99_ms: Vec<f64>,
    /// Means over the busy runs; offered are 100 and 200 a second.
    pub(crate) queries_served_per_s: f64,
    pub(crate) query_p99_ms: f64,
    pub(crate) query_bytes: f64,
    pub(crate) sign_ins_served_per_s: f64,
    pub(crate) sign_ins_refused_per_s: f64,
    /// Answers of the last busy run by kind and status.
    pub(crate) statuses: std::collections::BTreeMap<String, u64>,
}

impl PairFigures {
    pub(crate) fn take_served(&mut self, served: &[QueryOutcome]) {
        let mean = |pick: fn(&QueryOutcome) -> f64| served.iter().map(pick).sum::<f64>() / served.len().max(1) as f64;
        self.queries_served_per_s = mean(|outcome| outcome.queries_served_per_s);
        self.query_bytes = mean(|outcome| outcome.query_bytes);
        self.query_p99_ms = median(served.iter().map(|outcome| outcome.query_p99_ms).collect());
        self.sign_ins_served_per_s = mean(|outcome| outcome.sign_ins_served_per_s);
        self.sign_ins_refused_per_s = mean(|outcome| outcome.sign_ins_refused_per_s);
        self.statuses = served.last().map(|outcome| outcome.statuses.clone()).unwrap_or_default();
    }
}

/// A view under the FIX closed loop.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ViewFigures {
    pub(crate) view: String,
    /// Events taken a second: while it was behind, if it was; else as many as there were.
    pub(crate) events_per_s: f64,
    pub(crate) was_behind: bool,
    pub(crate) lag_max_s: f64,
}

/// Everything that was measured in this run; null where it was not.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) rest: Option<DoorFigures>,
    pub(crate) fix: Option<DoorFigures>,
    pub(crate) rest_max_per_s: Option<f64>,
    pub(crate) fix_max_per_s: Option<f64>,
    /// Of all looks at the device in this run, the larger door's.
    pub(crate) fdatasync_p99_ms: Option<f64>,
    pub(crate) ws_subscribers: Option<usize>,
    pub(crate) ws_lag_p99_ms: Option<f64>,
    pub(crate) bytes_per_subscriber_per_s: Option<f64>,
    pub(crate) fill_visible_p99_ms: Option<f64>,
    pub(crate) view_events_per_s: Option<f64>,
    #[serde(flatten)]
    pub(crate) decode: Option<DecodeFigures>,
    pub(crate) order_p99_ratio_under_load: Option<f64>,
    pub(crate) rest_max: Option<OrderOutcome>,
    pub(crate) fix_max: Option<OrderOutcome>,
    pub(crate) ws: Option<PushOutcome>,
    pub(crate) ws_binary: Option<PushOutcome>,
    pub(crate) visible: Option<VisibleFigures>,
    pub(crate) pairs: Option<PairFigures>,
    pub(crate) views: Vec<ViewFigures>,
    pub(crate) sm: Option<SmFigures>,
    /// Demo clients that placed orders.
    pub(crate) clients: usize,
    /// From the start of the process to its ready file.
    pub(crate) ready_s: f64,
    /// Resident memory of the broker at the end of its part.
    pub(crate) rss_orders_mb: u64,
    pub(crate) rss_push_mb: u64,
    pub(crate) meaning: &'static [(&'static str, &'static str)],
    pub(crate) seconds: f64,
    pub(crate) machine: Machine,
}

/// What the figures mean, for whoever reads only the object.
const MEANING: &[(&str, &str)] = &[
    (
        "rest, fix",
        "open loop at offered_per_s; latency from the time an order should have been sent to its durable answer (201; ExecutionReport New); errors = orders that were not accepted",
    ),
    ("rest_max_per_s, fix_max_per_s", "accepted orders a second in a closed loop (256 and 4,096 in flight)"),
    (
        "fdatasync_p99_ms",
        "the device alone, with the journal's own groups of the same load, before and behind it; here the larger of both doors, each door has its own in disk",
    ),
    ("formula_ms", "2 x fdatasync_p99_ms of the door + 2 ms (FIX) or + 4 ms (REST)"),
    (
        "ws_lag_p99_ms",
        "from the last change that a message tells (its time, on the market's clock, read from /v1/system) to its receipt; the wait for the 100 ms tick is in it. ws.push_p99_ms: from the tick (sent_at) to the receipt",
    ),
    ("bytes_per_subscriber_per_s", "bytes of WebSocket frames, JSON; ws_binary has those of the binary form"),
    (
        "fill_visible_p99_ms",
        "from the durable answer of an order that fills at once to GET /v1/orders/{id} that shows a fill, asked without min_sequence every millisecond, beside 1,000 orders a second",
    ),
    (
        "view_events_per_s",
        "events that the trading view took a second while it was behind under the FIX closed loop; was_behind in views tells whether it was",
    ),
    ("decode_ns_mean", "mean nanoseconds a message, best of the passes; decode_text_mb_s in 10^6 bytes a second"),
    (
        "order_p99_ratio_under_load",
        "REST p99 at 1,000 orders a second with 100 heavy reads and 200 sign-ins a second offered / without, median of five alternated pairs; served rates in pairs",
    ),
    (
        "sm",
        "FIX at 5,000 orders a second at a broker whose FIX door speaks TLS_SM4_GCM_SM3 with an SM2 certificate and whose journal, event log, snapshots, tables and FIX messages are sealed (SM4; tables in files by AES-256), over the same at a plain broker: medians of five alternated pairs of processor time of the broker for an order, and of p99",
    ),
];

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new() -> Self {
        Self {
            quick: false,
            rest: None,
            fix: None,
            rest_max_per_s: None,
            fix_max_per_s: None,
            fdatasync_p99_ms: None,
            ws_subscribers: None,
            ws_lag_p99_ms: None,
            bytes_per_subscriber_per_s: None,
            fill_visible_p99_ms: None,
            view_events_per_s: None,
            decode: None,
            order_p99_ratio_under_load: None,
            rest_max: None,
            fix_max: None,
            ws: None,
            ws_binary: None,
            visible: None,
            pairs: None,
            views: Vec::new(),
            sm: None,
            clients: 0,
            ready_s: 0.0,
            rss_orders_mb: 0,
            rss_push_mb: 0,
            meaning: MEANING,
            seconds: 0.0,
            machine: Machine::new(),
        }
    }

    /// Draws the figures that stand at the top from the parts.
    pub(crate) fn sum_up(&mut self) {
        let of = |door: &Option<DoorFigures>| door.as_ref().map(|door| door.disk.fdatasync_p99_ms);
        self.fdatasync_p99_ms = of(&self.rest).into_iter().chain(of(&self.fix)).max_by(f64::total_cmp);
        self.rest_max_per_s = self.rest_max.as_ref().map(|outcome| outcome.achieved_per_s);
        self.fix_max_per_s = self.fix_max.as_ref().map(|outcome| outcome.achieved_per_s);
        self.ws_subscribers = self.ws.as_ref().map(|outcome| outcome.subscribers);
        self.ws_lag_p99_ms = self.ws.as_ref().map(|outcome| outcome.lag_p99_ms);
        self.bytes_per_subscriber_per_s = self.ws.as_ref().map(|outcome| outcome.bytes_per_subscriber_per_s);
        self.fill_visible_p99_ms = self.visible.as_ref().filter(|v| v.outcome.fills > 0).map(|v| v.outcome.p99_ms);
        let trading = self.views.iter().find(|view| view.view.contains("trading"));
        self.view_events_per_s = trading.map(|view| view.events_per_s);
        self.order_p99_ratio_under_load = self.pairs.as_ref().map(|pairs| pairs.ratio);
    }

    /// The readable form.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            out,
            "{}, {} processors, {}, {} | load {} → {}\n{}{}",
            machine.processor,
            machine.processors,
            machine.kernel,
            machine.file_system,
            machine.load_at_start,
            machine.load_at_end,
            machine.command_line.join(" "),
            if self.quick { "\nquick: short runs and 2,000 subscribers" } else { "" },
        );
        self.door_lines(&mut out);
        self.order_lines(&mut out);
        self.sm_lines(&mut out);
        self.push_lines(&mut out);
        self.decode_lines(&mut out);
        let _ = writeln!(out, "\n{:.0} s in all, ready in {:.1} s", self.seconds, self.ready_s);
        out
    }

    fn door_lines(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\norders to the durable answer, {} clients\n  {:<22}{:>10}{:>12}{:>8}{:>9}{:>9}{:>10}{:>16}{:>14}",
            self.clients,
            "door",
            "offered/s",
            "achieved/s",
            "errors",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "fdatasync p99",
            "2 × that + k"
        );
        for (name, k, door) in [("FIX, 8 sessions", 2, &self.fix), ("REST", 4, &self.rest)] {
            let Some(DoorFigures { outcome: o, disk, formula_ms }) = door else { continue };
            let _ = writeln!(
                out,
                "  {name:<22}{:>10.0}{:>12.0}{:>8}{:>9.2}{:>9.2}{:>10.2}{:>13.2} ms{formula_ms:>8.2} (k={k})",
                o.offered_per_s, o.achieved_per_s, o.errors, o.p50_ms, o.p99_ms, o.p999_ms, disk.fdatasync_p99_ms
            );
        }
        let closed = [
            (format!("FIX, {FIX_IN_FLIGHT} in flight"), &self.fix_max),
            (format!("REST, {REST_IN_FLIGHT} in flight"), &self.rest_max),
        ];
        for (name, outcome) in closed {
            let Some(o) = outcome else { continue };
            let _ = writeln!(
                out,
                "  {name:<22}{:>10}{:>12.0}{:>8}{:>9.2}{:>9.2}{:>10.2}",
                "as it goes", o.achieved_per_s, o.errors, o.p50_ms, o.p99_ms, o.p999_ms
            );
        }
        for (name, reasons) in [
            ("FIX", self.fix.as_ref().map(|door| &door.outcome.reasons)),
            ("REST", self.rest.as_ref().map(|door| &door.outcome.reasons)),
            ("FIX closed", self.fix_max.as_ref().map(|outcome| &outcome.reasons)),
            ("REST closed", self.rest_max.as_ref().map(|outcome| &outcome.reasons)),
        ] {
            for (reason, count) in reasons.into_iter().flatten() {
                let _ = writeln!(out, "    {name}: {count} × {reason}");
            }
        }
        let _ = writeln!(out, "  REST has {REST_CONNECTIONS} connections, FIX {FIX_SESSIONS} sessions on one port");
    }

    fn order_lines(&self, out: &mut String) {
        if let Some(VisibleFigures { outcome: o, beside_orders_per_s }) = &self.visible {
            let _ = writeln!(
                out,
                "\nfill in a query: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; {} fills, {} met nobody, {} errors, beside {beside_orders_per_s:.0} orders/s",
                o.p50_ms, o.p99_ms, o.max_ms, o.fills, o.not_filled, o.errors
            );
            for (reason, count) in &o.reasons {
                let _ = writeln!(out, "    {count} × {reason}");
            }
        }
        for view in &self.views {
            let how = if view.was_behind { "while it was behind" } else { "it was never behind" };
            let _ = writeln!(
                out,
                "view {}: {:.0} events/s ({how}, lag up to {:.2} s)",
                view.view, view.events_per_s, view.lag_max_s
            );
        }
        if let Some(pairs) = &self.pairs {
            let list = |values: &[f64]| values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                out,
                "order p99 beside reads and sign-ins ÷ alone: {:.2} (pairs {}; alone {} ms, beside {} ms; {} errors {:?})\n  \
                 served {:.0} of 100 reads/s ({:.0} bytes, p99 {:.0} ms), {:.0} of 200 sign-ins/s, {:.0} refused; {:?}",
                pairs.ratio,
                list(&pairs.ratios),
                list(&pairs.quiet_p99_ms),
                list(&pairs.busy_p99_ms),
                pairs.errors,
                pairs.reasons,
                pairs.queries_served_per_s,
                pairs.query_bytes,
                pairs.query_p99_ms,
                pairs.sign_ins_served_per_s,
                pairs.sign_ins_refused_per_s,
                pairs.statuses,
            );
        }
    }

    fn sm_lines(&self, out: &mut String) {
        let Some(sm) = &self.sm else { return };
        let list = |values: &[f64]| values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            out,
            "\nSM everywhere ÷ plain, FIX at {:.0} orders/s, {} errors: CPU of the broker for an order {:.3} (pairs {}; {} µs, {} µs plain), p99 {:.2} (pairs {}; {} ms, {} ms plain)",
            sm.orders_per_s,
            sm.errors,
            sm.cpu_ratio,
            list(&sm.cpu_ratios),
            list(&sm.sm_cpu_us),
            list(&sm.plain_cpu_us),
            sm.p99_ratio,
            list(&sm.p99_ratios),
            list(&sm.sm_p99_ms),
            list(&sm.plain_p99_ms),
        );
    }

    fn push_lines(&self, out: &mut String) {
        for (name, outcome) in [("JSON", &self.ws), ("binary", &self.ws_binary)] {
            let Some(o) = outcome else { continue };
            let _ = writeln!(
                out,
                "\npush, {name}: {} subscribers on {FOLLOWS} of 50 instruments, {:.1} frames/s and {:.0} bytes/s each; {} errors, {} dropped, {} of {} messages were snapshots, {:.0} s to open",
                o.subscribers,
                o.frames_per_subscriber_per_s,
                o.bytes_per_subscriber_per_s,
                o.errors,
                o.dropped,
                o.snapshots,
                o.messages,
                o.ramp_s
            );
            if name == "JSON" {
                let _ = writeln!(
                    out,
                    "  from the change: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms | from the tick: p50 {:.1} ms, p99 {:.1} ms | between frames: p50 {:.1} ms, p99 {:.1} ms",
                    o.lag_p50_ms, o.lag_p99_ms, o.lag_p999_ms, o.push_p50_ms, o.push_p99_ms, o.gap_p50_ms, o.gap_p99_ms
                );
            }
            for (reason, count) in &o.reasons {
                let _ = writeln!(out, "    {count} × {reason}");
            }
        }
    }

    fn decode_lines(&self, out: &mut String) {
        let Some(decode) = &self.decode else { return };
        let _ = writeln!(out, "\ndecoders ({}):", decode.decode_data);
        for (name, ns) in &decode.decode_ns_mean {
            let _ = writeln!(out, "  {name:<14}{ns:>8.1} ns a message");
        }
        for (name, mb) in &decode.decode_text_mb_s {
            let _ = writeln!(out, "  {name:<14}{mb:>8.0} MB/s");
        }
    }
}
