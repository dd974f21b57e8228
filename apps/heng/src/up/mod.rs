//! `heng up`: a live simulated market with its doors, its view, and a dashboard.
//!
//! *Invariant:* what clients see has passed the gate; the background flow never makes the doors refuse clients.
//! *Invariant:* a data folder is used by one process at a time, and a start goes on where the last one ended, however
//! it ended.

mod begin;
mod clock;
mod demo;
mod flow;
mod log;
mod market_day;
mod pulse;
mod ready;
mod screen;
mod words;

use std::fs::File;
use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use heng_core::{Core, CorePort, Layout, Published as CorePublished, RecordSource};
use heng_journal::{OsStorage, Storage};
use heng_runtime::LatencySummary;
use heng_store::{Opened, StoreOptions};
use heng_trading::{DoorOptions, Doors, TradingView, ViewOptions, ViewStatus, routes};
use heng_transport::{Check, Health, Metrics, Server, ServerOptions};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::show::say;
use begin::Found;
use clock::MarketClock;
use flow::LiveFlow;
use market_day::MarketDay;
use pulse::PulseTaker;
pub use words::Lang;

/// Clients that the background flow leaves alone, at most; and at most half of all.
const DEMO_CLIENTS: u32 = 20;
/// How long the market may take until it trades.
const LIVE_MAX: Duration = Duration::from_secs(120);

/// Attempts of a parked view until a start is given up.
const START_ATTEMPTS_MAX: u32 = 4;

/// A live simulated market: HTTP door, SQL view, background flow, and a dashboard in the terminal.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// No dashboard, also in a terminal
    #[arg(long)]
    pub headless: bool,
    /// Keep the market in this folder; a market that is there goes on
    #[arg(long, default_value = ".heng/up")]
    pub data: PathBuf,
    /// Write {"http": address} to this file as soon as clients can trade
    #[arg(long, value_name = "F")]
    pub ready_file: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 = any free one
    #[arg(long, value_name = "N", default_value_t = 8600)]
    pub http_port: u16,
    /// Client accounts of a new market [default: 2000]
    #[arg(long, value_name = "N")]
    pub clients: Option<u32>,
    /// Instruments of a new market [default: 100]
    #[arg(long, value_name = "N")]
    pub instruments: Option<u32>,
    /// Seed of a new market [default: 1]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Rule files to use instead of those built in
    #[arg(long, value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Activate the rule files from the next date on, if they are not the active ones
    #[arg(long)]
    pub activate_rules: bool,
    /// Orders of the background flow in a second; 0 = none
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=5_000))]
    pub flow: u32,
    /// Trade dates whose orders, parents and fills the SQL view keeps, the open one included
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub keep_days: u32,
    /// Language of the dashboard
    #[arg(long, default_value = "en")]
    pub lang: Lang,
}

#[cfg(test)]
impl UpArgs {
    /// A new market in `data`, without anything to see.
    fn for_tests(data: &Path) -> Self {
        Self {
            headless: true,
            data: data.to_owned(),
            ready_file: None,
            http_port: 0,
            clients: None,
            instruments: None,
            seed: None,
            rules: None,
            activate_rules: false,
            flow: 0,
            keep_days: 5,
            lang: Lang::En,
        }
    }
}

/// Runs `heng up` until it is told to stop.
///
/// # Errors
/// If the data folder, the port or the market cannot be used.
pub fn run(args: &UpArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("create the data folder {}", args.data.display()))?;
    let _lock = lock(&args.data)?;
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let dashboard = !args.headless && std::io::stdout().is_terminal();
    log::start(&args.data, !dashboard)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = stop_signals(&runtime)?;
    let (metrics, health) = (Arc::new(Metrics::default()), Health::default());
    let server = ServerOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, args.http_port)));
    let server = runtime.block_on(Server::bind(server, Arc::clone(&metrics), health.clone()))?;
    let market = Market::open(args, &runtime, &stop)?;
    let address = format!("http://{}", server.address());
    market.watch(&metrics, &health);
    let serving = market.serve(&runtime, server, &metrics, &health, &stop);
    let result = market.wait_live(&runtime).and_then(|()| market.present(args, &address, dashboard, &stop));
    stop.send_replace(true);
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    market.close(&runtime, serving, result)
}

/// One process per data folder.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!("another process uses the data folder {}; choose another with --data", data.display());
    }
    Ok(file)
}

/// SIGINT and SIGTERM turn the returned value true.
fn stop_signals(runtime: &Runtime) -> anyhow::Result<watch::Sender<bool>> {
    let stop = watch::Sender::new(false);
    let told = stop.clone();
    let _inside = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    runtime.spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        told.send_replace(true);
    });
    Ok(stop)
}

/// Turns ready when the process is told to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the process.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Tells the process to stop when it is dropped.
struct StopOnDrop(watch::Sender<bool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// The running parts.
struct Market {
    core: Core,
    port: CorePort,
    view: Arc<ViewStatus>,
    reader: heng_trading::ViewReader,
    following: tokio::task::JoinHandle<()>,
    driver: JoinHandle<anyhow::Result<()>>,
    live: std::sync::mpsc::Receiver<()>,
    notes: Vec<String>,
}

impl Market {
    fn open(args: &UpArgs, runtime: &Runtime, stop: &watch::Sender<bool>) -> anyhow::Result<Self> {
        let (storage, clock) = (OsStorage::shared(), Arc::new(MarketClock::new()));
        let core = begin::start_core(&args.data, &storage, &clock)?;
        let port = core.port();
        let mut notes = core.warnings().to_vec();
        let found = Found::look(&port)?;
        notes.extend(begin::begin(args, &port, &found)?);
        let found = Found::look(&port)?;
        let view = runtime.block_on(open_view(args, &port, &mut notes))?;
        let (status, reader) = (view.status(), view.reader());
        let source = Arc::new(record(&args.data, storage, port.clone()));
        let following = runtime.spawn(view.follow(source, stop.subscribe()));
        let (told, live) = channel();
        let began = port.published().durable().0;
        let demo_rows = demo_rows(&port)?;
        let day = MarketDay {
            flow: LiveFlow::new(port.clone(), args.seed.unwrap_or(1), demo_rows, began),
            port: port.clone(),
            clock,
            view: Arc::clone(&status),
            rate: args.flow,
            seed: args.seed.unwrap_or(1),
        };
        let (stopping, ends) = (stop.subscribe(), StopOnDrop(stop.clone()));
        let driver = std::thread::Builder::new().name("market".into()).spawn(move || {
            // However the market ends, the process ends with it.
            let _ends = ends;
            day.run(&found, &told, &stopping)
        })?;
        Ok(Self { core, port, view: status, reader, following, driver, live, notes })
    }

    fn watch(&self, metrics: &Metrics, health: &Health) {
        let port = self.port.clone();
        metrics.reading("heng_core_durable_sequence", "Last durable command.", &[], move || {
            port.published().durable().0 as f64
        });
        let help = "Time from one command to the next inside the core, since the start.";
        self.watch_latency(metrics, ("heng_core_command_seconds", help), CorePublished::core_latency);
        let help = "Time from submission to durable answer, since the start.";
        self.watch_latency(metrics, ("heng_core_ack_seconds", help), |published| published.ack_latency().summary());
        let port = self.port.clone();
        health.add("core", move || match port.refusal() {
            None => Check { well: true, detail: format!("command {} is durable", port.published().durable()) },
            Some(code) => Check { well: false, detail: code.english().to_owned() },
        });
    }

    fn watch_latency(
        &self,
        metrics: &Metrics,
        (name, help): (&'static str, &'static str),
        read: fn(&CorePublished) -> LatencySummary,
    ) {
        for (number, quantile) in ["0.5", "0.99", "0.999"].into_iter().enumerate() {
            let port = self.port.clone();
            metrics.reading(name, help, &[("quantile", quantile)], move || {
                let LatencySummary { p50, p99, p999, .. } = read(port.published());
                [p50, p99, p999][number] / 1e6
            });
        }
    }

    fn serve(
        &self,
        runtime: &Runtime,
        server: Server,
        metrics: &Arc<Metrics>,
        health: &Health,
        stop: &watch::Sender<bool>,
    ) -> tokio::task::JoinHandle<Result<(), heng_transport::TransportError>> {
        let doors =
            Doors { port: Arc::new(self.port.clone()), view: self.reader.clone(), options: DoorOptions::default() };
        let routes = routes(doors, metrics, health);
        runtime.spawn(server.serve(routes, stopped(stop.subscribe())))
    }

    /// Waits until the market trades and the view shows it.
    fn wait_live(&self, runtime: &Runtime) -> anyhow::Result<()> {
        match self.live.recv_timeout(LIVE_MAX) {
            Ok(()) => {}
            // The driver has ended; closing tells why.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the market did not begin to trade within {} s", LIVE_MAX.as_secs())
            }
        }
        let head = self.port.published().durable().0;
        while !runtime.block_on(self.view.wait_for(head, Duration::from_secs(1))) {
            if let Some(parked) = self.view.parked().filter(|parked| parked.attempts >= START_ATTEMPTS_MAX) {
                bail!("the view is {}; {}", parked.english(), parked.chinese());
            }
        }
        Ok(())
    }

    /// Tells that the market is ready, and shows it until the end.
    fn present(&self, args: &UpArgs, address: &str, dashboard: bool, stop: &watch::Sender<bool>) -> anyhow::Result<()> {
        if *stop.borrow() {
            return Ok(());
        }
        let try_it = demo::curl(&self.port, address)?;
        if let Some(file) = &args.ready_file {
            ready::write(file, address)?;
        }
        if dashboard {
            let face = screen::Face { lang: args.lang, address: address.to_owned(), try_it, notes: self.notes.clone() };
            let taker = PulseTaker::new(self.port.clone(), Arc::clone(&self.view));
            return screen::show(&face, taker, &stop.subscribe());
        }
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        let told = say(&format!("{notes}ready: {address}\nfirst order:\n  {}\n", try_it.concat()));
        // Clients trade already; that nobody can read this is no reason to stop.
        if let Err(error) = told {
            tracing::warn!(%error, "tell that the market is ready");
        }
        let mut stop = stop.subscribe();
        while !*stop.borrow_and_update() {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Doors first, then the market, the view, and the core last, so that every answer given is kept.
    fn close(
        self,
        runtime: &Runtime,
        serving: tokio::task::JoinHandle<Result<(), heng_transport::TransportError>>,
        result: anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let drained = runtime.block_on(serving).context("the door's task ended")?;
        if let Err(error) = drained {
            eprintln!("warning: {error}");
        }
        let driven = self.driver.join().map_err(|_| anyhow::anyhow!("the market's thread panicked"))?;
        runtime.block_on(self.following).context("the view's task ended")?;
        self.core.stop()?;
        driven.and(result)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn record(data: &Path, storage: Arc<dyn Storage>, port: CorePort) -> RecordSource {
    RecordSource::new(storage, &Layout::new(data), port)
}

/// Accounts up to this row are left alone by the background flow.
fn demo_rows(port: &CorePort) -> anyhow::Result<u32> {
    let accounts = port.inspect(|state| state.ledger().accounts().len())?;
    Ok(DEMO_CLIENTS.min(u32::try_from(accounts / 2).unwrap_or(DEMO_CLIENTS)))
}

/// Opens the view; one that is ahead of the journal belongs to another one and is made again.
async fn open_view(args: &UpArgs, port: &CorePort, notes: &mut Vec<String>) -> anyhow::Result<TradingView> {
    let path = Layout::new(&args.data).derived.join("trading.db");
    let file = StoreOptions::at(path.clone());
    let options = ViewOptions { keep_days: args.keep_days, ..ViewOptions::default() };
    let (view, opened) = TradingView::open(&file, options).await.with_context(|| {
        format!("open {}; it is derived from the event log: delete it, and it is made again", path.display())
    })?;
    if let Opened::Outdated(version) = opened {
        notes.push(format!("the view's tables were of version {version} and are made again"));
    }
    let head = port.published().durable().0;
    if view.position().as_of() <= head {
        return Ok(view);
    }
    notes.push(format!(
        "the view stood at command {}, beyond the journal's {head}: it is made again",
        view.position().as_of()
    ));
    drop(view);
    Ok(TradingView::rebuild(&file, options).await?)
}
