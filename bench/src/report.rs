//! The result, as one object and as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::durable::Durable;
use crate::full_core::{CpuNs, FullCore};
use crate::machine::Machine;
use crate::open_loop::OpenLoop;
use crate::partitions::Partitions;

/// A peer on W1.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) w1_events_per_s: f64,
    /// Null where the workload was left out: in a quick run.
    pub(crate) w2_events_per_s: Option<f64>,
    /// Whether every fill (maker, price, quantity, order of fills) is ours.
    pub(crate) agrees: bool,
    pub(crate) trades: u64,
    pub(crate) quantity: u64,
}

/// Sizes and mix of C1.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct C1Facts {
    pub(crate) accounts: u32,
    pub(crate) instruments: u32,
    pub(crate) commands: u32,
    pub(crate) passive: u64,
    pub(crate) cancels: u64,
    pub(crate) marketable: u64,
    pub(crate) must_be_refused: u64,
    pub(crate) unintended_refusals: u64,
    pub(crate) trades: u64,
    pub(crate) risk_rules: usize,
}

/// Everything that was measured in this run; nothing else.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) c1_small: bool,
    pub(crate) w1_events_per_s: f64,
    pub(crate) w2_events_per_s: f64,
    pub(crate) sparse_w1_events_per_s: f64,
    pub(crate) sparse_w2_events_per_s: f64,
    pub(crate) naive_w1_events_per_s: f64,
    pub(crate) naive_w2_events_per_s: f64,
    /// Ladder, sparse and naive book have equal fills on W1 and W2.
    pub(crate) books_agree: bool,
    pub(crate) peers: BTreeMap<&'static str, Peer>,
    /// W1 rate ÷ that of the fastest peer that agrees.
    pub(crate) times_fastest_correct_peer: f64,
    pub(crate) c1: C1Facts,
    pub(crate) full_core_orders_per_s: f64,
    pub(crate) full_core_cpu_ns: CpuNs,
    pub(crate) full_core: FullCore,
    pub(crate) events_per_order: f64,
    pub(crate) postings_per_order: f64,
    pub(crate) end_hash_equals_replay: bool,
    pub(crate) hot_account_ratio: f64,
    pub(crate) instructions_per_order: Option<f64>,
    /// The row of the highest offered rate; all rates stand in `open_loop_by_rate`.
    pub(crate) open_loop: OpenLoop,
    pub(crate) open_loop_by_rate: Vec<OpenLoop>,
    pub(crate) durable_orders_per_s: f64,
    pub(crate) durable_p99_ms: f64,
    pub(crate) fdatasync_p99_ms: f64,
    pub(crate) device_group_commit_bytes_per_s: f64,
    pub(crate) durable: Durable,
    pub(crate) replay_commands_per_s: f64,
    pub(crate) two_partition_ratio: f64,
    pub(crate) two_partitions: Vec<Partitions>,
    pub(crate) bytes_per_resting_order: f64,
    pub(crate) sparse_bytes_per_resting_order: f64,
    pub(crate) bytes_per_order_record: usize,
    pub(crate) bytes_per_position: usize,
    pub(crate) peak_rss_mb: u64,
    pub(crate) seconds: f64,
    pub(crate) machine: Machine,
}

fn millions(rate: f64) -> String {
    format!("{:.2} M/s", rate / 1e6)
}

impl Report {
    /// The readable form.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {name:<44} {value}");
        };
        line(
            "machine",
            format!("{}, {} processors, {}", self.machine.processor, self.machine.processors, self.machine.kernel),
        );
        line("load before, after", format!("{} | {}", self.machine.load_at_start, self.machine.load_at_end));
        line("command", self.machine.command_line.join(" "));
        self.book_lines(&mut line);
        self.core_lines(&mut line);
        self.durable_lines(&mut line);
        out
    }

    fn book_lines(&self, line: &mut impl FnMut(&str, String)) {
        line("W1, W2 ladder book", format!("{}, {}", millions(self.w1_events_per_s), millions(self.w2_events_per_s)));
        line(
            "W1, W2 sparse book",
            format!("{}, {}", millions(self.sparse_w1_events_per_s), millions(self.sparse_w2_events_per_s)),
        );
        line(
            "W1, W2 naive book",
            format!("{}, {}", millions(self.naive_w1_events_per_s), millions(self.naive_w2_events_per_s)),
        );
        for (name, peer) in &self.peers {
            let w2 = peer.w2_events_per_s.map_or_else(|| "not run".into(), millions);
            line(name, format!("{}, {w2}; same fills: {}", millions(peer.w1_events_per_s), peer.agrees));
        }
        line("W1 over the fastest peer that agrees", format!("{:.1} times", self.times_fastest_correct_peer));
        line(
            "bytes per resting order, ladder | sparse",
            format!("{:.1} | {:.1}", self.bytes_per_resting_order, self.sparse_bytes_per_resting_order),
        );
    }

    fn core_lines(&self, line: &mut impl FnMut(&str, String)) {
        let c1 = &self.c1;
        line("C1", format!("{} accounts, {} instruments, {} commands", c1.accounts, c1.instruments, c1.commands));
        line(
            "full core, one thread, in memory",
            format!(
                "{} (runs {})",
                millions(self.full_core_orders_per_s),
                self.full_core.runs.iter().map(|r| format!("{:.2}", r / 1e6)).collect::<Vec<_>>().join(" ")
            ),
        );
        let cpu = &self.full_core_cpu_ns;
        line(
            "CPU per order: mean, p99, p99.9, batch p99",
            format!("{:.0} ns, {:.0} ns, {:.0} ns, {:.0} ns", cpu.mean, cpu.p99, cpu.p999, cpu.batch_p99),
        );
        line(
            "instructions per order",
            self.instructions_per_order.map_or_else(|| "no valgrind".into(), |n| format!("{n:.0}")),
        );
        line(
            "events, postings, trades per order",
            format!(
                "{:.2}, {:.2}, {:.2}",
                self.events_per_order,
                self.postings_per_order,
                c1.trades as f64 / f64::from(c1.commands)
            ),
        );
        line("end hash equals replay", self.end_hash_equals_replay.to_string());
        line("one hot account over uniform", format!("{:.2}", self.hot_account_ratio));
        for two in &self.two_partitions {
            line(
                "two partitions over one",
                format!("{:.2} with {:.1}% crossing", two.ratio, two.crossing_share * 100.0),
            );
        }
        for row in &self.open_loop_by_rate {
            line(
                &format!("open loop {} offered: p99, p99.9", millions(row.offered_per_s as f64)),
                format!(
                    "{:.1}, {:.1} us; empty {:.1}, {:.1} us; ratios {:.2}, {:.2}; achieved {}",
                    row.p99_us,
                    row.p999_us,
                    row.empty_p99_us,
                    row.empty_p999_us,
                    row.p99_ratio,
                    row.p999_ratio,
                    millions(row.achieved_per_s)
                ),
            );
        }
        line(
            "bytes per order record, per position",
            format!("{}, {}", self.bytes_per_order_record, self.bytes_per_position),
        );
    }

    fn durable_lines(&self, line: &mut impl FnMut(&str, String)) {
        let d = &self.durable;
        line(
            "durable, closed loop",
            format!(
                "{} over {:.1} s, p50 {:.2} ms, p99 {:.2} ms",
                millions(d.orders_per_s),
                d.seconds,
                d.closed_p50_ms,
                d.closed_p99_ms
            ),
        );
        line(
            "durable, open loop",
            format!(
                "{} of {}: p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms",
                millions(d.achieved_per_s),
                millions(d.offered_per_s as f64),
                d.open_p50_ms,
                d.open_p99_ms,
                d.open_p999_ms
            ),
        );
        line(
            "fdatasync p99, same sizes, alone",
            format!("{:.2} ms; ours over it {:.2}", d.device_open.fdatasync_p99_ms, d.p99_over_fdatasync),
        );
        line(
            "journal bytes over the device's own",
            format!(
                "{:.1} of {:.1} MB/s = {:.2}; disk busy {:.0}%, saturated: {}",
                d.journal_bytes_per_s / 1e6,
                d.device_saturated.bytes_per_s / 1e6,
                d.share_of_device,
                d.disk_busy * 100.0,
                d.saturated
            ),
        );
        line("replay", format!("{}, equal hash: {}", millions(d.replay_commands_per_s), d.replay_hash_equal));
        line(
            "file system, peak memory, time",
            format!("{}, {} MB, {:.0} s", self.machine.file_system, self.peak_rss_mb, self.seconds),
        );
    }
}
