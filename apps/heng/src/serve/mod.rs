//! `heng serve`: roles of the broker in this process.
//!
//! *Invariant:* the same code serves `heng up`; roles that run apart meet only through the ports of the core.
//! *Invariant:* doors close first, then views, and the core last, so that every answer given is kept.

pub mod config;
mod console;
pub(crate) mod core_side;
pub(crate) mod demo;
pub(crate) mod doors;
pub(crate) mod face;
mod fix_door;
mod fix_proof;
pub mod identity_config;
mod keys_api;
mod log_files;
mod log_line;
pub(crate) mod logs;
pub mod oidc_config;
pub(crate) mod papers;
pub(crate) mod process;
pub(crate) mod ready;
pub mod roles;
pub(crate) mod secret_source;
mod syslog;
mod system;
pub mod venue_tls;
mod venues;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use heng_core::{CoreServer, LinkTrouble, RemoteCore, RemoteOptions, Served};
use heng_model::UnixNanos;
use heng_ports::CoreWatch as _;
use heng_runtime::Clock as _;
use heng_security::tls::LinkPapers;
use heng_transport::LinkListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::at_rest::AtRest;
use crate::show::say;
use crate::up::begin::WorldAsk;
use config::Config;
use core_side::CoreSide;
use doors::{DoorsAsk, DoorsSide, MarketTime};
use face::CoreFace;
use roles::{Role, Roles};

/// How long doors wait for the core when they start.
const CORE_MAX: Duration = Duration::from_secs(60);

/// What to do where two roles do not trust each other.
const PAPERS: &str = "Both sides must use the same papers: start both with the same --papers DIR (on two machines copy \
the folder of the core, which makes it, over a safe way), or name certificates of one authority under [tls] in both \
configuration files, with core.name as the name in the core's";

/// Some or all roles of the broker, as a configuration file tells.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Roles of this process: all, core, or trading,marketdata,identity,compliance
    #[arg(long, default_value = "all")]
    pub role: Roles,
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of this process
    #[arg(long, default_value = ".heng/serve")]
    pub data: PathBuf,
    /// Write the addresses to this file as soon as everything is ready
    #[arg(long, value_name = "F")]
    pub ready_file: Option<PathBuf>,
    /// Port of the HTTP door, instead of the configured one; 0 = any free one
    #[arg(long, value_name = "N")]
    pub http_port: Option<u16>,
    /// Port of the FIX door, instead of the configured one; 0 = any free one
    #[arg(long, value_name = "N")]
    pub fix_port: Option<u16>,
    /// Clients with accounts to sign in with, made afresh [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub demo_clients: Option<u32>,
    /// Port at which the core role listens for other roles, instead of the configured one; 0 = any free one
    #[arg(long, value_name = "N")]
    pub core_port: Option<u16>,
    /// Address of the core, instead of the configured one
    #[arg(long, value_name = "ADDR")]
    pub core_url: Option<SocketAddr>,
    /// Folder of the certificates between roles where none are configured [default: `tls` in the data folder]
    #[arg(long, value_name = "DIR")]
    pub papers: Option<PathBuf>,
}

fn configured(args: &ServeArgs) -> anyhow::Result<Config> {
    let mut config = Config::read_or_default(args.config.as_deref())?;
    if let Some(port) = args.http_port {
        config.http.address.set_port(port);
    }
    if let Some(port) = args.fix_port {
        config.fix.address.set_port(port);
    }
    if let Some(port) = args.core_port {
        config.core.listen = Some(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)));
    }
    config.core.url = args.core_url.or(config.core.url);
    Ok(config)
}

/// Runs `heng serve` until it is told to stop.
///
/// # Errors
/// If the data folder, a port, the core or a certificate cannot be used.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = configured(args)?;
    std::fs::create_dir_all(&args.data).with_context(|| format!("create the data folder {}", args.data.display()))?;
    let _lock = process::lock(&args.data)?;
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let lines = logs::start(&args.data, true, &config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = process::stop_signals(&runtime)?;
    let papers = papers_of(args, &config)?;
    let at_rest = AtRest::open(&args.data, config.keys.url.as_deref())?;
    let mut core = if args.role.has(Role::Core) { Some(open_core(args, &config, &at_rest)?) } else { None };
    let listening = core.as_ref().map(|core| listen(core, &config, &papers, &runtime, &stop)).transpose()?.flatten();
    let doors = if args.role.has_doors() {
        let (face, time) = face_of(core.as_ref(), &config, &papers, &runtime, &stop)?;
        let ask = DoorsAsk {
            data: args.data.clone(),
            at_rest,
            config: &config,
            keep_days: 5,
            face,
            roles: args.role.clone(),
            lines,
            stop: &stop,
            demo_clients: args.demo_clients,
            past: None,
            demo_witnesses: false,
        };
        Some((DoorsSide::open(ask, &runtime)?, time))
    } else {
        None
    };
    let result = serve(args, &config, &runtime, &stop, &mut core, doors, listening);
    stop.send_replace(true);
    if let Some(file) = &args.ready_file {
        ready::clear(file)?;
    }
    let closed = core.map_or(Ok(()), CoreSide::close);
    result.and(closed).map(|()| ExitCode::SUCCESS)
}

fn papers_of(args: &ServeArgs, config: &Config) -> anyhow::Result<LinkPapers> {
    match &config.tls {
        Some(tls) => Ok(tls.papers()),
        None => papers::of(&args.papers.clone().unwrap_or_else(|| args.data.join("tls")), &args.role),
    }
}

fn open_core(args: &ServeArgs, config: &Config, at_rest: &AtRest) -> anyhow::Result<CoreSide> {
    let market = &config.market;
    let ask = WorldAsk {
        clients: Some(market.clients),
        instruments: Some(market.instruments),
        seed: Some(market.seed),
        ..WorldAsk::default()
    };
    CoreSide::open(&args.data, at_rest, &ask, args.demo_clients)
}

/// Opens the core's port for other roles, if one is configured.
fn listen(
    core: &CoreSide,
    config: &Config,
    papers: &LinkPapers,
    runtime: &Runtime,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = config.core.listen else { return Ok(None) };
    let tls = papers.server(&papers::callers_of(Role::Core))?;
    let listener = runtime.block_on(LinkListener::bind(address, tls));
    let listener = listener.with_context(|| format!("listen for other roles on {address}"))?;
    let bound = listener.address()?;
    let queries = core.queries();
    let served = Served {
        port: Arc::new(core.port.clone()),
        source: Arc::new(core.source()),
        watch: Arc::new(core.port.clone()),
        answers: Arc::new(move |question| heng_core::answer_bytes(&queries, &question)),
    };
    runtime.spawn(CoreServer::new(listener, served).run(stop.subscribe()));
    Ok(Some(bound))
}

fn face_of(
    core: Option<&CoreSide>,
    config: &Config,
    papers: &LinkPapers,
    runtime: &Runtime,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<(CoreFace, MarketTime)> {
    if let Some(core) = core {
        let clock = Arc::clone(&core.clock);
        return Ok((
            CoreFace::near(&core.port, core.source(), core.queries()),
            Box::new(move || UnixNanos(clock.now())),
        ));
    }
    let Some(address) = config.core.url else {
        bail!("doors without the core role need to know where the core is: core.url in the file, or --core-url")
    };
    let name = config.core.name.clone().unwrap_or_else(|| papers::ROLE_NAME.into());
    let tls = papers.client(&[papers::spiffe_id(Role::Core)])?;
    let core = RemoteCore::begin(RemoteOptions { address, name, tls }, runtime.handle());
    let began = Instant::now();
    while core.status().is_none() {
        if *stop.borrow() {
            bail!("stopped before the core was reached");
        }
        let trouble = core.trouble();
        if let Some(LinkTrouble { reason, distrust: true }) = &trouble {
            bail!("the core at {address} and this process do not trust each other's certificates ({reason}). {PAPERS}");
        }
        if began.elapsed() > CORE_MAX {
            let why = trouble.map(|trouble| format!(": {}", trouble.reason)).unwrap_or_default();
            bail!("the core at {address} did not answer within {} s{why}", CORE_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((CoreFace::far(&core), Box::new(|| UnixNanos(heng_runtime::SystemClock.now()))))
}

fn serve(
    args: &ServeArgs,
    config: &Config,
    runtime: &Runtime,
    stop: &watch::Sender<bool>,
    core: &mut Option<CoreSide>,
    doors: Option<(DoorsSide, MarketTime)>,
    listening: Option<SocketAddr>,
) -> anyhow::Result<()> {
    let mut notes = Vec::new();
    if let Some(core) = core {
        notes.append(&mut core.notes);
        if config.market.simulate {
            let view = doors.as_ref().map(|(doors, _)| Arc::clone(&doors.view));
            let lag = move || view.as_ref().map_or(Duration::ZERO, |view| view.lag());
            core.trade(config.market.flow, Box::new(lag), stop)?;
            core.wait_live()?;
        }
    }
    let mut told = serde_json::Map::new();
    if let Some(address) = listening {
        told.insert("core".into(), address.to_string().into());
        notes.push(format!("core: {address}"));
    }
    let open = match doors {
        Some((mut doors, time)) => {
            doors.wait_current(runtime)?;
            doors.furnish(runtime)?;
            notes.append(&mut doors.notes);
            told.append(&mut doors.told);
            notes.push(format!("ready: {}", doors.address()));
            Some(doors.serve(runtime, time)?)
        }
        None => None,
    };
    let shown = present(args.ready_file.as_deref(), told, &notes, stop);
    stop.send_replace(true);
    open.map_or(Ok(()), |open| open.close(runtime)).and(shown)
}

/// Tells that everything is ready, and waits for the end.
fn present(
    ready_file: Option<&Path>,
    told: serde_json::Map<String, serde_json::Value>,
    notes: &[String],
    stop: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    if let Some(file) = ready_file {
        ready::write(file, &told.into())?;
    }
    let text: String = notes.iter().map(|note| format!("{note}\n")).collect();
    // Clients are served already; that nobody can read this is no reason to stop.
    if let Err(error) = say(&text) {
        tracing::warn!(%error, "tell that everything is ready");
    }
    process::wait_for_stop(stop);
    Ok(())
}
