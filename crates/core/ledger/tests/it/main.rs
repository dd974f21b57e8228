//! Tests of the books: postings balance, proceeds become due, buying power by kind of account.
#![allow(clippy::unwrap_used, missing_docs)]

use heng_ledger::invariants::{cash_imbalance, securities_imbalance, violations};
use heng_ledger::{AccountLimits, Fees, FillPosting, Ledger, Purpose, Settle, buying_power};
use heng_model::command::OpenAccount;
use heng_model::event::HouseAccount;
use heng_model::market::{AccountKind, Exchange, SettlementState};
use heng_model::wire::{Reader, Writer};
use heng_model::{AccountId, Currency, InstrumentId, Money, OwnerId, PartitionId, Qty, Rate, Side, TradeDate, limits};
use proptest::prelude::*;

const CNY: Currency = Currency::Cny;
const SHARE: InstrumentId = InstrumentId(3);

fn yuan(amount: i64) -> Money {
    Money(amount * 10_000)
}

fn books(kinds: &[AccountKind]) -> Ledger {
    let mut ledger = Ledger::default();
    for (number, kind) in (1..).zip(kinds) {
        let account = AccountId::of(PartitionId(0), number);
        let open = OpenAccount { account, owner: OwnerId(1), kind: *kind, rights: 0, commission: Rate(0) };
        ledger.open(&open).unwrap();
    }
    ledger
}

const fn mainland() -> Settle {
    Settle { quoted: CNY, rate: Rate(0), connect: false, days: 1 }
}

const fn connect(rate: i64) -> Settle {
    Settle { quoted: Currency::Hkd, rate: Rate(rate), connect: true, days: 2 }
}

fn fill(row: u32, side: Side, amount: Money, settle: Settle) -> FillPosting {
    FillPosting {
        row,
        instrument: SHARE,
        side,
        quantity: Qty(100),
        amount,
        fees: Fees { commission: yuan(5), stamp: yuan(1), total: yuan(6), handling: yuan(2), ..Fees::default() },
        line_before: Money::ZERO,
        settle,
        same_day_sale: false,
        release_cash: Money::ZERO,
    }
}

fn sell(ledger: &mut Ledger, row: u32, amount: Money, settle: Settle) -> Money {
    ledger.post_shares(row, SHARE, Qty(100)).unwrap();
    ledger.hold_shares(row, SHARE, Qty(100));
    ledger.post_fill(&fill(row, Side::Sell, amount, settle))
}

/// Buys with the right hold before.
fn buy(ledger: &mut Ledger, row: u32, amount: Money, settle: Settle, hold: Money) -> Money {
    ledger.hold_cash(row, CNY, hold, settle.connect);
    ledger.post_fill(&FillPosting { release_cash: hold, ..fill(row, Side::Buy, amount, settle) })
}

#[test]
fn a_fill_moves_client_clearing_and_every_fee() {
    let mut ledger = books(&[AccountKind::Cash]);
    ledger.post_cash(0, CNY, yuan(1_000), HouseAccount::Bank);
    assert_eq!(buy(&mut ledger, 0, yuan(500), mainland(), yuan(506)), -yuan(506));
    let house = |account| ledger.house().cash(account, CNY);
    assert_eq!(ledger.cash(0, CNY).balance, yuan(494));
    assert_eq!(house(HouseAccount::Bank), -yuan(1_000));
    assert_eq!(house(HouseAccount::Clearing), yuan(500));
    // Handling is inside the commission: the broker keeps three of five.
    assert_eq!((house(HouseAccount::Commission), house(HouseAccount::Handling)), (yuan(3), yuan(2)));
    assert_eq!(house(HouseAccount::Stamp), yuan(1));
    assert_eq!(ledger.house().shares(SHARE), (Qty(-100), Qty(0)));
    assert!(ledger.is_balanced() && violations(&ledger).is_empty());
}

#[test]
fn a_conversion_goes_through_the_position_account_of_each_currency() {
    let mut ledger = books(&[AccountKind::Cash]);
    ledger.post_cash(0, CNY, yuan(1_000), HouseAccount::Bank);
    // 506 Hong Kong dollars at 0.9315 are 471.339 yuan.
    let cash = buy(&mut ledger, 0, yuan(500), connect(93_150_000), yuan(500));
    assert_eq!(cash, Money(-4_713_400));
    let position = |currency| ledger.house().cash(HouseAccount::Exchange, currency);
    assert_eq!((position(CNY), position(Currency::Hkd)), (Money(4_713_400), -yuan(506)));
    assert_eq!(ledger.house().cash(HouseAccount::Clearing, Currency::Hkd), yuan(500));
    assert!(ledger.is_balanced() && cash_imbalance(&ledger) == 0 && securities_imbalance(&ledger) == 0);
}

#[test]
fn mainland_proceeds_buy_at_once_and_leave_when_due() {
    let mut ledger = books(&[AccountKind::Cash]);
    sell(&mut ledger, 0, yuan(106), mainland());
    let check = |ledger: &Ledger, available: i64, out: i64| {
        let cash = ledger.cash(0, CNY);
        assert_eq!((cash.available(), ledger.withdrawable(0, CNY)), (yuan(available), yuan(out)));
    };
    check(&ledger, 100, 0);
    ledger.post_cash(0, CNY, yuan(50), HouseAccount::Bank);
    check(&ledger, 150, 50);
    // A buy uses the proceeds first.
    buy(&mut ledger, 0, yuan(34), mainland(), yuan(40));
    check(&ledger, 110, 50);
    ledger.roll(true);
    check(&ledger, 110, 110);
}

#[test]
fn connect_proceeds_come_closer_only_on_days_on_which_hong_kong_settles() {
    let mut ledger = books(&[AccountKind::Cash]);
    sell(&mut ledger, 0, yuan(106), connect(100_000_000));
    for (hk_settles, available) in [(true, 0), (false, 0), (true, 100)] {
        assert_eq!((ledger.cash(0, CNY).available_hk(), ledger.cash(0, CNY).available()), (yuan(100), yuan(0)));
        ledger.roll(hk_settles);
        assert_eq!(ledger.cash(0, CNY).available(), yuan(available));
    }
}

#[test]
fn b_share_proceeds_are_due_after_three_days() {
    let mut ledger = books(&[AccountKind::Cash]);
    let settle = Settle { quoted: Currency::Usd, rate: Rate(0), connect: false, days: 3 };
    sell(&mut ledger, 0, yuan(106), settle);
    for out in [0, 0, 0, 100] {
        let cash = ledger.cash(0, Currency::Usd);
        assert_eq!(cash.available(), yuan(100));
        assert_eq!(ledger.withdrawable(0, Currency::Usd), yuan(out));
        ledger.roll(true);
    }
}

#[test]
fn buying_power_is_one_function_per_kind() {
    let mut ledger = books(&[AccountKind::Cash, AccountKind::Credit, AccountKind::Option]);
    for (row, mainland_power) in [(0, 100), (1, 130), (2, 70)] {
        ledger.post_cash(row, CNY, yuan(100), HouseAccount::Bank);
        ledger.set_limits(row, AccountLimits { order_value_max: Money::ZERO, credit_line: yuan(30) });
        let (kind, line) = (ledger.account(row).kind, ledger.limits(row).credit_line);
        let power = |currency, purpose| buying_power(kind, line, &ledger.cash(row, currency), currency, purpose);
        assert_eq!(power(CNY, Purpose::Mainland), yuan(mainland_power));
        assert_eq!(power(Currency::Usd, Purpose::Mainland), Money::ZERO);
    }
    assert_eq!(ledger.withdrawable(2, CNY), yuan(70));
    // A credit line is not money that can leave.
    assert_eq!(ledger.withdrawable(1, CNY), yuan(100));
}

#[test]
fn bought_shares_turn_sellable_with_the_date() {
    let mut ledger = books(&[AccountKind::Cash]);
    buy(&mut ledger, 0, yuan(10), mainland(), yuan(16));
    let t0 = FillPosting { same_day_sale: true, ..fill(0, Side::Buy, yuan(10), mainland()) };
    ledger.post_fill(&t0);
    let position = *ledger.position(0, SHARE).unwrap();
    assert_eq!((position.sellable, position.unsellable, position.bought_today), (Qty(100), Qty(100), Qty(200)));
    let roll = ledger.roll(true);
    assert_eq!(roll.positions, 1);
    let position = *ledger.position(0, SHARE).unwrap();
    assert_eq!((position.sellable, position.unsellable, position.bought_today), (Qty(200), Qty(0), Qty(0)));
}

#[test]
fn references_post_once_and_states_go_one_by_one() {
    let mut ledger = books(&[AccountKind::Cash]);
    let account = AccountId(1);
    assert!(ledger.claim_reference(13, account, 5) && ledger.has_posted(13, account, 5));
    assert!(!ledger.claim_reference(13, account, 5) && !ledger.has_posted(14, account, 5));
    assert!(ledger.claim_reference(13, account, 0) && !ledger.has_posted(13, account, 0));
    let date = "2026-07-06".parse().unwrap();
    ledger.begin_settlement(date, Exchange::Sse);
    assert!(!ledger.advance_settlement(date, Exchange::Sse, SettlementState::Confirmed));
    assert!(ledger.advance_settlement(date, Exchange::Sse, SettlementState::Matched));
    assert!(!ledger.advance_settlement(date, Exchange::Szse, SettlementState::Matched));
    assert_eq!(ledger.settlement(date, Exchange::Sse), Some(SettlementState::Matched));
}

/// References and settled dates leave the books after ten trade dates; what is not settled stays.
#[test]
fn what_is_long_past_is_forgotten() {
    let mut ledger = books(&[AccountKind::Cash]);
    let account = AccountId(1);
    let first = "2026-07-06".parse::<TradeDate>().unwrap();
    for day in 0..12 {
        let date = first.plus_days(day).unwrap();
        for exchange in [Exchange::Sse, Exchange::Szse] {
            ledger.begin_settlement(date, exchange);
        }
        for state in [SettlementState::Matched, SettlementState::Confirmed, SettlementState::Settled] {
            assert!(ledger.advance_settlement(date, Exchange::Sse, state));
        }
        if day == 0 {
            assert!(ledger.claim_reference(13, account, 5));
        }
        if day == 2 {
            assert!(ledger.claim_reference(13, account, 6));
        }
        assert_eq!(ledger.has_posted(13, account, 5), day < 10, "on day {day}");
        ledger.roll(true);
        let mut out = Writer::default();
        ledger.write_state(&mut out, &mut |_| {});
        let read = Ledger::read_state(&mut Reader::new(out.bytes())).unwrap();
        assert_eq!(read.has_posted(13, account, 5), ledger.has_posted(13, account, 5));
        ledger = read;
    }
    assert!(!ledger.has_posted(13, account, 6) && ledger.claim_reference(13, account, 5));
    let state = |day, exchange| ledger.settlement(first.plus_days(day).unwrap(), exchange);
    assert_eq!((state(1, Exchange::Sse), state(1, Exchange::Szse)), (None, Some(SettlementState::Traded)));
    assert_eq!(state(2, Exchange::Sse), Some(SettlementState::Settled));
}

#[test]
fn sums_that_would_not_fit_are_seen_before_they_are_posted() {
    let mut ledger = books(&[AccountKind::Cash; 6]);
    let most = Money(limits::MONEY_MAX);
    let room = |ledger: &Ledger, row, amount| ledger.has_room_for_cash(row, CNY, amount, HouseAccount::Bank);
    for amount in [Money(i64::MIN), Money(i64::MAX), Money(limits::MONEY_MAX + 1)] {
        assert!(!room(&ledger, 0, amount));
    }
    for row in 0..4 {
        assert!(room(&ledger, row, most));
        ledger.post_cash(row, CNY, most, HouseAccount::Bank);
        assert!(!room(&ledger, row, Money(1)));
    }
    // The house's account is full before a client's is.
    assert!(!room(&ledger, 5, most));
    assert!(
        !ledger.has_room_for_shares(0, SHARE, Qty(i64::MIN)) && !ledger.has_room_for_shares(0, SHARE, Qty(i64::MAX))
    );
}

#[test]
fn accounts_are_found_in_and_out_of_order() {
    let mut ledger = Ledger::default();
    let mut open = |number| {
        let account = AccountId::of(PartitionId(7), number);
        let kind = AccountKind::Cash;
        ledger.open(&OpenAccount { account, owner: OwnerId(1), kind, rights: 0, commission: Rate(0) })
    };
    assert_eq!([open(1), open(9), open(3), open(9)], [Some(0), Some(1), Some(2), None]);
    let row = |partition, number| ledger.row_of(AccountId::of(PartitionId(partition), number));
    assert_eq!([row(7, 1), row(7, 9), row(7, 3), row(7, 2), row(6, 1)], [Some(0), Some(1), Some(2), None, None]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is posted: clients and house together are zero, and the bytes read back to the same books.
    #[test]
    fn postings_balance_and_read_back(moves in prop::collection::vec((0..6u8, 0..3u32, 1..100_000i64), 1..80)) {
        let mut ledger = books(&[AccountKind::Cash, AccountKind::Credit, AccountKind::Option]);
        for (what, row, amount) in moves {
            let amount = Money(amount * 100);
            let settle = if what % 2 == 0 { mainland() } else { connect(93_170_000) };
            match what {
                0 | 1 => { sell(&mut ledger, row, amount, settle); }
                2 | 3 => { buy(&mut ledger, row, amount, settle, amount + yuan(7)); }
                4 => { ledger.post_cash(row, Currency::Usd, amount, HouseAccount::Issuer); }
                _ => { ledger.roll(amount.0 % 200 == 0); }
            }
            prop_assert!(ledger.is_balanced());
            prop_assert_eq!(violations(&ledger), Vec::<String>::new());
        }
        let bytes = |ledger: &Ledger| {
            let mut out = Writer::default();
            ledger.write_state(&mut out, &mut |_| {});
            out.bytes().to_vec()
        };
        let written = bytes(&ledger);
        let read = Ledger::read_state(&mut Reader::new(&written)).unwrap();
        prop_assert_eq!(bytes(&read), written);
        prop_assert_eq!(read.position_row(1, SHARE), ledger.position_row(1, SHARE));
    }
}
