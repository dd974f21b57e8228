//! The canonical byte form of the whole state: what state hashes cover and snapshots hold.
//!
//! Sections, in order, each a stream of pieces: 1 core, 2 ledger, 3 orders, 4 keys, 5 parents, 6 instruments, 7 venue.
//! Where an order rests in memory is not part of it; what is compiled from rules and reference data is compiled again.

use std::sync::Arc;

use heng_ledger::Ledger;
use heng_matching::OrderBook;
use heng_model::command::{RiskRule, RouteOrder};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{InstrumentId, Money, OrderId, OwnerId, PartitionId, Price, Rate, RejectCode, Seq, Side, limits};
use heng_pretrade::{Rates, RiskRules};
use heng_rulebook::Rulebook;

use crate::instruments::Instrument;
use crate::keys::{KeyTable, PastOutcome};
use crate::orders::{NO_ORDER, NO_VENUE_REF, OrderTable};
use crate::parents::Parents;
use crate::reported::ReportedTrades;
use crate::state::{ActiveRules, Capacity, State};
use crate::timers::Timers;
use crate::venue::{Listing, Nominals, Segment, Turnover};

/// Format of the sections; a reader refuses others.
pub const SNAPSHOT_FORMAT: u32 = 1;
/// Bytes that gather before a piece is handed on.
const PIECE: usize = 1 << 18;

/// Writes one section; between rows it calls the second argument, which hands on what has gathered.
type WriteSection<'a> = &'a mut dyn FnMut(&mut Writer, &mut dyn FnMut(&mut Writer));

/// Why bytes are not a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// A section does not decode.
    Bytes {
        /// The section.
        section: u32,
        /// What is wrong.
        error: WireError,
    },
    /// A section is missing, doubled or out of order.
    Sections,
    /// The rule files in it are not valid, or do not cover its trade date.
    Rules,
}

impl core::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Bytes { section, error } => write!(f, "section {section} of the snapshot: {error}"),
            Self::Sections => f.write_str("a section of the snapshot is missing or out of order"),
            Self::Rules => f.write_str("the rule files in the snapshot are not valid for its trade date"),
        }
    }
}

impl core::error::Error for SnapshotError {}

impl State {
    /// Writes the canonical sections in pieces: `take` gets the section's number and bytes, and empties them.
    pub fn write_state(&self, take: &mut impl FnMut(u32, &mut Writer)) {
        let mut out = Writer::with_capacity(PIECE + 4_096);
        self.write_core(&mut out);
        take(1, &mut out);
        let mut section = |number: u32, write: WriteSection<'_>| {
            let mut flush = |out: &mut Writer| {
                if out.len() >= PIECE {
                    take(number, out);
                }
            };
            write(&mut out, &mut flush);
            take(number, &mut out);
        };
        section(2, &mut |out, flush| self.ledger.write_state(out, &mut |o| flush(o)));
        section(3, &mut |out, flush| {
            self.orders.write_state(out, &mut |o| flush(o));
            self.reported.write_state(out, &mut |o| flush(o));
        });
        section(4, &mut |out, flush| self.write_keys(out, &mut |o| flush(o)));
        section(5, &mut |out, _| self.parents.write_state(out));
        section(6, &mut |out, flush| {
            (self.instruments.len() as u64).put(out);
            for instrument in self.instruments.values() {
                instrument.put(out);
                flush(out);
            }
        });
        section(7, &mut |out, flush| self.write_venue(out, &mut |o| flush(o)));
    }

    fn write_core(&self, out: &mut Writer) {
        SNAPSHOT_FORMAT.put(out);
        self.partition.put(out);
        self.level.put(out);
        self.seq.put(out);
        self.time.put(out);
        self.date.put(out);
        self.day_open.put(out);
        self.past_date.put(out);
        (self.rulebooks.len() as u64).put(out);
        for rules in &self.rulebooks {
            rules.hash.put(out);
            rules.from.put(out);
            out.put_bytes(&rules.bytes);
        }
        (self.memos.len() as u64).put(out);
        for (topic, content) in &self.memos {
            topic.put(out);
            content.put(out);
        }
        self.rates.sell_reference.put(out);
        self.rates.buy_reference.put(out);
        self.quota_left.is_some().put(out);
        self.quota_left.unwrap_or_default().put(out);
        self.risk_rules.rules().to_vec().put(out);
        self.all_stopped.put(out);
        self.timers.write_state(out);
    }

    fn write_keys(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        self.keys.write_state(out, flush);
        self.past_keys.write_state(out, flush);
        for past in [&self.past_orders, &self.past_parents] {
            (past.len() as u64).put(out);
            for outcome in past {
                outcome.seq.put(out);
                outcome.id.put(out);
                outcome.code.map_or(0, RejectCode::number).put(out);
                flush(out);
            }
        }
    }

    fn write_venue(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        self.venue.trades.put(out);
        self.venue.trades_before_today.put(out);
        self.write_waiting(out);
        (self.venue.segments.len() as u64).put(out);
        for segment in &self.venue.segments {
            segment.board.put(out);
            segment.class.put(out);
            segment.current.map_or(0, |step| step + 1).put(out);
            segment.queued.clone().put(out);
        }
        (self.venue.listings.iter().flatten().count() as u64).put(out);
        for (number, listing) in self.venue.listings.iter().enumerate() {
            let Some(listing) = listing else { continue };
            (number as u64).put(out);
            put_listing(listing, out);
            flush(out);
        }
    }

    /// Orders that are held back, and nominal prices, by instrument.
    fn write_waiting(&self, out: &mut Writer) {
        (self.venue.held.by_instrument.len() as u64).put(out);
        for (instrument, orders) in &self.venue.held.by_instrument {
            instrument.put(out);
            orders.clone().put(out);
        }
        (self.venue.nominals.len() as u64).put(out);
        for (instrument, taken) in &self.venue.nominals {
            instrument.put(out);
            taken.last.put(out);
            (taken.prices.len() as u64).put(out);
            for price in &taken.prices {
                price.put(out);
            }
        }
    }

    fn read_waiting(&mut self, from: &mut Reader<'_>) -> Result<(), WireError> {
        let listed = |state: &Self, id: InstrumentId| {
            let found = state.venue.listing(id).is_some();
            if found { Ok(id) } else { Err(WireError::OutOfRange { of: "instrument of a waiting order" }) }
        };
        for _ in 0..u64::get(from)? {
            let id = listed(self, InstrumentId::get(from)?)?;
            let orders = Vec::<RouteOrder>::get(from)?;
            self.venue.held.by_instrument.insert(id, orders);
        }
        for _ in 0..u64::get(from)? {
            let id = listed(self, InstrumentId::get(from)?)?;
            let mut taken = Nominals { last: Wire::get(from)?, prices: Vec::new() };
            for _ in 0..u64::get(from)? {
                taken.prices.push(Price::get(from)?);
            }
            self.venue.nominals.insert(id, taken);
        }
        Ok(())
    }

    /// Reads a state from its sections, each whole and in order.
    ///
    /// # Errors
    /// If the sections do not hold a state of this format.
    pub fn read_state(sections: &[(u32, Vec<u8>)], capacity: Capacity) -> Result<Self, SnapshotError> {
        let numbers: Vec<u32> = sections.iter().map(|(number, _)| *number).collect();
        if numbers != [1, 2, 3, 4, 5, 6, 7] {
            return Err(SnapshotError::Sections);
        }
        let mut state = Self::new(PartitionId(0), capacity);
        let mut read = |number: u32, get: &mut dyn FnMut(&mut Self, &mut Reader<'_>) -> Result<(), WireError>| {
            let mut reader = Reader::new(&sections[number as usize - 1].1);
            let result = get(&mut state, &mut reader);
            let whole = result.and_then(|()| if reader.is_done() { Ok(()) } else { Err(WireError::Trailing) });
            whole.map_err(|error| SnapshotError::Bytes { section: number, error })
        };
        read(1, &mut |state, from| state.read_core(from))?;
        read(2, &mut |state, from| Ledger::read_state(from).map(|ledger| state.ledger = ledger))?;
        read(3, &mut |state, from| {
            state.orders = OrderTable::read_state(from)?;
            state.reported = ReportedTrades::read_state(from)?;
            Ok(())
        })?;
        read(4, &mut |state, from| state.read_keys(from))?;
        read(5, &mut |state, from| Parents::read_state(from).map(|parents| state.parents = parents))?;
        read(6, &mut |state, from| {
            for _ in 0..u64::get(from)? {
                let instrument = Instrument::get(from)?;
                if instrument.definition.instrument.0 >= limits::INSTRUMENTS_MAX {
                    return Err(WireError::OutOfRange { of: "instrument" });
                }
                state.instruments.insert(instrument.definition.instrument, instrument);
            }
            Ok(())
        })?;
        state.check_links().map_err(|error| SnapshotError::Bytes { section: 3, error })?;
        let listed = state.date == heng_model::TradeDate::NONE || state.relist().is_some();
        if !listed {
            return Err(SnapshotError::Rules);
        }
        let mut reader = Reader::new(&sections[6].1);
        let result = state.read_venue(&mut reader);
        result.map_err(|error| SnapshotError::Bytes { section: 7, error })?;
        state.link_orders();
        Ok(state)
    }

    /// Row numbers in one section must exist in the others.
    fn check_links(&self) -> Result<(), WireError> {
        let (accounts, orders) = (self.ledger.accounts().len(), self.orders.len());
        for (index, (record, origin)) in (0..orders).zip(self.orders.iter()) {
            let linked = origin.previous == NO_ORDER || origin.previous < index;
            let known = self.instruments.get(&record.instrument).is_some_and(|i| i.today.is_some());
            if record.account_row as usize >= accounts
                || !linked
                || origin.key as usize >= self.keys.len()
                || (record.status.is_live() && !known)
            {
                return Err(WireError::OutOfRange { of: "order" });
            }
        }
        let is_live = |index| index < orders && self.orders.get(index).status.is_live();
        if !self.reported.orders().all(is_live) {
            return Err(WireError::OutOfRange { of: "reported trade" });
        }
        let keys = self.keys.targets_exist(orders, self.parents.len())
            && self.past_keys.targets_exist(self.past_orders.len() as u32, self.past_parents.len() as u32);
        if keys && self.parents.children_exist(orders) {
            Ok(())
        } else {
            Err(WireError::OutOfRange { of: "key or parent" })
        }
    }

    fn read_core(&mut self, from: &mut Reader<'_>) -> Result<(), WireError> {
        let format = u32::get(from)?;
        if format != SNAPSHOT_FORMAT {
            return Err(WireError::UnknownCode { of: "snapshot format", code: u64::from(format) });
        }
        self.partition = Wire::get(from)?;
        self.venue.partition = self.partition;
        self.level = Wire::get(from)?;
        self.seq = Wire::get(from)?;
        self.time = Wire::get(from)?;
        self.date = Wire::get(from)?;
        self.day_open = Wire::get(from)?;
        self.past_date = Wire::get(from)?;
        for _ in 0..u64::get(from)? {
            let (hash, first) = (Wire::get(from)?, Wire::get(from)?);
            let bytes = from.get_bytes()?;
            let book = Rulebook::from_bundle(bytes).map_err(|_| WireError::OutOfRange { of: "rule files" })?;
            self.rulebooks.push(ActiveRules { hash, from: first, bytes: Arc::from(bytes), book: Arc::new(book) });
        }
        for _ in 0..u64::get(from)? {
            self.memos.insert(String::get(from)?, Vec::<u8>::get(from)?);
        }
        self.rates = Rates { sell_reference: Rate::get(from)?, buy_reference: Rate::get(from)? };
        let has_quota = bool::get(from)?;
        let quota = Money::get(from)?;
        self.quota_left = has_quota.then_some(quota);
        self.risk_rules = RiskRules::new(Vec::<RiskRule>::get(from)?);
        self.all_stopped = Wire::get(from)?;
        self.timers = Timers::read_state(from)?;
        Ok(())
    }

    fn read_keys(&mut self, from: &mut Reader<'_>) -> Result<(), WireError> {
        self.keys = KeyTable::read_state(from)?;
        self.past_keys = KeyTable::read_state(from)?;
        self.past_orders = read_past(from)?;
        self.past_parents = read_past(from)?;
        Ok(())
    }

    fn read_venue(&mut self, from: &mut Reader<'_>) -> Result<(), WireError> {
        self.venue.trades = Wire::get(from)?;
        self.venue.trades_before_today = Wire::get(from)?;
        self.read_waiting(from)?;
        let mut segments: Vec<Segment> = Vec::new();
        for _ in 0..u64::get(from)? {
            let (board, class) = (Wire::get(from)?, Wire::get(from)?);
            let current = u32::get(from)?.checked_sub(1);
            let queued = Vec::<RouteOrder>::get(from)?;
            let known = self.venue.segments.iter().find(|s| s.board == board && s.class == class);
            let steps = known.map(|s| s.steps.clone()).ok_or(WireError::OutOfRange { of: "segment" })?;
            segments.push(Segment { board, class, steps, current, queued });
        }
        self.adopt_segments(segments)?;
        for _ in 0..u64::get(from)? {
            let number = InstrumentId(u32::get(from)?);
            let listing = self.venue.listing_mut(number).ok_or(WireError::OutOfRange { of: "listing" })?;
            get_listing(listing, from)?;
        }
        if from.is_done() { Ok(()) } else { Err(WireError::Trailing) }
    }

    /// The segments of the snapshot must be those that the rules make, in the same order.
    fn adopt_segments(&mut self, segments: Vec<Segment>) -> Result<(), WireError> {
        let same = segments.len() == self.venue.segments.len()
            && segments.iter().zip(&self.venue.segments).all(|(a, b)| a.board == b.board && a.class == b.class);
        if !same {
            return Err(WireError::OutOfRange { of: "segments" });
        }
        self.venue.segments = segments;
        Ok(())
    }

    /// Rebuilds what is derived: each account's list of orders, and where orders rest in memory.
    fn link_orders(&mut self) {
        self.last_order = vec![NO_ORDER; self.ledger.accounts().len()];
        for index in 0..self.orders.len() {
            let row = self.orders.get(index).account_row as usize;
            self.last_order[row] = index;
            self.orders.get_mut(index).venue_ref = NO_VENUE_REF;
        }
        let mut places: Vec<(OrderId, u32)> = Vec::new();
        for listing in self.venue.listings.iter().flatten() {
            for side in [Side::Buy, Side::Sell] {
                places.extend(listing.book.handles(side).map(|(handle, resting)| (resting.order, handle.0)));
                if let Some(after) = &listing.after_hours {
                    places.extend(after.book.handles(side).map(|(handle, resting)| (resting.order, handle.0)));
                }
            }
        }
        for (order, handle) in places.into_iter().filter(|(order, _)| order.partition() == self.partition) {
            if let Some(index) = self.orders.index_of(order.number()) {
                self.orders.get_mut(index).venue_ref = handle;
            }
        }
    }
}

fn read_past(from: &mut Reader<'_>) -> Result<Vec<PastOutcome>, WireError> {
    let mut past = Vec::new();
    for _ in 0..u64::get(from)? {
        let (seq, id, code) = (Seq::get(from)?, u64::get(from)?, u16::get(from)?);
        past.push(PastOutcome { seq, id, code: RejectCode::from_number(code) });
    }
    Ok(past)
}

fn put_listing(listing: &Listing, out: &mut Writer) {
    listing.last.put(out);
    listing.open.put(out);
    listing.halted.put(out);
    listing.halt_id.put(out);
    listing.halts_used.put(out);
    (listing.recent.len() as u64).put(out);
    for one in &listing.recent {
        one.time.put(out);
        one.quantity.put(out);
        one.value.put(out);
    }
    put_book(&listing.book, out);
    listing.after_hours.is_some().put(out);
    if let Some(after) = &listing.after_hours {
        put_book(&after.book, out);
        (after.limits.len() as u64).put(out);
        for (order, limit) in &after.limits {
            order.put(out);
            limit.put(out);
        }
    }
}

fn get_listing(listing: &mut Listing, from: &mut Reader<'_>) -> Result<(), WireError> {
    listing.last = Price::get(from)?;
    listing.open = Price::get(from)?;
    listing.halted = Wire::get(from)?;
    listing.halt_id = Wire::get(from)?;
    listing.halts_used = Wire::get(from)?;
    for _ in 0..u64::get(from)? {
        let one = Turnover { time: Wire::get(from)?, quantity: i64::get(from)?, value: i64::get(from)? };
        listing.recent.push_back(one);
    }
    get_book(&mut listing.book, from)?;
    if bool::get(from)? {
        let after = listing.after_hours();
        get_book(&mut after.book, from)?;
        for _ in 0..u64::get(from)? {
            after.limits.insert(OrderId::get(from)?, i64::get(from)?);
        }
    }
    Ok(())
}

fn put_book<B: OrderBook>(book: &B, out: &mut Writer) {
    for side in [Side::Buy, Side::Sell] {
        (book.orders(side).count() as u64).put(out);
        for resting in book.orders(side) {
            resting.order.put(out);
            resting.owner.put(out);
            resting.price.put(out);
            resting.qty.put(out);
        }
    }
}

fn get_book<B: OrderBook>(book: &mut B, from: &mut Reader<'_>) -> Result<(), WireError> {
    for side in [Side::Buy, Side::Sell] {
        for _ in 0..u64::get(from)? {
            let (order, owner) = (OrderId::get(from)?, OwnerId::get(from)?);
            let (price, qty) = (i64::get(from)?, i64::get(from)?);
            if qty <= 0 || !book.accepts(price) {
                return Err(WireError::OutOfRange { of: "resting order" });
            }
            book.rest(order, owner, side, price, qty);
        }
    }
    Ok(())
}
