//! The trading day by board, class and date.

use heng_model::{Board, InstrumentClass, OrderType, Phase, Rate, SECOND};
use heng_rulebook::SessionStep;

use crate::{book, date};

fn day(board: Board, class: InstrumentClass, on: &str, half: bool) -> Vec<SessionStep> {
    book().sessions(board, class, date(on), half).expect("in force")
}

fn at(steps: &[SessionStep], time: &str) -> SessionStep {
    let (hours, minutes) = time.split_once(':').expect("HH:MM");
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let now = (number(hours) * 60 + number(minutes)) * 60 * SECOND;
    *steps.iter().rev().find(|step| step.time_of_day <= now).expect("after the first step")
}

#[test]
fn a_shanghai_day() {
    let steps = day(Board::SseMain, InstrumentClass::Stock, "2026-07-03", false);
    assert!(at(&steps, "09:15").cancel_allowed);
    assert!(!at(&steps, "09:20").cancel_allowed && at(&steps, "09:20").accepts_orders);
    assert!(!at(&steps, "09:26").accepts_orders, "Shanghai takes nothing before 09:30");
    assert!(at(&steps, "09:30").takes(OrderType::Best5OrLimit));
    assert!(!at(&steps, "09:15").takes(OrderType::Best5OrLimit), "market orders only in continuous trading");
    assert_eq!(at(&steps, "12:00").phase, Phase::Break);
    assert_eq!(at(&steps, "14:57").phase, Phase::CloseAuction);
    assert!(!at(&steps, "14:57").cancel_allowed);
    assert_eq!(at(&steps, "15:00").phase, Phase::Ended);
}

#[test]
fn the_closing_auction_begins_by_class_and_date() {
    let phase = |class, on| at(&day(Board::SseMain, class, on, false), "14:58").phase;
    assert_eq!(phase(InstrumentClass::Stock, "2018-08-17"), Phase::Continuous);
    assert_eq!(phase(InstrumentClass::Stock, "2018-08-20"), Phase::CloseAuction);
    assert_eq!(phase(InstrumentClass::StockEtf, "2026-07-03"), Phase::Continuous);
    assert_eq!(phase(InstrumentClass::StockEtf, "2026-07-06"), Phase::CloseAuction);
    let szse = day(Board::SzseMain, InstrumentClass::StockEtf, "2010-01-04", false);
    assert_eq!(at(&szse, "14:58").phase, Phase::CloseAuction);
    let rules =
        |on| book().instrument_rules(Board::SseMain, InstrumentClass::StockEtf, false, date(on)).expect("in force");
    assert!(!rules("2026-07-03").close_auction && rules("2026-07-06").close_auction);
}

#[test]
fn shenzhen_takes_orders_before_half_past_nine_and_lets_them_wait() {
    let step = at(&day(Board::Chinext, InstrumentClass::Stock, "2026-07-06", false), "09:27");
    assert!(step.accepts_orders && step.cancel_allowed && step.queued);
}

#[test]
fn after_hours_trading_of_star_and_chinext() {
    let star = day(Board::Star, InstrumentClass::Stock, "2026-07-03", false);
    assert_eq!(at(&star, "15:05").phase, Phase::AfterHours);
    assert!(at(&star, "15:05").takes(OrderType::AfterHoursFixed) && !at(&star, "15:05").takes(OrderType::Limit));
    assert!(
        at(&star, "09:30").takes(OrderType::AfterHoursFixed) && !at(&star, "09:15").takes(OrderType::AfterHoursFixed)
    );
    assert_eq!(at(&star, "15:30").phase, Phase::Ended);
    let chinext = day(Board::Chinext, InstrumentClass::Stock, "2026-07-03", false);
    assert!(at(&chinext, "09:15").takes(OrderType::AfterHoursFixed));
    let bse = day(Board::Bse, InstrumentClass::Stock, "2026-07-06", false);
    assert_eq!(at(&bse, "15:05").phase, Phase::Ended);
}

#[test]
fn a_hong_kong_day_and_half_day() {
    let steps = day(Board::Hk, InstrumentClass::Stock, "2026-07-06", false);
    assert!(at(&steps, "09:00").cancel_allowed && at(&steps, "09:00").takes(OrderType::AtAuctionLimit));
    assert!(!at(&steps, "09:15").cancel_allowed);
    assert!(at(&steps, "09:20").random_end.is_some());
    assert!(!at(&steps, "09:22").accepts_orders);
    assert!(
        at(&steps, "09:30").takes(OrderType::EnhancedLimit) && !at(&steps, "09:30").takes(OrderType::AtAuctionLimit)
    );
    assert!(!at(&steps, "12:00").cancel_allowed && at(&steps, "12:30").cancel_allowed);
    assert!(!at(&steps, "16:00").accepts_orders);
    assert!(at(&steps, "16:01").cancel_allowed);
    assert!(!at(&steps, "16:06").cancel_allowed && at(&steps, "16:06").accepts_orders);
    let close = at(&steps, "16:08");
    assert_eq!((close.phase, close.random_end), (Phase::RandomClose, Some((16 * 60 + 10) * 60 * SECOND)));
    let half = day(Board::Hk, InstrumentClass::Stock, "2026-12-24", true);
    assert_eq!(at(&half, "12:08").phase, Phase::RandomClose);
    assert_eq!(at(&half, "12:10").phase, Phase::Ended);
}

#[test]
fn every_schedule_ends_and_its_steps_rise() {
    for board in Board::ALL {
        for class in InstrumentClass::ALL {
            let Ok(steps) = book().sessions(*board, *class, date("2026-07-06"), false) else {
                continue;
            };
            assert!(steps.windows(2).all(|pair| pair[0].time_of_day < pair[1].time_of_day));
            assert_eq!(steps.last().map(|step| (step.phase, step.accepts_orders)), Some((Phase::Ended, false)));
            assert!(steps.iter().any(|step| step.phase == Phase::Continuous));
        }
    }
}

#[test]
fn halts_without_a_limit_and_on_a_convertible_s_first_day() {
    let on = date("2026-07-06");
    let star = (Board::Star, InstrumentClass::Stock);
    let halts = book().halt_rules(star, on, Some(2), false).expect("halts");
    let moves: Vec<_> = halts.steps().iter().map(|step| (step.threshold, step.duration)).collect();
    let ten = Some(600 * SECOND);
    assert_eq!(moves, [(Rate(30_000_000), ten), (Rate(60_000_000), ten)]);
    assert_eq!(halts.latest_end, (14 * 60 + 57) * 60 * SECOND);
    assert_eq!(book().halt_rules(star, on, None, true), None);
    let bond = (Board::SzseMain, InstrumentClass::Convertible);
    let first = book().halt_rules(bond, on, Some(1), true).expect("halts");
    assert_eq!(first.steps()[0].duration, Some(1_800 * SECOND));
    assert_eq!((first.steps()[1].threshold, first.steps()[1].duration), (Rate(30_000_000), None));
    assert_eq!(book().halt_rules(bond, on, Some(2), true), None);
}
