//! Spot checks of the trading calendars.

use heng_model::Exchange;
use heng_rulebook::DayKind;

use crate::{book, date};

fn check(exchange: Exchange, day: &str, expected: DayKind) {
    assert_eq!(book().day_kind(exchange, date(day)), Ok(expected), "{exchange} {day}");
}

#[test]
fn holidays_and_half_days() {
    check(Exchange::Sse, "2026-07-06", DayKind::Full);
    check(Exchange::Szse, "2026-07-05", DayKind::Closed);
    check(Exchange::Bse, "2026-10-01", DayKind::Closed);
    check(Exchange::Sse, "2020-01-31", DayKind::Closed);
    check(Exchange::Sse, "2020-02-03", DayKind::Full);
    check(Exchange::Sse, "1991-01-02", DayKind::Full);
    check(Exchange::Hk, "2026-12-24", DayKind::Half);
    check(Exchange::Hk, "2026-12-25", DayKind::Closed);
    check(Exchange::Hk, "2024-09-06", DayKind::Closed);
    check(Exchange::Hk, "2026-02-16", DayKind::Half);
    check(Exchange::Hk, "2000-01-03", DayKind::Full);
    assert!(book().day_kind(Exchange::Sse, date("2027-01-04")).is_err(), "not yet announced");
}

#[test]
fn counting_in_trading_days() {
    let book = book();
    assert_eq!(book.next_trading_day(Exchange::Sse, date("2026-09-30")), Ok(date("2026-10-08")));
    assert_eq!(book.previous_trading_day(Exchange::Sse, date("2026-02-24")), Ok(date("2026-02-13")));
    assert_eq!(book.settlement_date(Exchange::Hk, date("2026-12-23"), 2), Ok(date("2026-12-28")));
    assert_eq!(book.settlement_date(Exchange::Sse, date("2026-07-06"), 0), Ok(date("2026-07-06")));
    assert!(book.next_trading_day(Exchange::Sse, date("2026-12-31")).is_err());
    assert!(book.is_half_day(Exchange::Hk, date("2025-12-31")).expect("known"));
}

#[test]
fn southbound_needs_both_sides() {
    let open = |day| book().is_southbound_day(date(day)).expect("known");
    assert!(open("2026-07-06"));
    assert!(!open("2026-07-01"), "Hong Kong is closed");
    assert!(!open("2026-10-05"), "the mainland is closed");
    assert!(open("2026-12-24"));
}

#[test]
fn years_have_plausible_numbers_of_trading_days() {
    for (exchange, years) in [(Exchange::Sse, 1996..2027), (Exchange::Hk, 2000..2028)] {
        for year in years {
            let day = |text: String| text.parse::<heng_model::TradeDate>().expect("a date");
            let (first, next) = (day(format!("{year}-01-01")), day(format!("{}-01-01", year + 1)));
            let trading = (first.days()..next.days())
                .filter_map(heng_model::TradeDate::from_days)
                .filter(|date| book().is_trading_day(exchange, *date) == Ok(true))
                .count();
            assert!((236..=252).contains(&trading), "{exchange} {year}: {trading}");
        }
    }
}
