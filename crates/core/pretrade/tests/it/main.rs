//! The hold of an order covers every sequence of fills, on every board and in every money.
#![allow(clippy::unwrap_used, missing_docs)]

use heng_ledger::{FillPosting, Ledger};
use heng_model::command::{DefineInstrument, OpenAccount, SetReference};
use heng_model::event::HouseAccount;
use heng_model::{
    AccountId, AccountKind, Board, InstrumentClass, InstrumentId, Money, OwnerId, PartitionId, Price, Qty, Rate, Side,
};
use heng_pretrade::{
    ClassTable, InstrumentDay, OrderTerms, Rates, amount_of, fees_of, hold_of, line_of, settle_of, worth_of,
};
use heng_rulebook::Rulebook;
use proptest::prelude::*;

const KINDS: [(Board, InstrumentClass); 8] = [
    (Board::SseMain, InstrumentClass::Stock),
    (Board::Star, InstrumentClass::Stock),
    (Board::Bse, InstrumentClass::Stock),
    (Board::SseMain, InstrumentClass::T0Etf),
    (Board::SzseMain, InstrumentClass::Convertible),
    (Board::SseMain, InstrumentClass::Bond),
    (Board::Hk, InstrumentClass::Stock),
    (Board::SseMain, InstrumentClass::BShare),
];

fn days() -> Vec<InstrumentDay> {
    let book = Rulebook::parse(&Rulebook::embedded_files()).unwrap();
    let mut classes = ClassTable::default();
    let (instrument, prev_close) = (InstrumentId(0), Price(100_000));
    let day = |(board, class): &(Board, InstrumentClass)| {
        let (symbol, partition) = ("X".to_owned(), PartitionId(0));
        let definition =
            DefineInstrument { instrument, symbol, board: *board, class: *class, partition, board_lot: 100 };
        let (risk_warning, suspended) = (false, false);
        let reference =
            SetReference { instrument, prev_close, risk_warning, listing_day: 0, delisting_day: 0, suspended };
        InstrumentDay::compile(&book, &mut classes, &definition, &reference, "2026-07-06".parse().unwrap()).unwrap()
    };
    KINDS.iter().map(day).collect()
}

/// An order that is held and filled as the engine does it.
struct Order<'a> {
    day: &'a InstrumentDay,
    rates: Rates,
    terms: OrderTerms,
    hold: Money,
}

impl Order<'_> {
    /// Posts a fill; nothing else moves the money of the account.
    fn fill(&mut self, ledger: &mut Ledger, price: Price, quantity: Qty) {
        let (before, side) = (self.terms.filled_worth, self.terms.side);
        let quotation = self.day.rules.quotation;
        let value = before + worth_of(quotation, price, quantity).unwrap();
        self.terms.filled_worth = value;
        self.terms.remaining -= quantity;
        let (day, commission) = (self.day, self.terms.commission);
        let fees = |value| fees_of(day, side, value, commission);
        self.terms.filled_fees = fees(value).total;
        let hold = hold_of(self.day, &self.terms, self.rates).unwrap().cash;
        ledger.post_fill(&FillPosting {
            row: 0,
            instrument: InstrumentId(0),
            side,
            quantity,
            amount: amount_of(quotation, value) - amount_of(quotation, before),
            fees: fees(value).since(&fees(before)),
            line_before: line_of(side, amount_of(quotation, before), &fees(before)),
            settle: settle_of(self.day, side, self.rates),
            same_day_sale: false,
            release_cash: self.hold - hold,
        });
        self.hold = hold;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hold_covers_every_sequence_of_fills(
        price in 1..40_000i64,
        commission in 0..400_000i64,
        rate in 50_000_000..150_000_000i64,
        fills in prop::collection::vec((1..5_000i64, 0..100i64), 1..30),
    ) {
        for day in &days() {
            let price = Price(price * 10);
            let quantity = Qty(fills.iter().map(|(quantity, _)| quantity).sum());
            let rates = Rates { sell_reference: Rate(rate), buy_reference: Rate(rate) };
            let (side, filled_worth, commission) = (Side::Buy, Money::ZERO, Rate(commission));
            let terms = OrderTerms { side, price, remaining: quantity, filled_worth, filled_fees: Money::ZERO, commission };
            let settle = settle_of(day, side, rates);
            let hold = hold_of(day, &terms, rates).unwrap().cash;
            // The account has exactly what the order holds.
            let mut ledger = Ledger::default();
            let (account, kind) = (AccountId(1), AccountKind::Cash);
            ledger.open(&OpenAccount { account, owner: OwnerId(1), kind, rights: 0, commission }).unwrap();
            ledger.post_cash(0, settle.currency(), hold, HouseAccount::Bank);
            ledger.hold_cash(0, settle.currency(), hold, settle.connect);
            let mut order = Order { day, rates, terms, hold };
            for (quantity, below) in &fills {
                order.fill(&mut ledger, Price((price.0 - below * 10).max(1)), Qty(*quantity));
                let cash = ledger.cash(0, settle.currency());
                prop_assert!(cash.available_hk() >= Money::ZERO && cash.available() >= Money::ZERO, "{:?} {:?}", day.board, cash);
                prop_assert_eq!(cash.frozen, order.hold);
                prop_assert!(ledger.is_balanced());
            }
            prop_assert_eq!(ledger.cash(0, settle.currency()).frozen, Money::ZERO);
        }
    }
}

/// What a client pays for an order does not depend on how it was filled.
#[test]
fn fills_add_up_to_the_order() {
    for day in &days() {
        let (side, price, commission) = (Side::Buy, Price(33_330), Rate(25_000));
        let rates = Rates { sell_reference: Rate(93_170_000), buy_reference: Rate(92_030_000) };
        let mut paid = Vec::new();
        for parts in [vec![700], vec![1; 700], vec![333, 367]] {
            let (remaining, filled_worth) = (Qty(700), Money::ZERO);
            let terms = OrderTerms { side, price, remaining, filled_worth, filled_fees: Money::ZERO, commission };
            let mut ledger = Ledger::default();
            let (account, kind) = (AccountId(1), AccountKind::Cash);
            ledger.open(&OpenAccount { account, owner: OwnerId(1), kind, rights: 0, commission }).unwrap();
            let (hold, settle) = (hold_of(day, &terms, rates).unwrap().cash, settle_of(day, side, rates));
            ledger.hold_cash(0, settle.currency(), hold, settle.connect);
            let mut order = Order { day, rates, terms, hold };
            for part in parts {
                order.fill(&mut ledger, price, Qty(part));
            }
            paid.push(ledger.cash(0, settle.currency()).balance);
        }
        assert!(paid.windows(2).all(|pair| pair[0] == pair[1]), "{:?}: {paid:?}", day.board);
    }
}

#[test]
fn holds_beyond_any_limit_are_none() {
    let day = &days()[6];
    let rates = Rates { sell_reference: Rate(1_000_000_000), buy_reference: Rate(1) };
    let hold = |price, quantity| {
        let (filled_worth, commission) = (Money::ZERO, Rate(10_000_000));
        let terms = OrderTerms {
            side: Side::Buy,
            price: Price(price),
            remaining: Qty(quantity),
            filled_worth,
            filled_fees: Money::ZERO,
            commission,
        };
        hold_of(day, &terms, rates)
    };
    assert_eq!(hold(9_000_000_000, 1_000_000_000), None);
    assert_eq!(hold(i64::MAX, 2), None);
    assert_eq!(hold(800_000_000, 1_000_000_000), None, "ten yuan a dollar and ten percent of fees");
    assert!(hold(1_000, 1_000).is_some());
}
