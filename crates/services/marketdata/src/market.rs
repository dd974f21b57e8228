//! The whole market as the record tells it: an event changes one instrument, or the phase of a board.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use heng_model::event::{
    AuctionPrinted, InstrumentDefined, OrderCancelled, OrderFilled, OrderWorking, ReferenceSet, Trade,
};
use heng_model::{
    Board, Event, IdMap, InstrumentClass, InstrumentId, OrderId, OrderType, Phase, Price, Qty, Quotation, Side,
    TradeDate, TradeId, UnixNanos, notional,
};

use crate::bars::{BarTrade, DayBars};
use crate::book::{Book, BookError, Resting};
use crate::flow::FlowThresholds;
use crate::session::Session;
use crate::store::{DayRow, MinuteRow};

/// Trades of an instrument that a snapshot tells.
pub(crate) const PRINTS_KEPT: usize = 50;
/// Trades of one tick that an update tells at most; older ones of the tick are left to the history.
pub(crate) const PRINTS_PER_UPDATE: usize = 200;

/// A trade, as the tape prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Print {
    /// The trade.
    pub(crate) trade: TradeId,
    /// When.
    pub(crate) time: UnixNanos,
    /// Price.
    pub(crate) price: Price,
    /// Quantity.
    pub(crate) quantity: Qty,
    /// Side of the order that took; none in an auction.
    pub(crate) side: Option<Side>,
    /// Sequence of the command that made it.
    pub(crate) sequence: u64,
}

/// What does not change during a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The instrument.
    pub(crate) id: InstrumentId,
    /// Its symbol.
    pub(crate) symbol: String,
    /// Board.
    pub(crate) board: Board,
    /// Class.
    pub(crate) class: InstrumentClass,
    /// Reference price; 0 before the first day.
    pub(crate) prev_close: Price,
    /// Highest price; 0 = no limit.
    pub(crate) limit_up: Price,
    /// Lowest price; 0 = no limit.
    pub(crate) limit_down: Price,
    /// Suspended for the day.
    pub(crate) suspended: bool,
}

impl Listing {
    /// How its prices are quoted.
    #[must_use]
    pub(crate) const fn quotation(&self) -> Quotation {
        match self.class {
            InstrumentClass::Bond => Quotation::PerHundredFace,
            InstrumentClass::Repo => Quotation::AnnualPercent,
            _ => Quotation::PerUnit,
        }
    }
}

/// One instrument on its day.
#[derive(Clone, Debug)]
pub(crate) struct Instrument {
    pub(crate) listing: Listing,
    pub(crate) book: Book,
    pub(crate) bars: DayBars,
    pub(crate) last: Option<Print>,
    pub(crate) prints: VecDeque<Print>,
    /// Trades since the last picture was taken.
    pub(crate) fresh: Vec<Print>,
    pub(crate) auction: Option<(Price, Qty)>,
    pub(crate) halted: bool,
    pub(crate) time: UnixNanos,
    changed: bool,
}

impl Instrument {
    pub(crate) fn new(listing: Listing) -> Self {
        let bars = DayBars::new(Session::of(listing.board));
        Self {
            listing,
            book: Book::default(),
            bars,
            last: None,
            prints: VecDeque::new(),
            fresh: Vec::new(),
            auction: None,
            halted: false,
            time: UnixNanos(0),
            changed: true,
        }
    }

    /// A new day: nothing has traded, nothing rests.
    fn begin_day(&mut self) {
        *self = Self::new(self.listing.clone());
    }

    fn print(&mut self, print: Print) {
        self.last = Some(print);
        if self.prints.len() == PRINTS_KEPT {
            self.prints.pop_front();
        }
        self.prints.push_back(print);
        self.fresh.push(print);
        if self.fresh.len() > 2 * PRINTS_PER_UPDATE {
            self.fresh.drain(..PRINTS_PER_UPDATE);
        }
    }
}

/// Why an event cannot be explained from what came before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unexplained {
    #[error("{0}")]
    Book(#[from] BookError),
    #[error("instrument {0} was never defined")]
    Instrument(InstrumentId),
    #[error("the value of trade {0} is out of range")]
    Value(TradeId),
    #[error("instrument number {0} is beyond the limit")]
    Number(InstrumentId),
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) sequence: u64,
    pub(crate) index: u32,
    pub(crate) time: UnixNanos,
}

/// A trade for the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TradeRow {
    pub(crate) instrument: u32,
    pub(crate) date: TradeDate,
    pub(crate) index: u32,
    pub(crate) print: Print,
}

/// The market.
#[derive(Debug, Default)]
pub(crate) struct Market {
    pub(crate) date: TradeDate,
    /// The command that opened the day; 0 before the first.
    pub(crate) day_sequence: u64,
    pub(crate) instruments: Vec<Instrument>,
    by_id: IdMap,
    phases: BTreeMap<(Board, InstrumentClass), Phase>,
    /// Resting orders: the index of their instrument.
    homes: IdMap,
    /// After-hours fixed-price orders wait in a queue of their own, outside the book.
    aside: BTreeSet<OrderId>,
    last_trade: TradeId,
    /// Instruments that changed since the last picture.
    changed: Vec<u32>,
    /// Minutes that changed since their rows were gathered: (instrument index, slot).
    dirty: BTreeSet<(u32, u16)>,
    /// Rows that are not stored.
    pub(crate) rows: (Vec<MinuteRow>, Vec<DayRow>),
    /// Instruments whose listing changed since it was stored.
    pub(crate) relisted: BTreeSet<u32>,
    /// Trades that are not stored.
    pub(crate) trades: Vec<TradeRow>,
    /// A day opened since the last storing.
    pub(crate) day_opened: bool,
}

impl Market {
    /// As it was known when `date` opened with the command `day_sequence`.
    pub(crate) fn resume(date: TradeDate, day_sequence: u64, listings: Vec<Listing>) -> Self {
        let mut market = Self { date, day_sequence, ..Self::default() };
        for listing in listings {
            market.list(listing);
        }
        market.relisted.clear();
        market
    }

    fn list(&mut self, listing: Listing) {
        let index = self.instruments.len() as u32;
        self.by_id.insert(u64::from(listing.id.0), index);
        self.instruments.push(Instrument::new(listing));
        self.changed.push(index);
        self.relisted.insert(index);
    }

    pub(crate) fn phase(&self, instrument: &Instrument) -> Phase {
        let key = (instrument.listing.board, instrument.listing.class);
        self.phases.get(&key).copied().unwrap_or(Phase::Closed)
    }

    /// The instruments that changed since this was asked last.
    pub(crate) fn take_changed(&mut self) -> Vec<u32> {
        let changed = std::mem::take(&mut self.changed);
        for index in &changed {
            self.instruments[*index as usize].changed = false;
        }
        changed
    }

    fn index(&self, id: InstrumentId) -> Result<u32, Unexplained> {
        self.by_id.get(u64::from(id.0)).ok_or(Unexplained::Instrument(id))
    }

    /// The instrument, which changes.
    fn touch(&mut self, index: u32, at: At) -> &mut Instrument {
        let instrument = &mut self.instruments[index as usize];
        if !instrument.changed {
            instrument.changed = true;
            self.changed.push(index);
        }
        instrument.time = at.time;
        instrument
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If it does not follow from the events before; the market is then of no more use.
    pub(crate) fn apply(&mut self, event: &Event, at: At, thresholds: &FlowThresholds) -> Result<(), Unexplained> {
        match event {
            Event::OrderPlaced(e) if e.order_type == OrderType::AfterHoursFixed => _ = self.aside.insert(e.order),
            Event::OrderWorking(e) => self.working(e, at)?,
            Event::Trade(e) => self.trade(e, at, thresholds)?,
            Event::OrderFilled(e) => self.filled(e, at)?,
            Event::OrderCancelled(e) => self.cancelled(e, at)?,
            Event::OrderRejected(e) => self.rejected(e.order, at),
            Event::InstrumentDefined(e) => self.defined(e, at)?,
            Event::ReferenceSet(e) => self.reference(e, at)?,
            Event::DayOpened(e) => self.open_day(e.date, at),
            Event::PhaseChanged(e) => self.phase_changed((e.board, e.class), e.phase, at),
            Event::Halted(e) => self.halt(e.instrument, true, at)?,
            Event::Resumed(e) => self.halt(e.instrument, false, at)?,
            Event::AuctionPrinted(e) => self.auction(e, at)?,
            _ => {}
        }
        Ok(())
    }

    fn defined(&mut self, e: &InstrumentDefined, at: At) -> Result<(), Unexplained> {
        if e.instrument.0 > heng_model::limits::INSTRUMENTS_MAX {
            return Err(Unexplained::Number(e.instrument));
        }
        match self.by_id.get(u64::from(e.instrument.0)) {
            None => self.list(Listing {
                id: e.instrument,
                symbol: e.symbol.clone(),
                board: e.board,
                class: e.class,
                prev_close: Price(0),
                limit_up: Price(0),
                limit_down: Price(0),
                suspended: false,
            }),
            Some(index) => {
                self.relisted.insert(index);
                let listing = &mut self.touch(index, at).listing;
                (listing.board, listing.class) = (e.board, e.class);
                listing.symbol.clone_from(&e.symbol);
            }
        }
        Ok(())
    }

    fn reference(&mut self, e: &ReferenceSet, at: At) -> Result<(), Unexplained> {
        let index = self.index(e.instrument)?;
        self.relisted.insert(index);
        let listing = &mut self.touch(index, at).listing;
        (listing.prev_close, listing.limit_up, listing.limit_down) = (e.prev_close, e.limit_up, e.limit_down);
        listing.suspended = e.suspended;
        Ok(())
    }

    /// Rows of the minutes that changed, and of their days.
    pub(crate) fn gather_rows(&mut self) {
        let mut last = None;
        for (index, slot) in std::mem::take(&mut self.dirty) {
            let (bars, listing) = {
                let instrument = &self.instruments[index as usize];
                (&instrument.bars, &instrument.listing)
            };
            let (instrument, date) = (listing.id, self.date);
            let minute = *bars.minute(slot).expect("a minute that changed is there");
            self.rows.0.push(MinuteRow { instrument, date, slot, minute });
            if last.replace(index) != Some(index) {
                let (prev_close, bar, tail) = (listing.prev_close, *bars.day(), bars.tail());
                self.rows.1.push(DayRow { instrument, date, prev_close, bar, tail });
            }
        }
    }

    /// What changed so far was stored before.
    pub(crate) fn forget_rows(&mut self) {
        self.dirty.clear();
        self.rows = (Vec::new(), Vec::new());
        self.trades.clear();
        self.relisted.clear();
        self.day_opened = false;
    }

    /// How many rows wait to be stored.
    pub(crate) fn waiting(&self) -> usize {
        self.trades.len() + self.rows.0.len()
    }

    fn open_day(&mut self, date: TradeDate, at: At) {
        self.gather_rows();
        (self.date, self.day_sequence, self.day_opened) = (date, at.sequence, true);
        self.phases.clear();
        self.homes.clear();
        self.aside.clear();
        self.instruments.iter_mut().for_each(Instrument::begin_day);
        self.instruments.iter_mut().for_each(|instrument| instrument.time = at.time);
        self.changed = (0..self.instruments.len() as u32).collect();
        self.relisted = self.changed.iter().copied().collect();
    }

    fn phase_changed(&mut self, key: (Board, InstrumentClass), phase: Phase, at: At) {
        self.phases.insert(key, phase);
        let concerned = |(_, i): &(u32, &Instrument)| (i.listing.board, i.listing.class) == key;
        let concerned: Vec<u32> = (0..).zip(&self.instruments).filter(concerned).map(|(index, _)| index).collect();
        for index in concerned {
            self.touch(index, at);
        }
    }

    fn halt(&mut self, id: InstrumentId, halted: bool, at: At) -> Result<(), Unexplained> {
        let index = self.index(id)?;
        self.touch(index, at).halted = halted;
        Ok(())
    }

    fn auction(&mut self, e: &AuctionPrinted, at: At) -> Result<(), Unexplained> {
        let index = self.index(e.instrument)?;
        self.touch(index, at).auction = (e.price.0 > 0).then_some((e.price, e.volume));
        Ok(())
    }

    fn working(&mut self, e: &OrderWorking, at: At) -> Result<(), Unexplained> {
        if self.aside.contains(&e.order) {
            return Ok(());
        }
        let index = self.index(e.instrument)?;
        let resting = Resting { side: e.side, price: e.price, quantity: e.quantity };
        self.touch(index, at).book.add(e.order.0, resting)?;
        self.homes.insert(e.order.0, index);
        Ok(())
    }

    fn take_from_book(&mut self, order: OrderId, quantity: Qty, at: At) -> Result<(), Unexplained> {
        let index = self.homes.get(order.0).ok_or(BookError::Unknown(order.0))?;
        let before = self.touch(index, at).book.take(order.0, quantity)?;
        if before.quantity == quantity {
            self.homes.remove(order.0);
        }
        Ok(())
    }

    fn trade(&mut self, e: &Trade, at: At, thresholds: &FlowThresholds) -> Result<(), Unexplained> {
        let index = self.index(e.instrument)?;
        self.last_trade = e.trade;
        let (maker, taker) = if e.maker == Side::Buy { (e.buy, e.sell) } else { (e.sell, e.buy) };
        let after_hours = self.aside.contains(&e.buy) || self.aside.contains(&e.sell);
        if !after_hours {
            self.take_from_book(maker, e.quantity, at)?;
            if e.auction {
                self.take_from_book(taker, e.quantity, at)?;
            }
        }
        let active = (!e.auction).then_some((taker.0, e.maker.opposite()));
        let date = self.date;
        let instrument = self.touch(index, at);
        let value = notional(instrument.listing.quotation(), e.price, e.quantity).ok_or(Unexplained::Value(e.trade))?;
        let session = instrument.bars.session();
        let slot = if after_hours { session.after_hours() } else { session.slot(at.time.time_of_day()) };
        instrument.bars.take(&BarTrade { slot, price: e.price, quantity: e.quantity, value, active }, thresholds);
        let side = active.map(|(_, side)| side);
        let print =
            Print { trade: e.trade, time: at.time, price: e.price, quantity: e.quantity, side, sequence: at.sequence };
        instrument.print(print);
        let id = instrument.listing.id.0;
        self.dirty.insert((index, slot));
        self.trades.push(TradeRow { instrument: id, date, index: at.index, print });
        Ok(())
    }

    /// A fill that no trade of our venue tells comes from a venue elsewhere: only our own order shrinks.
    fn filled(&mut self, e: &OrderFilled, at: At) -> Result<(), Unexplained> {
        if e.trade != self.last_trade && self.homes.get(e.order.0).is_some() {
            self.take_from_book(e.order, e.quantity, at)?;
        }
        Ok(())
    }

    fn cancelled(&mut self, e: &OrderCancelled, at: At) -> Result<(), Unexplained> {
        self.aside.remove(&e.order);
        // What never rested (the rest of an immediate order) is in no book.
        if self.homes.get(e.order.0).is_some() && e.quantity.0 > 0 {
            self.take_from_book(e.order, e.quantity, at)?;
        }
        Ok(())
    }

    /// A venue elsewhere may refuse an order after all.
    fn rejected(&mut self, order: OrderId, at: At) {
        self.aside.remove(&order);
        let Some(index) = self.homes.remove(order.0) else { return };
        let book = &mut self.touch(index, at).book;
        if let Some(resting) = book.get(order.0) {
            book.take(order.0, resting.quantity).expect("what rests can be taken");
        }
    }
}
