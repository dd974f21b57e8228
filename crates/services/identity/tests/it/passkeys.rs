//! Passkeys through the router, with an authenticator of our own.

use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};

use crate::authenticator::{Authenticator, PRESENT, VERIFIED};
use crate::house::{House, ask};

/// Makes a passkey for the holder of `token`.
pub(crate) async fn enrol(house: &House, token: &str, password: &str, key: &mut Authenticator) -> String {
    let begun = house.post("/v1/me/passkeys", token, &json!({ "password": password })).await.expect(200);
    let target = format!("/v1/me/passkeys/challenges/{}", begun["id"].as_str().expect("text"));
    let body = json!({ "name": "key", "credential": key.create(&begun["options"]) });
    house.post(&target, token, &body).await.expect(201)["id"].as_str().expect("text").to_owned()
}

pub(crate) async fn sign_in(house: &House, user: &str, password: &str, more: &Value) -> crate::house::Answer {
    let mut body = json!({ "user": user, "password": password });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    house
        .send(ask("POST", "/v1/sign-in").json(&body).with("user-agent", "Mozilla/5.0 (X11; Linux) Firefox/130.0"))
        .await
}

/// The token of a sign-in with a passkey.
pub(crate) async fn token_by(house: &House, (user, password): (&str, &str), key: &mut Authenticator) -> String {
    let begun = sign_in(house, user, password, &json!({})).await.expect(200);
    let answer =
        json!({ "passkey": { "id": begun["passkey"]["id"], "credential": key.get(&begun["passkey"]["options"]) } });
    let told = sign_in(house, user, password, &answer).await.expect(200);
    told["token"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[tokio::test]
async fn a_passkey_is_made_named_used_and_removed() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let token =
        sign_in(&house, "alice", &password, &json!({})).await.expect(200)["token"].as_str().expect("one").to_owned();
    let given = house.session(id).await;
    let other =
        sign_in(&house, "alice", &password, &json!({})).await.expect(200)["token"].as_str().expect("one").to_owned();
    let mut key = Authenticator::new(7);
    let number = enrol(&house, &token, &password, &mut key).await;
    // The first factor ends sessions that a person began with less proof; a tool's goes on.
    house.get("/v1/me", &other).await.expect(401);
    house.get("/v1/me", &given).await.expect(200);
    let renamed =
        house.post(&format!("/v1/me/passkeys/{number}"), &token, &json!({ "name": "phone" })).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["used_at"]), (&json!("phone"), &Value::Null));

    // The password alone is not enough any more, and the answer says what would do.
    let begun = sign_in(&house, "alice", &password, &json!({})).await.expect(200);
    assert_eq!((&begun["token"], &begun["totp_required"]), (&Value::Null, &json!(false)));
    assert_eq!(begun["second_factor_required"], true);
    assert_eq!(begun["passkey"]["options"]["userVerification"], "required");
    assert_eq!(begun["passkey"]["options"]["rpId"], "localhost");

    let enrolled = token;
    let token = token_by(&house, ("alice", &password), &mut key).await;
    house.get("/v1/me", &enrolled).await.expect(200);
    let sessions = house.get("/v1/sessions", &token).await.expect(200);
    let newest = &sessions["sessions"][0];
    let told = (&newest["means"], &newest["device"], &newest["place"], &newest["current"]);
    assert_eq!(told, (&json!("passkey"), &json!("Firefox on Linux"), &json!("this machine"), &json!(true)));
    let factors = house.get("/v1/me/factors", &token).await.expect(200);
    assert!(factors["passkeys"][0]["used_at"].is_string(), "{factors}");
    assert_eq!(house.get("/v1/me", &token).await.expect(200)["passkeys"], 1);

    // Removing takes a fresh proof by the passkey itself.
    let target = format!("/v1/me/passkeys/{number}");
    let refused = house.send(ask("DELETE", &target).bearer(&token)).await.expect(403);
    assert_eq!((&refused["code_name"], &refused["code"]), (&json!("StepUpNeeded"), &json!(912)));
    let proof = crate::step_up::by_passkey(&house, &token, ("removePasskey", &target, ""), &mut key).await;
    house.send(ask("DELETE", &target).bearer(&token).with("step-up", proof)).await.expect(204);
    // A factor that goes ends what the person began elsewhere.
    house.get("/v1/me", &token).await.expect(200);
    house.get("/v1/me", &enrolled).await.expect(401);
    house.get("/v1/me", &given).await.expect(200);
    sign_in(&house, "alice", &password, &json!({})).await.expect(200)["token"]
        .as_str()
        .expect("the password is enough again");
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_for_staff() {
    let house = House::new().await;
    let (_, password) = house.user("tom", PrincipalKind::Staff, "trader", Accounts::All).await;
    let first = sign_in(&house, "tom", &password, &json!({})).await.expect(200);
    assert_eq!(first["totp_enrolment_required"], true);
    let token = first["token"].as_str().expect("text");
    house.get("/v1/sessions", token).await.expect(403);
    let mut key = Authenticator::new(9);
    let number = enrol(&house, token, &password, &mut key).await;
    house.get("/v1/sessions", token).await.expect(200);
    let token = token_by(&house, ("tom", &password), &mut key).await;
    house.get("/v1/sessions", &token).await.expect(200);
    let target = format!("/v1/me/passkeys/{number}");
    let proof = crate::step_up::by_passkey(&house, &token, ("removePasskey", &target, ""), &mut key).await;
    let kept = house.send(ask("DELETE", &target).bearer(&token).with("step-up", proof)).await.expect(409);
    assert_eq!(kept["detail"], "staff keep a second factor; enrol another one first");
}

#[tokio::test]
async fn a_registration_that_is_not_good_makes_nothing() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let (other, _) = house.client("bob").await;
    let (token, others) = (house.session(id).await, house.session(other).await);
    let good = Authenticator::new(3);
    let wrong = |change: &dyn Fn(&mut Authenticator)| {
        let mut key = good.clone();
        change(&mut key);
        key
    };
    let keys = [
        ("origin", wrong(&|key| key.origin = "https://evil.example".into())),
        ("rp", wrong(&|key| key.rp_id = "evil.example".into())),
        ("unverified", wrong(&|key| key.flags = PRESENT)),
        ("absent", wrong(&|key| key.flags = VERIFIED)),
        ("kind", wrong(&|key| key.kind = Some("webauthn.get"))),
        ("frame", wrong(&|key| key.cross_origin = true)),
    ];
    for (what, mut key) in keys {
        let begun = house.post("/v1/me/passkeys", &token, &json!({ "password": password })).await.expect(200);
        let target = format!("/v1/me/passkeys/challenges/{}", begun["id"].as_str().expect("text"));
        let body = json!({ "name": what, "credential": key.create(&begun["options"]) });
        assert_eq!(house.post(&target, &token, &body).await.status, 403, "{what}");
    }
    let begun = house.post("/v1/me/passkeys", &token, &json!({ "password": password })).await.expect(200);
    let target = format!("/v1/me/passkeys/challenges/{}", begun["id"].as_str().expect("text"));
    let mut key = good.clone();
    let body = json!({ "name": "good", "credential": key.create(&begun["options"]) });
    assert_eq!(house.post(&target, &others, &body).await.status, 403, "another's session");
    house.post(&target, &token, &body).await.expect(201);
    assert_eq!(house.post(&target, &token, &body).await.status, 403, "twice");
    // What waits is over after two minutes.
    let (late, password) = house.client("carol").await;
    let late = house.session(late).await;
    let begun = house.post("/v1/me/passkeys", &late, &json!({ "password": password })).await.expect(200);
    house.pass(120);
    let target = format!("/v1/me/passkeys/challenges/{}", begun["id"].as_str().expect("text"));
    let body = json!({ "name": "late", "credential": Authenticator::new(4).create(&begun["options"]) });
    assert_eq!(house.post(&target, &late, &body).await.status, 403);
    // The same credential belongs to one person only.
    let begun = house.post("/v1/me/passkeys", &late, &json!({ "password": password })).await.expect(200);
    let target = format!("/v1/me/passkeys/challenges/{}", begun["id"].as_str().expect("text"));
    let body = json!({ "name": "stolen", "credential": good.clone().create(&begun["options"]) });
    house.post(&target, &late, &body).await.expect(409);
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_audited() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let mut key = Authenticator::new(5);
    enrol(&house, &house.session(id).await, &password, &mut key).await;
    key.counter = 10;
    token_by(&house, ("alice", &password), &mut key).await;
    // Two challenges wait; the copy answers the older one after the owner has gone on.
    let begun = sign_in(&house, "alice", &password, &json!({})).await.expect(200);
    let mut copy = key.clone();
    token_by(&house, ("alice", &password), &mut key).await;
    let by_copy =
        json!({ "passkey": { "id": begun["passkey"]["id"], "credential": copy.get(&begun["passkey"]["options"]) } });
    assert_eq!(sign_in(&house, "alice", &password, &by_copy).await.status, 401);
    copy.counter = 3;
    let begun = sign_in(&house, "alice", &password, &json!({})).await.expect(200);
    let by_copy =
        json!({ "passkey": { "id": begun["passkey"]["id"], "credential": copy.get(&begun["passkey"]["options"]) } });
    assert_eq!(sign_in(&house, "alice", &password, &by_copy).await.status, 401);
    let auditor = house.staff("auditor").await;
    assert_eq!(house.trail(&auditor, "&action=passkey.cloned").await.len(), 2);
    token_by(&house, ("alice", &password), &mut key).await;
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let mut key = Authenticator::new(6);
    let given = house.session(id).await;
    house.post("/v1/me/recovery-codes", &given, &json!({})).await.expect(409);
    enrol(&house, &given, &password, &mut key).await;
    let made = house.post("/v1/me/recovery-codes", &given, &json!({})).await.expect(201);
    let codes: Vec<&str> = made["codes"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(codes.len(), 10);
    let loud = codes[3].to_uppercase().replace('-', " ");
    let used = sign_in(&house, "alice", &password, &json!({ "recovery_code": loud })).await.expect(200);
    let token = used["token"].as_str().expect("text");
    assert_eq!(house.get("/v1/sessions", token).await.expect(200)["sessions"][0]["means"], "recovery");
    assert_eq!(sign_in(&house, "alice", &password, &json!({ "recovery_code": codes[3] })).await.status, 401);
    for wrong in ["", "x", "aaaa-aaaa-aaaa-aaaa", &"a".repeat(32)] {
        let answer = sign_in(&house, "alice", &password, &json!({ "recovery_code": wrong })).await;
        assert!(answer.status == 401 || answer.body["token"].is_null(), "{wrong}: {}", answer.body);
    }
    // Fresh ones end the old ones.
    house.post("/v1/me/recovery-codes", &given, &json!({})).await.expect(201);
    house.pass(400);
    assert_eq!(sign_in(&house, "alice", &password, &json!({ "recovery_code": codes[4] })).await.status, 401);
}
