//! The HTTP doors: orders, cancels and parents to the core; reads from the view, the replica and the record.

mod batches;
mod control;
mod orders;
mod parents;
mod reads;
mod streams;
mod timeline;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use heng_model::{Command, InstrumentId, OrderId, RejectCode, Seq, TradeDate};
use heng_ports::{About, Answer, CommandPort, CoreQueries, EventSource, Gatekeeper, NoAnswer, Question, Reply};
use heng_store::Snapshot;
use heng_transport::{Api, Health, Metrics, Problem, RateLimits, Reason};
use tokio::sync::oneshot;

use crate::answer::{BEYOND, NOT_YET, refused};
use crate::checks::CheckLog;
use crate::execution::{HOLD_MAX, TermsStore, Which};
use crate::store;
use crate::telemetry::{DoorMetrics, watch_view};
use crate::texts::{DateText, SymbolText};
use crate::view::ViewReader;

/// How the doors behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorOptions {
    /// How long a command may wait for its durable outcome; then the answer is *unknown*.
    pub submit_max: Duration,
    /// How long a read may wait for the sequence that it asks for; then 503.
    pub wait_max: Duration,
    /// Lag from which new orders are refused (design rule 10).
    pub lag_max: Duration,
}

impl Default for DoorOptions {
    fn default() -> Self {
        Self { submit_max: Duration::from_secs(5), wait_max: Duration::from_secs(2), lag_max: Duration::from_secs(10) }
    }
}

/// What the doors work with.
pub struct Doors {
    /// The way to the core.
    pub port: Arc<dyn CommandPort>,
    /// Questions about the present state.
    pub queries: Arc<dyn CoreQueries>,
    /// The record.
    pub source: Arc<dyn EventSource>,
    /// The view.
    pub view: ViewReader,
    /// What the checks of orders looked at.
    pub checks: CheckLog,
    /// How parents are driven.
    pub terms: TermsStore,
    /// How they behave.
    pub options: DoorOptions,
}

struct Inner {
    doors: Doors,
    metrics: DoorMetrics,
    streams: streams::Streams,
}

type Shared = State<Arc<Inner>>;

/// The operations, their metrics and their health.
pub fn api(
    doors: Doors,
    gatekeeper: Arc<dyn Gatekeeper>,
    limits: Arc<RateLimits>,
    metrics: &Arc<Metrics>,
    health: &Health,
) -> Api {
    watch_view(&doors.view.status, metrics, health);
    let inner = Arc::new(Inner { metrics: DoorMetrics::new(metrics), doors, streams: streams::Streams::default() });
    let mut api = Api::new(gatekeeper, limits);
    orders::add(&mut api);
    batches::add(&mut api);
    timeline::add(&mut api);
    reads::add(&mut api);
    streams::add(&mut api);
    parents::add(&mut api);
    control::add(&mut api);
    api.with_state(inner)
}

/// Our own failure.
fn internal(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal(error)
}

impl Inner {
    /// Submits, and waits for the durable outcome without holding a thread.
    async fn submit(&self, command: Command) -> Answer {
        let began = Instant::now();
        let (told, outcome) = oneshot::channel();
        let done = Box::new(move |answer| {
            // Whoever waited may have reached its deadline.
            let _ = told.send(answer);
        });
        self.doors.port.begin(command, done);
        let answer = tokio::time::timeout(self.doors.options.submit_max, outcome).await;
        self.metrics.submit.record(began.elapsed());
        // A port that ends says nothing about the command.
        answer.ok().and_then(Result::ok).unwrap_or(Answer::Unknown)
    }

    /// Submits what pauses parents, and notes beside it that they are to stand, so that no driver claims them after a
    /// restart. Both are done when the client is answered; a database that fails or is slow holds up no cancel.
    async fn submit_and_hold(&self, command: Command, which: Which) -> Answer {
        let which = Which { trade_date: self.open_date(), ..which };
        let hold = tokio::time::timeout(HOLD_MAX, self.doors.terms.hold(&which, true));
        let (answer, held) = tokio::join!(self.submit(command), hold);
        if !matches!(held, Ok(Ok(()))) {
            tracing::warn!("note that parents are to stand");
        }
        answer
    }

    fn refuse(&self, code: RejectCode, detail: &str) -> Problem {
        self.metrics.refused(code);
        refused(code, detail)
    }

    /// New orders are refused by name while the view lags; cancels never are.
    fn takes_orders(&self) -> Result<(), Problem> {
        let lags = self.doors.view.status.lag() > self.doors.options.lag_max;
        if lags { Err(self.refuse(RejectCode::ViewsLag, "cancels are taken as before")) } else { Ok(()) }
    }

    fn instrument(&self, symbol: &SymbolText) -> Result<InstrumentId, Problem> {
        let found = self.doors.view.directory.instrument(&symbol.0);
        found.ok_or_else(|| self.refuse(RejectCode::UnknownInstrument, &format!("there is no symbol {}", symbol.0)))
    }

    fn open_date(&self) -> TradeDate {
        self.doors.view.directory.trade_date()
    }

    fn date_or_open(&self, date: Option<&DateText>) -> TradeDate {
        date.map_or_else(|| self.open_date(), |date| date.0)
    }

    /// A sequence that nobody can know yet is a mistake of the caller, not a lag of ours.
    fn beyond(&self, sequence: u64) -> Result<(), Problem> {
        let head = self.doors.source.head().0;
        if sequence <= head {
            return Ok(());
        }
        let detail = format!("the last durable command is {head}, asked for {sequence}");
        Err(Problem::new(StatusCode::NOT_FOUND, BEYOND, detail))
    }

    /// A consistent look that holds at least `min_sequence`.
    async fn look(&self, min_sequence: Option<u64>) -> Result<Snapshot, Problem> {
        let (view, wait_max) = (&self.doors.view, self.doors.options.wait_max);
        let asked = min_sequence.unwrap_or(0);
        if asked > 0 && !view.status.wait_for(asked, wait_max).await {
            self.beyond(asked)?;
            let detail = format!("the view is at command {}, asked for {asked}", view.status.applied());
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, NOT_YET, detail).retry_after_s(1));
        }
        view.snapshot().await.map_err(|error| internal(&error))
    }

    /// Asks the replica, on a thread that may block.
    async fn ask(&self, about: impl Into<About>, min_sequence: Option<u64>) -> Result<(u64, Reply), Problem> {
        let min_sequence = min_sequence.unwrap_or(0);
        let (queries, deadline) = (Arc::clone(&self.doors.queries), self.doors.options.wait_max);
        let question = Question { min_sequence: Seq(min_sequence), about: about.into() };
        let asked = tokio::task::spawn_blocking(move || queries.ask(question, deadline)).await;
        match asked.unwrap_or(Err(NoAnswer::Stopped)) {
            Ok(answered) => Ok((answered.as_of.0, answered.reply)),
            Err(why) => {
                self.beyond(min_sequence)?;
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, Reason::NO_ANSWER, why.to_string());
                Err(problem.retry_after_s(1))
            }
        }
    }

    /// The sequence that brought an order, for a repeat that is told only its own.
    async fn original_sequence(&self, order: u64, repeat: Seq) -> Seq {
        // The order came before its repeat, so a view that holds the repeat holds the order.
        let wait_max = self.doors.options.wait_max;
        self.doors.view.status.wait_for(repeat.0, wait_max).await;
        let Ok(mut snapshot) = self.doors.view.snapshot().await else { return repeat };
        match store::order(snapshot.connection(), OrderId(order)).await {
            Ok(Some(row)) => Seq(row.sequence.cast_unsigned()),
            _ => repeat,
        }
    }
}

/// A reply of another kind than was asked for: our own failure.
fn other_reply() -> Problem {
    internal(&"the replica answered another question")
}
