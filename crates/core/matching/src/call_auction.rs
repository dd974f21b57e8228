//! The one price of a call auction 集合竞价, and the trades at it.
//!
//! All exchanges want the largest volume, and all buys above and all sells below the price filled; the mainland ones
//! further want one side at the price filled (SSE trading rules 3.6.2, SZSE 3.5.2; the 2026 texts were not at hand, see
//! `docs/unverified.md`).
//!
//! | rule | candidates | of several | still several |
//! |---|---|---|---|
//! | SSE | order prices 申报价格 | the smallest volume left unmatched at the price | the middle of their range; half a tick goes up |
//! | SZSE, BSE | every tick | the smallest difference between buys above and sells below | the nearest to the reference price |
//! | HK | order prices | the smallest imbalance between buys at or above and sells at or below | with more buys than sells at each of them the highest, with more sells the lowest, else the nearest to the reference price, of two the higher |
//!
//! That Shanghai takes order prices alone was seen in its published indicative prices: with 28,800 shares and nothing
//! unmatched at every tick from 1846.02, an order's price, to 1846.07 it showed 1846.02; with 100 unmatched at the order
//! prices 1781.20 and 1794.88 it showed 1788.04, their middle. Unverified: the rounding of half a tick. The steps of Hong Kong
//! were read where a broker explains the rules of the exchange; that better orders fill follows from them unless the
//! imbalance changes sides among several prices on one side, and there it is unverified.
//!
//! The volumes are constant between two neighbouring order prices, so only the prices of crossing orders and the
//! gaps between them are looked at, never every tick.

use core::cmp::Reverse;

use heng_model::{OrderId, OwnerId, Price, Qty, Side};

use crate::book::{Level, OrderBook, Ticks, checked_sum};

/// Whose tie rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuctionRule {
    /// Shanghai.
    Sse,
    /// Shenzhen and Beijing.
    Szse,
    /// Hong Kong.
    Hk,
}

/// The price of an auction and how much trades at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionPrice {
    /// The price.
    pub price: Ticks,
    /// The quantity, > 0.
    pub volume: i64,
    /// Buys at or above the price that find no seller.
    pub buys_left: i64,
    /// Sells at or below the price that find no buyer.
    pub sells_left: i64,
}

/// One trade of an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionTrade {
    /// The buy order.
    pub buy: OrderId,
    /// The sell order.
    pub sell: OrderId,
    /// The auction's price.
    pub price: Ticks,
    /// Quantity, > 0.
    pub qty: i64,
    /// What the buy order has left.
    pub buy_remaining: i64,
    /// What the sell order has left.
    pub sell_remaining: i64,
    /// Owner of the buy order.
    pub buy_owner: OwnerId,
    /// Owner of the sell order.
    pub sell_owner: OwnerId,
}

/// An order, for [`price`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionOrder {
    /// Its side.
    pub side: Side,
    /// Its limit: a positive multiple of the tick.
    pub price: Price,
    /// Its quantity, > 0.
    pub qty: Qty,
}

/// What is wrong with a list of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuctionInputError {
    /// The tick is not positive.
    Tick,
    /// The price of the order at this place of the list is not a positive multiple of the tick.
    Price(usize),
    /// The quantity of the order at this place of the list is not positive, or the sum leaves `i64`.
    Quantity(usize),
}

impl core::fmt::Display for AuctionInputError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tick => f.write_str("the tick is not positive"),
            Self::Price(at) => write!(f, "order {at}: the price is not a positive multiple of the tick"),
            Self::Quantity(at) => write!(f, "order {at}: the quantity is not positive or the sum is out of range"),
        }
    }
}

impl core::error::Error for AuctionInputError {}

/// Price and volume for a list of orders; `None` if nothing trades. A reference between two ticks counts as the
/// nearer one, half a tick as the higher.
///
/// # Errors
/// If a number of the list is out of range.
pub fn price(
    orders: &[AuctionOrder],
    rule: AuctionRule,
    reference: Price,
    tick: Price,
) -> Result<Option<(Price, Qty)>, AuctionInputError> {
    if tick.0 <= 0 {
        return Err(AuctionInputError::Tick);
    }
    let (mut buys, mut sells) = (Vec::new(), Vec::new());
    let mut sum = 0i64;
    for (at, order) in orders.iter().enumerate() {
        if order.price.0 <= 0 || order.price.0 % tick.0 != 0 {
            return Err(AuctionInputError::Price(at));
        }
        let total = sum.checked_add(order.qty.0).filter(|_| order.qty.0 > 0);
        sum = total.ok_or(AuctionInputError::Quantity(at))?;
        let level = Level { price: order.price.0 / tick.0, qty: order.qty.0, orders: 1 };
        if order.side == Side::Buy {
            buys.push(level);
        } else {
            sells.push(level);
        }
    }
    buys.sort_by_key(|level| Reverse(level.price));
    sells.sort_by_key(|level| level.price);
    let whole = reference.0.div_euclid(tick.0);
    let nearer_up = i128::from(reference.0.rem_euclid(tick.0)) * 2 >= i128::from(tick.0);
    let reference = whole + i64::from(nearer_up);
    let found = price_of_levels(&buys, &sells, rule, reference);
    Ok(found.map(|found| (Price(found.price * tick.0), Qty(found.volume))))
}

/// Price and volume of the orders in a book, without trading; `None` if the sides do not cross.
pub fn price_of_book<B: OrderBook>(book: &B, rule: AuctionRule, reference: Ticks) -> Option<AuctionPrice> {
    let (bid, ask) = (book.best(Side::Buy)?, book.best(Side::Sell)?);
    let buys: Vec<Level> = book.levels(Side::Buy).take_while(|level| level.price >= ask).collect();
    let sells: Vec<Level> = book.levels(Side::Sell).take_while(|level| level.price <= bid).collect();
    price_of_levels(&buys, &sells, rule, reference)
}

/// A run of ticks with the same volumes.
#[derive(Clone, Copy, Debug)]
struct Run {
    low: Ticks,
    high: Ticks,
    /// Buys at or above, and above.
    buys: i64,
    buys_above: i64,
    /// Sells at or below, and below.
    sells: i64,
    sells_below: i64,
    /// One tick at which an order stands, not a gap between two.
    ordered: bool,
}

impl Run {
    fn volume(&self) -> i64 {
        self.buys.min(self.sells)
    }

    fn allowed(&self, rule: AuctionRule) -> bool {
        let better_fill = self.buys_above <= self.volume() && self.sells_below <= self.volume();
        match rule {
            AuctionRule::Sse | AuctionRule::Hk => better_fill && self.ordered,
            AuctionRule::Szse => better_fill,
        }
    }

    /// The smaller the better, among prices of equal volume.
    fn gap(&self, rule: AuctionRule) -> u64 {
        match rule {
            AuctionRule::Sse | AuctionRule::Hk => self.buys.abs_diff(self.sells),
            AuctionRule::Szse => self.buys_above.abs_diff(self.sells_below),
        }
    }
}

/// Price and volume for buys from high to low and sells from low to high; equal prices may repeat.
#[must_use]
pub fn price_of_levels(buys: &[Level], sells: &[Level], rule: AuctionRule, reference: Ticks) -> Option<AuctionPrice> {
    let (bid, ask) = (buys.first()?.price, sells.first()?.price);
    if bid < ask {
        return None;
    }
    let runs = runs(buys, sells);
    let allowed = || runs.iter().filter(|run| run.allowed(rule));
    let volume = allowed().map(Run::volume).max().expect("the price of largest volume always satisfies the rule");
    let best = || allowed().filter(move |run| run.volume() == volume);
    let gap = best().map(|run| run.gap(rule)).min().expect("there is a run of largest volume");
    let tied = || best().filter(move |run| run.gap(rule) == gap);
    let low = tied().map(|run| run.low).min().expect("there is a tied run");
    let high = tied().map(|run| run.high).max().expect("there is a tied run");
    let price = match rule {
        AuctionRule::Sse => middle_half_up(low, high),
        AuctionRule::Szse => reference.clamp(low, high),
        AuctionRule::Hk if tied().all(|run| run.buys > run.sells) => high,
        AuctionRule::Hk if tied().all(|run| run.buys < run.sells) => low,
        AuctionRule::Hk => {
            let nearest = tied().map(|run| run.low).min_by_key(|price| (price.abs_diff(reference), Reverse(*price)));
            nearest.expect("there is a tied run")
        }
    };
    let run = runs
        .iter()
        .find(|run| run.low <= price && price <= run.high)
        .expect("the runs cover every tick between the best sell and the best buy");
    let (buys_left, sells_left) = (run.buys - volume, run.sells - volume);
    Some(AuctionPrice { price, volume, buys_left, sells_left })
}

/// The middle of a range, half a tick rounded up.
fn middle_half_up(low: Ticks, high: Ticks) -> Ticks {
    let width = high.checked_sub(low).expect("prices are far inside i64");
    low + width / 2 + width % 2
}

/// Cuts the ticks between the best sell and the best buy into runs of equal volumes, low to high. The difference of
/// buys and sells only falls from run to run, so tied runs lie side by side (tied order prices, with nothing unmatched
/// in the gap between them).
fn runs(buys: &[Level], sells: &[Level]) -> Vec<Run> {
    let (bid, ask) = (buys[0].price, sells[0].price);
    let mut points: Vec<Ticks> = buys.iter().chain(sells).map(|level| level.price).collect();
    points.retain(|price| (ask..=bid).contains(price));
    points.sort_unstable();
    points.dedup();
    let mut rising_buys = buys.iter().rev().filter(|level| level.price >= ask).peekable();
    let mut rising_sells = sells.iter().peekable();
    let mut above = buys.iter().filter(|level| level.price >= ask).fold(0, |sum, level| checked_sum(sum, level.qty));
    let mut below = 0i64;
    let mut runs: Vec<Run> = Vec::with_capacity(points.len() * 2);
    for price in points {
        if let Some(low) = runs.last().map(|run| run.high + 1)
            && low < price
        {
            runs.push(Run {
                low,
                high: price - 1,
                buys: above,
                buys_above: above,
                sells: below,
                sells_below: below,
                ordered: false,
            });
        }
        let (buys, sells_below) = (above, below);
        while let Some(level) = rising_buys.next_if(|level| level.price == price) {
            above -= level.qty;
        }
        while let Some(level) = rising_sells.next_if(|level| level.price == price) {
            below = checked_sum(below, level.qty);
        }
        runs.push(Run { low: price, high: price, buys, buys_above: above, sells: below, sells_below, ordered: true });
    }
    runs
}

/// Trades `found.volume` at `found.price`: best price first, then oldest order, buyer by seller. The orders left keep
/// their places. Orders of one owner do trade with each other here: an auction has no taker to protect.
///
/// # Panics
/// If the book does not hold that volume at that price.
pub fn uncross<B: OrderBook>(book: &mut B, found: AuctionPrice, out: &mut Vec<AuctionTrade>) {
    let mut left = found.volume;
    while left > 0 {
        let (buy_at, buy) = book.front(Side::Buy).expect("the auction's volume is in the book");
        let (sell_at, sell) = book.front(Side::Sell).expect("the auction's volume is in the book");
        assert!(buy.price >= found.price && sell.price <= found.price, "nobody trades beyond his limit");
        let qty = buy.qty.min(sell.qty).min(left);
        let reduced = "the order in front rests in the book";
        let buy_remaining = book.reduce(buy_at, buy.order, qty).expect(reduced);
        let sell_remaining = book.reduce(sell_at, sell.order, qty).expect(reduced);
        left -= qty;
        out.push(AuctionTrade {
            buy: buy.order,
            sell: sell.order,
            price: found.price,
            qty,
            buy_remaining,
            sell_remaining,
            buy_owner: buy.owner,
            sell_owner: sell.owner,
        });
    }
}
