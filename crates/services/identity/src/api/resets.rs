//! Resets of forgotten passwords and lost factors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use heng_transport::{Body, Caller, Operation, Params, PathText, Problem};
use serde_json::json;

use super::{CameFrom, Routes, id_of};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::resets::{self, ResetWish};
use crate::secret::Secret;
use crate::shapes_resets::{ResetBody, ResetMade, ResetShown, ResetsAnswer, UseResetBody};
use crate::shapes_security::{ApprovalBody, ApprovalName, NewestQuery};

type Inner = State<Arc<Identity>>;

pub(super) fn add(api: &mut Routes) {
    let operation = Operation::get("/v1/password-resets", "listPasswordResets").tag("users").needs("user.read");
    let operation = operation.summary("Resets of passwords that were asked for, newest first.");
    api.add(operation.query::<NewestQuery>().answers::<ResetsAnswer>(200, "The resets."), list);

    let operation = Operation::post("/v1/password-resets", "askPasswordReset").tag("users").needs("user.write");
    let operation = operation.needs_step_up("Let a user choose a new password", "允许用户重设密码");
    let operation = operation.summary("Lets a user who has forgotten the password choose a new one with a code.");
    let operation = operation.description(
        "Recognise the person first, by means at least as good as when the account was opened. For a client the answer \
         carries the code; for staff another person approves and gets it. A code counts once, for an hour; the latest \
         one counts. With factors, passkeys, one-time codes and recovery codes go as well when it is used.",
    );
    let example = json!({ "user": "3", "factors": false, "reason": "came to the branch with identity card" });
    let operation = operation.body::<ResetBody>(example).answers::<ResetMade>(201, "The reset.");
    let operation = operation.refuses(404, "There is no such user.");
    api.add(operation.refuses(409, "Nobody resets their own."), ask);

    let operation = Operation::post("/v1/password-resets/{id}", "decidePasswordReset").tag("users");
    let operation = operation.needs("role.decide").needs_step_up("Decide on a password reset", "审批密码重设");
    let operation =
        operation.summary("Approves or declines a reset of one of the staff; the approval carries the code.");
    let operation =
        operation.path_id("id", "Number of the reset.").body::<ApprovalBody>(json!({ "decision": "approve" }));
    let operation = operation.answers::<ResetMade>(200, "It is decided.");
    let operation = operation.refuses(404, "There is no such reset.");
    api.add(operation.refuses(409, "It was decided before."), decide);

    let operation = Operation::post("/v1/password-reset", "usePasswordReset").tag("sign-in");
    let operation = operation.summary("Chooses a new password with a code, and ends all sessions of the user.");
    let operation = operation.description("Failures cost a growing wait for the user and the address.");
    let example = json!({ "user": "alice", "code": "abcd-efgh-ijkl-mnop", "new_password": "staple gun orchard nine" });
    let operation = operation.body::<UseResetBody>(example).answers_as(204, "The password holds; sign in with it.", "");
    api.add(operation.refuses(401, "The user or code is not right, or the code has ended."), apply);
}

async fn list(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<NewestQuery>,
) -> Result<Json<ResetsAnswer>, Problem> {
    let (before, limit) = (query.before.unwrap_or(i64::MAX.cast_unsigned()), query.limit.unwrap_or(50));
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let rows = resets::resets(&mut look, before, limit).await.map_err(IdentityError::from)?;
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.number)).flatten();
    Ok(Json(ResetsAnswer { resets: rows.iter().map(|row| ResetShown::of(row, &caller)).collect(), next_before }))
}

async fn ask(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<ResetBody>,
) -> Result<(StatusCode, Json<ResetMade>), Problem> {
    let wish = ResetWish { user: id_of(&body.user, "user")?, factors: body.factors, reason: body.reason };
    let made = identity.ask_reset(&caller.principal, wish).await?;
    Ok((StatusCode::CREATED, Json(ResetMade::of(&made, &caller))))
}

async fn decide(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<ApprovalBody>,
) -> Result<Json<ResetMade>, Problem> {
    let approve = body.decision == ApprovalName::Approve;
    let made = identity.decide_reset(&caller.principal, id_of(&id, "password reset")?, approve).await?;
    Ok(Json(ResetMade::of(&made, &caller)))
}

async fn apply(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    Body(body): Body<UseResetBody>,
) -> Result<StatusCode, Problem> {
    let (code, password) = (Secret::new(body.code), Secret::new(body.new_password));
    identity.use_reset((&body.user, address), &code, &password).await?;
    Ok(StatusCode::NO_CONTENT)
}
