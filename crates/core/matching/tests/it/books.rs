//! What every book does, one question at a time, on all three books.

use heng_matching::{
    Book, Execution, ExecutionKind, Handle, LadderBook, Level, NaiveBook, OrderBook, SparseBook, Taker,
};
use heng_model::wire::Writer;
use heng_model::{OrderId, OwnerId, SelfTrade, Side};

/// Runs a scenario on each kind of book.
macro_rules! on_every_book {
    ($scenario:ident) => {
        $scenario(NaiveBook::new());
        $scenario(LadderBook::new(-50, 200));
        $scenario(SparseBook::new());
        $scenario(Book::for_range(Some((-50, 200))));
        $scenario(Book::for_range(None));
    };
}

fn rest(book: &mut impl OrderBook, number: u64, side: Side, price: i64, qty: i64) -> Handle {
    book.rest(OrderId(number), OwnerId(number as u32), side, price, qty)
}

fn buyer(limit: i64, qty: i64) -> Taker {
    let (order, owner) = (OrderId(99), OwnerId(99));
    Taker { order, owner, side: Side::Buy, limit, qty, self_trade: SelfTrade::Allow, levels_max: u32::MAX }
}

fn fill(maker: u64, price: i64, qty: i64, maker_remaining: i64) -> Execution {
    let (maker, maker_owner) = (OrderId(maker), OwnerId(maker as u32));
    Execution { maker, price, qty, maker_remaining, maker_owner, kind: ExecutionKind::Fill }
}

fn price_then_time<B: OrderBook>(mut book: B) {
    rest(&mut book, 1, Side::Sell, 12, 5);
    rest(&mut book, 2, Side::Sell, 11, 5);
    rest(&mut book, 3, Side::Sell, 11, 5);
    rest(&mut book, 4, Side::Sell, 13, 5);
    let mut out = Vec::new();
    let result = book.take(&buyer(12, 13), &mut out);
    assert_eq!(out, [fill(2, 11, 5, 0), fill(3, 11, 5, 0), fill(1, 12, 3, 2)]);
    assert_eq!((result.remaining, result.filled, result.last_price), (0, 13, Some(12)));
    out.clear();
    let result = book.take(&buyer(12, 9), &mut out);
    assert_eq!(out, [fill(1, 12, 2, 0)], "13 is beyond the limit");
    assert_eq!((result.remaining, book.len()), (7, 1));
}

#[test]
fn orders_trade_by_price_and_then_by_time() {
    on_every_book!(price_then_time);
}

fn levels_bound_a_taker<B: OrderBook>(mut book: B) {
    for number in 0..4 {
        rest(&mut book, number, Side::Sell, 10 + number as i64, 5);
    }
    assert_eq!(book.available(Side::Buy, i64::MAX, 3), 15);
    assert_eq!(book.available(Side::Buy, 11, u32::MAX), 10);
    assert_eq!(book.available(Side::Sell, i64::MIN, u32::MAX), 0);
    let mut out = Vec::new();
    let result = book.take(&Taker { levels_max: 2, ..buyer(i64::MAX, 100) }, &mut out);
    assert_eq!((out.len(), result.remaining), (2, 90));
    assert_eq!(book.take(&Taker { levels_max: 0, ..buyer(i64::MAX, 100) }, &mut out).remaining, 100);
}

#[test]
fn a_taker_stops_at_its_number_of_levels() {
    on_every_book!(levels_bound_a_taker);
}

fn cancels_and_reductions<B: OrderBook>(mut book: B) {
    let first = rest(&mut book, 1, Side::Buy, 10, 5);
    let second = rest(&mut book, 2, Side::Buy, 10, 7);
    let third = rest(&mut book, 3, Side::Buy, 10, 9);
    assert_eq!(book.cancel(second, OrderId(1)), None, "the handle holds another order");
    assert_eq!(book.cancel(second, OrderId(2)), Some(7));
    assert_eq!(book.cancel(second, OrderId(2)), None, "it is gone");
    assert_eq!(book.reduce(second, OrderId(2), 1), None);
    assert_eq!(book.reduce(first, OrderId(1), 2), Some(3));
    assert_eq!(book.front(Side::Buy).map(|(_, r)| (r.order, r.qty)), Some((OrderId(1), 3)), "it keeps its place");
    assert_eq!(book.volume_at(Side::Buy, 10), 12);
    assert_eq!(book.reduce(first, OrderId(1), 50), Some(0), "no more than it has");
    assert_eq!(book.find(OrderId(3)), Some(third));
    assert_eq!(book.find(OrderId(1)), None);
    assert_eq!(book.get(third).map(|r| (r.order, r.price, r.qty)), Some((OrderId(3), 10, 9)));
    assert_eq!(book.get(first), None);
    assert_eq!(book.cancel(third, OrderId(3)), Some(9));
    assert_eq!((book.len(), book.best(Side::Buy), book.volume_at(Side::Buy, 10)), (0, None, 0));
}

#[test]
fn orders_leave_only_under_their_own_name() {
    on_every_book!(cancels_and_reductions);
}

fn a_used_place<B: OrderBook>(mut book: B) {
    let old = rest(&mut book, 1, Side::Buy, 10, 5);
    book.cancel(old, OrderId(1));
    let new = rest(&mut book, 2, Side::Sell, 20, 5);
    assert_eq!(book.cancel(old, OrderId(1)), None);
    assert_eq!(book.cancel(new, OrderId(2)), Some(5));
    assert_eq!(book.cancel(Handle(u32::MAX), OrderId(2)), None);
}

#[test]
fn an_old_handle_never_reaches_a_new_order() {
    on_every_book!(a_used_place);
}

fn depth_of_both_sides<B: OrderBook>(mut book: B) {
    // As in an auction, the sides may cross.
    for (number, side, price, qty) in [
        (1, Side::Buy, 12, 5),
        (2, Side::Buy, 12, 6),
        (3, Side::Buy, -9, 7),
        (4, Side::Sell, 11, 8),
        (5, Side::Sell, 150, 9),
    ] {
        rest(&mut book, number, side, price, qty);
    }
    let mut depth = Vec::new();
    book.depth(Side::Buy, 10, &mut depth);
    book.depth(Side::Sell, 1, &mut depth);
    let level = |price, qty, orders| Level { price, qty, orders };
    assert_eq!(depth, [level(12, 11, 2), level(-9, 7, 1), level(11, 8, 1)]);
    assert_eq!((book.best_level(Side::Buy), book.best_level(Side::Sell)), (Some((12, 11)), Some((11, 8))));
    let numbers: Vec<u64> = book.orders(Side::Buy).chain(book.orders(Side::Sell)).map(|r| r.order.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let found: Vec<_> = book.handles(Side::Sell).map(|(at, r)| book.get(at) == Some(r)).collect();
    assert_eq!(found, [true, true]);
    book.clear();
    assert_eq!((book.is_empty(), book.levels(Side::Buy).count(), book.best(Side::Sell)), (true, 0, None));
    rest(&mut book, 6, Side::Sell, 20, 1);
    assert_eq!(book.best(Side::Sell), Some(20));
}

#[test]
fn sides_are_independent_and_shown_best_first() {
    on_every_book!(depth_of_both_sides);
}

#[test]
fn equal_content_has_equal_bytes() {
    let bytes = |book: &dyn Fn(&mut Writer)| {
        let mut out = Writer::default();
        book(&mut out);
        out.into_bytes()
    };
    let mut one = LadderBook::new(0, 100);
    let mut other = SparseBook::new();
    let gone = rest(&mut one, 7, Side::Buy, 90, 1);
    rest(&mut one, 1, Side::Buy, 10, 5);
    rest(&mut one, 2, Side::Sell, 20, 5);
    one.cancel(gone, OrderId(7));
    rest(&mut other, 2, Side::Sell, 20, 5);
    rest(&mut other, 1, Side::Buy, 10, 5);
    assert_eq!(bytes(&|out| one.write_canonical(out)), bytes(&|out| other.write_canonical(out)));
    let hash = |book: &dyn Fn(&mut heng_model::hash::StateHasher)| {
        let mut hasher = heng_model::hash::StateHasher::default();
        book(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(&|h| one.hash_into(h)), hash(&|h| other.hash_into(h)));
    rest(&mut other, 3, Side::Sell, 20, 1);
    assert_ne!(hash(&|h| one.hash_into(h)), hash(&|h| other.hash_into(h)));
}

#[test]
fn a_ladder_ends_at_its_range() {
    let mut book = LadderBook::new(-50, 65_485);
    assert!(book.accepts(-50) && book.accepts(65_485) && !book.accepts(-51) && !book.accepts(65_486));
    assert!(!book.accepts(i64::MAX) && !book.accepts(i64::MIN));
    for (number, price) in [(1, -50), (2, 65_485), (3, 4_000)] {
        rest(&mut book, number, Side::Buy, price, 1);
        rest(&mut book, number + 10, Side::Sell, price, 1);
    }
    let prices = |side| book.levels(side).map(|level| level.price).collect::<Vec<_>>();
    assert_eq!(prices(Side::Buy), [65_485, 4_000, -50]);
    assert_eq!(prices(Side::Sell), [-50, 4_000, 65_485]);
    assert!(!LadderBook::fits(0, 65_536) && !LadderBook::fits(1, 0) && !LadderBook::fits(i64::MIN, i64::MAX));
    assert!(matches!(Book::for_range(Some((0, 65_536))), Book::Sparse(_)));
    assert!(matches!(Book::for_range(Some((0, 65_535))), Book::Ladder(_)));
}
