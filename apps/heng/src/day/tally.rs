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
    /// A bit for each order number that was placed.
    numbers: Vec<u64>,
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
            Event::OrderPlaced(placed) => {
                self.placed += 1;
                self.note_placed(placed.order.number());
            }
            Event::OrderRejected(rejected) => {
                *self.rejected.entry(rejected.code).or_default() += 1;
                // What the checks refuse was never placed; what the venue refuses was.
                self.placed_then_rejected += u64::from(self.was_placed(rejected.order.number()));
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

    fn note_placed(&mut self, number: u64) {
        let word = usize::try_from(number / 64).expect("order numbers of a day fit memory");
        if self.numbers.len() <= word {
            self.numbers.resize(word + 1, 0);
        }
        self.numbers[word] |= 1 << (number % 64);
    }

    fn was_placed(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        self.numbers.get(word).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
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
