//! Parent orders: algorithms and conditions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use heng_model::command::{ControlParent, NewParent, ParentAction, ParentKind};
use heng_model::{
    AccountId, ClientOrderId, InstrumentId, Money, OrderType, ParentId, Price, Qty, RejectCode, TradeDate, UnixNanos,
};
use heng_ports::Answer;
use heng_transport::{Api, Body, Caller, Operation, Params, PathText, Problem};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::orders::refusable;
use super::{Inner, Shared, internal};
use crate::answer::{refused, unknown_cancel, unknown_parent};
use crate::execution::{Kept, Terms, Which};
use crate::forms::{self, ListQuery, ParentBody, ReadQuery};
use crate::shapes::{self, ParentPage, ParentShown, ParentWithOrders, ScheduleShown, instant};
use crate::store;
use crate::tables::ParentRow;
use crate::texts;

/// Most child orders that are shown with a parent.
const CHILDREN_SHOWN_MAX: u32 = 1_000;

/// A parent that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ParentAccepted {
    /// Parent number.
    parent_id: String,
    /// Command that brought it, or its repeat.
    sequence: u64,
    /// `accepted`.
    status: String,
    /// Whether the key was known: this is the first outcome.
    repeated: bool,
    /// Account number.
    account: String,
    /// The client's own id.
    client_order_id: String,
    /// Trade date.
    trade_date: String,
}

/// A control that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ControlAccepted {
    /// Parent number.
    parent_id: String,
    /// Command that brought it.
    sequence: u64,
    /// pause, resume or cancel.
    action: String,
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let operation = Operation::post("/v1/parents", "placeParent").tag("parents").needs("parent.place");
    let operation = operation.summary("Places an algorithmic or condition order.").description(
        "twap and vwap slice over time, pov follows the traded volume, iceberg shows a part, liquidity follows what \
         the other side offers inside the limit, condition places one order when the last price reaches the trigger. \
         What children fill and hold open never exceeds quantity and value_max: the core enforces it.",
    );
    let example = json!({ "account": "1", "client_order_id": "algo-1", "kind": "twap", "symbol": "600519.SH",
        "side": "buy", "quantity": "10000", "price": "10.05", "end": "14:50:00", "slices": 20 });
    let operation = refusable(operation.body::<ParentBody>(example));
    let operation = operation.answers::<ParentAccepted>(201, "The parent is durable.");
    api.add(operation.answers::<ParentAccepted>(200, "The key was known: the first outcome."), place);
    let operation = Operation::get("/v1/parents", "listParents").heavy().tag("parents").needs("order.read");
    let operation = operation.summary("Parents of an account, newest first.").query::<ListQuery>();
    let operation = operation.answers::<ParentPage>(200, "A page of parents.");
    api.add(operation.refuses(404, "No command has that sequence yet."), list);
    let operation = Operation::get("/v1/parents/{id}", "showParent").tag("parents").needs("order.read");
    let operation = operation.summary("One parent with the orders placed for it.").path_id("id", "Parent number.");
    let operation = operation.query::<ReadQuery>().answers::<ParentWithOrders>(200, "The parent.");
    api.add(
        operation.refuses(404, "There is no such parent or sequence, or its trade date is not kept any more."),
        show,
    );
    let control = |path, id, summary| {
        let operation = Operation::post(path, id).tag("parents").needs("parent.control").summary(summary);
        let operation = operation.path_id("id", "Parent number.").answers::<ControlAccepted>(200, "Durable.");
        refusable(operation)
    };
    let text = "No more slices until it is resumed; live children stay.";
    api.add(control("/v1/parents/{id}/pause", "pauseParent", text), pause);
    api.add(control("/v1/parents/{id}/resume", "resumeParent", "Slices may go on."), resume);
    api.add(control("/v1/parents/{id}/cancel", "cancelParent", "Ends it and cancels its live children."), cancel);
}

fn wrong(detail: &str) -> Problem {
    refused(RejectCode::BadField, detail)
}

/// What the client asked, with the usual values where nothing was said.
fn terms(inner: &Inner, form: &ParentBody) -> Result<Terms, Problem> {
    let kind = form.kind.0;
    let condition = kind == ParentKind::Condition;
    if condition != form.trigger.as_ref().is_some_and(|trigger| trigger.0 > Price::ZERO) {
        return Err(wrong("a condition order needs a trigger, and no other parent has one"));
    }
    let instrument = inner.instrument(&form.symbol)?;
    let watch = match &form.watch {
        Some(symbol) if condition => inner.instrument(symbol)?,
        _ if condition => instrument,
        _ => InstrumentId(0),
    };
    let trade_date = inner.date_or_open(form.trade_date.as_ref());
    let at = |time: &Option<texts::TimeText>| {
        let known = trade_date != TradeDate::NONE;
        time.as_ref().filter(|_| known).map_or(UnixNanos(0), |time| texts::instant(trade_date, time.0))
    };
    let (start, end) = (at(&form.start), at(&form.end));
    if end.0 > 0 && end <= start {
        return Err(wrong("the end must lie behind the start"));
    }
    let price = form.price.as_ref().map_or(Price::ZERO, |price| price.0);
    let follows = matches!(kind, ParentKind::Iceberg | ParentKind::Liquidity);
    if follows && price == Price::ZERO {
        return Err(wrong("an iceberg and a liquidity-following limit need a price"));
    }
    let quantity = form.quantity.0;
    let shown = form.display_quantity.as_ref().map_or(Qty((quantity.0 / 10).max(1)), |display| display.0);
    Ok(Terms {
        parent: NewParent {
            account: form.account.0,
            client_order: ClientOrderId::from_text(&form.client_order_id.0),
            trade_date,
            kind,
            instrument,
            side: form.side.0,
            order_type: OrderType::Limit,
            price,
            quantity,
            value_max: form.value_max.as_ref().map_or(Money::ZERO, |value| value.0),
            watch,
            at_or_above: condition && form.at_or_above.unwrap_or(true),
            trigger: form.trigger.as_ref().map_or(Price::ZERO, |trigger| trigger.0),
            expires: end,
        },
        start,
        end,
        slices: form.slices.unwrap_or(10),
        participation: form.participation_percent.unwrap_or(10),
        display: Qty(shown.0.max(1)),
    })
}

async fn place(State(inner): Shared, caller: Caller, Body(form): Body<ParentBody>) -> Result<Response, Problem> {
    caller.may_on(form.account.0)?;
    inner.takes_orders()?;
    let terms = terms(&inner, &form)?;
    // The terms are on the disk before the core hears of the parent: its driver always finds them.
    let kept = inner.doors.terms.keep(&terms).await.map_err(|error| internal(&error))?;
    if kept == Kept::Others {
        return Err(inner.refuse(RejectCode::KeyReused, "a parent with this key was asked for on other terms"));
    }
    let date = terms.parent.trade_date;
    match inner.submit(terms.parent.clone().into()).await {
        Answer::Accepted { sequence, id, repeated } => {
            let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
            let location = [("location", format!("/v1/parents/{id}"))];
            let told = ParentAccepted {
                parent_id: id.to_string(),
                sequence: sequence.0,
                status: "accepted".into(),
                repeated,
                account: form.account.0.to_string(),
                client_order_id: form.client_order_id.0.clone(),
                trade_date: date.to_string(),
            };
            Ok((status, location, Json(told)).into_response())
        }
        Answer::Rejected { sequence, id, code, repeated } => {
            if kept == Kept::New && id == 0 && !repeated {
                inner.doors.terms.remove(&terms).await.map_err(|error| internal(&error))?;
            }
            let sequence = if sequence.0 == 0 { Value::Null } else { json!(sequence.0) };
            Err(inner.refuse(code, "").with("sequence", sequence).with("repeated", repeated))
        }
        Answer::Unknown => {
            inner.metrics.unknown.add(1);
            Err(unknown_parent(form.account.0, &form.client_order_id.0, date))
        }
    }
}

/// The row of a parent that the caller may see.
async fn visible(look: &mut heng_store::Snapshot, caller: &Caller, id: &str) -> Result<ParentRow, Problem> {
    let parent = forms::parent_id(id)?;
    let as_of = look.as_of();
    let row = store::parent(look.connection(), parent).await.map_err(|error| internal(&error))?;
    let Some(row) = row else {
        return Err(refused(RejectCode::UnknownParent, format!("as of command {as_of}")).with("as_of_sequence", as_of));
    };
    caller.may_on(AccountId(row.account.cast_unsigned()))?;
    Ok(row)
}

/// A parent with how it is driven, where that was asked for through this door.
async fn shown(inner: &Inner, row: &ParentRow) -> Result<ParentShown, Problem> {
    let directory = &inner.doors.view.directory;
    let told = shapes::parent(row, directory);
    let account = AccountId(row.account.cast_unsigned());
    let date = crate::directory::date(row.trade_date);
    // Rows hold the id as it was told: a long one stands as its hash.
    let found = inner.doors.terms.by_text(account, date, &row.client_order).await;
    let Some(terms) = found.map_err(|error| internal(&error))? else { return Ok(told) };
    Ok(ParentShown {
        kind: Some(terms.parent.kind.name().into()),
        schedule: Some(schedule(&terms, |instrument| directory.symbol(texts::number_of(instrument)))),
        ..told
    })
}

fn schedule(terms: &Terms, symbol: impl FnOnce(InstrumentId) -> String) -> ScheduleShown {
    let kind = terms.parent.kind;
    let at = |time: UnixNanos| (time.0 > 0).then(|| instant(time.0));
    let price = |price: Price| (price != Price::ZERO).then(|| price.to_string());
    let condition = kind == ParentKind::Condition;
    ScheduleShown {
        price: price(terms.parent.price),
        start: at(terms.start),
        end: at(terms.end),
        slices: matches!(kind, ParentKind::Twap | ParentKind::Vwap).then_some(terms.slices),
        participation_percent: (kind == ParentKind::Pov).then_some(terms.participation),
        display_quantity: matches!(kind, ParentKind::Iceberg | ParentKind::Liquidity)
            .then(|| terms.display.to_string()),
        watch: condition.then(|| symbol(terms.parent.watch)),
        at_or_above: condition.then_some(terms.parent.at_or_above),
        trigger: price(terms.parent.trigger),
    }
}

async fn list(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<ParentPage>, Problem> {
    caller.may_on(query.account.0)?;
    let filter = query.filter();
    let mut look = inner.look(query.min_sequence).await?;
    let rows = store::list::<ParentRow>(look.connection(), &filter).await.map_err(|error| internal(&error))?;
    let as_of_sequence = look.as_of();
    drop(look);
    let full = rows.len() == filter.limit as usize;
    let next_before = rows.last().filter(|_| full).map(|row| shapes::id(row.parent_id));
    let mut parents = Vec::with_capacity(rows.len());
    for row in &rows {
        parents.push(shown(&inner, row).await?);
    }
    Ok(Json(ParentPage { as_of_sequence, parents, next_before }))
}

async fn show(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<ReadQuery>,
) -> Result<Json<ParentWithOrders>, Problem> {
    let mut look = inner.look(query.min_sequence).await?;
    let row = visible(&mut look, &caller, &id).await?;
    let parent = ParentId(row.parent_id.cast_unsigned());
    let children = store::children(look.connection(), parent, CHILDREN_SHOWN_MAX).await;
    let children = children.map_err(|error| internal(&error))?;
    let as_of_sequence = look.as_of();
    drop(look);
    Ok(Json(ParentWithOrders {
        parent: shown(&inner, &row).await?,
        orders: children.iter().map(|row| shapes::order(row, &inner.doors.view.directory)).collect(),
        as_of_sequence,
    }))
}

async fn control(
    inner: &Inner,
    caller: &Caller,
    id: &str,
    action: ParentAction,
) -> Result<Json<ControlAccepted>, Problem> {
    let mut look = inner.look(None).await?;
    let row = visible(&mut look, caller, id).await?;
    drop(look);
    let (account, parent) = (AccountId(row.account.cast_unsigned()), ParentId(row.parent_id.cast_unsigned()));
    let trade_date = crate::directory::date(row.trade_date);
    let (instrument, client_order) = (None, Some(row.client_order));
    let which = Which { trade_date, account: Some(account), instrument, client_order };
    let note = |held| inner.doors.terms.hold(&which, held);
    if action == ParentAction::Pause {
        note(true).await.map_err(|error| internal(&error))?;
    }
    match inner.submit(ControlParent { account, parent, action, epoch: 0 }.into()).await {
        Answer::Accepted { sequence, .. } => {
            if action == ParentAction::Resume {
                note(false).await.map_err(|error| internal(&error))?;
            }
            let (parent_id, action) = (parent.to_string(), action.name().into());
            Ok(Json(ControlAccepted { parent_id, sequence: sequence.0, action }))
        }
        Answer::Rejected { sequence, code, .. } => {
            let sequence = if sequence.0 == 0 { Value::Null } else { json!(sequence.0) };
            Err(inner.refuse(code, "").with("parent_id", parent.to_string()).with("sequence", sequence))
        }
        Answer::Unknown => Err(unknown_cancel(&format!("/v1/parents/{parent}"))),
    }
}

async fn pause(State(inner): Shared, caller: Caller, PathText(id): PathText) -> Result<Json<ControlAccepted>, Problem> {
    control(&inner, &caller, &id, ParentAction::Pause).await
}

async fn resume(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<ControlAccepted>, Problem> {
    control(&inner, &caller, &id, ParentAction::Resume).await
}

async fn cancel(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<ControlAccepted>, Problem> {
    control(&inner, &caller, &id, ParentAction::Cancel).await
}
