//! A live order of this venue, as the record and the venue tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use heng_model::event::OrderPlaced;
use heng_model::{OrderId, OrderType, Price, Qty, Side, TradeId};

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits to be sent; the venue certainly does not have it.
    Waiting,
    /// It may have been sent, and the venue has told nothing about it yet.
    Sent,
    /// The venue has told something about it.
    Heard,
}

/// A cancel that the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cancelling {
    /// The command that asked; names the cancel.
    pub(super) seq: u64,
    /// How often it was sent, and when last.
    pub(super) sends: u32,
    pub(super) sent: Option<Instant>,
}

/// A live order.
#[derive(Clone, Debug)]
pub(super) struct Out {
    pub(super) order: OrderId,
    pub(super) symbol: String,
    pub(super) side: Side,
    pub(super) order_type: OrderType,
    pub(super) price: Price,
    /// As the client asked; what shrank it stands in `left`.
    pub(super) quantity: Qty,
    /// Posted in our books, as the record tells.
    pub(super) filled: Qty,
    /// Handed to the core as fills, posted or on the way.
    pub(super) claimed: Qty,
    /// What left the order without a trade, as the record tells.
    pub(super) left: Qty,
    /// What the venue says has traded.
    pub(super) venue_filled: Qty,
    pub(super) stage: Stage,
    /// A report of working is in the core or on the way.
    pub(super) working: bool,
    /// The core was told that nothing is known.
    pub(super) unknown: bool,
    /// A report that ends the order is on the way to the core.
    pub(super) ending: bool,
    pub(super) cancel: Option<Cancelling>,
    /// Enquiries since the venue last told something.
    pub(super) asked: u32,
    /// The enquiry whose answer may say that the venue does not have the order.
    pub(super) question: Option<u64>,
    /// How often the venue said that it does not have the order.
    pub(super) denied: u32,
    /// MsgSeqNum of our last message about it.
    pub(super) number: u64,
    /// When it is looked at again.
    pub(super) due: Option<Instant>,
}

impl Out {
    pub(super) fn new(placed: &OrderPlaced, symbol: &str, stage: Stage) -> Self {
        Self {
            order: placed.order,
            symbol: symbol.to_owned(),
            side: placed.side,
            order_type: placed.order_type,
            price: placed.price,
            quantity: placed.quantity,
            filled: Qty::ZERO,
            claimed: Qty::ZERO,
            left: Qty::ZERO,
            venue_filled: Qty::ZERO,
            stage,
            working: false,
            unknown: false,
            ending: false,
            cancel: None,
            asked: 0,
            question: None,
            denied: 0,
            number: 0,
            due: None,
        }
    }

    /// The venue told of more trades than it has reported.
    pub(super) fn misses_trades(&self) -> bool {
        self.venue_filled > self.claimed
    }

    /// Whether something is expected of the venue soon.
    pub(super) fn waits(&self) -> bool {
        self.stage == Stage::Sent || self.cancel.is_some() || self.misses_trades() || self.unknown
    }
}

/// The live orders, and when each is looked at again.
#[derive(Debug, Default)]
pub(super) struct Outs {
    orders: BTreeMap<OrderId, Out>,
    due: BTreeSet<(Instant, OrderId)>,
}

impl Outs {
    pub(super) fn get(&self, order: OrderId) -> Option<&Out> {
        self.orders.get(&order)
    }

    pub(super) fn get_mut(&mut self, order: OrderId) -> Option<&mut Out> {
        self.orders.get_mut(&order)
    }

    pub(super) fn insert(&mut self, out: Out) {
        self.orders.insert(out.order, out);
    }

    pub(super) fn remove(&mut self, order: OrderId) {
        if let Some(due) = self.orders.remove(&order).and_then(|out| out.due) {
            self.due.remove(&(due, order));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Out> {
        self.orders.values()
    }

    /// Looks at the order again at `when`, and not before; `None` = not by itself.
    pub(super) fn watch(&mut self, order: OrderId, when: Option<Instant>) {
        let Some(out) = self.orders.get_mut(&order) else { return };
        if let Some(before) = out.due.take() {
            self.due.remove(&(before, order));
        }
        out.due = when;
        if let Some(when) = when {
            self.due.insert((when, order));
        }
    }

    /// Takes the next order whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<OrderId> {
        let (when, order) = *self.due.first().filter(|(when, _)| *when <= now)?;
        self.due.remove(&(when, order));
        if let Some(out) = self.orders.get_mut(&order) {
            out.due = None;
        }
        Some(order)
    }
}

/// What became of a trade that the venue told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TradeState {
    /// It has a number; no command of this process is under way.
    Noted,
    /// Its command is under way.
    Flying,
    /// The record has it.
    Posted,
    /// The core refused it for good.
    Refused,
}

/// The day's trades by their ExecID, and their numbers.
///
/// The core takes what is not above the last trade of an order as a repeat, so numbers grow in the order in which
/// trades are handed to it, whatever the venue's ExecIDs look like.
#[derive(Debug, Default)]
pub(super) struct Trades {
    by_exec: BTreeMap<(OrderId, String), (TradeId, TradeState)>,
    by_number: BTreeMap<TradeId, String>,
    last: u64,
}

impl Trades {
    /// A new day; numbers of other days are not met again.
    pub(super) fn begin_day(&mut self) {
        *self = Self::default();
    }

    pub(super) fn note(&mut self, order: OrderId, exec: &str, trade: TradeId, state: TradeState) {
        self.by_exec.insert((order, exec.to_owned()), (trade, state));
        self.by_number.insert(trade, exec.to_owned());
        self.saw(trade);
    }

    /// This number is taken.
    pub(super) fn saw(&mut self, trade: TradeId) {
        self.last = self.last.max(trade.0 & COUNT_MASK);
    }

    pub(super) fn find(&self, order: OrderId, exec: &str) -> Option<(TradeId, TradeState)> {
        self.by_exec.get(&(order, exec.to_owned())).copied()
    }

    pub(super) fn set(&mut self, order: OrderId, exec: &str, state: TradeState) {
        if let Some(found) = self.by_exec.get_mut(&(order, exec.to_owned())) {
            found.1 = state;
        }
    }

    /// The record has this trade. Returns whether a command of this process had brought it.
    pub(super) fn posted(&mut self, order: OrderId, trade: TradeId) -> bool {
        self.saw(trade);
        let Some(exec) = self.by_number.get(&trade) else { return false };
        let Some(found) = self.by_exec.get_mut(&(order, exec.clone())) else { return false };
        std::mem::replace(&mut found.1, TradeState::Posted) == TradeState::Flying
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        assert!(self.last <= COUNT_MASK, "a venue reports fewer than 4 billion trades a day");
        self.last
    }
}

/// Low bits of a trade's number, which count the trades of a day; the days since 1970 stand above them.
pub(super) const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn orders_come_due_once_and_in_time() {
        let (mut outs, start) = (Outs::default(), Instant::now());
        let placed = heng_model::event::OrderPlaced {
            order: OrderId(7),
            account: heng_model::AccountId(1),
            client_order: heng_model::ClientOrderId(1),
            trade_date: heng_model::TradeDate::NONE,
            instrument: heng_model::InstrumentId(1),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: Price(10_000),
            quantity: Qty(100),
            self_trade: heng_model::SelfTrade::Allow,
            parent: heng_model::ParentId(0),
            hold_cash: heng_model::Money(0),
            hold_quantity: Qty(0),
        };
        outs.insert(Out::new(&placed, "A", Stage::Waiting));
        let later = start + Duration::from_secs(1);
        outs.watch(OrderId(7), Some(start));
        outs.watch(OrderId(7), Some(later));
        assert_eq!(outs.take_due(start), None);
        assert_eq!(outs.take_due(later), Some(OrderId(7)));
        assert_eq!(outs.take_due(later), None);
        outs.watch(OrderId(7), Some(start));
        outs.remove(OrderId(7));
        assert_eq!((outs.take_due(later), outs.iter().count()), (None, 0));
    }

    #[test]
    fn numbers_grow_and_a_posted_trade_is_known() {
        let mut trades = Trades::default();
        trades.note(OrderId(1), "B", TradeId(5), TradeState::Flying);
        assert_eq!(trades.next(), 6);
        assert!(trades.posted(OrderId(1), TradeId(5)));
        assert!(!trades.posted(OrderId(1), TradeId(5)), "only once");
        assert_eq!(trades.find(OrderId(1), "B"), Some((TradeId(5), TradeState::Posted)));
        assert_eq!(trades.find(OrderId(2), "B"), None, "an ExecID belongs to its order");
        trades.saw(TradeId((20_000 << COUNT_BITS) | 40));
        assert_eq!(trades.next(), 41);
    }
}
