//! The replica against the core: equal states, exact explanations, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use heng_core::Replica;
use heng_model::command::{BulkOrders, NewOrder, OpenDay, Tick};
use heng_model::wire::{decode_all, encode};
use heng_model::{
    AccountId, CheckName, CheckOutcome, ClientOrderId, Command, InputName, InstrumentId, OrderType, Price, Qty,
    RejectCode, SECOND, SelfTrade, Seq, Side, UnixNanos,
};
use heng_ports::{
    About, Answered, CashOf, CoreQueries, EstimateOf, ExplainedAfter, Explanation, HashOf, HoldingsOf, NoAnswer,
    OneOrder, OpenOrdersOf, OutcomeOf, OutcomesOf, PowerOf, Question, Reply,
};

use crate::up::{Day, a_day, run};

const WAIT: Duration = Duration::from_secs(60);

fn ask(replica: &impl CoreQueries, at: Seq, about: impl Into<About>) -> Answered {
    let question = Question { min_sequence: at, about: about.into() };
    // Another process asks by the bytes.
    let question: Question = decode_all(&encode(&question)).expect("a question reads back");
    let answered = replica.ask(question, WAIT).expect("the replica answers");
    assert!(answered.as_of >= at);
    assert_eq!(decode_all::<Answered>(&encode(&answered)).as_ref(), Ok(&answered), "an answer reads back");
    answered
}

fn head(day: &Day) -> Seq {
    day.core.port().published().durable()
}

/// The next date, in continuous trading.
fn next_day(day: &mut Day) -> impl Fn(i64) -> UnixNanos + use<> {
    day.date = day.date.plus_days(1).expect("a date");
    let date = day.date;
    let at = move |second: i64| UnixNanos::at(date, second * SECOND);
    let open = Command::from(OpenDay { date, random_close_s: 0 });
    let ticks = [29_700, 33_300, 33_900, 34_200].map(|second| (at(second), Command::from(Tick {})));
    run(&day.core, [(at(28_800), open)].into_iter().chain(ticks));
    at
}

/// An order of somebody who may trade it.
fn order(day: &Day, key: &str) -> NewOrder {
    let (account, instrument, price) = day
        .core
        .port()
        .inspect(|state| {
            let stock = state.instruments().find(|instrument| {
                state
                    .day_of(instrument.definition.instrument)
                    .is_some_and(|day| !day.suspended && day.limits.is_some() && day.rules.lot.buy_min == Qty(100))
            });
            let id = stock.expect("the world has a plain stock").definition.instrument;
            let today = state.day_of(id).expect("it trades");
            let rich = state.ledger().accounts().iter().find(|account| {
                account.rights & today.buy_rights == today.buy_rights && account.cny.available().0 > 1_000_000_000_000
            });
            (rich.expect("somebody is rich").id, id, today.limits.expect("it has limits").0)
        })
        .expect("the core runs");
    NewOrder {
        account,
        client_order: ClientOrderId::from_text(key),
        trade_date: day.date,
        instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        price,
        quantity: Qty(100),
        self_trade: SelfTrade::Reject,
    }
}

#[test]
fn a_replica_reaches_the_same_state_and_follows() {
    let mut day = a_day();
    let replica = Replica::start(&day.core.port(), day.replica_options());
    let port = replica.port();
    let check = |day: &Day| {
        let (seq, hash) = day.core.port().inspect(|state| (state.seq(), state.hash())).expect("the core runs");
        let answered = ask(&port, seq, HashOf {});
        assert_eq!(answered.as_of, seq);
        assert!(matches!(answered.reply, Reply::HashNow(now) if now.hash == hash), "state hashes differ at {seq}");
    };
    check(&day);
    let at = next_day(&mut day);
    let first = order(&day, "follow-1");
    run(&day.core, [(at(34_260), first.into())].into_iter());
    check(&day);
    let late = Question { min_sequence: Seq(head(&day).0 + 1), about: HashOf {}.into() };
    assert_eq!(port.ask(late, Duration::from_millis(20)), Err(NoAnswer::Late));
    replica.stop();
    let gone = Question { min_sequence: Seq(0), about: HashOf {}.into() };
    assert!(port.ask(gone, Duration::from_millis(20)).is_err());
}

#[test]
fn it_answers_what_the_core_knows() {
    let mut day = a_day();
    let at = next_day(&mut day);
    let (mine, huge) = (order(&day, "q-1"), NewOrder { quantity: Qty(150), ..order(&day, "q-2") });
    let outcomes = run(&day.core, [(at(34_260), mine.into()), (at(34_261), huge.into())].into_iter());
    assert_eq!((outcomes[0].code, outcomes[1].code), (None, Some(RejectCode::LotSize)));
    let replica = Replica::start(&day.core.port(), day.replica_options());
    let (port, seq) = (replica.port(), head(&day));
    let account = mine.account;
    let Reply::OrdersNow(open) = ask(&port, seq, OpenOrdersOf { account, limit: 10 }).reply else { panic!("orders") };
    let known = open.orders.iter().find(|order| order.client_order == mine.client_order).expect("it is open");
    assert_eq!((known.order.0, known.seq, known.price), (outcomes[0].id, outcomes[0].seq, mine.price));
    let Reply::OrdersNow(one) = ask(&port, seq, OneOrder { order: known.order }).reply else { panic!("orders") };
    assert_eq!(one.orders, [*known]);
    let key = |order: &NewOrder| OutcomeOf { account, trade_date: day.date, client_order: order.client_order };
    let Reply::OutcomeNow(found) = ask(&port, seq, key(&huge)).reply else { panic!("an outcome") };
    assert_eq!((found.known, found.code, found.id), (true, RejectCode::LotSize.number(), outcomes[1].id));
    let orders = vec![mine, NewOrder { quantity: Qty(200), ..mine }, NewOrder { account: AccountId(1 << 40), ..mine }];
    let Reply::OutcomesNow(found) = ask(&port, seq, OutcomesOf { orders }).reply else { panic!("outcomes") };
    let told: Vec<_> = found.outcomes.iter().map(|found| (found.known, found.same, found.code)).collect();
    assert_eq!(told, [(true, true, 0), (true, false, 0), (false, true, RejectCode::UnknownAccount.number())]);
    check_money(&day, &port, account);
    check_power(&day, &port, &mine, &at);
    replica.stop();
}

/// Cash and holdings of an account are those of the core.
fn check_money(day: &Day, port: &impl CoreQueries, account: AccountId) {
    let (balance, frozen, held) = day
        .core
        .port()
        .inspect(move |state| {
            let row = state.ledger().row_of(account).expect("it is there");
            let cash = state.ledger().account(row).cny;
            let positions = state.ledger().positions().iter();
            let held = positions.filter(|position| position.account_row == row && position.total() != Qty::ZERO);
            (
                cash.balance,
                cash.frozen,
                held.map(|position| (position.instrument, position.sellable)).collect::<Vec<_>>(),
            )
        })
        .expect("the core runs");
    let Reply::CashNow(cash) = ask(port, head(day), CashOf { account }).reply else { panic!("cash") };
    assert_eq!((cash.known, cash.cash[0].balance, cash.cash[0].frozen), (true, balance, frozen));
    let Reply::HoldingsNow(now) = ask(port, head(day), HoldingsOf { account, limit: 1_000 }).reply else {
        panic!("holdings")
    };
    let mut held = held;
    held.sort_unstable();
    let told: Vec<_> = now.holdings.iter().map(|holding| (holding.instrument.0, holding.sellable)).collect();
    assert_eq!(told, held);
}

/// The most that can be bought is accepted, and one lot more is not.
fn check_power(day: &Day, port: &impl CoreQueries, order: &NewOrder, at: &impl Fn(i64) -> UnixNanos) {
    let (account, instrument, price) = (order.account, order.instrument, order.price);
    let ask_power = || {
        let Reply::PowerNow(power) = ask(port, head(day), PowerOf { account, instrument, price }).reply else {
            panic!("power")
        };
        power
    };
    let power = ask_power();
    assert!(power.known && power.buy_max > Qty::ZERO, "{power:?}");
    let estimate = |quantity: Qty| {
        let order = NewOrder { quantity, ..*order };
        let Reply::EstimateNow(found) = ask(port, head(day), EstimateOf { order }).reply else { panic!("an estimate") };
        found
    };
    let found = estimate(power.buy_max);
    assert_eq!((found.code, found.hold_cash), (0, power.buy_cash), "{found:?}");
    let more = estimate(power.buy_max + Qty(100));
    let refused = RejectCode::from_number(more.code);
    assert!(matches!(refused, Some(RejectCode::InsufficientCash | RejectCode::OrderTooLarge)), "{more:?}");
    let last = more.checks.last().expect("checks ran");
    assert_eq!(last.outcome, CheckOutcome::Refused);
    // What is estimated is what happens.
    let sent = NewOrder { client_order: ClientOrderId::from_text("most"), quantity: power.buy_max, ..*order };
    let outcome = run(&day.core, [(at(34_300), sent.into())].into_iter())[0];
    assert_eq!(outcome.code, None);
    let unknown = PowerOf { account: AccountId(1 << 40), instrument: InstrumentId(0), price: Price::ZERO };
    assert!(matches!(ask(port, head(day), unknown).reply, Reply::PowerNow(power) if !power.known));
}

#[test]
fn every_order_is_explained_with_what_its_checks_looked_at() {
    let mut day = a_day();
    let at = next_day(&mut day);
    let good = order(&day, "e-1");
    let dear = NewOrder { price: Price(8_999_999_900), client_order: ClientOrderId::from_text("e-2"), ..good };
    let odd = NewOrder { quantity: Qty(101), client_order: ClientOrderId::from_text("e-3"), ..good };
    let bulk = BulkOrders { orders: vec![dear, odd] };
    let before = head(&day);
    let outcomes = run(&day.core, [(at(34_260), good.into()), (at(34_261), bulk.into())].into_iter());
    let replica = Replica::start(&day.core.port(), day.replica_options());
    let about = ExplainedAfter { after: before, limit: 100 };
    let Reply::ExplainedNow(told) = ask(&replica.port(), head(&day), about).reply else { panic!("explanations") };
    assert_eq!((told.explained.len(), told.through), (3, head(&day)));
    let read: Vec<Explanation> =
        told.explained.iter().map(|explained| decode_all(&explained.bytes).expect("it reads")).collect();
    assert_eq!(told.explained[0].order.0, outcomes[0].id);
    let input = |at: usize, check: CheckName, name: InputName| {
        let check = read[at].checks.iter().find(|found| found.name == check).expect("the check ran");
        check.inputs.iter().find(|input| input.name == name).expect("it looked at it").value
    };
    assert_eq!(read[0].code, 0);
    assert!(read[0].checks.iter().all(|check| check.outcome == CheckOutcome::Passed), "{:?}", read[0]);
    let names: Vec<CheckName> = read[0].checks.iter().map(|check| check.name).collect();
    for name in
        [CheckName::Rights, CheckName::Lot, CheckName::Tick, CheckName::PriceLimit, CheckName::Cash, CheckName::Phase]
    {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(input(0, CheckName::PriceLimit, InputName::Price), good.price.0);
    assert_eq!(input(0, CheckName::PriceLimit, InputName::LimitDown), good.price.0);
    let held = day
        .core
        .port()
        .inspect(move |state| state.order(heng_model::OrderId(outcomes[0].id)).expect("it is there").hold_cash);
    assert_eq!(input(0, CheckName::Cash, InputName::CashNeeded), held.expect("the core runs").0);
    assert_eq!(input(0, CheckName::Rate, InputName::Sent), 1);
    // Two of one command count one after the other; each ends with the check that refused it.
    assert_eq!((read[1].code, read[2].code), (RejectCode::PriceLimit.number(), RejectCode::LotSize.number()));
    let last = |at: usize| read[at].checks.last().map(|check| (check.name, check.outcome)).expect("checks ran");
    assert_eq!(last(1), (CheckName::PriceLimit, CheckOutcome::Refused));
    assert_eq!(last(2), (CheckName::Lot, CheckOutcome::Refused));
    assert_eq!((input(1, CheckName::Rate, InputName::Sent), input(2, CheckName::Rate, InputName::Sent)), (1, 2));
    replica.stop();
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let day = a_day();
    let replica = Replica::start(&day.core.port(), day.replica_options());
    let port = Arc::new(replica.port());
    let head = head(&day);
    std::thread::scope(|scope| {
        for account in 1..=8 {
            let port = Arc::clone(&port);
            scope.spawn(move || {
                for _ in 0..50 {
                    let answered = ask(&*port, head, CashOf { account: AccountId(account) });
                    assert!(matches!(answered.reply, Reply::CashNow(cash) if cash.known));
                }
            });
        }
    });
    replica.stop();
}
