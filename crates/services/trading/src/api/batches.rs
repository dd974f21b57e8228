//! Several orders in one command: bulk, each on its own; basket, all or none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heng_model::command::{BasketOrders, BulkOrders, NewOrder};
use heng_model::{RejectCode, Seq};
use heng_ports::{Answer, OutcomeNow, OutcomesOf, Reply};
use heng_transport::{Api, Body, Caller, Operation, Problem};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::orders::refusable;
use super::{Inner, Shared};
use crate::answer::{refused, unknown_batch};
use crate::forms::{OrderBody, OrdersBody};
use crate::shapes::Refusal;

/// What became of one order of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// The client's own id.
    client_order_id: String,
    /// Order number; null where it got none.
    order_id: Option<String>,
    /// accepted, refused, or unknown: look it up by its key.
    outcome: String,
    /// Why it was refused; null unless it was.
    reject: Option<Refusal>,
    /// Whether the key was known with the same content: this is the first outcome.
    repeated: bool,
}

/// What became of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct BatchOutcome {
    /// Command that brought it; null where no order reached the core.
    sequence: Option<u64>,
    /// Trade date of the orders that named none.
    trade_date: String,
    /// The orders, as they were sent.
    results: Vec<BatchResult>,
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let example = || {
        json!({ "orders": [{ "account": "1", "client_order_id": "my-1", "symbol": "600519.SH",
        "side": "buy", "price": "10.05", "quantity": "100" }] })
    };
    let operation = Operation::post("/v1/orders/bulk", "placeBulk").tag("orders").needs("order.place");
    let operation = operation.summary("Places up to 100 orders, each accepted or refused on its own.");
    let operation = refusable(operation.body::<OrdersBody>(example()));
    api.add(operation.answers::<BatchOutcome>(200, "The batch is durable; results are in the order sent."), bulk);
    let operation = Operation::post("/v1/orders/basket", "placeBasket").tag("orders").needs("order.place");
    let operation = operation.summary("Places up to 100 orders, all or none: one refusal by the checks refuses all.");
    let operation = refusable(operation.body::<OrdersBody>(example()));
    api.add(operation.answers::<BatchOutcome>(200, "The basket is durable."), basket);
}

fn may(caller: &Caller, orders: &[OrderBody]) -> Result<(), Problem> {
    orders.iter().try_for_each(|order| caller.may_on(order.account.0))
}

async fn bulk(
    State(inner): Shared,
    caller: Caller,
    Body(form): Body<OrdersBody>,
) -> Result<Json<BatchOutcome>, Problem> {
    may(&caller, &form.orders)?;
    inner.takes_orders()?;
    let open = inner.open_date();
    let directory = &inner.doors.view.directory;
    // A symbol that nobody knows never reaches the core; the other orders do.
    let asked: Vec<Option<NewOrder>> = form
        .orders
        .iter()
        .map(|order| directory.instrument(&order.symbol.0).map(|instrument| order.command(instrument, open)))
        .collect();
    let orders: Vec<NewOrder> = asked.iter().flatten().copied().collect();
    let (mut sequence, mut outcomes) = (None, Vec::new());
    if !orders.is_empty() {
        let at = match inner.submit(BulkOrders { orders: orders.clone() }.into()).await {
            Answer::Accepted { sequence, .. } => sequence,
            // Refusals of the doors have no sequence, and one that names no order is of the whole batch.
            Answer::Rejected { sequence: Seq(0), code, .. } => return Err(inner.refuse(code, "")),
            Answer::Rejected { sequence, .. } => sequence,
            Answer::Unknown => return Err(unknown_batch("POST /v1/orders/bulk", open)),
        };
        sequence = Some(at.0);
        outcomes = outcomes_of(&inner, orders, at).await;
    }
    let mut outcomes = outcomes.into_iter();
    let results = form.orders.iter().zip(&asked).map(|(order, asked)| match asked {
        None => told(order, 0, Some(RejectCode::UnknownInstrument), false),
        Some(_) => outcome(order, outcomes.next().flatten(), sequence.unwrap_or(0)),
    });
    let results = results.collect();
    Ok(Json(BatchOutcome { sequence, trade_date: open.to_string(), results }))
}

/// What the replica knows of the orders after the command; nothing if it does not answer in time.
async fn outcomes_of(inner: &Inner, orders: Vec<NewOrder>, at: Seq) -> Vec<Option<OutcomeNow>> {
    match inner.ask(OutcomesOf { orders }, Some(at.0)).await {
        Ok((_, Reply::OutcomesNow(found))) => found.outcomes.into_iter().map(Some).collect(),
        _ => Vec::new(),
    }
}

fn outcome(order: &OrderBody, found: Option<OutcomeNow>, sequence: u64) -> BatchResult {
    let Some(found) = found else {
        let client_order_id = order.client_order_id.0.clone();
        return BatchResult {
            client_order_id,
            order_id: None,
            outcome: "unknown".into(),
            reject: None,
            repeated: false,
        };
    };
    // What has no key was refused before there could be one: an unknown account, a wrong date, a closed day.
    let code = match (found.known, found.same) {
        (false, _) => Some(RejectCode::from_number(found.code).unwrap_or(RejectCode::TableFull)),
        (true, false) => Some(RejectCode::KeyReused),
        (true, true) => RejectCode::from_number(found.code),
    };
    let id = if found.known && found.same { found.id } else { 0 };
    told(order, id, code, found.known && found.same && found.seq.0 < sequence)
}

fn told(order: &OrderBody, id: u64, code: Option<RejectCode>, repeated: bool) -> BatchResult {
    BatchResult {
        client_order_id: order.client_order_id.0.clone(),
        order_id: (id != 0).then(|| id.to_string()),
        outcome: if code.is_some() { "refused" } else { "accepted" }.into(),
        reject: code.map(Refusal::from),
        repeated,
    }
}

async fn basket(
    State(inner): Shared,
    caller: Caller,
    Body(form): Body<OrdersBody>,
) -> Result<Json<BatchOutcome>, Problem> {
    may(&caller, &form.orders)?;
    inner.takes_orders()?;
    let open = inner.open_date();
    let command = |order: &OrderBody| inner.instrument(&order.symbol).map(|instrument| order.command(instrument, open));
    let orders: Vec<NewOrder> = form.orders.iter().map(command).collect::<Result<_, _>>()?;
    let (at, code) = match inner.submit(BasketOrders { orders: orders.clone() }.into()).await {
        Answer::Accepted { sequence, .. } => (sequence, None),
        Answer::Rejected { sequence, code, .. } => (sequence, Some(code)),
        Answer::Unknown => return Err(unknown_batch("POST /v1/orders/basket", open)),
    };
    if let (Seq(0), Some(code)) = (at, code) {
        return Err(inner.refuse(code, ""));
    }
    let mut outcomes = outcomes_of(&inner, orders, at).await.into_iter();
    let results: Vec<BatchResult> =
        form.orders.iter().map(|order| outcome(order, outcomes.next().flatten(), at.0)).collect();
    match code {
        None => Ok(Json(BatchOutcome { sequence: Some(at.0), trade_date: open.to_string(), results })),
        Some(code) => {
            inner.metrics.refused(code);
            let results = serde_json::to_value(&results).unwrap_or_default();
            Err(refused(code, "none of the basket was placed").with("sequence", at.0).with("results", results))
        }
    }
}
