//! Trade events and drop copy: pages, and streams that go on where a client was.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use heng_transport::{Api, Caller, Lost, Operation, Params, Problem, Reason, Share, Shares};
use tokio::sync::{Semaphore, mpsc, watch};

use super::{Inner, Shared, internal};
use crate::answer::BEYOND;
use crate::event_shapes::{CommandShown, EventPage};
use crate::forms::{EventsQuery, page};
use crate::texts::ID_MAX;
use crate::trade_events::{Page, Replay, ReplayError, Scope};

/// Messages that wait for a slow client; then its stream waits, and nobody else.
const AHEAD_MAX: usize = 32;
/// Commands that a stream reads from the record at once.
const PAGE: usize = 256;
/// A stream ends after this time: the client comes back with last-event-id, and is asked again who it is.
const STREAM_MAX: Duration = Duration::from_secs(3_600);
/// A client that takes nothing for this long is gone.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// Most streams of one principal at once.
const OWN_MAX: usize = 32;
/// Most streams at once. One that reads the record holds about a megabyte.
const ALL_MAX: usize = 1_024;
/// Streams that read the record at once; the others wait their turn, so that whoever asks for everything from the
/// beginning does not keep the processors from the views.
const READING_MAX: usize = 2;

/// Commands behind the end of the record up to which a stream reads without waiting for its turn.
const CLOSE: u64 = 2_000;

/// Streams that are open.
pub(super) struct Streams {
    shares: Arc<Shares>,
    reading: Arc<Semaphore>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { shares: Arc::new(Shares::up_to(OWN_MAX, ALL_MAX)), reading: Arc::new(Semaphore::new(READING_MAX)) }
    }
}

impl Streams {
    fn take(&self, caller: &Caller) -> Result<Share, Problem> {
        self.shares.take(caller.principal.id).ok_or_else(|| {
            let detail = format!("at most {OWN_MAX} streams of one caller, and {ALL_MAX} of all, are open at once");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, Reason::OVERLOADED, detail).retry_after_s(5)
        })
    }
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let beyond = "No command has that sequence yet.";
    let text = "Tells everything behind `since`, in order, each command once. A page may be empty and not at the end: \
                go on with next_since until caught_up.";
    let operation = Operation::get("/v1/trade-events", "listTradeEvents").tag("orders").needs("order.read");
    let operation =
        operation.heavy().summary("What happened to orders and parents, from any sequence on.").description(text);
    let operation = operation.query::<EventsQuery>().refuses(404, beyond);
    api.add(operation.answers::<EventPage>(200, "A page of events, oldest first."), events);
    let operation = Operation::get("/v1/drop-copy", "listDropCopy").tag("orders").needs("dropcopy.read");
    let operation =
        operation.heavy().summary("The same of every account that the caller may see, for staff and partners.");
    let operation = operation.description(text).query::<EventsQuery>().refuses(404, beyond);
    api.add(operation.answers::<EventPage>(200, "A page of events, oldest first."), events);
    let text = "Server-sent events of type `trade`. The id is the sequence: a client that comes back with \
                last-event-id misses nothing and gets nothing twice. A stream ends after an hour. When the session, \
                token or key ends, or reaches elsewhere than before, it ends within five seconds with an event of type \
                `dropped`, whose data are {type, reason, detail}; reason is revoked or changed.";
    let last_id = || serde_json::json!({ "type": "string", "pattern": "^[0-9]{0,18}$" });
    let operation = Operation::get("/v1/stream/trade-events", "streamTradeEvents").tag("orders").needs("order.read");
    let operation = operation.summary("Trade events as they happen.").description(text).query::<EventsQuery>();
    let operation = operation.header("last-event-id", "The last id that was received.", last_id());
    api.add(operation.streams::<CommandShown>("What each command did.").refuses(404, beyond), stream);
    let operation = Operation::get("/v1/stream/drop-copy", "streamDropCopy").tag("orders").needs("dropcopy.read");
    let operation = operation.summary("Drop copy as it happens.").description(text).query::<EventsQuery>();
    let operation = operation.header("last-event-id", "The last id that was received.", last_id());
    api.add(operation.streams::<CommandShown>("What each command did.").refuses(404, beyond), stream);
}

/// Whose events the caller may see, and asks for.
fn scope(caller: &Caller, query: &EventsQuery) -> Result<Scope, Problem> {
    match &query.account {
        Some(account) => {
            caller.may_on(account.0)?;
            Ok(Scope::one(account.0))
        }
        None => Ok(Scope::of(caller.principal.accounts.clone())),
    }
}

fn replay(inner: &Inner, scope: Scope, since: u64) -> Result<Replay, Problem> {
    let head = inner.doors.source.head().0;
    if since > head {
        let detail = format!("the last durable command is {head}, asked for what is behind {since}");
        return Err(Problem::new(StatusCode::NOT_FOUND, BEYOND, detail));
    }
    Ok(Replay::after(Arc::clone(&inner.doors.source), inner.doors.view.clone(), scope, since))
}

async fn events(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<EventsQuery>,
) -> Result<Json<EventPage>, Problem> {
    let mut replay = replay(&inner, scope(&caller, &query)?, query.since.unwrap_or(0))?;
    let as_of_sequence = inner.doors.source.head().0;
    let page = replay.page(page(query.limit) as usize).await.map_err(|error| internal(&error))?;
    let (commands, next_since, caught_up) = (page.commands, page.through, page.caught_up);
    Ok(Json(EventPage { as_of_sequence: as_of_sequence.max(next_since), commands, next_since, caught_up }))
}

/// What the client received last: the header of a browser that comes back, else the parameter, else now.
fn since(inner: &Inner, headers: &HeaderMap, query: &EventsQuery) -> Result<u64, Problem> {
    let Some(last) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(query.since.unwrap_or_else(|| inner.doors.source.head().0));
    };
    let text = last.to_str().ok().filter(|text| text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit()));
    let number = text.and_then(|text| text.parse().ok()).filter(|number| *number <= ID_MAX);
    number.ok_or_else(|| Problem::bad_request("last-event-id: expected a sequence"))
}

async fn stream(
    State(inner): Shared,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Problem> {
    let replay = replay(&inner, scope(&caller, &query)?, since(&inner, &headers, &query)?)?;
    let share = inner.streams.take(&caller)?;
    let (messages, receiver) = mpsc::channel(AHEAD_MAX);
    let (lose, lost) = watch::channel(None);
    let (status, reading) = (Arc::clone(&inner.doors.view.status), Arc::clone(&inner.streams.reading));
    let (standing, place) = (caller.standing(), inner.metrics.stream());
    tokio::spawn(async move {
        let _open = (share, place);
        tokio::select! {
            told = tokio::time::timeout(STREAM_MAX, tell(replay, &status, &reading, &messages)) => {
                if let Ok(Err(error)) = told {
                    // The client comes back and is answered by name if it is still so.
                    tracing::warn!(%error, "stream trade events");
                }
            }
            why = standing.until_lost() => {
                lose.send_replace(Some(why));
            }
        }
    });
    let stream = unfold(Some((receiver, lost)), |open| async move {
        let (mut receiver, mut lost) = open?;
        tokio::select! {
            // What waits for the client is not told to whoever has lost the right to it.
            biased;
            Ok(why) = wait_lost(&mut lost) => Some((Ok(farewell(why)), None)),
            message = receiver.recv() => match message {
                Some(message) => Some((Ok(sse(&message)), Some((receiver, lost)))),
                None => lost.borrow().map(|why| (Ok(farewell(why)), None)),
            },
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

/// Why the caller lost the right to the stream, as soon as that is so; an error means that it never will be.
async fn wait_lost(lost: &mut watch::Receiver<Option<Lost>>) -> Result<Lost, ()> {
    let why = lost.wait_for(Option::is_some).await.map_err(|_| ())?;
    why.ok_or(())
}

/// The last event of a stream whose caller lost the right to it.
fn farewell(why: Lost) -> SseEvent {
    let data = serde_json::json!({ "type": "dropped", "reason": why.reason, "detail": why.detail });
    SseEvent::default().event("dropped").data(data.to_string())
}

fn sse(message: &CommandShown) -> SseEvent {
    let data = serde_json::to_string(message).unwrap_or_default();
    SseEvent::default().id(message.sequence.to_string()).event("trade").data(data)
}

/// A page, when it is this stream's turn to read. Whoever is close to the end of the record takes no turn: what happens
/// now is told at once, however many want to hear of the past.
async fn read(replay: &mut Replay, reading: &Semaphore) -> Result<Page, ReplayError> {
    let _turn = if replay.behind() > CLOSE { Some(reading.acquire().await) } else { None };
    replay.page(PAGE).await
}

/// Sends what is there and what comes, until the client is gone.
async fn tell(
    mut replay: Replay,
    status: &crate::status::ViewStatus,
    reading: &Semaphore,
    messages: &mpsc::Sender<CommandShown>,
) -> Result<(), ReplayError> {
    let mut blocks = status.blocks();
    loop {
        let page = tokio::select! {
            page = read(&mut replay, reading) => page?,
            // Whoever seldom trades is told nothing for many pages; nobody reads them for a client that is gone.
            () = messages.closed() => return Ok(()),
        };
        let mut more = !page.caught_up;
        let mut commands = page.commands;
        loop {
            for command in commands {
                let sent = tokio::time::timeout(STALLED_MAX, messages.send(command)).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return Ok(());
                }
            }
            if more {
                break;
            }
            let before = replay.through();
            commands = tokio::select! {
                commands = replay.wait(&mut blocks) => commands?,
                () = messages.closed() => return Ok(()),
            };
            more = replay.through() == before;
        }
    }
}
