//! Everything that the core of one partition knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use heng_ledger::Ledger;
use heng_model::command::SetReference;
use heng_model::hash::StateHasher;
use heng_model::wire::Writer;
use heng_model::{InstrumentId, Money, PartitionId, Seq, TradeDate, UnixNanos};
use heng_pretrade::{InstrumentDay, Rates, RiskRules};
use heng_rulebook::Rulebook;

use crate::instruments::Instrument;
use crate::keys::{KeyTable, PastOutcome};
use crate::orders::{OrderRecord, OrderTable};
use crate::parents::Parents;
use crate::reported::ReportedTrades;
use crate::timers::Timers;
use crate::venue::Venue;

/// Rows to make room for at the start, so that the hot path does not grow tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Accounts.
    pub accounts: usize,
    /// Positions.
    pub positions: usize,
    /// Orders of a day.
    pub orders: usize,
}

/// Rule files that were activated.
#[derive(Clone, Debug)]
pub(crate) struct ActiveRules {
    pub(crate) hash: [u8; 32],
    pub(crate) from: TradeDate,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) book: Arc<Rulebook>,
}

/// The state of one partition: its accounts and its venue.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) partition: PartitionId,
    pub(crate) level: u16,
    pub(crate) seq: Seq,
    pub(crate) time: UnixNanos,
    pub(crate) date: TradeDate,
    pub(crate) day_open: bool,
    pub(crate) rulebooks: Vec<ActiveRules>,
    pub(crate) memos: BTreeMap<String, Vec<u8>>,
    pub(crate) ledger: Ledger,
    pub(crate) orders: OrderTable,
    /// Last trades of live orders at venues elsewhere.
    pub(crate) reported: ReportedTrades,
    /// The last order of each account today, by account row.
    pub(crate) last_order: Vec<u32>,
    pub(crate) keys: KeyTable,
    pub(crate) past_date: TradeDate,
    pub(crate) past_keys: KeyTable,
    pub(crate) past_orders: Vec<PastOutcome>,
    pub(crate) past_parents: Vec<PastOutcome>,
    pub(crate) parents: Parents,
    pub(crate) instruments: BTreeMap<InstrumentId, Instrument>,
    pub(crate) days: Vec<Option<InstrumentDay>>,
    pub(crate) rates: Rates,
    pub(crate) quota_left: Option<Money>,
    pub(crate) risk_rules: RiskRules,
    pub(crate) all_stopped: bool,
    pub(crate) timers: Timers,
    pub(crate) venue: Venue,
}

impl State {
    /// An empty partition with room for this many rows.
    #[must_use]
    pub fn new(partition: PartitionId, capacity: Capacity) -> Self {
        Self {
            partition,
            level: crate::pipeline::CURRENT_LEVEL,
            seq: Seq(0),
            time: UnixNanos(0),
            date: TradeDate::NONE,
            day_open: false,
            rulebooks: Vec::new(),
            memos: BTreeMap::new(),
            ledger: Ledger::with_capacity(capacity.accounts, capacity.positions),
            orders: OrderTable::default(),
            reported: ReportedTrades::default(),
            last_order: Vec::with_capacity(capacity.accounts),
            keys: KeyTable::with_capacity(capacity.orders),
            past_date: TradeDate::NONE,
            past_keys: KeyTable::default(),
            past_orders: Vec::new(),
            past_parents: Vec::new(),
            parents: Parents::default(),
            instruments: BTreeMap::new(),
            days: Vec::new(),
            rates: Rates::default(),
            quota_left: None,
            risk_rules: RiskRules::default(),
            all_stopped: false,
            timers: Timers::default(),
            venue: Venue::new(partition),
        }
    }

    /// Makes room for a day of this many rows and has the system give the memory now, so that no order waits for it.
    pub fn make_room(&mut self, capacity: Capacity) {
        self.orders.make_room(capacity.orders);
        self.keys.make_room(capacity.orders);
        self.ledger.make_room(capacity.accounts, capacity.positions);
        self.last_order.reserve(capacity.accounts.saturating_sub(self.last_order.len()));
    }

    /// This partition.
    #[must_use]
    pub const fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Engine level in force.
    #[must_use]
    pub const fn level(&self) -> u16 {
        self.level
    }

    /// Sequence of the last command.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Time of the last command.
    #[must_use]
    pub const fn time(&self) -> UnixNanos {
        self.time
    }

    /// The trade date, and whether its day is open.
    #[must_use]
    pub const fn trade_date(&self) -> (TradeDate, bool) {
        (self.date, self.day_open)
    }

    /// The books.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The venue.
    #[must_use]
    pub const fn venue(&self) -> &Venue {
        &self.venue
    }

    /// A memo.
    #[must_use]
    pub fn memo(&self, topic: &str) -> Option<&[u8]> {
        self.memos.get(topic).map(Vec::as_slice)
    }

    /// Hash and first date of the rule files that hold on the trade date (or would, if none was opened yet).
    #[must_use]
    pub fn rulebook(&self) -> Option<([u8; 32], TradeDate)> {
        self.rules_for(self.date).or(self.rulebooks.last()).map(|rules| (rules.hash, rules.from))
    }

    /// The rule files last activated, whether they hold yet or not.
    #[must_use]
    pub fn newest_rulebook(&self) -> Option<[u8; 32]> {
        self.rulebooks.last().map(|rules| rules.hash)
    }

    /// The bundle of the rule files last activated.
    #[must_use]
    pub fn rule_bytes(&self) -> Option<&[u8]> {
        self.rulebooks.last().map(|rules| &*rules.bytes)
    }

    /// The rule files in force on a date: of those whose first date has come, the last activated.
    pub(crate) fn rules_for(&self, date: TradeDate) -> Option<&ActiveRules> {
        self.rulebooks.iter().rev().find(|rules| rules.from <= date)
    }

    /// An instrument.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(&id)
    }

    /// All instruments.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.instruments.values()
    }

    /// The rules of an instrument on the trade date.
    #[must_use]
    #[inline]
    pub fn day_of(&self, id: InstrumentId) -> Option<&InstrumentDay> {
        self.days.get(id.0 as usize)?.as_ref()
    }

    /// The reference data that an instrument will open the next day with: what was set for it or, once the day is closed
    /// and if the book is here, the close. Other partitions must be told it.
    #[must_use]
    pub fn reference(&self, id: InstrumentId) -> Option<&SetReference> {
        self.instruments.get(&id)?.next.as_ref()
    }

    /// An order of the trade date.
    #[must_use]
    pub fn order(&self, id: heng_model::OrderId) -> Option<&OrderRecord> {
        if id.partition() != self.partition {
            return None;
        }
        self.orders.index_of(id.number()).map(|index| self.orders.get(index))
    }

    /// Orders submitted on the trade date, refused ones included.
    #[must_use]
    pub const fn orders_today(&self) -> u32 {
        self.orders.len()
    }

    /// The orders of an account on the trade date, newest first.
    pub fn orders_of(&self, account_row: u32) -> impl Iterator<Item = (heng_model::OrderId, &OrderRecord)> {
        let mut next = self.last_order.get(account_row as usize).copied().unwrap_or(crate::orders::NO_ORDER);
        core::iter::from_fn(move || {
            if next == crate::orders::NO_ORDER {
                return None;
            }
            let index = next;
            let record = self.orders.get(index);
            let id = heng_model::OrderId::of(self.partition, self.orders.base + u64::from(index));
            next = self.orders.origin(index).previous;
            Some((id, record))
        })
    }

    /// When the next timer fires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<UnixNanos> {
        self.timers.next_deadline()
    }

    /// Whether parents are alive, so that a restart must pause them.
    #[must_use]
    pub fn has_live_parents(&self) -> bool {
        self.parents.any_live()
    }

    /// Hash of the whole state in canonical order. Costs a walk over every row.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = StateHasher::default();
        self.write_state(&mut |section: u32, bytes: &mut Writer| {
            hasher.add(&section);
            hasher.add_bytes(bytes.bytes());
            bytes.clear();
        });
        hasher.finish()
    }
}
