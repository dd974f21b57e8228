//! One account and venue partition together, and two of each apart, give equal fills and equal total balances.
//!
//! Apart, accounts 1 and 3 live in partition 0, accounts 2 and 4 in partition 1; instruments with an even number trade
//! in venue partition 2, the others in 3. Messages between partitions arrive in the order in which they were sent.
//! Reference data comes from outside: what a venue closed at is set everywhere before the next day opens.

use std::collections::{BTreeMap, VecDeque};

use heng_engine::{Capacity, EventSink, State, apply, invariants};
use heng_model::command::{CloseDay, NewOrder, OpenDay, Tick};
use heng_model::market::{OrderType, SelfTrade};
use heng_model::{
    AccountId, ClientOrderId, Command, Currency, Event, InstrumentId, OrderId, ParentId, PartitionId, Price, Qty,
    SECOND, Seq, Sequenced, Side, TradeDate, UnixNanos,
};

use crate::market::{ACCOUNTS, INSTRUMENTS, Names, Step, Todo, dates, for_each_seed, key, set_up, steps, todo};
use crate::world::rules_from;

/// A trade as both worlds must see it.
type Print = (InstrumentId, Price, Qty, ClientOrderId, ClientOrderId, bool);

#[derive(Default)]
struct Heard {
    outbox: VecDeque<(PartitionId, Command)>,
    prints: Vec<(InstrumentId, Price, Qty, OrderId, OrderId, bool)>,
    keys: BTreeMap<OrderId, ClientOrderId>,
    orders: BTreeMap<ClientOrderId, OrderId>,
    parents: Vec<ParentId>,
}

impl EventSink for Heard {
    fn emit(&mut self, event: Event) {
        match event {
            Event::OrderPlaced(placed) => {
                self.keys.insert(placed.order, placed.client_order);
                self.orders.insert(placed.client_order, placed.order);
            }
            Event::ParentAccepted(accepted) => self.parents.push(accepted.parent),
            Event::Trade(t) => self.prints.push((t.instrument, t.price, t.quantity, t.buy, t.sell, t.auction)),
            _ => {}
        }
    }
    fn send(&mut self, to: PartitionId, message: Command) {
        self.outbox.push_back((to, message));
    }
}

struct Net {
    states: Vec<State>,
    apart: bool,
    day: usize,
    heard: Heard,
}

impl Names for Net {
    fn account(&self, number: u16) -> AccountId {
        if self.apart {
            AccountId::of(PartitionId(number % 2), u64::from(number / 2) + 1)
        } else {
            AccountId::of(PartitionId(0), u64::from(number) + 1)
        }
    }
    fn venue(&self, instrument: u32) -> PartitionId {
        PartitionId(if self.apart { 2 + (instrument % 2) as u16 } else { 0 })
    }
    fn date(&self) -> TradeDate {
        dates()[self.day]
    }
    fn placed(&self, operation: u64) -> OrderId {
        self.heard.orders.get(&key(operation, 0)).copied().unwrap_or(OrderId(987_654))
    }
    fn parent(&self, number: u16) -> ParentId {
        self.heard.parents.get(usize::from(number)).copied().unwrap_or(ParentId(987_654))
    }
}

/// The partition of an account command.
fn account_of(command: &Command) -> Option<AccountId> {
    Some(match command {
        Command::NewOrder(c) => c.account,
        Command::CancelOrder(c) => c.account,
        Command::MassCancel(c) => c.account,
        Command::BulkOrders(c) => c.orders[0].account,
        Command::BasketOrders(c) => c.orders[0].account,
        Command::OpenAccount(c) => c.account,
        Command::Deposit(c) => c.account,
        Command::Withdraw(c) => c.account,
        Command::TransferHolding(c) => c.account,
        Command::PostCorporateAction(c) => c.account,
        Command::NewParent(c) => c.account,
        Command::ControlParent(c) => c.account,
        Command::SliceParent(c) => AccountId(c.parent.0),
        Command::TriggerParent(c) => AccountId(c.parent.0),
        _ => return None,
    })
}

impl Net {
    fn new(apart: bool) -> Self {
        let count = if apart { 4 } else { 1 };
        let states = (0..count).map(|number| State::new(PartitionId(number), Capacity::default())).collect();
        let mut net = Self { states, apart, day: 0, heard: Heard::default() };
        net.everywhere(&rules_from("2020-01-02".parse().unwrap()).into());
        for command in set_up(&net) {
            net.account_command(&command);
        }
        net.open();
        net
    }

    /// One command in one partition; what it sends is delivered before anything else happens.
    fn at(&mut self, partition: PartitionId, command: Command) {
        self.heard.outbox.push_back((partition, command));
        self.drain();
    }

    /// Delivers messages in the order in which they were sent.
    fn drain(&mut self) {
        while let Some((to, command)) = self.heard.outbox.pop_front() {
            let state = &mut self.states[usize::from(to.0)];
            let (seq, time) = (Seq(state.seq().0 + 1), UnixNanos(state.time().0 + 1));
            apply(state, &Sequenced { seq, time, command }, &mut self.heard);
        }
    }

    fn everywhere(&mut self, command: &Command) {
        for partition in 0..self.states.len() {
            self.at(PartitionId(partition as u16), command.clone());
        }
    }

    fn account_command(&mut self, command: &Command) {
        match account_of(command) {
            Some(account) => {
                let known = usize::from(account.partition().0) < self.states.len();
                self.at(if known { account.partition() } else { PartitionId(0) }, command.clone());
            }
            None => self.everywhere(command),
        }
    }

    /// Time passes everywhere; venues first, so that what their phases cause has arrived before the next command.
    fn wait_until(&mut self, time: UnixNanos) {
        for partition in (0..self.states.len()).rev() {
            let state = &mut self.states[partition];
            let (seq, time) = (Seq(state.seq().0 + 1), time.max(UnixNanos(state.time().0 + 1)));
            apply(state, &Sequenced { seq, time, command: Tick {}.into() }, &mut self.heard);
            self.drain();
        }
    }

    fn now(&self) -> UnixNanos {
        self.states.iter().map(State::time).max().unwrap()
    }

    fn open(&mut self) {
        let date = dates()[self.day];
        self.wait_until(UnixNanos::at(date, 9 * 3_600 * SECOND));
        self.everywhere(&OpenDay { date, random_close_s: 40 }.into());
    }

    fn step(&mut self, operation: u64, step: Step) {
        match todo(self, operation, step) {
            // A kill switch for all, bulk and basket name one account partition in this test.
            Todo::Account(command) => self.account_command(&command),
            Todo::Everywhere(command) => self.everywhere(&command),
            Todo::Venue(id, command) => self.at(self.venue(id), command),
            Todo::Wait(seconds) => self.wait_until(UnixNanos(self.now().0 + (seconds + 1) * SECOND)),
            Todo::NextDay if self.day + 1 < dates().len() => {
                let close = CloseDay { date: self.date() };
                for partition in (0..self.states.len()).rev() {
                    self.at(PartitionId(partition as u16), close.into());
                }
                self.tell_closes();
                self.day += 1;
                self.open();
            }
            Todo::NextDay => {}
        }
    }

    /// Only the venue of an instrument knows its close; the others are told, as an exchange's reference data tells it.
    fn tell_closes(&mut self) {
        for (id, ..) in INSTRUMENTS {
            let venue = self.venue(id);
            let reference = *self.states[usize::from(venue.0)].reference(InstrumentId(id)).unwrap();
            for partition in (0..self.states.len() as u16).map(PartitionId).filter(|partition| *partition != venue) {
                self.at(partition, reference.into());
            }
        }
    }

    fn prints(&self) -> BTreeMap<InstrumentId, Vec<Print>> {
        let mut by_instrument: BTreeMap<InstrumentId, Vec<Print>> = BTreeMap::new();
        for (instrument, price, quantity, buy, sell, auction) in &self.heard.prints {
            // A child's key is a hash of its parent's id, which names the partition.
            let told = |order| Some(self.heard.keys[order]).filter(|key| key.0 >> 120 != 0xfe).unwrap_or_default();
            let print = (*instrument, *price, *quantity, told(buy), told(sell), *auction);
            by_instrument.entry(*instrument).or_default().push(print);
        }
        by_instrument
    }

    /// Every client's balances and holdings, by the number of the account.
    fn balances(&self) -> Vec<(u16, Vec<i64>, Vec<i64>)> {
        let mut all = Vec::new();
        for number in 0..ACCOUNTS {
            let account = self.account(number);
            let ledger = self.states[usize::from(account.partition().0)].ledger();
            let row = ledger.row_of(account).unwrap();
            let cash = Currency::ALL.iter().flat_map(|currency| {
                let cash = ledger.cash(row, *currency);
                [cash.balance.0, cash.frozen.0, cash.available().0]
            });
            let shares = INSTRUMENTS.iter().flat_map(|(id, ..)| {
                let position = ledger.position(row, InstrumentId(*id));
                position.map_or([0; 3], |p| [p.sellable.0, p.frozen.0, p.unsellable.0])
            });
            all.push((number, cash.collect(), shares.collect()));
        }
        all
    }

    fn check(&self) {
        for state in &self.states {
            let found = invariants::violations(state);
            assert!(found.is_empty(), "{}: {found:?}", state.partition());
        }
        // Limits are checked and holds are computed where the account is: it must know what the venue knows.
        for (id, ..) in INSTRUMENTS.map(|(id, ..)| (InstrumentId(id), ())) {
            let of = |state: &State| state.day_of(id).map(|day| (day.prev_close, day.limits));
            let venue = of(&self.states[usize::from(self.venue(id.0).0)]);
            assert!(self.states.iter().all(|state| of(state) == venue), "instrument {id}: limits differ");
        }
    }
}

fn compare(steps: &[Step]) -> usize {
    let (mut together, mut apart) = (Net::new(false), Net::new(true));
    for (operation, step) in (0..).zip(steps) {
        together.step(operation, *step);
        apart.step(operation, *step);
    }
    together.check();
    apart.check();
    assert_eq!(together.prints(), apart.prints());
    assert_eq!(together.balances(), apart.balances());
    together.heard.prints.len()
}

#[test]
fn together_and_apart_give_equal_fills_and_balances() {
    for_each_seed(64, &steps(300), |steps| {
        compare(&steps);
        Ok(())
    });
}

/// A market buy holds what it costs at the limit-up, which follows from the close of the day before; that is known only
/// where the book is.
#[test]
fn a_market_order_of_the_second_day_holds_the_same_apart() {
    let holds = [false, true].map(|apart| {
        let mut net = Net::new(apart);
        net.wait_until(UnixNanos::at(net.date(), 10 * 3_600 * SECOND));
        let place = |net: &mut Net, number: u16, side, order_type, price, quantity| {
            let order = NewOrder {
                account: net.account(number),
                client_order: key(net.now().0 as u64, u64::from(number)),
                trade_date: net.date(),
                instrument: InstrumentId(1),
                side,
                order_type,
                price: Price(price),
                quantity: Qty(quantity),
                self_trade: SelfTrade::Allow,
            };
            net.account_command(&order.into());
        };
        // 2.15 is the reference of the first day, 2.20 its only price and so its close.
        place(&mut net, 3, Side::Sell, OrderType::Limit, 22_000, 100);
        place(&mut net, 2, Side::Buy, OrderType::Limit, 22_000, 100);
        net.step(1, (57, 0, 0, 0, 0, 0));
        net.wait_until(UnixNanos::at(net.date(), 10 * 3_600 * SECOND));
        place(&mut net, 3, Side::Sell, OrderType::Limit, 22_000, 100);
        place(&mut net, 2, Side::Buy, OrderType::OppositeBest, 0, 1_000);
        net.check();
        net.balances()[2].1[1]
    });
    // 900 at 2.42 (ten per cent above 2.20), and the transfer fee on it; the smallest commission is paid already.
    assert_eq!(holds, [21_780_200; 2]);
}

#[test]
fn the_compared_worlds_trade() {
    let mut draw = 5u64;
    let mut next = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 40) as u16
    };
    let mut trades = 0;
    for _ in 0..10 {
        let steps: Vec<Step> = (0..400).map(|_| (next() as u8, next(), next(), next(), next(), next())).collect();
        trades += compare(&steps);
    }
    assert!(trades > 200, "{trades}");
}
