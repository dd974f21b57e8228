//! Counts the orders of a generator, whatever door they go through.

use std::time::{Duration, Instant};

use heng_runtime::LatencyHistogram;

use super::spec::{Offer, OrderLoad, OrderOutcome, count_reason, millis};

/// What happened so far.
#[derive(Debug)]
pub(crate) struct Tally {
    counts_from: Instant,
    last: Instant,
    latencies: LatencyHistogram,
    outcome: OrderOutcome,
}

impl Tally {
    /// Orders that are due after `warm` count.
    pub(crate) fn new(load: &OrderLoad, began: Instant) -> Self {
        let offered_per_s = if let Offer::PerSecond(rate) = load.how { rate } else { 0.0 };
        let counts_from = began + Duration::from_secs_f64(load.warm_s);
        Self {
            counts_from,
            last: counts_from,
            latencies: LatencyHistogram::default(),
            outcome: OrderOutcome { offered_per_s, ..OrderOutcome::default() },
        }
    }

    /// An order is under way.
    pub(crate) fn offered(&mut self, due: Instant) {
        self.outcome.orders += u64::from(due >= self.counts_from);
    }

    /// It was accepted, durably.
    pub(crate) fn accepted(&mut self, due: Instant, now: Instant) {
        if due >= self.counts_from {
            self.outcome.accepted += 1;
            self.latencies.record(now.saturating_duration_since(due).as_nanos() as u64);
            self.last = self.last.max(now);
        }
    }

    /// It was not. What is due before the time that counts is no error, like no other figure of it.
    pub(crate) fn failed(&mut self, due: Instant, reason: &str) {
        if due >= self.counts_from {
            self.trouble(reason);
        }
    }

    /// Something failed that belongs to no order.
    pub(crate) fn trouble(&mut self, reason: &str) {
        self.outcome.errors += 1;
        count_reason(&mut self.outcome.reasons, reason);
    }

    /// A cancel was answered.
    pub(crate) fn cancelled(&mut self, well: bool, reason: &str) {
        self.outcome.cancels += 1;
        if !well {
            self.outcome.cancels_refused += 1;
            count_reason(&mut self.outcome.reasons, &format!("cancel: {reason}"));
        }
    }

    /// The figures; `unanswered` orders are errors too.
    pub(crate) fn finish(mut self, unanswered: u64) -> OrderOutcome {
        let seconds = self.last.saturating_duration_since(self.counts_from).as_secs_f64();
        let (p50_ms, p99_ms, p999_ms) = millis(&self.latencies);
        self.outcome.errors += unanswered;
        OrderOutcome {
            achieved_per_s: self.outcome.accepted as f64 / seconds.max(1e-9),
            unanswered,
            p50_ms,
            p99_ms,
            p999_ms,
            seconds,
            ..self.outcome
        }
    }
}
