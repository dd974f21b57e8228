//! Days from before the record begins, for a demonstration whose charts would be empty otherwise.
//!
//! They are made when they are asked for and stand in no table: the tables hold what follows from the record, and
//! nothing else. Every answer that holds such days says so.

use std::sync::Arc;

use heng_model::{InstrumentId, Price, TradeDate};

use crate::bars::{Bar, Minute};
use crate::store::{DayRow, MinuteRow, Span};

/// A day before the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastDay {
    /// The trade date.
    pub date: TradeDate,
    /// Its reference price; another one than the close of the day before is an ex-right.
    pub prev_close: Price,
    /// What traded: its minutes together.
    pub bar: Bar,
}

/// A minute before the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastMinute {
    /// Its place in the day, see [`Session`](crate::Session).
    pub slot: u16,
    /// What traded.
    pub minute: Minute,
}

/// Tells what was before the record. The same question always has the same answer, and the last day closes at the
/// price that the record begins with.
pub trait Past: Send + Sync {
    /// The days of an instrument, oldest first; none if it has no past.
    fn days(&self, instrument: InstrumentId) -> Arc<[PastDay]>;

    /// The minutes of one of these days, in order.
    fn minutes(&self, instrument: InstrumentId, date: TradeDate) -> Vec<PastMinute>;
}

/// The past of one instrument as the tables would hold it.
pub(crate) struct PastOf<'a> {
    past: &'a dyn Past,
    instrument: InstrumentId,
    days: Arc<[PastDay]>,
}

impl<'a> PastOf<'a> {
    pub(crate) fn new(past: &'a dyn Past, instrument: InstrumentId) -> Self {
        Self { past, instrument, days: past.days(instrument) }
    }

    /// The last day of the past.
    pub(crate) fn last(&self) -> Option<TradeDate> {
        self.days.last().map(|day| day.date)
    }

    /// Its days, oldest first.
    pub(crate) fn days(&self) -> impl Iterator<Item = DayRow> + '_ {
        self.days.iter().map(|day| {
            let PastDay { date, prev_close, bar } = *day;
            DayRow { instrument: self.instrument, date, prev_close, bar, tail: (bar.close, bar.close) }
        })
    }

    /// Its minutes inside `span`, newest first, whole days until there are `least`.
    pub(crate) fn minutes(&self, span: Span, least: usize) -> Vec<MinuteRow> {
        let mut rows = Vec::new();
        for day in self.days.iter().rev().filter(|day| (span.0..=span.1).contains(&day.date)) {
            if rows.len() >= least {
                break;
            }
            let (instrument, date) = (self.instrument, day.date);
            let row = |past: PastMinute| MinuteRow { instrument, date, slot: past.slot, minute: past.minute };
            rows.extend(self.past.minutes(instrument, date).into_iter().rev().map(row));
        }
        rows
    }
}
