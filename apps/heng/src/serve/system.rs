//! What operators and their console ask the process itself: roles, versions, limits, rates, latency, lag, logs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use heng_model::{RejectCode, UnixNanos};
use heng_ports::{CoreStatus, CoreWatch, Gatekeeper, LatencyPoints};
use heng_transport::{Api, Health, Operation, Params, PathText, Problem, RateLimits, Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::fix_door::FixCounts;
use super::logs::Lines;
use super::roles::{ROLES, Roles};

/// Seconds of rates that are kept.
const HISTORY_MAX: usize = 600;

/// Numbers that the doors tell, read once a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Orders that reached the view since the start.
    pub(crate) orders: u64,
    /// Trades since the start.
    pub(crate) trades: u64,
    /// Events taken by the view since the start.
    pub(crate) events: u64,
    /// HTTP requests answered since the start.
    pub(crate) requests: u64,
    /// Signed-in sessions.
    pub(crate) sessions: u64,
    /// Subscribers of market data.
    pub(crate) subscribers: u64,
    /// How many of these are WebSockets.
    pub(crate) websocket_streams: u64,
    /// Open streams of server-sent events: of market data, trade events and drop copy.
    pub(crate) sse_streams: u64,
    /// Subscribers that were dropped since the start.
    pub(crate) dropped: u64,
    /// FIX sessions of clients.
    pub(crate) fix: FixCounts,
    /// Lag of the slowest view.
    pub(crate) lag: Duration,
}

/// What the system pages work with.
pub(crate) struct SystemParts {
    pub(crate) watch: Arc<dyn CoreWatch>,
    pub(crate) health: Health,
    pub(crate) lines: Lines,
    pub(crate) roles: Roles,
    pub(crate) counts: Box<dyn Fn() -> Counts + Send + Sync>,
    /// The market's time.
    pub(crate) time: Box<dyn Fn() -> UnixNanos + Send + Sync>,
    pub(crate) limits: Vec<(&'static str, String)>,
}

/// The system's own memory: rates of the last seconds.
pub(crate) struct System {
    parts: SystemParts,
    started: (UnixNanos, Instant),
    history: Mutex<History>,
    /// As it is sent: it is large, and whoever asks may not be signed in.
    document: Mutex<Bytes>,
    schemas: Mutex<Arc<std::collections::BTreeMap<String, Value>>>,
}

#[derive(Default)]
struct History {
    last: Option<(Instant, Counts, u64)>,
    points: VecDeque<StatsPoint>,
}

fn now() -> UnixNanos {
    UnixNanos(heng_runtime::Clock::now(&heng_runtime::SystemClock))
}

/// RFC 3339 in China's time, to the millisecond.
pub(crate) fn time_text(time: UnixNanos) -> String {
    let nanos = time.time_of_day();
    let (seconds, millis) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1_000);
    let date = time.date().map(|date| date.to_string()).unwrap_or_default();
    format!("{date}T{:02}:{:02}:{:02}.{millis:03}+08:00", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Latency in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
struct Latency {
    /// Measurements since the start.
    count: u64,
    /// Median.
    p50_us: f64,
    /// 99th percentile.
    p99_us: f64,
    /// 99.9th percentile.
    p999_us: f64,
}

impl From<LatencyPoints> for Latency {
    fn from(points: LatencyPoints) -> Self {
        let us = |ns: u64| ns as f64 / 1e3;
        Self { count: points.count, p50_us: us(points.p50_ns), p99_us: us(points.p99_ns), p999_us: us(points.p999_ns) }
    }
}

/// The core, as it tells of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct CoreShown {
    /// Whether it can be reached.
    reachable: bool,
    /// Last durable command.
    durable_sequence: u64,
    /// Last snapshot; 0 = none.
    snapshot_sequence: u64,
    /// Why new commands are refused; null = they are taken.
    refusal: Option<String>,
    /// From one command to the next inside the core.
    core_latency: Latency,
    /// From submission to the durable answer.
    ack_latency: Latency,
}

fn core_shown(status: Option<CoreStatus>) -> CoreShown {
    let told = status.unwrap_or_default();
    CoreShown {
        reachable: status.is_some(),
        durable_sequence: told.durable,
        snapshot_sequence: told.snapshot,
        refusal: RejectCode::from_number(told.refusal).map(|code| code.name().to_owned()),
        core_latency: told.core.into(),
        ack_latency: told.ack.into(),
    }
}

/// One role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SystemRoleShown)]
struct RoleShown {
    /// Its name.
    name: &'static str,
    /// Its Chinese name.
    name_zh: &'static str,
    /// What it owns.
    owns: &'static str,
    /// Whether it runs in this process.
    here: bool,
}

/// One part and its word about itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PartShown {
    /// The part.
    name: String,
    /// Whether it is well.
    well: bool,
    /// What a person should know.
    detail: String,
}

/// One limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LimitShown {
    /// What is limited.
    name: String,
    /// The limit.
    value: String,
}

/// The system.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SystemShown {
    /// Version of the binary.
    version: &'static str,
    /// Engine level that new commands run at.
    engine_level: u16,
    /// When this process started, by the machine's clock.
    started_at: String,
    /// Seconds since then.
    uptime_s: u64,
    /// The market's time.
    market_time: String,
    /// `ok`, or `degraded` if some part is not well.
    status: &'static str,
    roles: Vec<RoleShown>,
    parts: Vec<PartShown>,
    core: CoreShown,
    limits: Vec<LimitShown>,
    /// Lag of the slowest view, in milliseconds.
    lag_ms: u64,
}

/// Rates over one second.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct StatsPoint {
    /// By the machine's clock.
    time: String,
    /// Commands a second.
    commands_per_s: f64,
    /// Orders a second.
    orders_per_s: f64,
    /// Trades a second.
    trades_per_s: f64,
    /// Events a second, as the view takes them.
    events_per_s: f64,
    /// Requests a second at the HTTP door, answered or refused; a stream counts when it begins.
    requests_per_s: f64,
    /// Messages a second that came in at the FIX door.
    fix_in_per_s: f64,
    /// Messages a second that went out at the FIX door.
    fix_out_per_s: f64,
    /// Median time to the durable answer, since the start.
    ack_p50_us: f64,
    /// 99th percentile of it.
    ack_p99_us: f64,
    /// 99th percentile inside the core.
    core_p99_us: f64,
    /// Signed-in sessions.
    sessions: u64,
    /// Subscribers of market data.
    subscribers: u64,
    /// How many of these are WebSockets.
    websocket_streams: u64,
    /// Open streams of server-sent events: of market data, trade events and drop copy.
    sse_streams: u64,
    /// Subscribers of market data that were dropped, since the start.
    dropped_subscribers: u64,
    /// FIX sessions that are logged on.
    fix_sessions: u64,
    /// Lag of the slowest view.
    lag_ms: u64,
}

/// Rates of the last seconds.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StatsShown {
    now: StatsPoint,
    /// One point a second, the oldest first.
    history: Vec<StatsPoint>,
}

/// Which seconds are asked for.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatsQuery {
    /// Points of history.
    #[param(minimum = 0, maximum = 600)]
    seconds: Option<u16>,
}

/// Which lines are asked for.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Lines behind this number.
    #[param(minimum = 0)]
    since: Option<u64>,
    /// Lines at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LogShown {
    number: u64,
    time: String,
    level: &'static str,
    target: String,
    text: String,
}

/// Lines of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LogsShown {
    lines: Vec<LogShown>,
    /// Ask with this number as `since` for what comes next.
    next_since: u64,
}

/// A reject code.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RejectShown {
    code: u16,
    name: &'static str,
    english: &'static str,
    chinese: &'static str,
}

/// Every reject code.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct RejectsShown {
    rejects: Vec<RejectShown>,
}

/// Names of the messages that streams carry.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SchemasShown {
    schemas: Vec<String>,
}

impl System {
    pub(crate) fn new(parts: SystemParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            started: (now(), Instant::now()),
            history: Mutex::default(),
            document: Mutex::default(),
            schemas: Mutex::default(),
        })
    }

    /// What `/openapi.json` and `/v1/schemas` tell; known once every service has declared its operations.
    pub(crate) fn publish(&self, api: &Api) {
        *self.document.lock().unwrap_or_else(PoisonError::into_inner) = Bytes::from(api.document().to_string());
        *self.schemas.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(api.message_schemas());
    }

    /// Takes a point of history; to be called once a second.
    pub(crate) fn tick(&self) {
        let status = self.parts.watch.status().unwrap_or_default();
        let counts = (self.parts.counts)();
        let at = Instant::now();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let last = history.last.replace((at, counts, status.durable));
        let Some((before, old, durable)) = last else { return };
        let seconds = at.duration_since(before).as_secs_f64().max(0.001);
        let rate = |new: u64, old: u64| (new.saturating_sub(old) as f64 / seconds * 10.0).round() / 10.0;
        let us = |ns: u64| ns as f64 / 1e3;
        history.points.push_back(StatsPoint {
            time: time_text(now()),
            commands_per_s: rate(status.durable, durable),
            orders_per_s: rate(counts.orders, old.orders),
            trades_per_s: rate(counts.trades, old.trades),
            events_per_s: rate(counts.events, old.events),
            requests_per_s: rate(counts.requests, old.requests),
            fix_in_per_s: rate(counts.fix.received, old.fix.received),
            fix_out_per_s: rate(counts.fix.sent, old.fix.sent),
            ack_p50_us: us(status.ack.p50_ns),
            ack_p99_us: us(status.ack.p99_ns),
            core_p99_us: us(status.core.p99_ns),
            sessions: counts.sessions,
            subscribers: counts.subscribers,
            websocket_streams: counts.websocket_streams,
            sse_streams: counts.sse_streams,
            dropped_subscribers: counts.dropped,
            fix_sessions: counts.fix.sessions,
            lag_ms: u64::try_from(counts.lag.as_millis()).unwrap_or(u64::MAX),
        });
        if history.points.len() > HISTORY_MAX {
            history.points.pop_front();
        }
    }

    fn shown(&self) -> SystemShown {
        let parts: Vec<PartShown> = (self.parts.health.checks().into_iter())
            .map(|(name, check)| PartShown { name, well: check.well, detail: check.detail })
            .collect();
        let role = |row: &super::roles::RoleRow| RoleShown {
            name: row.name,
            name_zh: row.name_zh,
            owns: row.owns,
            here: self.parts.roles.has(row.role),
        };
        let limit = |(name, value): &(&'static str, String)| LimitShown { name: (*name).into(), value: value.clone() };
        SystemShown {
            version: env!("CARGO_PKG_VERSION"),
            engine_level: heng_engine::CURRENT_LEVEL,
            started_at: time_text(self.started.0),
            uptime_s: self.started.1.elapsed().as_secs(),
            market_time: time_text((self.parts.time)()),
            status: if parts.iter().all(|part| part.well) { "ok" } else { "degraded" },
            roles: ROLES.iter().map(role).collect(),
            parts,
            core: core_shown(self.parts.watch.status()),
            limits: self.parts.limits.iter().map(limit).collect(),
            lag_ms: u64::try_from((self.parts.counts)().lag.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

type Shared = State<Arc<System>>;

async fn show_system(State(system): Shared) -> Json<SystemShown> {
    Json(system.shown())
}

async fn show_stats(State(system): Shared, Params(query): Params<StatsQuery>) -> Result<Json<StatsShown>, Problem> {
    let asked = usize::from(query.seconds.unwrap_or(60));
    let history = system.history.lock().unwrap_or_else(PoisonError::into_inner);
    let skip = history.points.len().saturating_sub(asked);
    let points: Vec<StatsPoint> = history.points.iter().skip(skip).cloned().collect();
    Ok(Json(StatsShown { now: history.points.back().cloned().unwrap_or_default(), history: points }))
}

async fn show_logs(State(system): Shared, Params(query): Params<LogQuery>) -> Result<Json<LogsShown>, Problem> {
    let (since, limit) = (query.since.unwrap_or(0), query.limit.unwrap_or(200));
    let lines = system.parts.lines.since(since, usize::from(limit));
    let shown = |line: &super::logs::LogLine| LogShown {
        number: line.number,
        time: time_text(line.time),
        level: line.level,
        target: line.target.clone(),
        text: line.text.clone(),
    };
    let next_since = lines.last().map_or(since, |line| line.number);
    Ok(Json(LogsShown { lines: lines.iter().map(shown).collect(), next_since }))
}

async fn list_rejects() -> Json<RejectsShown> {
    let shown = |code: &RejectCode| RejectShown {
        code: code.number(),
        name: code.name(),
        english: code.english(),
        chinese: code.chinese(),
    };
    Json(RejectsShown { rejects: RejectCode::ALL.iter().map(shown).collect() })
}

async fn show_document(State(system): Shared) -> Response {
    let document = system.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

async fn list_schemas(State(system): Shared) -> Json<SchemasShown> {
    let schemas = Arc::clone(&system.schemas.lock().unwrap_or_else(PoisonError::into_inner));
    Json(SchemasShown { schemas: schemas.keys().cloned().collect() })
}

async fn show_schema(State(system): Shared, PathText(name): PathText) -> Result<Json<Value>, Problem> {
    let schemas = Arc::clone(&system.schemas.lock().unwrap_or_else(PoisonError::into_inner));
    let found = schemas.get(&name).cloned();
    found.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, "no stream carries it"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The system's operations. Everything that anybody may know is public; the rest is for staff.
pub(crate) fn api(system: Arc<System>, gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(gatekeeper, limits);
    let system_op = |op: Operation| op.tag("system");
    let op = Operation::get("/v1/system", "showSystem").summary("Roles, versions, health, limits and lag.");
    api.add(system_op(op).needs("system.read").answers::<SystemShown>(200, "The system."), show_system);
    let op = Operation::get("/v1/system/stats", "showStats").summary("Rates and latency of the last seconds.");
    let op = system_op(op).needs("system.read").query::<StatsQuery>();
    api.add(op.answers::<StatsShown>(200, "The rates."), show_stats);
    let op = Operation::get("/v1/system/logs", "showLogs").summary("Warnings and errors of this process.");
    let op = system_op(op).needs("system.logs").query::<LogQuery>();
    api.add(op.answers::<LogsShown>(200, "The lines."), show_logs);
    let op = Operation::get("/v1/rejects", "listRejects").summary("Every reject code with its texts.");
    api.add(system_op(op).answers::<RejectsShown>(200, "The codes."), list_rejects);
    let op = Operation::get("/v1/schemas", "listSchemas").summary("Names of the messages that streams carry.");
    api.add(system_op(op).answers::<SchemasShown>(200, "The names."), list_schemas);
    let op = Operation::get("/v1/schemas/{name}", "showSchema").summary("The JSON Schema of one message.");
    let op = system_op(op).path("name", "Its name.").answers_as(200, "The schema.", "application/json");
    api.add(op.refuses(404, "No stream carries it."), show_schema);
    let op = Operation::get("/openapi.json", "showDocument").summary("This document.");
    api.add(system_op(op).answers_as(200, "OpenAPI 3.1.", "application/json"), show_document);
    let op = Operation::get("/docs", "showReference").summary("A browsable reference.");
    let page = || async { asset("text/html; charset=utf-8", include_str!("reference.html")) };
    api.add(system_op(op).answers_as(200, "The page.", "text/html; charset=utf-8"), page);
    let op = Operation::get("/docs/reference.js", "showReferenceScript").summary("The script of the reference.");
    let script = || async { asset("text/javascript; charset=utf-8", include_str!("reference.js")) };
    api.add(system_op(op).answers_as(200, "The script.", "text/javascript; charset=utf-8"), script);
    api.with_state(system)
}
