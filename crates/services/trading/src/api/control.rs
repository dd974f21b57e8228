//! The kill switch.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heng_model::command::KillSwitch;
use heng_model::{AccountId, InstrumentId};
use heng_ports::{Answer, Resource};
use heng_transport::{Api, Body, Caller, Operation, Problem};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::orders::refusable;
use super::{Inner, Shared};
use crate::answer::unknown_cancel;
use crate::execution::Which;
use crate::forms::KillSwitchBody;

/// A kill switch that was set.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct KillSwitchSet {
    /// Command that set it.
    sequence: u64,
    /// Stopped (true) or freed (false).
    on: bool,
    /// The account; null = everybody.
    account: Option<String>,
    /// The instrument; null = every instrument.
    symbol: Option<String>,
}

pub(super) fn add(api: &mut Api<Arc<Inner>>) {
    let operation = Operation::post("/v1/kill-switch", "setKillSwitch").tag("orders").needs("kill.switch");
    let operation = operation.needs_step_up("Set or free the kill switch", "设置或解除交易总闸");
    let operation = operation.summary("Stops or frees new orders of everybody, an account, or an instrument.");
    let operation = operation.description("Cancels always pass. Parents in scope are paused by a stop.");
    let example = json!({ "account": "1", "on": true, "cancel_live": true });
    let operation = refusable(operation.body::<KillSwitchBody>(example));
    api.add(operation.answers::<KillSwitchSet>(200, "The switch is set; that is durable."), set);
}

async fn set(
    State(inner): Shared,
    caller: Caller,
    Body(form): Body<KillSwitchBody>,
) -> Result<Json<KillSwitchSet>, Problem> {
    match &form.account {
        Some(account) => caller.may_on(account.0)?,
        None => caller.may("kill.switch", Resource::Any)?,
    }
    let instrument = form.symbol.as_ref().map(|symbol| inner.instrument(symbol)).transpose()?;
    let account = form.account.as_ref().map(|account| account.0);
    let command = KillSwitch {
        account: account.unwrap_or(AccountId(0)),
        by_instrument: instrument.is_some(),
        instrument: instrument.unwrap_or(InstrumentId(0)),
        on: form.on,
        cancel_live: form.cancel_live,
    };
    let which = Which { account, instrument, ..Which::default() };
    let answer =
        if form.on { inner.submit_and_hold(command.into(), which).await } else { inner.submit(command.into()).await };
    match answer {
        Answer::Accepted { sequence, .. } => Ok(Json(KillSwitchSet {
            sequence: sequence.0,
            on: form.on,
            account: form.account.map(|account| account.0.to_string()),
            symbol: form.symbol.map(|symbol| symbol.0),
        })),
        Answer::Rejected { code, .. } => Err(inner.refuse(code, "")),
        Answer::Unknown => Err(unknown_cancel("/v1/instruments")),
    }
}
