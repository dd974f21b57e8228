//! Generated streams: the ladder and the sparse book against the naive book, 10^7 events in all.

use heng_matching::oracle::compare_streams;

/// Each of the eight parts plays this many streams.
const STREAMS: u64 = 50;
const EVENTS: u64 = 25_000;

fn check(part: u64) {
    let (mut executions, mut auctions) = (0, 0);
    for seed in part * STREAMS..(part + 1) * STREAMS {
        let compared = compare_streams(seed, EVENTS).unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(compared.events, EVENTS);
        executions += compared.executions;
        auctions += compared.auctions;
    }
    assert!(executions > STREAMS * EVENTS / 10, "the streams trade: {executions}");
    assert!(auctions > STREAMS / 2, "the streams hold auctions: {auctions}");
}

#[test]
fn part_0_is_equal_on_all_books() {
    check(0);
}
#[test]
fn part_1_is_equal_on_all_books() {
    check(1);
}
#[test]
fn part_2_is_equal_on_all_books() {
    check(2);
}
#[test]
fn part_3_is_equal_on_all_books() {
    check(3);
}
#[test]
fn part_4_is_equal_on_all_books() {
    check(4);
}
#[test]
fn part_5_is_equal_on_all_books() {
    check(5);
}
#[test]
fn part_6_is_equal_on_all_books() {
    check(6);
}
#[test]
fn part_7_is_equal_on_all_books() {
    check(7);
}
