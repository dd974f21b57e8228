//! Bars of a trading day, minute by minute, with the flow of funds beside them.

use std::collections::BTreeMap;

use heng_model::{Money, Price, Qty, Side};

use crate::flow::{Flow, FlowThresholds};
use crate::session::Session;

/// Open, high, low, close and what traded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Quantity.
    pub volume: Qty,
    /// Value, in the currency of the quotation.
    pub turnover: Money,
    /// Number of trades.
    pub trades: u64,
}

impl Bar {
    /// Whether nothing traded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.trades == 0
    }

    /// One more trade.
    pub fn take(&mut self, price: Price, quantity: Qty, value: Money) {
        self.join(&Self {
            open: price,
            high: price,
            low: price,
            close: price,
            volume: quantity,
            turnover: value,
            trades: 1,
        });
    }

    /// What `later` holds comes behind this.
    pub fn join(&mut self, later: &Self) {
        if later.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = *later;
            return;
        }
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        // A day's volume and value stay far inside 64 bits; a feed that claims more is not followed beyond them.
        self.volume.0 = self.volume.0.saturating_add(later.volume.0);
        self.turnover.0 = self.turnover.0.saturating_add(later.turnover.0);
        self.trades += later.trades;
    }
}

/// What traded in one minute, and who was active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Prices and volume.
    pub bar: Bar,
    /// Value of active orders by their size.
    pub flow: Flow,
}

/// The minutes of one instrument on one day; those without trades are not there.
#[derive(Clone, Debug)]
pub struct DayBars {
    session: Session,
    minutes: BTreeMap<u16, Minute>,
    day: Bar,
    active: Option<Active>,
}

/// The order that took last, and what it took so far without a pause.
#[derive(Clone, Copy, Debug)]
struct Active {
    order: u64,
    slot: u16,
    amount: Money,
}

/// A trade as the bars need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarTrade {
    /// The minute ([`Session::slot`], or [`Session::after_hours`]).
    pub slot: u16,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub quantity: Qty,
    /// Value.
    pub value: Money,
    /// The order that took, and its side; none in an auction.
    pub active: Option<(u64, Side)>,
}

impl DayBars {
    /// A day on which nothing has traded.
    #[must_use]
    pub const fn new(session: Session) -> Self {
        let day = Bar {
            open: Price(0),
            high: Price(0),
            low: Price(0),
            close: Price(0),
            volume: Qty(0),
            turnover: Money(0),
            trades: 0,
        };
        Self { session, minutes: BTreeMap::new(), day, active: None }
    }

    /// The hours of the day.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// One more trade. Trades of one active order in a row are one order's turnover.
    pub fn take(&mut self, trade: &BarTrade, thresholds: &FlowThresholds) {
        let minute = self.minutes.entry(trade.slot).or_default();
        minute.bar.take(trade.price, trade.quantity, trade.value);
        self.day.take(trade.price, trade.quantity, trade.value);
        match (trade.active, &mut self.active) {
            (Some((order, side)), Some(active)) if active.order == order && active.slot == trade.slot => {
                // The order grew: its class may change, so it is taken out and put in again.
                minute.flow.remove(side, active.amount, thresholds);
                active.amount.0 = active.amount.0.saturating_add(trade.value.0);
                minute.flow.put(side, active.amount, thresholds);
            }
            (Some((order, side)), active) => {
                *active = Some(Active { order, slot: trade.slot, amount: trade.value });
                minute.flow.put(side, trade.value, thresholds);
            }
            (None, active) => *active = None,
        }
    }

    /// The minutes with trades, in order.
    pub fn minutes(&self) -> impl Iterator<Item = (u16, &Minute)> {
        self.minutes.iter().map(|(slot, minute)| (*slot, minute))
    }

    /// One minute; nothing if nothing traded in it.
    #[must_use]
    pub fn minute(&self, slot: u16) -> Option<&Minute> {
        self.minutes.get(&slot)
    }

    /// The bar of `minutes` minutes that ends with the last trade; nothing before the first.
    #[must_use]
    pub fn current(&self, minutes: u16) -> Option<(u16, Bar)> {
        let after = self.session.after_hours();
        let (last, _) = self.minutes.range(..after).next_back()?;
        let end = self.session.last_slot(*last, minutes);
        let mut bar = Bar::default();
        let first =
            self.minutes.range(..=end).rev().take_while(|(slot, _)| self.session.last_slot(**slot, minutes) == end);
        let first = first.last().map_or(*last, |(slot, _)| *slot);
        self.minutes.range(first..=end).for_each(|(_, minute)| bar.join(&minute.bar));
        Some((end, bar))
    }

    /// The whole day so far.
    #[must_use]
    pub const fn day(&self) -> &Bar {
        &self.day
    }

    /// Prices between which the exchange's closing price lies. What a closing auction printed is the close. Without
    /// one it is the average of the last minute before the last trade, so it lies within the last two bars.
    #[must_use]
    pub fn tail(&self) -> (Price, Price) {
        let close = self.day.close;
        let in_session = self.minutes.range(..self.session.after_hours());
        let mut bars = in_session.rev().map(|(_, minute)| &minute.bar);
        let Some(last) = bars.next() else { return (close, close) };
        if self.active.is_none() {
            return (last.close, last.close);
        }
        let before = bars.next().unwrap_or(last);
        (last.low.min(before.low), last.high.max(before.high))
    }
}

#[cfg(test)]
mod tests {
    use heng_model::Board;

    use super::*;

    fn trade(slot: u16, price: i64, quantity: i64, active: Option<(u64, Side)>) -> BarTrade {
        BarTrade { slot, price: Price(price), quantity: Qty(quantity), value: Money(price * quantity), active }
    }

    #[test]
    fn bars_join_in_order() {
        let mut day = DayBars::new(Session::of(Board::SseMain));
        for (slot, price) in [(0, 10), (0, 12), (3, 9), (4, 11), (7, 13)] {
            day.take(&trade(slot, price, 100, None), &FlowThresholds::CUSTOMARY);
        }
        let (end, bar) = day.current(5).unwrap();
        assert_eq!((end, bar.open, bar.close, bar.trades), (9, Price(13), Price(13), 1));
        let day_bar = day.day();
        assert_eq!((day_bar.open.0, day_bar.high.0, day_bar.low.0, day_bar.close.0), (10, 13, 9, 13));
        assert_eq!(day_bar.volume, Qty(500));
        assert_eq!(day.current(60).unwrap().1, *day_bar);
    }

    #[test]
    fn an_order_that_takes_twice_is_one_order_of_the_flow() {
        let mut day = DayBars::new(Session::of(Board::SseMain));
        let yuan = 10_000;
        // 30,000 and 30,000 yuan are small one by one, medium together.
        for _ in 0..2 {
            day.take(&trade(0, 10 * yuan, 3_000, Some((7, Side::Buy))), &FlowThresholds::CUSTOMARY);
        }
        day.take(&trade(0, 10 * yuan, 3_000, Some((8, Side::Sell))), &FlowThresholds::CUSTOMARY);
        let flow = day.minute(0).unwrap().flow;
        assert_eq!(flow.medium.bought, Money(60_000 * yuan));
        assert_eq!(flow.small.bought, Money(0));
        assert_eq!(flow.small.sold, Money(30_000 * yuan));
    }
}
