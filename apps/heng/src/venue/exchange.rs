//! The exchange itself: books in continuous trading by price and time, orders by the name that the client gave them.

use std::collections::BTreeMap;

use heng_matching::order_types::{Entered, Incoming, PriceBounds, enter};
use heng_matching::{Book, Execution, Handle, OrderBook as _};
use heng_model::quantity::div_half_up;
use heng_model::{OrderId, OrderType, OwnerId, Price, Qty, SelfTrade, Side, limits};
use serde::{Deserialize, Serialize};

/// Resting orders of one book at most.
const RESTING_MAX: usize = 100_000;
/// Symbols that are learnt from orders at most.
const SYMBOLS_MAX: usize = 20_000;

/// What trades here and between which prices, as `--instruments` tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Terms {
    /// Symbol.
    pub(super) symbol: String,
    /// Price around which the background flow quotes; decimal text.
    #[serde(default, deserialize_with = "decimal")]
    pub(super) reference: Option<Price>,
    /// Lowest price.
    #[serde(default, deserialize_with = "decimal")]
    pub(super) lower: Option<Price>,
    /// Highest price.
    #[serde(default, deserialize_with = "decimal")]
    pub(super) upper: Option<Price>,
    /// Price step; 0.01 if it is not told.
    #[serde(default, deserialize_with = "decimal")]
    pub(super) tick: Option<Price>,
}

fn decimal<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Price>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let price = text.map(|text| text.parse::<Price>().map_err(|_| serde::de::Error::custom("a decimal text")));
    price.transpose()
}

impl Terms {
    fn learnt(symbol: &str) -> Self {
        Self { symbol: symbol.to_owned(), reference: None, lower: None, upper: None, tick: Some(Price(1)) }
    }

    /// The price step.
    pub(super) fn step(&self) -> i64 {
        self.tick.map_or(100, |tick| tick.0.max(1))
    }

    fn takes(&self, price: Price) -> bool {
        let (lower, upper) = (self.lower.unwrap_or(Price(1)), self.upper.unwrap_or(Price(limits::PRICE_MAX)));
        (lower..=upper).contains(&price) && price.0 % self.step() == 0
    }
}

/// What comes into the exchange. With `--data` each is kept, and made again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Input {
    /// An order. Without a name it belongs to the background flow.
    Place(Ask),
    /// A cancel of the order `client`, under its own name.
    Cancel { client: String, name: String },
    /// The background flow takes an order back.
    Withdraw { number: u64 },
    /// The day ends: what rests expires.
    CloseDay,
}

/// An order as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) client: Option<String>,
    pub(super) symbol: String,
    pub(super) buys: bool,
    /// OrdType (40) and TimeInForce (59).
    pub(super) kind: String,
    pub(super) time: String,
    /// In 1/10,000; 0 = any.
    pub(super) price: i64,
    pub(super) quantity: i64,
    /// Refuse it whatever it is (a reject storm).
    pub(super) refuse: bool,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Live,
    Filled,
    Cancelled,
    Expired,
    Refused,
}

/// An order of a client.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) ask: Ask,
    pub(super) state: State,
    pub(super) filled: i64,
    worth: i128,
    handle: Option<Handle>,
}

impl Order {
    /// What may still trade.
    pub(super) fn leaves(&self) -> i64 {
        if self.state == State::Live { self.ask.quantity - self.filled } else { 0 }
    }

    /// The average price.
    pub(super) fn average(&self) -> Price {
        let filled = i128::from(self.filled);
        if filled == 0 {
            return Price::ZERO;
        }
        Price(i64::try_from(div_half_up(self.worth, filled)).expect("an average of prices is in their range"))
    }
}

/// One side of a trade that belongs to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fill {
    /// ExecID.
    pub(super) exec: String,
    /// The client's name of the order.
    pub(super) order: String,
    pub(super) symbol: String,
    pub(super) buys: bool,
    /// In 1/10,000.
    pub(super) price: i64,
    pub(super) quantity: i64,
}

/// What the exchange tells a client; the order is as it was then.
#[derive(Clone, Debug)]
pub(super) enum Told {
    New(Order),
    Traded(Order, Fill),
    /// It left the book; with the name of the cancel that asked, if one did.
    Ended(Order, Option<String>),
    /// Refused, with OrdRejReason (103) and why.
    Refused(Order, u8, &'static str),
    /// The name is taken: OrdRejReason 6, and the order itself is as it was.
    Duplicate(Order),
    /// A cancel was refused, with CxlRejReason (102).
    NoCancel {
        order: Option<Order>,
        client: String,
        name: String,
        reason: u8,
    },
}

struct Market {
    terms: Terms,
    book: Book,
    last: Price,
}

/// See the module.
#[derive(Default)]
pub(super) struct Exchange {
    markets: BTreeMap<String, Market>,
    orders: BTreeMap<u64, Order>,
    names: BTreeMap<String, u64>,
    fills: Vec<Fill>,
    by_order: BTreeMap<String, Vec<usize>>,
    last_order: u64,
    last_trade: u64,
    executions: Vec<Execution>,
}

fn order_type(kind: &str, time: &str) -> Option<OrderType> {
    match (kind, time) {
        ("2", "0" | "2") => Some(OrderType::Limit),
        ("1", "0" | "3") | ("2", "3") => Some(OrderType::ImmediateOrCancel),
        ("1" | "2", "4") => Some(OrderType::FillOrKill),
        ("K", "0") => Some(OrderType::Best5OrLimit),
        _ => None,
    }
}

impl Exchange {
    pub(super) fn new(terms: Vec<Terms>) -> Self {
        let mut exchange = Self::default();
        for terms in terms {
            exchange.list(terms);
        }
        exchange
    }

    fn list(&mut self, terms: Terms) {
        let last = terms.reference.unwrap_or(Price::ZERO);
        self.markets.insert(terms.symbol.clone(), Market { terms, book: Book::for_range(None), last });
    }

    /// The order of this name.
    pub(super) fn order(&self, client: &str) -> Option<&Order> {
        self.orders.get(self.names.get(client)?)
    }

    /// The number of the newest order.
    pub(super) const fn last_order(&self) -> u64 {
        self.last_order
    }

    /// All trades of clients.
    pub(super) fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The trades of one order.
    pub(super) fn fills_of(&self, client: &str) -> impl Iterator<Item = &Fill> {
        self.by_order.get(client).into_iter().flatten().map(|at| &self.fills[*at])
    }

    /// All orders of clients.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| order.ask.client.is_some())
    }

    /// What can be quoted: symbol, price around which to quote, price step.
    pub(super) fn quotable(&self) -> Vec<(String, Price, i64)> {
        let known = self.markets.iter().filter(|(_, market)| market.last > Price::ZERO);
        known.map(|(symbol, market)| (symbol.clone(), market.last, market.terms.step())).collect()
    }

    /// Takes what comes in. The same inputs give the same outcome.
    pub(super) fn apply(&mut self, input: &Input) -> Vec<Told> {
        let mut told = Vec::new();
        match input {
            Input::Place(ask) => self.place(ask, &mut told),
            Input::Cancel { client, name } => self.cancel(client, name, &mut told),
            Input::Withdraw { number } => drop(self.leave(*number, State::Cancelled)),
            Input::CloseDay => self.close_day(&mut told),
        }
        told
    }

    fn place(&mut self, ask: &Ask, told: &mut Vec<Told>) {
        if let Some(order) = ask.client.as_deref().and_then(|client| self.order(client)) {
            return told.push(Told::Duplicate(order.clone()));
        }
        if !self.markets.contains_key(&ask.symbol) && self.markets.len() < SYMBOLS_MAX {
            self.list(Terms::learnt(&ask.symbol));
        }
        self.last_order += 1;
        let number = self.last_order;
        let order = Order { number, ask: ask.clone(), state: State::Live, filled: 0, worth: 0, handle: None };
        if let Some(client) = &ask.client {
            self.names.insert(client.clone(), number);
        }
        self.orders.insert(number, order);
        match self.refusal(ask) {
            Some((reason, why)) => {
                let order = self.orders.get_mut(&number).expect("it was just put there");
                order.state = State::Refused;
                told.push(Told::Refused(order.clone(), reason, why));
            }
            None => self.enter(number, told),
        }
        self.forget_flow(number);
    }

    fn refusal(&self, ask: &Ask) -> Option<(u8, &'static str)> {
        if ask.refuse {
            return Some((0, "refused by fault injection"));
        }
        let Some(market) = self.markets.get(&ask.symbol) else { return Some((1, "unknown symbol")) };
        let Some(order_type) = order_type(&ask.kind, &ask.time) else {
            return Some((11, "this OrdType and TimeInForce do not go together here"));
        };
        if !(1..=limits::QUANTITY_MAX).contains(&ask.quantity) {
            return Some((13, "incorrect quantity"));
        }
        let priced = ask.price > 0;
        if (priced && !market.terms.takes(Price(ask.price))) || (!priced && order_type == OrderType::Limit) {
            return Some((99, "the price is missing, off its step or out of its limits"));
        }
        (market.book.len() >= RESTING_MAX).then_some((99, "the book is full"))
    }

    fn enter(&mut self, number: u64, told: &mut Vec<Told>) {
        let order = self.orders.get(&number).expect("it was just put there");
        if order.ask.client.is_some() {
            told.push(Told::New(order.clone()));
        }
        let ask = order.ask.clone();
        let side = if ask.buys { Side::Buy } else { Side::Sell };
        let incoming = Incoming {
            order: OrderId(number),
            owner: OwnerId(u32::from(ask.client.is_none()) + 1),
            side,
            order_type: order_type(&ask.kind, &ask.time).expect("it was checked"),
            limit: (ask.price > 0).then_some(ask.price),
            qty: ask.quantity,
            self_trade: SelfTrade::Allow,
        };
        let mut executions = std::mem::take(&mut self.executions);
        let market = self.markets.get_mut(&ask.symbol).expect("it was checked");
        let entered = enter(&mut market.book, &incoming, PriceBounds::NONE, &mut executions);
        if let Some(last) = executions.last() {
            market.last = Price(last.price);
        } else if market.last == Price::ZERO {
            market.last = Price(ask.price);
        }
        for execution in executions.drain(..) {
            self.trade(number, &ask, &execution, told);
        }
        self.executions = executions;
        self.rest(number, entered, told);
    }

    fn trade(&mut self, taker: u64, ask: &Ask, execution: &Execution, told: &mut Vec<Told>) {
        self.last_trade += 1;
        for (number, buys) in [(taker, ask.buys), (execution.maker.0, !ask.buys)] {
            let Some(order) = self.orders.get_mut(&number) else { continue };
            order.filled += execution.qty;
            order.worth += i128::from(execution.qty) * i128::from(execution.price);
            if order.filled == order.ask.quantity {
                order.state = State::Filled;
            }
            if let Some(client) = order.ask.client.clone() {
                let exec = format!("T{}{}", self.last_trade, if buys { 'B' } else { 'S' });
                let (symbol, price, quantity) = (ask.symbol.clone(), execution.price, execution.qty);
                let fill = Fill { exec, order: client.clone(), symbol, buys, price, quantity };
                told.push(Told::Traded(order.clone(), fill.clone()));
                self.by_order.entry(client).or_default().push(self.fills.len());
                self.fills.push(fill);
            }
            self.forget_flow(number);
        }
    }

    fn rest(&mut self, number: u64, entered: Entered, told: &mut Vec<Told>) {
        let Some(order) = self.orders.get_mut(&number) else { return };
        order.handle = entered.rested.map(|(handle, ..)| handle);
        if entered.cancelled.is_some() {
            order.state = State::Cancelled;
            if order.ask.client.is_some() {
                told.push(Told::Ended(order.clone(), None));
            }
        }
    }

    /// Orders of the background flow are needed only while they live.
    fn forget_flow(&mut self, number: u64) {
        let over = |order: &Order| order.ask.client.is_none() && order.state != State::Live;
        if self.orders.get(&number).is_some_and(over) {
            self.orders.remove(&number);
        }
    }

    /// Takes a live order out of its book.
    fn leave(&mut self, number: u64, state: State) -> Option<Order> {
        let order = self.orders.get_mut(&number).filter(|order| order.state == State::Live)?;
        let market = self.markets.get_mut(&order.ask.symbol).expect("a live order has a book");
        let handle = order.handle.expect("a live order rests");
        let left = market.book.cancel(handle, OrderId(number));
        assert_eq!(left, Some(order.ask.quantity - order.filled), "the book and order {number} differ");
        order.state = state;
        let order = order.clone();
        self.forget_flow(number);
        Some(order)
    }

    fn cancel(&mut self, client: &str, name: &str, told: &mut Vec<Told>) {
        let number = self.names.get(client).copied();
        if let Some(order) = number.and_then(|number| self.leave(number, State::Cancelled)) {
            return told.push(Told::Ended(order, Some(name.to_owned())));
        }
        let order = number.and_then(|number| self.orders.get(&number)).cloned();
        let reason = if order.is_some() { 0 } else { 1 };
        told.push(Told::NoCancel { order, client: client.to_owned(), name: name.to_owned(), reason });
    }

    fn close_day(&mut self, told: &mut Vec<Told>) {
        let live: Vec<u64> = self.orders.values().filter(|o| o.state == State::Live).map(|o| o.number).collect();
        for number in live {
            if let Some(order) = self.leave(number, State::Expired)
                && order.ask.client.is_some()
            {
                told.push(Told::Ended(order, None));
            }
        }
    }

    /// Live orders of the background flow, oldest first.
    pub(super) fn flow_orders(&self) -> impl Iterator<Item = u64> {
        self.orders.values().filter(|order| order.ask.client.is_none()).map(|order| order.number)
    }
}

/// A quantity as text.
pub(super) fn quantity(quantity: i64) -> String {
    Qty(quantity).0.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(client: Option<&str>, buys: bool, price: i64, quantity: i64) -> Input {
        Input::Place(Ask {
            client: client.map(str::to_owned),
            symbol: "A".to_owned(),
            buys,
            kind: "2".to_owned(),
            time: "0".to_owned(),
            price,
            quantity,
            refuse: false,
        })
    }

    #[test]
    fn orders_trade_by_price_and_time_and_are_told_step_by_step() {
        let mut exchange = Exchange::default();
        exchange.apply(&ask(None, false, 100_100, 300));
        exchange.apply(&ask(None, false, 100_000, 200));
        let told = exchange.apply(&ask(Some("1"), true, 100_100, 600));
        let sums: Vec<(i64, i64)> = told
            .iter()
            .filter_map(|told| match told {
                Told::Traded(order, fill) => Some((order.filled, fill.price)),
                _ => None,
            })
            .collect();
        assert_eq!(sums, [(200, 100_000), (500, 100_100)]);
        assert!(matches!(told[0], Told::New(_)));
        let order = exchange.order("1").expect("it is there");
        assert_eq!((order.leaves(), order.average(), order.state), (100, Price(100_060), State::Live));
        assert_eq!(exchange.fills_of("1").count(), 2);
        let told = exchange.apply(&Input::Cancel { client: "1".into(), name: "c".into() });
        assert!(matches!(&told[..], [Told::Ended(order, Some(name))] if order.filled == 500 && name == "c"));
        let told = exchange.apply(&Input::Cancel { client: "1".into(), name: "d".into() });
        assert!(matches!(&told[..], [Told::NoCancel { reason: 0, .. }]));
        let told = exchange.apply(&ask(Some("1"), true, 100_100, 600));
        assert!(matches!(&told[..], [Told::Duplicate(_)]));
    }

    #[test]
    fn what_cannot_trade_is_refused_and_the_day_ends_what_rests() {
        let terms = Terms {
            lower: Some(Price(90_000)),
            upper: Some(Price(110_000)),
            tick: Some(Price(100)),
            ..Terms::learnt("A")
        };
        let mut exchange = Exchange::new(vec![terms]);
        for (price, quantity) in [(0, 100), (80_000, 100), (100_050, 100), (100_000, 0)] {
            let name = format!("{price}/{quantity}");
            let told = exchange.apply(&ask(Some(&name), true, price, quantity));
            assert!(matches!(&told[..], [Told::Refused(..)]), "{name}");
        }
        exchange.apply(&ask(Some("good"), true, 100_000, 100));
        let told = exchange.apply(&Input::CloseDay);
        assert!(matches!(&told[..], [Told::Ended(order, None)] if order.state == State::Expired));
        assert!(exchange.apply(&Input::CloseDay).is_empty());
    }
}
