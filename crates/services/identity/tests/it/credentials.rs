//! API keys: signed requests, and every way to forge one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use heng_identity::{KeyKind, NewKey, signed_text};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::house::{Ask, House, ask, open, options, routes, send};

/// How a test signs.
enum Sign<'a> {
    Hmac(&'a str),
    Ed25519(&'a SigningKey),
}

impl Sign<'_> {
    fn sign(&self, text: &str) -> String {
        STANDARD.encode(match self {
            Self::Hmac(secret) => {
                let mac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).expect("any length");
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(text.as_bytes()).to_bytes().to_vec(),
        })
    }
}

fn signed_with<'a>(ask: Ask<'a>, key: &str, by: &Sign<'_>, timestamp: i64, nonce: &str) -> Ask<'a> {
    let timestamp = timestamp.to_string();
    let text = signed_text(ask.method, ask.target, &timestamp, nonce, ask.body.as_bytes());
    let ask = ask.with("x-heng-key", key).with("x-heng-timestamp", timestamp);
    ask.with("x-heng-nonce", nonce).with("x-heng-signature", by.sign(&text))
}

fn signed<'a>(house: &House, ask: Ask<'a>, key: &str, by: &Sign<'_>) -> Ask<'a> {
    signed_with(ask, key, by, house.now() / 1_000_000, &house.nonce())
}

/// A request signed by the shared secret of a key.
pub(crate) fn signed_by_secret<'a>(house: &House, ask: Ask<'a>, key: &str, secret: &str) -> Ask<'a> {
    signed(house, ask, key, &Sign::Hmac(secret))
}

async fn make(house: &House, token: &str, body: &Value) -> (String, String) {
    let made = house.post("/v1/api-keys", token, body).await.expect(201);
    (made["id"].as_str().expect("text").to_owned(), made["secret"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_signed_request_counts_once_and_only_as_it_was_signed() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    let (key, secret) = make(&house, &token, &json!({ "name": "desk" })).await;
    let by = Sign::Hmac(&secret);
    let me = house.send(signed(&house, ask("GET", "/v1/me"), &key, &by)).await.expect(200);
    assert_eq!(me["credential"], format!("key:{key}"));

    let now = house.now() / 1_000_000;
    let again = || signed_with(ask("GET", "/v1/me?"), &key, &by, now, "again");
    house.send(again()).await.expect(200);
    let replayed = house.send(again()).await.expect(401);
    assert_eq!(replayed["detail"], "the nonce was used before");
    // Another nonce or timestamp behind the same signature, another target, method or body: all forged.
    let change = |name: &str, value: &str| {
        let mut forged = again();
        let header = forged.headers.iter_mut().find(|(known, _)| known == name).expect("a header");
        header.1 = value.to_owned();
        forged
    };
    for forged in [
        change("x-heng-nonce", "other"),
        change("x-heng-timestamp", &(now + 1).to_string()),
        change("x-heng-key", "hk-unknown"),
        Ask { target: "/v1/me?a", headers: change("x-heng-nonce", "n2").headers, ..again() },
    ] {
        let refused = house.send(forged).await.expect(401);
        assert_eq!(refused["detail"], "the key or the signature is not right");
    }
    let post = signed(&house, ask("POST", "/v1/me/password").json(&json!({ "a": 1 })), &key, &by);
    house.send(Ask { body: "{\"a\":2}".into(), ..post }).await.expect(401);
    let post = signed(&house, ask("POST", "/v1/sign-out"), &key, &by);
    house.send(Ask { method: "GET", target: "/v1/me", ..post }).await.expect(401);
    let (_, other) = make(&house, &token, &json!({ "name": "other" })).await;
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &Sign::Hmac(&other))).await.expect(401);

    house.send(ask("GET", "/v1/me").with("x-heng-key", &key)).await.expect(401);
    house.pass(3_600);
    let now = house.now() / 1_000_000;
    for (offset, status) in [(30_000, 200), (30_001, 401), (-30_000, 200), (-30_001, 401)] {
        let nonce = house.nonce();
        house.send(signed_with(ask("GET", "/v1/me"), &key, &by, now + offset, &nonce)).await.expect(status);
    }
}

#[tokio::test]
async fn a_key_pair_signs_without_a_shared_secret() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    let pair = SigningKey::from_bytes(&[7; 32]);
    let public = STANDARD.encode(pair.verifying_key().to_bytes());
    let body = json!({ "name": "pair", "kind": "ed25519", "public_key": public });
    let (key, secret) = make(&house, &token, &body).await;
    assert_eq!(secret, "");
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &Sign::Ed25519(&pair))).await.expect(200);
    let other = SigningKey::from_bytes(&[8; 32]);
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &Sign::Ed25519(&other))).await.expect(401);
    // Whoever knows the public key alone cannot pass it off as a shared secret.
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &Sign::Hmac(&public))).await.expect(401);
    for wrong in [json!("x"), json!(STANDARD.encode([0; 32])), json!(STANDARD.encode([0; 31])), Value::Null] {
        let body = json!({ "name": "pair", "kind": "ed25519", "public_key": wrong });
        let refused = house.post("/v1/api-keys", &token, &body).await.expect(400);
        assert_eq!(refused["errors"][0]["pointer"], "/public_key");
    }
}

#[tokio::test]
async fn a_key_reaches_no_further_than_its_scopes_and_makes_no_keys() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    let (key, secret) = make(&house, &token, &json!({ "name": "narrow", "scopes": ["session.read"] })).await;
    let by = Sign::Hmac(&secret);
    house.send(signed(&house, ask("GET", "/v1/sessions"), &key, &by)).await.expect(200);
    house.send(signed(&house, ask("GET", "/v1/api-keys"), &key, &by)).await.expect(403);
    let (wide, secret) = make(&house, &token, &json!({ "name": "wide" })).await;
    let by = Sign::Hmac(&secret);
    house.send(signed(&house, ask("GET", "/v1/api-keys"), &wide, &by)).await.expect(200);
    let body = json!({ "name": "grandchild" });
    house.send(signed(&house, ask("POST", "/v1/api-keys").json(&body), &wide, &by)).await.expect(403);
    house.send(signed(&house, ask("POST", "/v1/sign-out"), &wide, &by)).await.expect(403);
    for wrong in [
        json!({ "name": "" }),
        json!({ "name": "a", "scopes": ["no.such"] }),
        json!({ "name": "a", "days": 0 }),
        json!({ "name": "a", "networks": ["10.0.0.0/33"] }),
        json!({ "name": "a", "public_key": "x" }),
    ] {
        house.post("/v1/api-keys", &token, &wrong).await.expect(400);
    }
}

#[tokio::test]
async fn a_key_comes_from_its_networks_only() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    let (key, secret) = make(&house, &token, &json!({ "name": "n", "networks": ["10.1.0.0/16", "192.0.2.7"] })).await;
    let by = Sign::Hmac(&secret);
    for (from, status) in [([10, 1, 2, 3], 200), ([192, 0, 2, 7], 200), ([10, 2, 0, 1], 403), ([127, 0, 0, 1], 403)] {
        house.send(signed(&house, ask("GET", "/v1/me"), &key, &by).from(from)).await.expect(status);
    }
}

#[tokio::test]
async fn keys_end_at_once_and_in_time() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let (eve, _) = house.client("eve").await;
    let (token, hers) = (house.session(id).await, house.session(eve).await);
    let (key, secret) = make(&house, &token, &json!({ "name": "gone" })).await;
    let by = Sign::Hmac(&secret);
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &by)).await.expect(200);
    house.send(ask("DELETE", &format!("/v1/api-keys/{key}")).bearer(&hers)).await.expect(404);
    house.send(ask("DELETE", &format!("/v1/api-keys/{key}")).bearer(&token)).await.expect(204);
    house.send(signed(&house, ask("GET", "/v1/me"), &key, &by)).await.expect(401);
    let list = house.get("/v1/api-keys", &token).await.expect(200);
    assert_eq!(list["keys"], json!([]));

    let (brief, secret) = make(&house, &token, &json!({ "name": "brief", "days": 1 })).await;
    let by = Sign::Hmac(&secret);
    house.pass(86_399);
    house.send(signed(&house, ask("GET", "/v1/me"), &brief, &by)).await.expect(200);
    house.pass(1);
    house.send(signed(&house, ask("GET", "/v1/me"), &brief, &by)).await.expect(401);
}

#[tokio::test]
async fn a_repeat_gets_the_key_that_the_first_one_made() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    let create = |body: Value| ask("POST", "/v1/api-keys").bearer(&token).json(&body).with("idempotency-key", "k-1");
    let first = house.send(create(json!({ "name": "once" }))).await.expect(201);
    let again = house.send(create(json!({ "name": "once" }))).await.expect(201);
    assert_eq!((&again["id"], &again["secret"]), (&first["id"], &Value::Null));
    house.send(create(json!({ "name": "other" }))).await.expect(409);
    house.send(create(json!({ "name": "x" })).with("idempotency-key", "")).await.expect(409);
    let bad = ask("POST", "/v1/api-keys").bearer(&token).json(&json!({ "name": "x" }));
    house.send(bad.with("idempotency-key", "a b")).await.expect(400);
    let list = house.get("/v1/api-keys", &token).await.expect(200);
    assert_eq!(list["keys"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_was_signed_before_a_restart_does_not_count_after_it() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let new =
        NewKey { name: "k".into(), kind: KeyKind::Hmac, scopes: Vec::new(), networks: Vec::new(), expires_at: None };
    let made = house.identity.make_key(None, id, new).await.expect("a key");
    let secret = made.secret.expect("a secret");
    let by = Sign::Hmac(secret.expose());
    let before = || signed_with(ask("GET", "/v1/me"), &made.id, &by, house.now() / 1_000_000, "n");
    let first = before();
    house.send(before()).await.expect(200);
    house.identity.close().await;
    house.pass(5);
    let again = open(&house.place, options(), &house.clock).await;
    let replayed = send(routes(&again).router(), first).await.expect(401);
    assert!(replayed["detail"].as_str().expect("text").contains("before this server started"), "{replayed}");
    send(routes(&again).router(), before()).await.expect(200);
}

#[tokio::test]
async fn starts_without_end_leave_the_latest_keys() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let new = |name: &str| NewKey {
        name: name.into(),
        kind: KeyKind::Hmac,
        scopes: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    let own = house.identity.make_key(None, id, new("own")).await.expect("a key");
    let mut made = Vec::new();
    for _ in 0..60 {
        made.push(house.identity.renew_key(id, new("start")).await.expect("a key of a start"));
    }
    let keys: Vec<_> = std::iter::once(&own).chain(&made).collect();
    for (at, key) in keys.iter().enumerate() {
        let by = Sign::Hmac(key.secret.as_ref().expect("a secret").expose());
        let expected = if at == 0 || at > 60 - 9 { 200 } else { 401 };
        house.send(signed(&house, ask("GET", "/v1/me"), &key.id, &by)).await.expect(expected);
    }
}
