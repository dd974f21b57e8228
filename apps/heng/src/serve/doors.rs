//! The doors of a process: the services' views, their API, and the HTTP server in front of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heng_compliance::{Compliance, ComplianceOptions};
use heng_core::Layout;
use heng_identity::Identity;
use heng_marketdata::{MarketData, MarketOptions, Past};
use heng_model::{RejectCode, UnixNanos};
use heng_ports::{ActionSource, ActionTrail, CoreStatus, CoreWatch, ExportSource, LatencyPoints, Turned, TurnedAway};
use heng_runtime::{SystemClock, raise_descriptors};
use heng_store::{Opened, StoreOptions, StoreUrl};
use heng_trading::{
    CheckLog, DoorOptions, Doors, Execution, ExecutionOptions, FixDesk, FixDeskParts, FixVenue, TermsStore,
    TradingView, ViewOptions, ViewReader, ViewStatus,
};
use heng_transport::fix::FixApplicationKind;
use heng_transport::{
    Check, ChooseTls, HandshakeFailed, Health, Metrics, RateLimits, Server, ServerOptions, TransportError,
};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::{Config, DoorTls, FixSession, HttpConfig, WitnessConfig};
use super::face::CoreFace;
use super::fix_door::{FixCounts, FixDoor, FixTeller};
use super::fix_proof::Counterparties;
use super::logs::Lines;
use super::process::{self, stopped};
use super::roles::Roles;
use super::system::{self, Counts, System, SystemParts};
use super::venues::{self, Teller};
use super::{console, demo, identity_config, keys_api};
use crate::at_rest::AtRest;
use crate::witness::DemoWitnesses;

/// Symbols that the ready file tells at most.
const SYMBOLS_TOLD_MAX: u32 = 10_000;
/// Attempts of a parked view until a start is given up.
const START_ATTEMPTS_MAX: u32 = 4;

/// What the doors are opened with.
pub(crate) struct DoorsAsk<'a> {
    pub(crate) data: PathBuf,
    pub(crate) at_rest: AtRest,
    pub(crate) config: &'a Config,
    pub(crate) keep_days: u32,
    pub(crate) face: CoreFace,
    pub(crate) roles: Roles,
    pub(crate) lines: Lines,
    pub(crate) stop: &'a watch::Sender<bool>,
    /// What was before the record, for charts; only of a simulated market.
    pub(crate) past: Option<Arc<dyn Past>>,
    /// Clients to demonstrate with; none = only whom the tables hold may come in.
    pub(crate) demo_clients: Option<u32>,
    /// Whether two witnesses are started beside it, to demonstrate with.
    pub(crate) demo_witnesses: bool,
}

/// Running views, and the server that waits in front of them.
pub(crate) struct DoorsSide {
    /// What a person should know.
    pub(crate) notes: Vec<String>,
    pub(crate) view: Arc<ViewStatus>,
    /// Addresses, demo accounts and keys, as the ready file tells them.
    pub(crate) told: serde_json::Map<String, Value>,
    /// The first demo client's token.
    pub(crate) client_token: Option<String>,
    face: CoreFace,
    identity: Arc<Identity>,
    market: Arc<MarketData>,
    compliance: Arc<Compliance>,
    demo_witnesses: bool,
    desk: Arc<FixDesk>,
    fix: Option<FixDoor>,
    data: PathBuf,
    at_rest: AtRest,
    config: Config,
    demo_clients: Option<u32>,
    reader: ViewReader,
    checks: CheckLog,
    terms: TermsStore,
    following: Vec<JoinHandle<()>>,
    server: Server,
    metrics: Arc<Metrics>,
    health: Health,
    roles: Roles,
    lines: Lines,
    http: HttpConfig,
    stop: watch::Sender<bool>,
    behind: Runtime,
}

impl DoorsSide {
    /// Binds the door and opens the views; nobody is served yet.
    pub(crate) fn open(ask: DoorsAsk<'_>, runtime: &Runtime) -> anyhow::Result<Self> {
        let (metrics, health) = (Arc::new(Metrics::default()), Health::default());
        let http = &ask.config.http;
        let server = runtime.block_on(bind(http, &metrics, &health))?;
        let (mut notes, behind) = (Vec::new(), process::behind()?);
        let identity = behind.block_on(open_identity(&ask))?;
        let server = server.telling_failed_handshakes(handshakes(&identity, "http"));
        let view = behind.block_on(open_view(&ask, &mut notes))?;
        let market = behind.block_on(open_market(&ask, &mut notes))?;
        market.watch(&metrics, &health);
        let (status, reader) = (view.status(), view.reader());
        let compliance = behind.block_on(open_compliance(&ask, &identity, &reader))?;
        compliance.watch(&metrics, &health);
        identity.set_leaves(compliance.leaves());
        identity.set_holds(compliance.holds());
        let (checks, terms) = behind.block_on(open_side_files(&ask))?;
        let execution = Execution {
            port: Arc::clone(&ask.face.port),
            queries: Arc::clone(&ask.face.queries),
            source: Arc::clone(&ask.face.source),
            view: reader.clone(),
            terms: terms.clone(),
            options: ExecutionOptions::default(),
        };
        let explaining = checks.clone().follow(Arc::clone(&ask.face.queries), reader.clone(), ask.stop.subscribe());
        let following = vec![
            behind.spawn(view.follow(Arc::clone(&ask.face.source), ask.stop.subscribe())),
            behind.spawn(explaining),
            runtime.spawn(execution.run(ask.stop.subscribe())),
        ];
        watch_core(&ask.face.watch, &metrics, &health);
        let desk = FixDesk::new(FixDeskParts {
            port: Arc::clone(&ask.face.port),
            view: reader.clone(),
            gatekeeper: identity.gatekeeper(),
            terms: terms.clone(),
            runtime: runtime.handle().clone(),
            folder: ask.data.join("fix").join("desk"),
            seal: ask.at_rest.messages(),
        });
        Ok(Self {
            notes,
            view: status,
            told: serde_json::Map::new(),
            client_token: None,
            face: ask.face,
            identity,
            market,
            compliance,
            demo_witnesses: ask.demo_witnesses,
            desk,
            fix: None,
            data: ask.data,
            at_rest: ask.at_rest,
            config: ask.config.clone(),
            demo_clients: ask.demo_clients,
            reader,
            checks,
            terms,
            following,
            server,
            metrics,
            health,
            roles: ask.roles,
            lines: ask.lines,
            http: http.clone(),
            stop: ask.stop.clone(),
            behind,
        })
    }

    /// Makes the demo accounts and opens the FIX door; the views must be current.
    pub(crate) fn furnish(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        self.told.insert("http".into(), self.address().into());
        if let Some(clients) = self.demo_clients {
            let demo = runtime.block_on(async {
                let accounts = self.reader.first_accounts(clients).await?;
                let symbols = self.reader.first_symbols(SYMBOLS_TOLD_MAX).await?;
                let place = demo::Place { data: &self.data, address: self.address() };
                demo::make(&self.identity, &accounts, &symbols, place).await
            })?;
            self.told.extend(demo.told);
            self.notes.extend(demo.lines);
            self.client_token = Some(demo.client_token);
        } else if !runtime.block_on(self.identity.has_staff())? {
            let data = self.data.display();
            let word = format!("heng identity first-staff --data {data} --name NAME (with --config, if there is one)");
            self.notes.push(format!("nobody can sign in yet: stop this process, run {word}, and start it again"));
        }
        self.open_fix(runtime)
    }

    fn open_fix(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        let mut sessions = self.config.fix.sessions.clone();
        if sessions.is_empty() && self.demo_clients.is_some() {
            sessions.extend([FixSession::demo(), FixSession::demo_copy()]);
        }
        if sessions.is_empty() {
            return Ok(());
        }
        let mut seats = Vec::new();
        for session in &sessions {
            let acts = session.application != FixApplicationKind::Echo;
            let principal = runtime.block_on(demo::seat(&self.identity, session.user.as_deref()));
            seats.push((session.session(), if acts { Some(principal?) } else { None }));
        }
        let known: Vec<_> =
            sessions.iter().cloned().zip(seats.iter().map(|(_, principal)| principal.clone())).collect();
        let known = Counterparties::new(&known, Arc::clone(&self.identity))?;
        let failed = handshakes(&self.identity, "fix");
        let door = FixDoor::open(&self.config.fix, seats, &self.desk, (&self.data, &self.at_rest), runtime)?;
        let door = door.guarded(known, failed);
        let (address, first) = (door.address(), &sessions[0]);
        let told = |session: &FixSession| {
            serde_json::json!({
                "host": address.ip().to_string(),
                "port": address.port(),
                "begin": session.begin,
                // As a client configures its own side.
                "sender": session.target,
                "target": session.sender,
            })
        };
        self.told.insert("fix".into(), told(first));
        if let Some(copy) = sessions.iter().find(|session| session.application == FixApplicationKind::DropCopy) {
            self.told.insert("fix_drop_copy".into(), told(copy));
        }
        self.notes.push(format!("FIX: {address} {} {} → {}", first.begin, first.target, first.sender));
        self.fix = Some(door);
        Ok(())
    }

    /// The address that people type.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.http.tls.is_some() { "https" } else { "http" };
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
        self.wait_for_books(runtime, head);
        Ok(())
    }

    /// Books that cannot be made are told by `/healthz`, and hold up nobody who wants to trade.
    fn wait_for_books(&self, runtime: &Runtime, head: u64) {
        let status = self.market.status();
        while !runtime.block_on(self.market.wait_shown(head, Duration::from_millis(200))) {
            if *self.stop.borrow() || status.parked().is_some() || status.trouble().is_some() {
                return;
            }
        }
    }

    /// Begins to route to the venues elsewhere, and tells operators how they are.
    fn begin_venues(&self, runtime: &Runtime) -> anyhow::Result<Vec<FixVenue>> {
        let mut venues = Vec::new();
        for venue in &self.config.venues.fix {
            let options = venue.options(self.data.join("venues").join(&venue.name))?;
            let (port, source) = (Arc::clone(&self.face.port), Arc::clone(&self.face.source));
            let clock = Arc::new(heng_transport::fix::SystemClock::default());
            let begun = FixVenue::begin(&options, port, source, clock, runtime.handle(), self.stop.subscribe());
            let begun = begun.with_context(|| format!("begin the venue {}", venue.name))?;
            venues::watch(&venue.name, &begun, &self.metrics, &self.health);
            venues.push(begun);
        }
        Ok(venues)
    }

    /// Lets clients in.
    pub(crate) fn serve(self, runtime: &Runtime, time: MarketTime) -> anyhow::Result<Open> {
        let gatekeeper = self.identity.gatekeeper();
        let limits = RateLimits::new(self.http.principal_per_s, self.http.stranger_per_s);
        let limits = Arc::new(limits.share(share(&self.http)).heavy_on(self.behind.handle().clone()));
        let venues = self.begin_venues(runtime)?;
        let tellers = venues.iter().map(|venue| Box::new(venue.teller()) as Teller).collect();
        let fix = self.fix.as_ref().map(FixDoor::teller);
        if let Some(fix) = &fix {
            watch_fix(fix, &self.metrics);
        }
        let doors = Doors {
            port: Arc::clone(&self.face.port),
            queries: Arc::clone(&self.face.queries),
            source: Arc::clone(&self.face.source),
            view: self.reader.clone(),
            checks: self.checks.clone(),
            terms: self.terms.clone(),
            options: DoorOptions::default(),
        };
        let (gate, quota) = (Arc::clone(&gatekeeper), Arc::clone(&limits));
        let trading = heng_trading::api(doors, gate, quota, &self.metrics, &self.health);
        let system = System::new(SystemParts {
            watch: Arc::clone(&self.face.watch),
            health: self.health.clone(),
            lines: self.lines.clone(),
            roles: self.roles.clone(),
            counts: counts(&self.view, &self.market, &self.identity, (fix, Arc::clone(&self.metrics))),
            time,
            limits: limits_told(&self.http),
        });
        let venue_api = venues::api(tellers, Arc::clone(&gatekeeper), Arc::clone(&limits));
        let api = system::api(Arc::clone(&system), Arc::clone(&gatekeeper), Arc::clone(&limits))
            .merge(venue_api)
            .merge(keys_api::api(self.at_rest, Arc::clone(&gatekeeper), Arc::clone(&limits)))
            .merge(heng_marketdata::api(Arc::clone(&self.market), Arc::clone(&gatekeeper), Arc::clone(&limits)))
            .merge(heng_compliance::api(Arc::clone(&self.compliance), gatekeeper, Arc::clone(&limits)))
            .merge(heng_identity::api(Arc::clone(&self.identity), limits))
            .merge(trading);
        self.identity.declare_step_ups(api.stepped_up());
        system.publish(&api);
        runtime.spawn(tick(system, self.stop.subscribe()));
        let mut serving = Vec::new();
        if let Some(door) = self.fix {
            let source = Arc::clone(&self.face.source);
            serving.push(door.serve(&self.desk, source, runtime, &self.stop)?);
        }
        let tiles = heng_compliance::tiles(Arc::clone(&self.compliance));
        let routes = api.router().merge(tiles).merge(console::routes());
        let witnesses = if self.demo_witnesses { begin_witnesses(&self.data, &self.compliance) } else { None };
        let http = runtime.spawn(self.server.serve(routes, stopped(self.stop.subscribe())));
        Ok(Open {
            view: self.view,
            following: self.following,
            terms: self.terms,
            checks: self.checks,
            reader: self.reader,
            http,
            serving,
            venues,
            identity: self.identity,
            market: self.market,
            compliance: self.compliance,
            witnesses,
            _behind: self.behind,
        })
    }
}

/// Doors that serve.
pub(crate) struct Open {
    pub(crate) view: Arc<ViewStatus>,
    following: Vec<JoinHandle<()>>,
    terms: TermsStore,
    checks: CheckLog,
    reader: ViewReader,
    http: JoinHandle<Result<(), TransportError>>,
    serving: Vec<JoinHandle<()>>,
    venues: Vec<FixVenue>,
    identity: Arc<Identity>,
    market: Arc<MarketData>,
    compliance: Arc<Compliance>,
    witnesses: Option<DemoWitnesses>,
    /// The threads end with the views that work on them.
    _behind: Runtime,
}

impl Open {
    /// Waits for the requests that run and for the views. The process must have been told to stop.
    pub(crate) fn close(self, runtime: &Runtime) -> anyhow::Result<()> {
        let drained = runtime.block_on(self.http).context("the door's task ended")?;
        if let Err(error) = drained {
            eprintln!("warning: {error}");
        }
        for door in self.serving {
            runtime.block_on(door).context("a door's task ended")?;
        }
        for venue in self.venues {
            runtime.block_on(venue.ended());
        }
        self.market.stop();
        // The last actions are in the trail before the evidence log takes them for the last time.
        runtime.block_on(self.identity.flush());
        self.compliance.stop();
        runtime.block_on(self.compliance.close());
        drop(self.witnesses);
        runtime.block_on(self.identity.close());
        for following in self.following {
            runtime.block_on(following).context("a task that follows the record ended")?;
        }
        // A thread of SQLite that is still at work when the process ends would do so without its cipher, which goes first.
        runtime.block_on(async {
            self.terms.close().await;
            self.checks.close().await;
            self.reader.close().await;
            self.market.close().await;
        });
        Ok(())
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

fn counts(
    view: &Arc<ViewStatus>,
    market: &Arc<MarketData>,
    identity: &Arc<Identity>,
    (fix, metrics): (Option<FixTeller>, Arc<Metrics>),
) -> Box<dyn Fn() -> Counts + Send + Sync> {
    let (view, market, identity) = (Arc::clone(view), Arc::clone(market), Arc::clone(identity));
    let trade_streams = metrics.gauge("heng_trade_streams", "", &[]);
    Box::new(move || {
        let push = market.push_counts();
        let trade_streams = u64::try_from(trade_streams.value()).unwrap_or(0);
        Counts {
            orders: view.orders(),
            sessions: identity.sessions_in_use() as u64,
            trades: view.trades_today(),
            events: view.events(),
            lag: view.lag().max(market.status().lag()),
            requests: metrics.total("heng_http_requests_total"),
            subscribers: push.streams as u64,
            websocket_streams: push.sockets as u64,
            sse_streams: (push.streams - push.sockets) as u64 + trade_streams,
            dropped: push.dropped,
            fix: fix.as_ref().map(|fix| fix()).unwrap_or_default(),
        }
    })
}

/// Requests of one principal at once: half, so that nobody alone keeps all others out.
fn share(http: &HttpConfig) -> usize {
    http.requests_max.div_ceil(2)
}

/// Name, help and reading of a series.
type FixSeries = (&'static str, &'static str, fn(FixCounts) -> u64);

fn watch_fix(fix: &FixTeller, metrics: &Metrics) {
    let series: [FixSeries; 3] = [
        ("heng_fix_sessions", "FIX sessions of clients that are logged on.", |fix| fix.sessions),
        ("heng_fix_received", "Messages received in these sessions since the start.", |fix| fix.received),
        ("heng_fix_sent", "Messages sent in these sessions since the start.", |fix| fix.sent),
    ];
    for (name, help, read) in series {
        let fix = Arc::clone(fix);
        metrics.reading(name, help, &[], move || read(fix()) as f64);
    }
}

fn limits_told(http: &HttpConfig) -> Vec<(&'static str, String)> {
    let (usual, push) = (http.server(), http.push());
    vec![
        ("request body", format!("{} bytes", usual.body_max)),
        ("requests at once", usual.requests_max.to_string()),
        ("connections", usual.connections_max.to_string()),
        ("requests at once of one principal", share(http).to_string()),
        ("requests a second of one principal", http.principal_per_s.to_string()),
        ("requests a second of one address without credentials", http.stranger_per_s.to_string()),
        ("sign-ins a second by one name", http.sign_ins_per_s().1.to_string()),
        ("market data streams", push.streams_max.to_string()),
        ("market data streams of one principal", push.principal_streams_max.to_string()),
        (
            "bytes on the way to one client",
            if usual.send_buffer == 0 { "as the system likes".into() } else { usual.send_buffer.to_string() },
        ),
        ("time of a request", format!("{} s", usual.request_max.as_secs())),
    ]
}

/// Descriptors that sockets of the HTTP door leave to files, the FIX door, venues and other roles.
const DESCRIPTORS_KEPT: u64 = 1_024;

/// Connections of the HTTP door. Where the system permits few descriptors, clients get at most half of them: a journal
/// that cannot open its next segment costs more than a client who waits.
fn connections(asked: usize, descriptors: u64) -> usize {
    let left = descriptors - DESCRIPTORS_KEPT.min(descriptors / 2);
    asked.min(usize::try_from(left).unwrap_or(usize::MAX)).max(2)
}

fn server_options(http: &HttpConfig) -> ServerOptions {
    let connections_max = connections(http.connections_max, raise_descriptors());
    let requests_max = http.requests_max.min(connections_max - 1);
    ServerOptions { connections_max, requests_max, ..http.server() }
}

/// The TLS of a door, if it has any.
pub(crate) fn outside_tls(tls: Option<&DoorTls>, protocols: &[&str]) -> anyhow::Result<Option<ChooseTls>> {
    let Some(tls) = tls else { return Ok(None) };
    let door = tls.open(protocols)?;
    Ok(Some(Arc::new(move |hello| door.choose(hello))))
}

/// Where the tables of a store are.
fn place_of(ask: &DoorsAsk<'_>, folder: PathBuf, store: &str) -> anyhow::Result<StoreOptions> {
    place_at(&ask.config.store.url, &ask.at_rest, folder, store)
}

fn place_at(url: &str, at_rest: &AtRest, folder: PathBuf, store: &str) -> anyhow::Result<StoreOptions> {
    let url = if url == "sqlite" { StoreUrl::Sqlite(folder) } else { url.parse()? };
    Ok(url.store(store).sealed_by(at_rest.tables()))
}

async fn open_market(ask: &DoorsAsk<'_>, notes: &mut Vec<String>) -> anyhow::Result<Arc<MarketData>> {
    let folder = Layout::new(&ask.data).derived;
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let place = place_of(ask, folder, "marketdata")?;
    let usual = MarketOptions::at(place, Arc::clone(&ask.face.source));
    let options = MarketOptions { push: ask.config.http.push(), past: ask.past.clone(), ..usual };
    let (market, opened) = MarketData::open(options).await.context("open the tables of the market data role")?;
    if let Opened::Outdated(version) = opened {
        notes.push(format!("the tables of market data were of version {version} and are made again"));
    }
    Ok(market)
}

async fn bind(http: &HttpConfig, metrics: &Arc<Metrics>, health: &Health) -> anyhow::Result<Server> {
    let server = Server::bind(server_options(http), Arc::clone(metrics), health.clone()).await?;
    let tls = outside_tls(http.tls.as_ref(), &["h2", "http/1.1"])?;
    Ok(if let Some(tls) = tls { server.with_tls(tls) } else { server }.behind(http.front()))
}

/// Tells the audit trail of handshakes that fail at the door `at`.
fn handshakes(identity: &Arc<Identity>, at: &'static str) -> HandshakeFailed {
    let gatekeeper = identity.gatekeeper();
    Arc::new(move |address, detail| {
        let what = TurnedAway::Handshake;
        gatekeeper.turned_away(Turned { what, principal: None, address: Some(address), at, detail });
    })
}

/// Starts the witnesses of a demonstration. Without them the log goes on, and says so.
fn begin_witnesses(data: &std::path::Path, compliance: &Compliance) -> Option<DemoWitnesses> {
    match DemoWitnesses::start(data, &compliance.signing_keys()) {
        Ok(started) => {
            compliance.set_witnesses(started.witnesses());
            Some(started)
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "start the witnesses of the demonstration");
            None
        }
    }
}

async fn open_compliance(
    ask: &DoorsAsk<'_>,
    identity: &Arc<Identity>,
    reader: &ViewReader,
) -> anyhow::Result<Arc<Compliance>> {
    let witnesses = ask.config.evidence.witnesses.iter().map(WitnessConfig::witness);
    let options = ComplianceOptions {
        store: place_of(ask, ask.data.join("owned"), "compliance")?,
        folder: ask.data.join("evidence"),
        source: Arc::clone(&ask.face.source),
        actions: Some(Arc::clone(identity) as Arc<dyn ActionSource>),
        clock: Arc::new(SystemClock),
        origin: ask.config.evidence.origin.clone(),
        production: ask.config.production,
        witnesses: witnesses.collect::<anyhow::Result<_>>()?,
        trail: Some(Arc::clone(identity) as Arc<dyn ActionTrail>),
        exports: vec![Arc::clone(identity) as Arc<dyn ExportSource>, Arc::new(reader.clone())],
        exports_folder: ask.data.join("exports"),
    };
    Compliance::open(options).await.context("open the tables of the compliance role")
}

/// Where the tables of the identity role are; their folder is made.
pub(crate) fn identity_store(data: &Path, url: &str, at_rest: &AtRest) -> anyhow::Result<StoreOptions> {
    let folder = data.join("owned");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    place_at(url, at_rest, folder, "identity")
}

async fn open_identity(ask: &DoorsAsk<'_>) -> anyhow::Result<Arc<Identity>> {
    let place = identity_store(&ask.data, &ask.config.store.url, &ask.at_rest)?;
    let options = identity_config::options(ask.config)?;
    Identity::open(&place, options, Arc::new(SystemClock)).await.context("open the tables of the identity role")
}

/// Opens the view; one that is ahead of the journal belongs to another one and is made again.
async fn open_view(ask: &DoorsAsk<'_>, notes: &mut Vec<String>) -> anyhow::Result<TradingView> {
    let folder = Layout::new(&ask.data).derived;
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join("trading.db");
    let file = place_of(ask, folder, "trading")?;
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

/// Opens what the checks looked at, and how parents are driven. A file of checks that is ahead of the journal belongs to
/// another one and is made again.
async fn open_side_files(ask: &DoorsAsk<'_>) -> anyhow::Result<(CheckLog, TermsStore)> {
    let file = place_of(ask, Layout::new(&ask.data).derived, "trading_checks")?;
    let (mut checks, _) = CheckLog::open(&file).await?;
    if checks.through().await? > ask.face.source.head() {
        drop(checks);
        checks = CheckLog::rebuild(&file).await?;
    }
    let terms = TermsStore::open(&place_of(ask, ask.data.join("owned"), "parents")?).await?;
    Ok((checks, terms))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_leave_descriptors_to_files() {
        assert_eq!(connections(16_384, 20_000), 16_384);
        assert_eq!(connections(16_384, 4_096), 3_072);
        assert_eq!(connections(16_384, 1_024), 512);
        assert_eq!(connections(100, 1_024), 100);
        assert_eq!(connections(100, 0), 2);
    }
}
