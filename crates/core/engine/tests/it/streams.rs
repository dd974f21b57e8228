//! Random streams over all kinds of commands: the books balance, the same stream gives the same bytes, a snapshot in
//! the middle changes nothing.

use std::collections::BTreeMap;

use heng_engine::{Capacity, EventSink, EventWriter, State, apply, invariants};
use heng_model::command::{CloseDay, OpenDay, Tick};
use heng_model::{
    AccountId, ClientOrderId, Command, Event, OrderId, ParentId, PartitionId, SECOND, Seq, Sequenced, TradeDate,
    UnixNanos,
};
use proptest::prelude::*;

use crate::market::{Names, Step, Todo, dates, for_each_seed, key, set_up, steps, todo};
use crate::world::{restarted, rules_from, sections_of};

/// Counts what a run really did, so that a property does not hold because nothing happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) trades: u64,
    pub(crate) cancels: u64,
    pub(crate) rejects: u64,
}

struct Listener {
    writer: EventWriter,
    orders: BTreeMap<ClientOrderId, OrderId>,
    parents: Vec<ParentId>,
    tally: Tally,
}

impl EventSink for Listener {
    fn begin(&mut self, seq: Seq, time: UnixNanos) {
        self.writer.begin(seq, time);
    }
    fn emit(&mut self, event: Event) {
        match &event {
            Event::OrderPlaced(placed) => {
                self.orders.insert(placed.client_order, placed.order);
            }
            Event::ParentAccepted(accepted) => self.parents.push(accepted.parent),
            Event::Trade(_) => self.tally.trades += 1,
            Event::OrderCancelled(_) => self.tally.cancels += 1,
            Event::OrderRejected(_) => self.tally.rejects += 1,
            _ => {}
        }
        self.writer.emit(event);
    }
    fn send(&mut self, to: PartitionId, message: Command) {
        panic!("nothing leaves a partition that has everything: {to} {message:?}");
    }
}

struct One {
    state: State,
    day: usize,
    listener: Listener,
}

impl Names for One {
    fn account(&self, number: u16) -> AccountId {
        AccountId::of(PartitionId(0), u64::from(number) + 1)
    }
    fn venue(&self, _: u32) -> PartitionId {
        PartitionId(0)
    }
    fn date(&self) -> TradeDate {
        dates()[self.day]
    }
    fn placed(&self, operation: u64) -> OrderId {
        self.listener.orders.get(&key(operation, 0)).copied().unwrap_or(OrderId(7))
    }
    fn parent(&self, number: u16) -> ParentId {
        self.listener.parents.get(usize::from(number)).copied().unwrap_or(ParentId(u64::from(number)))
    }
}

impl One {
    fn new() -> Self {
        let listener = Listener {
            writer: EventWriter::default(),
            orders: BTreeMap::new(),
            parents: Vec::new(),
            tally: Tally::default(),
        };
        let mut one = Self { state: State::new(PartitionId(0), Capacity::default()), day: 0, listener };
        one.apply(1, rules_from("2020-01-02".parse().unwrap()).into());
        for command in set_up(&one) {
            one.apply(1, command);
        }
        one.open();
        one
    }

    fn open(&mut self) {
        let date = dates()[self.day];
        self.apply_at(UnixNanos::at(date, 9 * 3_600 * SECOND), OpenDay { date, random_close_s: 40 }.into());
    }

    fn apply(&mut self, later: i64, command: Command) {
        self.apply_at(UnixNanos(self.state.time().0 + later), command);
    }

    fn apply_at(&mut self, time: UnixNanos, command: Command) {
        let (seq, time) = (Seq(self.state.seq().0 + 1), time.max(UnixNanos(self.state.time().0 + 1)));
        apply(&mut self.state, &Sequenced { seq, time, command }, &mut self.listener);
        self.listener.writer.finish();
    }

    fn step(&mut self, operation: u64, step: Step) {
        match todo(self, operation, step) {
            Todo::Account(command) | Todo::Everywhere(command) | Todo::Venue(_, command) => self.apply(1_000, command),
            Todo::Wait(seconds) => self.apply(seconds * SECOND + 1, Tick {}.into()),
            Todo::NextDay if self.day + 1 < dates().len() => {
                self.apply(1, CloseDay { date: self.date() }.into());
                self.day += 1;
                self.open();
            }
            Todo::NextDay => {}
        }
    }

    fn check(&self) {
        let found = invariants::violations(&self.state);
        assert!(found.is_empty(), "at command {}: {found:?}", self.state.seq());
    }
}

fn run(steps: &[Step], restart_at: Option<usize>, every: usize) -> One {
    let mut one = One::new();
    for (at, step) in steps.iter().enumerate() {
        one.step(at as u64, *step);
        if at % every == 0 {
            one.check();
        }
        if restart_at == Some(at) {
            one.state = restarted(&one.state);
            one.check();
        }
    }
    one.check();
    one
}

/// Properties of a run are tested on this many runs.
const CASES: u32 = 160;

#[test]
fn the_books_balance_after_every_command() {
    for_each_seed(CASES, &steps(400), |steps| {
        run(&steps, None, 1);
        Ok(())
    });
}

#[test]
fn a_snapshot_anywhere_changes_nothing() {
    for_each_seed(CASES, &(steps(400), 0..400usize), |(steps, at)| {
        let whole = run(&steps, None, 1_000);
        let cut = run(&steps, Some(at % steps.len()), 1_000);
        prop_assert_eq!(whole.listener.writer.digest(), cut.listener.writer.digest());
        prop_assert_eq!(whole.state.hash(), cut.state.hash());
        Ok(())
    });
}

#[test]
fn the_same_stream_gives_the_same_bytes() {
    for_each_seed(CASES, &steps(300), |steps| {
        let (one, two) = (run(&steps, None, 1_000), run(&steps, None, 1_000));
        prop_assert_eq!(one.listener.writer.frames(), two.listener.writer.frames());
        prop_assert_eq!(one.state.hash(), two.state.hash());
        Ok(())
    });
}

/// Read bytes that were changed anywhere: an error or a state, never a panic.
#[test]
fn a_damaged_snapshot_is_refused_or_read() {
    let flips = prop::collection::vec((0..7usize, any::<u32>(), any::<u8>()), 1..4);
    for_each_seed(CASES, &(steps(150), flips), |(steps, flips)| {
        let mut sections = sections_of(&run(&steps, None, 1_000).state);
        for (section, at, with) in flips {
            let bytes = &mut sections[section].1;
            // The rule files fill section 1; what stands before and after them is more telling.
            let at = if section == 0 { (at as usize % 60).min(bytes.len() - 1) } else { at as usize % bytes.len() };
            bytes[at] ^= with;
        }
        if let Ok(state) = State::read_state(&sections, Capacity::default()) {
            let _ = state.hash();
        }
        Ok(())
    });
}

/// The random market is a market: without this the properties might hold over nothing.
#[test]
fn streams_trade() {
    let mut draw = 1u64;
    let mut next = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 40) as u16
    };
    let mut sum = Tally::default();
    for _ in 0..40 {
        let steps: Vec<Step> = (0..400).map(|_| (next() as u8, next(), next(), next(), next(), next())).collect();
        let tally = run(&steps, None, 1_000).listener.tally;
        sum.trades += tally.trades;
        sum.cancels += tally.cancels;
        sum.rejects += tally.rejects;
    }
    assert!(sum.trades > 1_000 && sum.cancels > 1_000 && sum.rejects > 1_000, "{sum:?}");
}
