//! The HTTP doors: new orders and cancels to the core, reads from the view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use heng_model::{AccountId, Command, OrderId, ParentId, RejectCode, Seq, TradeDate};
use heng_ports::{Answer, CommandPort};
use heng_store::Snapshot;
use heng_transport::{Fields, Health, Metrics, Problem};
use serde_json::{Value, json};

use crate::answer::{NOT_YET, reason, refused, unknown_cancel, unknown_order};
use crate::directory::Directory;
use crate::forms::{self, OrderForm, PAGE_MAX, ReadForm};
use crate::shapes::{self, AccountRows};
use crate::store::{self, Listed};
use crate::tables::{OrderRow, ParentRow};
use crate::telemetry::{DoorMetrics, watch_view};
use crate::view::ViewReader;

/// Most fills that are shown with an order.
const FILLS_SHOWN_MAX: u32 = 1_000;
/// Most child orders that are shown with a parent.
const CHILDREN_SHOWN_MAX: u32 = 1_000;

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
    /// The view.
    pub view: ViewReader,
    /// How they behave.
    pub options: DoorOptions,
}

struct Inner {
    doors: Doors,
    metrics: DoorMetrics,
}

type Shared = State<Arc<Inner>>;

/// The routes, their metrics and their health.
pub fn routes(doors: Doors, metrics: &Arc<Metrics>, health: &Health) -> Router {
    watch_view(&doors.view.status, metrics, health);
    let inner = Arc::new(Inner { metrics: DoorMetrics::new(metrics), doors });
    Router::new()
        .route("/v1/orders", post(place).get(list_orders))
        .route("/v1/orders/{id}", get(show_order))
        .route("/v1/orders/{id}/cancel", post(cancel))
        .route("/v1/parents", get(list_parents))
        .route("/v1/parents/{id}", get(show_parent))
        .route("/v1/days", get(list_days))
        .route("/v1/accounts/{id}", get(show_account))
        .route("/v1/instruments", get(list_instruments))
        .with_state(inner)
}

/// The id in a path.
struct PathId(u64);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is not UTF-8 is no number either.
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        let digits = text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit());
        let id = if digits { text.parse::<u64>().ok() } else { None };
        id.filter(|id| *id > 0 && *id <= i64::MAX as u64)
            .map(Self)
            .ok_or_else(|| Problem::bad_request("the id in the path is not a number"))
    }
}

async fn query(request: Request) -> Result<Fields, Problem> {
    let (mut parts, _) = request.into_parts();
    Fields::from_query(&mut parts).await
}

impl Inner {
    /// Submits on a thread that may block; the runtime's own threads go on.
    async fn submit(self: &Arc<Self>, command: Command) -> Answer {
        let (port, deadline) = (Arc::clone(&self.doors.port), self.doors.options.submit_max);
        let began = Instant::now();
        let answer = tokio::task::spawn_blocking(move || port.submit(command, deadline)).await;
        self.metrics.submit.record(began.elapsed());
        // A port that panics or a runtime that ends says nothing about the command.
        answer.unwrap_or(Answer::Unknown)
    }

    fn refuse(&self, code: RejectCode, detail: &str) -> Problem {
        self.metrics.refused(code);
        refused(code, detail)
    }

    /// A consistent look that holds at least `form.min_sequence`.
    async fn look(&self, form: ReadForm) -> Result<Snapshot, Problem> {
        let (view, wait_max) = (&self.doors.view, self.doors.options.wait_max);
        if form.min_sequence > 0 && !view.status.wait_for(form.min_sequence, wait_max).await {
            let detail = format!("the view is at command {}, asked for {}", view.status.applied(), form.min_sequence);
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, NOT_YET, detail).retry_after_s(1));
        }
        view.snapshot().await.map_err(|error| Problem::internal(&error))
    }

    /// A page of orders or parents under `name`, newest first.
    async fn list<T: Listed>(
        &self,
        name: &'static str,
        request: Request,
        id: impl Fn(&T) -> i64,
        shape: impl Fn(&T, &Directory) -> Value,
    ) -> Result<Json<Value>, Problem> {
        let (filter, form) = forms::read_list(query(request).await?)?;
        let mut look = self.look(form).await?;
        let rows = store::list::<T>(look.connection(), &filter).await.map_err(|error| Problem::internal(&error))?;
        let directory = &self.doors.view.directory;
        let full = rows.len() == filter.limit as usize;
        Ok(Json(json!({
            "as_of_sequence": look.as_of(),
            name: rows.iter().map(|row| shape(row, directory)).collect::<Vec<_>>(),
            "next_before": rows.last().filter(|_| full).map(|row| id(row).to_string()),
        })))
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

async fn place(State(inner): Shared, fields: Fields) -> Result<Response, Problem> {
    let form = OrderForm::read(fields)?;
    let view = &inner.doors.view;
    if view.status.lag() > inner.doors.options.lag_max {
        return Err(inner.refuse(RejectCode::ViewsLag, "cancels are taken as before"));
    }
    let Some(instrument) = view.directory.instrument(&form.symbol) else {
        return Err(inner.refuse(RejectCode::UnknownInstrument, &format!("there is no symbol {}", form.symbol)));
    };
    let trade_date = form.trade_date.unwrap_or_else(|| view.directory.trade_date());
    let answer = inner.submit(form.command(instrument, trade_date).into()).await;
    tell_order(&inner, &form, trade_date, answer).await
}

async fn tell_order(
    inner: &Inner,
    form: &OrderForm,
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
            Ok((status, location, Json(accepted(form, trade_date, id, first, repeated))).into_response())
        }
        Answer::Rejected { sequence, id, code, repeated } => {
            inner.metrics.refused(code);
            let first = if repeated && id != 0 { inner.original_sequence(id, sequence).await } else { sequence };
            Err(refused(code, "")
                .with("order_id", if id == 0 { Value::Null } else { json!(id.to_string()) })
                .with("account", form.account.0.to_string())
                .with("client_order_id", form.client_order.clone())
                .with("trade_date", trade_date.to_string())
                .with("sequence", if first.0 == 0 { Value::Null } else { json!(first.0) })
                .with("repeated", repeated))
        }
        Answer::Unknown => {
            inner.metrics.unknown.add(1);
            Err(unknown_order(form, trade_date))
        }
    }
}

fn accepted(form: &OrderForm, trade_date: TradeDate, id: u64, sequence: Seq, repeated: bool) -> Value {
    json!({
        "order_id": id.to_string(),
        "sequence": sequence.0,
        "status": "accepted",
        "repeated": repeated,
        "account": form.account.0.to_string(),
        "client_order_id": form.client_order,
        "trade_date": trade_date.to_string(),
        "symbol": form.symbol,
        "side": form.side.name(),
        "type": form.order_type.name(),
        "price": form.price.to_string(),
        "quantity": form.quantity.to_string(),
        "self_trade": form.self_trade.name(),
    })
}

async fn cancel(State(inner): Shared, PathId(order): PathId, fields: Fields) -> Result<Response, Problem> {
    let command = forms::read_cancel(fields, OrderId(order))?;
    match inner.submit(command.into()).await {
        Answer::Accepted { sequence, id, .. } => {
            inner.metrics.cancels.add(1);
            Ok(Json(json!({ "order_id": id.to_string(), "sequence": sequence.0, "status": "cancel-accepted" }))
                .into_response())
        }
        Answer::Rejected { sequence, code, .. } => {
            let sequence = if sequence.0 == 0 { Value::Null } else { json!(sequence.0) };
            Err(inner.refuse(code, "").with("order_id", order.to_string()).with("sequence", sequence))
        }
        Answer::Unknown => Err(unknown_cancel(order)),
    }
}

async fn show_order(State(inner): Shared, PathId(id): PathId, request: Request) -> Result<Response, Problem> {
    let order = OrderId(id);
    let mut look = inner.look(forms::read_one(query(request).await?)?).await?;
    let internal = |error: heng_store::StoreError| Problem::internal(&error);
    let as_of = look.as_of();
    let row = store::order(look.connection(), order).await.map_err(internal)?;
    let Some(row) = row else {
        return Err(refused(RejectCode::UnknownOrder, format!("as of command {as_of}")).with("as_of_sequence", as_of));
    };
    let fills = store::fills(look.connection(), order, FILLS_SHOWN_MAX).await.map_err(internal)?;
    let mut told = shapes::order(&row, &inner.doors.view.directory);
    told["fills"] = fills.iter().map(shapes::fill).collect();
    told["as_of_sequence"] = json!(as_of);
    Ok(Json(told).into_response())
}

async fn list_orders(State(inner): Shared, request: Request) -> Result<Json<Value>, Problem> {
    inner.list("orders", request, |row: &OrderRow| row.order_id, shapes::order).await
}

async fn list_parents(State(inner): Shared, request: Request) -> Result<Json<Value>, Problem> {
    inner.list("parents", request, |row: &ParentRow| row.parent_id, shapes::parent).await
}

async fn show_parent(State(inner): Shared, PathId(id): PathId, request: Request) -> Result<Json<Value>, Problem> {
    let parent = ParentId(id);
    let mut look = inner.look(forms::read_one(query(request).await?)?).await?;
    let as_of = look.as_of();
    let row = store::parent(look.connection(), parent).await.map_err(|error| Problem::internal(&error))?;
    let Some(row) = row else {
        return Err(refused(RejectCode::UnknownParent, format!("as of command {as_of}")).with("as_of_sequence", as_of));
    };
    let children = store::children(look.connection(), parent, CHILDREN_SHOWN_MAX).await;
    let children = children.map_err(|error| Problem::internal(&error))?;
    let directory = &inner.doors.view.directory;
    let mut told = shapes::parent(&row, directory);
    told["orders"] = children.iter().map(|row| shapes::order(row, directory)).collect();
    told["as_of_sequence"] = json!(as_of);
    Ok(Json(told))
}

async fn list_days(State(inner): Shared, request: Request) -> Result<Json<Value>, Problem> {
    let (limit, form) = forms::read_days(query(request).await?)?;
    let mut look = inner.look(form).await?;
    let internal = |error: heng_store::StoreError| Problem::internal(&error);
    let market = store::market(look.connection()).await.map_err(internal)?;
    let rows = store::days(look.connection(), limit).await.map_err(internal)?;
    Ok(Json(json!({
        "as_of_sequence": look.as_of(),
        "days": rows.iter().map(|row| shapes::day(row, market.kept_from)).collect::<Vec<_>>(),
    })))
}

async fn show_account(State(inner): Shared, PathId(id): PathId, request: Request) -> Result<Json<Value>, Problem> {
    let account = AccountId(id);
    let mut look = inner.look(forms::read_one(query(request).await?)?).await?;
    let as_of = look.as_of();
    let Some(rows) = account_rows(&mut look, account).await.map_err(|error| Problem::internal(&error))? else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            reason(RejectCode::UnknownAccount),
            format!("as of command {as_of}"),
        ));
    };
    let mut told = shapes::account(&rows, &inner.doors.view.directory);
    told["as_of_sequence"] = json!(as_of);
    Ok(Json(told))
}

async fn account_rows(look: &mut Snapshot, id: AccountId) -> Result<Option<AccountRows>, heng_store::StoreError> {
    let connection = look.connection();
    let Some(account) = store::account(connection, id).await? else { return Ok(None) };
    let cash = store::cash(connection, id).await?;
    let shown = u32::try_from(PAGE_MAX).expect("a page is small");
    let mut holdings = store::holdings(connection, id, shown + 1).await?;
    let more = holdings.len() > shown as usize;
    holdings.truncate(shown as usize);
    let [held_cash, held_connect, held_shares] = store::holds(connection, id).await?;
    Ok(Some(AccountRows { account, cash, holdings, held_cash, held_connect, held_shares, more }))
}

async fn list_instruments(State(inner): Shared, request: Request) -> Result<Json<Value>, Problem> {
    let (after, limit, form) = forms::read_instruments(query(request).await?)?;
    let mut look = inner.look(form).await?;
    let internal = |error: heng_store::StoreError| Problem::internal(&error);
    let phases = store::phases(look.connection()).await.map_err(internal)?;
    let market = store::market(look.connection()).await.map_err(internal)?;
    let rows = store::instruments(look.connection(), after, limit).await.map_err(internal)?;
    let full = rows.len() == limit as usize;
    let date = crate::directory::date(market.trade_date);
    Ok(Json(json!({
        "as_of_sequence": look.as_of(),
        "trade_date": if market.trade_date == 0 { Value::Null } else { json!(date.to_string()) },
        "day_open": market.day_open,
        "stopped": market.stopped,
        "instruments": rows.iter().map(|row| shapes::instrument(row, &phases)).collect::<Vec<_>>(),
        "next_after": rows.last().filter(|_| full).map(|row| row.instrument),
    })))
}
