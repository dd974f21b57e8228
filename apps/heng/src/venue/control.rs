//! The control port: what the venue has, and the faults it is told to have. For tests and drills, on loopback.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use heng_model::Price;
use heng_transport::fix::{FixPhase, FixSession};
use serde::Deserialize;
use serde_json::{Value, json};

use super::exchange::{Fill, Input, Order};
use super::faults::{Fault, Faults};
use super::floor::Floor;
use super::gate::Gate;

/// What the control port reaches.
pub(super) struct Control {
    pub(super) floor: Arc<Floor>,
    pub(super) faults: Arc<Faults>,
    pub(super) session: Arc<FixSession>,
    /// The first gateway and the second.
    pub(super) gates: Vec<Arc<Gate>>,
}

/// Which gateways take connections.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gateways {
    primary: Option<bool>,
    backup: Option<bool>,
}

type Shared = State<Arc<Control>>;
type Refused = (StatusCode, Json<Value>);

fn fill(fill: &Fill) -> Value {
    json!({
        "exec_id": fill.exec, "order": fill.order, "symbol": fill.symbol,
        "side": if fill.buys { "buy" } else { "sell" },
        "price": Price(fill.price).to_string(), "quantity": fill.quantity.to_string(),
    })
}

fn order(order: &Order) -> Value {
    json!({
        "order": order.ask.client, "number": order.number.to_string(), "symbol": order.ask.symbol,
        "side": if order.ask.buys { "buy" } else { "sell" },
        "state": format!("{:?}", order.state).to_lowercase(),
        "quantity": order.ask.quantity.to_string(), "filled": order.filled.to_string(),
        "leaves": order.leaves().to_string(), "average": order.average().to_string(),
    })
}

async fn status(State(control): Shared) -> Json<Value> {
    let (faults, struck) = control.faults.show();
    let (fills, orders) = control.floor.dump();
    let session = control.session.status();
    Json(json!({
        "logged_on": session.phase == FixPhase::Up,
        "next_outgoing": session.next_outgoing, "next_incoming": session.next_incoming,
        "orders": orders.len(), "fills": fills.len(),
        "live": orders.iter().filter(|order| order.leaves() > 0).count(),
        "gateways": control.gates.iter().map(|gate| gate.is_open()).collect::<Vec<_>>(),
        "connections": control.gates.iter().map(|gate| gate.taken()).collect::<Vec<_>>(),
        "faults": faults, "struck": struck,
    }))
}

async fn trades(State(control): Shared) -> Json<Value> {
    let (fills, _) = control.floor.dump();
    Json(json!({ "trades": fills.iter().map(fill).collect::<Vec<_>>() }))
}

async fn orders(State(control): Shared) -> Json<Value> {
    let (_, orders) = control.floor.dump();
    Json(json!({ "orders": orders.iter().map(order).collect::<Vec<_>>() }))
}

async fn begin_fault(State(control): Shared, Json(fault): Json<Fault>) -> Result<Json<Value>, Refused> {
    let wrong = |why| (StatusCode::BAD_REQUEST, Json(json!({ "error": why })));
    control.faults.begin(fault.checked().map_err(wrong)?);
    Ok(Json(json!({ "faults": control.faults.show().0 })))
}

async fn end_faults(State(control): Shared) -> Json<Value> {
    control.faults.end_all();
    Json(json!({ "faults": [] }))
}

async fn close_day(State(control): Shared) -> Result<Json<Value>, Refused> {
    let failed =
        |error: std::io::Error| (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": error.to_string() })));
    control.floor.take(&Input::CloseDay).map_err(failed)?;
    Ok(Json(json!({ "closed": true })))
}

async fn gateways(State(control): Shared, Json(asked): Json<Gateways>) -> Json<Value> {
    for (gate, open) in control.gates.iter().zip([asked.primary, asked.backup]) {
        if let Some(open) = open {
            gate.set_open(open);
        }
    }
    Json(json!({ "gateways": control.gates.iter().map(|gate| gate.is_open()).collect::<Vec<_>>() }))
}

/// The routes of the control port.
pub(super) fn routes(control: Arc<Control>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/trades", get(trades))
        .route("/orders", get(orders))
        .route("/faults", post(begin_fault).delete(end_faults))
        .route("/close-day", post(close_day))
        .route("/gateways", post(gateways))
        .with_state(control)
}
