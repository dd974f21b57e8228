//! Call auctions: golden vectors, brute force over every tick, and trades in priority.

use heng_matching::call_auction::{
    AuctionInputError, AuctionOrder, AuctionPrice, AuctionRule, AuctionTrade, price, price_of_book, uncross,
};
use heng_matching::{LadderBook, OrderBook, SparseBook};
use heng_model::{OrderId, OwnerId, Price, Qty, Side};
use proptest::prelude::*;

use AuctionRule::{Hk, Sse, Szse};

fn order(side: Side, price: &str, qty: i64) -> AuctionOrder {
    AuctionOrder { side, price: price.parse().unwrap(), qty: Qty(qty) }
}

fn check(orders: &[AuctionOrder], rule: AuctionRule, reference: &str, expected: Option<(&str, i64)>) {
    let found = price(orders, rule, reference.parse().unwrap(), Price(100)).unwrap();
    assert_eq!(found, expected.map(|(p, qty)| (p.parse().unwrap(), Qty(qty))), "{rule:?}");
}

#[test]
fn golden_vectors_of_the_domain_document() {
    let crossing = [
        order(Side::Buy, "10.10", 500),
        order(Side::Buy, "10.00", 300),
        order(Side::Sell, "9.90", 400),
        order(Side::Sell, "10.05", 300),
    ];
    check(&crossing, Sse, "10.00", Some(("10.05", 500)));
    check(&crossing, Szse, "10.00", Some(("10.05", 500)));

    let balanced = [order(Side::Buy, "10.10", 500), order(Side::Sell, "9.90", 500)];
    check(&balanced, Sse, "10.03", Some(("10.00", 500)));
    check(&balanced, Szse, "10.03", Some(("10.03", 500)));
    check(&balanced, Szse, "10.50", Some(("10.09", 500)));
    check(&balanced, Szse, "9.00", Some(("9.91", 500)));

    let more_buys = [order(Side::Buy, "10.10", 500), order(Side::Sell, "9.90", 300)];
    check(&more_buys, Sse, "10.00", Some(("10.10", 300)));
    check(&more_buys, Szse, "10.00", Some(("10.10", 300)));
}

#[test]
fn ties_follow_each_exchange() {
    // An odd range has its middle between two ticks: half a tick goes up.
    let odd = [order(Side::Buy, "10.01", 100), order(Side::Sell, "10.00", 100)];
    check(&odd, Sse, "1.00", Some(("10.01", 100)));
    // A reference between two ticks counts as the nearer, half a tick as the higher.
    let balanced = [order(Side::Buy, "10.10", 500), order(Side::Sell, "9.90", 500)];
    check(&balanced, Szse, "10.0349", Some(("10.03", 500)));
    check(&balanced, Szse, "10.035", Some(("10.04", 500)));
}

/// In Hong Kong the longer side decides before the reference does, and the price is always that of an order.
#[test]
fn a_tie_in_hong_kong_goes_to_the_longer_side() {
    let more_buys = [order(Side::Buy, "10.10", 500), order(Side::Sell, "9.90", 300)];
    check(&more_buys, Hk, "10.00", Some(("10.10", 300)));
    check(&more_buys, Hk, "9.00", Some(("10.10", 300)));
    let more_sells = [order(Side::Buy, "10.10", 300), order(Side::Sell, "9.90", 500)];
    check(&more_sells, Hk, "10.00", Some(("9.90", 300)));
    check(&more_sells, Hk, "11.00", Some(("9.90", 300)));
    let balanced = [order(Side::Buy, "10.10", 500), order(Side::Sell, "9.90", 500)];
    check(&balanced, Hk, "9.98", Some(("9.90", 500)));
    check(&balanced, Hk, "10.00", Some(("10.10", 500)));
    // The imbalance is 100 at both prices, but on different sides.
    let both = [order(Side::Buy, "10.10", 300), order(Side::Buy, "9.90", 100)];
    let both = [both[0], both[1], order(Side::Sell, "9.90", 300), order(Side::Sell, "10.10", 100)];
    check(&both, Hk, "9.95", Some(("9.90", 300)));
    check(&both, Hk, "10.05", Some(("10.10", 300)));
}

/// What the exchange showed before the open of 2023-02-07 and the close of 2023-02-01, with the orders around the price.
#[test]
fn shanghai_takes_the_middle_of_order_prices() {
    let unmatched_on_both_sides = [
        order(Side::Buy, "1884.75", 1_000),
        order(Side::Buy, "1781.20", 100),
        order(Side::Sell, "1615.50", 1_000),
        order(Side::Sell, "1794.88", 100),
    ];
    check(&unmatched_on_both_sides, Sse, "1795.00", Some(("1788.04", 1_000)));
    let nothing_unmatched_above = [
        order(Side::Buy, "1879.96", 28_800),
        order(Side::Sell, "1661.18", 28_700),
        order(Side::Sell, "1846.02", 100),
        order(Side::Sell, "1846.08", 100),
        order(Side::Buy, "1846.01", 100),
    ];
    check(&nothing_unmatched_above, Sse, "1845.76", Some(("1846.02", 28_800)));
}

#[test]
fn nothing_trades_without_crossing_orders() {
    check(&[], Sse, "10.00", None);
    check(&[order(Side::Buy, "10.00", 100)], Szse, "10.00", None);
    check(&[order(Side::Buy, "9.99", 100), order(Side::Sell, "10.00", 100)], Sse, "10.00", None);
}

#[test]
fn impossible_orders_are_refused_by_place() {
    let good = order(Side::Buy, "10.00", 100);
    let bad = |orders: &[AuctionOrder], tick| price(orders, Sse, Price(100_000), Price(tick)).unwrap_err();
    assert_eq!(bad(&[good], 0), AuctionInputError::Tick);
    assert_eq!(bad(&[good, order(Side::Buy, "10.005", 1)], 100), AuctionInputError::Price(1));
    assert_eq!(bad(&[order(Side::Buy, "-1.00", 1)], 100), AuctionInputError::Price(0));
    assert_eq!(bad(&[good, order(Side::Sell, "10.00", 0)], 100), AuctionInputError::Quantity(1));
    assert_eq!(bad(&[good, order(Side::Sell, "10.00", i64::MAX)], 100), AuctionInputError::Quantity(1));
}

/// Every tick is tried (for Shanghai and Hong Kong every order price), every rule is applied word by word.
fn brute_force(orders: &[(Side, i64, i64)], rule: AuctionRule, reference: i64) -> Option<(i64, i64)> {
    let sum = |side, wanted: &dyn Fn(i64) -> bool| -> i64 {
        orders.iter().filter(|(s, p, _)| *s == side && wanted(*p)).map(|(_, _, q)| q).sum()
    };
    let lowest = orders.iter().map(|o| o.1).min()?;
    let highest = orders.iter().map(|o| o.1).max()?;
    let mut candidates = Vec::new();
    for p in lowest..=highest {
        let (buys, sells) = (sum(Side::Buy, &|x| x >= p), sum(Side::Sell, &|x| x <= p));
        let (above, below) = (sum(Side::Buy, &|x| x > p), sum(Side::Sell, &|x| x < p));
        let volume = buys.min(sells);
        let better_fill = above <= volume && below <= volume;
        let candidate = rule == Szse || orders.iter().any(|order| order.1 == p);
        if volume > 0 && candidate && better_fill {
            let gap = if rule == Szse { (above - below).abs() } else { (buys - sells).abs() };
            candidates.push((p, volume, gap, buys - sells));
        }
    }
    let volume = candidates.iter().map(|c| c.1).max()?;
    candidates.retain(|c| c.1 == volume);
    let gap = candidates.iter().map(|c| c.2).min()?;
    candidates.retain(|c| c.2 == gap);
    let prices: Vec<i64> = candidates.iter().map(|c| c.0).collect();
    assert!(rule != Szse || prices.windows(2).all(|w| w[1] == w[0] + 1), "ties stand side by side: {prices:?}");
    let (lowest, highest) = (prices[0], prices[prices.len() - 1]);
    let chosen = match rule {
        Sse => (lowest + highest) / 2 + (lowest + highest) % 2,
        Hk if candidates.iter().all(|c| c.3 > 0) => highest,
        Hk if candidates.iter().all(|c| c.3 < 0) => lowest,
        // Of two prices equally near, the higher.
        _ => *prices.iter().rev().min_by_key(|p| (*p - reference).abs()).unwrap(),
    };
    Some((chosen, volume))
}

fn collect<B: OrderBook>(book: &mut B, orders: &[(Side, i64, i64)]) {
    for (i, (side, price, qty)) in orders.iter().enumerate() {
        book.rest(OrderId(i as u64), OwnerId(0), *side, *price, *qty);
    }
}

/// Who trades with whom if buyers and sellers queue up by price, then time.
fn queue_up(orders: &[(Side, i64, i64)], volume: i64) -> Vec<(u64, u64, i64)> {
    let queue = |side: Side| {
        let mut queue: Vec<(u64, i64, i64)> =
            orders.iter().enumerate().filter(|(_, o)| o.0 == side).map(|(i, o)| (i as u64, o.1, o.2)).collect();
        queue.sort_by_key(|(i, price, _)| (if side == Side::Buy { -price } else { *price }, *i));
        // One entry per unit of quantity.
        queue.into_iter().flat_map(|(i, _, qty)| (0..qty).map(move |_| i)).take(volume as usize).collect::<Vec<_>>()
    };
    let mut trades: Vec<(u64, u64, i64)> = Vec::new();
    for (buy, sell) in queue(Side::Buy).into_iter().zip(queue(Side::Sell)) {
        match trades.last_mut() {
            Some(last) if last.0 == buy && last.1 == sell => last.2 += 1,
            _ => trades.push((buy, sell, 1)),
        }
    }
    trades
}

fn some_orders() -> impl Strategy<Value = Vec<(Side, i64, i64)>> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    prop::collection::vec((side, 100i64..140, 1i64..30), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn brute_force_finds_the_same_price(orders in some_orders(), reference in 90i64..150) {
        for rule in [Sse, Szse, Hk] {
            let mut book = LadderBook::new(100, 140);
            collect(&mut book, &orders);
            let found = price_of_book(&book, rule, reference).map(|f| (f.price, f.volume));
            prop_assert_eq!(found, brute_force(&orders, rule, reference), "{:?}", rule);
            let listed: Vec<AuctionOrder> = orders.iter()
                .map(|(side, p, q)| AuctionOrder { side: *side, price: Price(p * 100), qty: Qty(*q) }).collect();
            let by_list = price(&listed, rule, Price(reference * 100), Price(100)).unwrap();
            prop_assert_eq!(by_list, found.map(|(p, v)| (Price(p * 100), Qty(v))));
        }
    }

    #[test]
    fn trades_follow_price_and_time_and_conserve(orders in some_orders(), reference in 90i64..150) {
        let mut book = SparseBook::new();
        collect(&mut book, &orders);
        let Some(found) = price_of_book(&book, Sse, reference) else { return Ok(()) };
        let mut trades: Vec<AuctionTrade> = Vec::new();
        uncross(&mut book, found, &mut trades);
        let pairs: Vec<_> = trades.iter().map(|t| (t.buy.0, t.sell.0, t.qty)).collect();
        prop_assert_eq!(pairs, queue_up(&orders, found.volume));
        let entered: i64 = orders.iter().map(|o| o.2).sum();
        let left: i64 = [Side::Buy, Side::Sell].iter().flat_map(|s| book.orders(*s)).map(|r| r.qty).sum();
        prop_assert_eq!(left + 2 * found.volume, entered);
        let crossed = book.best(Side::Buy).zip(book.best(Side::Sell)).is_some_and(|(bid, ask)| bid >= ask);
        prop_assert!(!crossed, "nothing is left that could trade");
    }
}

#[test]
fn an_auction_prints_at_one_price_with_what_each_has_left() {
    let mut book = LadderBook::new(900, 1_100);
    collect(&mut book, &[(Side::Buy, 1_010, 500), (Side::Sell, 990, 200), (Side::Sell, 1_005, 400)]);
    let found = price_of_book(&book, Sse, 1_000).unwrap();
    assert_eq!(found, AuctionPrice { price: 1_005, volume: 500, buys_left: 0, sells_left: 100 });
    let mut trades = Vec::new();
    uncross(&mut book, found, &mut trades);
    let told: Vec<_> = trades.iter().map(|t| (t.sell.0, t.price, t.qty, t.buy_remaining, t.sell_remaining)).collect();
    assert_eq!(told, [(1, 1_005, 200, 300, 0), (2, 1_005, 300, 0, 100)]);
    assert_eq!(book.best_level(Side::Sell), Some((1_005, 100)));
    assert_eq!(price_of_book(&book, Sse, 1_000), None);
}
