//! Orders of the trade date, on the account side.

use heng_model::command::NewOrder;
use heng_model::market::{CancelReason, OrderStatus};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{ClientOrderId, InstrumentId, Money, OrderType, Price, Qty, RejectCode, SelfTrade, Seq, Side};

/// Orders in one piece of the table: a table that grows never moves what it has.
const PIECE: usize = 1 << 14;
/// Marks the end of an account's list of orders.
pub(crate) const NO_ORDER: u32 = u32::MAX;
/// An order that the venue has not placed yet.
pub(crate) const NO_VENUE_REF: u32 = u32::MAX;

/// An order as the account side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRecord {
    /// Sequence of the command that brought it.
    pub seq: Seq,
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
    /// The client's own id, as two words so that it asks for no wider alignment.
    pub(crate) client_order: [u64; 2],
    /// Row of its account.
    pub account_row: u32,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Where the venue said that it rests.
    pub venue_ref: u32,
    /// The account's order before this one; `u32::MAX` = none.
    pub previous: u32,
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

const _: () = assert!(core::mem::size_of::<OrderRecord>() <= 88);

impl OrderRecord {
    /// An order that was just asked for, before anything became of it.
    #[inline]
    pub(crate) const fn new(order: &NewOrder, account_row: u32, seq: Seq) -> Self {
        Self {
            seq,
            price: order.price,
            quantity: order.quantity,
            filled: Qty::ZERO,
            worth: Money::ZERO,
            hold_cash: Money::ZERO,
            client_order: [(order.client_order.0 >> 64) as u64, order.client_order.0 as u64],
            account_row,
            instrument: order.instrument,
            venue_ref: NO_VENUE_REF,
            previous: NO_ORDER,
            code: 0,
            status: OrderStatus::Routed,
            side: order.side,
            order_type: order.order_type,
            self_trade: order.self_trade,
            has_parent: false,
        }
    }

    /// The client's own id.
    #[must_use]
    pub const fn client_order(&self) -> ClientOrderId {
        ClientOrderId((self.client_order[0] as u128) << 64 | self.client_order[1] as u128)
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
        self.seq.put(out);
        self.price.put(out);
        self.quantity.put(out);
        self.filled.put(out);
        self.worth.put(out);
        self.hold_cash.put(out);
        self.client_order.iter().for_each(|word| word.put(out));
        self.account_row.put(out);
        self.instrument.put(out);
        self.previous.put(out);
        self.code.put(out);
        self.status.put(out);
        self.side.put(out);
        self.order_type.put(out);
        self.self_trade.put(out);
        self.has_parent.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            seq: Wire::get(from)?,
            price: Wire::get(from)?,
            quantity: Wire::get(from)?,
            filled: Wire::get(from)?,
            worth: Wire::get(from)?,
            hold_cash: Wire::get(from)?,
            client_order: [Wire::get(from)?, Wire::get(from)?],
            account_row: Wire::get(from)?,
            instrument: Wire::get(from)?,
            venue_ref: NO_VENUE_REF,
            previous: Wire::get(from)?,
            code: Wire::get(from)?,
            status: Wire::get(from)?,
            side: Wire::get(from)?,
            order_type: Wire::get(from)?,
            self_trade: Wire::get(from)?,
            has_parent: Wire::get(from)?,
        })
    }
}

/// The table of the trade date's orders, refused ones included.
#[derive(Clone, Debug)]
pub(crate) struct OrderTable {
    pieces: Vec<Vec<OrderRecord>>,
    /// Number of the first order of the trade date.
    pub(crate) base: u64,
    len: u32,
}

impl Default for OrderTable {
    /// Numbers begin at 1: an order id of 0 means none.
    fn default() -> Self {
        Self { pieces: Vec::new(), base: 1, len: 0 }
    }
}

impl OrderTable {
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Index of the order with this number, if it is of this trade date.
    #[inline]
    pub(crate) fn index_of(&self, number: u64) -> Option<u32> {
        let index = u32::try_from(number.checked_sub(self.base)?).ok()?;
        (index < self.len).then_some(index)
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &OrderRecord {
        &self.pieces[index as usize / PIECE][index as usize % PIECE]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut OrderRecord {
        &mut self.pieces[index as usize / PIECE][index as usize % PIECE]
    }

    #[inline]
    pub(crate) fn push(&mut self, record: OrderRecord) -> u32 {
        if (self.len as usize).is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        self.pieces.last_mut().expect("a piece was just ensured").push(record);
        self.len += 1;
        self.len - 1
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &OrderRecord> {
        self.pieces.iter().flatten()
    }

    /// Starts a new trade date.
    pub(crate) fn roll(&mut self) {
        self.base += u64::from(self.len);
        self.pieces.clear();
        self.len = 0;
    }

    pub(crate) fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        self.base.put(out);
        self.len.put(out);
        for record in self.iter() {
            record.put(out);
            flush(out);
        }
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut table = Self { base: u64::get(from)?, ..Self::default() };
        for _ in 0..u32::get(from)? {
            table.push(OrderRecord::get(from)?);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::{AccountId, TradeDate};

    fn order(key: u128) -> OrderRecord {
        let order = NewOrder {
            account: AccountId(1),
            client_order: ClientOrderId(key),
            trade_date: TradeDate::NONE,
            instrument: InstrumentId(3),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: Price(7),
            quantity: Qty(100),
            self_trade: SelfTrade::Allow,
        };
        OrderRecord::new(&order, 5, Seq(9))
    }

    #[test]
    fn numbers_begin_at_one_run_across_pieces_and_go_on_the_next_day() {
        let mut table = OrderTable::default();
        let count = PIECE as u32 + 10;
        for at in 0..count {
            assert_eq!(table.push(order(u128::from(at) << 70)), at);
        }
        assert_eq!((table.index_of(0), table.index_of(1)), (None, Some(0)));
        let last = u64::from(count);
        assert_eq!(
            (table.index_of(last), table.index_of(last + 1), table.index_of(u64::MAX)),
            (Some(count - 1), None, None)
        );
        assert_eq!(table.get(PIECE as u32 + 3).client_order(), ClientOrderId(u128::from(PIECE as u32 + 3) << 70));
        table.roll();
        assert_eq!((table.len(), table.index_of(1), table.index_of(last)), (0, None, None));
        table.push(order(1));
        assert_eq!(table.index_of(last + 1), Some(0));
    }

    #[test]
    fn an_order_reads_back_as_it_was_written() {
        let mut table = OrderTable::default();
        table.push(OrderRecord { code: 311, status: OrderStatus::Rejected, has_parent: true, ..order(u128::MAX) });
        let mut out = Writer::default();
        table.write_state(&mut out, &mut |_| {});
        let read = OrderTable::read_state(&mut Reader::new(out.bytes())).unwrap();
        assert_eq!(read.get(0), table.get(0));
        assert_eq!(read.get(0).reject_code(), Some(RejectCode::PriceLimit));
    }
}
