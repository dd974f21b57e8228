//! The trading day: opening rolls the date and arms the phases, closing lets every live order lapse.

use std::collections::VecDeque;
use std::sync::Arc;

use heng_matching::Book;
use heng_matching::order_types::PriceBounds;
use heng_model::command::{CloseDay, Mark, OpenDay};
use heng_model::event::{DayClosed, DayOpened, ReferenceSet};
use heng_model::market::CancelReason;
use heng_model::{Exchange, InstrumentId, OrderId, Price, RejectCode, SECOND, TradeDate, UnixNanos, limits};
use heng_pretrade::{ClassTable, InstrumentDay, limit_query};
use heng_rulebook::Rulebook;

use crate::instruments::Instrument;
use crate::keys::{KeyTable, PastOutcome};
use crate::orders::NO_ORDER;
use crate::sink::EventSink;
use crate::state::State;
use crate::timers::Timer;
use crate::venue::{Listing, Segment, arm_nominals, cancelled};

impl State {
    pub(crate) fn fire<S: EventSink>(&mut self, timer: Timer, sink: &mut S) {
        match timer {
            Timer::Phase { segment, step } => self.enter_phase(segment, step, sink),
            Timer::Nominal { segment } => self.venue.take_nominals(segment, self.time),
            Timer::HaltEnd { instrument, id } => self.end_halt(instrument, id, sink),
            Timer::ParentEnd { parent } => self.end_parent(parent, sink),
        }
    }

    pub(crate) fn open_day<S: EventSink>(&mut self, open: &OpenDay, sink: &mut S) -> Result<(), RejectCode> {
        if self.day_open {
            return Err(RejectCode::DayAlreadyOpen);
        }
        let rules = self.rules_for(open.date).ok_or(RejectCode::NoRulebook)?;
        let book = Arc::clone(&rules.book);
        let trading = exchanges_open(&book, open.date);
        if open.date <= self.date || trading.is_empty() {
            return Err(RejectCode::NotATradingDay);
        }
        self.expire_leftovers(sink);
        let hk_settles = trading.contains(&Exchange::Hk);
        self.roll_date(open.date, hk_settles);
        sink.emit(DayOpened { date: open.date, hk_settles }.into());
        for exchange in &trading {
            self.ledger.begin_settlement(open.date, *exchange);
        }
        self.list_instruments(&book, open, &trading, Some(sink));
        self.arm_phases(&book, open);
        self.day_open = true;
        Ok(())
    }

    /// Orders at venues elsewhere that never reported their end lapse at the latest now: an order lives for one day.
    fn expire_leftovers<S: EventSink>(&mut self, sink: &mut S) {
        for index in 0..self.orders.len() {
            if self.orders.get(index).status.is_live() {
                let (order, reason) = (self.order_id(index), CancelReason::DayEnd);
                self.take_report(&cancelled(order, 0, reason), sink);
            }
        }
    }

    /// T+1 shares and due cash are released; keys and orders of the old date become the past.
    fn roll_date(&mut self, date: TradeDate, hk_settles: bool) {
        self.ledger.roll(hk_settles);
        self.past_orders = self
            .orders
            .iter()
            .zip(self.orders.base..)
            .map(|((record, origin), number)| PastOutcome {
                seq: origin.seq,
                id: OrderId::of(self.partition, number).0,
                code: record.reject_code(),
            })
            .collect();
        self.past_parents = self.parents.past_outcomes();
        // The room of the keys that end is that of the new day's, unless the state was given more.
        if self.keys.is_empty() {
            self.past_keys = KeyTable::default();
        } else {
            core::mem::swap(&mut self.past_keys, &mut self.keys);
            self.keys.clear(self.past_orders.len());
        }
        self.past_date = self.date;
        self.orders.roll();
        self.reported.clear();
        self.parents.roll();
        self.last_order.fill(NO_ORDER);
        self.timers.clear();
        self.date = date;
        self.venue.trades_before_today = self.venue.trades;
        self.venue.nominals.clear();
    }

    /// Compiles the day of every instrument that has reference data and whose exchange trades.
    fn list_instruments<S: EventSink>(
        &mut self,
        book: &Rulebook,
        open: &OpenDay,
        trading: &[Exchange],
        mut sink: Option<&mut S>,
    ) {
        let mut classes = ClassTable::default();
        self.days.clear();
        self.venue.listings.clear();
        self.venue.bands.clear();
        self.venue.segments.clear();
        let mut instruments = core::mem::take(&mut self.instruments);
        for (id, instrument) in &mut instruments {
            instrument.begin_day(trading);
            let Some(day) = compile(book, &mut classes, instrument, open.date) else { continue };
            if let Some(sink) = sink.as_deref_mut() {
                sink.emit(reference_set(&day).into());
            }
            if day.partition == self.partition {
                self.list(book, *id, instrument, &day, open.date);
            }
            put_at(&mut self.days, id.0 as usize, day);
        }
        self.instruments = instruments;
    }

    fn list(
        &mut self,
        book: &Rulebook,
        id: InstrumentId,
        instrument: &Instrument,
        day: &InstrumentDay,
        date: TradeDate,
    ) {
        let Some(segment) = self.segment_for(book, day, date) else { return };
        let reference = instrument.today.as_ref().expect("compiled from it");
        let quantum = day.rules.tick.finest().0;
        let range = day.limits.map(|(down, up)| (down.0 / quantum, up.0 / quantum));
        let query = limit_query(&instrument.definition, reference, date);
        let listing = Listing {
            book: Book::for_range(range),
            quantum,
            segment,
            bounds: range.map_or(PriceBounds::NONE, |(lower, upper)| PriceBounds { lower, upper }),
            last: Price::ZERO,
            open: Price::ZERO,
            prev_close: day.prev_close,
            suspended: day.suspended,
            halted: false,
            halt_id: 0,
            halts_used: 0,
            tie: book.auction_tie(day.board.exchange(), date).unwrap_or(heng_rulebook::AuctionTie::Midpoint),
            rules: Arc::clone(&day.rules),
            halts: book.halts_of(query).ok().flatten().map(Box::new),
            after_hours: None,
            recent: VecDeque::new(),
        };
        put_at(&mut self.venue.listings, id.0 as usize, listing);
        if range.is_none()
            && let Some(band) = book.auction_band(day.board, instrument.definition.class, date)
        {
            self.venue.bands.insert(id, band);
        }
    }

    /// The segment of a board and class; `None` where the rule book knows no sessions for the date.
    fn segment_for(&mut self, book: &Rulebook, day: &InstrumentDay, date: TradeDate) -> Option<u32> {
        let known = self.venue.segments.iter().position(|s| s.board == day.board && s.class == day.class);
        if let Some(at) = known {
            return u32::try_from(at).ok();
        }
        let half_day = book.is_half_day(day.board.exchange(), date).unwrap_or(false);
        let steps = book.sessions(day.board, day.class, date, half_day).ok()?;
        let segment = Segment { board: day.board, class: day.class, steps, current: None, queued: Vec::new() };
        self.venue.segments.push(segment);
        u32::try_from(self.venue.segments.len() - 1).ok()
    }

    fn arm_phases(&mut self, book: &Rulebook, open: &OpenDay) {
        for (number, segment) in (0u32..).zip(&self.venue.segments) {
            let mut early = None;
            for (step_number, step) in segment.steps.iter().enumerate() {
                arm_nominals(&mut self.timers, book, open, (number, segment), step_number);
                let at = UnixNanos::at(open.date, early.take().unwrap_or(step.time_of_day));
                let step_number = u32::try_from(step_number).expect("few steps");
                self.timers.arm(at, Timer::Phase { segment: number, step: step_number });
                // The drawn end of a random-close period is when the next step begins.
                early = step
                    .random_end
                    .map(|latest| (step.time_of_day + i64::from(open.random_close_s) * SECOND).min(latest));
            }
        }
    }

    pub(crate) fn close_day<S: EventSink>(&mut self, close: &CloseDay, sink: &mut S) -> Result<(), RejectCode> {
        if !self.day_open || close.date != self.date {
            return Err(RejectCode::DayNotOpen);
        }
        for number in 0..self.venue.listings.len() {
            let id = InstrumentId(u32::try_from(number).expect("bounded by INSTRUMENTS_MAX"));
            self.sweep(id, CancelReason::DayEnd, sink);
        }
        self.carry_closes();
        self.end_all_parents(sink);
        self.timers.clear();
        self.day_open = false;
        let trades = self.venue.trades - self.venue.trades_before_today;
        sink.emit(DayClosed { date: close.date, orders: u64::from(self.orders.len()), trades }.into());
        Ok(())
    }

    /// Closes are known where the book is. Elsewhere what was set for one day is not used for the next: a limit checked
    /// and a hold computed from an old close are worse than `NoReference`, so new reference data must come every day.
    fn carry_closes(&mut self) {
        for (id, instrument) in &mut self.instruments {
            if instrument.definition.partition == self.partition {
                instrument.carry(self.venue.close_of(*id));
            }
        }
    }

    /// Marks serve conditions and venues whose books we do not hold; they change no order by themselves.
    pub(crate) fn mark_prices<S: EventSink>(&mut self, marks: &[Mark], _sink: &mut S) -> Result<(), RejectCode> {
        if marks.len() > limits::MARKS_MAX {
            return Err(RejectCode::BatchTooLarge);
        }
        let in_range = |price: Price| (0..=limits::PRICE_MAX).contains(&price.0);
        for mark in marks {
            if !self.instruments.contains_key(&mark.instrument) {
                return Err(RejectCode::UnknownInstrument);
            }
            if ![mark.bid, mark.ask, mark.last].into_iter().all(in_range) {
                return Err(RejectCode::BadField);
            }
        }
        for mark in marks {
            self.parents.mark(mark.instrument, mark.last);
        }
        Ok(())
    }

    /// Compiles the open day again after a snapshot was read: everything compiled follows from rules and reference.
    pub(crate) fn relist(&mut self) -> Option<()> {
        let book = Arc::clone(&self.rules_for(self.date)?.book);
        let mut classes = ClassTable::default();
        let instruments = core::mem::take(&mut self.instruments);
        for (id, instrument) in &instruments {
            let Some(day) = compile(&book, &mut classes, instrument, self.date) else { continue };
            if day.partition == self.partition {
                self.list(&book, *id, instrument, &day, self.date);
            }
            put_at(&mut self.days, id.0 as usize, day);
        }
        self.instruments = instruments;
        Some(())
    }
}

/// The exchanges that trade on a date. Stock Connect trades and settles only where both sides do.
fn exchanges_open(book: &Rulebook, date: TradeDate) -> Vec<Exchange> {
    let open = |exchange| book.is_trading_day(exchange, date) == Ok(true);
    let both = |exchange| open(exchange) && (exchange != Exchange::Hk || open(Exchange::Sse));
    Exchange::ALL.iter().copied().filter(|exchange| both(*exchange)).collect()
}

fn put_at<T>(table: &mut Vec<Option<T>>, at: usize, value: T) {
    if table.len() <= at {
        table.resize_with(at + 1, || None);
    }
    table[at] = Some(value);
}

fn compile(
    book: &Rulebook,
    classes: &mut ClassTable,
    instrument: &Instrument,
    date: TradeDate,
) -> Option<InstrumentDay> {
    let reference = instrument.today.as_ref()?;
    let mut day = InstrumentDay::compile(book, classes, &instrument.definition, reference, date).ok()?;
    day.stopped = instrument.stopped;
    Some(day)
}

fn reference_set(day: &InstrumentDay) -> ReferenceSet {
    let (down, up) = day.limits.unwrap_or((Price::ZERO, Price::ZERO));
    ReferenceSet {
        instrument: day.id,
        prev_close: day.prev_close,
        limit_up: up,
        limit_down: down,
        tick: day.rules.tick.at(day.prev_close),
        risk_warning: day.risk_warning,
        same_day_sale: day.rules.same_day_sell,
        settlement_days: day.rules.cash_days,
        currency: day.rules.currency,
        suspended: day.suspended,
    }
}
