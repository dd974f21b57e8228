//! `heng up`: a live simulated market with its doors, its view, and a dashboard.
//!
//! *Invariant:* what clients see has passed the gate; the background flow never makes the doors refuse clients.
//! *Invariant:* a data folder is used by one process at a time, and a start goes on where the last one ended, however
//! it ended.

pub(crate) mod begin;
pub(crate) mod clock;
mod demo;
pub(crate) mod flow;
pub(crate) mod market_day;
mod past;
mod pulse;
mod screen;
mod words;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use heng_marketdata::Past;
use heng_model::UnixNanos;
use heng_rulebook::Rulebook;
use heng_runtime::Clock as _;
use heng_trading::ViewStatus;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::at_rest::AtRest;
use crate::serve::config::{Config, MarketConfig};
use crate::serve::core_side::CoreSide;
use crate::serve::doors::{DoorsAsk, DoorsSide};
use crate::serve::face::CoreFace;
use crate::serve::roles::Roles;
use crate::serve::{logs, process, ready};
use crate::show::say;
use begin::WorldAsk;
use past::DemoPast;
use pulse::PulseTaker;
pub use words::Lang;

/// How long a start waits for the past of its charts; beyond it they fill a little later.
const PAST_MAX: Duration = Duration::from_secs(2);

/// A live simulated market: HTTP door, SQL view, background flow, and a dashboard in the terminal.
#[derive(Args, Debug)]
pub struct UpArgs {
    /// No dashboard, also in a terminal
    #[arg(long)]
    pub headless: bool,
    /// Keep the market in this folder; a market that is there goes on
    #[arg(long, default_value = ".heng/up")]
    pub data: PathBuf,
    /// Write addresses, demo accounts and keys to this file as soon as clients can trade
    #[arg(long, value_name = "F")]
    pub ready_file: Option<PathBuf>,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Port of the HTTP door; 0 = any free one [default: 8600]
    #[arg(long, value_name = "N")]
    pub http_port: Option<u16>,
    /// Port of the FIX door; 0 = any free one [default: 8610]
    #[arg(long, value_name = "N")]
    pub fix_port: Option<u16>,
    /// Clients with accounts to sign in with, whom the background flow leaves alone [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub demo_clients: Option<u32>,
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
    /// Orders of the background flow in a second; 0 = none [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=5_000))]
    pub flow: Option<u32>,
    /// Trade dates whose orders, parents and fills the SQL view keeps, the open one included
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub keep_days: u32,
    /// Language of the dashboard
    #[arg(long, default_value = "en")]
    pub lang: Lang,
}

/// Runs `heng up` until it is told to stop.
///
/// # Errors
/// If the data folder, the port or the market cannot be used.
pub fn run(args: &UpArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::read_or_default(args.config.as_deref())?;
    if let Some(port) = args.http_port {
        config.http.address.set_port(port);
    }
    if let Some(port) = args.fix_port {
        config.fix.address.set_port(port);
    }
    std::fs::create_dir_all(&args.data).with_context(|| format!("create the data folder {}", args.data.display()))?;
    let _lock = process::lock(&args.data)?;
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let dashboard = !args.headless && std::io::stdout().is_terminal();
    let lines = logs::start(&args.data, !dashboard, &config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = process::stop_signals(&runtime)?;
    let at_rest = AtRest::open(&args.data, config.keys.url.as_deref())?;
    let mut core = CoreSide::open(&args.data, &at_rest, &args.world(&config), args.demo_clients)?;
    let result = (|| {
        let past = past_of(&core, &config, &stop)?;
        let ask = DoorsAsk {
            data: args.data.clone(),
            at_rest: at_rest.clone(),
            config: &config,
            keep_days: args.keep_days,
            face: CoreFace::near(&core.port, core.source(), core.queries()),
            roles: Roles::all(),
            lines,
            stop: &stop,
            demo_clients: Some(core.demo_clients),
            past: past.clone().map(|past| past as Arc<dyn Past>),
            demo_witnesses: !config.production && config.evidence.witnesses.is_empty(),
        };
        let doors = DoorsSide::open(ask, &runtime)?;
        let view = Arc::clone(&doors.view);
        let lag = move || view.lag();
        core.trade(args.flow.unwrap_or(config.market.flow), Box::new(lag), &stop)?;
        core.wait_live()?;
        if let Some(past) = past {
            past.wait(PAST_MAX);
        }
        present(args, &runtime, &mut core, doors, dashboard, &stop)
    })();
    stop.send_replace(true);
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let closed = core.close();
    result.and(closed).map(|()| ExitCode::SUCCESS)
}

/// What the charts of the simulated market show of the days before it began; never where own money is at stake.
fn past_of(core: &CoreSide, config: &Config, stop: &watch::Sender<bool>) -> anyhow::Result<Option<Arc<DemoPast>>> {
    if config.production {
        return Ok(None);
    }
    let found = begin::Found::look(&core.port)?;
    let rules = Rulebook::from_bundle(found.rules()?);
    let rules = rules.map_err(|_| anyhow::anyhow!("the active rule files cannot be read"))?;
    Ok(Some(DemoPast::begin(core.source(), rules, stop.subscribe())?))
}

/// Lets clients in once the market trades, and shows it until the end.
fn present(
    args: &UpArgs,
    runtime: &Runtime,
    core: &mut CoreSide,
    mut doors: DoorsSide,
    dashboard: bool,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    let address = doors.address();
    doors.wait_current(runtime)?;
    doors.furnish(runtime)?;
    let mut notes = std::mem::take(&mut core.notes);
    notes.append(&mut doors.notes);
    let (told, token) = (std::mem::take(&mut doors.told), doors.client_token.take().unwrap_or_default());
    let clock = Arc::clone(&core.clock);
    let open = doors.serve(runtime, Box::new(move || UnixNanos(clock.now())))?;
    let face = Shown { address, notes, told, token, dashboard };
    let shown = show(args, core, &open.view, face, stop);
    stop.send_replace(true);
    open.close(runtime).and(shown)
}

/// What is told to people and programs.
struct Shown {
    address: String,
    notes: Vec<String>,
    told: serde_json::Map<String, serde_json::Value>,
    token: String,
    dashboard: bool,
}

fn show(
    args: &UpArgs,
    core: &CoreSide,
    view: &Arc<ViewStatus>,
    shown: Shown,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    let Shown { address, notes, told, token, dashboard } = shown;
    if *stop.borrow() {
        return Ok(());
    }
    let try_it = demo::curl(&core.port, &address, &token)?;
    if let Some(file) = &args.ready_file {
        ready::write(file, &told.into())?;
    }
    if dashboard {
        let face = screen::Face { lang: args.lang, address, try_it, notes };
        let taker = PulseTaker::new(core.port.clone(), Arc::clone(view));
        return screen::show(&face, taker, &stop.subscribe());
    }
    let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
    let told = say(&format!("{notes}ready: {address}\nfirst order:\n  {}\n", try_it.concat()));
    // Clients trade already; that nobody can read this is no reason to stop.
    if let Err(error) = told {
        tracing::warn!(%error, "tell that the market is ready");
    }
    process::wait_for_stop(stop);
    Ok(())
}

impl UpArgs {
    fn world(&self, config: &Config) -> WorldAsk {
        let market = &config.market;
        let differs = |ours: u64, usual: u64| (ours != usual).then_some(ours);
        let usual = MarketConfig::default();
        let least = self.demo_clients.map_or(0, |demo| demo.saturating_mul(2));
        let clients = self.clients.or((market.clients != usual.clients).then_some(market.clients));
        WorldAsk {
            clients: clients.or((least > usual.clients).then_some(least)),
            instruments: self.instruments.or((market.instruments != usual.instruments).then_some(market.instruments)),
            seed: self.seed.or_else(|| differs(market.seed, usual.seed)),
            rules: self.rules.clone(),
            activate_rules: self.activate_rules,
        }
    }
}
