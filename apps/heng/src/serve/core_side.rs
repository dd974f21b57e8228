//! The core role of a process, with the simulated market that trades on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heng_core::{Core, CorePort, Layout, RecordSource, Replica, ReplicaPort};
use heng_journal::Storage;
use heng_model::Seq;
use tokio::sync::watch;

use crate::at_rest::AtRest;
use crate::up::begin::{self, Found, WorldAsk};
use crate::up::clock::MarketClock;
use crate::up::flow::LiveFlow;
use crate::up::market_day::MarketDay;

/// Clients that the background flow leaves alone, at most; and at most half of all.
pub(crate) const DEMO_CLIENTS: u32 = 20;
/// Commands before the start whose checks are explained again: more than whoever keeps explanations can lag behind.
const EXPLAINED_AGAIN: u64 = 100_000;
/// How long the market may take until it trades.
const LIVE_MAX: Duration = Duration::from_secs(120);

/// Tells how far the slowest view lags; the background flow waits for it, clients never.
pub(crate) type Lag = Box<dyn Fn() -> Duration + Send>;

/// A running core.
pub(crate) struct CoreSide {
    pub(crate) core: Core,
    pub(crate) port: CorePort,
    pub(crate) clock: Arc<MarketClock>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
    pub(crate) demo_clients: u32,
    data: PathBuf,
    storage: Arc<dyn Storage>,
    replica: Replica,
    seed: u64,
    driver: Option<JoinHandle<anyhow::Result<()>>>,
    live: Option<Receiver<()>>,
}

impl CoreSide {
    /// Recovers the core in `data`, or begins a new world.
    pub(crate) fn open(
        data: &Path,
        at_rest: &AtRest,
        ask: &WorldAsk,
        demo_clients: Option<u32>,
    ) -> anyhow::Result<Self> {
        let (storage, clock) = (at_rest.storage(), Arc::new(MarketClock::new()));
        let core = begin::start_core(data, &storage, &clock)?;
        let port = core.port();
        let mut notes = core.warnings().to_vec();
        let found = Found::look(&port)?;
        notes.extend(begin::begin(ask, &port, &found)?);
        let accounts = port.inspect(|state| state.ledger().accounts().len())?;
        let half = u32::try_from(accounts / 2).unwrap_or(DEMO_CLIENTS);
        let demo_clients = demo_clients.unwrap_or(DEMO_CLIENTS).min(half);
        let seed = ask.seed.unwrap_or(1);
        let explain_after = Seq(port.published().durable().0.saturating_sub(EXPLAINED_AGAIN));
        let replica = Replica::start(&port, begin::replica_options(data, &storage, explain_after));
        let data = data.to_owned();
        Ok(Self { core, port, clock, notes, demo_clients, data, storage, replica, seed, driver: None, live: None })
    }

    /// The record, as every view reads it.
    pub(crate) fn source(&self) -> RecordSource {
        RecordSource::new(Arc::clone(&self.storage), &Layout::new(&self.data), self.port.clone())
    }

    /// Answers questions about the present state.
    pub(crate) fn queries(&self) -> ReplicaPort {
        self.replica.port()
    }

    /// Begins to trade: `rate` orders a second of the background flow. However the market ends, the process ends too.
    pub(crate) fn trade(&mut self, rate: u32, lag: Lag, stop: &watch::Sender<bool>) -> anyhow::Result<()> {
        let (told, live) = channel();
        let began = self.port.published().durable().0;
        let day = MarketDay {
            flow: LiveFlow::new(self.port.clone(), self.seed, self.demo_clients, began),
            port: self.port.clone(),
            clock: Arc::clone(&self.clock),
            lag,
            rate,
            seed: self.seed,
        };
        let found = Found::look(&self.port)?;
        let (stopping, ends) = (stop.subscribe(), StopOnDrop(stop.clone()));
        let driver = std::thread::Builder::new().name("market".into()).spawn(move || {
            let _ends = ends;
            day.run(&found, &told, &stopping)
        })?;
        (self.driver, self.live) = (Some(driver), Some(live));
        Ok(())
    }

    /// Waits until the market trades.
    pub(crate) fn wait_live(&self) -> anyhow::Result<()> {
        let Some(live) = &self.live else { return Ok(()) };
        match live.recv_timeout(LIVE_MAX) {
            // A driver that has ended tells why when the side is closed.
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the market did not begin to trade within {} s", LIVE_MAX.as_secs())
            }
        }
    }

    /// Ends the market, and then the core, so that every answer given is kept.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        let driven = match self.driver {
            Some(driver) => driver.join().map_err(|_| anyhow::anyhow!("the market's thread panicked"))?,
            None => Ok(()),
        };
        self.replica.stop();
        self.core.stop().context("stop the core")?;
        driven
    }
}

/// Tells the process to stop when it is dropped.
struct StopOnDrop(watch::Sender<bool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
