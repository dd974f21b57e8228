//! The orders of the sessions, as far as their reports need them.

use std::collections::HashMap;
use std::sync::Arc;

use heng_model::event::OrderCancelled;
use heng_model::{AccountId, ClientOrderId, OrderId, Price, Qty, Side, TradeDate};
use heng_transport::fix::FixSessionId;

use super::reports::{self, Exec};

/// What is known of an order before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) session: FixSessionId,
    pub(super) account: AccountId,
    pub(super) trade_date: TradeDate,
    pub(super) cl_ord_id: String,
    pub(super) symbol: String,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) quantity: Qty,
    /// OrdType (40) and TimeInForce (59), as they came.
    pub(super) words: (String, String),
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The venue has it, as far as is known.
    Live,
    /// A cancel is on the way.
    Cancelling,
    /// Nothing more can trade.
    Filled,
    /// Its rest was cancelled.
    Cancelled,
    /// Its rest lapsed at the end of the day.
    Expired,
    /// It was refused.
    Rejected,
}

/// An order with a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) note: Arc<Note>,
    pub(super) id: OrderId,
    pub(super) phase: Phase,
    pub(super) filled: Qty,
    /// What the fills are worth together, for their average price.
    pub(super) value: i128,
    /// Whether the session was told that the order is there.
    pub(super) told: bool,
    /// ClOrdID of the cancel that is on the way.
    pub(super) cancel: Option<String>,
}

impl Order {
    /// What can still trade.
    pub(super) fn leaves(&self) -> Qty {
        match self.phase {
            Phase::Live | Phase::Cancelling => Qty(self.note.quantity.0 - self.filled.0),
            _ => Qty::ZERO,
        }
    }

    /// Counts a fill in.
    pub(super) fn fill(&mut self, price: Price, quantity: Qty, filled: Qty) {
        self.filled = filled;
        self.value += i128::from(price.0) * i128::from(quantity.0);
        if filled >= self.note.quantity {
            self.phase = Phase::Filled;
        }
    }

    /// Takes off what was cancelled, and tells what a report of it says.
    pub(super) fn take_off(&mut self, cancelled: &OrderCancelled) -> Exec {
        if cancelled.shrunk {
            Arc::make_mut(&mut self.note).quantity.0 -= cancelled.quantity.0;
            return Exec::Restated;
        }
        self.phase = reports::ended_by(cancelled.reason);
        Exec::Ended
    }

    /// Average price of the fills with six decimals.
    pub(super) fn average(&self) -> String {
        if self.filled.0 == 0 {
            return "0".into();
        }
        // A price has four decimals; two more are kept.
        let scaled = self.value * 100 / i128::from(self.filled.0);
        format!("{}.{:06}", scaled / 1_000_000, scaled % 1_000_000)
    }
}

/// An order's key without its date, which the note holds.
type Key = (AccountId, ClientOrderId);

/// The orders of today and of the trade date before. The tables hold no more than places: one that grows moves
/// everything in it at once, while the sessions wait.
#[derive(Default)]
pub(super) struct Orders {
    notes: HashMap<Key, Arc<Note>>,
    orders: HashMap<OrderId, Box<Order>>,
    numbers: HashMap<Key, OrderId>,
}

impl Orders {
    fn key(account: AccountId, cl_ord_id: &str) -> Key {
        (account, ClientOrderId::from_text(cl_ord_id))
    }

    /// Remembers an order before it has a number. The first note of a key stays: a repeat changes nothing.
    pub(super) fn note(&mut self, note: Note) {
        let key = Self::key(note.account, &note.cl_ord_id);
        let same_day = |old: &Arc<Note>| old.trade_date == note.trade_date;
        if !self.notes.get(&key).is_some_and(same_day) {
            self.numbers.remove(&key);
            self.notes.insert(key, Arc::new(note));
        }
    }

    /// The note of a key on a date.
    pub(super) fn noted(&self, account: AccountId, client_order: ClientOrderId, date: TradeDate) -> Option<&Arc<Note>> {
        self.notes.get(&(account, client_order)).filter(|note| note.trade_date == date)
    }

    /// The order with this number; made from its note where it is new.
    pub(super) fn open(&mut self, id: OrderId, account: AccountId, cl_ord_id: &str) -> Option<&mut Order> {
        let key = Self::key(account, cl_ord_id);
        let note = self.notes.get(&key)?;
        self.numbers.insert(key, id);
        let new = || {
            let note = Arc::clone(note);
            Box::new(Order { note, id, phase: Phase::Live, filled: Qty::ZERO, value: 0, told: false, cancel: None })
        };
        Some(self.orders.entry(id).or_insert_with(new))
    }

    pub(super) fn get(&mut self, id: OrderId) -> Option<&mut Order> {
        self.orders.get_mut(&id).map(Box::as_mut)
    }

    /// The order that a client names.
    pub(super) fn named(&mut self, account: AccountId, cl_ord_id: &str) -> Option<&mut Order> {
        let id = *self.numbers.get(&Self::key(account, cl_ord_id))?;
        self.get(id)
    }

    /// Forgets what is older than `oldest`.
    pub(super) fn forget(&mut self, oldest: TradeDate) {
        self.notes.retain(|_, note| note.trade_date >= oldest);
        self.orders.retain(|_, order| order.note.trade_date >= oldest);
        let orders = &self.orders;
        self.numbers.retain(|_, id| orders.contains_key(id));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }
}

#[cfg(test)]
mod tests {
    use heng_transport::fix::{ApplVersion, Begin};

    use super::*;

    fn note(day: u32, cl_ord_id: &str) -> Note {
        let session = FixSessionId {
            begin: Begin::from_text(b"FIX.4.4").expect("a version"),
            sender: "A".into(),
            target: "B".into(),
            version: ApplVersion::Fix44,
        };
        Note {
            session,
            account: AccountId(1),
            trade_date: TradeDate::new(2026, 7, day).expect("a date"),
            cl_ord_id: cl_ord_id.into(),
            symbol: "600000.SH".into(),
            side: Side::Buy,
            price: Price(100_000),
            quantity: Qty(300),
            words: ("2".into(), "0".into()),
        }
    }

    #[test]
    fn fills_add_up_to_an_average_and_an_end() {
        let mut orders = Orders::default();
        orders.note(note(6, "a"));
        let order = orders.open(OrderId(9), AccountId(1), "a").expect("it was noted");
        order.fill(Price(100_000), Qty(100), Qty(100));
        assert_eq!((order.average().as_str(), order.leaves(), order.phase), ("10.000000", Qty(200), Phase::Live));
        order.fill(Price(100_100), Qty(200), Qty(300));
        assert_eq!((order.average().as_str(), order.leaves(), order.phase), ("10.006666", Qty(0), Phase::Filled));
        assert!(orders.open(OrderId(1), AccountId(1), "b").is_none());
    }

    #[test]
    fn a_key_of_another_day_is_another_order() {
        let mut orders = Orders::default();
        orders.note(note(6, "a"));
        orders.open(OrderId(9), AccountId(1), "a").expect("it was noted");
        orders.note(Note { quantity: Qty(1), ..note(6, "a") });
        assert_eq!(orders.named(AccountId(1), "a").expect("the first").note.quantity, Qty(300));
        orders.note(note(7, "a"));
        assert!(orders.named(AccountId(1), "a").is_none());
        orders.forget(TradeDate::new(2026, 7, 7).expect("a date"));
        assert_eq!(orders.len(), 0);
    }
}
