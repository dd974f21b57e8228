//! The view: a thread of its own follows the record, keeps the market in memory, makes a tick every 100 ms, and hands
//! changed rows to the tables behind it.
//!
//! Books are not stored. A start reads the events from the command that opened the trading day on, which the tables
//! tell: no order outlives its day. On what it cannot explain the view parks visibly, and tries again from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heng_model::{InstrumentId, Seq, TradeDate, UnixNanos};
use heng_ports::{CommandEvents, EventBlock, EventFeed, EventSource, FeedError};
use heng_runtime::{Clock as _, SystemClock};
use heng_store::{DerivedStore, Position, StoreError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::flow::FlowThresholds;
use crate::market::{At, Market};
use crate::push::{Publisher, TICK};
use crate::status::{MarketStatus, Parked};
use crate::store::{self, Batch};

/// How long the thread rests when the record has nothing new.
const IDLE: Duration = Duration::from_millis(2);
/// How often rows are stored.
const STORE_EVERY: Duration = Duration::from_millis(250);
/// A tick is made at least this often, so that silent subscribers are noticed.
const BEAT: Duration = Duration::from_secs(2);
/// Rows that wait for the tables at most; then the thread waits for the tables.
const ROWS_WAITING_MAX: usize = 200_000;
/// Wait before the first new attempt after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Commands taken between two looks at the clock.
const COMMANDS_PER_LOOK: usize = 64;

/// Instruments whose old rows one transaction removes.
const FORGET_MAX: usize = 50;
/// How often the head of the record is noted.
const WATCH: Duration = Duration::from_millis(100);

/// Notes the head of the record, so that the lag is known also when the view hangs.
pub(crate) async fn watch_head(source: Arc<dyn EventSource>, status: Arc<MarketStatus>, stop: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(WATCH);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        status.saw_head(source.head().0);
    }
}

/// What a view is made with.
pub(crate) struct Follower {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) store: DerivedStore,
    pub(crate) runtime: Handle,
    pub(crate) status: Arc<MarketStatus>,
    pub(crate) publisher: Publisher,
    pub(crate) thresholds: FlowThresholds,
    /// Calendar days for which trades are kept, and minutes.
    pub(crate) keep_days: (u32, u32),
    pub(crate) stop: Arc<AtomicBool>,
}

/// Why the view cannot go on.
#[derive(Debug)]
enum Trouble {
    Parked(Parked),
    Feed(FeedError),
    Store(StoreError),
}

/// Where the view is.
struct Place {
    market: Market,
    /// The last command that was taken.
    applied: u64,
    /// Up to here the rows were stored before.
    stored: u64,
    /// Up to here pictures were shown before.
    shown: u64,
    /// Everything that was stored before has been taken again.
    caught_up: bool,
    last_tick: Instant,
    last_beat: Instant,
    last_stored: Instant,
    writing: Option<(JoinHandle<Result<(), StoreError>>, u64)>,
    /// Instruments whose old rows are still to be removed.
    forget: Vec<InstrumentId>,
}

impl Follower {
    /// Follows until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut wait = RETRY.0;
        while !self.stopped() {
            let began = self.status.applied();
            // A bug of ours costs this attempt, not the service; the market is made again from the record.
            let followed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.follow()));
            // A core that was away may be back at any moment; what fails for another reason is tried less and less often.
            let away = matches!(followed, Ok(Err(Trouble::Feed(_))));
            match followed {
                Ok(Ok(())) => return,
                Ok(Err(Trouble::Parked(parked))) => self.status.park(parked),
                Ok(Err(Trouble::Feed(error))) => self.status.failed(Some(error.to_string())),
                Ok(Err(Trouble::Store(error))) => self.status.failed(Some(error.to_string())),
                Err(_) => self.status.failed(Some("the view panicked; the log tells where".to_owned())),
            }
            wait = if away || self.status.applied() > began { RETRY.0 } else { (wait * 2).min(RETRY.1) };
            let until = Instant::now() + wait;
            while !self.stopped() && Instant::now() < until {
                std::thread::sleep(IDLE);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Result<(Place, Box<dyn EventFeed>), Trouble> {
        let start = self.runtime.block_on(store::load(&self.store)).map_err(Trouble::Store)?;
        let first = start.opened_sequence.max(1);
        let feed = self.source.open(Seq(first)).map_err(Trouble::Feed)?;
        let now = Instant::now();
        let place = Place {
            market: Market::resume(start.date, start.opened_sequence, start.listings),
            applied: first - 1,
            stored: start.position.as_of(),
            shown: *self.publisher.current().borrow(),
            caught_up: start.position.as_of() < first,
            last_tick: now,
            last_beat: now,
            last_stored: now,
            writing: None,
            forget: Vec::new(),
        };
        self.status.stored_through(start.position.as_of());
        Ok((place, feed))
    }

    fn follow(&mut self) -> Result<(), Trouble> {
        let (mut place, mut feed) = self.begin()?;
        self.status.failed(None);
        let ended = self.drive(&mut place, &mut *feed);
        // A new attempt may begin only when the rows of this one are in or not.
        let last = place.writing.take().map_or(Ok(()), |(writing, through)| self.wait_for(writing, through));
        ended.and(last)
    }

    fn drive(&mut self, place: &mut Place, feed: &mut dyn EventFeed) -> Result<(), Trouble> {
        while !self.stopped() {
            match feed.next_block().map_err(Trouble::Feed)? {
                Some(block) => self.take_block(place, &block)?,
                None => std::thread::sleep(IDLE),
            }
            self.look(place)?;
        }
        self.store_rows(place, true)
    }

    fn take_block(&mut self, place: &mut Place, block: &EventBlock) -> Result<(), Trouble> {
        if block.first.0 > place.applied + 1 {
            let found = block.first.0;
            let needed = place.applied + 1;
            return Err(Trouble::Feed(format!("the record goes on at command {found}, needed is {needed}").into()));
        }
        let mut events = 0;
        for (number, command) in block.commands.iter().enumerate() {
            if command.seq.0 <= place.applied {
                continue;
            }
            if let Err(trouble) = self.take(place, command) {
                self.status.took(place.applied, events);
                return Err(trouble);
            }
            events += command.events.len() as u64;
            if number % COMMANDS_PER_LOOK == COMMANDS_PER_LOOK - 1 {
                self.status.took(place.applied, std::mem::take(&mut events));
                self.look(place)?;
            }
        }
        place.applied = place.applied.max(block.through.0);
        if place.applied >= place.stored {
            place.catch_up();
        }
        self.status.took(place.applied, events);
        Ok(())
    }

    fn take(&self, place: &mut Place, command: &CommandEvents) -> Result<(), Trouble> {
        if command.seq.0 > place.stored {
            place.catch_up();
        }
        for (index, event) in (0..).zip(&command.events) {
            let at = At { sequence: command.seq.0, index, time: command.time };
            place.market.apply(event, at, &self.thresholds).map_err(|unexplained| {
                Trouble::Parked(Parked {
                    at: Position { sequence: command.seq.0, index },
                    event: event.name(),
                    reason: unexplained.to_string(),
                    since: UnixNanos(SystemClock.now()),
                    attempts: 1,
                })
            })?;
        }
        place.applied = command.seq.0;
        Ok(())
    }

    /// Makes a tick and stores rows, if it is time.
    fn look(&mut self, place: &mut Place) -> Result<(), Trouble> {
        let now = Instant::now();
        if now < place.last_tick + TICK {
            return Ok(());
        }
        // Ticks keep their rhythm; those that were missed are not made up for.
        place.last_tick = if now < place.last_tick + 2 * TICK { place.last_tick + TICK } else { now };
        if !place.caught_up || place.applied < place.shown {
            return Ok(());
        }
        let beat = now >= place.last_beat + BEAT;
        if beat {
            place.last_beat = now;
        }
        self.publisher.publish(&mut place.market, place.applied, UnixNanos(SystemClock.now()), beat);
        if now >= place.last_stored + STORE_EVERY {
            place.last_stored = now;
            self.store_rows(place, false)?;
        }
        Ok(())
    }

    /// Hands changed rows to the tables, one transaction at a time; `all` waits for the last.
    fn store_rows(&self, place: &mut Place, all: bool) -> Result<(), Trouble> {
        if let Some((writing, through)) = place.writing.take() {
            let full = place.market.waiting() > ROWS_WAITING_MAX;
            if !writing.is_finished() && !all && !full {
                place.writing = Some((writing, through));
                return Ok(());
            }
            self.wait_for(writing, through)?;
        }
        let idle = place.applied <= self.status.stored() && place.forget.is_empty();
        if idle || !place.caught_up {
            return Ok(());
        }
        if place.market.day_opened {
            place.forget = place.market.instruments.iter().map(|instrument| instrument.listing.id).collect();
        }
        let batch = place.changed_rows(self.keep_days);
        let span = (Position::after(self.status.stored()), Position::after(place.applied));
        let write = store::write(self.store.clone(), batch, span);
        let writing = self.runtime.spawn(write);
        if all {
            return self.wait_for(writing, place.applied);
        }
        place.writing = Some((writing, place.applied));
        Ok(())
    }

    fn wait_for(&self, writing: JoinHandle<Result<(), StoreError>>, through: u64) -> Result<(), Trouble> {
        let written = self.runtime.block_on(writing);
        written.map_err(|failure| Trouble::Feed(failure.into()))?.map_err(Trouble::Store)?;
        self.status.stored_through(through);
        Ok(())
    }
}

impl Place {
    /// The rows of everything so far were stored before.
    fn catch_up(&mut self) {
        if !std::mem::replace(&mut self.caught_up, true) {
            self.market.forget_rows();
        }
    }

    fn changed_rows(&mut self, keep_days: (u32, u32)) -> Batch {
        let market = &mut self.market;
        market.gather_rows();
        let (minutes, days) = std::mem::take(&mut market.rows);
        let listings = std::mem::take(&mut market.relisted).into_iter();
        let listing = |index: u32| (index, market.instruments[index as usize].listing.clone());
        let date = market.date;
        let from = |days: u32| date.plus_days(-i64::from(days)).unwrap_or(TradeDate::NONE);
        let few = self.forget.len().saturating_sub(FORGET_MAX);
        let forget = self.forget.drain(few..).map(|id| (id, from(keep_days.0), from(keep_days.1)));
        Batch {
            listings: listings.map(listing).collect(),
            day: std::mem::take(&mut market.day_opened).then_some((date, market.day_sequence)),
            minutes,
            days,
            trades: std::mem::take(&mut market.trades),
            forget: forget.collect(),
        }
    }
}
