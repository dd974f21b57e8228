//! A core under test, with names for accounts, instruments and orders.

use std::collections::BTreeMap;

use heng_engine::{Capacity, EventSink, Outcome, State, apply, apply_quarantined, invariants};
use heng_model::command::ActivateRulebook;
use heng_model::wire::Writer;
use heng_model::{
    AccountId, ClientOrderId, Command, Event, InstrumentId, OrderId, ParentId, PartitionId, Seq, Sequenced, TradeDate,
    UnixNanos,
};
use heng_rulebook::{Rulebook, bundle};

/// Collects what the core says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<(PartitionId, Command)>,
}

impl EventSink for Said {
    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }
    fn send(&mut self, to: PartitionId, message: Command) {
        self.sent.push((to, message));
    }
}

/// The rule files of this build, as one bundle.
pub(crate) fn rules_from(from: TradeDate) -> ActivateRulebook {
    let bytes = bundle(&Rulebook::embedded_files());
    ActivateRulebook { hash: heng_model::hash::sha256(&bytes), bytes, from }
}

/// The sections of the state's bytes, each whole.
pub(crate) fn sections_of(state: &State) -> Vec<(u32, Vec<u8>)> {
    let mut sections: Vec<(u32, Vec<u8>)> = Vec::new();
    state.write_state(&mut |number: u32, bytes: &mut Writer| {
        match sections.last_mut() {
            Some((last, whole)) if *last == number => whole.extend_from_slice(bytes.bytes()),
            _ => sections.push((number, bytes.bytes().to_vec())),
        }
        bytes.clear();
    });
    sections
}

/// Writes the state and reads it back, as a restart does.
pub(crate) fn restarted(state: &State) -> State {
    State::read_state(&sections_of(state), Capacity::default()).expect("a state that was written can be read")
}

/// A core with names.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) date: TradeDate,
    pub(crate) accounts: Vec<String>,
    pub(crate) instruments: BTreeMap<String, InstrumentId>,
    /// Orders by the client's id, and back.
    pub(crate) orders: BTreeMap<String, OrderId>,
    pub(crate) names: BTreeMap<OrderId, String>,
    pub(crate) parents: BTreeMap<String, ParentId>,
    pub(crate) said: Said,
    next_key: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            state: State::new(PartitionId(0), Capacity::default()),
            date: "2026-07-05".parse().unwrap(),
            accounts: Vec::new(),
            instruments: BTreeMap::new(),
            orders: BTreeMap::new(),
            names: BTreeMap::new(),
            parents: BTreeMap::new(),
            said: Said::default(),
            next_key: 0,
        }
    }

    /// The account with this name; a name that was never opened gives an id that nobody has.
    pub(crate) fn account(&self, name: &str) -> AccountId {
        let at = self.accounts.iter().position(|known| known == name);
        AccountId::of(PartitionId(0), at.map_or(900_000, |at| at as u64 + 1))
    }

    pub(crate) fn open_account(&mut self, name: &str) -> AccountId {
        if !self.accounts.iter().any(|known| known == name) {
            self.accounts.push(name.to_owned());
        }
        self.account(name)
    }

    pub(crate) fn instrument(&self, symbol: &str) -> InstrumentId {
        self.instruments.get(symbol).copied().unwrap_or(InstrumentId(60_000))
    }

    pub(crate) fn symbol(&self, id: InstrumentId) -> &str {
        self.instruments.iter().find(|(_, known)| **known == id).map_or("?", |(symbol, _)| symbol)
    }

    pub(crate) fn order(&self, name: &str) -> OrderId {
        self.orders.get(name).copied().unwrap_or(OrderId(987_654_321))
    }

    pub(crate) fn parent(&self, name: &str) -> ParentId {
        self.parents.get(name).copied().unwrap_or(ParentId(987_654_321))
    }

    /// A key that no line of the case names.
    pub(crate) fn fresh_key(&mut self) -> String {
        self.next_key += 1;
        format!("#{}", self.next_key)
    }

    /// Applies a command at a time of day; without one, a nanosecond after the last command.
    pub(crate) fn apply(&mut self, time_of_day: Option<i64>, command: Command, quarantined: bool) -> Outcome {
        let next = UnixNanos(self.state.time().0 + 1);
        let time = time_of_day.map_or(next, |nanos| UnixNanos::at(self.date, nanos).max(next));
        let command = Sequenced { seq: Seq(self.state.seq().0 + 1), time, command };
        self.said = Said::default();
        let outcome = if quarantined {
            apply_quarantined(&mut self.state, &command, &mut self.said)
        } else {
            apply(&mut self.state, &command, &mut self.said)
        };
        self.learn_names();
        if self.state.trade_date().1 {
            self.date = self.state.trade_date().0;
        }
        let found = invariants::violations(&self.state);
        assert!(found.is_empty(), "after {command:?}: {found:?}");
        outcome
    }

    fn learn_names(&mut self) {
        let mut learn = |client: ClientOrderId, order: OrderId| {
            if order != OrderId(0) {
                self.orders.insert(client.to_text(), order);
                self.names.insert(order, client.to_text());
            }
        };
        for event in &self.said.events {
            match event {
                Event::OrderPlaced(placed) => learn(placed.client_order, placed.order),
                Event::OrderRejected(rejected) => learn(rejected.client_order, rejected.order),
                Event::ParentAccepted(accepted) => {
                    self.parents.insert(accepted.client_order.to_text(), accepted.parent);
                }
                _ => {}
            }
        }
    }
}
