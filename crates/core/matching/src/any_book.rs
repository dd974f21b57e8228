//! One type for the two fast books, chosen per instrument by its price range.

use heng_model::{OrderId, OwnerId, Side};

use crate::book::{Execution, Handle, Level, OrderBook, Resting, TakeResult, Taker, Ticks};
use crate::{LadderBook, SparseBook};

/// A ladder where the price range is bounded and narrow enough, else a sparse book.
#[derive(Clone, Debug)]
pub enum Book {
    /// Prices lie in a fixed range.
    Ladder(LadderBook),
    /// Any price.
    Sparse(SparseBook),
}

impl Book {
    /// The right book for orders between two prices, both included; `None` where there is no limit.
    #[must_use]
    pub fn for_range(range: Option<(Ticks, Ticks)>) -> Self {
        match range {
            Some((lower, upper)) if LadderBook::fits(lower, upper) => Self::Ladder(LadderBook::new(lower, upper)),
            _ => Self::Sparse(SparseBook::new()),
        }
    }
}

/// An iterator of one of two kinds.
enum Either<A, B> {
    Ladder(A),
    Sparse(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;
    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Self::Ladder(a) => a.next(),
            Self::Sparse(b) => b.next(),
        }
    }
}

macro_rules! each {
    ($self:ident, $book:ident => $e:expr) => {
        match $self {
            Self::Ladder($book) => $e,
            Self::Sparse($book) => $e,
        }
    };
}

impl OrderBook for Book {
    #[inline]
    fn take(&mut self, taker: &Taker, out: &mut Vec<Execution>) -> TakeResult {
        each!(self, b => b.take(taker, out))
    }
    #[inline]
    fn rest(&mut self, order: OrderId, owner: OwnerId, side: Side, price: Ticks, qty: i64) -> Handle {
        each!(self, b => b.rest(order, owner, side, price, qty))
    }
    #[inline]
    fn cancel(&mut self, handle: Handle, order: OrderId) -> Option<i64> {
        each!(self, b => b.cancel(handle, order))
    }
    fn reduce(&mut self, handle: Handle, order: OrderId, by: i64) -> Option<i64> {
        each!(self, b => b.reduce(handle, order, by))
    }
    #[inline]
    fn warm_order(&self, handle: Handle) {
        each!(self, b => b.warm_order(handle));
    }
    #[inline]
    fn warm_level(&self, side: Side, price: Ticks, link: u32) {
        each!(self, b => b.warm_level(side, price, link));
    }
    #[inline]
    fn warm_best(&self, side: Side, link: u32) {
        each!(self, b => b.warm_best(side, link));
    }
    #[inline]
    fn first(&self, side: Side) -> Option<OrderId> {
        each!(self, b => b.first(side))
    }
    fn find(&self, order: OrderId) -> Option<Handle> {
        each!(self, b => b.find(order))
    }
    fn get(&self, handle: Handle) -> Option<Resting> {
        each!(self, b => b.get(handle))
    }
    fn front(&self, side: Side) -> Option<(Handle, Resting)> {
        each!(self, b => b.front(side))
    }
    #[inline]
    fn best(&self, side: Side) -> Option<Ticks> {
        each!(self, b => b.best(side))
    }
    #[inline]
    fn best_level(&self, side: Side) -> Option<(Ticks, i64)> {
        each!(self, b => b.best_level(side))
    }
    fn volume_at(&self, side: Side, price: Ticks) -> i64 {
        each!(self, b => b.volume_at(side, price))
    }
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        match self {
            Self::Ladder(b) => Either::Ladder(b.levels(side)),
            Self::Sparse(b) => Either::Sparse(b.levels(side)),
        }
    }
    fn orders(&self, side: Side) -> impl Iterator<Item = Resting> + '_ {
        match self {
            Self::Ladder(b) => Either::Ladder(b.orders(side)),
            Self::Sparse(b) => Either::Sparse(b.orders(side)),
        }
    }
    fn handles(&self, side: Side) -> impl Iterator<Item = (Handle, Resting)> + '_ {
        match self {
            Self::Ladder(b) => Either::Ladder(b.handles(side)),
            Self::Sparse(b) => Either::Sparse(b.handles(side)),
        }
    }
    #[inline]
    fn len(&self) -> usize {
        each!(self, b => b.len())
    }
    fn clear(&mut self) {
        each!(self, b => b.clear());
    }
    #[inline]
    fn accepts(&self, price: Ticks) -> bool {
        each!(self, b => b.accepts(price))
    }
    fn heap_bytes(&self) -> usize {
        each!(self, b => b.heap_bytes())
    }
}
