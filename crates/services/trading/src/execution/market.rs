//! The market as a driver sees it.

use std::collections::BTreeMap;

use heng_model::{Event, InstrumentId, OrderId, ParentId, Price, Qty, Seq, Side, UnixNanos};
use heng_ports::CommandEvents;

/// What a driver knows of an instrument now; zero where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Best bid.
    pub bid: Price,
    /// What rests there.
    pub bid_quantity: Qty,
    /// Best ask.
    pub ask: Price,
    /// What rests there.
    pub ask_quantity: Qty,
    /// Last price.
    pub last: Price,
    /// The command whose trade had it.
    pub last_at: Seq,
}

impl Quote {
    /// The best price of the other side, and what rests there.
    #[must_use]
    pub const fn opposite(&self, side: Side) -> (Price, Qty) {
        match side {
            Side::Buy => (self.ask, self.ask_quantity),
            Side::Sell => (self.bid, self.bid_quantity),
        }
    }
}

/// Where a driver looks.
pub trait Market {
    /// An instrument now.
    fn quote(&self, instrument: InstrumentId) -> Quote;

    /// Quantity traded since `from`, by the second.
    fn volume_since(&self, instrument: InstrumentId, from: UnixNanos) -> Qty;
}

/// An order that rests.
#[derive(Clone, Copy, Debug)]
struct Resting {
    instrument: InstrumentId,
    side: Side,
    price: Price,
    quantity: Qty,
}

#[derive(Clone, Debug, Default)]
struct Book {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    last: Price,
    last_at: Seq,
    traded: Qty,
    /// What had traded before each second in which something traded.
    volume: BTreeMap<i64, Qty>,
}

impl Book {
    fn side(&mut self, side: Side) -> &mut BTreeMap<Price, Qty> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn change(&mut self, side: Side, price: Price, by: Qty) {
        let levels = self.side(side);
        let level = levels.entry(price).or_default();
        *level += by;
        if *level <= Qty::ZERO {
            levels.remove(&price);
        }
    }
}

/// The market as the record tells it: whoever feeds it every command from the opening of the day on has the book of the
/// venue in this partition.
#[derive(Clone, Debug, Default)]
pub struct MarketBook {
    books: BTreeMap<InstrumentId, Book>,
    orders: BTreeMap<OrderId, Resting>,
    /// When the parents of the day were placed.
    begun: BTreeMap<ParentId, UnixNanos>,
}

impl MarketBook {
    /// Takes what a command said.
    pub fn take(&mut self, command: &CommandEvents) {
        for event in &command.events {
            match event {
                Event::DayOpened(_) | Event::DayClosed(_) => *self = Self::default(),
                Event::OrderWorking(e) => {
                    let resting =
                        Resting { instrument: e.instrument, side: e.side, price: e.price, quantity: e.quantity };
                    self.leave(e.order, Qty(i64::MAX));
                    self.orders.insert(e.order, resting);
                    self.book(e.instrument).change(e.side, e.price, e.quantity);
                }
                Event::OrderFilled(e) => self.leave(e.order, e.quantity),
                Event::OrderCancelled(e) => self.leave(e.order, if e.shrunk { e.quantity } else { Qty(i64::MAX) }),
                Event::ParentAccepted(e) => _ = self.begun.insert(e.parent, command.time),
                Event::Trade(e) => {
                    let book = self.book(e.instrument);
                    (book.last, book.last_at) = (e.price, command.seq);
                    book.volume.entry(command.time.0 / heng_model::SECOND).or_insert(book.traded);
                    book.traded += e.quantity;
                }
                _ => {}
            }
        }
    }

    /// When a parent of the day was placed; `None` while the record was not read that far.
    #[must_use]
    pub fn begun(&self, parent: ParentId) -> Option<UnixNanos> {
        self.begun.get(&parent).copied()
    }

    fn book(&mut self, instrument: InstrumentId) -> &mut Book {
        self.books.entry(instrument).or_default()
    }

    /// A part of a resting order, or all of it, is gone.
    fn leave(&mut self, order: OrderId, quantity: Qty) {
        let Some(resting) = self.orders.get_mut(&order) else { return };
        let gone = quantity.min(resting.quantity);
        resting.quantity -= gone;
        let Resting { instrument, side, price, quantity: left } = *resting;
        if left == Qty::ZERO {
            self.orders.remove(&order);
        }
        self.book(instrument).change(side, price, Qty(-gone.0));
    }
}

impl Market for MarketBook {
    fn quote(&self, instrument: InstrumentId) -> Quote {
        let Some(book) = self.books.get(&instrument) else { return Quote::default() };
        let none = (Price::ZERO, Qty::ZERO);
        let (bid, bid_quantity) = book.bids.last_key_value().map_or(none, |(price, quantity)| (*price, *quantity));
        let (ask, ask_quantity) = book.asks.first_key_value().map_or(none, |(price, quantity)| (*price, *quantity));
        Quote { bid, bid_quantity, ask, ask_quantity, last: book.last, last_at: book.last_at }
    }

    fn volume_since(&self, instrument: InstrumentId, from: UnixNanos) -> Qty {
        let Some(book) = self.books.get(&instrument) else { return Qty::ZERO };
        let mut later = book.volume.range(from.0 / heng_model::SECOND..);
        later.next().map_or(Qty::ZERO, |(_, before)| book.traded - *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heng_model::event::{OrderCancelled, OrderWorking, Trade};
    use heng_model::{AccountId, CancelReason, Money, TradeId};

    const STOCK: InstrumentId = InstrumentId(7);

    fn working(order: u64, side: Side, price: i64, quantity: i64) -> Event {
        let (order, price, quantity) = (OrderId(order), Price(price), Qty(quantity));
        OrderWorking { order, instrument: STOCK, side, price, quantity }.into()
    }

    fn trade(price: i64, quantity: i64) -> Event {
        let (price, quantity) = (Price(price), Qty(quantity));
        let (trade, buy, sell) = (TradeId(1), OrderId(1), OrderId(2));
        Trade { trade, instrument: STOCK, price, quantity, buy, sell, maker: Side::Sell, auction: false }.into()
    }

    fn gone(order: u64, quantity: i64, shrunk: bool) -> Event {
        let (hold_cash, hold_quantity) = (Money::ZERO, Qty::ZERO);
        let (order, quantity, reason) = (OrderId(order), Qty(quantity), CancelReason::Client);
        OrderCancelled { order, account: AccountId(1), quantity, reason, hold_cash, hold_quantity, shrunk }.into()
    }

    fn take(book: &mut MarketBook, seq: u64, second: i64, events: Vec<Event>) {
        book.take(&CommandEvents { seq: Seq(seq), time: UnixNanos(second * heng_model::SECOND), events });
    }

    #[test]
    fn the_book_follows_what_rests_trades_and_leaves() {
        let mut book = MarketBook::default();
        take(&mut book, 1, 100, vec![working(1, Side::Buy, 99, 500), working(2, Side::Sell, 101, 300)]);
        take(&mut book, 2, 100, vec![working(3, Side::Sell, 102, 200), trade(101, 100), gone(2, 100, true)]);
        let quote = book.quote(STOCK);
        assert_eq!(
            (quote.bid, quote.bid_quantity, quote.ask, quote.ask_quantity),
            (Price(99), Qty(500), Price(101), Qty(200))
        );
        assert_eq!((quote.last, quote.last_at), (Price(101), Seq(2)));
        take(&mut book, 3, 105, vec![gone(2, 200, false), trade(102, 50)]);
        assert_eq!(book.quote(STOCK).opposite(Side::Buy), (Price(102), Qty(200)));
        let since = |second: i64| book.volume_since(STOCK, UnixNanos(second * heng_model::SECOND)).0;
        assert_eq!((since(0), since(100), since(101), since(106)), (150, 150, 50, 0));
        assert_eq!(book.quote(InstrumentId(8)), Quote::default());
    }
}
