//! Every order type in continuous trading, on a book that one can see at a glance.

use heng_matching::order_types::{Incoming, PriceBounds, Unfilled, enter, enter_fixed_price};
use heng_matching::{LadderBook, OrderBook};
use heng_model::{OrderId, OrderType, OwnerId, SelfTrade, Side};

const BOUNDS: PriceBounds = PriceBounds { lower: 900, upper: 1_100 };

/// Sells of 100 each at 1001 … 1012, buys of 100 each at 999 … 988.
fn two_sides() -> LadderBook {
    let mut book = LadderBook::new(BOUNDS.lower, BOUNDS.upper);
    for away in 1..=12u64 {
        book.rest(OrderId(away), OwnerId(1), Side::Sell, 1_000 + away as i64, 100);
        book.rest(OrderId(100 + away), OwnerId(1), Side::Buy, 1_000 - away as i64, 100);
    }
    book
}

fn one_side(side: Side) -> LadderBook {
    let mut book = two_sides();
    let others: Vec<_> = book.handles(side.opposite()).collect();
    for (handle, resting) in others {
        book.cancel(handle, resting.order);
    }
    book
}

fn order(order_type: OrderType, side: Side, limit: Option<i64>, qty: i64) -> Incoming {
    Incoming { order: OrderId(999), owner: OwnerId(2), side, order_type, limit, qty, self_trade: SelfTrade::Allow }
}

/// (last price, filled), (price, quantity) at rest, (quantity, reason) cancelled.
type Told = (Option<(i64, i64)>, Option<(i64, i64)>, Option<(i64, Unfilled)>);

fn check(mut book: LadderBook, order: &Incoming, expected: Told) {
    let before = book.len();
    let mut out = Vec::new();
    let entered = enter(&mut book, order, BOUNDS, &mut out);
    let told = entered.taken.last_price.map(|price| (price, entered.taken.filled));
    let rested = entered.rested.map(|(_, price, qty)| (price, qty));
    assert_eq!((told, rested, entered.cancelled), expected, "{order:?}");
    assert_eq!(entered.taken.filled, out.iter().map(|e| e.qty).sum::<i64>());
    if let Some((handle, price, qty)) = entered.rested {
        let resting = book.get(handle).unwrap();
        assert_eq!((resting.order, resting.side, resting.price, resting.qty), (order.order, order.side, price, qty));
    }
    let emptied = out.iter().filter(|e| e.maker_remaining == 0).count();
    assert_eq!(book.len(), before - emptied + usize::from(entered.rested.is_some()));
    let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
    assert!(bid.zip(ask).is_none_or(|(bid, ask)| bid < ask), "continuous trading leaves no crossed book");
}

use OrderType::*;
use Side::{Buy, Sell};

#[test]
fn limit_orders_rest_at_their_limit() {
    check(two_sides(), &order(Limit, Buy, Some(1_002), 150), (Some((1_002, 150)), None, None));
    check(two_sides(), &order(Limit, Buy, Some(1_002), 250), (Some((1_002, 200)), Some((1_002, 50)), None));
    check(two_sides(), &order(Limit, Sell, Some(1_000), 250), (None, Some((1_000, 250)), None));
    check(two_sides(), &order(Limit, Sell, Some(998), 250), (Some((998, 200)), Some((998, 50)), None));
}

#[test]
fn best_five_or_cancel_touches_five_levels() {
    let rest_cancelled = Some((100, Unfilled::Immediate));
    check(two_sides(), &order(Best5OrCancel, Buy, None, 600), (Some((1_005, 500)), None, rest_cancelled));
    check(two_sides(), &order(Best5OrCancel, Sell, None, 600), (Some((995, 500)), None, rest_cancelled));
    // The protective price stops it earlier.
    let capped = order(Best5OrCancel, Buy, Some(1_003), 600);
    check(two_sides(), &capped, (Some((1_003, 300)), None, Some((300, Unfilled::Immediate))));
    check(one_side(Buy), &order(Best5OrCancel, Buy, None, 100), (None, None, rest_cancelled));
}

#[test]
fn best_five_or_limit_rests_at_its_last_fill_or_its_own_best() {
    check(two_sides(), &order(Best5OrLimit, Buy, None, 600), (Some((1_005, 500)), Some((1_005, 100)), None));
    check(two_sides(), &order(Best5OrLimit, Sell, None, 600), (Some((995, 500)), Some((995, 100)), None));
    // Without a fill: own best; bounded by the protective price; cancelled where the own side is empty.
    check(one_side(Buy), &order(Best5OrLimit, Buy, None, 600), (None, Some((999, 600)), None));
    check(two_sides(), &order(Best5OrLimit, Buy, Some(995), 600), (None, Some((995, 600)), None));
    let nobody = Some((600, Unfilled::NoOwnBest));
    check(LadderBook::new(900, 1_100), &order(Best5OrLimit, Buy, None, 600), (None, None, nobody));
    check(one_side(Sell), &order(Best5OrLimit, Buy, Some(1_000), 600), (None, None, nobody));
}

#[test]
fn own_best_rests_beside_its_own_side() {
    check(two_sides(), &order(OwnBest, Buy, None, 600), (None, Some((999, 600)), None));
    check(two_sides(), &order(OwnBest, Sell, None, 600), (None, Some((1_001, 600)), None));
    check(two_sides(), &order(OwnBest, Buy, Some(990), 600), (None, Some((990, 600)), None));
    check(one_side(Sell), &order(OwnBest, Buy, None, 600), (None, None, Some((600, Unfilled::NoOwnBest))));
}

#[test]
fn opposite_best_takes_one_level_and_rests_there() {
    check(two_sides(), &order(OppositeBest, Buy, None, 100), (Some((1_001, 100)), None, None));
    check(two_sides(), &order(OppositeBest, Buy, None, 130), (Some((1_001, 100)), Some((1_001, 30)), None));
    check(two_sides(), &order(OppositeBest, Sell, None, 130), (Some((999, 100)), Some((999, 30)), None));
    check(two_sides(), &order(OppositeBest, Buy, Some(1_000), 130), (None, Some((1_000, 130)), None));
    check(one_side(Buy), &order(OppositeBest, Buy, None, 130), (None, None, Some((130, Unfilled::NoOppositeBest))));
}

#[test]
fn immediate_or_cancel_takes_every_level() {
    let left = |qty| Some((qty, Unfilled::Immediate));
    check(two_sides(), &order(ImmediateOrCancel, Buy, None, 1_300), (Some((1_012, 1_200)), None, left(100)));
    check(two_sides(), &order(ImmediateOrCancel, Sell, Some(999), 1_300), (Some((999, 100)), None, left(1_200)));
}

#[test]
fn fill_or_kill_is_whole_or_nothing() {
    check(two_sides(), &order(FillOrKill, Buy, None, 1_200), (Some((1_012, 1_200)), None, None));
    let not_whole = |qty| Some((qty, Unfilled::NotWhole));
    check(two_sides(), &order(FillOrKill, Buy, None, 1_201), (None, None, not_whole(1_201)));
    check(two_sides(), &order(FillOrKill, Buy, Some(1_001), 101), (None, None, not_whole(101)));
    // Orders of the same owner do not count.
    let own = Incoming { owner: OwnerId(1), self_trade: SelfTrade::CancelOldest, ..order(FillOrKill, Buy, None, 100) };
    check(two_sides(), &own, (None, None, not_whole(100)));
}

#[test]
fn enhanced_limit_takes_ten_levels_and_rests_at_its_limit() {
    check(
        two_sides(),
        &order(EnhancedLimit, Buy, Some(1_010), 1_100),
        (Some((1_010, 1_000)), Some((1_010, 100)), None),
    );
    check(two_sides(), &order(EnhancedLimit, Buy, Some(1_003), 400), (Some((1_003, 300)), Some((1_003, 100)), None));
    let crossing = Some((100, Unfilled::WouldCross));
    check(two_sides(), &order(EnhancedLimit, Buy, Some(1_012), 1_100), (Some((1_010, 1_000)), None, crossing));
}

#[test]
fn at_auction_limit_waits_for_the_auction() {
    let mut book = two_sides();
    let entered = enter(&mut book, &order(AtAuctionLimit, Buy, Some(1_005), 100), BOUNDS, &mut Vec::new());
    assert_eq!(entered.rested.map(|(_, price, qty)| (price, qty)), Some((1_005, 100)));
    assert_eq!(book.best(Side::Sell), Some(1_001));
}

#[test]
fn after_hours_orders_meet_at_the_close() {
    let mut book = LadderBook::new(900, 1_100);
    let mut out = Vec::new();
    let mut send = |number, side, limit, qty| {
        let order = Incoming { order: OrderId(number), ..order(AfterHoursFixed, side, limit, qty) };
        enter_fixed_price(&mut book, &order, 1_000, &mut out)
    };
    assert_eq!(send(1, Sell, Some(990), 100).rested.map(|(_, price, qty)| (price, qty)), Some((1_000, 100)));
    assert!(send(2, Sell, Some(1_000), 100).rested.is_some());
    assert_eq!(send(3, Sell, Some(1_001), 100).cancelled, Some((100, Unfilled::Immediate)));
    assert_eq!(send(4, Buy, Some(999), 100).cancelled, Some((100, Unfilled::Immediate)));
    assert_eq!(send(5, Buy, Some(1_050), 150).taken.filled, 150);
    let told: Vec<_> = out.iter().map(|e| (e.maker.0, e.price, e.qty)).collect();
    assert_eq!(told, [(1, 1_000, 100), (2, 1_000, 50)], "time alone decides, not the limit");
}
