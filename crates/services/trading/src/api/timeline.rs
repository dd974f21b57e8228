//! The time line of an order: everything that happened to it, and what the checks looked at when it came.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heng_model::wire::decode_all;
use heng_model::{Event, OrderId, OrderStatus, RejectCode};
use heng_transport::{Api, Caller, Operation, Params, PathText, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use super::orders::visible;
use super::{Inner, Shared, internal};
use crate::checks::{self, CheckShown};
use crate::event_shapes::{self, TradeEvent};
use crate::forms::ReadQuery;
use crate::shapes::{self, OrderShown, Refusal, instant, name};
use crate::store;
use crate::tables::OrderEventRow;

/// Most events of one time line.
const EVENTS_MAX: u32 = 2_000;

/// An event of an order and what it changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TimelineEvent {
    /// Command that brought it.
    sequence: i64,
    /// When.
    time: String,
    /// State before; null where there was no order yet.
    status_before: Option<String>,
    /// State after.
    status_after: String,
    /// What happened, with its amounts.
    event: TradeEvent,
}

/// What the checks of an order looked at when it came.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PlacingShown {
    /// Whether it was accepted.
    accepted: bool,
    /// Why it was refused; null unless it was.
    reject: Option<Refusal>,
    /// Number of the risk rule that refused it.
    risk_rule: Option<u32>,
    /// Every check that ran, with what it looked at, in order; the last of a refused order is the one that refused.
    checks: Vec<CheckShown>,
}

/// The time line of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Timeline {
    /// The order as it is now.
    order: OrderShown,
    /// What the checks looked at; null while that is not kept yet, or where it was lost with a data folder's journal.
    placing: Option<PlacingShown>,
    /// Its events, oldest first, at most 2,000.
    events: Vec<TimelineEvent>,
    /// The command that this is true at.
    as_of_sequence: u64,
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let operation = Operation::get("/v1/orders/{id}/timeline", "orderTimeline").tag("orders").needs("order.read");
    let operation = operation.heavy().summary("Everything that happened to an order, and what each check looked at.");
    let operation =
        operation.path_id("id", "Order number.").query::<ReadQuery>().answers::<Timeline>(200, "The time line.");
    api.add(
        operation.refuses(404, "There is no such order or sequence, or its trade date is not kept any more."),
        timeline,
    );
}

async fn timeline(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<ReadQuery>,
) -> Result<Json<Timeline>, Problem> {
    let mut look = inner.look(query.min_sequence).await?;
    let row = visible(&mut look, &caller, &id).await?;
    let order = OrderId(row.order_id.cast_unsigned());
    let rows = store::order_events(look.connection(), order, EVENTS_MAX).await.map_err(|error| internal(&error))?;
    let as_of_sequence = look.as_of();
    drop(look);
    let explained = inner.doors.checks.of(order).await.map_err(|error| internal(&error))?;
    let directory = &inner.doors.view.directory;
    let placing = explained.map(|explained| {
        let code = RejectCode::from_number(explained.code);
        PlacingShown {
            accepted: code.is_none(),
            reject: code.map(Refusal::from),
            risk_rule: (explained.rule != 0).then_some(explained.rule),
            checks: checks::shown(&explained.checks),
        }
    });
    let events = rows.iter().filter_map(|row| told(row, &inner)).collect();
    Ok(Json(Timeline { order: shapes::order(&row, directory), placing, events, as_of_sequence }))
}

fn told(row: &OrderEventRow, inner: &Inner) -> Option<TimelineEvent> {
    let event: Event = decode_all(&row.event).ok()?;
    Some(TimelineEvent {
        sequence: row.sequence,
        time: instant(row.happened_at),
        status_before: (row.before != 0).then(|| name!(OrderStatus, row.before)),
        status_after: name!(OrderStatus, row.after),
        event: event_shapes::event(&event, &inner.doors.view.directory)?,
    })
}
