//! Fresh proofs: bound to the words, the bytes and the session, once and for two minutes; and ten thousand that are not.

use heng_identity::IdentityOptions;
use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};

use crate::authenticator::{Authenticator, Dice, PRESENT, VERIFIED, decode};
use crate::house::{House, ask, options};
use crate::passkeys::{enrol, sign_in, token_by};

pub(crate) async fn begin(house: &House, token: &str, (operation, target, body): (&str, &str, &str)) -> Value {
    let wish = json!({ "operation": operation, "target": target, "body": body });
    house.post("/v1/step-up", token, &wish).await.expect(200)
}

async fn finish(house: &House, token: &str, begun: &Value, proof: &Value) -> crate::house::Answer {
    house.post(&format!("/v1/step-up/{}", begun["id"].as_str().expect("text")), token, proof).await
}

pub(crate) async fn by_passkey(
    house: &House,
    token: &str,
    wish: (&str, &str, &str),
    key: &mut Authenticator,
) -> String {
    let begun = begin(house, token, wish).await;
    let proof = json!({ "credential": key.get(&begun["options"]) });
    finish(house, token, &begun, &proof).await.expect(200)["step_up"].as_str().expect("text").to_owned()
}

const KEY: &str = r#"{"name":"desk","scopes":["order.read"]}"#;

async fn make_key(house: &House, token: &str, body: &str, proof: &str) -> crate::house::Answer {
    let wanted: Value = serde_json::from_str(body).expect("json");
    let request = ask("POST", "/v1/api-keys").bearer(token).json(&wanted).with("step-up", proof);
    house.send(request).await
}

#[tokio::test]
async fn a_passkey_signs_the_words_and_its_proof_counts_once_for_these_bytes() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let mut key = Authenticator::new(11);
    enrol(&house, &house.session(id).await, &password, &mut key).await;
    let token = token_by(&house, ("alice", &password), &mut key).await;
    let second = token_by(&house, ("alice", &password), &mut key).await;

    let refused = house.post("/v1/api-keys", &token, &serde_json::from_str(KEY).expect("json")).await.expect(403);
    assert_eq!(refused["step_up"], json!({ "operation": "createApiKey", "begin": "/v1/step-up" }));
    let begun = begin(&house, &token, ("createApiKey", "/v1/api-keys", KEY)).await;
    assert_eq!(begun["text"]["en"], "Make an API key\nName: desk\nMay do: order.read\nBy: alice");
    assert_eq!(begun["text"]["zh"], "创建 API 密钥\n名称：desk\n权限范围：order.read\n操作人：alice");
    assert_eq!(begun["means"], "passkey");
    let challenge = decode(&begun["options"]["challenge"]);
    let other = begin(&house, &token, ("createApiKey", "/v1/api-keys", &KEY.replace("desk", "dusk"))).await;
    let hash = |challenge: &[u8]| challenge[challenge.len() - 32..].to_vec();
    assert!(challenge.len() >= 64 && hash(&challenge) != hash(&decode(&other["options"]["challenge"])));
    let again = begin(&house, &token, ("createApiKey", "/v1/api-keys", KEY)).await;
    assert_eq!(hash(&challenge), hash(&decode(&again["options"]["challenge"])), "the hash is of the words alone");
    assert_ne!(challenge, decode(&again["options"]["challenge"]));

    let proof = by_passkey(&house, &token, ("createApiKey", "/v1/api-keys", KEY), &mut key).await;
    make_key(&house, &token, KEY, &proof).await.expect(201);
    assert_eq!(make_key(&house, &token, KEY, &proof).await.expect(403)["code_name"], "StepUpNeeded", "once");

    let wrong = [
        ("createApiKey", "/v1/api-keys", KEY.replace("desk", "dusk"), &token),
        ("createPartner", "/v1/partners", KEY.into(), &token),
        ("createApiKey", "/v1/api-keys", KEY.into(), &second),
    ];
    for (operation, target, body, holder) in wrong {
        let proof = by_passkey(&house, holder, (operation, target, &body), &mut key).await;
        make_key(&house, &token, KEY, &proof).await.expect(403);
        if *holder == token {
            make_key(&house, &token, &body, &proof).await.expect(403);
        }
    }
    let proof = by_passkey(&house, &token, ("createApiKey", "/v1/api-keys", KEY), &mut key).await;
    house.pass(120);
    make_key(&house, &token, KEY, &proof).await.expect(403);
    let auditor = house.staff("auditor").await;
    assert_eq!(house.trail(&auditor, "&action=step-up&outcome=done").await.len(), 5);
    assert!(house.trail(&auditor, "&action=step-up&outcome=denied").await.len() >= 6);
}

#[tokio::test]
async fn a_code_counts_where_no_passkey_is_and_the_broker_permits_it() {
    let house = House::new().await;
    let (id, password) = house.user("ada", PrincipalKind::Staff, "admin", Accounts::All).await;
    let secret = house.identity.give_totp(id).await.expect("a secret").expose().to_owned();
    let token = house.sign_in("ada", &password, Some(house.code(&secret))).await.expect(200)["token"]
        .as_str()
        .expect("one")
        .to_owned();
    let body = r#"{"name":"tina","kind":"staff","roles":["trader"],"accounts":["*"]}"#;
    let wish = ("createUser", "/v1/users", body);
    let begun = begin(&house, &token, wish).await;
    assert_eq!(begun["means"], "totp");
    let used = json!({ "code": house.code(&secret) });
    assert_eq!(finish(&house, &token, &begun, &used).await.status, 403, "the code of the sign-in was used");
    assert_eq!(finish(&house, &token, &begun, &used).await.status, 404, "a challenge is tried once");
    house.pass(30);
    let begun = begin(&house, &token, wish).await;
    assert_eq!(finish(&house, &token, &begun, &json!({ "password": password })).await.status, 403);
    let begun = begin(&house, &token, wish).await;
    let proof = finish(&house, &token, &begun, &json!({ "code": house.code(&secret) })).await.expect(200);
    let request = ask("POST", "/v1/users").bearer(&token).json(&serde_json::from_str(body).expect("json"));
    house.send(request.with("step-up", proof["step_up"].as_str().expect("text"))).await.expect(201);

    let strict = House::with(IdentityOptions { step_up_totp: false, step_up_password: false, ..options() }).await;
    let (id, _) = strict.client("carl").await;
    let token = strict.session(id).await;
    let wish = json!({ "operation": "createApiKey", "target": "/v1/api-keys", "body": KEY });
    assert_eq!(strict.post("/v1/step-up", &token, &wish).await.expect(403)["code_name"], "StepUpNeeded");
    strict.identity.give_totp(id).await.expect("a secret");
    assert_eq!(strict.post("/v1/step-up", &token, &wish).await.expect(403)["code_name"], "StepUpNeeded");
}

#[tokio::test]
async fn clients_without_a_second_factor_show_the_password() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let token =
        sign_in(&house, "alice", &password, &json!({})).await.expect(200)["token"].as_str().expect("one").to_owned();
    let begun = begin(&house, &token, ("createApiKey", "/v1/api-keys", KEY)).await;
    assert_eq!(begun["means"], "password");
    assert_eq!(finish(&house, &token, &begun, &json!({ "password": "wrong" })).await.status, 403);
    let begun = begin(&house, &token, ("createApiKey", "/v1/api-keys", KEY)).await;
    let proof = finish(&house, &token, &begun, &json!({ "password": password })).await.expect(200);
    make_key(&house, &token, KEY, proof["step_up"].as_str().expect("text")).await.expect(201);
    for (wish, status) in [
        (json!({ "operation": "placeOrder", "target": "/v1/orders", "body": "" }), 404),
        (json!({ "operation": "createApiKey", "target": "/v1/other", "body": "" }), 400),
        (json!({ "operation": "createApiKey", "target": "/v1/api-keys", "body": "[]" }), 400),
        (json!({ "operation": "create-api-key", "target": "/v1/api-keys" }), 400),
        (json!({ "operation": "createApiKey", "target": "/v1/api-keys", "extra": 1 }), 400),
    ] {
        assert_eq!(house.post("/v1/step-up", &token, &wish).await.status, status, "{wish}");
    }
}

/// How often a proof is spoilt.
const SPOILT: u32 = 6_000;

/// A proof that is signed but wrong.
fn signed_wrong(
    key: &Authenticator,
    dice: &mut Dice,
    (begun, older): (&Value, &Value),
    other: &Authenticator,
) -> (String, Value) {
    let mut wrong = key.clone();
    wrong.counter += 1;
    let options = &begun["options"];
    let what = ["origin", "rp", "unverified", "absent", "counter", "kind", "frame", "replay", "stranger", "handle"]
        [dice.below(10)];
    let answer = match what {
        "origin" => {
            wrong.origin = ["https://evil.example", "http://localhost.evil:8600", "null", "https://localhost:8600"]
                [dice.below(4)]
            .into();
            wrong.again(options)
        }
        "rp" => {
            wrong.rp_id = ["evil.example", "", "local", "localhost "][dice.below(4)].into();
            wrong.again(options)
        }
        "unverified" => {
            wrong.flags = PRESENT;
            wrong.again(options)
        }
        "absent" => {
            wrong.flags = VERIFIED;
            wrong.again(options)
        }
        "counter" => {
            wrong.counter = key.counter - dice.below(3) as u32;
            wrong.again(options)
        }
        "kind" => {
            wrong.kind = Some(["webauthn.create", "payment.get", ""][dice.below(3)]);
            wrong.again(options)
        }
        "frame" => {
            wrong.cross_origin = true;
            wrong.again(options)
        }
        "replay" => wrong.again(&older["options"]),
        "stranger" => other.again(options),
        _ => {
            wrong.user = other.user.clone();
            wrong.again(options)
        }
    };
    (what.to_owned(), answer)
}

#[tokio::test]
async fn six_thousand_spoilt_proofs_are_refused_and_break_nothing() {
    let house = House::new().await;
    let (mut key, mut other) = (Authenticator::new(21), Authenticator::new(22));
    let (id, password) = house.client("alice").await;
    let token = house.session(id).await;
    enrol(&house, &token, &password, &mut key).await;
    let (id, password) = house.client("mallory").await;
    enrol(&house, &house.session(id).await, &password, &mut other).await;
    (key.counter, other.counter) = (100, 1_000_000);
    let wish = ("createApiKey", "/v1/api-keys", KEY);
    by_passkey(&house, &token, wish, &mut key).await;

    let fields = [
        "/id",
        "/rawId",
        "/type",
        "/response/authenticatorData",
        "/response/clientDataJSON",
        "/response/signature",
        "/response/userHandle",
    ];
    let mut dice = Dice(0x5EED);
    let mut older = begin(&house, &token, wish).await;
    for round in 0..SPOILT {
        let begun = begin(&house, &token, wish).await;
        let (what, answer) = if round % 3 == 0 {
            signed_wrong(&key, &mut dice, (&begun, &older), &other)
        } else {
            let mut good = key.clone();
            let mut answer = good.get(&begun["options"]);
            // The type is no base64, so only its text changes.
            let spoilable = if round % 7 == 1 { &fields[..] } else { &fields[3..] };
            let spoilable: Vec<&str> = spoilable.iter().copied().filter(|field| *field != "/type").collect();
            let what = dice.spoil(&mut answer, &spoilable);
            if what.is_empty() {
                answer["type"] = "password".into();
            }
            (what, answer)
        };
        let status = finish(&house, &token, &begun, &json!({ "credential": answer })).await.status;
        assert_eq!(status, 403, "round {round}: {what}");
        older = begun;
    }
    // The real one still passes: nothing above was refused for another reason.
    by_passkey(&house, &token, wish, &mut key).await;
}
