//! What staff do who look over others: changes of roles by two people, access reviews, second factors that are reset.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use heng_transport::{Body, Caller, Operation, Params, PathText, Problem};
use serde_json::json;

use super::people::accounts;
use super::{Routes, id_of};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::oversight::Wanted;
use crate::security_rows;
use crate::shapes::{ListQuery, UserShown};
use crate::shapes_security::{
    ApprovalBody, ApprovalName, EndedAnswer, NewestQuery, ReviewBody, ReviewDecisionBody, ReviewDecisionName,
    ReviewItemShown, ReviewItemsAnswer, ReviewShown, ReviewsAnswer, RoleChangeBody, RoleChangeShown, RoleChangesAnswer,
};

type Inner = State<Arc<Identity>>;

pub(super) fn add(api: &mut Routes) {
    sessions(api);
    role_changes(api);
    reviews(api);
    let operation = Operation::post("/v1/users/{id}/reset-factors", "resetFactors").tag("users").needs("user.write");
    let operation = operation.needs_step_up("Take all second factors of a user away", "重置用户的全部第二因素");
    let operation =
        operation.summary("Removes a user's one-time codes, passkeys and recovery codes, and ends their sessions.");
    let operation = operation.path_id("id", "Id of the user.").answers::<UserShown>(200, "The user.");
    let operation = operation.refuses(404, "There is no such user.");
    api.add(operation.refuses(409, "Nobody resets their own."), reset_factors);
}

fn sessions(api: &mut Routes) {
    let operation = Operation::delete("/v1/users/{id}/sessions", "endSessionsOf").tag("users").needs("user.write");
    let operation = operation.summary("Ends all sessions of another user, at once.");
    let operation = operation.path_id("id", "Id of the user.").answers::<EndedAnswer>(200, "They have ended.");
    api.add(operation.refuses(409, "The caller's own end by deleting /v1/sessions."), end_sessions);
}

async fn end_sessions(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<EndedAnswer>, Problem> {
    let user = id_of(&id, "user")?;
    if user == caller.principal.id {
        return Err(IdentityError::Clash("these are your own".to_owned()).into());
    }
    Ok(Json(EndedAnswer { ended: identity.end_sessions(&caller.principal, user, 0).await? }))
}

fn role_changes(api: &mut Routes) {
    let operation = Operation::get("/v1/role-changes", "listRoleChanges").tag("users").needs("user.read");
    let operation = operation.summary("Changes of roles and accounts that were asked for, newest first.");
    let operation = operation.query::<NewestQuery>().answers::<RoleChangesAnswer>(200, "The changes.");
    api.add(operation, list_changes);

    let operation = Operation::post("/v1/role-changes", "proposeRoles").tag("users").needs("role.propose");
    let operation = operation.needs_step_up("Ask for other roles of a user", "申请变更用户角色");
    let operation = operation.summary("Asks for other roles and accounts of a user; another one decides.");
    let example = json!({ "user": "2", "roles": ["trader"], "accounts": ["*"], "reason": "moves to the desk" });
    let operation =
        operation.body::<RoleChangeBody>(example).answers::<RoleChangeShown>(201, "It waits for a decision.");
    let operation = operation.refuses(404, "There is no such user.");
    api.add(operation.refuses(409, "A role does not fit the kind of user."), propose);

    let operation = Operation::post("/v1/role-changes/{id}", "decideRoles").tag("users").needs("role.decide");
    let operation = operation.needs_step_up("Decide on other roles of a user", "审批用户角色变更");
    let operation = operation.summary("Approves or declines a change; what is approved counts at once.");
    let operation =
        operation.path_id("id", "Number of the change.").body::<ApprovalBody>(json!({ "decision": "approve" }));
    let operation = operation.answers::<RoleChangeShown>(200, "It is decided.");
    let operation = operation.refuses(404, "There is no such change.");
    api.add(operation.refuses(409, "It was decided before."), decide);
}

fn reviews(api: &mut Routes) {
    let operation = Operation::get("/v1/access-reviews", "listAccessReviews").tag("users").needs("user.read");
    let operation = operation.summary("Access reviews, newest first, with what is overdue.");
    let operation = operation.query::<NewestQuery>().answers::<ReviewsAnswer>(200, "The reviews.");
    api.add(operation, list_reviews);

    let operation = Operation::post("/v1/access-reviews", "beginAccessReview").tag("users").needs("review.write");
    let operation = operation.summary("Begins a review of all staff and partners who may come in.");
    let operation = operation.body::<ReviewBody>(json!({ "due_days": 14 }));
    api.add(operation.answers::<ReviewShown>(201, "The review."), begin_review);

    let operation = Operation::get("/v1/access-reviews/{id}", "showAccessReview").tag("users").needs("user.read");
    let operation = operation.summary("One review: users, roles, last use.").path_id("id", "Number of the review.");
    let operation = operation.query::<ListQuery>().answers::<ReviewItemsAnswer>(200, "The review.");
    api.add(operation.refuses(404, "There is no such review."), review_items);

    let operation = Operation::post("/v1/access-reviews/{id}", "decideAccess").tag("users").needs("review.write");
    let operation = operation.needs_step_up("Decide on a user's access", "审阅用户权限");
    let operation = operation.summary("Confirms what a user has, or shuts them out at once.");
    let operation = operation.path_id("id", "Number of the review.");
    let operation = operation.body::<ReviewDecisionBody>(json!({ "user": "3", "decision": "confirm" }));
    let operation = operation.answers_as(204, "It is decided.", "");
    api.add(operation.refuses(404, "There is no such user in it, or they were decided on."), decide_access);
}

async fn reset_factors(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<UserShown>, Problem> {
    let row = identity.reset_factors(&caller.principal, id_of(&id, "user")?).await?;
    Ok(Json(UserShown::of(&row, &caller)))
}

fn page_of(query: &NewestQuery) -> (u64, u32) {
    (query.before.unwrap_or(i64::MAX.cast_unsigned()), query.limit.unwrap_or(50))
}

async fn list_changes(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<NewestQuery>,
) -> Result<Json<RoleChangesAnswer>, Problem> {
    let (before, limit) = page_of(&query);
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let rows = security_rows::role_changes(&mut look, before, limit).await.map_err(IdentityError::from)?;
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.number)).flatten();
    Ok(Json(RoleChangesAnswer {
        changes: rows.iter().map(|row| RoleChangeShown::of(row, &caller)).collect(),
        next_before,
    }))
}

async fn propose(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<RoleChangeBody>,
) -> Result<(StatusCode, Json<RoleChangeShown>), Problem> {
    let user = id_of(&body.user, "user")?;
    let roles = body.roles.iter().map(|role| role.name().to_owned()).collect();
    let wanted = Wanted { user, roles, accounts: accounts(&body.accounts)?, reason: body.reason };
    let row = identity.propose_roles(&caller.principal, wanted).await?;
    Ok((StatusCode::CREATED, Json(RoleChangeShown::of(&row, &caller))))
}

async fn decide(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<ApprovalBody>,
) -> Result<Json<RoleChangeShown>, Problem> {
    let approve = body.decision == ApprovalName::Approve;
    let row = identity.decide_roles(&caller.principal, id_of(&id, "role change")?, approve).await?;
    Ok(Json(RoleChangeShown::of(&row, &caller)))
}

async fn list_reviews(
    State(identity): Inner,
    Params(query): Params<NewestQuery>,
) -> Result<Json<ReviewsAnswer>, Problem> {
    let ((before, limit), now) = (page_of(&query), identity.clock.now());
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let rows = security_rows::reviews(&mut look, before, limit).await.map_err(IdentityError::from)?;
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.number)).flatten();
    Ok(Json(ReviewsAnswer { reviews: rows.iter().map(|row| ReviewShown::of(row, now)).collect(), next_before }))
}

async fn begin_review(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<ReviewBody>,
) -> Result<(StatusCode, Json<ReviewShown>), Problem> {
    let row = identity.begin_review(&caller.principal, body.due_days).await?;
    Ok((StatusCode::CREATED, Json(ReviewShown::of(&row, identity.clock.now()))))
}

async fn review_items(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Params(query): Params<ListQuery>,
) -> Result<Json<ReviewItemsAnswer>, Problem> {
    let (number, limit) = (id_of(&id, "access review")?, query.limit.unwrap_or(50));
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let review = security_rows::review(&mut look, number).await.map_err(IdentityError::from)?;
    let review = review.ok_or(IdentityError::Absent("access review"))?;
    let after = query.after.unwrap_or(0);
    let rows = security_rows::review_items(&mut look, number, after, limit).await.map_err(IdentityError::from)?;
    let next_after = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.principal)).flatten();
    let review = ReviewShown::of(&review, identity.clock.now());
    let items = rows.iter().map(|row| ReviewItemShown::of(row, &caller)).collect();
    Ok(Json(ReviewItemsAnswer { review, items, next_after }))
}

async fn decide_access(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<ReviewDecisionBody>,
) -> Result<StatusCode, Problem> {
    let item = (id_of(&id, "access review")?, id_of(&body.user, "user")?);
    identity.decide_review(&caller.principal, item, body.decision == ReviewDecisionName::Confirm).await?;
    Ok(StatusCode::NO_CONTENT)
}
