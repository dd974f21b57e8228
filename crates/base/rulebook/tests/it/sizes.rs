//! Lots, ticks, gates and the rest of an instrument's rules.

use heng_model::{Board, Currency, InstrumentClass, OrderType, Qty, Quotation, rights};
use heng_rulebook::{InstrumentRules, TickRule};

use crate::{book, date, price};

fn rules(board: Board, class: InstrumentClass, st: bool, on: &str) -> InstrumentRules {
    book().instrument_rules(board, class, st, date(on)).expect("in force")
}

fn today(board: Board) -> InstrumentRules {
    rules(board, InstrumentClass::Stock, false, "2026-07-06")
}

#[test]
fn buy_lots() {
    let buys = |board: Board, quantity| today(board).lot.allows_buy(Qty(quantity), Qty(400));
    assert!(buys(Board::SseMain, 100) && buys(Board::SseMain, 1_200));
    assert!(!buys(Board::SseMain, 150) && !buys(Board::SseMain, 0));
    assert!(!buys(Board::Star, 199) && buys(Board::Star, 200) && buys(Board::Star, 201));
    assert!(!buys(Board::Bse, 99) && buys(Board::Bse, 101));
    assert!(buys(Board::Hk, 800) && !buys(Board::Hk, 500), "the lot of 400 is the issuer's");
}

#[test]
fn odd_lots_are_sold_whole() {
    let sells = |board: Board, quantity, held| today(board).lot.allows_sell(Qty(quantity), Qty(held), Qty(400));
    assert!(sells(Board::SseMain, 100, 150) && sells(Board::SseMain, 150, 150) && sells(Board::SseMain, 50, 150));
    assert!(!sells(Board::SseMain, 30, 150) && !sells(Board::SseMain, 130, 150));
    assert!(!sells(Board::SseMain, 200, 150), "more than is held");
    assert!(sells(Board::Star, 199, 199) && !sells(Board::Star, 150, 199) && sells(Board::Star, 201, 250));
    assert!(sells(Board::Bse, 99, 99) && !sells(Board::Bse, 50, 99) && sells(Board::Bse, 101, 180));
    assert!(sells(Board::Hk, 400, 500) && sells(Board::Hk, 30, 500) && !sells(Board::Hk, 430, 500));
}

#[test]
fn largest_orders() {
    let sizes = |board: Board| (today(board).lot.max_limit.0, today(board).lot.max_market.0);
    assert_eq!(sizes(Board::SseMain), (1_000_000, 1_000_000));
    assert_eq!(sizes(Board::Star), (100_000, 50_000));
    assert_eq!(sizes(Board::Chinext), (300_000, 150_000));
    assert_eq!(sizes(Board::Bse), (1_000_000, 1_000_000));
    assert_eq!(today(Board::Star).lot.max_after_hours, Qty(1_000_000));
}

#[test]
fn hong_kong_ticks_by_price() {
    let tick = |text, on| rules(Board::Hk, InstrumentClass::Stock, false, on).tick.at(price(text)).to_string();
    assert_eq!(tick("15.00", "2025-08-01"), "0.02");
    assert_eq!(tick("15.00", "2025-08-04"), "0.01");
    assert_eq!(tick("30.00", "2025-08-01"), "0.05");
    assert_eq!(tick("30.00", "2025-08-04"), "0.02");
    assert_eq!(tick("78.35", "2026-07-06"), "0.05");
    assert_eq!(tick("0.25", "2026-07-06"), "0.001");
    assert_eq!(tick("0.255", "2026-07-06"), "0.005");
    assert_eq!(tick("400", "2026-07-06"), "0.20");
    let allows = |text| today(Board::Hk).tick.allows(price(text));
    assert!(allows("78.35") && !allows("78.36") && !allows("9999") && !allows("0") && allows("9995"));
}

#[test]
fn mainland_ticks() {
    assert_eq!(today(Board::SseMain).tick, TickRule::Fixed(price("0.01")));
    assert_eq!(
        rules(Board::SseMain, InstrumentClass::StockEtf, false, "2026-07-06").tick,
        TickRule::Fixed(price("0.001"))
    );
    assert_eq!(
        rules(Board::SseMain, InstrumentClass::BShare, false, "2026-07-06").tick,
        TickRule::Fixed(price("0.001"))
    );
    assert_eq!(
        rules(Board::SzseMain, InstrumentClass::BShare, false, "2026-07-06").tick,
        TickRule::Fixed(price("0.01"))
    );
}

#[test]
fn same_day_selling() {
    let same_day = |board, class, on| rules(board, class, false, on).same_day_sell;
    assert!(!same_day(Board::SseMain, InstrumentClass::Stock, "2026-07-06"));
    assert!(!same_day(Board::SseMain, InstrumentClass::StockEtf, "2026-07-06"));
    assert!(same_day(Board::SseMain, InstrumentClass::T0Etf, "2026-07-06"));
    assert!(!same_day(Board::SseMain, InstrumentClass::T0Etf, "2015-01-16"));
    assert!(same_day(Board::SseMain, InstrumentClass::T0Etf, "2015-01-19"));
    assert!(same_day(Board::SzseMain, InstrumentClass::Convertible, "2026-07-06"));
    assert!(same_day(Board::Hk, InstrumentClass::Stock, "2026-07-06"));
    assert!(!same_day(Board::SzseMain, InstrumentClass::BShare, "2026-07-06"));
    assert_eq!(today(Board::Hk).cash_days, 2);
}

#[test]
fn order_types_by_exchange() {
    let takes = |board: Board, order_type| today(board).takes(order_type);
    assert!(takes(Board::SseMain, OrderType::Best5OrLimit) && !takes(Board::SzseMain, OrderType::Best5OrLimit));
    assert!(takes(Board::SzseMain, OrderType::FillOrKill) && !takes(Board::SseMain, OrderType::FillOrKill));
    assert!(!takes(Board::Hk, OrderType::Limit) && takes(Board::Hk, OrderType::EnhancedLimit));
    assert!(today(Board::SseMain).protective_price && today(Board::Bse).protective_price);
    assert!(!today(Board::SzseMain).protective_price);
}

#[test]
fn gates_caps_and_units() {
    assert_eq!(today(Board::Star).required_rights, rights::STAR);
    let st = rules(Board::SseMain, InstrumentClass::Stock, true, "2026-07-06");
    assert_eq!(st.required_rights, rights::MAIN | rights::RISK_WARNING);
    assert_eq!(st.daily_buy_cap, Some(Qty(500_000)));
    assert_eq!(today(Board::SseMain).daily_buy_cap, None);
    assert_eq!(book().gate_requirements(Board::Star, InstrumentClass::Stock, date("2026-07-06")), (500_000, 24));
    let unit = |board, class| {
        (rules(board, class, false, "2026-07-06").currency, rules(board, class, false, "2026-07-06").quotation)
    };
    assert_eq!(unit(Board::SseMain, InstrumentClass::BShare), (Currency::Usd, Quotation::PerUnit));
    assert_eq!(unit(Board::SzseMain, InstrumentClass::BShare), (Currency::Hkd, Quotation::PerUnit));
    assert_eq!(unit(Board::SseMain, InstrumentClass::Repo), (Currency::Cny, Quotation::AnnualPercent));
    assert_eq!(unit(Board::Hk, InstrumentClass::Stock).0, Currency::Hkd);
}

#[test]
fn a_day_before_every_rule_is_no_rule() {
    let why = book().instrument_rules(Board::Star, InstrumentClass::Stock, false, date("2019-07-19"));
    let text = why.expect_err("the STAR market had not opened").to_string();
    assert_eq!(
        text,
        "no tick rule is in force for stock on board star on 2019-07-19; the first entry begins 2019-07-22"
    );
    let why = book().instrument_rules(Board::Hk, InstrumentClass::Repo, false, date("2026-07-06"));
    assert!(why.expect_err("no such class").to_string().ends_with("the rule files have no such entry"));
}
