//! Counts the day from its record: what the summary says is what the event log holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use heng_core::{CoreError, EventTail};
use heng_journal::Storage;
use heng_model::{CancelReason, Event, RejectCode};

/// Totals of a day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) placed: u64,
    pub(crate) rejected: BTreeMap<RejectCode, u64>,
    pub(crate) cancels: u64,
    pub(crate) trades: u64,
    pub(crate) auction_trades: u64,
    pub(crate) events: u64,
    placed_then_rejected: u64,
}

impl Tally {
    /// Counts the event log in `dir`.
    pub(crate) fn of_log(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Self, CoreError> {
        let mut tally = Self::default();
        let mut tail = EventTail::open(storage, dir, 1)?;
        while tail.next_block(|frame| {
            frame.events.iter().for_each(|event| tally.count(event));
            Ok::<(), CoreError>(())
        })? {}
        Ok(tally)
    }

    fn count(&mut self, event: &Event) {
        self.events += 1;
        match event {
            Event::OrderPlaced(_) => self.placed += 1,
            Event::OrderRejected(rejected) => {
                *self.rejected.entry(rejected.code).or_default() += 1;
                // An order that the venue refuses was placed first.
                self.placed_then_rejected += u64::from(rejected.client_order.0 == 0);
            }
            // Cancels that a client or a kill switch asked for; rests of immediate orders and day ends are no cancels.
            Event::OrderCancelled(cancelled) => {
                self.cancels += u64::from(matches!(cancelled.reason, CancelReason::Client | CancelReason::Mass));
            }
            Event::Trade(trade) => {
                self.trades += 1;
                self.auction_trades += u64::from(trade.auction);
            }
            _ => {}
        }
    }

    /// Orders that were neither refused by the checks nor by the venue.
    pub(crate) const fn accepted(&self) -> u64 {
        self.placed - self.placed_then_rejected
    }

    /// Orders submitted.
    pub(crate) fn orders(&self) -> u64 {
        self.accepted() + self.rejected.values().sum::<u64>()
    }
}
