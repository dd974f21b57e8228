//! What a load generator is told on its standard input, and what it tells on its standard output: one JSON each.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use heng_runtime::LatencyHistogram;
use serde::{Deserialize, Serialize};

use super::sm::Tls;

/// A client account that a generator may use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Client {
    pub(crate) account: String,
    /// Bearer token; empty = none is sent.
    pub(crate) token: String,
    /// Cash that orders may hold, in 1/10,000 yuan.
    pub(crate) cash: i64,
}

/// An instrument that good orders are made of.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Listed {
    pub(crate) symbol: String,
    /// Lowest and highest price of the day, as text.
    pub(crate) limit_down: String,
    pub(crate) limit_up: String,
    /// What a lot at the lowest price holds at most, fees included, in 1/10,000 yuan.
    pub(crate) hold: i64,
}

/// Orders to place.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct OrderLoad {
    /// The door, HTTP or FIX.
    pub(crate) address: SocketAddr,
    /// Beginning of every client order id, new for each generator.
    pub(crate) prefix: String,
    pub(crate) clients: Vec<Client>,
    pub(crate) instruments: Vec<Listed>,
    pub(crate) how: Offer,
    /// Connections (HTTP) or sessions (FIX).
    pub(crate) connections: usize,
    /// CompIDs of our side, one for each FIX session.
    pub(crate) senders: Vec<String>,
    pub(crate) target: String,
    /// Papers, if the FIX door speaks SM.
    pub(crate) tls: Option<Tls>,
    /// Seconds at the beginning that are not counted.
    pub(crate) warm_s: f64,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
}

/// How orders are offered.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Offer {
    /// Open loop: this many a second, by the clock.
    PerSecond(f64),
    /// Closed loop: this many wait for their answers at any time.
    InFlight(usize),
}

/// What became of the orders.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct OrderOutcome {
    /// Orders a second by the clock; 0 in a closed loop.
    pub(crate) offered_per_s: f64,
    /// Accepted orders a second, from the first that counts to the last answer.
    pub(crate) achieved_per_s: f64,
    /// Orders that counted.
    pub(crate) orders: u64,
    pub(crate) accepted: u64,
    /// Orders that were not accepted: refused, failed or without an answer; also while warming.
    pub(crate) errors: u64,
    pub(crate) unanswered: u64,
    /// Cancels beside the orders, so that cash is released.
    pub(crate) cancels: u64,
    pub(crate) cancels_refused: u64,
    /// From the time when an order should have been sent to its durable answer.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) seconds: f64,
    /// What the errors said, and how often.
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// Subscribers to keep.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PushLoad {
    pub(crate) address: SocketAddr,
    pub(crate) subscribers: usize,
    /// Instruments that each follows, drawn from `symbols`.
    pub(crate) follows: usize,
    pub(crate) symbols: Vec<String>,
    /// Tokens, used in turn.
    pub(crate) tokens: Vec<String>,
    /// `heng.json.v1` or `heng.bin.v1`.
    pub(crate) protocol: String,
    /// Longest time until all are subscribed.
    pub(crate) ramp_s: f64,
    pub(crate) seconds: f64,
    /// The market's time minus ours, in nanoseconds.
    pub(crate) market_ahead_ns: i64,
    pub(crate) seed: u64,
}

/// What the subscribers saw.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct PushOutcome {
    pub(crate) subscribers: usize,
    /// Subscribers that could not be opened, or ended.
    pub(crate) errors: u64,
    /// Of these, told by name that they are dropped.
    pub(crate) dropped: u64,
    pub(crate) ramp_s: f64,
    pub(crate) seconds: f64,
    pub(crate) frames: u64,
    pub(crate) frames_per_subscriber_per_s: f64,
    /// Messages of instruments; a frame holds those of a tick.
    pub(crate) messages: u64,
    pub(crate) snapshots: u64,
    pub(crate) bytes_per_subscriber_per_s: f64,
    /// From the change that a message tells last, in market time, to its receipt: the wait for the tick is in it.
    pub(crate) lag_p50_ms: f64,
    pub(crate) lag_p99_ms: f64,
    pub(crate) lag_p999_ms: f64,
    /// From the moment when the tick was made to the receipt.
    pub(crate) push_p50_ms: f64,
    pub(crate) push_p99_ms: f64,
    /// Between two frames of one subscriber.
    pub(crate) gap_p50_ms: f64,
    pub(crate) gap_p99_ms: f64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// Heavy reads and sign-ins to offer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct QueryLoad {
    pub(crate) address: SocketAddr,
    /// Paths with their queries, asked in turn.
    pub(crate) targets: Vec<String>,
    /// Token for them.
    pub(crate) token: String,
    pub(crate) queries_per_s: f64,
    pub(crate) sign_ins_per_s: f64,
    /// Bodies of sign-ins, sent in turn.
    pub(crate) sign_ins: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
}

/// What was served of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct QueryOutcome {
    pub(crate) queries_served_per_s: f64,
    pub(crate) query_p50_ms: f64,
    pub(crate) query_p99_ms: f64,
    /// Bytes of a served answer, mean.
    pub(crate) query_bytes: f64,
    pub(crate) sign_ins_served_per_s: f64,
    pub(crate) sign_ins_refused_per_s: f64,
    pub(crate) sign_in_p99_ms: f64,
    pub(crate) seconds: f64,
    /// Answers by kind and status.
    pub(crate) statuses: BTreeMap<String, u64>,
}

/// Fills to look for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct VisibleLoad {
    pub(crate) address: SocketAddr,
    pub(crate) prefix: String,
    pub(crate) clients: Vec<Client>,
    pub(crate) instruments: Vec<Listed>,
    pub(crate) per_s: f64,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
}

/// When they were seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct VisibleOutcome {
    pub(crate) fills: u64,
    /// Orders that met nobody.
    pub(crate) not_filled: u64,
    pub(crate) errors: u64,
    /// Looks for each fill, mean.
    pub(crate) looks: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

/// Counts a reason; rare ones beyond the first kinds together.
pub(crate) fn count_reason(reasons: &mut BTreeMap<String, u64>, reason: &str) {
    const KINDS_MAX: usize = 24;
    let reason: String = reason.chars().take(120).collect();
    let known = reasons.len() < KINDS_MAX || reasons.contains_key(&reason);
    *reasons.entry(if known { reason } else { "others".into() }).or_default() += 1;
}

/// Median, 99th and 99.9th percentile in milliseconds.
pub(crate) fn millis(latencies: &LatencyHistogram) -> (f64, f64, f64) {
    let summary = latencies.summary();
    (summary.p50 / 1e3, summary.p99 / 1e3, summary.p999 / 1e3)
}
