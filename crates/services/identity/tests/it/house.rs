//! A service on a temporary store, its router, and a clock that tests move.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use heng_identity::{Identity, IdentityOptions, NewUser, api, totp_code};
use heng_model::AccountId;
use heng_ports::{Accounts, PrincipalKind};
use heng_runtime::Clock;
use heng_store::{StoreOptions, StoreUrl};
use heng_transport::{Api, Peer, RateLimits};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const SECOND: i64 = 1_000_000_000;
/// Monday 2026-07-06, 09:15 in Beijing.
pub(crate) const BEGIN: i64 = 1_783_300_500 * SECOND;

pub(crate) struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) struct House {
    pub(crate) identity: Arc<Identity>,
    pub(crate) api: Api,
    pub(crate) place: StoreOptions,
    pub(crate) clock: Arc<HandClock>,
    nonces: AtomicU64,
    _folder: Option<TempDir>,
}

/// An answer: status, headers, body as JSON (text where it is none).
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is this one.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    pub(crate) fn cookie(&self) -> String {
        self.headers["set-cookie"].to_str().expect("text").to_owned()
    }
}

/// A request to be sent.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) from: [u8; 4],
}

pub(crate) fn ask<'a>(method: &'a str, target: &'a str) -> Ask<'a> {
    Ask { method, target, headers: Vec::new(), body: String::new(), from: [127, 0, 0, 1] }
}

impl Ask<'_> {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self.with("content-type", "application/json")
    }

    pub(crate) fn form(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.with("content-type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn from(mut self, address: [u8; 4]) -> Self {
        self.from = address;
        self
    }
}

pub(crate) async fn send(router: Router, ask: Ask<'_>) -> Answer {
    let mut request = Request::builder().method(ask.method).uri(ask.target);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let from = Peer(SocketAddr::new(IpAddr::from(ask.from), 5_000));
    let request = request.extension(ConnectInfo(from)).body(Body::from(ask.body)).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

pub(crate) async fn open(place: &StoreOptions, options: IdentityOptions, clock: &Arc<HandClock>) -> Arc<Identity> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Identity::open(place, options, clock).await.expect("the service opens")
}

pub(crate) fn routes(identity: &Arc<Identity>) -> Api {
    let often = NonZeroU32::new(100_000).expect("not zero");
    api(Arc::clone(identity), Arc::new(RateLimits::new(often, often)))
}

pub(crate) fn options() -> IdentityOptions {
    IdentityOptions { hash_threads: 2, ..IdentityOptions::default() }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: IdentityOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = StoreUrl::Sqlite(folder.path().to_owned()).store("identity");
        let house = Self::at(place, options).await;
        Self { _folder: Some(folder), ..house }
    }

    pub(crate) async fn at(place: StoreOptions, options: IdentityOptions) -> Self {
        let clock = Arc::new(HandClock(AtomicI64::new(BEGIN)));
        let identity = open(&place, options, &clock).await;
        let api = routes(&identity);
        identity.declare_step_ups(api.stepped_up());
        Self { api, identity, place, clock, nonces: AtomicU64::new(0), _folder: None }
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * SECOND, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn nonce(&self) -> String {
        format!("n-{}", self.nonces.fetch_add(1, Ordering::SeqCst))
    }

    pub(crate) async fn send(&self, ask: Ask<'_>) -> Answer {
        send(self.api.router(), ask).await
    }

    pub(crate) async fn get(&self, target: &str, token: &str) -> Answer {
        self.send(ask("GET", target).bearer(token)).await
    }

    pub(crate) async fn post(&self, target: &str, token: &str, body: &Value) -> Answer {
        self.send(ask("POST", target).bearer(token).json(body)).await
    }

    /// A client of account 1 (id, password).
    pub(crate) async fn client(&self, name: &str) -> (u64, String) {
        let accounts = Accounts::These(vec![AccountId(1)]);
        self.user(name, PrincipalKind::Client, "client", accounts).await
    }

    pub(crate) async fn user(&self, name: &str, kind: PrincipalKind, role: &str, accounts: Accounts) -> (u64, String) {
        let new = NewUser { name: name.to_owned(), kind, roles: vec![role.to_owned()], accounts };
        let made = self.identity.make_user(None, new, None).await.expect("a user");
        (made.id, made.password.expose().to_owned())
    }

    /// A session of a staff user of this role, without the way through sign-in.
    pub(crate) async fn staff(&self, role: &str) -> String {
        let name = format!("{role}-{}", self.nonce());
        let (id, _) = self.user(&name, PrincipalKind::Staff, role, Accounts::All).await;
        self.session(id).await
    }

    pub(crate) async fn session(&self, user: u64) -> String {
        self.identity.open_session_for(user).await.expect("a session").token.expose().to_owned()
    }

    pub(crate) async fn sign_in(&self, user: &str, password: &str, totp: Option<String>) -> Answer {
        let mut body = serde_json::json!({ "user": user, "password": password });
        if let Some(code) = totp {
            body["totp"] = code.into();
        }
        self.send(ask("POST", "/v1/sign-in").json(&body)).await
    }

    /// The code of now for a secret in base32.
    pub(crate) fn code(&self, secret: &str) -> String {
        totp_code(&unbase32(secret), (self.now() / SECOND).cast_unsigned())
    }

    /// Actions, names, resources and outcomes of the audit trail, newest first.
    pub(crate) async fn trail(&self, auditor: &str, filter: &str) -> Vec<String> {
        let answer = self.get(&format!("/v1/audit?limit=500{filter}"), auditor).await.expect(200);
        let rows = answer["rows"].as_array().expect("a list").clone();
        let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
        rows.iter()
            .map(|row| ["action", "name", "resource", "outcome"].map(|field| text(row, field)).join(" "))
            .collect()
    }
}

/// Base32 without padding, written apart from the one that is tested.
pub(crate) fn unbase32(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", letters.find(c).expect("a letter"))).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).expect("digits"), 2).expect("bits"))
        .collect()
}
