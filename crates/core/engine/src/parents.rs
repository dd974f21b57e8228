//! Parents: algorithmic and condition orders as core state. Drivers only propose slices; the core enforces quantity
//! and value over all children, and the first trigger wins.

use std::collections::{BTreeMap, BTreeSet};

use heng_model::command::{ControlParent, NewOrder, NewParent, ParentAction, ParentKind, SliceParent, TriggerParent};
use heng_model::event::{ParentAccepted, ParentChanged, ParentStatus};
use heng_model::market::{AccountStatus, CancelReason};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{
    AccountId, ClientOrderId, InstrumentId, Money, ParentId, PartitionId, Price, Qty, RejectCode, SelfTrade, Seq, Side,
    limits, notional,
};

use heng_pretrade::amount_of;

use crate::entry::worst_price;
use crate::keys::{PastOutcome, Target, content_of_parent};
use crate::pipeline::{Outcome, refuse};
use crate::sink::EventSink;
use crate::state::State;

/// A parent order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// What the client asked.
    pub terms: NewParent,
    /// Sequence of its command.
    pub seq: Seq,
    /// State.
    pub status: ParentStatus,
    /// Number of the reject code, if it was refused; else 0.
    pub(crate) code: u16,
    /// Epoch of the driver that may slice it.
    pub epoch: u64,
    /// The market event that triggered it; 0 = none.
    pub event: Seq,
    /// Quantity filled by children that are done.
    pub filled: Qty,
    /// Value filled by children that are done.
    pub value: Money,
    /// Indexes of children that may still fill.
    pub(crate) live: BTreeSet<u32>,
}

impl Parent {
    /// Why it was refused, if it was.
    #[must_use]
    pub const fn reject_code(&self) -> Option<RejectCode> {
        RejectCode::from_number(self.code)
    }
}

/// The parents of a partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parents {
    rows: Vec<Parent>,
    /// Number of the first parent of the trade date.
    base: u64,
    partition: PartitionId,
    /// The parent of each child order of the trade date.
    of_child: BTreeMap<u32, u32>,
    /// Last prices from marks, for conditions.
    marks: BTreeMap<InstrumentId, Price>,
}

impl Parents {
    fn id(&self, index: u32) -> ParentId {
        ParentId::of(self.partition, self.base + u64::from(index) + 1)
    }

    fn index(&self, id: ParentId) -> Option<u32> {
        let index = id.number().checked_sub(self.base + 1)?;
        (id.partition() == self.partition && index < self.rows.len() as u64).then_some(index as u32)
    }

    /// The parent at a place.
    pub(crate) fn at(&self, index: u32) -> Option<(ParentId, &Parent)> {
        self.rows.get(index as usize).map(|parent| (self.id(index), parent))
    }

    /// The parent of a child order.
    pub(crate) fn of(&self, child: u32) -> ParentId {
        self.of_child.get(&child).map_or(ParentId(0), |index| self.id(*index))
    }

    pub(crate) fn adopt(&mut self, parent: ParentId, child: u32) {
        let index = self.index(parent).expect("children are placed for known parents");
        self.of_child.insert(child, index);
        self.rows[index as usize].live.insert(child);
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).expect("bounded by PARENTS_MAX")
    }

    /// Whether the parents of a snapshot name children and parents that exist.
    pub(crate) fn children_exist(&self, orders: u32) -> bool {
        let live = self.rows.iter().flat_map(|parent| &parent.live).all(|child| *child < orders);
        live && self.of_child.iter().all(|(child, parent)| *child < orders && *parent < self.len())
    }

    pub(crate) fn any_live(&self) -> bool {
        self.rows.iter().any(|parent| matches!(parent.status, ParentStatus::Accepted | ParentStatus::Working))
    }

    pub(crate) fn mark(&mut self, instrument: InstrumentId, last: Price) {
        self.marks.insert(instrument, last);
    }

    pub(crate) fn past_outcomes(&self) -> Vec<PastOutcome> {
        let ids = (0..).map(|index| self.id(index).0);
        self.rows
            .iter()
            .zip(ids)
            .map(|(parent, id)| PastOutcome { seq: parent.seq, id, code: parent.reject_code() })
            .collect()
    }

    pub(crate) fn roll(&mut self) {
        self.base += self.rows.len() as u64;
        self.rows.clear();
        self.of_child.clear();
        self.marks.clear();
    }

    pub(crate) fn write_state(&self, out: &mut Writer) {
        self.base.put(out);
        self.partition.put(out);
        (self.rows.len() as u64).put(out);
        for parent in &self.rows {
            parent.terms.put(out);
            parent.seq.put(out);
            parent.status.put(out);
            parent.code.put(out);
            parent.epoch.put(out);
            parent.event.put(out);
            parent.filled.put(out);
            parent.value.put(out);
            (parent.live.len() as u64).put(out);
            parent.live.iter().for_each(|child| child.put(out));
        }
        (self.of_child.len() as u64).put(out);
        for (child, parent) in &self.of_child {
            child.put(out);
            parent.put(out);
        }
        (self.marks.len() as u64).put(out);
        for (instrument, price) in &self.marks {
            instrument.put(out);
            price.put(out);
        }
    }

    pub(crate) fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut parents = Self { base: u64::get(from)?, partition: PartitionId::get(from)?, ..Self::default() };
        for _ in 0..u64::get(from)? {
            let mut parent = Parent {
                terms: Wire::get(from)?,
                seq: Wire::get(from)?,
                status: Wire::get(from)?,
                code: Wire::get(from)?,
                epoch: Wire::get(from)?,
                event: Wire::get(from)?,
                filled: Wire::get(from)?,
                value: Wire::get(from)?,
                live: BTreeSet::new(),
            };
            for _ in 0..u64::get(from)? {
                parent.live.insert(u32::get(from)?);
            }
            if parents.rows.len() >= limits::PARENTS_MAX {
                return Err(WireError::OutOfRange { of: "parents" });
            }
            parents.rows.push(parent);
        }
        for _ in 0..u64::get(from)? {
            parents.of_child.insert(u32::get(from)?, u32::get(from)?);
        }
        for _ in 0..u64::get(from)? {
            parents.marks.insert(InstrumentId::get(from)?, Price::get(from)?);
        }
        Ok(parents)
    }
}

/// The key of a slice: a hash of (parent, slice), marked so that no client text equals it.
fn slice_key(parent: ParentId, slice: u32) -> ClientOrderId {
    let mut bytes = heng_model::wire::encode(&parent.0);
    bytes.extend_from_slice(&slice.to_le_bytes());
    let digest = heng_model::hash::sha256(&bytes);
    let mut key = [0xfe; 16];
    key[1..].copy_from_slice(&digest[..15]);
    ClientOrderId(u128::from_be_bytes(key))
}

impl State {
    /// A parent of the trade date.
    #[must_use]
    pub fn parent(&self, id: ParentId) -> Option<&Parent> {
        self.parents.index(id).map(|index| &self.parents.rows[index as usize])
    }

    pub(crate) fn new_parent<S: EventSink>(&mut self, terms: &NewParent, sink: &mut S) -> Outcome {
        let command = terms.clone().into();
        let admitted = self.ledger.row_of(terms.account).ok_or(RejectCode::UnknownAccount);
        let admitted = admitted.and_then(|row| self.admit_key(row, terms.trade_date, terms.client_order).map(|()| row));
        let row = match admitted {
            Ok(row) => row,
            Err(code) => return refuse(&command, terms.account, code, sink),
        };
        if let Some(outcome) = self.repeated_parent(row, terms) {
            if outcome.code == Some(RejectCode::KeyReused) {
                refuse(&command, terms.account, RejectCode::KeyReused, sink);
            }
            return outcome;
        }
        if self.parents.rows.len() >= limits::PARENTS_MAX {
            return refuse(&command, terms.account, RejectCode::TableFull, sink);
        }
        self.count_sent(row);
        let refusal = self.check_parent(row, terms).err();
        let id = self.record_parent(row, terms, refusal);
        if let Some(code) = refusal {
            refuse(&command, terms.account, code, sink);
            return Outcome { code: Some(code), id: id.0, repeated: false };
        }
        if terms.expires.0 > 0 {
            self.timers.arm(terms.expires, crate::timers::Timer::ParentEnd { parent: id });
        }
        let NewParent { account, client_order, instrument, side, quantity, value_max, .. } = *terms;
        sink.emit(ParentAccepted { parent: id, account, client_order, instrument, side, quantity, value_max }.into());
        Outcome { code: None, id: id.0, repeated: false }
    }

    /// The original outcome of a repeated key, of today or of the previous trade date.
    fn repeated_parent(&self, row: u32, terms: &NewParent) -> Option<Outcome> {
        let today = terms.trade_date == self.date;
        let keys = if today { &self.keys } else { &self.past_keys };
        let (content, target) = keys.get(row, terms.client_order)?;
        let outcome = match target {
            Target::Order(_) => return Some(Outcome::refused(RejectCode::KeyReused)),
            Target::Parent(index) if today => {
                let code = self.parents.rows[index as usize].reject_code();
                Outcome { code, id: self.parents.id(index).0, repeated: true }
            }
            past => self.past_outcome(past),
        };
        Some(Self::same_or_reused(content == content_of_parent(terms), outcome))
    }

    /// Keeps a parent, refused ones included, so that a repeat gets the same answer.
    fn record_parent(&mut self, row: u32, terms: &NewParent, refusal: Option<RejectCode>) -> ParentId {
        self.parents.partition = self.partition;
        let index = self.parents.len();
        self.keys.insert(row, terms.client_order, content_of_parent(terms), Target::Parent(index));
        self.parents.rows.push(Parent {
            terms: terms.clone(),
            seq: self.seq,
            status: if refusal.is_some() { ParentStatus::Done } else { ParentStatus::Accepted },
            code: refusal.map_or(0, RejectCode::number),
            epoch: 0,
            event: Seq(0),
            filled: Qty::ZERO,
            value: Money::ZERO,
            live: BTreeSet::new(),
        });
        self.parents.id(index)
    }

    /// What a parent itself must fulfil; its children are checked as orders one by one.
    fn check_parent(&self, row: u32, terms: &NewParent) -> Result<(), RejectCode> {
        let quantity_fits = (1..=limits::QUANTITY_MAX).contains(&terms.quantity.0);
        let prices_fit = [terms.price, terms.trigger].iter().all(|price| (0..=limits::PRICE_MAX).contains(&price.0));
        let condition = terms.kind == ParentKind::Condition;
        let watches = !condition || self.instruments.contains_key(&terms.watch);
        let value_fits = (0..=limits::MONEY_MAX).contains(&terms.value_max.0);
        let kind_fits = condition == (terms.trigger > Price::ZERO) && watches;
        if !quantity_fits || !prices_fit || !value_fits || !kind_fits {
            return Err(RejectCode::BadField);
        }
        let account = self.ledger.account(row);
        let known = self.instruments.contains_key(&terms.instrument);
        let day = self.day_of(terms.instrument);
        if self.all_stopped || account.stopped || day.is_some_and(|day| day.stopped) {
            return Err(RejectCode::KillSwitch);
        }
        match account.status {
            AccountStatus::Closed => return Err(RejectCode::AccountClosed),
            AccountStatus::Frozen => return Err(RejectCode::AccountFrozen),
            AccountStatus::BuyBarred if terms.side == Side::Buy => return Err(RejectCode::AccountBuyBarred),
            AccountStatus::BuyBarred | AccountStatus::Normal => {}
        }
        if account.sent > account.sent_max {
            return Err(RejectCode::RateExceeded);
        }
        match day {
            Some(_) => Ok(()),
            None if known => Err(RejectCode::NoReference),
            None => Err(RejectCode::UnknownInstrument),
        }
    }

    /// What the children of a parent have filled and may still fill: quantity and value, the latter at their limits.
    fn committed(&self, parent: &Parent) -> (Qty, Money) {
        let mut quantity = parent.filled;
        let mut value = parent.value;
        for child in &parent.live {
            let record = self.orders.get(*child);
            let day = self.day_of(record.instrument).expect("live orders have a reference");
            let open = self.worth_of(record.instrument, worst_price(day, record.price), record.remaining());
            let worth = Money(record.worth.0.saturating_add(open.0));
            quantity += record.quantity;
            value.0 = value.0.saturating_add(amount_of(day.rules.quotation, worth).0);
        }
        (quantity, value)
    }

    pub(crate) fn slice_parent<S: EventSink>(&mut self, slice: &SliceParent, sink: &mut S) -> Outcome {
        match self.check_slice(slice) {
            Ok(order) => self.place(&order, slice.parent, sink),
            Err((account, code)) => refuse(&(*slice).into(), account, code, sink),
        }
    }

    fn check_slice(&self, slice: &SliceParent) -> Result<NewOrder, (AccountId, RejectCode)> {
        let parent = self.parent(slice.parent).ok_or((AccountId(0), RejectCode::UnknownParent))?;
        let refused = |code| Err((parent.terms.account, code));
        let order = child_of(&parent.terms, slice);
        let row = self.ledger.row_of(order.account).expect("parents belong to accounts");
        if self.keys.get(row, order.client_order).is_some() {
            // A repeat: the key gives the original outcome.
            return Ok(order);
        }
        if slice.epoch != parent.epoch {
            return refused(RejectCode::StaleEpoch);
        }
        if parent.status != ParentStatus::Working {
            return refused(RejectCode::ParentNotWorking);
        }
        let day = self.day_of(order.instrument).expect("parents are accepted for listed instruments");
        if !within_limit(&parent.terms, order.price) {
            return refused(RejectCode::BadField);
        }
        let price = worst_price(day, order.price);
        let (quantity, value) = self.committed(parent);
        if order.quantity.0 <= 0 || order.quantity.0 > parent.terms.quantity.0 - quantity.0 {
            return refused(RejectCode::ParentQuantity);
        }
        let Some(more) = notional(day.rules.quotation, price, order.quantity) else {
            return refused(RejectCode::ParentValue);
        };
        if parent.terms.value_max > Money::ZERO && value.0.saturating_add(more.0) > parent.terms.value_max.0 {
            return refused(RejectCode::ParentValue);
        }
        Ok(order)
    }

    pub(crate) fn trigger_parent<S: EventSink>(&mut self, trigger: &TriggerParent, sink: &mut S) -> Outcome {
        match self.check_trigger(trigger) {
            Ok(index) => {
                let parent = &mut self.parents.rows[index as usize];
                parent.event = trigger.event;
                parent.status = ParentStatus::Working;
                let slice = SliceParent {
                    parent: trigger.parent,
                    slice: 0,
                    epoch: parent.epoch,
                    order_type: parent.terms.order_type,
                    price: parent.terms.price,
                    quantity: parent.terms.quantity,
                };
                self.tell_parent(index, sink);
                let outcome = self.slice_parent(&slice, sink);
                self.end_if_spent(index, sink);
                outcome
            }
            Err(code) => refuse(&(*trigger).into(), AccountId(0), code, sink),
        }
    }

    fn check_trigger(&self, trigger: &TriggerParent) -> Result<u32, RejectCode> {
        let index = self.parents.index(trigger.parent).ok_or(RejectCode::UnknownParent)?;
        let parent = &self.parents.rows[index as usize];
        let terms = &parent.terms;
        if parent.event != Seq(0) {
            return Err(RejectCode::AlreadyTriggered);
        }
        if matches!(parent.status, ParentStatus::Paused | ParentStatus::Done) {
            return Err(RejectCode::ParentNotWorking);
        }
        let fulfilled = if terms.at_or_above { trigger.price >= terms.trigger } else { trigger.price <= terms.trigger };
        // The market event stands in the log of the watched instrument's venue, which may be another partition.
        let own_log = self.day_of(terms.watch).is_none_or(|day| day.partition == self.partition);
        let known_event = trigger.event > Seq(0) && (!own_log || trigger.event < self.seq);
        if terms.kind != ParentKind::Condition || !fulfilled || !known_event {
            return Err(RejectCode::NotTriggered);
        }
        Ok(index)
    }

    pub(crate) fn control_parent<S: EventSink>(
        &mut self,
        control: &ControlParent,
        sink: &mut S,
    ) -> Result<(), RejectCode> {
        if control.parent == ParentId(0) && control.action == ParentAction::Pause {
            let whose = (control.account != AccountId(0)).then_some(control.account);
            self.pause_parents(whose, None, sink);
            return Ok(());
        }
        let index = self.parents.index(control.parent).ok_or(RejectCode::UnknownParent)?;
        let parent = &mut self.parents.rows[index as usize];
        if parent.terms.account != control.account {
            return Err(RejectCode::UnknownParent);
        }
        if parent.status == ParentStatus::Done {
            return Err(RejectCode::ParentNotWorking);
        }
        match control.action {
            ParentAction::Pause => parent.status = ParentStatus::Paused,
            ParentAction::Resume if parent.status == ParentStatus::Paused => parent.status = resumed(parent),
            ParentAction::Resume => return Err(RejectCode::OutOfOrder),
            ParentAction::Claim if control.epoch <= parent.epoch => return Err(RejectCode::StaleEpoch),
            ParentAction::Claim => {
                parent.epoch = control.epoch;
                parent.status = resumed(parent);
            }
            ParentAction::Cancel => {
                self.finish_parent(index, sink);
                return Ok(());
            }
        }
        self.tell_parent(index, sink);
        Ok(())
    }

    /// Ends a parent and cancels its live children.
    fn finish_parent<S: EventSink>(&mut self, index: u32, sink: &mut S) {
        let parent = &mut self.parents.rows[index as usize];
        if parent.status == ParentStatus::Done {
            return;
        }
        parent.status = ParentStatus::Done;
        let live: Vec<u32> = parent.live.iter().copied().collect();
        self.tell_parent(index, sink);
        for child in live {
            if self.orders.get(child).status.is_live() {
                self.request_cancel(child, CancelReason::Client, sink);
            }
        }
    }

    pub(crate) fn end_parent<S: EventSink>(&mut self, parent: ParentId, sink: &mut S) {
        if let Some(index) = self.parents.index(parent) {
            self.finish_parent(index, sink);
        }
    }

    pub(crate) fn end_all_parents<S: EventSink>(&mut self, sink: &mut S) {
        for index in 0..self.parents.rows.len() {
            self.finish_parent(u32::try_from(index).expect("bounded by PARENTS_MAX"), sink);
        }
    }

    /// Pauses the parents in scope: mass cancel, kill switch, restart.
    pub(crate) fn pause_parents<S: EventSink>(
        &mut self,
        whose: Option<AccountId>,
        only: Option<InstrumentId>,
        sink: &mut S,
    ) {
        for index in 0..self.parents.rows.len() {
            let parent = &mut self.parents.rows[index];
            let meant = whose.is_none_or(|account| parent.terms.account == account)
                && only.is_none_or(|instrument| parent.terms.instrument == instrument);
            if meant && matches!(parent.status, ParentStatus::Accepted | ParentStatus::Working) {
                parent.status = ParentStatus::Paused;
                self.tell_parent(u32::try_from(index).expect("bounded by PARENTS_MAX"), sink);
            }
        }
    }

    fn tell_parent<S: EventSink>(&self, index: u32, sink: &mut S) {
        let parent = &self.parents.rows[index as usize];
        let (status, epoch, event) = (parent.status, parent.epoch, parent.event);
        sink.emit(ParentChanged { parent: self.parents.id(index), status, epoch, event }.into());
    }

    /// A child filled or left the market: what is done moves to the parent's totals; a full parent ends.
    pub(crate) fn parent_filled<S: EventSink>(&mut self, child: u32, sink: &mut S) {
        let record = *self.orders.get(child);
        let Some(index) = self.parents.of_child.get(&child).copied() else { return };
        let day = self.day_of(record.instrument).expect("children have a reference");
        let amount = amount_of(day.rules.quotation, record.worth);
        let parent = &mut self.parents.rows[index as usize];
        if !record.status.is_live() && parent.live.remove(&child) {
            parent.filled += record.filled;
            parent.value.0 = parent.value.0.saturating_add(amount.0);
            self.end_if_spent(index, sink);
        }
    }

    /// A full parent ends, and a triggered one whose order is done or was refused.
    fn end_if_spent<S: EventSink>(&mut self, index: u32, sink: &mut S) {
        let parent = &mut self.parents.rows[index as usize];
        let full = parent.filled >= parent.terms.quantity;
        let triggered = parent.event != Seq(0) && parent.live.is_empty();
        if (full || triggered) && parent.status != ParentStatus::Done {
            parent.status = ParentStatus::Done;
            self.tell_parent(index, sink);
        }
    }
}

/// Whether a slice keeps the limit that the client gave the parent; without a price it is at the market.
fn within_limit(terms: &NewParent, price: Price) -> bool {
    match (terms.price, terms.side) {
        (Price::ZERO, _) => true,
        (limit, Side::Buy) => price > Price::ZERO && price <= limit,
        (limit, Side::Sell) => price >= limit,
    }
}

/// A paused condition order that was not triggered waits again; anything else works.
fn resumed(parent: &Parent) -> ParentStatus {
    let waits = parent.terms.kind == ParentKind::Condition && parent.event == Seq(0);
    if waits { ParentStatus::Accepted } else { ParentStatus::Working }
}

fn child_of(terms: &NewParent, slice: &SliceParent) -> NewOrder {
    NewOrder {
        account: terms.account,
        client_order: slice_key(slice.parent, slice.slice),
        trade_date: terms.trade_date,
        instrument: terms.instrument,
        side: terms.side,
        order_type: slice.order_type,
        price: slice.price,
        quantity: slice.quantity,
        self_trade: SelfTrade::CancelNewest,
    }
}
