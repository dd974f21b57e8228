//! Sign-on by a provider of our own, with a clock that the test moves: links, keys that change, a provider that is away.
//! Against a certified provider the binary is tested.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use heng_identity::{IdentityOptions, OidcOptions, Secret};
use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::house::{Answer, House, SECOND, ask, options};

const CLIENT: &str = "heng";
const SECRET: &str = "s3cret: with signs/and more";

/// What the provider says, and what it was asked.
struct Said {
    issuer: String,
    /// The key that signs, and its id.
    signs: (u8, &'static str),
    /// The keys that are told.
    told: Vec<(u8, &'static str)>,
    claims: Value,
    away: bool,
    discovery: u32,
    keys: u32,
    /// The last request for tokens: its form and its authorization.
    asked: Option<(HashMap<String, String>, String)>,
}

type Shared = Arc<Mutex<Said>>;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn signed((seed, kid): (u8, &str), typ: &str, claims: &Value) -> String {
    let head = json!({ "alg": "EdDSA", "kid": kid, "typ": typ });
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key(seed).sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

async fn discovery(State(said): State<Shared>) -> (StatusCode, String) {
    let mut said = said.lock().expect("nobody panics");
    said.discovery += 1;
    if said.away {
        return (StatusCode::BAD_GATEWAY, String::new());
    }
    let issuer = &said.issuer;
    let document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    (StatusCode::OK, document.to_string())
}

async fn keys(State(said): State<Shared>) -> String {
    let mut said = said.lock().expect("nobody panics");
    said.keys += 1;
    let told = said.told.iter().map(|(seed, kid)| {
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid,
            "x": URL_SAFE_NO_PAD.encode(key(*seed).verifying_key().as_bytes()) })
    });
    json!({ "keys": told.collect::<Vec<_>>() }).to_string()
}

async fn token(State(said): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let mut said = said.lock().expect("nobody panics");
    let form = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let authorization = headers["authorization"].to_str().expect("text").to_owned();
    said.asked = Some((form, authorization));
    let id_token = signed(said.signs, "JWT", &said.claims);
    (StatusCode::OK, json!({ "id_token": id_token, "access_token": "a", "token_type": "Bearer" }).to_string())
}

struct World {
    house: House,
    said: Shared,
    issuer: String,
}

/// A browser on its way: its cookie, and what the provider was sent.
struct Started {
    cookie: String,
    query: HashMap<String, String>,
}

impl World {
    async fn new(change: impl FnOnce(&mut OidcOptions)) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let said = Arc::new(Mutex::new(Said {
            issuer: issuer.clone(),
            signs: (1, "one"),
            told: vec![(1, "one")],
            claims: Value::Null,
            away: false,
            discovery: 0,
            keys: 0,
            asked: None,
        }));
        let routes = Router::new().route("/.well-known/openid-configuration", get(discovery)).route("/keys", get(keys));
        let routes = routes.route("/token", post(token)).with_state(Arc::clone(&said));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let mut oidc = OidcOptions {
            issuer: issuer.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Secret::new(SECRET.to_owned()),
            scopes: vec!["profile".to_owned()],
            label: "Login".to_owned(),
            claim: "preferred_username".to_owned(),
            second_factor_acr: Vec::new(),
            second_factor_amr: vec!["mfa".to_owned()],
            link_by_name: false,
            authorities: None,
            origin: "https://desk.example".to_owned(),
        };
        change(&mut oidc);
        let house = House::with(IdentityOptions { oidc: Some(oidc), ..options() }).await;
        Self { house, said, issuer }
    }

    async fn start(&self, back: &str) -> Started {
        let answer = self.house.send(ask("GET", &format!("/v1/sign-in/oidc?return={back}"))).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.body);
        let place = url::Url::parse(answer.headers["location"].to_str().expect("text")).expect("an address");
        assert!(place.as_str().starts_with(&format!("{}/auth?", self.issuer)), "{place}");
        let cookie = answer.cookie();
        assert!(cookie.ends_with("; Path=/v1/sign-in/oidc; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        Started { cookie, query: place.query_pairs().into_owned().collect() }
    }

    fn claims(&self, started: &Started, changes: &Value) -> Value {
        let now = self.house.now() / SECOND;
        let mut claims = json!({ "iss": self.issuer, "sub": "s-1", "aud": CLIENT, "iat": now, "exp": now + 60,
            "nonce": started.query["nonce"], "preferred_username": "tina", "amr": ["mfa"], "sid": "p-1" });
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        claims
    }

    async fn come_back(&self, started: &Started, changes: &Value) -> Answer {
        self.said.lock().expect("nobody panics").claims = self.claims(started, changes);
        let target = format!("/v1/sign-in/oidc/callback?code=c-1&session_state=x&state={}", started.query["state"]);
        self.house.send(ask("GET", &target).with("cookie", started.cookie.clone())).await
    }

    /// A whole sign-on: where it ends, and the session's token or the cookie of the next step.
    async fn sign_on(&self, changes: &Value) -> (String, String) {
        let started = self.start("/orders").await;
        let answer = self.come_back(&started, changes).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.body);
        let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let mut set =
            set.filter(|cookie| !cookie.contains("Max-Age=0")).map(|cookie| cookie.split(';').next().expect("one"));
        let end = answer.headers["location"].to_str().expect("text").to_owned();
        (end, set.next_back().unwrap_or_default().to_owned())
    }

    async fn staff(&self, name: &str) -> (u64, String) {
        let (id, _) = self.house.user(name, PrincipalKind::Staff, "trader", Accounts::All).await;
        let secret = self.house.identity.give_totp(id).await.expect("a factor").expose().to_owned();
        (id, secret)
    }

    async fn link(&self, user: u64, subject: &str) -> Answer {
        let admin = self.house.staff("admin").await;
        let body = json!({ "issuer": self.issuer, "subject": subject });
        self.house.post(&format!("/v1/users/{user}/provider-link"), &admin, &body).await
    }

    /// Proves the factor of ours over a fresh link; the session's token.
    async fn confirm(&self, cookie: &str, secret: &str) -> String {
        let code = json!({ "totp": self.house.code(secret) });
        let answer = self.house.send(ask("POST", "/v1/sign-in/oidc/factor").with("cookie", cookie).json(&code)).await;
        let set =
            answer.headers.get_all("set-cookie").iter().next().expect("a cookie").to_str().expect("text").to_owned();
        answer.expect(200);
        set.trim_start_matches("heng_session=").split(';').next().expect("a token").to_owned()
    }

    fn counts(&self) -> (u32, u32) {
        let said = self.said.lock().expect("nobody panics");
        (said.discovery, said.keys)
    }
}

#[tokio::test]
async fn the_start_sends_what_the_standard_asks_for() {
    let world = World::new(|_| {}).await;
    let started = world.start("/orders").await;
    let told = |name: &str| started.query[name].as_str();
    assert_eq!((told("response_type"), told("client_id"), told("scope")), ("code", CLIENT, "openid profile"));
    assert_eq!(told("redirect_uri"), "https://desk.example/v1/sign-in/oidc/callback");
    assert_eq!(told("code_challenge_method"), "S256");
    world.come_back(&started, &json!({})).await;
    let (form, authorization) = world.said.lock().expect("nobody panics").asked.clone().expect("asked for tokens");
    let verifier = &form["code_verifier"];
    assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())), told("code_challenge"));
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "c-1"));
    assert_eq!(form["redirect_uri"], "https://desk.example/v1/sign-in/oidc/callback");
    assert!(!form.contains_key("client_secret"), "the secret goes in the header");
    let pair = STANDARD.decode(authorization.trim_start_matches("Basic ")).expect("base64");
    assert_eq!(String::from_utf8(pair).expect("text"), "heng:s3cret%3A+with+signs%2Fand+more");
    let plain = House::new().await;
    assert_eq!(plain.get("/v1/sign-in/methods", "").await.expect(200), json!({ "password": true, "oidc": null }));
    plain.send(ask("GET", "/v1/sign-in/oidc")).await.expect(404);
}

#[tokio::test]
async fn a_linked_user_comes_in_and_a_fresh_link_takes_their_own_factor() {
    let world = World::new(|_| {}).await;
    let (tina, secret) = world.staff("tina").await;
    assert_eq!(world.sign_on(&json!({})).await.0, "/?sso=unknown", "a name alone links nobody");
    let link = world.link(tina, "s-1").await.expect(201);
    assert_eq!((link["subject"].as_str(), &link["confirmed_at"]), (Some("s-1"), &Value::Null));
    let (end, ticket) = world.sign_on(&json!({})).await;
    assert_eq!(end, "/?sso=factor&return=%2Forders");
    let factor = |body: Value| {
        world.house.send(ask("POST", "/v1/sign-in/oidc/factor").with("cookie", ticket.clone()).json(&body))
    };
    assert_eq!(factor(json!({})).await.expect(200)["totp_required"], true);
    for _ in 0..4 {
        factor(json!({ "totp": "000000" })).await.expect(401);
    }
    let token = world.confirm(&ticket, &secret).await;
    assert_eq!(world.house.get("/v1/me", &token).await.expect(200)["name"], "tina");
    factor(json!({ "totp": world.house.code(&secret) })).await.expect(401);
    let (end, cookie) = world.sign_on(&json!({})).await;
    assert_eq!((end.as_str(), cookie.starts_with("heng_session=")), ("/orders", true));
    let sessions = world.house.get("/v1/sessions", &token).await.expect(200);
    assert_eq!(sessions["sessions"][0]["means"], "oidc");
    assert!(world.sign_on(&json!({ "amr": ["pwd"] })).await.0.starts_with("/?sso=factor"));

    // Five wrong factors, and it begins anew at the provider.
    let (_, ticket) = world.sign_on(&json!({ "amr": ["pwd"] })).await;
    for _ in 0..5 {
        world.house.pass(20);
        let wrong = ask("POST", "/v1/sign-in/oidc/factor").with("cookie", ticket.clone());
        world.house.send(wrong.json(&json!({ "totp": "000000" }))).await.expect(401);
    }
    world.house.pass(40);
    let late = json!({ "totp": world.house.code(&secret) });
    let late = ask("POST", "/v1/sign-in/oidc/factor").with("cookie", ticket).json(&late);
    world.house.send(late).await.expect(401);
}

#[tokio::test]
async fn links_are_made_and_taken_away_by_administrators_with_a_fresh_proof() {
    let world = World::new(|_| {}).await;
    let (tina, secret) = world.staff("tina").await;
    let path = format!("/v1/users/{tina}/provider-link");
    let trader = world.house.session(tina).await;
    let body = json!({ "issuer": world.issuer, "subject": "s-1" });
    world.house.post(&path, &trader, &body).await.expect(403);
    let admin = world.house.staff("admin").await;
    world.house.get(&path, &admin).await.expect(404);
    let elsewhere = json!({ "issuer": "https://elsewhere.example", "subject": "s-1" });
    world.house.post(&path, &admin, &elsewhere).await.expect(400);
    world.house.post(&path, &admin, &json!({ "issuer": world.issuer, "subject": "a\u{7}" })).await.expect(400);
    let (client, _) = world.house.client("alice").await;
    world.house.post(&format!("/v1/users/{client}/provider-link"), &admin, &body).await.expect(404);
    world.link(tina, "s-1").await.expect(201);
    world.link(tina, "s-2").await.expect(409);
    let (other, _) = world.staff("omar").await;
    world.link(other, "s-1").await.expect(409);

    let (_, ticket) = world.sign_on(&json!({})).await;
    let token = world.confirm(&ticket, &secret).await;
    let (_, waiting) = world.sign_on(&json!({ "amr": ["pwd"] })).await;
    world.house.send(ask("DELETE", &path).bearer(&admin)).await.expect(204);
    world.house.get("/v1/me", &token).await.expect(401);
    world.house.pass(30);
    let late = json!({ "totp": world.house.code(&secret) });
    let late = ask("POST", "/v1/sign-in/oidc/factor").with("cookie", waiting).json(&late);
    world.house.send(late).await.expect(401);
    assert_eq!(world.sign_on(&json!({})).await.0, "/?sso=unknown");
    let trail = world.house.trail(&world.house.staff("auditor").await, "").await;
    for action in ["provider.linked", "provider.unlinked", "sign-in.provider"] {
        assert!(trail.iter().any(|row| row.starts_with(action) && row.ends_with("done")), "{action}: {trail:?}");
    }
    // A person needs a fresh proof; the sessions above are the start's own.
    let stepped: Vec<_> = world.house.api.stepped_up().into_iter().map(|one| one.operation).collect();
    assert!(stepped.contains(&"linkProvider") && stepped.contains(&"unlinkProvider"), "{stepped:?}");
}

#[tokio::test]
async fn the_name_links_only_where_it_is_configured_and_only_staff() {
    let world = World::new(|oidc| oidc.link_by_name = true).await;
    let (tina, secret) = world.staff("tina").await;
    world.house.client("alice").await;
    for name in ["alice", "nobody", "Tina", ""] {
        let told = json!({ "sub": format!("x-{name}"), "preferred_username": name });
        assert_eq!(world.sign_on(&told).await.0, "/?sso=unknown", "{name}");
    }
    let (end, ticket) = world.sign_on(&json!({})).await;
    assert!(end.starts_with("/?sso=factor"), "{end}");
    world.confirm(&ticket, &secret).await;
    let admin = world.house.staff("admin").await;
    let link = world.house.get(&format!("/v1/users/{tina}/provider-link"), &admin).await.expect(200);
    assert_eq!((link["subject"].as_str(), &link["linked_by"]), (Some("s-1"), &Value::Null));
    assert_eq!(world.sign_on(&json!({ "sub": "another" })).await.0, "/?sso=unknown", "the name is taken");
    let (end, _) = world.sign_on(&json!({ "preferred_username": "renamed" })).await;
    assert_eq!(end, "/orders", "the subject counts, not the name");
}

#[tokio::test]
async fn new_keys_are_asked_for_at_most_once_a_minute_and_a_provider_that_is_away_is_left_alone() {
    let world = World::new(|_| {}).await;
    let (tina, secret) = world.staff("tina").await;
    world.link(tina, "s-1").await.expect(201);
    let (_, ticket) = world.sign_on(&json!({})).await;
    world.confirm(&ticket, &secret).await;
    assert_eq!(world.counts(), (1, 1));
    {
        let mut said = world.said.lock().expect("nobody panics");
        (said.signs, said.told) = ((2, "two"), vec![(1, "one"), (2, "two")]);
    }
    assert_eq!(world.sign_on(&json!({})).await.0, "/?sso=refused");
    assert_eq!(world.counts(), (1, 1), "asked a moment ago");
    world.house.pass(61);
    assert_eq!(world.sign_on(&json!({})).await.0, "/orders", "the new key");
    assert_eq!(world.counts(), (1, 2));
    world.said.lock().expect("nobody panics").signs = (3, "three");
    world.house.pass(61);
    for _ in 0..5 {
        assert_eq!(world.sign_on(&json!({})).await.0, "/?sso=refused", "a key that nobody tells");
    }
    assert_eq!(world.counts(), (1, 3));

    // After six hours its documents are asked for again; while that fails, nobody waits for it.
    world.house.pass(6 * 3_600);
    world.said.lock().expect("nobody panics").away = true;
    for _ in 0..5 {
        let answer = world.house.send(ask("GET", "/v1/sign-in/oidc")).await;
        assert_eq!(answer.headers["location"], "/?sso=away");
    }
    assert_eq!(world.counts().0, 2, "one try");
    world.said.lock().expect("nobody panics").away = false;
    world.house.pass(6);
    world.start("/").await;
    assert_eq!(world.counts().0, 3);
}

#[tokio::test]
async fn the_back_channel_ends_what_it_names_and_nothing_else() {
    let world = World::new(|_| {}).await;
    let (tina, secret) = world.staff("tina").await;
    world.link(tina, "s-1").await.expect(201);
    let (_, ticket) = world.sign_on(&json!({})).await;
    world.confirm(&ticket, &secret).await;
    let mut tokens = Vec::new();
    for sid in ["p-1", "p-2", "p-3"] {
        let (_, cookie) = world.sign_on(&json!({ "sid": sid })).await;
        tokens.push(cookie.trim_start_matches("heng_session=").to_owned());
    }
    let own = world.house.session(tina).await;
    let house = &world.house;
    let logout = |jti: &str, changes: Value| {
        let now = world.house.now() / SECOND;
        let mut claims = json!({ "iss": world.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "jti": jti,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
        claims.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        let body = format!("logout_token={}", signed((1, "one"), "logout+jwt", &claims));
        async move { house.send(ask("POST", "/v1/sign-in/oidc/logout").form(&body)).await }
    };
    let alive = async |token: &str| world.house.get("/v1/me", token).await.status == StatusCode::OK;
    logout("a", json!({ "sid": "p-2" })).await.expect(200);
    assert!(alive(&tokens[0]).await && !alive(&tokens[1]).await && alive(&tokens[2]).await);
    logout("a", json!({ "sid": "p-1" })).await.expect(400);
    assert!(alive(&tokens[0]).await, "an id counts once");
    logout("b", json!({ "sid": "p-1", "sub": "another" })).await.expect(200);
    assert!(alive(&tokens[0]).await, "both must fit");
    logout("c", json!({ "sub": "s-1" })).await.expect(200);
    assert!(!alive(&tokens[0]).await && !alive(&tokens[2]).await && alive(&own).await, "what began otherwise goes on");
    let refused = logout("d", json!({})).await.expect(400);
    assert_eq!(refused["error"], "invalid_request");
    world.house.send(ask("POST", "/v1/sign-in/oidc/logout").form("x=1")).await.expect(400);
    let plain = House::new().await;
    plain.send(ask("POST", "/v1/sign-in/oidc/logout").form("logout_token=a.b.c")).await.expect(404);
}
