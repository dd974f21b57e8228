//! The service: the view's thread, its tables, and those who read them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use heng_ports::EventSource;
use heng_store::{DerivedStore, Opened, StoreError, StoreOptions};
use heng_transport::{Check, Health, Metrics};
use tokio::sync::watch;

use crate::flow::FlowThresholds;
use crate::past::Past;
use crate::places::Places;
use crate::push::{Publisher, PushLimits, Tape};
use crate::status::MarketStatus;
use crate::store::SCHEMA;
use crate::view::{Follower, watch_head};

/// Lag from which a person should look (design rule 10).
const ALARM_LAG: Duration = Duration::from_secs(1);

/// How the service works.
pub struct MarketOptions {
    /// The file of the tables.
    pub file: StoreOptions,
    /// Where the events come from.
    pub source: Arc<dyn EventSource>,
    /// What subscribers may take.
    pub push: PushLimits,
    /// What was before the record; only for demonstrations, never beside real data.
    pub past: Option<Arc<dyn Past>>,
    /// Steps of the fund flow.
    pub thresholds: FlowThresholds,
    /// Calendar days for which single trades are kept; bars of days stay.
    pub keep_trades_days: u32,
    /// Calendar days for which minutes are kept.
    pub keep_minutes_days: u32,
    /// How long a read waits for `min_sequence` at most.
    pub wait_max: Duration,
}

impl MarketOptions {
    /// The usual: trades of 14 days, minutes of 400, reads wait for 2 s.
    #[must_use]
    pub fn at(file: StoreOptions, source: Arc<dyn EventSource>) -> Self {
        Self {
            file,
            source,
            push: PushLimits::default(),
            past: None,
            thresholds: FlowThresholds::CUSTOMARY,
            keep_trades_days: 14,
            keep_minutes_days: 400,
            wait_max: Duration::from_secs(2),
        }
    }
}

/// What the push is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushCounts {
    /// Streams that are open: WebSocket and SSE together.
    pub streams: usize,
    /// How many of these are WebSockets.
    pub sockets: usize,
    /// Times that missed updates were replaced by snapshots, since the start.
    pub conflated: u64,
    /// Streams that were dropped, since the start.
    pub dropped: u64,
}

/// The market data service. Dropping it stops its thread.
pub struct MarketData {
    pub(crate) store: DerivedStore,
    pub(crate) status: Arc<MarketStatus>,
    pub(crate) tape: watch::Receiver<Arc<Tape>>,
    pub(crate) current: watch::Receiver<u64>,
    pub(crate) places: Arc<Places>,
    pub(crate) push: PushLimits,
    pub(crate) past: Option<Arc<dyn Past>>,
    pub(crate) thresholds: FlowThresholds,
    pub(crate) wait_max: Duration,
    pub(crate) source: Arc<dyn EventSource>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl MarketData {
    /// Opens the tables, or makes them, and starts to follow the record. Needs a tokio runtime with more than one
    /// thread, or one that goes on running, because the tables are written on it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open(options: MarketOptions) -> Result<(Arc<Self>, Opened), StoreError> {
        let (store, opened) = DerivedStore::open(&options.file, SCHEMA).await?;
        let status = Arc::new(MarketStatus::default());
        let publisher = Publisher::new();
        let (tape, current) = (publisher.tape(), publisher.current());
        let stop = Arc::new(AtomicBool::new(false));
        tokio::spawn(watch_head(Arc::clone(&options.source), Arc::clone(&status), Arc::clone(&stop)));
        let source = Arc::clone(&options.source);
        let follower = Follower {
            source: options.source,
            store: store.clone(),
            runtime: tokio::runtime::Handle::current(),
            status: Arc::clone(&status),
            publisher,
            thresholds: options.thresholds,
            keep_days: (options.keep_trades_days, options.keep_minutes_days),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new().name("market-view".into()).spawn(move || follower.run());
        let thread = thread.expect("the system can start a thread");
        let market = Self {
            store,
            status,
            tape,
            current,
            places: Arc::new(Places::default()),
            push: options.push,
            past: options.past,
            thresholds: options.thresholds,
            wait_max: options.wait_max,
            source,
            stop,
            thread: Mutex::new(Some(thread)),
        };
        Ok((Arc::new(market), opened))
    }

    /// How the view is doing.
    #[must_use]
    pub fn status(&self) -> Arc<MarketStatus> {
        Arc::clone(&self.status)
    }

    /// Waits until the books that are shown hold everything up to `sequence`; false if that takes longer than `wait_max`.
    /// Before, a subscriber is told of instruments that they do not exist.
    pub async fn wait_shown(&self, sequence: u64, wait_max: Duration) -> bool {
        let mut current = self.current.clone();
        let reached = current.wait_for(|current| *current >= sequence);
        matches!(tokio::time::timeout(wait_max, reached).await, Ok(Ok(_)))
    }

    /// What the push is doing.
    #[must_use]
    pub fn push_counts(&self) -> PushCounts {
        let places = &self.places;
        let (streams, sockets) = (places.open(), places.sockets());
        PushCounts { streams, sockets, conflated: places.conflated(), dropped: places.dropped() }
    }

    /// Stops following; everything that was taken is stored when this returns. Blocks for as long as a write takes, so
    /// call it outside of the runtime's own threads.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Closes the tables, for all that read and write them here.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Tells operators how it goes.
    pub fn watch(&self, metrics: &Metrics, health: &Health) {
        let view = [("view", "marketdata")];
        let read = Arc::clone(&self.status);
        let lag = move || read.lag().as_secs_f64();
        metrics.reading("heng_view_lag_seconds", "Age of the oldest command that is not in the view.", &view, lag);
        let read = Arc::clone(&self.status);
        let applied = move || read.applied() as f64;
        metrics.reading("heng_view_sequence", "Last command whose events are in the view.", &view, applied);
        let read = Arc::clone(&self.status);
        metrics.reading("heng_view_events", "Events taken since the start.", &view, move || read.events() as f64);
        let read = Arc::clone(&self.status);
        let parked = move || f64::from(u8::from(read.parked().is_some()));
        metrics.reading("heng_view_parked", "1 if the view stands still on an event.", &view, parked);
        let places = Arc::clone(&self.places);
        metrics.reading("heng_market_streams", "Market data streams that are open.", &[], move || places.open() as f64);
        let places = Arc::clone(&self.places);
        let conflated = move || places.conflated() as f64;
        metrics.reading("heng_market_conflated", "Times that updates were replaced by snapshots.", &[], conflated);
        let places = Arc::clone(&self.places);
        let dropped = move || places.dropped() as f64;
        metrics.reading("heng_market_dropped", "Market data streams that were dropped.", &[], dropped);
        let read = Arc::clone(&self.status);
        health.add("marketdata", move || check(&read));
    }
}

fn check(status: &MarketStatus) -> Check {
    if let Some(parked) = status.parked() {
        let at = format!("{}.{}", parked.at.sequence, parked.at.index);
        let detail = format!("parked at event {at} ({}), attempt {}: {}", parked.event, parked.attempts, parked.reason);
        return Check { well: false, detail };
    }
    if let Some(trouble) = status.trouble() {
        return Check { well: false, detail: trouble };
    }
    let lag = status.lag();
    Check { well: lag < ALARM_LAG, detail: format!("lag {} ms, at command {}", lag.as_millis(), status.applied()) }
}

impl Drop for MarketData {
    /// Tells the thread to stop and does not wait for it: this may run on a thread of the runtime that it needs.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
