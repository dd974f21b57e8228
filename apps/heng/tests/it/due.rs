//! Money that is due, over several days: the outside checker recomputes every account's from the events alone, without
//! a calendar, and must agree with the books.

use heng::show::json;
use heng_engine::{Capacity, EventSink, State, apply};
use heng_ledger::{Purpose, buying_power};
use heng_model::command::{
    ActivateRulebook, CloseDay, DefineInstrument, Deposit, NewOrder, OpenAccount, OpenDay, SetAccountLimits,
    SetExchangeRates, SetReference, TransferHolding, Withdraw,
};
use heng_model::hash::sha256;
use heng_model::wire::Wire as _;
use heng_model::{
    AccountId, AccountKind, Board, ClientOrderId, Command, Currency, Event, InstrumentClass, InstrumentId, Money,
    OrderType, OwnerId, PartitionId, Price, Qty, Rate, SECOND, SelfTrade, Seq, Sequenced, Side, TradeDate, UnixNanos,
    rights,
};
use heng_rulebook::{Rulebook, bundle};
use serde_json::Value;

use crate::support::{Folder, root, text};

/// Hong Kong alone is closed on 2026-10-19.
const DAYS: [&str; 7] =
    ["2026-10-15", "2026-10-16", "2026-10-19", "2026-10-20", "2026-10-21", "2026-10-22", "2026-10-23"];
const KINDS: [AccountKind; 4] = [AccountKind::Cash, AccountKind::Cash, AccountKind::Credit, AccountKind::Option];
/// Board, class, board lot, price, order type, quantity: proceeds are due in one, two and three days.
const INSTRUMENTS: [(Board, InstrumentClass, u32, i64, OrderType, i64); 3] = [
    (Board::SseMain, InstrumentClass::Stock, 0, 100_000, OrderType::Limit, 1_000),
    (Board::Hk, InstrumentClass::Stock, 100, 780_000, OrderType::EnhancedLimit, 200),
    (Board::SseMain, InstrumentClass::BShare, 0, 5_000, OrderType::Limit, 10_000),
];

#[derive(Default)]
struct Said(Vec<Event>);

impl EventSink for Said {
    fn emit(&mut self, event: Event) {
        self.0.push(event);
    }
    fn send(&mut self, _to: PartitionId, _message: Command) {}
}

struct Days {
    state: State,
    record: Vec<u8>,
    time: UnixNanos,
    withdrawals: [u32; 2],
}

fn account(number: usize) -> AccountId {
    AccountId::of(PartitionId(0), number as u64 + 1)
}

fn date(text: &str) -> TradeDate {
    text.parse().unwrap()
}

impl Days {
    /// Applies a command and writes its events as `heng events export --json` does; whether it was done.
    fn apply(&mut self, command: impl Into<Command>) -> bool {
        self.time = UnixNanos(self.time.0 + SECOND);
        let command = Sequenced { seq: Seq(self.state.seq().0 + 1), time: self.time, command: command.into() };
        let mut said = Said::default();
        let outcome = apply(&mut self.state, &command, &mut said);
        for (index, event) in said.0.iter().enumerate() {
            let mut line = serde_json::json!({
                "seq": command.seq.0, "index": index, "time": command.time.0, "event": event.name(),
            });
            let Value::Object(fields) = json(&event.show()) else { panic!("an event is an object") };
            line.as_object_mut().unwrap().extend(fields);
            self.record.extend_from_slice(format!("{line}\n").as_bytes());
        }
        outcome.code.is_none()
    }

    fn new() -> Self {
        let state = State::new(PartitionId(0), Capacity::default());
        let time = UnixNanos::at(date("2026-10-14"), 0);
        let mut days = Self { state, record: Vec::new(), time, withdrawals: [0; 2] };
        let bytes = bundle(&Rulebook::embedded_files());
        assert!(days.apply(ActivateRulebook { hash: sha256(&bytes), bytes, from: date("2026-01-05") }));
        for (number, (board, class, board_lot, price, ..)) in INSTRUMENTS.iter().enumerate() {
            let instrument = InstrumentId(number as u32);
            let (symbol, partition) = (format!("S{number}"), PartitionId(0));
            let define =
                DefineInstrument { instrument, symbol, board: *board, class: *class, partition, board_lot: *board_lot };
            assert!(days.apply(define));
            let prev_close = Price(*price);
            let reference = SetReference {
                instrument,
                prev_close,
                listing_day: 0,
                delisting_day: 0,
                risk_warning: false,
                suspended: false,
            };
            assert!(days.apply(reference));
        }
        for (number, kind) in KINDS.iter().enumerate() {
            let (account, owner, commission) = (account(number), OwnerId(number as u32 + 1), Rate(25_000));
            assert!(days.apply(OpenAccount { account, owner, kind: *kind, rights: rights::ALL, commission }));
            for currency in [Currency::Cny, Currency::Usd] {
                let amount = Money(300_000_000);
                assert!(days.apply(Deposit { account, currency, amount, reference: 1 + currency as u64 }));
            }
            for instrument in (0..INSTRUMENTS.len() as u32).map(InstrumentId) {
                assert!(days.apply(TransferHolding { account, instrument, quantity: Qty(1_000_000), reference: 0 }));
            }
            let (orders_per_second, order_value_max) = (1_000, Money(0));
            let credit_line = if number < 2 { Money(0) } else { Money(100_000_000) };
            let limits = SetAccountLimits { account, orders_per_second, order_value_max, credit_line };
            assert!(days.apply(limits));
        }
        assert!(days.apply(SetExchangeRates { sell_reference: Rate(93_000_000), buy_reference: Rate(92_000_000) }));
        days
    }

    /// One order at the one price of its instrument; on days on which it does not trade it is refused.
    fn order(&mut self, number: u64, who: usize, what: usize, side: Side, trade_date: TradeDate) {
        let (_, _, _, price, order_type, quantity) = INSTRUMENTS[what];
        self.apply(NewOrder {
            account: account(who),
            client_order: ClientOrderId(number.into()),
            trade_date,
            instrument: InstrumentId(what as u32),
            side,
            order_type,
            price: Price(price),
            quantity: Qty(quantity),
            self_trade: SelfTrade::Allow,
        });
    }

    /// A day of orders and withdrawals; some orders stay live while `look` looks.
    fn day(&mut self, day: &str, seed: &mut u64, look: impl Fn(&Self)) {
        let trade_date = date(day);
        self.time = UnixNanos::at(trade_date, 8 * 3_600 * SECOND);
        assert!(self.apply(OpenDay { date: trade_date, random_close_s: 0 }), "{day}");
        self.time = UnixNanos::at(trade_date, 10 * 3_600 * SECOND);
        for number in 0..60 {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = |from: u32, below: usize| (*seed >> from) as usize % below;
            let (who, what) = (drawn(33, KINDS.len()), drawn(40, INSTRUMENTS.len()));
            if drawn(50, 5) == 0 {
                let currency = if drawn(45, 2) == 0 { Currency::Cny } else { Currency::Usd };
                let free = self.state.ledger().withdrawable(who as u32, currency);
                // Half of what is free, all of it, or a fen more.
                let amount = [Money(free.0 / 200 * 100), free, Money(free.0 + 100)][drawn(55, 3)];
                let withdraw = Withdraw { account: account(who), currency, amount, reference: 0 };
                let done = self.apply(withdraw);
                self.withdrawals[usize::from(done)] += 1;
            } else {
                let side = if drawn(60, 2) == 0 { Side::Buy } else { Side::Sell };
                self.order(number + 1, who, what, side, trade_date);
            }
        }
        look(self);
        self.time = UnixNanos::at(trade_date, 17 * 3_600 * SECOND);
        assert!(self.apply(CloseDay { date: trade_date }));
        look(self);
    }
}

/// What the checker says of every account's money after these events.
fn recomputed(folder: &Folder, record: &[u8]) -> Vec<Value> {
    let events = folder.join("events.jsonl");
    std::fs::write(&events, record).unwrap();
    let mut python = std::process::Command::new("python3");
    let checker = root().join("tests/outside/check_events.py");
    let checked = python.arg(checker).args(["--json", "--money"]).arg(&events).output().unwrap();
    assert!(checked.status.success(), "{}\n{}", text(&checked.stdout), text(&checked.stderr));
    let summary: Value = serde_json::from_slice(&checked.stdout).unwrap();
    summary["money"].as_array().unwrap().clone()
}

/// The same, of the books.
fn of_the_books(state: &State, row: u32, currency: Currency) -> Value {
    let ledger = state.ledger();
    let (account, cash) = (ledger.account(row), ledger.cash(row, currency));
    let line = ledger.limits(row).credit_line;
    let power = |purpose| buying_power(account.kind, line, &cash, currency, purpose).0;
    serde_json::json!({
        "account": account.id.0, "currency": currency.name(), "balance": cash.balance.0, "frozen": cash.frozen.0,
        "due": cash.due.map(|due| due.0), "hk_due": cash.hk_due.map(|due| due.0),
        "available": power(Purpose::Mainland), "available_hk": power(Purpose::StockConnect),
        "withdrawable": ledger.withdrawable(row, currency).0,
    })
}

#[test]
fn the_outside_checker_recomputes_due_money_over_several_days() {
    let folder = Folder::new();
    let (mut days, mut seed) = (Days::new(), 20_261_122);
    let compared = std::cell::RefCell::new([0u32; 3]);
    for day in DAYS {
        days.day(day, &mut seed, |days| {
            let found = recomputed(&folder, &days.record);
            for row in &found {
                let currency = Currency::ALL.iter().find(|one| one.name() == row["currency"]).unwrap();
                let number = (row["account"].as_u64().unwrap() - account(0).0) as u32;
                assert_eq!(*row, of_the_books(&days.state, number, *currency), "{day}");
                let sums = [&row["due"][2], &row["due"][0], &row["hk_due"][0]];
                for (count, sum) in compared.borrow_mut().iter_mut().zip(sums) {
                    *count += u32::from(sum.as_i64().unwrap() > 0);
                }
            }
            assert_eq!(found.len(), KINDS.len() * 2, "{day}");
        });
    }
    // Money was due in every way, and withdrawals were both done and refused.
    assert!(compared.borrow().iter().all(|count| *count > 3), "{compared:?}");
    assert!(days.withdrawals.iter().all(|count| *count > 3), "{:?}", days.withdrawals);
}
