//! What callers do about themselves: sign in and out, password, second factor, sessions, keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heng_ports::Resource;
use heng_transport::{Body, Caller, Params, PathText, Problem, SessionCookie};

use super::{CameFrom, Device, Repeatable, id_of, session_of};
use crate::api_keys::{KeyKind, NewKey};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::names::texts;
use crate::policy::ACTIONS;
use crate::repeats::Once;
use crate::secret::Secret;
use crate::sessions::{ENROL_SCOPE, FactorNeeded, Opened, PASSWORD_SCOPE, SignIn, SignedIn};
use crate::shapes::{
    CodeBody, EnrolAnswer, EnrolBody, KeyBody, KeyKindName, KeyMade, KeyShown, KeysAnswer, MeAnswer, OwnedQuery,
    PasswordBody, PrincipalShown, SessionShown, SessionsAnswer, SignInAnswer, SignInBody, instant,
};
use crate::shapes_security::PasskeyChallenge;
use crate::store;

type Inner = State<Arc<Identity>>;
const PAGE: u32 = 50;

/// No parameter: what used to stand in the query, a code, is refused rather than passed over.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn sign_in(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    Device(device): Device,
    cookie: SessionCookie,
    headers: HeaderMap,
    Body(body): Body<SignInBody>,
) -> Result<Response, Problem> {
    let secret = Secret::new(body.password);
    let totp = body.totp.filter(|code| !code.is_empty()).map(Secret::new);
    let recovery = body.recovery_code.filter(|code| !code.is_empty()).map(Secret::new);
    let passkey = body.passkey.map(|answer| (answer.id, answer.credential));
    let with_token = !body.cookie_only.unwrap_or(false);
    let by = SignIn { user: body.user, password: secret, totp, passkey, recovery, device, address };
    let opened = match identity.sign_in(by).await? {
        SignedIn::FactorNeeded(needed) => return Ok(Json(asked_for(needed)).into_response()),
        SignedIn::Session(opened) => opened,
    };
    let set = keep_session(&identity, cookie, &headers, &opened).await?;
    Ok(([(header::SET_COOKIE, set)], Json(signed_in(&opened, with_token))).into_response())
}

/// The cookie that keeps a fresh session. One browser holds one session: the one of before ends, because it would live on
/// with nobody who could end it.
pub(super) async fn keep_session(
    identity: &Identity,
    cookie: SessionCookie,
    headers: &HeaderMap,
    opened: &Opened,
) -> Result<HeaderValue, Problem> {
    if let Some(before) = cookie.brought(headers) {
        identity.replace_session(&before, opened).await?;
    }
    let set = HeaderValue::from_str(&cookie.set(opened.token.expose(), identity.options.session_age.as_secs()));
    set.map_err(|error| Problem::internal(&error))
}

pub(super) fn asked_for(needed: FactorNeeded) -> SignInAnswer {
    SignInAnswer {
        token: None,
        expires_at: None,
        principal: None,
        totp_required: needed.totp,
        second_factor_required: true,
        passkey: needed.passkey.map(|(id, options)| PasskeyChallenge { id, options }),
        recovery_possible: needed.recovery,
        totp_enrolment_required: false,
        password_change_required: false,
    }
}

pub(super) fn signed_in(opened: &Opened, with_token: bool) -> SignInAnswer {
    let held = |by: &str| opened.principal.scopes.iter().any(|scope| scope == by);
    SignInAnswer {
        token: with_token.then(|| opened.token.expose().to_owned()),
        expires_at: Some(instant(opened.expires_at)),
        totp_required: false,
        second_factor_required: false,
        passkey: None,
        recovery_possible: false,
        totp_enrolment_required: held(ENROL_SCOPE),
        password_change_required: held(PASSWORD_SCOPE),
        principal: Some(PrincipalShown::of(&opened.principal)),
    }
}

pub(super) async fn sign_out(
    State(identity): Inner,
    cookie: SessionCookie,
    caller: Caller,
) -> Result<Response, Problem> {
    let session = session_of(&caller.principal)?;
    identity.end_session(&caller.principal, session, false, "sign-out").await?;
    let gone = HeaderValue::from_static(cookie.gone());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

pub(super) async fn show(State(identity): Inner, caller: Caller) -> Result<Json<MeAnswer>, Problem> {
    let factors = identity.factors(caller.principal.id).await?;
    let may = |action: &&&str| identity.policy.decide(&caller.principal, action, Resource::Any).is_allowed();
    let actions = ACTIONS.iter().filter(may).map(|action| (*action).to_owned()).collect();
    let passkeys = u32::try_from(factors.passkeys.len()).unwrap_or(u32::MAX);
    Ok(Json(MeAnswer { principal: PrincipalShown::of(&caller.principal), actions, totp: factors.totp, passkeys }))
}

async fn read(identity: &Identity) -> Result<heng_store::Connection, IdentityError> {
    Ok(identity.store.read().await?)
}

pub(super) async fn change_password(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<PasswordBody>,
) -> Result<StatusCode, Problem> {
    let session = session_of(&caller.principal)?;
    let (current, new) = (Secret::new(body.current_password), Secret::new(body.new_password));
    identity.change_password(&caller.principal, session, &current, &new).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn enrol(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<EnrolBody>,
) -> Result<Json<EnrolAnswer>, Problem> {
    session_of(&caller.principal)?;
    let enrolment = identity.enrol(&caller.principal, &Secret::new(body.password)).await?;
    let (secret, uri) = (enrolment.secret.expose().to_owned(), enrolment.address.expose().to_owned());
    Ok(Json(EnrolAnswer { secret, uri }))
}

pub(super) async fn confirm(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<CodeBody>,
) -> Result<StatusCode, Problem> {
    let session = session_of(&caller.principal)?;
    identity.confirm(&caller.principal, session, &body.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_totp(
    State(identity): Inner,
    caller: Caller,
    Params(Nothing {}): Params<Nothing>,
) -> Result<StatusCode, Problem> {
    let session = session_of(&caller.principal)?;
    identity.remove_totp(&caller.principal, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose sessions or keys are asked for: the caller's, or another's by those who may read users.
fn whose(caller: &Caller, query: &OwnedQuery) -> Result<u64, Problem> {
    match query.user {
        Some(user) if user != caller.principal.id => caller.may("user.read", Resource::Any).map(|()| user),
        _ => Ok(caller.principal.id),
    }
}

pub(super) async fn sessions(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<OwnedQuery>,
) -> Result<Json<SessionsAnswer>, Problem> {
    let (user, limit) = (whose(&caller, &query)?, query.limit.unwrap_or(PAGE));
    let before = query.before.unwrap_or(i64::MAX.cast_unsigned());
    let mut look = read(&identity).await?;
    let found = store::live_sessions(&mut look, user, before, identity.clock.now(), limit).await;
    let rows = found.map_err(IdentityError::from)?;
    let current = session_of(&caller.principal).ok();
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id)).flatten();
    let sessions = rows.iter().map(|row| SessionShown::of(row, current, &caller)).collect();
    Ok(Json(SessionsAnswer { sessions, next_before }))
}

/// Whether the caller may change what is another's.
fn others(caller: &Caller) -> bool {
    caller.may("user.write", Resource::Any).is_ok()
}

pub(super) async fn end_session(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    let id = id_of(&id, "session")?;
    let own = session_of(&caller.principal).ok() == Some(id);
    identity.end_session(&caller.principal, id, !own && others(&caller), "session.revoked").await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn keys(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<OwnedQuery>,
) -> Result<Json<KeysAnswer>, Problem> {
    let (user, limit) = (whose(&caller, &query)?, query.limit.unwrap_or(PAGE));
    let before = query.before.unwrap_or(i64::MAX.cast_unsigned());
    let found = store::list_keys(&mut read(&identity).await?, user, before, limit).await;
    let rows = found.map_err(IdentityError::from)?;
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.number)).flatten();
    Ok(Json(KeysAnswer { keys: rows.iter().map(KeyShown::of).collect(), next_before }))
}

fn new_key(body: &KeyBody, now: i64) -> Result<NewKey, IdentityError> {
    let kind = match (body.kind.unwrap_or(KeyKindName::Hmac), &body.public_key) {
        (KeyKindName::Hmac, None) => KeyKind::Hmac,
        (KeyKindName::Hmac, Some(_)) => {
            return Err(IdentityError::field("/public_key", "belongs to keys of the kind ed25519"));
        }
        (KeyKindName::Ed25519, None) => return Err(IdentityError::field("/public_key", "is missing")),
        (KeyKindName::Ed25519, Some(text)) => {
            let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            KeyKind::Ed25519(bytes.ok_or_else(|| IdentityError::field("/public_key", "is not base64 of 32 bytes"))?)
        }
    };
    let expires_at = body.days.map(|days| now.saturating_add(i64::from(days) * 86_400_000_000_000));
    let (name, scopes, networks) = (body.name.clone(), texts(&body.scopes), body.networks.clone());
    Ok(NewKey { name, kind, scopes, networks, expires_at })
}

pub(super) async fn make_key(
    State(identity): Inner,
    caller: Caller,
    repeatable: Repeatable,
    Body(body): Body<KeyBody>,
) -> Result<(StatusCode, Json<KeyMade>), Problem> {
    let owner = &caller.principal;
    let (new, key) = (new_key(&body, identity.clock.now())?, repeatable.key("api-keys", &body)?);
    let (id, secret) = match identity.make_key_once(Some(owner), owner.id, new, key).await? {
        Once::First(made) => (made.id, made.secret.map(|secret| secret.expose().to_owned())),
        Once::Again(id) => (id, None),
    };
    let row = store::key(&mut read(&identity).await?, &id).await.map_err(IdentityError::from)?;
    let key = KeyShown::of(&row.ok_or(IdentityError::Absent("key"))?);
    Ok((StatusCode::CREATED, Json(KeyMade { key, secret })))
}

pub(super) async fn end_key(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
) -> Result<StatusCode, Problem> {
    let own = store::key(&mut read(&identity).await?, &id).await.map_err(IdentityError::from)?;
    let own = own.is_some_and(|key| key.principal == caller.principal.id);
    identity.end_key(&caller.principal, &id, !own && others(&caller)).await?;
    Ok(StatusCode::NO_CONTENT)
}
