//! The view: it follows the record, makes rows in bounded batches, each with its position, and parks when it cannot;
//! then it tries again.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use heng_model::event::{DayOpened, Trade};
use heng_model::{AccountId, Event, UnixNanos};
use heng_runtime::{Clock as _, SystemClock};
use heng_store::{DerivedStore, Opened, Position, Snapshot, Sql, StoreError, StoreOptions};
use tokio::sync::watch;

use crate::directory::Directory;
use crate::fold::{Fold, Placed};
use crate::fold_error::FoldError;
use crate::status::{Parked, RecentTrade, ViewStatus};
use crate::store::{self, SCHEMA};
use crate::trade_events::begun;
use heng_ports::{EventBlock, EventSource};

/// Events of one batch at most: what a view loses and makes again when it fails.
const BATCH_EVENTS_MAX: usize = 8_000;
/// Failures on one event until the view parks (design rule 12).
const FAILURES_MAX: u32 = 3;
/// How long the view waits between two failures on one event.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The longest wait between two attempts of a parked view.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// How a view behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewOptions {
    /// Trade dates whose orders, parents and fills are kept, the open one included; at least 2, because an order key
    /// is answered for the trade date before as well. A date that leaves is removed in pieces after a day opens.
    pub keep_days: u32,
    /// How long a parked view waits until it tries again; each vain attempt doubles the wait, up to a minute.
    pub retry: Duration,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self { keep_days: 5, retry: Duration::from_secs(1) }
    }
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

/// The trading view. One per process writes its file.
pub struct TradingView {
    store: DerivedStore,
    status: Arc<ViewStatus>,
    directory: Arc<Directory>,
    position: Position,
    options: ViewOptions,
    /// Whether rows of trade dates that are not kept may be left.
    forgets: bool,
}

impl TradingView {
    /// Opens the tables, or makes them, and goes on where they are.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(file: &StoreOptions, options: ViewOptions) -> Result<(Self, Opened), ViewError> {
        let (store, opened) = DerivedStore::open(file, SCHEMA).await?;
        Ok((Self::with(store, options).await?, opened))
    }

    /// Drops the tables and begins again with the first event.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rebuild(file: &StoreOptions, options: ViewOptions) -> Result<Self, ViewError> {
        Self::with(DerivedStore::rebuild(file, SCHEMA).await?, options).await
    }

    async fn with(store: DerivedStore, options: ViewOptions) -> Result<Self, ViewError> {
        let mut snapshot = store.snapshot().await?;
        let directory = Directory::default();
        let instruments = store::all_instruments(snapshot.connection()).await?;
        let market = store::market(snapshot.connection()).await?;
        directory.update(instruments.iter(), &market);
        let day = store::day(snapshot.connection(), market.trade_date).await?.unwrap_or_default();
        drop(snapshot);
        let position = store.position().await?;
        let status = Arc::new(ViewStatus::at(position.as_of()));
        status.remember(std::iter::empty(), day.trades);
        Ok(Self { store, status, directory: Arc::new(directory), position, options, forgets: true })
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
            let applied = self.apply(&[], end).await;
            applied.map_err(|error| self.parked_at(self.position, "end of a block", (&error, error.chinese())))?;
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
                return Err(self.parked_at(at, placed.event.name(), (&error, error.chinese())));
            }
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    fn parked_at(&self, at: Position, event: &str, (error, reason_zh): (&dyn Display, String)) -> ViewError {
        let (event, reason, since) = (event.to_owned(), error.to_string(), UnixNanos(SystemClock.now()));
        let parked = self.status.park(Parked { at, event, reason, reason_zh, since, attempts: 1 });
        let Parked { event, attempts, .. } = &parked;
        if *attempts == 1 {
            tracing::error!(sequence = at.sequence, index = at.index, event, %error, "park the trading view");
        } else {
            tracing::warn!(sequence = at.sequence, index = at.index, event, attempts, %error, "try again in vain");
        }
        ViewError::Parked(parked)
    }

    /// One transaction: rows and position, or neither.
    async fn apply(&mut self, events: &[Placed<'_>], to: Position) -> Result<(), FoldError> {
        let mut batch = self.store.begin().await?;
        // Rows that were set back lack what was committed since; rows that somebody else wrote are nothing to go on from.
        if batch.from() != self.position {
            return Err(StoreError::Moved { view: SCHEMA.view, expected: self.position }.into());
        }
        let mut fold = Fold::load(batch.connection(), events).await?;
        for placed in events {
            if let Event::DayOpened(DayOpened { hk_settles, .. }) = placed.event {
                store::roll(batch.connection(), *hk_settles).await?;
            }
            fold.take(*placed)?;
            if rolls(placed) {
                let date = fold.market.trade_date;
                let oldest = store::oldest_kept(batch.connection(), date, self.options.keep_days).await?;
                self.forgets |= oldest > fold.market.kept_from;
                fold.market.kept_from = fold.market.kept_from.max(oldest);
            }
        }
        if !events.is_empty() {
            fold.save(batch.connection()).await?;
        }
        let more = self.forgets && store::forget(batch.connection(), fold.market.kept_from).await?;
        batch.commit(to).await?;
        self.forgets = more;
        self.position = to;
        self.directory.update(fold.instruments.values(), &fold.market);
        let new_day = events.first().is_some_and(rolls);
        self.directory.note_owners(new_day, events.iter().filter_map(|placed| begun(placed.event)));
        self.status.remember(events.iter().filter_map(|placed| self.recent(placed)), fold.day.trades);
        let is_order = |placed: &&Placed<'_>| matches!(placed.event, Event::OrderPlaced(_) | Event::OrderRejected(_));
        self.status.count_orders(events.iter().filter(is_order).count());
        self.status.took(to, events.len());
        Ok(())
    }

    fn recent(&self, placed: &Placed<'_>) -> Option<RecentTrade> {
        let Event::Trade(Trade { instrument, price, quantity, auction, .. }) = placed.event else { return None };
        let symbol = self.directory.symbol(i64::from(instrument.0));
        let (price, quantity, auction) = (*price, *quantity, *auction);
        Some(RecentTrade { time: placed.command.time, symbol, price, quantity, auction })
    }

    /// Follows the record until `stop` turns true. A view that parks stands visibly, holds no place in the record's
    /// reader meanwhile, and tries again: what failed may be repaired, the record or the database.
    pub async fn follow(mut self, source: Arc<dyn EventSource>, mut stop: watch::Receiver<bool>) {
        let watched = tokio::spawn(crate::follow::watch_head(Arc::clone(&source), self.status()));
        let mut pause = self.options.retry;
        loop {
            let before = self.position;
            if self.follow_until_stuck(Arc::clone(&source), &mut stop).await.is_ok() {
                break;
            }
            // The status and the log tell why.
            self.go_back().await;
            pause = if self.position > before { self.options.retry } else { pause };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
        watched.abort();
        self.store.close().await;
    }

    /// A database that was set back, by a loss or from a copy, gets again what it lost.
    async fn go_back(&mut self) {
        // One that does not answer is asked again after the next failure.
        if let Ok(stored) = self.store.position().await
            && stored < self.position
        {
            tracing::warn!(stored = stored.sequence, taken = self.position.sequence, "the trading view was set back");
            self.position = stored;
        }
    }

    /// Takes what the record has and gets, until told to stop or until it parks.
    async fn follow_until_stuck(
        &mut self,
        source: Arc<dyn EventSource>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), ViewError> {
        let mut blocks = crate::follow::read_ahead(source, self.position.sequence, self.status());
        loop {
            let block = tokio::select! {
                block = blocks.recv() => block,
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(block) = block else { return Ok(()) };
            match self.take(&block).await {
                Ok(()) => self.status.publish(block),
                Err(ViewError::Gap { found, needed }) => {
                    let gap = ViewError::Gap { found, needed };
                    let chinese = format!("记录从指令 {found} 继续，而视图需要指令 {needed}");
                    return Err(self.parked_at(self.position, "gap", (&gap, chinese)));
                }
                Err(error) => return Err(error),
            }
        }
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
            let (at, placed) = (Position { sequence: command.seq.0, index }, Placed { command, event, number: index });
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
    /// Closes the tables, for all that read and write them here.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// The accounts with the lowest numbers, at most `limit`: those of a demonstration.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn first_accounts(&self, limit: u32) -> Result<Vec<AccountId>, StoreError> {
        let mut look = self.snapshot().await?;
        let query = Sql::new("SELECT account FROM accounts ORDER BY account LIMIT $1").bind(i64::from(limit));
        let found: Vec<(i64,)> = look.connection().load(query).await?;
        Ok(found.into_iter().map(|(account,)| AccountId(account.cast_unsigned())).collect())
    }

    /// Symbols of the instruments with the lowest numbers, at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn first_symbols(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        let mut look = self.snapshot().await?;
        let query = Sql::new("SELECT symbol FROM instruments ORDER BY instrument LIMIT $1").bind(i64::from(limit));
        let found: Vec<(String,)> = look.connection().load(query).await?;
        Ok(found.into_iter().map(|(symbol,)| symbol).collect())
    }

    /// A consistent look at the rows.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot().await
    }
}
