//! Orders of the trade date, on the account side.

use heng_model::market::{CancelReason, OrderStatus};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{InstrumentId, Money, OrderType, Price, Qty, RejectCode, SelfTrade, Seq, Side};

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
    /// Highest price that it can pay (buy), or its limit; what its hold is computed with.
    pub price: Price,
    /// Quantity, less what self-trade prevention took off.
    pub quantity: Qty,
    /// Filled so far.
    pub filled: Qty,
    /// Exact value of its fills.
    pub value: Money,
    /// Cash held now.
    pub hold_cash: Money,
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

const _: () = assert!(core::mem::size_of::<OrderRecord>() <= 80);

impl OrderRecord {
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
        self.value.put(out);
        self.hold_cash.put(out);
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
            value: Wire::get(from)?,
            hold_cash: Wire::get(from)?,
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
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderTable {
    pieces: Vec<Vec<OrderRecord>>,
    /// Number of the first order of the trade date.
    pub(crate) base: u64,
    len: u32,
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
