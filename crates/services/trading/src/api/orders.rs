//! Placing, cancelling, estimating and reading single orders.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use heng_model::command::MassCancel;
use heng_model::{ClientOrderId, InstrumentId, Money, RejectCode, TradeDate};
use heng_ports::{Answer, EstimateOf, OutcomeOf, Reply};
use heng_transport::{Api, Body, Caller, Operation, Params, PathText, Problem, Reason};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

use super::{Inner, Shared, internal, other_reply};
use crate::answer::{refused, unknown_cancel, unknown_order};
use crate::checks::{self, CheckShown};
use crate::execution::Which;
use crate::forms::{self, CancelAllBody, CancelBody, EstimateBody, KeyQuery, ListQuery, OrderBody, ReadQuery};
use crate::shapes::{self, OrderPage, OrderWithFills, Refusal};
use crate::store;
use crate::tables::OrderRow;

/// Most fills that are shown with an order.
const FILLS_SHOWN_MAX: u32 = 1_000;

/// An order that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct OrderAccepted {
    /// Order number.
    order_id: String,
    /// Command that brought it.
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
    /// Symbol.
    symbol: String,
    /// Buy or sell.
    side: String,
    /// Order type.
    #[serde(rename = "type")]
    order_type: String,
    /// Limit or protective price; 0.00 = none.
    price: String,
    /// Quantity.
    quantity: String,
    /// What happens where it would meet an order of the same owner.
    self_trade: String,
}

/// A cancel that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct CancelAccepted {
    /// Order number.
    order_id: String,
    /// Command that brought the cancel.
    sequence: u64,
    /// `cancel-accepted`.
    status: String,
}

/// A mass cancel that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct MassCancelAccepted {
    /// Account number.
    account: String,
    /// Command that brought it: a read with it as `min_sequence` shows what became of the orders.
    sequence: u64,
    /// `cancel-accepted`.
    status: String,
}

/// What an order would come to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EstimateShown {
    /// Whether it would be accepted now.
    accepted: bool,
    /// Why it would be refused; null if it would not.
    reject: Option<Refusal>,
    /// Number of the risk rule that would refuse it.
    risk_rule: Option<u32>,
    /// Cash that it would hold, in the currency that the account settles in.
    hold_cash: String,
    /// Shares that it would hold.
    hold_quantity: String,
    /// Fees if all of it filled at its highest price, in the currency of the quotation.
    fees: EstimatedFees,
    /// Every check that ran, with what it looked at, in order.
    checks: Vec<CheckShown>,
    /// The command that this is true at.
    as_of_sequence: u64,
}

/// Fees of an order whose all filled at its highest price.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EstimatedFees {
    /// Commission.
    commission: String,
    /// Stamp duty.
    stamp: String,
    /// Transfer fee.
    transfer: String,
    /// Hong Kong levies and fees.
    hk_levies: String,
    /// All of them.
    total: String,
}

/// What became of a key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct KeyShown {
    /// Account number.
    account: String,
    /// Trade date.
    trade_date: String,
    /// The client's own id.
    client_order_id: String,
    /// Order number; null where the key is a parent's.
    order_id: Option<String>,
    /// Parent number; null where the key is an order's.
    parent_id: Option<String>,
    /// Command that brought it.
    sequence: u64,
    /// accepted or refused.
    outcome: String,
    /// Why it was refused; null unless it was.
    reject: Option<Refusal>,
    /// The command that this is true at.
    as_of_sequence: u64,
}

fn example() -> Value {
    json!({ "account": "1", "client_order_id": "my-1", "symbol": "600519.SH", "side": "buy", "type": "limit",
        "price": "10.05", "quantity": "100" })
}

/// What a command may be refused with, at every door that takes commands.
pub(super) fn refusable(operation: Operation) -> Operation {
    operation
        .refuses(404, "There is no such order, parent, account or symbol.")
        .refuses(409, "Refused: the code tells why. The refusal is durable where it has a sequence.")
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let operation = Operation::post("/v1/orders", "placeOrder").tag("orders").summary("Places an order.").description(
        "The answer comes after the order is durable. Sending the same body again returns the first outcome and never \
         makes a second order; after 503 with outcome `unknown`, do so with the trade_date that was told.",
    );
    let operation = refusable(operation.needs("order.place").body::<OrderBody>(example()));
    let operation = operation.answers::<OrderAccepted>(201, "The order is durable.");
    api.add(operation.answers::<OrderAccepted>(200, "The key was known: the first outcome."), place);
    let operation = Operation::get("/v1/orders", "listOrders").heavy().tag("orders").needs("order.read");
    let operation = operation.summary("Orders of an account, newest first.").query::<ListQuery>();
    api.add(
        operation.answers::<OrderPage>(200, "A page of orders.").refuses(404, "No command has that sequence yet."),
        list,
    );
    let operation = Operation::get("/v1/orders/by-key", "orderByKey").tag("orders").needs("order.read").summary(
        "What became of a client order id of today or of the previous trade date: resolves an unknown outcome.",
    );
    let operation = operation.query::<KeyQuery>().answers::<KeyShown>(200, "The key is known.");
    api.add(
        operation
            .refuses(404, "The key is not known: nothing came of it, or not yet; or no command has that sequence."),
        by_key,
    );
    let operation = Operation::get("/v1/orders/{id}", "showOrder").tag("orders").needs("order.read");
    let operation = operation.summary("One order with its fills.").path_id("id", "Order number.");
    let operation = operation.query::<ReadQuery>().answers::<OrderWithFills>(200, "The order.");
    api.add(
        operation.refuses(404, "There is no such order or sequence, or its trade date is not kept any more."),
        show,
    );
    let operation = Operation::post("/v1/orders/{id}/cancel", "cancelOrder").tag("orders").needs("order.cancel");
    let operation =
        operation.summary("Cancels an order. A second cancel changes nothing.").path_id("id", "Order number.");
    let operation = refusable(operation.body::<CancelBody>(json!({ "account": "1" })));
    api.add(operation.answers::<CancelAccepted>(200, "The cancel is durable."), cancel);
    let operation = Operation::post("/v1/orders/cancel-all", "cancelAllOrders").tag("orders").needs("order.cancel");
    let operation = operation.summary("Cancels the live orders of an account and pauses its parents.");
    let operation = refusable(operation.body::<CancelAllBody>(json!({ "account": "1" })));
    api.add(operation.answers::<MassCancelAccepted>(200, "The cancel is durable."), cancel_all);
    let operation = Operation::post("/v1/orders/estimate", "estimateOrder").tag("orders").needs("order.read");
    let operation = operation.summary("What an order would come to now: checks, hold and fees. Nothing is placed.");
    let operation = operation.body::<EstimateBody>(json!({ "account": "1", "symbol": "600519.SH", "side": "buy",
        "price": "10.05", "quantity": "100" }));
    let operation = operation.refuses(404, "There is no such symbol.");
    api.add(operation.answers::<EstimateShown>(200, "The estimate."), estimate);
}

async fn place(State(inner): Shared, caller: Caller, Body(form): Body<OrderBody>) -> Result<Response, Problem> {
    caller.may_on(form.account.0)?;
    inner.takes_orders()?;
    let instrument = inner.instrument(&form.symbol)?;
    let open = inner.open_date();
    let answer = inner.submit(form.command(instrument, open).into()).await;
    tell_order(&inner, &form, form.trade_date(open), answer).await
}

async fn tell_order(
    inner: &Inner,
    form: &OrderBody,
    trade_date: TradeDate,
    answer: Answer,
) -> Result<Response, Problem> {
    match answer {
        Answer::Accepted { sequence, id, repeated } => {
            let first = if repeated { inner.original_sequence(id, sequence).await } else { sequence };
            let counter = if repeated { &inner.metrics.repeated } else { &inner.metrics.accepted };
            counter.add(1);
            let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
            let location = [("location", format!("/v1/orders/{id}"))];
            Ok((status, location, Json(accepted(form, trade_date, id, first.0, repeated))).into_response())
        }
        Answer::Rejected { sequence, id, code, repeated } => {
            inner.metrics.refused(code);
            let first = if repeated && id != 0 { inner.original_sequence(id, sequence).await } else { sequence };
            Err(refused(code, "")
                .with("order_id", if id == 0 { Value::Null } else { json!(id.to_string()) })
                .with("account", form.account.0.to_string())
                .with("client_order_id", form.client_order_id.0.clone())
                .with("trade_date", trade_date.to_string())
                .with("sequence", if first.0 == 0 { Value::Null } else { json!(first.0) })
                .with("repeated", repeated))
        }
        Answer::Unknown => {
            inner.metrics.unknown.add(1);
            Err(unknown_order(form.account.0, &form.client_order_id.0, trade_date))
        }
    }
}

fn accepted(form: &OrderBody, trade_date: TradeDate, id: u64, sequence: u64, repeated: bool) -> OrderAccepted {
    OrderAccepted {
        order_id: id.to_string(),
        sequence,
        status: "accepted".into(),
        repeated,
        account: form.account.0.to_string(),
        client_order_id: form.client_order_id.0.clone(),
        trade_date: trade_date.to_string(),
        symbol: form.symbol.0.clone(),
        side: form.side.0.name().into(),
        order_type: form.order_type().name().into(),
        price: form.price().to_string(),
        quantity: form.quantity.0.to_string(),
        self_trade: form.self_trade().name().into(),
    }
}

async fn cancel(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Body(form): Body<CancelBody>,
) -> Result<Json<CancelAccepted>, Problem> {
    let order = forms::order_id(&id)?;
    caller.may_on(form.account.0)?;
    match inner.submit(form.command(order).into()).await {
        Answer::Accepted { sequence, id, .. } => {
            inner.metrics.cancels.add(1);
            let (order_id, status) = (id.to_string(), "cancel-accepted".into());
            Ok(Json(CancelAccepted { order_id, sequence: sequence.0, status }))
        }
        Answer::Rejected { sequence, code, .. } => {
            let sequence = if sequence.0 == 0 { Value::Null } else { json!(sequence.0) };
            Err(inner.refuse(code, "").with("order_id", order.to_string()).with("sequence", sequence))
        }
        Answer::Unknown => Err(unknown_cancel(&format!("/v1/orders/{order}"))),
    }
}

async fn cancel_all(
    State(inner): Shared,
    caller: Caller,
    Body(form): Body<CancelAllBody>,
) -> Result<Json<MassCancelAccepted>, Problem> {
    let account = form.account.0;
    caller.may_on(account)?;
    let instrument = form.symbol.as_ref().map(|symbol| inner.instrument(symbol)).transpose()?;
    let which = Which { account: Some(account), instrument, ..Which::default() };
    let (by_instrument, instrument) = (instrument.is_some(), instrument.unwrap_or(InstrumentId(0)));
    let command = MassCancel { account, by_instrument, instrument };
    match inner.submit_and_hold(command.into(), which).await {
        Answer::Accepted { sequence, .. } => {
            inner.metrics.cancels.add(1);
            let (account, status) = (account.to_string(), "cancel-accepted".into());
            Ok(Json(MassCancelAccepted { account, sequence: sequence.0, status }))
        }
        Answer::Rejected { code, .. } => Err(inner.refuse(code, "")),
        Answer::Unknown => Err(unknown_cancel(&format!("/v1/orders?account={account}&status=live"))),
    }
}

async fn estimate(
    State(inner): Shared,
    caller: Caller,
    Body(form): Body<EstimateBody>,
) -> Result<Json<EstimateShown>, Problem> {
    caller.may_on(form.account.0)?;
    let order = heng_model::command::NewOrder {
        account: form.account.0,
        client_order: ClientOrderId(0),
        trade_date: TradeDate::NONE,
        instrument: inner.instrument(&form.symbol)?,
        side: form.side.0,
        order_type: form.order_type.map_or(heng_model::OrderType::Limit, |word| word.0),
        price: form.price.as_ref().map_or(heng_model::Price::ZERO, |price| price.0),
        quantity: form.quantity.0,
        self_trade: heng_model::SelfTrade::Reject,
    };
    let (as_of_sequence, reply) = inner.ask(EstimateOf { order }, None).await?;
    let Reply::EstimateNow(found) = reply else { return Err(other_reply()) };
    let text = |amount: Money| amount.to_string();
    let code = RejectCode::from_number(found.code);
    Ok(Json(EstimateShown {
        accepted: code.is_none(),
        reject: code.map(Refusal::from),
        risk_rule: (found.rule != 0).then_some(found.rule),
        hold_cash: text(found.hold_cash),
        hold_quantity: found.hold_quantity.to_string(),
        fees: EstimatedFees {
            commission: text(found.commission),
            stamp: text(found.stamp),
            transfer: text(found.transfer),
            hk_levies: text(found.hk_levies),
            total: text(found.fees),
        },
        checks: checks::shown(&found.checks),
        as_of_sequence,
    }))
}

async fn by_key(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<KeyQuery>,
) -> Result<Json<KeyShown>, Problem> {
    let account = query.account.0;
    caller.may_on(account)?;
    let client_order = ClientOrderId::from_text(&query.client_order_id.0);
    let trade_date = query.trade_date.as_ref().map_or(TradeDate::NONE, |date| date.0);
    let (as_of_sequence, reply) =
        inner.ask(OutcomeOf { account, trade_date, client_order }, query.min_sequence).await?;
    let Reply::OutcomeNow(found) = reply else { return Err(other_reply()) };
    if !found.known {
        let detail = format!("as of command {as_of_sequence}; keys of today and of the previous trade date are known");
        let problem = Problem::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, detail);
        return Err(problem.with("as_of_sequence", as_of_sequence));
    }
    let id = Some(found.id.to_string());
    let (order_id, parent_id) = if found.is_parent { (None, id) } else { (id, None) };
    let code = RejectCode::from_number(found.code);
    Ok(Json(KeyShown {
        account: account.to_string(),
        trade_date: found.trade_date.to_string(),
        client_order_id: query.client_order_id.0,
        order_id,
        parent_id,
        sequence: found.seq.0,
        outcome: if code.is_some() { "refused" } else { "accepted" }.into(),
        reject: code.map(Refusal::from),
        as_of_sequence,
    }))
}

/// The row of an order that the caller may see.
pub(super) async fn visible(look: &mut heng_store::Snapshot, caller: &Caller, id: &str) -> Result<OrderRow, Problem> {
    let order = forms::order_id(id)?;
    let as_of = look.as_of();
    let row = store::order(look.connection(), order).await.map_err(|error| internal(&error))?;
    let Some(row) = row else {
        return Err(refused(RejectCode::UnknownOrder, format!("as of command {as_of}")).with("as_of_sequence", as_of));
    };
    caller.may_on(heng_model::AccountId(row.account.cast_unsigned()))?;
    Ok(row)
}

async fn show(
    State(inner): Shared,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<ReadQuery>,
) -> Result<Json<OrderWithFills>, Problem> {
    let mut look = inner.look(query.min_sequence).await?;
    let row = visible(&mut look, &caller, &id).await?;
    let order = heng_model::OrderId(row.order_id.cast_unsigned());
    let fills = store::fills(look.connection(), order, FILLS_SHOWN_MAX).await.map_err(|error| internal(&error))?;
    Ok(Json(OrderWithFills {
        order: shapes::order(&row, &inner.doors.view.directory),
        fills: fills.iter().map(shapes::fill).collect(),
        as_of_sequence: look.as_of(),
    }))
}

async fn list(
    State(inner): Shared,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<OrderPage>, Problem> {
    caller.may_on(query.account.0)?;
    let filter = query.filter();
    let mut look = inner.look(query.min_sequence).await?;
    let rows = store::list::<OrderRow>(look.connection(), &filter).await.map_err(|error| internal(&error))?;
    let full = rows.len() == filter.limit as usize;
    Ok(Json(OrderPage {
        as_of_sequence: look.as_of(),
        orders: rows.iter().map(|row| shapes::order(row, &inner.doors.view.directory)).collect(),
        next_before: rows.last().filter(|_| full).map(|row| shapes::id(row.order_id)),
    }))
}
