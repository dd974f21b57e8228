//! How the view is doing, for doors, health, metrics and those who watch.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use heng_model::{Price, Qty, UnixNanos};
use heng_ports::EventBlock;
use heng_store::Position;
use tokio::sync::{broadcast, watch};

use crate::lag::Lag;
use crate::shapes::instant_s;

/// Trades that are remembered for those who watch.
const RECENT_MAX: usize = 32;
/// Pieces of the record that are kept for those who stream.
const BLOCKS_MAX: usize = 64;

/// Where, since when and why a view stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The event that it cannot take.
    pub at: Position,
    /// Name of the event.
    pub event: String,
    /// Why not.
    pub reason: String,
    /// The same in Chinese.
    pub reason_zh: String,
    /// When it parked there, by the machine's clock.
    pub since: UnixNanos,
    /// Attempts at this event that failed.
    pub attempts: u32,
}

impl Parked {
    /// All of it in one English sentence.
    #[must_use]
    pub fn english(&self) -> String {
        let Self { at, event, reason, attempts, .. } = self;
        let (since, at) = (instant_s(self.since), format!("{}.{}", at.sequence, at.index));
        format!("parked since {since} at event {at} ({event}), attempt {attempts}, will try again: {reason}")
    }

    /// The same in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        let Self { at, event, reason_zh, attempts, .. } = self;
        let (since, at) = (instant_s(self.since), format!("{}.{}", at.sequence, at.index));
        format!("自 {since} 起停在事件 {at}（{event}），已试 {attempts} 次，将自动重试：{reason_zh}")
    }
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

/// How the view is doing; shared with doors, health and metrics.
#[derive(Debug)]
pub struct ViewStatus {
    applied: watch::Sender<u64>,
    events: AtomicU64,
    trades_today: AtomicU64,
    orders: AtomicU64,
    lag: Mutex<Lag>,
    trouble: Mutex<Trouble>,
    trades: Mutex<VecDeque<RecentTrade>>,
    blocks: broadcast::Sender<Arc<EventBlock>>,
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
            trades_today: AtomicU64::new(0),
            orders: AtomicU64::new(0),
            lag: Mutex::default(),
            trouble: Mutex::default(),
            trades: Mutex::default(),
            blocks: broadcast::Sender::new(BLOCKS_MAX),
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

    /// Orders taken since the start, refused ones included.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    pub(crate) fn count_orders(&self, orders: usize) {
        self.orders.fetch_add(orders as u64, Ordering::Relaxed);
    }

    /// Trades of the trade date that is open, or was last.
    #[must_use]
    pub fn trades_today(&self) -> u64 {
        self.trades_today.load(Ordering::Relaxed)
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

    /// Hands a piece of the record that is in the rows to those who stream; whoever is slow finds it in the record.
    pub(crate) fn publish(&self, block: EventBlock) {
        if self.blocks.receiver_count() > 0 {
            // Whoever listened may just have left.
            let _ = self.blocks.send(Arc::new(block));
        }
    }

    /// Pieces of the record from now on, when they are in the rows.
    pub(crate) fn blocks(&self) -> broadcast::Receiver<Arc<EventBlock>> {
        self.blocks.subscribe()
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

    pub(crate) fn took(&self, position: Position, events: usize) {
        // Whatever is taken stands behind the event that could not be: the view goes on.
        let parked = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked.take();
        if let Some(parked) = parked {
            tracing::warn!(
                sequence = parked.at.sequence,
                index = parked.at.index,
                "go on, the trading view was parked"
            );
        }
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).took(position.as_of());
        self.applied.send_replace(position.as_of());
    }

    fn set_feed_trouble(&self, trouble: Option<String>) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).feed = trouble;
    }

    /// Parks, or counts one more attempt at the event where the view is parked already.
    pub(crate) fn park(&self, mut parked: Parked) -> Parked {
        let place = &mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner).parked;
        if let Some(before) = place.as_ref().filter(|before| before.at == parked.at) {
            parked.since = before.since;
            parked.attempts = before.attempts.saturating_add(1);
        }
        *place = Some(parked.clone());
        parked
    }

    /// Remembers trades for those who watch, and how many the trade date has.
    pub(crate) fn remember(&self, trades: impl Iterator<Item = RecentTrade>, today: i64) {
        self.trades_today.store(today.cast_unsigned(), Ordering::Relaxed);
        let mut recent = self.trades.lock().unwrap_or_else(PoisonError::into_inner);
        trades.for_each(|trade| recent.push_front(trade));
        recent.truncate(RECENT_MAX);
    }

    pub(crate) fn feed_failed(&self, error: &heng_ports::FeedError) {
        tracing::warn!(%error, "read the record");
        self.set_feed_trouble(Some(error.to_string()));
    }

    pub(crate) fn feed_works(&self) {
        self.set_feed_trouble(None);
    }
}
