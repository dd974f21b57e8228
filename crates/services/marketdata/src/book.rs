//! One instrument's book: every resting order, added up by price.
//!
//! The same book is made from the core's events and from a decoded feed. Whoever feeds it learns of every
//! contradiction (an order that is not there, more taken than rests) and decides what to do about it.

use std::collections::BTreeMap;

use heng_model::{IdMap, Price, Qty, Side};

/// Levels of a side that anyone is shown.
pub const LEVELS_MAX: usize = 10;

/// All orders of one side at one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// Quantity of all orders together.
    pub quantity: Qty,
    /// How many orders there are; 0 if the source does not tell.
    pub orders: u32,
}

/// The best levels of one side, best first; what is not there is all zero.
pub type Levels = [Level; LEVELS_MAX];

/// Why a book cannot take what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The order rests already.
    #[error("order {0} joins the book, but it rests there already")]
    Twice(u64),
    /// The order does not rest.
    #[error("order {0} is not in the book")]
    Unknown(u64),
    /// More is taken from an order than rests.
    #[error("order {order} has {rests} in the book, {taken} cannot be taken from it")]
    TooMuch {
        /// The order.
        order: u64,
        /// What rests.
        rests: i64,
        /// What should be taken.
        taken: i64,
    },
    /// A quantity that is not above zero, or a sum beyond 64 bits.
    #[error("the quantity of order {0} is out of range")]
    Quantity(u64),
}

/// An order that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Price,
    /// What rests of it.
    pub quantity: Qty,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    quantity: i64,
    orders: u32,
}

/// The book of one instrument.
#[derive(Clone, Debug, Default)]
pub struct Book {
    rows: IdMap,
    orders: Vec<Resting>,
    free: Vec<u32>,
    bids: BTreeMap<i64, Sum>,
    asks: BTreeMap<i64, Sum>,
}

impl Book {
    /// An order comes to rest.
    ///
    /// # Errors
    /// If it rests already, or its quantity is out of range; the book is then unchanged.
    pub fn add(&mut self, order: u64, resting: Resting) -> Result<(), BookError> {
        let quantity = resting.quantity.0;
        if quantity <= 0 {
            return Err(BookError::Quantity(order));
        }
        if self.rows.get(order).is_some() {
            return Err(BookError::Twice(order));
        }
        let sum = self.side(resting.side).entry(resting.price.0).or_default();
        sum.quantity = sum.quantity.checked_add(quantity).ok_or(BookError::Quantity(order))?;
        sum.orders += 1;
        let row = self.free.pop().unwrap_or_else(|| {
            self.orders.push(resting);
            u32::try_from(self.orders.len() - 1).expect("fewer than four billion orders rest at once")
        });
        self.orders[row as usize] = resting;
        self.rows.insert(order, row);
        Ok(())
    }

    /// `quantity` of an order leaves the book; the order leaves with the last of it. Tells what it was before.
    ///
    /// # Errors
    /// If the order does not rest or has less; the book is then unchanged.
    pub fn take(&mut self, order: u64, quantity: Qty) -> Result<Resting, BookError> {
        let row = self.rows.get(order).ok_or(BookError::Unknown(order))?;
        let before = self.orders[row as usize];
        if quantity.0 <= 0 {
            return Err(BookError::Quantity(order));
        }
        if quantity > before.quantity {
            return Err(BookError::TooMuch { order, rests: before.quantity.0, taken: quantity.0 });
        }
        let gone = quantity == before.quantity;
        self.orders[row as usize].quantity.0 -= quantity.0;
        if gone {
            self.rows.remove(order);
            self.free.push(row);
        }
        let side = self.side(before.side);
        let sum = side.get_mut(&before.price.0).expect("a resting order has a level");
        sum.quantity -= quantity.0;
        sum.orders -= u32::from(gone);
        if sum.orders == 0 {
            side.remove(&before.price.0);
        }
        Ok(before)
    }

    /// An order as it rests.
    #[must_use]
    pub fn get(&self, order: u64) -> Option<Resting> {
        self.rows.get(order).map(|row| self.orders[row as usize])
    }

    /// How many orders rest.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing rests.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The day is over.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The best levels of a side.
    #[must_use]
    pub fn levels(&self, side: Side) -> Levels {
        let mut levels = Levels::default();
        let level = |(price, sum): (&i64, &Sum)| Level {
            price: Price(*price),
            quantity: Qty(sum.quantity),
            orders: sum.orders,
        };
        match side {
            Side::Buy => self.bids.iter().rev().map(level).zip(&mut levels).for_each(|(from, to)| *to = from),
            Side::Sell => self.asks.iter().map(level).zip(&mut levels).for_each(|(from, to)| *to = from),
        }
        levels
    }

    /// What a call auction would make of the book now: price and volume, if anything would trade. Largest volume, all
    /// better orders filled, smallest rest; of prices that tie the one nearest to `near`, or without it their middle
    /// (SZSE and SSE trading rules on call auctions). It is an indication: the engine's own auction decides.
    #[must_use]
    pub fn indicative(&self, near: Option<Price>) -> Option<(Price, Qty)> {
        let (best_bid, best_ask) = (*self.bids.keys().next_back()?, *self.asks.keys().next()?);
        if best_bid < best_ask {
            return None;
        }
        let mut prices: Vec<i64> = self.bids.range(best_ask..).map(|(price, _)| *price).collect();
        prices.extend(self.asks.range(..=best_bid).map(|(price, _)| *price));
        prices.sort_unstable();
        prices.dedup();
        let at = |side: &BTreeMap<i64, Sum>, price| side.get(&price).map_or(0, |sum| sum.quantity);
        let mut demand: i64 = self.bids.range(best_ask..).map(|(_, sum)| sum.quantity).sum();
        let mut supply = 0;
        // The best key so far, and the prices that share it.
        let mut best: Option<((i64, i64), i64, i64)> = None;
        for price in prices {
            let better_supply = supply;
            supply += at(&self.asks, price);
            let better_demand = demand - at(&self.bids, price);
            let volume = demand.min(supply);
            let key = (-volume, (demand - supply).abs());
            if better_demand <= volume && better_supply <= volume {
                best = match best {
                    Some((found, low, _)) if found == key => Some((found, low, price)),
                    Some((found, ..)) if found < key => best,
                    _ => Some((key, price, price)),
                };
            }
            demand = better_demand;
        }
        let ((volume, _), low, high) = best?;
        let price = near.map_or_else(|| middle(low, high), |near| near.0.clamp(low, high));
        Some((Price(price), Qty(-volume)))
    }

    fn side(&mut self, side: Side) -> &mut BTreeMap<i64, Sum> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// The middle of two prices, rounded half up to a cent, or to a tenth of one where they have such places.
fn middle(low: i64, high: i64) -> i64 {
    let tick = if low % 100 == 0 && high % 100 == 0 { 100 } else { 10 };
    (low + high + tick) / (2 * tick) * tick
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(side: Side, price: i64, quantity: i64) -> Resting {
        Resting { side, price: Price(price), quantity: Qty(quantity) }
    }

    #[test]
    fn levels_add_up_and_empty_ones_go() {
        let mut book = Book::default();
        book.add(1, rest(Side::Buy, 100, 300)).unwrap();
        book.add(2, rest(Side::Buy, 101, 200)).unwrap();
        book.add(3, rest(Side::Buy, 100, 100)).unwrap();
        book.add(4, rest(Side::Sell, 105, 500)).unwrap();
        let bids = book.levels(Side::Buy);
        assert_eq!(bids[0], Level { price: Price(101), quantity: Qty(200), orders: 1 });
        assert_eq!(bids[1], Level { price: Price(100), quantity: Qty(400), orders: 2 });
        assert_eq!(bids[2], Level::default());
        book.take(2, Qty(200)).unwrap();
        book.take(3, Qty(40)).unwrap();
        assert_eq!(book.levels(Side::Buy)[0], Level { price: Price(100), quantity: Qty(360), orders: 2 });
        assert_eq!(book.levels(Side::Sell)[0].quantity, Qty(500));
    }

    #[test]
    fn contradictions_are_told_and_change_nothing() {
        let mut book = Book::default();
        book.add(1, rest(Side::Buy, 100, 300)).unwrap();
        let before = book.levels(Side::Buy);
        assert_eq!(book.add(1, rest(Side::Buy, 90, 1)), Err(BookError::Twice(1)));
        assert_eq!(book.take(2, Qty(1)), Err(BookError::Unknown(2)));
        assert_eq!(book.take(1, Qty(301)), Err(BookError::TooMuch { order: 1, rests: 300, taken: 301 }));
        assert_eq!(book.take(1, Qty(0)), Err(BookError::Quantity(1)));
        assert_eq!(book.add(3, rest(Side::Sell, 90, 0)), Err(BookError::Quantity(3)));
        assert_eq!(book.levels(Side::Buy), before);
        assert_eq!(book.len(), 1);
    }

    /// Buys and sells as (price in yuan × 100, quantity); the golden vectors of call auctions.
    fn check(buys: &[(i64, i64)], sells: &[(i64, i64)], near: Option<i64>, expected: Option<(i64, i64)>) {
        let mut book = Book::default();
        let sides = [(Side::Buy, buys), (Side::Sell, sells)];
        let orders = sides.iter().flat_map(|(side, list)| list.iter().map(move |order| (*side, *order)));
        for (number, (side, (price, quantity))) in (1..).zip(orders) {
            book.add(number, rest(side, price * 100, quantity)).unwrap();
        }
        let near = near.map(|price| Price(price * 100));
        let expected = expected.map(|(price, volume)| (Price(price * 100), Qty(volume)));
        assert_eq!(book.indicative(near), expected);
    }

    #[test]
    fn the_indication_follows_the_rules_of_call_auctions() {
        check(&[(1_010, 500), (1_000, 300)], &[(990, 400), (1_005, 300)], Some(1_000), Some((1_005, 500)));
        check(&[(1_010, 500)], &[(990, 500)], None, Some((1_000, 500)));
        check(&[(1_010, 500)], &[(990, 500)], Some(1_003), Some((1_003, 500)));
        check(&[(1_010, 500)], &[(990, 300)], Some(1_000), Some((1_010, 300)));
        check(&[(1_010, 300)], &[(990, 500)], None, Some((990, 300)));
        check(&[(1_000, 300)], &[(1_001, 300)], None, None);
        check(&[(1_000, 300)], &[], None, None);
    }
}
