//! What every order book can do, in ticks. Instruments, phases and rules are the caller's business.

use heng_model::hash::StateHasher;
use heng_model::wire::Writer;
use heng_model::{OrderId, OwnerId, SelfTrade, Side};

/// A price inside a book: price ÷ quantum of the instrument. Any `i64`; a ladder book narrows it to its range.
pub type Ticks = i64;

/// An incoming order that takes from the opposite side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// The incoming order.
    pub order: OrderId,
    /// Whose orders it must not meet, as `self_trade` says.
    pub owner: OwnerId,
    /// Its side; it takes from the other.
    pub side: Side,
    /// Worst acceptable price; `i64::MAX` (buy) or `i64::MIN` (sell) for any price.
    pub limit: Ticks,
    /// Quantity wanted, > 0.
    pub qty: i64,
    /// What happens where it meets an order of the same owner.
    pub self_trade: SelfTrade,
    /// Opposite price levels it may touch; `u32::MAX` for all.
    pub levels_max: u32,
}

/// What happened to one resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExecutionKind {
    /// A trade at the maker's price.
    Fill = 1,
    /// No trade: the maker belonged to the taker's owner and was cancelled; `qty` is what it had left.
    SelfTradeCancel = 2,
    /// No trade: maker and taker belong to one owner and both were reduced by `qty`.
    SelfTradeDecrement = 3,
}

/// One step of a match: one resting order, one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The resting order.
    pub maker: OrderId,
    /// The maker's price.
    pub price: Ticks,
    /// Quantity traded, cancelled or decremented, > 0.
    pub qty: i64,
    /// What the maker has left, ≥ 0; at 0 it has left the book.
    pub maker_remaining: i64,
    /// The maker's owner.
    pub maker_owner: OwnerId,
    /// What happened.
    pub kind: ExecutionKind,
}

const _: () = assert!(core::mem::size_of::<Execution>() <= 48);

/// What is left of a taker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeResult {
    /// Quantity neither traded nor decremented, ≥ 0.
    pub remaining: i64,
    /// Quantity traded.
    pub filled: i64,
    /// Price of its last trade.
    pub last_price: Option<Ticks>,
    /// It met an order of its own owner under a mode that stops the taker; the remainder must not rest.
    pub stopped_by_self_trade: bool,
}

/// Where a resting order lives in its book. A handle may outlive its order and then name another one, so it is
/// always used together with the [`OrderId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u32);

/// A resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The order.
    pub order: OrderId,
    /// Its owner.
    pub owner: OwnerId,
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// What it has left, > 0.
    pub qty: i64,
}

/// One price level as the market sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Ticks,
    /// Sum of the orders' quantities, > 0.
    pub qty: i64,
    /// Number of orders, > 0.
    pub orders: u32,
}

/// An order book with price-time priority.
///
/// Its two sides are independent: a buy may rest above a sell, as in a call auction. Continuous trading never
/// leaves them crossed, because an order rests only after it has taken all it can.
pub trait OrderBook {
    /// Takes from the side opposite to the taker, best price first and oldest order first, until the quantity, the
    /// limit, the number of levels or a self-trade stops it. Executions are appended to `out`. Nothing rests.
    fn take(&mut self, taker: &Taker, out: &mut Vec<Execution>) -> TakeResult;

    /// Puts an order at the end of its level's queue, without matching.
    ///
    /// # Panics
    /// If `qty` is not positive or the price is outside the range of a ladder book.
    fn rest(&mut self, order: OrderId, owner: OwnerId, side: Side, price: Ticks, qty: i64) -> Handle;

    /// Removes an order; returns what it had left, or `None` if the handle does not hold this order.
    fn cancel(&mut self, handle: Handle, order: OrderId) -> Option<i64>;

    /// Takes `by` > 0 off an order, which keeps its place in the queue; at nothing left it leaves the book. Returns
    /// what is left, or `None` if the handle does not hold this order.
    fn reduce(&mut self, handle: Handle, order: OrderId, by: i64) -> Option<i64>;

    /// Starts the memory reads that a cancel of this order will make; changes nothing.
    fn warm_order(&self, handle: Handle) {
        let _ = handle;
    }

    /// Starts the memory reads that resting an order at this price will make, link `0` or `1` of the chain; changes
    /// nothing.
    fn warm_level(&self, side: Side, price: Ticks, link: u32) {
        let _ = (side, price, link);
    }

    /// Starts the memory reads that taking the oldest order of the best level will make, link `0` or `1` of the chain;
    /// changes nothing.
    fn warm_best(&self, side: Side, link: u32) {
        let _ = (side, link);
    }

    /// The oldest order of the best level.
    fn first(&self, side: Side) -> Option<OrderId> {
        self.front(side).map(|(_, resting)| resting.order)
    }

    /// Looks for an order without a handle, by scanning every order. For rare cases.
    fn find(&self, order: OrderId) -> Option<Handle>;

    /// The order that a handle holds now.
    fn get(&self, handle: Handle) -> Option<Resting>;

    /// The first order in the queue of the best level.
    fn front(&self, side: Side) -> Option<(Handle, Resting)>;

    /// The best price of a side: highest buy, lowest sell.
    fn best(&self, side: Side) -> Option<Ticks>;

    /// The best price of a side and the quantity there.
    fn best_level(&self, side: Side) -> Option<(Ticks, i64)>;

    /// The quantity of a side at one price.
    fn volume_at(&self, side: Side, price: Ticks) -> i64;

    /// The levels of a side, best first.
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_;

    /// The orders of a side in price-time priority.
    fn orders(&self, side: Side) -> impl Iterator<Item = Resting> + '_;

    /// Like [`OrderBook::orders`], with each order's handle.
    fn handles(&self, side: Side) -> impl Iterator<Item = (Handle, Resting)> + '_;

    /// Number of resting orders on both sides.
    fn len(&self) -> usize;

    /// Whether nothing rests.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes every order and keeps the room.
    fn clear(&mut self);

    /// Whether an order may rest at this price.
    fn accepts(&self, price: Ticks) -> bool;

    /// Bytes on the heap that this book holds, used or in reserve.
    fn heap_bytes(&self) -> usize;

    /// The best `count` levels of a side, appended to `out`.
    fn depth(&self, side: Side, count: usize, out: &mut Vec<Level>) {
        out.extend(self.levels(side).take(count));
    }

    /// What an order of `side` could buy or sell at `limit` or better within `levels_max` levels, whoever owns it.
    fn available(&self, side: Side, limit: Ticks, levels_max: u32) -> i64 {
        self.levels(side.opposite())
            .take(levels_max as usize)
            .take_while(|level| acceptable(side, limit, level.price))
            .fold(0, |sum, level| checked_sum(sum, level.qty))
    }

    /// Whether [`OrderBook::take`] would meet an order of the taker's owner before it is done.
    fn would_self_trade(&self, taker: &Taker) -> bool {
        let mut wanted = taker.qty;
        for resting in within_reach(self, taker) {
            if wanted <= 0 {
                return false;
            }
            if resting.owner == taker.owner {
                return true;
            }
            wanted -= resting.qty;
        }
        false
    }

    /// What [`OrderBook::take`] would fill, at most the quantity wanted; orders of the same owner count as the
    /// self-trade mode says. This is the question of a fill-or-kill order.
    fn fillable(&self, taker: &Taker) -> i64 {
        let mut filled = 0;
        for resting in within_reach(self, taker) {
            if filled >= taker.qty {
                break;
            }
            match (resting.owner == taker.owner, taker.self_trade) {
                (false, _) | (true, SelfTrade::Allow) => {
                    filled += resting.qty.min(taker.qty - filled);
                }
                (true, SelfTrade::CancelOldest) => {}
                (true, _) => break,
            }
        }
        filled
    }

    /// The whole book in canonical bytes: per side every order in price-time priority. Two books with equal content
    /// write equal bytes, whatever their memory looks like.
    fn write_canonical(&self, out: &mut Writer) {
        for side in [Side::Buy, Side::Sell] {
            for resting in self.orders(side) {
                out.put_u8(1);
                put_resting(&resting, out);
            }
            out.put_u8(0);
        }
    }

    /// Adds the same bytes to a state hash, in bounded pieces.
    fn hash_into(&self, hasher: &mut StateHasher) {
        let mut piece = Writer::with_capacity(128);
        for side in [Side::Buy, Side::Sell] {
            for resting in self.orders(side) {
                piece.clear();
                put_resting(&resting, &mut piece);
                hasher.add_bytes(piece.bytes());
            }
            hasher.add_bytes(&[]);
        }
    }
}

fn put_resting(resting: &Resting, out: &mut Writer) {
    use heng_model::wire::Wire as _;
    resting.price.put(out);
    resting.order.put(out);
    resting.owner.put(out);
    resting.qty.put(out);
}

/// The orders that a taker may meet, in the order in which it meets them.
fn within_reach<'a, B: OrderBook + ?Sized>(book: &'a B, taker: &Taker) -> impl Iterator<Item = Resting> + 'a {
    let (side, limit, mut levels_left) = (taker.side, taker.limit, taker.levels_max);
    let mut level = None;
    book.orders(side.opposite()).take_while(move |resting| {
        if level != Some(resting.price) {
            if levels_left == 0 {
                return false;
            }
            levels_left -= 1;
            level = Some(resting.price);
        }
        acceptable(side, limit, resting.price)
    })
}

/// Turns prices of a side into keys that grow from worse to better: a higher buy is better, and so is a lower sell.
/// `!x` is `-1 - x`, so it reverses the order of all of `i64` without overflow.
#[inline]
pub(crate) const fn key(side: Side, price: Ticks) -> i64 {
    match side {
        Side::Buy => price,
        Side::Sell => !price,
    }
}

/// The inverse of [`key`].
#[inline]
pub(crate) const fn price_of_key(side: Side, key: i64) -> Ticks {
    match side {
        Side::Buy => key,
        Side::Sell => !key,
    }
}

/// Whether an order of `side` with this limit may trade at `price`.
#[inline]
pub(crate) const fn acceptable(side: Side, limit: Ticks, price: Ticks) -> bool {
    key(side, limit) >= key(side, price)
}

/// Sums of quantities stay inside `i64`: an order is at most `limits` wide, and so is the number of orders.
#[inline]
pub(crate) fn checked_sum(a: i64, b: i64) -> i64 {
    a.checked_add(b).expect("quantities of one book stay far inside i64")
}
