//! The doors of a process: the services' views, their API, and the HTTP server in front of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heng_core::Layout;
use heng_model::{RejectCode, UnixNanos};
use heng_ports::{CoreStatus, CoreWatch, Gatekeeper, LatencyPoints};
use heng_store::{Opened, StoreOptions};
use heng_trading::{DoorOptions, Doors, TradingView, ViewOptions, ViewReader, ViewStatus};
use heng_transport::{Check, Health, Metrics, RateLimits, Server, ServerOptions, TlsFiles, TransportError};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::{Config, HttpConfig};
use super::console;
use super::face::CoreFace;
use super::logs::Lines;
use super::process::stopped;
use super::roles::Roles;
use super::system::{self, Counts, System, SystemParts};

/// Attempts of a parked view until a start is given up.
const START_ATTEMPTS_MAX: u32 = 4;

/// What the doors are opened with.
pub(crate) struct DoorsAsk<'a> {
    pub(crate) data: PathBuf,
    pub(crate) config: &'a Config,
    pub(crate) keep_days: u32,
    pub(crate) face: CoreFace,
    pub(crate) roles: Roles,
    pub(crate) lines: Lines,
    pub(crate) stop: &'a watch::Sender<bool>,
}

/// Running views, and the server that waits in front of them.
pub(crate) struct DoorsSide {
    /// What a person should know.
    pub(crate) notes: Vec<String>,
    pub(crate) view: Arc<ViewStatus>,
    face: CoreFace,
    reader: ViewReader,
    following: JoinHandle<()>,
    server: Server,
    metrics: Arc<Metrics>,
    health: Health,
    roles: Roles,
    lines: Lines,
    http: HttpConfig,
    stop: watch::Sender<bool>,
}

impl DoorsSide {
    /// Binds the door and opens the views; nobody is served yet.
    pub(crate) fn open(ask: DoorsAsk<'_>, runtime: &Runtime) -> anyhow::Result<Self> {
        let (metrics, health) = (Arc::new(Metrics::default()), Health::default());
        let http = &ask.config.http;
        let server = runtime.block_on(Server::bind(server_options(http), Arc::clone(&metrics), health.clone()))?;
        let server = if let Some(tls) = outside_tls(http)? { server.with_tls(tls) } else { server };
        let mut notes = Vec::new();
        let view = runtime.block_on(open_view(&ask, &mut notes))?;
        let (status, reader) = (view.status(), view.reader());
        let following = runtime.spawn(view.follow(Arc::clone(&ask.face.source), ask.stop.subscribe()));
        watch_core(&ask.face.watch, &metrics, &health);
        Ok(Self {
            notes,
            view: status,
            face: ask.face,
            reader,
            following,
            server,
            metrics,
            health,
            roles: ask.roles,
            lines: ask.lines,
            http: http.clone(),
            stop: ask.stop.clone(),
        })
    }

    /// The address that people type.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.http.tls_key.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.server.address())
    }

    /// Waits until the views show everything that is durable now.
    pub(crate) fn wait_current(&self, runtime: &Runtime) -> anyhow::Result<()> {
        let head = self.face.source.head().0;
        while !runtime.block_on(self.view.wait_for(head, Duration::from_secs(1))) {
            if let Some(parked) = self.view.parked().filter(|parked| parked.attempts >= START_ATTEMPTS_MAX) {
                bail!("the view is {}; {}", parked.english(), parked.chinese());
            }
            if *self.stop.borrow() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets clients in.
    pub(crate) fn serve(self, runtime: &Runtime, time: MarketTime) -> Open {
        let gatekeeper: Arc<dyn Gatekeeper> = Arc::new(super::open_gate::OpenGate);
        let limits = Arc::new(RateLimits::new(self.http.principal_per_s, self.http.stranger_per_s));
        let doors =
            Doors { port: Arc::clone(&self.face.port), view: self.reader.clone(), options: DoorOptions::default() };
        let trading = heng_trading::routes(doors, &self.metrics, &self.health);
        let system = System::new(SystemParts {
            watch: Arc::clone(&self.face.watch),
            health: self.health.clone(),
            lines: self.lines.clone(),
            roles: self.roles.clone(),
            counts: counts(&self.view),
            time,
            limits: limits_told(&self.http),
        });
        let api = system::api(Arc::clone(&system), gatekeeper, limits);
        system.publish(&api);
        runtime.spawn(tick(system, self.stop.subscribe()));
        let routes = api.router().merge(trading).merge(console::routes());
        let serving = runtime.spawn(self.server.serve(routes, stopped(self.stop.subscribe())));
        Open { view: self.view, following: self.following, serving }
    }
}

/// Doors that serve.
pub(crate) struct Open {
    pub(crate) view: Arc<ViewStatus>,
    following: JoinHandle<()>,
    serving: JoinHandle<Result<(), TransportError>>,
}

impl Open {
    /// Waits for the requests that run and for the views. The process must have been told to stop.
    pub(crate) fn close(self, runtime: &Runtime) -> anyhow::Result<()> {
        let drained = runtime.block_on(self.serving).context("the door's task ended")?;
        if let Err(error) = drained {
            eprintln!("warning: {error}");
        }
        runtime.block_on(self.following).context("the view's task ended")
    }
}

/// Tells the market's time.
pub(crate) type MarketTime = Box<dyn Fn() -> UnixNanos + Send + Sync>;

async fn tick(system: Arc<System>, mut stop: watch::Receiver<bool>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = seconds.tick() => system.tick(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn counts(view: &Arc<ViewStatus>) -> Box<dyn Fn() -> Counts + Send + Sync> {
    let view = Arc::clone(view);
    Box::new(move || Counts {
        trades: view.trades_today(),
        events: view.events(),
        lag: view.lag(),
        ..Counts::default()
    })
}

fn limits_told(http: &HttpConfig) -> Vec<(&'static str, String)> {
    let usual = server_options(http);
    vec![
        ("request body", format!("{} bytes", usual.body_max)),
        ("requests at once", usual.requests_max.to_string()),
        ("connections", usual.connections_max.to_string()),
        ("requests a second of one principal", http.principal_per_s.to_string()),
        ("requests a second of one address without credentials", http.stranger_per_s.to_string()),
        ("time of a request", format!("{} s", usual.request_max.as_secs())),
    ]
}

fn server_options(http: &HttpConfig) -> ServerOptions {
    ServerOptions {
        connections_max: http.connections_max,
        requests_max: http.requests_max,
        ..ServerOptions::at(http.address)
    }
}

fn outside_tls(http: &HttpConfig) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    let (Some(certificate), Some(key)) = (&http.tls_certificate, &http.tls_key) else { return Ok(None) };
    let files = TlsFiles { certificate: certificate.clone(), key: key.clone(), authorities: None };
    Ok(Some(heng_transport::server_config(&files, &["h2", "http/1.1"])?))
}

/// Opens the view; one that is ahead of the journal belongs to another one and is made again.
async fn open_view(ask: &DoorsAsk<'_>, notes: &mut Vec<String>) -> anyhow::Result<TradingView> {
    let path = Layout::new(&ask.data).derived.join("trading.db");
    let file = StoreOptions::at(path.clone());
    let options = ViewOptions { keep_days: ask.keep_days, ..ViewOptions::default() };
    let (view, opened) = TradingView::open(&file, options).await.with_context(|| {
        format!("open {}; it is derived from the event log: delete it, and it is made again", path.display())
    })?;
    if let Opened::Outdated(version) = opened {
        notes.push(format!("the view's tables were of version {version} and are made again"));
    }
    let (head, at) = (ask.face.source.head().0, view.position().as_of());
    if at <= head {
        return Ok(view);
    }
    notes.push(format!("the view stood at command {at}, beyond the journal's {head}: it is made again"));
    drop(view);
    Ok(TradingView::rebuild(&file, options).await?)
}

fn watch_core(core: &Arc<dyn CoreWatch>, metrics: &Metrics, health: &Health) {
    let watched = Arc::clone(core);
    metrics.reading("heng_core_durable_sequence", "Last durable command.", &[], move || {
        watched.status().map_or(0.0, |status| status.durable as f64)
    });
    let help = "Time from one command to the next inside the core, since the start.";
    watch_latency(core, metrics, ("heng_core_command_seconds", help), |status| status.core);
    let help = "Time from submission to durable answer, since the start.";
    watch_latency(core, metrics, ("heng_core_ack_seconds", help), |status| status.ack);
    let watched = Arc::clone(core);
    health.add("core", move || match watched.status() {
        None => Check { well: false, detail: "the core cannot be reached".into() },
        Some(CoreStatus { refusal: 0, durable, .. }) => {
            Check { well: true, detail: format!("command {durable} is durable") }
        }
        Some(status) => {
            let code = RejectCode::from_number(status.refusal).unwrap_or(RejectCode::Overloaded);
            Check { well: false, detail: code.english().to_owned() }
        }
    });
}

fn watch_latency(
    core: &Arc<dyn CoreWatch>,
    metrics: &Metrics,
    (name, help): (&'static str, &'static str),
    read: fn(&CoreStatus) -> LatencyPoints,
) {
    for (number, quantile) in ["0.5", "0.99", "0.999"].into_iter().enumerate() {
        let core = Arc::clone(core);
        metrics.reading(name, help, &[("quantile", quantile)], move || {
            let points = core.status().map(|status| read(&status)).unwrap_or_default();
            [points.p50_ns, points.p99_ns, points.p999_ns][number] as f64 / 1e9
        });
    }
}
