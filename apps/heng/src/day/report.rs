//! The summary of a day, for people and for machines.

use std::collections::BTreeMap;

use serde::Serialize;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl From<heng_runtime::LatencySummary> for Percentiles {
    fn from(summary: heng_runtime::LatencySummary) -> Self {
        Self { p50: summary.p50, p99: summary.p99, p999: summary.p999 }
    }
}

/// The one JSON object of `heng day --json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DayReport {
    pub(crate) date: String,
    pub(crate) seed: u64,
    pub(crate) clients: u32,
    pub(crate) instruments: u32,
    pub(crate) orders: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: BTreeMap<String, u64>,
    pub(crate) cancels: u64,
    pub(crate) trades: u64,
    pub(crate) auction_trades: u64,
    pub(crate) postings: u64,
    pub(crate) events: u64,
    pub(crate) wall_s: f64,
    pub(crate) orders_per_s: f64,
    pub(crate) core_latency_us: Percentiles,
    pub(crate) durable_ack_latency_us: Percentiles,
    pub(crate) peak_rss_mb: u64,
    pub(crate) journal_bytes: u64,
    pub(crate) cash_imbalance: u64,
    pub(crate) securities_imbalance: u64,
    pub(crate) state_hash: String,
    pub(crate) replay_state_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovered_commands: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovered_to_sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain_head: Option<String>,
    pub(crate) warnings: Vec<String>,
}

impl DayReport {
    /// Whether the books balance and the files rebuild the same state.
    pub(crate) fn is_proven(&self) -> bool {
        self.cash_imbalance == 0 && self.securities_imbalance == 0 && self.state_hash == self.replay_state_hash
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let rejects: u64 = self.rejected.values().sum();
        let micros = |p: &Percentiles| format!("p50 {:.1}  p99 {:.1}  p99.9 {:.1} µs", p.p50, p.p99, p.p999);
        let mut rows = vec![
            ("trade date", self.date.clone()),
            ("clients / instruments / seed", format!("{} / {} / {}", self.clients, self.instruments, self.seed)),
            ("orders", format!("{} ({} accepted, {rejects} refused)", self.orders, self.accepted)),
            ("orders cancelled on request", self.cancels.to_string()),
            ("trades", format!("{} ({} in auctions)", self.trades, self.auction_trades)),
            ("ledger postings", self.postings.to_string()),
            ("events", self.events.to_string()),
            ("wall time", format!("{:.2} s, {:.0} orders/s", self.wall_s, self.orders_per_s)),
            ("core latency", micros(&self.core_latency_us)),
            ("durable answer latency", micros(&self.durable_ack_latency_us)),
            ("journal", format!("{} bytes; peak memory {} MiB", self.journal_bytes, self.peak_rss_mb)),
            ("cash imbalance", self.cash_imbalance.to_string()),
            ("securities imbalance", self.securities_imbalance.to_string()),
            ("state hash", self.state_hash.clone()),
            ("hash rebuilt from the files", self.replay_state_hash.clone()),
        ];
        if let (Some(commands), Some(sequence)) = (self.recovered_commands, self.recovered_to_sequence) {
            rows.push(("recovered", format!("{commands} commands, to sequence {sequence}")));
        }
        if let Some(head) = &self.chain_head {
            rows.push(("journal chain head", head.clone()));
        }
        let mut text: String = rows.iter().map(|(name, value)| format!("{name:<30}{value}\n")).collect();
        for (code, count) in &self.rejected {
            text.push_str(&format!("  refused {code:<28}{count}\n"));
        }
        for warning in &self.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        text.push_str(if self.is_proven() { "The books balance.\n" } else { "THE BOOKS DO NOT BALANCE.\n" });
        text
    }
}
