//! The last trade that a venue elsewhere reported for an order, so that a report that comes twice posts once.
//!
//! Venues of this partition answer within the command that asks and are not looked at: nothing here is touched for
//! them. Only live orders have an entry, so the table is as large as what is partly filled elsewhere.

use std::collections::BTreeMap;

use heng_model::TradeId;
use heng_model::wire::{Reader, Wire, WireError, Writer};

/// Last trades by the index of their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedTrades(BTreeMap<u32, TradeId>);

impl ReportedTrades {
    /// Whether a trade of this order was posted before. A venue numbers its trades ascending and its reports arrive in
    /// the order in which it sent them, so what is not above the last one is a repeat.
    pub(crate) fn is_repeat(&self, index: u32, trade: TradeId) -> bool {
        self.0.get(&index).is_some_and(|last| trade <= *last)
    }

    /// A trade of an order that lives on.
    pub(crate) fn note(&mut self, index: u32, trade: TradeId) {
        self.0.insert(index, trade);
    }

    /// The order is done: its state alone refuses what still comes.
    pub(crate) fn forget(&mut self, index: u32) {
        self.0.remove(&index);
    }

    /// A new trade date begins.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Indices of the orders that have an entry, ascending.
    pub(crate) fn orders(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    pub(crate) fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        (self.0.len() as u64).put(out);
        for (index, trade) in &self.0 {
            index.put(out);
            trade.put(out);
            flush(out);
        }
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut last = BTreeMap::new();
        for _ in 0..u64::get(from)? {
            let (index, trade) = (u32::get(from)?, TradeId::get(from)?);
            if last.insert(index, trade).is_some() {
                return Err(WireError::OutOfRange { of: "reported trade" });
            }
        }
        Ok(Self(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_above_the_last_trade_of_its_order_is_a_repeat() {
        let mut table = ReportedTrades::default();
        assert!(!table.is_repeat(3, TradeId(0)), "nothing was posted yet");
        table.note(3, TradeId(7));
        let repeats = [6, 7, 8].map(|trade| table.is_repeat(3, TradeId(trade)));
        assert_eq!((repeats, table.is_repeat(4, TradeId(7))), ([true, true, false], false));
        table.note(3, TradeId(8));
        assert!(table.is_repeat(3, TradeId(8)));
        table.forget(3);
        assert_eq!(table, ReportedTrades::default());
    }

    #[test]
    fn the_table_reads_back_and_an_order_twice_is_an_error() {
        let mut table = ReportedTrades::default();
        (0..5).for_each(|index| table.note(9 - index, TradeId(u64::MAX - u64::from(index))));
        let mut out = Writer::default();
        table.write_state(&mut out, &mut |_| {});
        assert_eq!(ReportedTrades::read_state(&mut Reader::new(out.bytes())), Ok(table));
        let mut twice = Writer::default();
        2u64.put(&mut twice);
        [1u64; 4].iter().for_each(|word| word.put(&mut twice));
        let read = ReportedTrades::read_state(&mut Reader::new(twice.bytes()));
        assert_eq!(read, Err(WireError::OutOfRange { of: "reported trade" }));
    }
}
