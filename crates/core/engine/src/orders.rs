//! Orders of the trade date, on the account side.

use heng_model::command::NewOrder;
use heng_model::market::{CancelReason, OrderStatus};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{InstrumentId, Money, OrderType, Price, Qty, RejectCode, SelfTrade, Seq, Side};

use crate::pieces::Pieces;

/// A piece takes 8 MiB of addresses, so that three huge pages fit in wherever it begins.
const RECORDS_SHIFT: u32 = 17;
const ORIGINS_SHIFT: u32 = 19;
/// Marks the end of an account's list of orders.
pub(crate) const NO_ORDER: u32 = u32::MAX;
/// An order that the venue has not placed yet.
pub(crate) const NO_VENUE_REF: u32 = u32::MAX;

/// An order as the account side knows it: what checks, fills and cancels touch, in one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct OrderRecord {
    /// Limit or protective price, as asked; 0 = none.
    pub price: Price,
    /// Quantity, less what self-trade prevention took off.
    pub quantity: Qty,
    /// Filled so far.
    pub filled: Qty,
    /// Exact worth of its fills (`heng_pretrade::worth_of`).
    pub worth: Money,
    /// Cash held now.
    pub hold_cash: Money,
    /// Row of its account.
    pub account_row: u32,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Where the venue said that it rests.
    pub venue_ref: u32,
    /// Number of the reject code; 0 = none.
    pub code: u16,
    /// State.
    pub status: OrderStatus,
    /// Buy or sell.
    pub side: Side,
    /// Type.
    pub order_type: OrderType,
    /// Self-trade prevention.
    pub self_trade: SelfTrade,
    /// Whether a parent owns it.
    pub has_parent: bool,
}

/// Where an order came from: written once, read when somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderOrigin {
    /// Sequence of the command that brought it.
    pub(crate) seq: Seq,
    /// The account's order before this one; `u32::MAX` = none.
    pub(crate) previous: u32,
    /// Place of its key, which knows the client's own id.
    pub(crate) key: u32,
}

const _: () = assert!(size_of::<OrderRecord>() == 64 && size_of::<OrderOrigin>() == 16);

impl OrderRecord {
    /// Fills room that nothing stands in yet.
    const fn nothing() -> Self {
        Self {
            price: Price::ZERO,
            quantity: Qty::ZERO,
            filled: Qty::ZERO,
            worth: Money::ZERO,
            hold_cash: Money::ZERO,
            account_row: 0,
            instrument: InstrumentId(0),
            venue_ref: NO_VENUE_REF,
            code: 0,
            status: OrderStatus::Rejected,
            side: Side::Buy,
            order_type: OrderType::Limit,
            self_trade: SelfTrade::Allow,
            has_parent: false,
        }
    }

    /// An order that was just asked for, before anything became of it.
    #[inline]
    pub(crate) const fn new(order: &NewOrder, account_row: u32) -> Self {
        Self {
            price: order.price,
            quantity: order.quantity,
            filled: Qty::ZERO,
            worth: Money::ZERO,
            hold_cash: Money::ZERO,
            account_row,
            instrument: order.instrument,
            venue_ref: NO_VENUE_REF,
            code: 0,
            status: OrderStatus::Routed,
            side: order.side,
            order_type: order.order_type,
            self_trade: order.self_trade,
            has_parent: false,
        }
    }

    /// Quantity that may still fill.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> Qty {
        self.quantity - self.filled
    }

    /// Why it was refused, if it was.
    #[must_use]
    pub const fn reject_code(&self) -> Option<RejectCode> {
        RejectCode::from_number(self.code)
    }

    /// The state after the rest left the market.
    pub(crate) fn status_after(&self, reason: CancelReason) -> OrderStatus {
        match reason {
            CancelReason::DayEnd => OrderStatus::Expired,
            _ if self.filled > Qty::ZERO => OrderStatus::PartlyCancelled,
            _ => OrderStatus::Cancelled,
        }
    }

    /// Canonical bytes. Where the order rests in memory is not among them.
    fn put(&self, out: &mut Writer) {
        self.price.put(out);
        self.quantity.put(out);
        self.filled.put(out);
        self.worth.put(out);
        self.hold_cash.put(out);
        self.account_row.put(out);
        self.instrument.put(out);
        self.code.put(out);
        self.status.put(out);
        self.side.put(out);
        self.order_type.put(out);
        self.self_trade.put(out);
        self.has_parent.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            price: Wire::get(from)?,
            quantity: Wire::get(from)?,
            filled: Wire::get(from)?,
            worth: Wire::get(from)?,
            hold_cash: Wire::get(from)?,
            account_row: Wire::get(from)?,
            instrument: Wire::get(from)?,
            venue_ref: NO_VENUE_REF,
            code: Wire::get(from)?,
            status: Wire::get(from)?,
            side: Wire::get(from)?,
            order_type: Wire::get(from)?,
            self_trade: Wire::get(from)?,
            has_parent: Wire::get(from)?,
        })
    }
}

impl OrderOrigin {
    fn put(&self, out: &mut Writer) {
        self.seq.put(out);
        self.previous.put(out);
        self.key.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { seq: Wire::get(from)?, previous: Wire::get(from)?, key: Wire::get(from)? })
    }
}

/// The table of the trade date's orders, refused ones included.
#[derive(Clone, Debug)]
pub(crate) struct OrderTable {
    records: Pieces<OrderRecord, RECORDS_SHIFT>,
    origins: Pieces<OrderOrigin, ORIGINS_SHIFT>,
    /// Number of the first order of the trade date.
    pub(crate) base: u64,
}

impl Default for OrderTable {
    /// Numbers begin at 1: an order id of 0 means none.
    fn default() -> Self {
        Self { records: Pieces::default(), origins: Pieces::default(), base: 1 }
    }
}

impl OrderTable {
    /// Makes room for `orders` of a day before they come.
    pub(crate) fn make_room(&mut self, orders: usize) {
        self.records.make_room(orders, OrderRecord::nothing());
        self.origins.make_room(orders, OrderOrigin { seq: Seq(0), previous: NO_ORDER, key: 0 });
    }

    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        self.records.len() as u32
    }

    /// Index of the order with this number, if it is of this trade date.
    #[inline]
    pub(crate) fn index_of(&self, number: u64) -> Option<u32> {
        let index = u32::try_from(number.checked_sub(self.base)?).ok()?;
        (index < self.len()).then_some(index)
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &OrderRecord {
        self.records.get(index as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut OrderRecord {
        self.records.get_mut(index as usize)
    }

    #[inline]
    pub(crate) fn origin(&self, index: u32) -> &OrderOrigin {
        self.origins.get(index as usize)
    }

    /// Adds an order; `limits::ORDERS_PER_DAY_MAX` bounds the table.
    #[inline]
    pub(crate) fn push(&mut self, record: OrderRecord, origin: OrderOrigin) -> u32 {
        let index = self.len();
        self.records.push(record);
        self.origins.push(origin);
        index
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &OrderRecord> {
        self.records.iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OrderRecord, &OrderOrigin)> {
        self.records.iter().zip(self.origins.iter())
    }

    /// Starts a new trade date; the room stays.
    pub(crate) fn roll(&mut self) {
        self.base += u64::from(self.len());
        self.records.clear();
        self.origins.clear();
    }

    pub(crate) fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        self.base.put(out);
        self.len().put(out);
        for (record, origin) in self.iter() {
            record.put(out);
            origin.put(out);
            flush(out);
        }
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut table = Self { base: u64::get(from)?, ..Self::default() };
        for _ in 0..u32::get(from)? {
            let record = OrderRecord::get(from)?;
            table.push(record, OrderOrigin::get(from)?);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::{AccountId, ClientOrderId, TradeDate};

    const PIECE: u32 = 1 << RECORDS_SHIFT;

    fn push(table: &mut OrderTable, key: u32) -> u32 {
        let order = NewOrder {
            account: AccountId(1),
            client_order: ClientOrderId(7),
            trade_date: TradeDate::NONE,
            instrument: InstrumentId(3),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: Price(7),
            quantity: Qty(100),
            self_trade: SelfTrade::Allow,
        };
        table.push(OrderRecord::new(&order, 5), OrderOrigin { seq: Seq(9), previous: NO_ORDER, key })
    }

    #[test]
    fn numbers_begin_at_one_run_across_pieces_and_go_on_the_next_day() {
        let mut table = OrderTable::default();
        let count = PIECE + 10;
        for at in 0..count {
            assert_eq!(push(&mut table, at * 3), at);
        }
        assert_eq!((table.index_of(0), table.index_of(1)), (None, Some(0)));
        let last = u64::from(count);
        assert_eq!(
            (table.index_of(last), table.index_of(last + 1), table.index_of(u64::MAX)),
            (Some(count - 1), None, None)
        );
        assert_eq!(table.origin(PIECE + 3).key, PIECE * 3 + 9);
        table.roll();
        assert_eq!((table.len(), table.index_of(1), table.index_of(last)), (0, None, None));
        push(&mut table, 1);
        assert_eq!(table.index_of(last + 1), Some(0));
    }

    #[test]
    fn an_order_reads_back_as_it_was_written() {
        let mut table = OrderTable::default();
        push(&mut table, u32::MAX);
        let record = table.get_mut(0);
        (record.code, record.status, record.has_parent) = (311, OrderStatus::Rejected, true);
        let mut out = Writer::default();
        table.write_state(&mut out, &mut |_| {});
        let read = OrderTable::read_state(&mut Reader::new(out.bytes())).unwrap();
        assert_eq!((read.get(0), read.origin(0)), (table.get(0), table.origin(0)));
        assert_eq!(read.get(0).reject_code(), Some(RejectCode::PriceLimit));
    }
}
