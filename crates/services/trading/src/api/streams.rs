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
use heng_transport::{Api, Caller, Operation, Params, Problem};
use tokio::sync::mpsc;

use super::{Inner, Shared, internal};
use crate::answer::BEYOND;
use crate::event_shapes::{CommandShown, EventPage};
use crate::forms::{EventsQuery, page};
use crate::texts::ID_MAX;
use crate::trade_events::{Replay, ReplayError, Scope};

/// Messages that wait for a slow client; then its stream waits, and nobody else.
const AHEAD_MAX: usize = 32;
/// Commands that a stream reads from the record at once.
const PAGE: usize = 256;
/// A stream ends after this time: the client comes back with last-event-id, and is asked again who it is.
const STREAM_MAX: Duration = Duration::from_secs(3_600);
/// A client that takes nothing for this long is gone.
const STALLED_MAX: Duration = Duration::from_secs(30);

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let beyond = "No command has that sequence yet.";
    let text = "Tells everything behind `since`, in order, each command once. A page may be empty and not at the end: \
                go on with next_since until caught_up.";
    let operation = Operation::get("/v1/trade-events", "listTradeEvents").tag("orders").needs("order.read");
    let operation = operation.summary("What happened to orders and parents, from any sequence on.").description(text);
    let operation = operation.query::<EventsQuery>().refuses(404, beyond);
    api.add(operation.answers::<EventPage>(200, "A page of events, oldest first."), events);
    let operation = Operation::get("/v1/drop-copy", "listDropCopy").tag("orders").needs("dropcopy.read");
    let operation = operation.summary("The same of every account that the caller may see, for staff and partners.");
    let operation = operation.description(text).query::<EventsQuery>().refuses(404, beyond);
    api.add(operation.answers::<EventPage>(200, "A page of events, oldest first."), events);
    let text = "Server-sent events of type `trade`. The id is the sequence: a client that comes back with \
                last-event-id misses nothing and gets nothing twice. A stream ends after an hour.";
    let last_id = || serde_json::json!({ "type": "string", "pattern": "^[0-9]{1,18}$" });
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
    let (messages, receiver) = mpsc::channel(AHEAD_MAX);
    let status = Arc::clone(&inner.doors.view.status);
    tokio::spawn(async move {
        let told = tokio::time::timeout(STREAM_MAX, tell(replay, &status, &messages)).await;
        if let Ok(Err(error)) = told {
            // The client comes back and is answered by name if it is still so.
            tracing::warn!(%error, "stream trade events");
        }
    });
    let stream = unfold(receiver, |mut receiver| async {
        let message: CommandShown = receiver.recv().await?;
        Some((Ok(sse(&message)), receiver))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

fn sse(message: &CommandShown) -> SseEvent {
    let data = serde_json::to_string(message).unwrap_or_default();
    SseEvent::default().id(message.sequence.to_string()).event("trade").data(data)
}

/// Sends what is there and what comes, until the client is gone.
async fn tell(
    mut replay: Replay,
    status: &crate::status::ViewStatus,
    messages: &mpsc::Sender<CommandShown>,
) -> Result<(), ReplayError> {
    let mut blocks = status.blocks();
    loop {
        let page = replay.page(PAGE).await?;
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
