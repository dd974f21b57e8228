//! The routes: every operation of this service, declared once.

mod me;
mod oidc;
mod oversight;
mod people;
mod resets;
mod security;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use heng_ports::Principal;
use heng_transport::{Api, Operation, Peer, Problem, RateLimits};
use serde::Serialize;
use serde_json::json;

use crate::error::IdentityError;
use crate::identity::Identity;
use crate::repeats::RepeatKey;
use crate::secret::digest;
use crate::shapes::{
    CodeBody, EnrolAnswer, EnrolBody, IntrospectAnswer, KeyBody, KeyMade, KeysAnswer, ListQuery, MeAnswer, OwnedQuery,
    PartnerBody, PartnerMade, PartnersAnswer, PasswordBody, PoliciesAnswer, SessionsAnswer, SignInAnswer, SignInBody,
    TokenAnswer, TokenForm, TokenQuestionForm, TokenRefusal, UserBody, UserMade, UserShown, UsersAnswer,
};
use crate::shapes_audit::{AuditAnswer, AuditQuery};

const FORM: &str = "application/x-www-form-urlencoded";
const SCOPES_TEXT: &str = "Scopes only narrow: what the owner may not do, no scope permits.";

/// The operations of this service.
#[must_use]
pub fn api(identity: Arc<Identity>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(identity.gatekeeper(), limits).heavy();
    sign_in(&mut api);
    second_factor(&mut api);
    sessions(&mut api);
    keys(&mut api);
    tokens(&mut api);
    users(&mut api);
    partners(&mut api);
    audit(&mut api);
    security::add(&mut api);
    oidc::add(&mut api);
    oversight::add(&mut api);
    resets::add(&mut api);
    api.grade(crate::grades::grade);
    api.with_state(identity)
}

type Routes = Api<Arc<Identity>>;

fn sign_in(api: &mut Routes) {
    let example = json!({ "user": "alice", "password": "correct horse battery", "totp": "123456" });
    let operation = Operation::post("/v1/sign-in", "signIn").tag("sign-in").summary("Signs a person in.").description(
        "Answers a bearer token and sets it as the cookie heng_session (HttpOnly, SameSite=Strict; __Host-heng_session \
         and Secure under TLS); with cookie_only the cookie alone. A session whose cookie came along ends. With \
         password_change_required, change the password first. When a second factor \
         is enrolled and none came, the answer says second_factor_required and what would do (totp_required, passkey, \
         recovery_possible), and there is no session yet: send user and password again with totp, passkey or \
         recovery_code. Failures cost a \
         growing wait for the user and the address.",
    );
    let operation =
        operation.body::<SignInBody>(example).answers::<SignInAnswer>(200, "Signed in, or a second factor is needed.");
    api.add(operation.refuses(401, "The user, password or code is not right."), me::sign_in);

    let operation = Operation::post("/v1/sign-out", "signOut").tag("sign-in").signed_in();
    let operation = operation.summary("Ends the caller's session at once and removes the cookie.");
    let operation = operation.answers_as(204, "The session has ended.", "");
    api.add(operation.refuses(403, "The caller came with a key or without a session."), me::sign_out);

    let operation = Operation::get("/v1/me", "showMe").tag("sign-in").signed_in();
    let operation = operation.summary("Who the caller is, and what the policy lets them do.");
    api.add(operation.answers::<MeAnswer>(200, "The caller."), me::show);

    let operation = Operation::post("/v1/me/password", "changePassword").tag("sign-in").signed_in();
    let operation = operation.summary("Changes the caller's password and ends their other sessions.").description(
        "At least 12 characters; refused if it is easily guessed, holds the sign-in name, or is little more than words \
         of the firm or account numbers.",
    );
    let example = json!({ "current_password": "correct horse battery", "new_password": "staple gun orchard nine" });
    let operation = operation.body::<PasswordBody>(example).answers_as(204, "The password is changed.", "");
    api.add(operation.refuses(403, "The caller has no session, or this is not the password."), me::change_password);
}

fn second_factor(api: &mut Routes) {
    let operation = Operation::post("/v1/me/totp", "enrolTotp")
        .tag("sign-in")
        .signed_in()
        .needs_step_up_if_enrolled("Set up one-time codes", "设置动态验证码");
    let operation = operation.summary("Begins to enrol a second factor: a secret for an authenticator app.");
    let example = json!({ "password": "correct horse battery" });
    let operation = operation.body::<EnrolBody>(example).answers::<EnrolAnswer>(200, "It waits for a code.");
    api.add(operation.refuses(403, "The caller has no session, or this is not the password."), me::enrol);

    let operation = Operation::post("/v1/me/totp/confirm", "confirmTotp").tag("sign-in").signed_in();
    let operation = operation.summary("Confirms the second factor by a code of it, and ends all other sessions.");
    let operation = operation.body::<CodeBody>(json!({ "code": "123456" })).answers_as(204, "It is confirmed.", "");
    let operation = operation.refuses(403, "The caller has no session, or the code is not right.");
    api.add(operation.refuses(409, "No second factor waits to be confirmed."), me::confirm);

    let operation = Operation::delete("/v1/me/totp", "removeTotp").tag("sign-in").signed_in();
    let operation = operation.needs_step_up("Remove one-time codes", "移除动态验证码");
    let operation = operation.summary("Removes a client's one-time codes, and ends their other sessions.");
    let operation = operation.answers_as(204, "There are no one-time codes any more.", "");
    let operation = operation.refuses(403, "The caller is staff or has no session, or a fresh proof is missing.");
    api.add(operation.refuses(404, "There is no second factor."), me::remove_totp);
}

fn sessions(api: &mut Routes) {
    let operation = Operation::get("/v1/sessions", "listSessions").tag("sign-in").needs("session.read");
    let operation = operation.summary("Sessions that have not ended, newest first.").query::<OwnedQuery>();
    api.add(operation.answers::<SessionsAnswer>(200, "The sessions."), me::sessions);

    let operation = Operation::delete("/v1/sessions/{id}", "endSession").tag("sign-in").needs("session.write");
    let operation = operation.summary("Ends a session at once; another's takes user.write.");
    let operation = operation.path_id("id", "Id of the session.").answers_as(204, "It has ended.", "");
    api.add(operation.refuses(404, "There is no such session of the caller."), me::end_session);
}

fn repeatable(operation: Operation) -> Operation {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$" });
    let told = "A name that the caller gives this write. Sent again within 7 days with the same body, it gets what the \
        first one made, without secrets.";
    operation.header("idempotency-key", told, schema)
}

fn keys(api: &mut Routes) {
    let operation = Operation::get("/v1/api-keys", "listApiKeys").tag("keys").needs("key.read");
    let operation = operation.summary("API keys that are not revoked, newest first.").query::<OwnedQuery>();
    api.add(operation.answers::<KeysAnswer>(200, "The keys."), me::keys);

    let operation = Operation::post("/v1/api-keys", "createApiKey")
        .tag("keys")
        .needs("key.write")
        .needs_step_up("Make an API key", "创建 API 密钥");
    let operation = operation.summary("Makes an API key for the caller.").description(format!(
        "A signed request carries x-heng-key, x-heng-timestamp (milliseconds), x-heng-nonce and x-heng-signature: base64 \
         of the signature over METHOD\\nTARGET\\nTIMESTAMP\\nNONCE\\nhex(sha256(body)). The key of an HMAC is the text \
         of the secret. A timestamp counts for 30 s to each side, a nonce once. {SCOPES_TEXT}"
    ));
    let example =
        json!({ "name": "desk", "kind": "hmac-sha256", "scopes": ["order.read"], "networks": ["10.1.0.0/16"] });
    let operation = repeatable(operation).body::<KeyBody>(example).answers::<KeyMade>(201, "The key, with its secret.");
    api.add(operation.refuses(409, "There are too many keys, or the idempotency key was used."), me::make_key);

    let operation = Operation::delete("/v1/api-keys/{id}", "revokeApiKey")
        .tag("keys")
        .needs("key.write")
        .needs_step_up("End an API key", "吊销 API 密钥");
    let operation = operation.summary("Ends a key at once; another's takes user.write.").path("id", "Id of the key.");
    let operation = operation.answers_as(204, "It has ended.", "");
    api.add(operation.refuses(404, "There is no such key of the caller."), me::end_key);
}

fn tokens(api: &mut Routes) {
    let refused = |operation: Operation| {
        operation
            .answers::<TokenRefusal>(400, "The request is not right (RFC 6749, section 5.2).")
            .answers::<TokenRefusal>(401, "The client or its secret is not right.")
            .answers::<TokenRefusal>(429, "Too many failures; try again after the seconds in retry-after.")
            .answers::<TokenRefusal>(503, "The store of identities does not answer; a token may have been given.")
    };
    let operation = Operation::post("/oauth/token", "issueToken").tag("oauth");
    let operation = operation.summary("An access token for a partner, by client credentials (OAuth 2.1).");
    let operation = operation.description("The client proves itself by HTTP Basic or in the form, not both.");
    let example = json!({ "grant_type": "client_credentials", "scope": "order.read" });
    let operation = operation.body_as::<TokenForm>(FORM, example).answers::<TokenAnswer>(200, "The token.");
    api.add(refused(operation), token::issue);

    let operation = Operation::post("/oauth/introspect", "introspectToken").tag("oauth");
    let operation = operation.summary("What a token of this client is (RFC 7662).");
    let operation = operation.body_as::<TokenQuestionForm>(FORM, json!({ "token": "hst_0123456789abcdef" }));
    api.add(refused(operation.answers::<IntrospectAnswer>(200, "Whether it counts.")), token::introspect);

    let operation = Operation::post("/oauth/revoke", "revokeToken").tag("oauth");
    let operation = operation.summary("Ends a token of this client at once (RFC 7009).");
    let operation = operation.body_as::<TokenQuestionForm>(FORM, json!({ "token": "hst_0123456789abcdef" }));
    let operation = operation.answers_as(200, "It counts no more, if it was one.", "");
    api.add(refused(operation), token::revoke);
}

fn users(api: &mut Routes) {
    let operation = Operation::get("/v1/users", "listUsers").tag("users").needs("user.read");
    let operation = operation.summary("Clients and staff, ascending.").query::<ListQuery>();
    api.add(operation.answers::<UsersAnswer>(200, "The users."), people::users);

    let operation = Operation::post("/v1/users", "createUser")
        .tag("users")
        .needs("user.write")
        .needs_step_up("Make a user", "新建用户");
    let operation = repeatable(operation.summary("Makes a user; there is no default password."));
    let example = json!({ "name": "alice", "kind": "client", "roles": ["client"], "accounts": ["1"] });
    let operation = operation.body::<UserBody>(example).answers::<UserMade>(201, "The user, with their password.");
    api.add(
        operation.refuses(409, "The name is taken, a role does not fit, or the idempotency key was used."),
        people::make_user,
    );

    let operation = Operation::get("/v1/users/{id}", "showUser").tag("users").needs("user.read");
    let operation = operation.summary("One user.").path_id("id", "Id of the user.");
    let operation = operation.answers::<UserShown>(200, "The user.");
    api.add(operation.refuses(404, "There is no such user."), people::user);

    let operation = Operation::post("/v1/users/{id}/disable", "disableUser")
        .tag("users")
        .needs("user.write")
        .needs_step_up("Shut a user out", "停用用户");
    let operation = operation.summary("Shuts a user out at once: sessions, tokens and keys.");
    let operation = operation.path_id("id", "Id of the user.").answers::<UserShown>(200, "The user.");
    let operation = operation.refuses(404, "There is no such user.");
    api.add(operation.refuses(409, "Nobody shuts themselves out."), people::disable_user);

    let operation = Operation::post("/v1/users/{id}/enable", "enableUser")
        .tag("users")
        .needs("user.write")
        .needs_step_up("Let a user in again", "启用用户");
    let operation = operation.summary("Lets a user in again; sessions stay ended.");
    let operation = operation.path_id("id", "Id of the user.").answers::<UserShown>(200, "The user.");
    api.add(operation.refuses(404, "There is no such user."), people::enable_user);
}

fn partners(api: &mut Routes) {
    let operation = Operation::get("/v1/partners", "listPartners").tag("partners").needs("partner.read");
    let operation = operation.summary("Partners, ascending.").query::<ListQuery>();
    api.add(operation.answers::<PartnersAnswer>(200, "The partners."), people::partners);

    let operation = Operation::post("/v1/partners", "createPartner")
        .tag("partners")
        .needs("partner.write")
        .needs_step_up("Make a partner with a fresh secret", "新建合作方并生成密钥");
    let operation = repeatable(operation.summary("Makes a partner with a fresh secret.")).description(SCOPES_TEXT);
    let example = json!({ "name": "acme", "scopes": ["order.read", "fill.read"], "accounts": ["1", "2"] });
    let operation = operation.body::<PartnerBody>(example).answers::<PartnerMade>(201, "The partner, with its secret.");
    api.add(operation.refuses(409, "The name is taken, or the idempotency key was used."), people::make_partner);

    let operation = Operation::delete("/v1/partners/{id}", "disablePartner")
        .tag("partners")
        .needs("partner.write")
        .needs_step_up("Shut a partner out", "停用合作方");
    let operation = operation.summary("Shuts a partner out at once, with all its tokens.");
    let operation = operation.path_id("id", "Id of the partner.").answers_as(204, "It is shut out.", "");
    let operation = operation.refuses(404, "There is no such partner.");
    api.add(operation.refuses(409, "Nobody shuts themselves out."), people::disable_partner);
}

fn audit(api: &mut Routes) {
    let operation = Operation::get("/v1/audit", "listAudit").tag("audit").needs("audit.read");
    let operation = operation.summary("The audit trail, newest first.").query::<AuditQuery>().description(
        "Changes, sign-ins, failures and denials have a row each. Allowed decisions are counted: one row for each \
         principal, credential, action and account and each batch of about 2 s, with how often. Filters add up. Rows keep \
         their numbers, so next_before stays good. Who may not see personal data sees masks, and cannot ask for names, \
         addresses or words.",
    );
    api.add(operation.answers::<AuditAnswer>(200, "The rows."), people::audit);

    let operation = Operation::get("/v1/policies", "listPolicies").tag("audit").signed_in();
    let operation = operation.summary("Who may do what: actions, roles, and the policies in Cedar.");
    api.add(operation.answers::<PoliciesAnswer>(200, "The policies."), people::policies);
}

/// Where a request came from, if it came over a socket.
struct CameFrom(Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for CameFrom {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip())))
    }
}

/// What a request came from, in the words that its owner reads, as far as the header user-agent tells.
struct Device(String);

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self(device_of(agent)))
    }
}

/// Known programs, the more particular first: many browsers call themselves by the names of others.
const PROGRAMS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("python-httpx", "Python"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

fn device_of(agent: &str) -> String {
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(part, _)| agent.contains(part)).map(|known| known.1);
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => agent.chars().filter(char::is_ascii_graphic).take(40).collect(),
    }
}

/// The header idempotency-key, if it was sent.
struct Repeatable(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|text| (1..=heng_store::WRITE_KEY_MAX).contains(&text.len()));
        match text.filter(|text| text.bytes().all(|b| b.is_ascii_graphic())) {
            Some(text) => Ok(Self(Some(text.to_owned()))),
            None => Err(Problem::bad_request("idempotency-key must be 1 to 64 printable characters")),
        }
    }
}

impl Repeatable {
    fn key(&self, operation: &str, body: &impl Serialize) -> Result<Option<RepeatKey<'_>>, Problem> {
        let Some(key) = &self.0 else { return Ok(None) };
        let body = serde_json::to_vec(&(operation, body)).map_err(|error| Problem::internal(&error))?;
        Ok(Some(RepeatKey { key, request: digest(&body) }))
    }
}

/// The session that the caller came with.
fn session_of(caller: &Principal) -> Result<u64, IdentityError> {
    let id = caller.credential.strip_prefix("session:").and_then(|id| id.parse().ok());
    id.ok_or_else(|| IdentityError::Forbidden("this takes a session: sign in with the password".to_owned()))
}

/// An id out of a path.
fn id_of(text: &str, of: &'static str) -> Result<u64, IdentityError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0') && text.len() <= 18;
    text.parse().ok().filter(|_| plain).ok_or(IdentityError::Absent(of))
}
