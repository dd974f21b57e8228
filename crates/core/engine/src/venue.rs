//! The venue side of a partition: books and phases, and no money.

mod auction;
mod close;
mod enter;
mod halts;
mod held;

pub(crate) use close::{Nominals, arm_nominals};
pub(crate) use enter::cancelled;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use heng_matching::call_auction::{AuctionRule, AuctionTrade};
use heng_matching::order_types::PriceBounds;
use heng_matching::{Book, Execution, OrderBook, SparseBook, Ticks};
use heng_model::command::RouteOrder;
use heng_model::quantity::div_half_up;
use heng_model::{
    Board, InstrumentClass, InstrumentId, OrderId, PartitionId, Phase, Price, SECOND, TradeId, UnixNanos,
};
use heng_pretrade::ClassRules;
use heng_rulebook::{AuctionBand, AuctionTie, HaltRules, SessionStep};

/// Books and phases of one venue partition.
#[derive(Clone, Debug)]
pub struct Venue {
    pub(crate) partition: PartitionId,
    pub(crate) listings: Vec<Option<Listing>>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) trades: u64,
    pub(crate) trades_before_today: u64,
    /// Nominal prices taken today for closing prices (Hong Kong).
    pub(crate) nominals: close::NominalTable,
    /// Valid ranges of today's auctions, of instruments without a price limit.
    pub(crate) bands: BTreeMap<InstrumentId, AuctionBand>,
    /// Orders that the exchange holds back.
    pub(crate) held: held::HeldOrders,
    /// Room for the executions of one command; empty between commands.
    pub(crate) executions: Vec<Execution>,
    /// Room for the trades of one auction; empty between commands.
    pub(crate) auction_trades: Vec<AuctionTrade>,
}

/// An instrument as its venue knows it on a trade date.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Listing {
    pub(crate) book: Book,
    /// Ticks are price ÷ quantum.
    pub(crate) quantum: i64,
    pub(crate) segment: u32,
    pub(crate) bounds: PriceBounds,
    pub(crate) last: Price,
    pub(crate) open: Price,
    pub(crate) prev_close: Price,
    pub(crate) suspended: bool,
    pub(crate) halted: bool,
    /// Number of the halt, so that an old timer does not end a new halt.
    pub(crate) halt_id: u32,
    /// Volatility steps that have halted, a bit each: rises low, falls high.
    pub(crate) halts_used: u8,
    pub(crate) tie: AuctionTie,
    pub(crate) rules: Arc<ClassRules>,
    pub(crate) halts: Option<Box<HaltRules>>,
    /// After-hours orders, kept apart: they trade at one price.
    pub(crate) after_hours: Option<Box<AfterHours>>,
    /// Trades of the last minute before the last one, for the closing price.
    pub(crate) recent: VecDeque<Turnover>,
}

/// After-hours fixed-price orders of an instrument.
#[derive(Clone, Debug)]
pub(crate) struct AfterHours {
    /// Until after-hours trading begins every order stands at price 0, so that the queue is in the order of arrival;
    /// then at the close.
    pub(crate) book: SparseBook,
    /// Limits of the orders that wait for it to begin.
    pub(crate) limits: BTreeMap<OrderId, Ticks>,
}

impl Default for AfterHours {
    fn default() -> Self {
        Self { book: SparseBook::new(), limits: BTreeMap::new() }
    }
}

/// What traded at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turnover {
    pub(crate) time: UnixNanos,
    pub(crate) quantity: i64,
    /// Sum of ticks × quantity.
    pub(crate) value: i64,
}

/// The closing price looks back this far from the last trade.
const CLOSE_WINDOW: i64 = 60 * SECOND;

/// Instruments of a board and class share the phases of the day.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) board: Board,
    pub(crate) class: InstrumentClass,
    pub(crate) steps: Vec<SessionStep>,
    /// Index of the step that holds now; `None` before the first.
    pub(crate) current: Option<u32>,
    /// Orders taken but not processed until the next phase (SZSE 09:25–09:30).
    pub(crate) queued: Vec<RouteOrder>,
}

impl Segment {
    pub(crate) fn step(&self) -> Option<&SessionStep> {
        self.steps.get(self.current? as usize)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.step().map_or(Phase::Closed, |step| step.phase)
    }
}

impl Listing {
    #[inline]
    pub(crate) const fn ticks(&self, price: Price) -> Ticks {
        price.0 / self.quantum
    }

    #[inline]
    pub(crate) const fn price(&self, ticks: Ticks) -> Price {
        Price(ticks * self.quantum)
    }

    pub(crate) const fn auction_rule(&self) -> AuctionRule {
        match self.tie {
            AuctionTie::Midpoint => AuctionRule::Sse,
            AuctionTie::NearestReference => AuctionRule::Szse,
            AuctionTie::HongKong => AuctionRule::Hk,
        }
    }

    /// Notes a trade: the last price, the open, and what the closing price will need.
    #[inline]
    pub(crate) fn note_trade(&mut self, time: UnixNanos, price: Price, quantity: i64) {
        self.last = price;
        if self.open == Price::ZERO {
            self.open = price;
        }
        let value = self.ticks(price).saturating_mul(quantity);
        if let Some(back) = self.recent.back_mut()
            && back.time == time
        {
            back.quantity = back.quantity.saturating_add(quantity);
            back.value = back.value.saturating_add(value);
            return;
        }
        while self.recent.front().is_some_and(|front| time.0 - front.time.0 > CLOSE_WINDOW) {
            self.recent.pop_front();
        }
        self.recent.push_back(Turnover { time, quantity, value });
    }

    /// The closing price 收盘价: of the closing auction; without one, the average of the last minute of trading by
    /// volume, the last trade included (SSE trading rules 2.4.4, SZSE 3.5.6; unverified); without any trade the
    /// reference. A closing auction's trades are the only ones of their last minute, so one formula gives both. Hong
    /// Kong's closing price is [`Venue::close_of`].
    pub(crate) fn close(&self) -> Price {
        let sum = |of: fn(&Turnover) -> i64| self.recent.iter().map(|one| i128::from(of(one))).sum::<i128>();
        let quantity = sum(|one| one.quantity);
        if quantity == 0 {
            return self.reference();
        }
        let tick = self.rules.tick.at(self.last);
        let value = sum(|one| one.value) * i128::from(self.quantum);
        let ticks = div_half_up(value, quantity * i128::from(tick.0));
        i64::try_from(ticks).map_or(self.last, |ticks| Price(ticks.saturating_mul(tick.0)))
    }

    pub(crate) fn after_hours(&mut self) -> &mut AfterHours {
        self.after_hours.get_or_insert_default()
    }

    /// What an auction's tie, and the cage, fall back on.
    pub(crate) fn reference(&self) -> Price {
        if self.last == Price::ZERO { self.prev_close } else { self.last }
    }
}

impl Venue {
    pub(crate) fn new(partition: PartitionId) -> Self {
        Self {
            partition,
            listings: Vec::new(),
            segments: Vec::new(),
            trades: 0,
            trades_before_today: 0,
            nominals: BTreeMap::new(),
            bands: BTreeMap::new(),
            held: held::HeldOrders::default(),
            executions: Vec::with_capacity(1_024),
            auction_trades: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn listing(&self, id: InstrumentId) -> Option<&Listing> {
        self.listings.get(id.0 as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn listing_mut(&mut self, id: InstrumentId) -> Option<&mut Listing> {
        self.listings.get_mut(id.0 as usize)?.as_mut()
    }

    #[inline]
    pub(crate) fn next_trade(&mut self) -> TradeId {
        self.trades += 1;
        TradeId::of(self.partition, self.trades)
    }

    /// Trades since the first day.
    #[must_use]
    pub const fn trades(&self) -> u64 {
        self.trades
    }

    /// Orders that rest in all books.
    #[must_use]
    pub fn resting_orders(&self) -> usize {
        self.listings.iter().flatten().map(|listing| listing.book.len()).sum()
    }

    /// Bytes on the heap of all books.
    #[must_use]
    pub fn book_bytes(&self) -> usize {
        self.listings.iter().flatten().map(|listing| listing.book.heap_bytes()).sum()
    }

    /// The phase of an instrument.
    #[must_use]
    pub fn phase(&self, id: InstrumentId) -> Option<Phase> {
        let segment = self.listing(id)?.segment as usize;
        self.segments.get(segment).map(Segment::phase)
    }

    /// Best bid, best ask and last price of an instrument.
    #[must_use]
    pub fn quote(&self, id: InstrumentId) -> Option<(Option<Price>, Option<Price>, Option<Price>)> {
        let listing = self.listing(id)?;
        let best = |side| listing.book.best(side).map(|ticks| listing.price(ticks));
        let last = (listing.last != Price::ZERO).then_some(listing.last);
        Some((best(heng_model::Side::Buy), best(heng_model::Side::Sell), last))
    }

    /// The best `count` levels of a side: price, quantity, orders.
    #[must_use]
    pub fn depth(&self, id: InstrumentId, side: heng_model::Side, count: usize) -> Vec<(Price, i64, u32)> {
        let Some(listing) = self.listing(id) else { return Vec::new() };
        listing
            .book
            .levels(side)
            .take(count)
            .map(|level| (listing.price(level.price), level.qty, level.orders))
            .collect()
    }
}
