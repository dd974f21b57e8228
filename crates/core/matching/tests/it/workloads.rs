//! The benchmark workloads give the published counts on every book.

use heng_matching::workload::{Player, RANGE, Shape, Totals, W1, W2, generate};
use heng_matching::{LadderBook, OrderBook, SparseBook};

fn check(shape: Shape, trades: u64, quantity: i64) -> Totals {
    let (events, totals) = generate(shape, SparseBook::new());
    assert_eq!((totals.trades, totals.quantity), (trades, quantity));
    let mut player = Player::new(LadderBook::new(RANGE.0, RANGE.1), events.len());
    events.iter().for_each(|event| {
        player.play(event);
    });
    assert_eq!(player.totals, totals);
    assert_eq!(
        player.book.len() as u64,
        player.book.orders(heng_model::Side::Buy).count() as u64
            + player.book.orders(heng_model::Side::Sell).count() as u64
    );
    totals
}

#[test]
fn w1_gives_the_published_counts() {
    let totals = check(W1, 426_028, 129_336_100);
    assert_eq!((totals.adds, totals.cancels), (1_249_611, 770_389));
}

#[test]
fn w2_gives_the_published_counts() {
    check(W2, 847_978, 256_911_800);
}

#[test]
fn a_resting_order_takes_at_most_64_bytes() {
    let (events, _) = generate(Shape { timed: 0, ..W1 }, SparseBook::new());
    let mut player = Player::new(LadderBook::new(RANGE.0, RANGE.1), events.len());
    for event in &events {
        player.play(event);
    }
    let each = player.book.heap_bytes() / player.book.len();
    assert!(each <= 64, "{each} bytes per resting order");
    assert!(LadderBook::new(1, 2_000).heap_bytes() <= 1_024, "an empty book is small");
}
