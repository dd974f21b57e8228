//! A decoded feed as a record: the service then makes pictures, bars, flow and streams of it, as of the core's own.
//!
//! Each message becomes a command with one event, numbered in the order given. The record is held in memory, so it is
//! for a day that was recorded; a feed that may lose messages goes through [`crate::FeedMarket`].

use std::collections::BTreeMap;
use std::sync::Arc;

use heng_model::event::{
    DayOpened, InstrumentDefined, OrderCancelled, OrderWorking, PhaseChanged, ReferenceSet, Trade,
};
use heng_model::market::CancelReason;
use heng_model::{
    AccountId, Board, Currency, Event, InstrumentClass, InstrumentId, Money, OrderId, PartitionId, Phase, Price, Qty,
    Seq, Side, TradeDate, TradeId, UnixNanos,
};
use heng_ports::{CommandEvents, EventBlock, EventFeed, EventSource, FeedError};

use crate::decode::{Code, Tick, TickKind};

/// Commands of one piece.
const PIECE: usize = 4_096;
/// Bits of an order's number in the feed; the channel stands above them, because numbers repeat among channels.
const ORDER_BITS: u32 = 48;
/// When the day opens, before the first message: 09:00.
const OPENS_NS: i64 = 9 * 3_600 * heng_model::SECOND;

/// A security of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedListing {
    /// Its code in the feed.
    pub code: Code,
    /// Its symbol here, for example `600519.SH`.
    pub symbol: String,
    /// Board.
    pub board: Board,
    /// Class.
    pub class: InstrumentClass,
    /// Reference price of the day.
    pub prev_close: Price,
}

/// One day of a feed.
#[derive(Clone, Debug)]
pub struct FeedRecord {
    commands: Arc<Vec<CommandEvents>>,
}

impl FeedRecord {
    /// The day `date` of `listings`. Messages of other securities are passed over; `ticks` must stand in the order of
    /// the feed, all channels together.
    #[must_use]
    pub fn new(date: TradeDate, listings: &[FeedListing], ticks: impl IntoIterator<Item = Tick>) -> Self {
        let by_code: BTreeMap<Code, InstrumentId> =
            listings.iter().map(|listing| listing.code).zip((0..).map(InstrumentId)).collect();
        let mut commands = Vec::new();
        let mut say = |time: i64, events: Vec<Event>| {
            let seq = Seq(commands.len() as u64 + 1);
            commands.push(CommandEvents { seq, time: UnixNanos::at(date, time), events });
        };
        let numbered = || listings.iter().zip((0..).map(InstrumentId));
        say(OPENS_NS, numbered().map(|(listing, id)| defined(listing, id)).collect());
        let opened: Event = DayOpened { date, hk_settles: true }.into();
        let phases = listings.iter().map(|listing| PhaseChanged {
            board: listing.board,
            class: listing.class,
            phase: Phase::Continuous,
        });
        let references = numbered().map(|(listing, id)| reference(listing, id));
        say(OPENS_NS, std::iter::once(opened).chain(references).chain(phases.map(Event::from)).collect());
        let mut trades = 0;
        for tick in ticks {
            let Some(instrument) = by_code.get(&tick.code) else { continue };
            say(i64::try_from(tick.time).unwrap_or(OPENS_NS), vec![event(&tick, *instrument, &mut trades)]);
        }
        Self { commands: Arc::new(commands) }
    }
}

fn defined(listing: &FeedListing, instrument: InstrumentId) -> Event {
    let (symbol, partition) = (listing.symbol.clone(), PartitionId(0));
    InstrumentDefined { instrument, symbol, board: listing.board, class: listing.class, partition, board_lot: 0 }.into()
}

fn reference(listing: &FeedListing, instrument: InstrumentId) -> Event {
    ReferenceSet {
        instrument,
        prev_close: listing.prev_close,
        limit_up: Price(0),
        limit_down: Price(0),
        tick: Price(100),
        risk_warning: false,
        same_day_sale: false,
        settlement_days: 1,
        currency: Currency::Cny,
        suspended: false,
    }
    .into()
}

fn event(tick: &Tick, instrument: InstrumentId, trades: &mut u64) -> Event {
    let id = |order: u64| OrderId((u64::from(tick.channel) << ORDER_BITS) | (order & ((1 << ORDER_BITS) - 1)));
    match tick.kind {
        TickKind::Add { order, side, price, quantity } => {
            OrderWorking { order: id(order), instrument, side, price, quantity }.into()
        }
        TickKind::Delete { order, quantity, .. } => cancelled(id(order), quantity),
        TickKind::Trade { buy, sell, price, quantity, taker } => {
            *trades += 1;
            let (trade, buy, sell) = (TradeId(*trades), id(buy), id(sell));
            let maker = taker.map_or(Side::Buy, Side::opposite);
            Trade { trade, instrument, price, quantity, buy, sell, maker, auction: taker.is_none() }.into()
        }
    }
}

fn cancelled(order: OrderId, quantity: Qty) -> Event {
    OrderCancelled {
        order,
        account: AccountId(0),
        quantity,
        reason: CancelReason::Venue,
        hold_cash: Money(0),
        hold_quantity: Qty(0),
        shrunk: false,
    }
    .into()
}

struct Pieces {
    commands: Arc<Vec<CommandEvents>>,
    next: usize,
}

impl EventFeed for Pieces {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let end = (self.next + PIECE).min(self.commands.len());
        let commands = self.commands.get(self.next..end).unwrap_or(&[]).to_vec();
        self.next = end;
        let (Some(first), Some(last)) = (commands.first(), commands.last()) else { return Ok(None) };
        let (first, through) = (first.seq, last.seq);
        Ok(Some(EventBlock { first, commands, through }))
    }
}

impl EventSource for FeedRecord {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        let next = usize::try_from(from.0.max(1) - 1)?;
        Ok(Box::new(Pieces { commands: Arc::clone(&self.commands), next }))
    }

    fn head(&self) -> Seq {
        Seq(self.commands.len() as u64)
    }
}
