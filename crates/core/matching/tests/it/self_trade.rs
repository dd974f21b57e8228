//! Every self-trade mode on every book.

use heng_matching::order_types::{Incoming, PriceBounds, Unfilled, enter};
use heng_matching::{ExecutionKind, LadderBook, NaiveBook, OrderBook, SparseBook, Taker};
use heng_model::{OrderId, OrderType, OwnerId, SelfTrade, Side};

use ExecutionKind::{Fill, SelfTradeCancel, SelfTradeDecrement};

/// Sells: another's 100 at 10, own 50 at 10, another's 100 at 11.
fn queue<B: OrderBook>(book: &mut B) {
    book.rest(OrderId(1), OwnerId(1), Side::Sell, 10, 100);
    book.rest(OrderId(2), OwnerId(2), Side::Sell, 10, 50);
    book.rest(OrderId(3), OwnerId(3), Side::Sell, 11, 100);
}

fn taker(self_trade: SelfTrade, qty: i64) -> Taker {
    let (order, owner, side) = (OrderId(9), OwnerId(2), Side::Buy);
    Taker { order, owner, side, limit: 11, qty, self_trade, levels_max: u32::MAX }
}

/// (maker, quantity, left, kind) of each execution, then (remaining, filled, stopped).
type Told = (Vec<(u64, i64, i64, ExecutionKind)>, (i64, i64, bool));

fn play<B: OrderBook>(mut book: B, taker: &Taker) -> Told {
    queue(&mut book);
    let mut out = Vec::new();
    let taken = book.take(taker, &mut out);
    let told = out.iter().map(|e| (e.maker.0, e.qty, e.maker_remaining, e.kind)).collect();
    let removed: i64 = out.iter().map(|e| e.qty).sum();
    let left: i64 = book.orders(Side::Sell).map(|r| r.qty).sum();
    assert_eq!(left + removed, 250, "what executions say has left the book");
    assert_eq!(book.levels(Side::Sell).map(|level| level.qty).sum::<i64>(), left);
    (told, (taken.remaining, taken.filled, taken.stopped_by_self_trade))
}

fn check(self_trade: SelfTrade, qty: i64, expected: &Told) {
    let taker = taker(self_trade, qty);
    assert_eq!(play(NaiveBook::new(), &taker), *expected, "naive {self_trade}");
    assert_eq!(play(LadderBook::new(1, 20), &taker), *expected, "ladder {self_trade}");
    assert_eq!(play(SparseBook::new(), &taker), *expected, "sparse {self_trade}");
}

#[test]
fn each_mode_does_what_its_name_says() {
    let first = (1, 100, 0, Fill);
    check(SelfTrade::Allow, 180, &(vec![first, (2, 50, 0, Fill), (3, 30, 70, Fill)], (0, 180, false)));
    check(SelfTrade::CancelNewest, 180, &(vec![first], (80, 100, true)));
    check(SelfTrade::Reject, 180, &(vec![first], (80, 100, true)));
    check(
        SelfTrade::CancelOldest,
        180,
        &(vec![first, (2, 50, 0, SelfTradeCancel), (3, 80, 20, Fill)], (0, 180, false)),
    );
    check(SelfTrade::CancelBoth, 180, &(vec![first, (2, 50, 0, SelfTradeCancel)], (80, 100, true)));
    check(
        SelfTrade::Decrement,
        180,
        &(vec![first, (2, 50, 0, SelfTradeDecrement), (3, 30, 70, Fill)], (0, 130, false)),
    );
    check(SelfTrade::Decrement, 120, &(vec![first, (2, 20, 30, SelfTradeDecrement)], (0, 100, false)));
}

#[test]
fn an_order_that_is_done_before_its_own_is_not_disturbed() {
    for mode in SelfTrade::ALL {
        check(*mode, 100, &(vec![(1, 100, 0, Fill)], (0, 100, false)));
    }
}

#[test]
fn rejection_looks_before_it_trades() {
    let mut book = LadderBook::new(1, 20);
    queue(&mut book);
    assert!(!book.would_self_trade(&taker(SelfTrade::Reject, 100)));
    assert!(book.would_self_trade(&taker(SelfTrade::Reject, 101)));
    assert!(!book.would_self_trade(&Taker { owner: OwnerId(7), ..taker(SelfTrade::Reject, 101) }));
    assert!(!book.would_self_trade(&Taker { limit: 9, ..taker(SelfTrade::Reject, 101) }));
    let own_is_second_level = Taker { owner: OwnerId(3), levels_max: 1, ..taker(SelfTrade::Reject, 250) };
    assert!(!book.would_self_trade(&own_is_second_level));

    let order = Incoming {
        order: OrderId(9),
        owner: OwnerId(2),
        side: Side::Buy,
        order_type: OrderType::Limit,
        limit: Some(11),
        qty: 180,
        self_trade: SelfTrade::Reject,
    };
    let entered = enter(&mut book, &order, PriceBounds::NONE, &mut Vec::new());
    assert_eq!((entered.cancelled, book.len()), (Some((180, Unfilled::SelfTrade)), 3), "nothing was traded");
    let newest = Incoming { self_trade: SelfTrade::CancelNewest, ..order };
    let entered = enter(&mut book, &newest, PriceBounds::NONE, &mut Vec::new());
    assert_eq!(
        (entered.taken.filled, entered.cancelled),
        (100, Some((80, Unfilled::SelfTrade))),
        "the rest never rests"
    );
}

#[test]
fn fill_or_kill_counts_what_the_mode_leaves() {
    let fillable = |self_trade, qty| {
        let mut book = LadderBook::new(1, 20);
        queue(&mut book);
        book.fillable(&taker(self_trade, qty))
    };
    assert_eq!(fillable(SelfTrade::Allow, 300), 250);
    assert_eq!(fillable(SelfTrade::CancelOldest, 300), 200);
    assert_eq!(fillable(SelfTrade::CancelNewest, 300), 100);
    assert_eq!(fillable(SelfTrade::Decrement, 300), 100);
    assert_eq!(fillable(SelfTrade::Allow, 120), 120);
}
