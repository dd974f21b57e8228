//! Sign-on of staff by an OpenID provider: its start and return in a browser, its end by the back channel, and who is
//! linked to whom.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use heng_transport::{Body, Caller, Operation, Params, PathText, Problem, SessionCookie};
use serde_json::json;

use super::me::{asked_for, keep_session, signed_in};
use super::{CameFrom, Device, FORM, Routes, id_of};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::oauth::{Form, Refused};
use crate::oidc::{Answered, COOKIE_S, Entered, Origin, SignOnRefused};
use crate::secret::Secret;
use crate::sessions::{SignIn, SignedIn};
use crate::shapes::{SignInAnswer, TokenRefusal};
use crate::shapes_oidc::{
    CODE_MAX, CallbackQuery, ERROR_MAX, ISSUER_MAX, LinkBody, LinkShown, LogoutForm, MethodsAnswer, OidcMethod,
    SignOnFactorBody, StartQuery,
};

type Inner = State<Arc<Identity>>;

const START: &str = "/v1/sign-in/oidc";
/// The cookie of a sign-on on its way; it goes to these operations alone.
const COOKIE: &str = "heng_oidc";

pub(super) fn add(api: &mut Routes) {
    browser(api);
    links(api);
    let operation = Operation::post("/v1/sign-in/oidc/logout", "logoutByProvider").tag("sign-in");
    let operation =
        operation.summary("Ends sessions at the word of the provider (OpenID Connect Back-Channel Logout).");
    let operation = operation.description(
        "Takes a logout token signed by the provider; it counts once, and ends the sessions of its subject or of its \
         session id. Refusals have the form of RFC 6749.",
    );
    let operation = operation.body_as::<LogoutForm>(FORM, json!({ "logout_token": "HEADER.CLAIMS.SIGNATURE" }));
    let operation = operation.answers_as(200, "They have ended.", "");
    let operation = operation.answers::<TokenRefusal>(400, "The token does not count.");
    let operation = operation.refuses(404, "No provider is configured.");
    let operation = operation.answers::<TokenRefusal>(429, "Too many; try again after the seconds in retry-after.");
    api.add(operation.answers::<TokenRefusal>(503, "The provider or our own tables do not answer."), logout);
}

fn browser(api: &mut Routes) {
    let operation = Operation::get("/v1/sign-in/methods", "listSignInMethods").tag("sign-in");
    let operation = operation.summary("The ways in that there are, for the sign-in page.");
    api.add(operation.answers::<MethodsAnswer>(200, "The ways."), methods);

    let operation = Operation::get(START, "beginSignOn").tag("sign-in");
    let operation = operation.summary("Sends a browser to the OpenID provider.").query::<StartQuery>();
    let operation = operation.description(
        "Authorization code with PKCE (S256), state and nonce; the browser is bound by a cookie that lives ten minutes. \
         Where it fails, the browser goes back to /?sso=REASON: away, busy, failed.",
    );
    let operation = operation.answers_as(302, "To the provider, or back to the sign-in page.", "");
    api.add(operation.refuses(404, "No provider is configured."), begin);

    let operation = Operation::get("/v1/sign-in/oidc/callback", "finishSignOn").tag("sign-in");
    let operation = operation.summary("Where the provider sends a browser back to.").query::<CallbackQuery>();
    let operation = operation.description(
        "Sets the session's cookie and goes to the page that was asked for; to /?sso=factor where a factor of Heng's own \
         is needed (POST /v1/sign-in/oidc/factor); or to /?sso=REASON: expired, refused, unknown, enrol, away, busy, failed.",
    );
    let operation = operation.answers_as(302, "To a page of the console.", "");
    api.add(operation.refuses(404, "No provider is configured."), finish);

    let operation = Operation::post("/v1/sign-in/oidc/factor", "proveSignOn").tag("sign-in");
    let operation = operation.summary("A factor of Heng's own for a sign-on that the provider proved.");
    let operation = operation.description(
        "Without a factor the answer says second_factor_required and what would do. Five may be tried within five minutes.",
    );
    let operation = operation.body::<SignOnFactorBody>(json!({ "totp": "123456" }));
    let operation = operation.answers::<SignInAnswer>(200, "Signed in, or a second factor is needed.");
    let operation = operation.refuses(401, "The factor is not right, or no sign-on waits in this browser.");
    api.add(operation.refuses(404, "No provider is configured."), factor);
}

fn links(api: &mut Routes) {
    let operation = Operation::get("/v1/users/{id}/provider-link", "showProviderLink").tag("users").needs("user.read");
    let operation = operation.summary("Whom a user is at the OpenID provider.").path_id("id", "Id of the user.");
    let operation = operation.answers::<LinkShown>(200, "The link.");
    api.add(operation.refuses(404, "They are linked to nobody."), show_link);

    let operation = Operation::post("/v1/users/{id}/provider-link", "linkProvider").tag("users").needs("user.write");
    let operation =
        operation.needs_step_up("Link a user to a person at the OpenID provider", "将用户关联到统一身份账号");
    let operation = operation.summary("Links a staff user to a subject of the OpenID provider.").description(
        "The first sign-on over a fresh link takes what Heng itself knows of the user beside the provider: a second \
         factor, or the password to enrol one. So nobody becomes another by linking them to themselves.",
    );
    let operation = operation.path_id("id", "Id of the user.");
    let example = json!({ "issuer": "https://login.broker.example", "subject": "248289761001" });
    let operation = operation.body::<LinkBody>(example).answers::<LinkShown>(201, "The link.");
    let operation = operation.refuses(404, "There is no such staff user.");
    api.add(operation.refuses(409, "The user or the subject is linked, or no provider is configured."), link);

    let operation =
        Operation::delete("/v1/users/{id}/provider-link", "unlinkProvider").tag("users").needs("user.write");
    let operation = operation.needs_step_up("Take a user's link to the OpenID provider away", "解除用户的统一身份关联");
    let operation = operation.summary("Takes the link away, and ends the sessions that began by it, at once.");
    let operation = operation.path_id("id", "Id of the user.").answers_as(204, "They are linked to nobody.", "");
    api.add(operation.refuses(404, "They are linked to nobody."), unlink);
}

async fn methods(State(identity): Inner) -> Json<MethodsAnswer> {
    let oidc = identity.oidc.as_ref().map(|oidc| &oidc.options);
    let oidc = oidc.map(|options| OidcMethod { name: options.label.clone(), start: START.to_owned() });
    Json(MethodsAnswer { password: true, oidc })
}

/// The cookie's name: on TLS doors browsers take it over TLS only.
fn cookie_name(door: SessionCookie) -> String {
    if door.is_secured() { format!("__Secure-{COOKIE}") } else { COOKIE.to_owned() }
}

/// Lax, because the browser must bring it when the provider sends it back.
fn cookie(door: SessionCookie, value: &str, age_s: i64) -> Result<HeaderValue, Problem> {
    let secure = if door.is_secured() { "; Secure" } else { "" };
    let name = cookie_name(door);
    let text = format!("{name}={value}; Path={START}; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}");
    HeaderValue::from_str(&text).map_err(|error| Problem::internal(&error))
}

fn brought(door: SessionCookie, headers: &HeaderMap) -> Option<String> {
    let wanted = cookie_name(door);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
}

fn to(place: &str) -> Result<Response, Problem> {
    let place = HeaderValue::from_str(place).map_err(|error| Problem::internal(&error))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, place)]).into_response())
}

fn known(identity: &Identity) -> Result<(), IdentityError> {
    identity.oidc.as_ref().map(drop).ok_or(IdentityError::Absent("OpenID provider"))
}

async fn begin(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    door: SessionCookie,
    Params(query): Params<StartQuery>,
) -> Result<Response, Problem> {
    known(&identity)?;
    match identity.begin_sign_on(query.back.as_deref().unwrap_or("/"), address).await {
        Ok((place, sealed)) => {
            let mut response = to(&place)?;
            response.headers_mut().append(header::SET_COOKIE, cookie(door, &sealed, COOKIE_S)?);
            Ok(response)
        }
        Err(refused) => to(&format!("/?sso={}", refused.word())),
    }
}

/// What the provider sends, read leniently: what is no form is no answer, and what it adds of its own is left alone.
fn read_answer(query: Option<&str>) -> Result<Answered, IdentityError> {
    let Ok(form) = Form::read(FORM, query.unwrap_or_default().as_bytes()) else { return Ok(Answered::default()) };
    let own = |pointer: &'static str, max: usize| match form.get(&pointer[1..]) {
        Some(text) if text.chars().count() > max => {
            Err(IdentityError::field(pointer, format!("is longer than {max} characters")))
        }
        text => Ok(text.map(str::to_owned)),
    };
    let (code, state) = (own("?code", CODE_MAX)?, own("?state", CODE_MAX)?);
    Ok(Answered { code, state, iss: own("?iss", ISSUER_MAX)?, error: own("?error", ERROR_MAX)? })
}

async fn finish(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    Device(device): Device,
    RawQuery(query): RawQuery,
    door: SessionCookie,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let answered = read_answer(query.as_deref())?;
    known(&identity)?;
    let carried = brought(door, &headers);
    let origin = Origin { address, device: &device };
    let (mut response, next) = match identity.finish_sign_on(answered, carried.as_deref(), origin).await {
        Ok(Entered::In(opened, back)) => {
            let mut response = to(&back)?;
            response.headers_mut().append(header::SET_COOKIE, keep_session(&identity, door, &headers, &opened).await?);
            (response, cookie(door, "", 0)?)
        }
        Ok(Entered::FactorNeeded(ticket, back)) => {
            let back: String = url::form_urlencoded::byte_serialize(back.as_bytes()).collect();
            (to(&format!("/?sso=factor&return={back}"))?, cookie(door, &ticket, COOKIE_S)?)
        }
        Err(refused) => (to(&format!("/?sso={}", refused.word()))?, cookie(door, "", 0)?),
    };
    response.headers_mut().append(header::SET_COOKIE, next);
    Ok(response)
}

async fn factor(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    Device(device): Device,
    door: SessionCookie,
    headers: HeaderMap,
    Body(body): Body<SignOnFactorBody>,
) -> Result<Response, Problem> {
    known(&identity)?;
    let ticket = brought(door, &headers).unwrap_or_default();
    let some = |code: Option<String>| code.filter(|code| !code.is_empty()).map(Secret::new);
    let by = SignIn {
        user: String::new(),
        password: Secret::new(String::new()),
        totp: some(body.totp),
        passkey: body.passkey.map(|answer| (answer.id, answer.credential)),
        recovery: some(body.recovery_code),
        device,
        address,
    };
    match identity.prove_sign_on(&ticket, by).await? {
        SignedIn::FactorNeeded(needed) => Ok(Json(asked_for(needed)).into_response()),
        SignedIn::Session(opened) => {
            let mut response = Json(signed_in(&opened, false)).into_response();
            response.headers_mut().append(header::SET_COOKIE, keep_session(&identity, door, &headers, &opened).await?);
            response.headers_mut().append(header::SET_COOKIE, cookie(door, "", 0)?);
            Ok(response)
        }
    }
}

async fn logout(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    if let Err(absent) = known(&identity) {
        return Ok(Problem::from(absent).into_response());
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::read(media, &body)?;
    let token = form.get("logout_token").ok_or(Refused::Request("logout_token is missing"))?;
    match identity.end_by_provider(token, address).await {
        Ok(_) => Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response()),
        Err(SignOnRefused::Away(_)) => Err(Refused::Away),
        Err(SignOnRefused::Failed(error)) => Err(error.into()),
        Err(_) => Err(Refused::Request("the logout token does not count")),
    }
}

async fn show_link(State(identity): Inner, caller: Caller, PathText(id): PathText) -> Result<Json<LinkShown>, Problem> {
    let user = id_of(&id, "user")?;
    let found = identity.provider_link(user).await?.ok_or(IdentityError::Absent("link to the provider"))?;
    Ok(Json(LinkShown::of(user, &found, &caller)))
}

async fn link(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<LinkBody>,
) -> Result<(StatusCode, Json<LinkShown>), Problem> {
    let whom = (body.issuer.as_str(), body.subject.as_str());
    let user = id_of(&id, "user")?;
    let row = identity.link_provider(&caller.principal, user, whom).await?;
    Ok((StatusCode::CREATED, Json(LinkShown::of(user, &row, &caller))))
}

async fn unlink(State(identity): Inner, caller: Caller, PathText(id): PathText) -> Result<StatusCode, Problem> {
    identity.unlink_provider(&caller.principal, id_of(&id, "user")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
