//! Every golden vector of the domain notes that the rule book answers.

use heng_model::{Board, Exchange, InstrumentClass, Money, Price, Rate, Side};
use heng_rulebook::{CageQuote, ExRights, FeeKind, LimitQuery, cage_limit, ex_rights_reference};

use crate::{book, date, price};

struct LimitCase {
    board: Board,
    class: InstrumentClass,
    st: bool,
    listing_day: Option<u32>,
    delisting_day: Option<u32>,
    prev: &'static str,
    date: &'static str,
}

impl LimitCase {
    const fn stock(board: Board, prev: &'static str, date: &'static str) -> Self {
        Self { board, class: InstrumentClass::Stock, st: false, listing_day: None, delisting_day: None, prev, date }
    }
}

fn shown(case: &LimitCase) -> String {
    let query = LimitQuery {
        board: case.board,
        class: case.class,
        st: case.st,
        listing_day: case.listing_day,
        delisting_day: case.delisting_day,
        prev: price(case.prev),
        date: date(case.date),
    };
    match book().price_limits(query) {
        Ok(Some((up, down))) => format!("{up} {down}"),
        Ok(None) => "none".to_owned(),
        Err(why) => why.to_string(),
    }
}

fn check(case: &LimitCase, expected: &str) {
    assert_eq!(shown(case), expected, "{} {} {} on {}", case.board, case.class, case.prev, case.date);
}

#[test]
fn limits_are_rounded_half_up_on_both_sides() {
    check(&LimitCase::stock(Board::SseMain, "10.05", "2026-07-06"), "11.06 9.05");
    check(&LimitCase::stock(Board::SzseMain, "10.05", "2020-01-02"), "11.06 9.05");
    check(&LimitCase::stock(Board::SseMain, "12.35", "2026-07-06"), "13.59 11.12");
    check(&LimitCase::stock(Board::Star, "33.33", "2026-07-06"), "40.00 26.66");
    check(&LimitCase::stock(Board::Bse, "7.77", "2026-07-06"), "10.10 5.44");
    check(&LimitCase::stock(Board::SzseMain, "0.04", "2026-07-06"), "0.05 0.03");
}

#[test]
fn risk_warning_shares_change_on_2026_07_06() {
    for board in [Board::SseMain, Board::SzseMain] {
        let st = |date| LimitCase { st: true, ..LimitCase::stock(board, "2.15", date) };
        check(&st("2026-07-03"), "2.26 2.04");
        check(&st("2026-07-05"), "2.26 2.04");
        check(&st("2026-07-06"), "2.37 1.94");
        let before = format!(
            "no price limit rule is in force for stock on board {board} on 1998-04-21; the first entry begins 1998-04-22"
        );
        check(&st("1998-04-21"), &before);
    }
    let st = |board, date| LimitCase { st: true, ..LimitCase::stock(board, "10.00", date) };
    check(&st(Board::Chinext, "2020-08-21"), "10.50 9.50");
    check(&st(Board::Chinext, "2020-08-24"), "12.00 8.00");
    check(&st(Board::Star, "2026-07-03"), "12.00 8.00");
    check(&st(Board::Bse, "2026-07-03"), "13.00 7.00");
}

#[test]
fn new_listings_follow_the_rule_of_their_listing_date() {
    let listed = |board, day, date| LimitCase { listing_day: Some(day), ..LimitCase::stock(board, "10.00", date) };
    check(&listed(Board::SseMain, 1, "2013-12-12"), "none");
    check(&listed(Board::SseMain, 1, "2013-12-13"), "14.40 6.40");
    check(&listed(Board::SzseMain, 1, "2014-06-12"), "none");
    check(&listed(Board::SzseMain, 1, "2014-06-13"), "14.40 6.40");
    check(&listed(Board::SseMain, 1, "2023-04-10"), "none");
    check(&listed(Board::SseMain, 5, "2023-04-14"), "none");
    check(&listed(Board::SseMain, 6, "2023-04-17"), "11.00 9.00");
    // Listed on 2023-04-07 under the old regime: no free days on Monday.
    check(&listed(Board::SseMain, 2, "2023-04-10"), "11.00 9.00");
    check(&listed(Board::Star, 5, "2019-07-26"), "none");
    check(&listed(Board::Star, 6, "2019-07-29"), "12.00 8.00");
    check(&listed(Board::Chinext, 1, "2020-08-24"), "none");
    check(&listed(Board::Chinext, 2, "2020-08-24"), "12.00 8.00");
    check(&listed(Board::Bse, 1, "2021-11-15"), "none");
    check(&listed(Board::Bse, 2, "2021-11-16"), "13.00 7.00");
}

#[test]
fn delisting_periods_lose_their_first_day_limit_at_the_end_of_2020() {
    let day = |board, day, date| LimitCase { delisting_day: Some(day), ..LimitCase::stock(board, "1.00", date) };
    check(&day(Board::SseMain, 1, "2020-12-30"), "1.10 0.90");
    check(&day(Board::SseMain, 1, "2020-12-31"), "none");
    check(&day(Board::SseMain, 2, "2020-12-31"), "1.10 0.90");
    check(&day(Board::Chinext, 2, "2021-01-04"), "1.20 0.80");
    check(&day(Board::Star, 1, "2021-01-04"), "none");
    check(&day(Board::Bse, 1, "2021-11-15"), "none");
    check(&day(Board::Bse, 2, "2021-11-15"), "1.30 0.70");
}

#[test]
fn one_tick_floors_begin_on_their_dates() {
    check(&LimitCase::stock(Board::SzseMain, "0.04", "2011-02-25"), "0.04 0.04");
    check(&LimitCase::stock(Board::SzseMain, "0.04", "2011-02-28"), "0.05 0.03");
    check(&LimitCase::stock(Board::SseMain, "0.04", "2023-04-07"), "0.04 0.04");
    check(&LimitCase::stock(Board::SseMain, "0.04", "2023-04-10"), "0.05 0.03");
    let delisting = |prev, date| LimitCase { delisting_day: Some(2), ..LimitCase::stock(Board::SseMain, prev, date) };
    check(&delisting("0.04", "2013-01-04"), "0.05 0.03");
    check(&delisting("0.05", "2020-12-30"), "0.06 0.05");
    check(&delisting("0.05", "2020-12-31"), "0.06 0.04");
    // No order can be entered at zero.
    check(&LimitCase::stock(Board::SzseMain, "0.01", "2026-07-06"), "0.02 0.01");
}

#[test]
fn funds_reits_and_convertibles() {
    let of = |class, prev, date| LimitCase { class, ..LimitCase::stock(Board::SseMain, prev, date) };
    check(&of(InstrumentClass::StockEtf, "4.005", "2026-07-06"), "4.406 3.605");
    check(&of(InstrumentClass::WideLimitEtf, "1.000", "2020-08-20"), "1.10 0.90");
    check(&of(InstrumentClass::WideLimitEtf, "1.000", "2020-08-21"), "1.20 0.80");
    let szse = LimitCase { board: Board::SzseMain, ..of(InstrumentClass::WideLimitEtf, "1.000", "2020-08-21") };
    check(&szse, "1.10 0.90");
    let first = |class, prev, date| LimitCase { listing_day: Some(1), ..of(class, prev, date) };
    check(&first(InstrumentClass::Reit, "3.000", "2021-06-21"), "3.90 2.10");
    check(&of(InstrumentClass::Reit, "3.000", "2021-06-22"), "3.30 2.70");
    check(&first(InstrumentClass::Convertible, "100", "2022-08-01"), "157.30 56.70");
    check(&first(InstrumentClass::Convertible, "100", "2022-07-29"), "none");
    check(&of(InstrumentClass::Convertible, "120", "2022-08-02"), "144.00 96.00");
    check(&of(InstrumentClass::Convertible, "120", "2022-07-29"), "none");
}

fn cage(board: Board, side: Side, quote: CageQuote) -> String {
    let day = date("2026-07-06");
    let rules = book().instrument_rules(board, InstrumentClass::Stock, false, day).expect("in force");
    let limit = cage_limit(&rules.cage.expect("has a cage"), side, quote, rules.tick.finest());
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

#[test]
fn the_cage_is_two_percent_or_ten_ticks() {
    let ask = |text| CageQuote { best_ask: Some(price(text)), ..CageQuote::default() };
    let bid = |text| CageQuote { best_bid: Some(price(text)), ..CageQuote::default() };
    assert_eq!(cage(Board::SseMain, Side::Buy, ask("10.00")), "10.20");
    assert_eq!(cage(Board::SseMain, Side::Buy, ask("3.00")), "3.10");
    assert_eq!(cage(Board::SzseMain, Side::Sell, bid("3.00")), "2.90");
    assert_eq!(cage(Board::Bse, Side::Buy, ask("10.00")), "10.50");
    assert_eq!(cage(Board::Bse, Side::Sell, bid("10.00")), "9.50");
    assert_eq!(cage(Board::SseMain, Side::Sell, bid("0.05")), "0.01");
}

#[test]
fn the_cage_falls_back_along_its_base() {
    let mut quote = CageQuote { previous_close: Some(price("20.00")), ..CageQuote::default() };
    assert_eq!(cage(Board::Chinext, Side::Buy, quote), "20.40");
    quote.last = Some(price("21.00"));
    assert_eq!(cage(Board::Chinext, Side::Buy, quote), "21.42");
    quote.best_bid = Some(price("22.00"));
    assert_eq!(cage(Board::Chinext, Side::Buy, quote), "22.44", "own best before last");
    quote.best_ask = Some(price("23.00"));
    assert_eq!(cage(Board::Chinext, Side::Buy, quote), "23.46", "opposite best first");
    assert_eq!(cage(Board::Chinext, Side::Sell, quote), "21.56");
    assert_eq!(cage(Board::Chinext, Side::Sell, CageQuote::default()), "none");
}

fn fees(board: Board, side: Side, amount: &str, commission: &str, day: &str) -> Vec<(&'static str, String)> {
    let schedule = book().fee_schedule(board, InstrumentClass::Stock, side, date(day)).expect("in force");
    let rate: Rate = commission.parse().expect("a rate");
    let charges = schedule.charge(amount.parse::<Money>().expect("an amount"), rate);
    let mut shown: Vec<_> = FeeKind::ALL
        .iter()
        .filter(|kind| charges.of(**kind).0 != 0)
        .map(|k| (k.name(), charges.of(*k).to_string()))
        .collect();
    shown.push(("total", charges.total.to_string()));
    shown
}

fn check_fees(found: &[(&str, String)], expected: &[(&str, &str)]) {
    let found: Vec<_> = found.iter().map(|(kind, amount)| (*kind, amount.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_share_sale_of_12340() {
    let found = fees(Board::SseMain, Side::Sell, "12340", "0.00025", "2026-07-06");
    check_fees(
        &found,
        &[
            ("commission", "5.00"),
            ("stamp", "6.17"),
            ("transfer", "0.12"),
            ("handling", "0.42"),
            ("regulatory", "0.25"),
            ("total", "11.29"),
        ],
    );
    let bought = fees(Board::SseMain, Side::Buy, "12340", "0.00025", "2026-07-06");
    assert!(!bought.iter().any(|(kind, _)| *kind == "stamp"), "only the seller pays stamp duty");
}

#[test]
fn fees_change_on_their_dates() {
    let sold = |day| fees(Board::SzseMain, Side::Sell, "1000000", "0.0003", day);
    let of = |day, kind| sold(day).into_iter().find(|(k, _)| *k == kind).expect("charged").1;
    assert_eq!(of("2023-08-27", "stamp"), "1000.00");
    assert_eq!(of("2023-08-28", "stamp"), "500.00");
    assert_eq!(of("2022-04-28", "transfer"), "20.00");
    assert_eq!(of("2022-04-29", "transfer"), "10.00");
    assert_eq!(of("2023-08-27", "handling"), "48.70");
    assert_eq!(of("2023-08-28", "handling"), "34.10");
    let bse = |day| fees(Board::Bse, Side::Buy, "1000000", "0.0003", day);
    let handling = |day| bse(day).into_iter().find(|(k, _)| *k == "handling").expect("charged").1;
    assert_eq!(handling("2022-11-30"), "500.00");
    assert_eq!(handling("2022-12-01"), "250.00");
    assert_eq!(handling("2023-08-28"), "125.00");
    // 500 of handling and 20 of regulatory fee are more than 0.03% of a million: the floor of the commission.
    assert_eq!(bse("2022-11-30")[0], ("commission", "520.00".to_owned()));
}

#[test]
fn the_commission_is_capped_at_three_per_mille_and_at_least_five_yuan() {
    assert_eq!(fees(Board::SseMain, Side::Buy, "100000", "0.01", "2026-07-06")[0].1, "300.00");
    assert_eq!(fees(Board::SseMain, Side::Buy, "100", "0", "2026-07-06")[0].1, "5.00");
    let nothing = fees(Board::SseMain, Side::Buy, "0", "0.001", "2026-07-06");
    check_fees(&nothing, &[("total", "0.00")]);
}

#[test]
fn hong_kong_400_at_78_35() {
    let found = fees(Board::Hk, Side::Buy, "31340", "0", "2026-07-06");
    check_fees(
        &found,
        &[
            ("stamp", "32.00"),
            ("sfc", "0.85"),
            ("afrc", "0.05"),
            ("trading", "1.77"),
            ("settlement", "1.32"),
            ("total", "35.99"),
        ],
    );
    let before = fees(Board::Hk, Side::Sell, "31340", "0", "2023-11-16");
    assert_eq!(before[0], ("stamp", "41.00".to_owned()));
    assert_eq!(before[4], ("settlement", "2.00".to_owned()), "at least 2 dollars until 2025-06-29");
}

#[test]
fn repo_interest_counts_the_days_of_use() {
    let interest = |day, term| {
        let principal = "100000".parse().expect("an amount");
        let repo = book().repo_interest(Board::SseMain, principal, price("1.80"), date(day), term).expect("in force");
        (repo.days, repo.interest.to_string())
    };
    assert_eq!(interest("2026-07-08", 1), (1, "4.93".to_owned()), "a Wednesday");
    assert_eq!(interest("2026-07-09", 1), (3, "14.79".to_owned()), "a Thursday");
    assert_eq!(interest("2026-07-10", 1), (1, "4.93".to_owned()), "a Friday: used from Monday to Tuesday");
    assert_eq!(interest("2026-09-29", 1), (8, "39.45".to_owned()), "before the National Day week");
    assert_eq!(interest("2026-07-06", 7).0, 7);
}

#[test]
fn ex_rights_of_ten_pays_five_bonus_three_rights_two() {
    let rate = |text: &str| text.parse::<Rate>().expect("a rate");
    let action = ExRights { cash: rate("0.5"), bonus: rate("0.3"), rights: rate("0.2"), rights_price: price("8.00") };
    let reference = ex_rights_reference(price("20.00"), action, price("0.01"));
    assert_eq!(reference.map(|p| p.to_string()), Some("14.07".to_owned()));
    assert_eq!(
        ex_rights_reference(price("0.40"), action, price("0.01")).map(|p| p.to_string()),
        Some("1.00".to_owned())
    );
    let cash_only = ExRights { cash: rate("0.5"), ..ExRights::default() };
    assert_eq!(ex_rights_reference(price("0.50"), cash_only, price("0.01")), None, "nothing would be left");
    assert_eq!(ex_rights_reference(Price(-1), cash_only, price("0.01")), None);
}

#[test]
fn auction_ties_differ_by_exchange() {
    use heng_rulebook::AuctionTie;
    let tie = |exchange| book().auction_tie(exchange, date("2026-07-06")).expect("in force");
    assert_eq!(tie(Exchange::Sse), AuctionTie::Midpoint);
    assert_eq!(tie(Exchange::Szse), AuctionTie::NearestReference);
    assert_eq!(tie(Exchange::Bse), AuctionTie::NearestReference);
    assert_eq!(tie(Exchange::Hk), AuctionTie::HongKong);
    assert!(book().auction_tie(Exchange::Bse, date("2021-11-12")).is_err());
}

/// Auctions of a day without a limit: 900% and 50% of 10.00, ten percent around 10.05 rounded half up.
#[test]
fn auction_bands_by_board_and_date() {
    let band = |board, day: &str| book().auction_band(board, InstrumentClass::Stock, date(day));
    let tick = price("0.01");
    let shanghai = band(Board::SseMain, "2026-07-06").unwrap();
    for (at, outside) in [("4.99", true), ("5.00", false), ("90.00", false), ("90.01", true)] {
        assert_eq!(shanghai.is_outside_open(price(at), price("10.00"), tick), outside, "{at}");
        assert!(!shanghai.is_outside_later(price(at), price("10.00"), tick) && !shanghai.holds_back);
    }
    let shenzhen = band(Board::Chinext, "2020-08-24").unwrap();
    assert!(shenzhen.holds_back && !shenzhen.is_outside_open(price("0.01"), price("10.00"), tick));
    for (at, outside) in [("9.04", true), ("9.05", false), ("11.06", false), ("11.07", true)] {
        assert_eq!(shenzhen.is_outside_later(price(at), price("10.05"), tick), outside, "{at}");
    }
    assert_eq!(band(Board::Chinext, "2020-08-21"), None);
    assert_eq!((band(Board::SzseMain, "2023-04-07"), band(Board::Star, "2026-07-06")), (None, None));
}

#[test]
fn hong_kong_closes_at_a_median_of_five() {
    let rule = book().closing_nominals(Exchange::Hk, date("2026-07-06")).unwrap();
    assert_eq!((rule.prices, rule.interval_s), (5, 15));
    assert!(book().closing_nominals(Exchange::Sse, date("2026-07-06")).is_err());
}
