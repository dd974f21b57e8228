//! The view: it follows the record, makes rows in bounded batches, each with its position, and parks when it cannot.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heng_model::event::{DayOpened, Trade};
use heng_model::{Event, Price, Qty, UnixNanos};
use heng_store::{DerivedStore, Opened, Position, Snapshot, StoreError, StoreOptions};
use tokio::sync::watch;

use crate::directory::Directory;
use crate::feed::{EventBlock, EventSource};
use crate::fold::{Fold, FoldError, Placed};
use crate::lag::Lag;
use crate::store::{self, SCHEMA};

/// Events of one batch at most: what a view loses and makes again when it fails.
const BATCH_EVENTS_MAX: usize = 2_000;
/// Failures on one event until the view parks (design rule 12).
const FAILURES_MAX: u32 = 3;
/// How long the view waits between two failures on one event.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Trades that are remembered for those who watch.
const RECENT_MAX: usize = 32;

/// Where and why a view stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The event that it cannot take.
    pub at: Position,
    /// Name of the event.
    pub event: String,
    /// Why not.
    pub reason: String,
}

/// A trade, for those who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentTrade {
    /// When.
    pub time: UnixNanos,
    /// Symbol.
    pub symbol: String,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub quantity: Qty,
    /// Whether an auction made it.
    pub auction: bool,
}

/// What can go wrong with the view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// It stands still on one event.
    #[error("the trading view is parked at event {}.{} ({}): {}", .0.at.sequence, .0.at.index, .0.event, .0.reason)]
    Parked(Parked),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A piece of the record does not follow the one before.
    #[error("the record goes on at command {found}, but the view needs command {needed}")]
    Gap {
        /// First command found.
        found: u64,
        /// The command that must come next.
        needed: u64,
    },
}

/// How the view is doing; shared with doors, health and metrics.
#[derive(Debug)]
pub struct ViewStatus {
    applied: watch::Sender<u64>,
    events: AtomicU64,
    lag: Mutex<Lag>,
    trouble: Mutex<Trouble>,
    trades: Mutex<VecDeque<RecentTrade>>,
}

#[derive(Debug, Default)]
struct Trouble {
    parked: Option<Parked>,
    feed: Option<String>,
}

impl ViewStatus {
    /// Of a view that has taken everything up to the command `applied`.
    #[must_use]
    pub fn at(applied: u64) -> Self {
        Self {
            applied: watch::Sender::new(applied),
            events: AtomicU64::new(0),
            lag: Mutex::default(),
            trouble: Mutex::default(),
            trades: Mutex::default(),
        }
    }

    /// The last command whose events are all in the rows.
    #[must_use]
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Events taken since the start.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Age of the oldest command that is not in the rows.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).age(Instant::now())
    }

    /// Where the view stands still, if it does.
    #[must_use]
    pub fn parked(&self) -> Option<Parked> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked.clone()
    }

    /// Why the record cannot be read, if it cannot.
    #[must_use]
    pub fn feed_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).feed.clone()
    }

    /// The last trades, newest first.
    #[must_use]
    pub fn recent_trades(&self) -> Vec<RecentTrade> {
        self.trades.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Waits until the rows hold everything up to `sequence`; false if that takes longer than `wait_max`.
    pub async fn wait_for(&self, sequence: u64, wait_max: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= sequence);
        matches!(tokio::time::timeout(wait_max, reached).await, Ok(Ok(_)))
    }

    /// Notes how far the record reaches now.
    pub fn saw_head(&self, head: u64) {
        let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        if head > self.applied() {
            lag.saw(head, Instant::now());
        }
    }

    fn took(&self, position: Position, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).took(position.as_of());
        self.applied.send_replace(position.as_of());
    }

    fn set_feed_trouble(&self, trouble: Option<String>) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).feed = trouble;
    }

    fn park(&self, parked: Parked) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked = Some(parked);
    }
}

/// The trading view. One per process writes its file.
pub struct TradingView {
    store: DerivedStore,
    status: Arc<ViewStatus>,
    directory: Arc<Directory>,
    position: Position,
}

impl TradingView {
    /// Opens the tables, or makes them, and goes on where they are.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(options: &StoreOptions) -> Result<(Self, Opened), ViewError> {
        let (store, opened) = DerivedStore::open(options, SCHEMA).await?;
        Ok((Self::with(store).await?, opened))
    }

    /// Drops the tables and begins again with the first event.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rebuild(options: &StoreOptions) -> Result<Self, ViewError> {
        Self::with(DerivedStore::rebuild(options, SCHEMA).await?).await
    }

    async fn with(store: DerivedStore) -> Result<Self, ViewError> {
        let mut snapshot = store.snapshot().await?;
        let directory = Directory::default();
        let instruments = store::all_instruments(snapshot.connection()).await?;
        directory.update(instruments.iter(), &store::market(snapshot.connection()).await?);
        drop(snapshot);
        let position = store.position().await?;
        let status = Arc::new(ViewStatus::at(position.as_of()));
        Ok(Self { store, status, directory: Arc::new(directory), position })
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Arc<ViewStatus> {
        Arc::clone(&self.status)
    }

    /// For those who read.
    #[must_use]
    pub fn reader(&self) -> ViewReader {
        ViewReader { store: self.store.clone(), status: self.status(), directory: Arc::clone(&self.directory) }
    }

    /// The next event that it takes.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Takes a piece of the record. What it has taken before is passed over, so a piece may come twice.
    ///
    /// # Errors
    /// If the piece leaves a gap, or the view parks.
    pub async fn take(&mut self, block: &EventBlock) -> Result<(), ViewError> {
        let from = self.position;
        if block.first.0 > from.sequence {
            return Err(ViewError::Gap { found: block.first.0, needed: from.sequence });
        }
        for batch in cut(block, from) {
            self.take_batch(&batch).await?;
        }
        let end = Position::after(block.through.0);
        if self.position < end {
            self.apply(&[], end).await.map_err(|error| self.parked_at(self.position, "end of a block", &error))?;
        }
        Ok(())
    }

    /// Takes a batch; if it fails, event by event, so that the one that cannot be taken is known exactly.
    async fn take_batch(&mut self, batch: &Cut<'_>) -> Result<(), ViewError> {
        let Err(error) = self.apply(&batch.events, batch.to).await else { return Ok(()) };
        tracing::warn!(%error, events = batch.events.len(), "take a batch of events, go on one by one");
        for (number, (at, placed)) in batch.places.iter().zip(&batch.events).enumerate() {
            let behind = batch.places.get(number + 1).copied().unwrap_or(batch.to);
            self.take_one(*at, *placed, behind).await?;
        }
        Ok(())
    }

    async fn take_one(&mut self, at: Position, placed: Placed<'_>, to: Position) -> Result<(), ViewError> {
        let mut failures = 0;
        loop {
            let Err(error) = self.apply(&[placed], to).await else { return Ok(()) };
            failures += 1;
            if failures == FAILURES_MAX {
                return Err(self.parked_at(at, placed.event.name(), &error));
            }
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    fn parked_at(&self, at: Position, event: &str, error: &FoldError) -> ViewError {
        let parked = Parked { at, event: event.to_owned(), reason: error.to_string() };
        tracing::error!(sequence = at.sequence, index = at.index, event, %error, "park the trading view");
        self.status.park(parked.clone());
        ViewError::Parked(parked)
    }

    /// One transaction: rows and position, or neither.
    async fn apply(&mut self, events: &[Placed<'_>], to: Position) -> Result<(), FoldError> {
        let mut batch = self.store.begin().await?;
        let mut fold = Fold::load(batch.connection(), events).await?;
        for placed in events {
            if let Event::DayOpened(DayOpened { hk_settles, .. }) = placed.event {
                store::roll(batch.connection(), *hk_settles).await?;
            }
            fold.take(*placed)?;
        }
        if !events.is_empty() {
            fold.save(batch.connection()).await?;
        }
        batch.commit(to).await?;
        self.position = to;
        self.directory.update(fold.instruments.values(), &fold.market);
        self.remember(events);
        self.status.took(to, events.len());
        Ok(())
    }

    fn remember(&self, events: &[Placed<'_>]) {
        let mut recent = self.status.trades.lock().unwrap_or_else(PoisonError::into_inner);
        for placed in events {
            if let Event::Trade(Trade { instrument, price, quantity, auction, .. }) = placed.event {
                let symbol = self.directory.symbol(i64::from(instrument.0));
                let (price, quantity, auction) = (*price, *quantity, *auction);
                let time = placed.command.time;
                recent.push_front(RecentTrade { time, symbol, price, quantity, auction });
            }
        }
        recent.truncate(RECENT_MAX);
    }

    /// Follows the record until `stop` turns true. A view that parks stays parked until the next start.
    pub async fn follow(mut self, source: Arc<dyn EventSource>, mut stop: watch::Receiver<bool>) {
        let (status, first) = (self.status(), self.position.sequence);
        let watched = tokio::spawn(crate::follow::watch_head(Arc::clone(&source), Arc::clone(&status)));
        let mut blocks = crate::follow::read_ahead(source, first, Arc::clone(&status));
        loop {
            let block = tokio::select! {
                block = blocks.recv() => block,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(block) = block else { break };
            if let Err(error) = self.take(&block).await {
                tracing::error!(%error, "follow the record");
                // Parked: stand visibly, hold no place in the record's reader, and let the lag tell.
                drop(blocks);
                let _ = stop.wait_for(|stop| *stop).await;
                break;
            }
        }
        watched.abort();
        self.store.close().await;
    }
}

impl ViewStatus {
    pub(crate) fn feed_failed(&self, error: &crate::feed::FeedError) {
        tracing::warn!(%error, "read the record");
        self.set_feed_trouble(Some(error.to_string()));
    }

    pub(crate) fn feed_works(&self) {
        self.set_feed_trouble(None);
    }
}

/// Events that are taken together.
struct Cut<'a> {
    places: Vec<Position>,
    events: Vec<Placed<'a>>,
    /// The position behind them.
    to: Position,
}

/// Cuts what a piece of the record holds from `from` on into batches.
fn cut(block: &EventBlock, from: Position) -> Vec<Cut<'_>> {
    let end = Position::after(block.through.0);
    let mut batches: Vec<Cut<'_>> = Vec::new();
    let mut alone = false;
    for command in &block.commands {
        for (event, index) in command.events.iter().zip(0u32..) {
            let (at, placed) = (Position { sequence: command.seq.0, index }, Placed { command, event });
            if at < from {
                continue;
            }
            let full = batches.last().is_none_or(|batch| batch.events.len() == BATCH_EVENTS_MAX);
            if full || alone || rolls(&placed) {
                if let Some(before) = batches.last_mut() {
                    before.to = at;
                }
                batches.push(Cut { places: Vec::new(), events: Vec::new(), to: end });
            }
            alone = rolls(&placed);
            let batch = batches.last_mut().expect("the first event begins a batch");
            batch.places.push(at);
            batch.events.push(placed);
        }
    }
    batches
}

/// Whether an event changes rows that no event names: it gets a batch of its own.
const fn rolls(placed: &Placed<'_>) -> bool {
    matches!(placed.event, Event::DayOpened(_))
}

/// Reads the view's rows.
#[derive(Clone)]
pub struct ViewReader {
    store: DerivedStore,
    pub(crate) status: Arc<ViewStatus>,
    pub(crate) directory: Arc<Directory>,
}

impl ViewReader {
    /// A consistent look at the rows.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot().await
    }
}
