//! The one thread that tells the sessions what became of their requests and orders.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use heng_model::command::CancelOrder;
use heng_model::event::{OrderCancelled, OrderFilled, OrderPlaced, OrderRejected};
use heng_model::{ClientOrderId, Event, RejectCode, Seq, TradeDate, UnixNanos};
use heng_ports::{Answer, CommandEvents, EventBlock};
use heng_runtime::{Clock as _, SystemClock};
use heng_transport::fix::{FixBody, FixSessionId};
use tokio::sync::watch;

use super::copies::DropCopy;
use super::notes::{Notes, Place as Mark, first_needed};
use super::orders::{Note, Order, Orders, Phase};
use super::reports::{self, Exec, Stamp};
use super::requests::{Asked, Cancel, Place, Request, Status};
use super::waiting::Waiting;
use super::{FixDesk, Word};

/// How often the place in the record is noted.
const MARK_EVERY: Duration = Duration::from_millis(200);

/// The reporter.
pub(super) struct Reporter {
    desk: Arc<FixDesk>,
    copies: Vec<DropCopy>,
    orders: Orders,
    notes: Notes,
    waiting: Waiting,
    mark: Mark,
    marked: (Mark, Instant),
    /// Events up to here were reported before this start; those up to the second one may have been.
    told_before: (u64, u64),
    first: Seq,
    last_date: TradeDate,
}

impl Reporter {
    pub(super) fn open(desk: Arc<FixDesk>, head: Seq) -> std::io::Result<Self> {
        let (notes, found, place) = Notes::open(&desk.folder, desk.seal.clone())?;
        let mut orders = Orders::default();
        found.into_iter().for_each(|note| orders.note(note));
        let first = first_needed(place, head);
        let mark = place.unwrap_or(Mark { day: first.0, reported: head.0 });
        let copies = std::mem::take(&mut *desk.copies.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self {
            desk,
            copies,
            orders,
            notes,
            waiting: Waiting::default(),
            mark,
            marked: (mark, Instant::now()),
            told_before: (mark.reported, head.0),
            first,
            last_date: TradeDate::NONE,
        })
    }

    /// Where the record must be read from.
    pub(super) const fn first_event(&self) -> Seq {
        self.first
    }

    pub(super) fn run(mut self, words: &Receiver<Word>, stop: &watch::Receiver<bool>) {
        loop {
            match words.recv_timeout(Duration::from_millis(50)) {
                Ok(word) => {
                    self.take(word);
                    while let Ok(word) = words.try_recv() {
                        self.take(word);
                    }
                }
                Err(RecvTimeoutError::Timeout) if *stop.borrow() => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.keep(false);
        }
        self.keep(true);
    }

    /// Writes notes and place. What cannot be written is told again after a restart.
    fn keep(&mut self, now: bool) {
        let due = self.marked.0 != self.mark && (now || self.marked.1.elapsed() >= MARK_EVERY);
        let mut written = self.notes.write();
        if due {
            written = written.and_then(|()| self.notes.reached(self.mark));
            self.marked = (self.mark, Instant::now());
        }
        if let Err(error) = written {
            tracing::warn!(%error, "write the notes of the FIX desk");
        }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Taken(asked) => self.taken(*asked),
            Word::Answered(ticket, answer) => {
                if let Some(asked) = self.waiting.end(ticket) {
                    self.answered(&asked, answer);
                }
            }
            Word::Events(block) => {
                self.desk.pieces.fetch_sub(1, Ordering::Relaxed);
                self.events(&block);
            }
        }
    }

    fn send(&self, session: &FixSessionId, body: &FixBody) {
        let Some(session) = self.desk.session(session) else { return };
        // A session that begins anew with each logon has nobody to tell while nobody is logged on.
        if let Err(error) = session.send(body) {
            tracing::debug!(%error, session = %session.id(), "send a FIX report");
        }
    }

    /// The request of `asked` is done with.
    fn settle(&self, asked: &Asked) {
        if let Some(session) = self.desk.session(&asked.session) {
            session.settle(asked.number);
        }
    }

    fn stamp(id: String) -> Stamp {
        Stamp { id, utc_ns: SystemClock.now().unsigned_abs(), again: false }
    }

    fn taken(&mut self, asked: Asked) {
        match (&asked.request, &asked.denied) {
            (Request::Place(place), denied) => {
                let note = note_of(place, &asked.session);
                if let Some(why) = denied {
                    let stamp = Self::stamp(format!("D{}", asked.ticket));
                    let body = reports::rejected(&note, 0, RejectCode::Forbidden, why, &stamp);
                    self.send(&asked.session, &body);
                    return self.settle(&asked);
                }
                self.notes.add(&note);
                self.orders.note(note);
            }
            (Request::Cancel(cancel), Some(why)) => {
                let order = self.orders.named(cancel.account, &cancel.original);
                let stamp = Self::stamp(String::new());
                let body = reports::cancel_rejected(cancel, order.as_deref(), RejectCode::Forbidden, why, &stamp);
                self.send(&asked.session, &body);
                return self.settle(&asked);
            }
            (Request::Cancel(_), None) => return self.cancel(asked),
            (Request::CancelAll(all), Some(why)) => {
                let stamp = Self::stamp(format!("M{}", asked.ticket));
                self.send(&asked.session, &reports::mass_cancel(all, Some((RejectCode::Forbidden, why)), &stamp));
                return self.settle(&asked);
            }
            (Request::CancelAll(_), None) => {}
            (Request::Status(status), _) => {
                self.tell_status(&asked, status);
                return self.settle(&asked);
            }
        }
        self.waiting.add(asked);
    }

    fn tell_status(&mut self, asked: &Asked, status: &Status) {
        let stamp = Self::stamp(format!("S{}", asked.ticket));
        let found = if asked.denied.is_none() { self.orders.named(status.account, &status.cl_ord_id) } else { None };
        let body = match found {
            Some(order) => reports::execution(order, Exec::Status, &stamp),
            None => reports::unknown_order(status, asked.session.version, &stamp),
        };
        self.send(&asked.session, &body);
    }

    fn cancel(&mut self, asked: Asked) {
        let Request::Cancel(cancel) = &asked.request else { return };
        let Some(order) = self.orders.named(cancel.account, &cancel.original) else {
            let (account, key) = (cancel.account, ClientOrderId::from_text(&cancel.original));
            if self.waiting.places(account, key) {
                return self.waiting.hold(account, key, asked);
            }
            let stamp = Self::stamp(String::new());
            let body = reports::cancel_rejected(cancel, None, RejectCode::UnknownOrder, "", &stamp);
            self.send(&asked.session, &body);
            return self.settle(&asked);
        };
        if order.phase == Phase::Live {
            order.phase = Phase::Cancelling;
            order.cancel = Some(cancel.cl_ord_id.clone());
        }
        let command = CancelOrder { account: cancel.account, order: order.id };
        let ticket = asked.ticket;
        self.waiting.add(asked);
        self.desk.submit(command.into(), ticket);
    }

    fn answered(&mut self, asked: &Asked, answer: Answer) {
        match &asked.request {
            Request::Place(place) => self.placed(asked, place, answer),
            Request::Cancel(cancel) => {
                if let Answer::Rejected { code, .. } = answer {
                    self.cancel_refused(asked, cancel, code);
                }
            }
            Request::CancelAll(all) => {
                let refused = match answer {
                    Answer::Rejected { code, .. } => Some((code, "")),
                    Answer::Unknown => Some((RejectCode::Overloaded, "the outcome is not known; ask for the orders")),
                    Answer::Accepted { .. } => None,
                };
                let stamp = Self::stamp(format!("M{}", asked.ticket));
                self.send(&asked.session, &reports::mass_cancel(all, refused, &stamp));
            }
            Request::Status(_) => {}
        }
        self.settle(asked);
    }

    fn placed(&mut self, asked: &Asked, place: &Place, answer: Answer) {
        let account = place.command.account;
        match answer {
            Answer::Accepted { id, repeated, .. } => {
                let Some(order) = self.orders.open(heng_model::OrderId(id), account, &place.cl_ord_id) else { return };
                if !order.told {
                    order.told = true;
                    let body = reports::execution(order, Exec::New, &Self::stamp(format!("N{id}")));
                    self.send(&asked.session, &body);
                } else if repeated && !asked.again {
                    let body = reports::execution(order, Exec::Status, &Self::stamp(format!("S{}", asked.ticket)));
                    self.send(&asked.session, &body);
                }
            }
            Answer::Rejected { sequence, id, code, .. } => {
                // A venue's refusal is an event of a placed order as well, and may have been told as such.
                let refused = (id != 0).then(|| self.orders.open(heng_model::OrderId(id), account, &place.cl_ord_id));
                if let Some(Some(order)) = refused {
                    let told = order.told && order.phase == Phase::Rejected;
                    (order.told, order.phase) = (true, Phase::Rejected);
                    if told {
                        return;
                    }
                }
                let note = note_of(place, &asked.session);
                let name = if sequence.0 == 0 { format!("T{}", asked.ticket) } else { format!("R{sequence}") };
                self.send(&asked.session, &reports::rejected(&note, id, code, "", &Self::stamp(name)));
            }
            Answer::Unknown => {
                let note = note_of(place, &asked.session);
                self.send(&asked.session, &reports::pending(&note, &Self::stamp(format!("P{}", asked.ticket))));
            }
        }
        self.release(account, place.command.client_order);
    }

    /// Cancels that waited for this order go on.
    fn release(&mut self, account: heng_model::AccountId, key: ClientOrderId) {
        let ready = self.waiting.release(account, key);
        ready.into_iter().for_each(|asked| self.cancel(asked));
    }

    fn cancel_refused(&mut self, asked: &Asked, cancel: &Cancel, code: RejectCode) {
        let order = self.orders.named(cancel.account, &cancel.original);
        let order = order.map(|order| {
            if order.phase == Phase::Cancelling {
                order.phase = Phase::Live;
                order.cancel = None;
            }
            &*order
        });
        let body = reports::cancel_rejected(cancel, order, code, "", &Self::stamp(String::new()));
        self.send(&asked.session, &body);
    }

    fn events(&mut self, block: &EventBlock) {
        for command in &block.commands {
            for (index, event) in command.events.iter().enumerate() {
                self.event(command, index, event);
            }
        }
        self.mark.reported = self.mark.reported.max(block.through.0);
    }

    fn event(&mut self, command: &CommandEvents, index: usize, event: &Event) {
        let (before, maybe) = self.told_before;
        let place = When {
            id: format!("{}.{index}", command.seq),
            time: command.time,
            told: command.seq.0 <= before,
            again: command.seq.0 <= maybe,
        };
        for copy in &mut self.copies {
            copy.take(event, &place, &self.desk.directory);
        }
        match event {
            Event::DayOpened(opened) => {
                if self.last_date != TradeDate::NONE {
                    self.orders.forget(self.last_date);
                }
                self.last_date = opened.date;
                if !place.told {
                    self.mark.day = command.seq.0;
                }
            }
            Event::OrderPlaced(placed) => self.on_placed(placed, &place),
            Event::OrderRejected(rejected) => self.on_rejected(rejected, &place),
            Event::OrderFilled(filled) => self.on_filled(filled, &place),
            Event::OrderCancelled(cancelled) => self.on_cancelled(cancelled, &place),
            _ => {}
        }
    }

    /// Sends what `tell` makes of the order, unless it was told before this start.
    fn tell(&self, order: &Order, place: &When, exec: Exec) {
        if !place.told {
            self.send(&order.note.session, &reports::execution(order, exec, &place.stamp()));
        }
    }

    fn on_placed(&mut self, placed: &OrderPlaced, place: &When) {
        let noted = self.orders.noted(placed.account, placed.client_order, placed.trade_date);
        let Some(name) = noted.map(|note| note.cl_ord_id.clone()) else { return };
        let Some(order) = self.orders.open(placed.order, placed.account, &name) else { return };
        if order.told || place.told {
            order.told = true;
            return;
        }
        order.told = true;
        let stamp = Stamp { id: format!("N{}", placed.order.0), ..place.stamp() };
        let body = reports::execution(order, Exec::New, &stamp);
        let session = order.note.session.clone();
        self.send(&session, &body);
    }

    fn on_rejected(&mut self, rejected: &OrderRejected, place: &When) {
        if let Some(order) = self.orders.get(rejected.order) {
            if order.phase == Phase::Rejected {
                return;
            }
            order.phase = Phase::Rejected;
        } else if place.told || self.waiting.places(rejected.account, rejected.client_order) {
            // Its answer tells it.
            return;
        }
        let noted = self.orders.noted(rejected.account, rejected.client_order, rejected.trade_date);
        let Some(note) = noted.filter(|_| !place.told) else { return };
        let body = reports::rejected(note, rejected.order.0, rejected.code, "", &place.stamp());
        let session = note.session.clone();
        self.send(&session, &body);
    }

    fn on_filled(&mut self, filled: &OrderFilled, place: &When) {
        let Some(order) = self.orders.get(filled.order) else { return };
        order.fill(filled.price, filled.quantity, filled.filled);
        let exec = Exec::Trade { price: filled.price, quantity: filled.quantity };
        let order = order.clone();
        self.tell(&order, place, exec);
    }

    fn on_cancelled(&mut self, cancelled: &OrderCancelled, place: &When) {
        let Some(order) = self.orders.get(cancelled.order) else { return };
        let exec = order.take_off(cancelled);
        let order = order.clone();
        self.tell(&order, place, exec);
    }
}

/// The place of an event, and whether it was reported by an earlier process.
pub(super) struct When {
    id: String,
    time: UnixNanos,
    pub(super) told: bool,
    again: bool,
}

impl When {
    /// What a report of the event is stamped with.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { id: self.id.clone(), utc_ns: self.time.0.unsigned_abs(), again: self.again }
    }
}

fn note_of(place: &Place, session: &FixSessionId) -> Note {
    let command = &place.command;
    Note {
        session: session.clone(),
        account: command.account,
        trade_date: command.trade_date,
        cl_ord_id: place.cl_ord_id.clone(),
        symbol: place.symbol.clone(),
        side: command.side,
        price: command.price,
        quantity: command.quantity,
        words: place.words.clone(),
    }
}
