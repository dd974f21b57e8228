//! What administrators and auditors do: users, partners, the audit trail, the policies.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use heng_model::{AccountId, UnixNanos};
use heng_ports::{Accounts, Principal, PrincipalKind, Resource};
use heng_transport::{Body, Caller, Params, PathText, Problem, instants_of};

use super::{Repeatable, id_of};
use crate::audit_search::{AuditFilter, search};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::names::{AccountText, texts};
use crate::oauth::NewPartner;
use crate::policy::{ACTIONS, Policy, ROLES};
use crate::repeats::Once;
use crate::secret::Secret;
use crate::shapes::{
    ListQuery, PartnerBody, PartnerMade, PartnerShown, PartnersAnswer, PoliciesAnswer, PolicyShown, RoleShown,
    UserBody, UserKindName, UserMade, UserShown, UsersAnswer,
};
use crate::shapes_audit::{AuditAnswer, AuditQuery, AuditShown};
use crate::store::{self, PrincipalRow};
use crate::users::{NewUser, kind_of};

type Inner = State<Arc<Identity>>;
const USERS: [PrincipalKind; 2] = [PrincipalKind::Client, PrincipalKind::Staff];
const PARTNERS: [PrincipalKind; 1] = [PrincipalKind::Partner];

async fn page(
    identity: &Identity,
    kinds: &[PrincipalKind],
    query: &ListQuery,
) -> Result<(Vec<PrincipalRow>, Option<u64>), IdentityError> {
    let limit = query.limit.unwrap_or(50);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let mut look = identity.store.read().await?;
    let rows = store::list_principals(&mut look, &names, query.after.unwrap_or(0), limit).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id)).flatten();
    Ok((rows, next))
}

async fn one(identity: &Identity, id: u64, kinds: &[PrincipalKind]) -> Result<PrincipalRow, IdentityError> {
    let row = store::principal(&mut identity.store.read().await?, id).await?;
    row.filter(|row| kinds.contains(&kind_of(&row.kind))).ok_or(IdentityError::Absent("user or partner"))
}

/// Accounts out of a body: numbers, or `*` alone.
pub(super) fn accounts(list: &[AccountText]) -> Result<Accounts, IdentityError> {
    if let [AccountText(all)] = list
        && all == "*"
    {
        return Ok(Accounts::All);
    }
    let number = |AccountText(text): &AccountText| {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| plain).map(AccountId)
    };
    let numbers: Option<Vec<AccountId>> = list.iter().map(number).collect();
    let mut numbers = numbers.ok_or_else(|| IdentityError::field("/accounts", "are ids of accounts, or [\"*\"]"))?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Accounts::These(numbers))
}

pub(super) async fn users(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<UsersAnswer>, Problem> {
    let (rows, next_after) = page(&identity, &USERS, &query).await?;
    Ok(Json(UsersAnswer { users: rows.iter().map(|row| UserShown::of(row, &caller)).collect(), next_after }))
}

pub(super) async fn make_user(
    State(identity): Inner,
    caller: Caller,
    repeatable: Repeatable,
    Body(body): Body<UserBody>,
) -> Result<(StatusCode, Json<UserMade>), Problem> {
    let key = repeatable.key("users", &body)?;
    let kind = match body.kind {
        UserKindName::Client => PrincipalKind::Client,
        UserKindName::Staff => PrincipalKind::Staff,
    };
    let roles = body.roles.iter().map(|role| role.name().to_owned()).collect();
    let new = NewUser { name: body.name, kind, roles, accounts: accounts(&body.accounts)? };
    let given = body.password.is_some();
    let made = identity.make_user_once(Some(&caller.principal), new, body.password.map(Secret::new), key).await?;
    let (id, password) = match made {
        Once::First(made) => (made.id, (!given).then(|| made.password.expose().to_owned())),
        Once::Again(id) => (id_of(&id, "user")?, None),
    };
    let user = UserShown::of(&one(&identity, id, &USERS).await?, &caller);
    Ok((StatusCode::CREATED, Json(UserMade { user, password })))
}

pub(super) async fn user(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<UserShown>, Problem> {
    Ok(Json(UserShown::of(&one(&identity, id_of(&id, "user")?, &USERS).await?, &caller)))
}

pub(super) async fn disable_user(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<UserShown>, Problem> {
    let row = identity.set_disabled(&caller.principal, id_of(&id, "user")?, &USERS, true).await?;
    Ok(Json(UserShown::of(&row, &caller)))
}

pub(super) async fn enable_user(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<Json<UserShown>, Problem> {
    let row = identity.set_disabled(&caller.principal, id_of(&id, "user")?, &USERS, false).await?;
    Ok(Json(UserShown::of(&row, &caller)))
}

pub(super) async fn partners(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<PartnersAnswer>, Problem> {
    let (rows, next_after) = page(&identity, &PARTNERS, &query).await?;
    let partners = rows.iter().map(|row| PartnerShown::of(row, &caller)).collect();
    Ok(Json(PartnersAnswer { partners, next_after }))
}

pub(super) async fn make_partner(
    State(identity): Inner,
    caller: Caller,
    repeatable: Repeatable,
    Body(body): Body<PartnerBody>,
) -> Result<(StatusCode, Json<PartnerMade>), Problem> {
    let key = repeatable.key("partners", &body)?;
    let new = NewPartner { name: body.name, scopes: texts(&body.scopes), accounts: accounts(&body.accounts)? };
    let made = identity.make_partner_once(Some(&caller.principal), new, key).await?;
    let (id, client_secret) = match made {
        Once::First(made) => (made.id, Some(made.client_secret.expose().to_owned())),
        Once::Again(id) => (id_of(&id, "partner")?, None),
    };
    let partner = PartnerShown::of(&one(&identity, id, &PARTNERS).await?, &caller);
    Ok((StatusCode::CREATED, Json(PartnerMade { partner, client_secret })))
}

pub(super) async fn disable_partner(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    identity.set_disabled(&caller.principal, id_of(&id, "partner")?, &PARTNERS, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The span of time that a parameter means.
fn span(name: &'static str, text: Option<&String>) -> Result<Option<(UnixNanos, UnixNanos)>, IdentityError> {
    let wrong = || IdentityError::field(name, "must be a day (2026-07-06) or a second (2026-07-06T09:30:00)");
    text.map(|text| instants_of(text).ok_or_else(wrong)).transpose()
}

fn audit_filter(query: AuditQuery) -> Result<AuditFilter, IdentityError> {
    let (from, to) = (span("?from", query.from.as_ref())?, span("?to", query.to.as_ref())?);
    let address = |text: String| {
        let parsed = text.parse::<IpAddr>().map(|address| address.to_string());
        parsed.map_err(|_| IdentityError::field("?address", "is no network address"))
    };
    Ok(AuditFilter {
        before: query.before,
        principal: query.principal,
        name: query.name,
        action: query.action,
        outcome: query.outcome.map(|outcome| outcome.name().to_owned()),
        account: query.account.and_then(|account| account.parse().ok()),
        address: query.address.map(address).transpose()?,
        from: from.map(|(first, _)| first.0),
        to: to.map(|(_, last)| last.0),
        text: query.text,
        limit: query.limit.unwrap_or(100),
    })
}

pub(super) async fn audit(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<AuditQuery>,
) -> Result<Json<AuditAnswer>, Problem> {
    if query.name.is_some() || query.address.is_some() || query.text.is_some() {
        // What a caller sees as a mask alone cannot be asked for either: each answer would tell whether a guess is right.
        caller.may("personal.read", Resource::Any)?;
    }
    let filter = audit_filter(query)?;
    // Who reads the trail sees what happened before they asked.
    identity.audit.flush().await;
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let page = search(&mut look, &filter).await.map_err(IdentityError::from)?;
    drop(look);
    let numbers: Vec<u64> = page.rows.iter().map(|row| row.0).collect();
    let leaves = identity.leaves_of(&numbers).await;
    let rows = page.rows.into_iter().zip(leaves).map(|(row, leaf)| AuditShown::of(row, leaf, &caller));
    Ok(Json(AuditAnswer { rows: rows.collect(), next_before: page.next_before }))
}

pub(super) async fn policies(State(identity): Inner) -> Json<PoliciesAnswer> {
    let roles = ROLES.iter().map(|(name, kind)| role(&identity, name, *kind)).collect();
    let policies = Policy::texts().into_iter().map(|(name, text)| PolicyShown { name, text }).collect();
    Json(PoliciesAnswer { actions: ACTIONS.map(str::to_owned).to_vec(), roles, policies })
}

fn role(identity: &Identity, name: &str, kind: PrincipalKind) -> RoleShown {
    let credential = if kind == PrincipalKind::Partner { "token:0" } else { "session:0" };
    let principal = Principal {
        id: 0,
        kind,
        name: String::new(),
        accounts: Accounts::These(Vec::new()),
        roles: vec![name.to_owned()],
        scopes: Vec::new(),
        credential: credential.to_owned(),
    };
    let may = |action: &&&str| identity.policy.decide(&principal, action, Resource::Any).is_allowed();
    let actions = ACTIONS.iter().filter(may).map(|action| (*action).to_owned()).collect();
    RoleShown { name: name.to_owned(), kind: kind.name().to_owned(), actions }
}
