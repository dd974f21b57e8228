//! The one owner of a venue's orders: what the record and the venue tell comes in, what is to be done goes out.
//!
//! Nothing here touches a socket or the core: [`Act`]s are carried out after the notes that they need are on the disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use heng_model::command::{ReportKind, VenueReport};
use heng_model::event::{OrderCancelled, OrderFilled, OrderPlaced};
use heng_model::{CancelReason, Event, InstrumentId, OrderId, PartitionId, Price, Qty, RejectCode, TradeDate, TradeId};
use heng_ports::{CommandEvents, EventBlock};
use heng_transport::fix::FixBody;

use super::super::VenueHealth;
use super::messages;
use super::notes::{Found, Notes};
use super::orders::{Cancelling, Out, Outs, Stage, TradeState, Trades};

/// How long the adapter waits for what, and what it takes for a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueTimes {
    /// No report of an order for so long: the core is told that its state is unknown, and the venue is asked. The
    /// pause between enquiries doubles up to sixteen times as long.
    pub answer_max: Duration,
    /// Trades of which only the sum is known are asked for after so long.
    pub trades_max: Duration,
    /// An order that could not be sent for so long is refused: the client would not expect it to trade any more.
    pub waiting_max: Duration,
    /// So many refusals, one after the other, make a storm.
    pub storm_refusals: u32,
    /// No new orders are sent for so long after a storm.
    pub storm_pause: Duration,
}

impl Default for VenueTimes {
    fn default() -> Self {
        Self {
            answer_max: Duration::from_secs(2),
            trades_max: Duration::from_secs(1),
            waiting_max: Duration::from_secs(30),
            storm_refusals: 200,
            storm_pause: Duration::from_secs(1),
        }
    }
}

/// Now, on two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) utc_ns: u64,
}

/// What is to be done once the notes are on the disk.
#[derive(Debug)]
pub(super) enum Act {
    /// To the venue, about this order.
    Send(OrderId, FixBody),
    /// To the core, under this ticket.
    Submit(u64, VenueReport),
    /// The message of this number is needed no more.
    Settle(u64),
}

/// A report on its way into the core.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    pub(super) report: VenueReport,
    /// Fills: the ExecID.
    pub(super) exec: Option<String>,
    /// The message that told it.
    pub(super) settles: Option<u64>,
}

/// A fill that the core refused at `seq`: whether it had been posted before is known once the record is read to there.
#[derive(Debug)]
pub(super) struct Doubt {
    pub(super) seq: u64,
    pub(super) code: RejectCode,
    pub(super) filed: Filed,
}

/// Who and how.
#[derive(Clone, Debug)]
pub(super) struct DeskOptions {
    pub(super) name: String,
    pub(super) partition: PartitionId,
    /// Account (1) of what we send; empty = none.
    pub(super) account: String,
    pub(super) times: VenueTimes,
}

/// See the module.
pub(super) struct Desk {
    pub(super) options: DeskOptions,
    pub(super) notes: Notes,
    pub(super) instruments: BTreeMap<InstrumentId, String>,
    pub(super) outs: Outs,
    /// Orders of the day that are done.
    pub(super) done: BTreeSet<OrderId>,
    pub(super) trades: Trades,
    pub(super) day: Option<(u64, TradeDate)>,
    routed: u64,
    pub(super) read: u64,
    /// Where the record stood when the adapter began.
    head: u64,
    pub(super) up: bool,
    waiting: VecDeque<(Instant, u64, OrderId)>,
    enquiries: VecDeque<OrderId>,
    pub(super) filed: BTreeMap<u64, Filed>,
    tickets: u64,
    pub(super) questions: u64,
    pub(super) later: VecDeque<(Instant, Filed)>,
    pub(super) doubts: Vec<Doubt>,
    /// Refusals since the venue last took an order.
    pub(super) refusals: u32,
    pub(super) pause: Option<Instant>,
    pub(super) acts: Vec<Act>,
    pub(super) health: VenueHealth,
}

impl Desk {
    pub(super) fn new(options: DeskOptions, notes: Notes, found: Found, head: u64) -> Self {
        let mut trades = Trades::default();
        for noted in &found.trades {
            trades.note(noted.order, &noted.exec, noted.trade, TradeState::Noted);
        }
        let health = VenueHealth {
            name: options.name.clone(),
            kind: "fix".to_owned(),
            partition: options.partition.0,
            ..VenueHealth::default()
        };
        Self {
            options,
            notes,
            instruments: found.instruments,
            outs: Outs::default(),
            done: BTreeSet::new(),
            trades,
            day: found.day,
            routed: found.routed,
            read: 0,
            head,
            up: false,
            waiting: VecDeque::new(),
            enquiries: VecDeque::new(),
            filed: BTreeMap::new(),
            tickets: 0,
            questions: 0,
            later: VecDeque::new(),
            doubts: Vec::new(),
            refusals: 0,
            pause: None,
            acts: Vec::new(),
            health,
        }
    }

    /// Whether the record is read to where it stood at the start: only then are orders and reports understood.
    pub(super) const fn is_current(&self) -> bool {
        self.read >= self.head
    }

    /// A piece of the record.
    ///
    /// # Errors
    /// If the notes cannot be written.
    pub(super) fn fold(&mut self, block: &EventBlock, now: Now) -> std::io::Result<()> {
        for command in &block.commands {
            if command.seq.0 > self.read {
                self.fold_command(command, now)?;
            }
        }
        self.read = self.read.max(block.through.0);
        self.settle_doubts();
        Ok(())
    }

    fn fold_command(&mut self, command: &CommandEvents, now: Now) -> std::io::Result<()> {
        let seq = command.seq.0;
        for event in &command.events {
            match event {
                Event::DayOpened(opened) => self.open_day(seq, opened.date)?,
                Event::DayClosed(_) => self.enquire_all(),
                Event::InstrumentDefined(defined) => {
                    let ours = defined.partition == self.options.partition;
                    self.notes.instrument(defined.instrument, ours.then_some(&defined.symbol));
                    if ours {
                        self.instruments.insert(defined.instrument, defined.symbol.clone());
                    } else {
                        self.instruments.remove(&defined.instrument);
                    }
                }
                Event::OrderPlaced(placed) => self.placed(seq, placed, now),
                Event::OrderFilled(filled) => self.filled(filled),
                Event::OrderCancelled(cancelled) => self.cancelled(cancelled),
                Event::OrderRejected(rejected) => self.close(rejected.order),
                Event::CancelRequested(asked) => self.cancel_asked(seq, asked.order, now),
                // Only a venue says these; the core has other codes for what it refuses itself.
                Event::CancelRejected(refused)
                    if matches!(refused.code, RejectCode::OrderDone | RejectCode::NoCancelPhase) =>
                {
                    if let Some(out) = self.outs.get_mut(refused.order) {
                        out.cancel = None;
                    }
                }
                Event::OrderUnknown(unknown) => {
                    if let Some(out) = self.outs.get_mut(unknown.order) {
                        out.unknown = out.stage != Stage::Heard;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn open_day(&mut self, seq: u64, date: TradeDate) -> std::io::Result<()> {
        self.outs = Outs::default();
        self.done.clear();
        self.waiting.clear();
        self.enquiries.clear();
        if self.day != Some((seq, date)) {
            self.day = Some((seq, date));
            self.trades.begin_day();
            self.notes.day(seq, date)?;
        }
        Ok(())
    }

    fn placed(&mut self, seq: u64, placed: &OrderPlaced, now: Now) {
        let Some(symbol) = self.instruments.get(&placed.instrument) else { return };
        let stage = if seq <= self.routed { Stage::Sent } else { Stage::Waiting };
        self.outs.insert(Out::new(placed, symbol, stage));
        if stage == Stage::Waiting {
            self.waiting.push_back((now.at + self.options.times.waiting_max, seq, placed.order));
        }
    }

    fn filled(&mut self, filled: &OrderFilled) {
        if filled.trade.partition() != self.options.partition {
            return;
        }
        let mine = self.trades.posted(filled.order, filled.trade);
        let Some(out) = self.outs.get_mut(filled.order) else { return };
        out.filled = filled.filled;
        if !mine {
            out.claimed += filled.quantity;
        }
        if out.filled + out.left >= out.quantity {
            self.close(filled.order);
        }
    }

    fn cancelled(&mut self, cancelled: &OrderCancelled) {
        if !cancelled.shrunk {
            return self.close(cancelled.order);
        }
        if let Some(out) = self.outs.get_mut(cancelled.order) {
            out.left += cancelled.quantity;
            out.ending = false;
        }
    }

    fn close(&mut self, order: OrderId) {
        if self.outs.get(order).is_some() {
            self.outs.remove(order);
            self.done.insert(order);
        }
    }

    fn cancel_asked(&mut self, seq: u64, order: OrderId, now: Now) {
        let (current, up) = (self.is_current(), self.up);
        let Some(out) = self.outs.get_mut(order) else { return };
        // A client that asks again while the answer is under way changes nothing.
        out.cancel.get_or_insert(Cancelling { seq, sends: 0, sent: None });
        match out.stage {
            // It was never sent, so it cannot trade any more.
            Stage::Waiting if current => self.end(order, CancelReason::Client, Qty::ZERO, None),
            Stage::Waiting => {}
            Stage::Sent | Stage::Heard if up => self.send_cancel(order, now),
            // The answer to the enquiry after the next logon brings it up again.
            Stage::Sent | Stage::Heard => {}
        }
    }

    /// Sends what may be sent: enquiries first, then orders that wait, at most `room` messages.
    pub(super) fn pump(&mut self, room: usize, now: Now) {
        if !self.is_current() {
            return;
        }
        self.give_up(now);
        let mut left = if self.up { room } else { 0 };
        while left > 0
            && let Some(order) = self.enquiries.pop_front()
        {
            if self.outs.get(order).is_some_and(|out| !out.ending) {
                self.enquire(order, now);
                left -= 1;
            }
        }
        if self.pause.is_some_and(|until| until > now.at) {
            return;
        }
        self.pause = None;
        while left > 0
            && let Some((_, seq, order)) = self.waiting.pop_front()
        {
            left -= usize::from(self.send_waiting(seq, order, now));
        }
    }

    fn send_waiting(&mut self, seq: u64, order: OrderId, now: Now) -> bool {
        let Some(out) = self.outs.get(order).filter(|out| out.stage == Stage::Waiting && !out.ending) else {
            return false;
        };
        if out.cancel.is_some() {
            self.end(order, CancelReason::Client, Qty::ZERO, None);
            return false;
        }
        if messages::words(out.order_type, out.price).is_none() {
            self.refuse(order, RejectCode::OrderTypeForbidden, None);
            return false;
        }
        self.routed = self.routed.max(seq);
        self.notes.routed(seq);
        self.send_order(order, false, now);
        true
    }

    /// Refuses what waited too long to be sent.
    fn give_up(&mut self, now: Now) {
        while let Some((until, seq, order)) = self.waiting.front().copied() {
            let unsent = self.outs.get(order).is_some_and(|out| out.stage == Stage::Waiting && !out.ending);
            if unsent && until > now.at {
                break;
            }
            self.waiting.pop_front();
            if unsent {
                // From now on a restart asks the venue: the refusal may be under way when this process ends.
                self.routed = self.routed.max(seq);
                self.notes.routed(seq);
                self.health.gave_up += 1;
                self.refuse(order, RejectCode::Overloaded, None);
            }
        }
    }

    pub(super) fn send_order(&mut self, order: OrderId, again: bool, now: Now) {
        let Some(out) = self.outs.get_mut(order) else { return };
        out.stage = Stage::Sent;
        out.question = None;
        let body = messages::order(out, &self.options.account, again, now.utc_ns);
        self.acts.push(Act::Send(order, body));
        self.outs.watch(order, Some(now.at + self.options.times.answer_max));
    }

    /// Sends the cancel, unless its answer may still be on the way.
    pub(super) fn send_cancel(&mut self, order: OrderId, now: Now) {
        let wait = self.options.times.answer_max;
        let Some(out) = self.outs.get_mut(order) else { return };
        let Some(cancel) = &mut out.cancel else { return };
        if let Some(until) = cancel.sent.map(|sent| sent + wait).filter(|until| *until > now.at) {
            return self.outs.watch(order, Some(until));
        }
        (cancel.sends, cancel.sent) = (cancel.sends + 1, Some(now.at));
        let id = format!("{order}-{}-{}", cancel.seq, cancel.sends);
        let body = messages::cancel(out, &id, &self.options.account, now.utc_ns);
        self.acts.push(Act::Send(order, body));
        self.outs.watch(order, Some(now.at + self.options.times.answer_max));
    }

    /// Asks the venue how the order stands.
    pub(super) fn enquire(&mut self, order: OrderId, now: Now) {
        self.questions += 1;
        let pause = self.pause_after(order);
        let Some(out) = self.outs.get_mut(order) else { return };
        out.asked += 1;
        out.question = Some(self.questions);
        self.acts.push(Act::Send(order, messages::enquiry(out, &self.options.account, self.questions)));
        self.health.enquiries += 1;
        self.outs.watch(order, Some(now.at + pause));
    }

    /// How long to wait for an answer: twice as long after each question that had none.
    fn pause_after(&self, order: OrderId) -> Duration {
        let asked = self.outs.get(order).map_or(0, |out| out.asked);
        self.options.times.answer_max * (1 << asked.min(4))
    }

    pub(super) fn ask_for_trades(&mut self, order: OrderId, now: Now) {
        self.questions += 1;
        let pause = self.pause_after(order);
        let Some(out) = self.outs.get_mut(order) else { return };
        out.asked += 1;
        self.acts.push(Act::Send(order, messages::trades(out, self.questions)));
        self.health.enquiries += 1;
        self.outs.watch(order, Some(now.at + pause));
    }

    /// Everything that may be with the venue is asked for, before anything new is sent.
    fn enquire_all(&mut self) {
        self.enquiries = self.outs.iter().filter(|out| out.stage != Stage::Waiting).map(|out| out.order).collect();
    }

    /// The session is logged on.
    pub(super) fn logged_on(&mut self) {
        self.up = true;
        self.health.logons += 1;
        self.enquire_all();
    }

    /// Looks at what should have been answered by now.
    pub(super) fn tick(&mut self, now: Now) {
        while self.later.front().is_some_and(|(when, _)| *when <= now.at) {
            if let Some((_, filed)) = self.later.pop_front() {
                self.submit(filed);
            }
        }
        // Whoever is due while the session is down is asked for after the next logon.
        while let Some(order) = self.outs.take_due(now.at) {
            if self.up {
                self.look_at(order, now);
            }
        }
    }

    fn look_at(&mut self, order: OrderId, now: Now) {
        let Some(out) = self.outs.get_mut(order).filter(|out| out.waits()) else { return };
        if out.ending {
            // The core's answer is under way; should the order live on, it is looked at then.
            return self.outs.watch(order, Some(now.at + self.options.times.answer_max));
        }
        if out.stage == Stage::Sent && !out.unknown {
            out.unknown = true;
            self.file(order, ReportKind::Unknown, |_| {}, None);
        } else if out.stage == Stage::Heard && out.misses_trades() {
            return self.ask_for_trades(order, now);
        }
        self.enquire(order, now);
    }

    /// Files a report about an order; `fill_in` sets what its kind needs.
    pub(super) fn file(
        &mut self,
        order: OrderId,
        kind: ReportKind,
        fill_in: impl FnOnce(&mut VenueReport),
        settles: Option<u64>,
    ) {
        let mut report = VenueReport {
            order,
            kind,
            detail: 0,
            trade: TradeId(0),
            price: Price::ZERO,
            quantity: Qty::ZERO,
            reason: 0,
        };
        fill_in(&mut report);
        self.submit(Filed { report, exec: None, settles });
    }

    pub(super) fn submit(&mut self, filed: Filed) {
        self.tickets += 1;
        self.acts.push(Act::Submit(self.tickets, filed.report));
        self.filed.insert(self.tickets, filed);
    }

    pub(super) fn settle(&mut self, number: Option<u64>) {
        self.acts.extend(number.map(Act::Settle));
    }

    /// The venue, or we, refuse an order.
    pub(super) fn refuse(&mut self, order: OrderId, code: RejectCode, settles: Option<u64>) {
        if let Some(out) = self.outs.get_mut(order) {
            out.ending = true;
            self.file(order, ReportKind::Rejected, |report| report.detail = u32::from(code.number()), settles);
        }
    }

    /// What has not traded leaves the order, given what has traded at the venue.
    pub(super) fn end(&mut self, order: OrderId, reason: CancelReason, traded: Qty, settles: Option<u64>) {
        let Some(out) = self.outs.get_mut(order) else { return self.settle(settles) };
        let rest = out.quantity - out.left - traded;
        if rest <= Qty::ZERO || out.ending {
            self.health.repeats += 1;
            return self.settle(settles);
        }
        out.ending = true;
        let fill_in = |report: &mut VenueReport| (report.quantity, report.reason) = (rest, reason as u8);
        self.file(order, ReportKind::Cancelled, fill_in, settles);
    }

    /// The day's part of a trade's number.
    pub(super) fn next_trade(&mut self) -> TradeId {
        let date = self.day.map_or(TradeDate::NONE, |(_, date)| date);
        let days = date.days().unsigned_abs();
        let count = self.trades.next();
        TradeId::of(self.options.partition, (days & 0xffff) << super::orders::COUNT_BITS | count)
    }

    /// The health, as it is now.
    pub(super) fn report_health(&mut self) -> VenueHealth {
        let mut health = self.health.clone();
        health.connected = self.up;
        health.current = self.is_current();
        health.as_of_sequence = self.read;
        for out in self.outs.iter() {
            let waits = out.stage == Stage::Waiting;
            health.orders_waiting += u64::from(waits);
            health.orders_out += u64::from(!waits);
            health.unknown += u64::from(out.unknown);
            health.cancels_out += u64::from(out.cancel.is_some());
            health.trades_missing += u64::from(out.misses_trades());
        }
        health
    }
}
