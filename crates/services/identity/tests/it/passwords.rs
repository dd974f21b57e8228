//! Passwords that somebody else knows, forgotten ones, and the ends of sessions that go with them.

use heng_identity::IdentityOptions;
use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};

use crate::house::{House, ask, options};

const GOOD: &str = "seven green kites over water";
const DAY: i64 = 86_400;

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_else(|| panic!("no {field} in {of}"))
}

async fn change(house: &House, token: &str, (current, new): (&str, &str)) -> crate::house::Answer {
    let body = json!({ "current_password": current, "new_password": new });
    house.post("/v1/me/password", token, &body).await
}

/// A user made by an administrator (id, password).
async fn made(house: &House, name: &str, (kind, role): (&str, &str)) -> (String, String) {
    let admin = house.staff("admin").await;
    let body = json!({ "name": name, "kind": kind, "roles": [role], "accounts": ["1"] });
    let made = house.post("/v1/users", &admin, &body).await.expect(201);
    (text(&made, "id").to_owned(), text(&made, "password").to_owned())
}

#[tokio::test]
async fn an_initial_password_is_changed_before_anything_else() {
    let house = House::new().await;
    let (_, password) = made(&house, "alice", ("client", "client")).await;
    let signed_in = house.sign_in("alice", &password, None).await.expect(200);
    assert_eq!(signed_in["password_change_required"], true);
    let token = text(&signed_in, "token");
    for (method, target) in [("GET", "/v1/sessions"), ("GET", "/v1/api-keys"), ("DELETE", "/v1/sessions")] {
        let refused = house.send(ask(method, target).bearer(token)).await.expect(403);
        assert!(text(&refused, "detail").contains("no further than its scopes"), "{refused}");
    }
    let same = change(&house, token, (&password, &password)).await.expect(400);
    assert_eq!(same["errors"][0]["pointer"], "/new_password");
    for weak in ["my alice password", "password123456", "qwertyuiop[]"] {
        change(&house, token, (&password, weak)).await.expect(400);
    }
    change(&house, token, (&password, GOOD)).await.expect(204);
    house.get("/v1/sessions", token).await.expect(200);
    let again = house.sign_in("alice", GOOD, None).await.expect(200);
    assert_eq!(again["password_change_required"], false);
    house.sign_in("alice", &password, None).await.expect(401);
}

#[tokio::test]
async fn staff_change_the_initial_password_and_enrol_in_either_order() {
    let house = House::new().await;
    for (name, password_first) in [("bob", true), ("eve", false)] {
        let (_, password) = made(&house, name, ("staff", "auditor")).await;
        let signed_in = house.sign_in(name, &password, None).await.expect(200);
        let token = text(&signed_in, "token");
        let now = if password_first { GOOD } else { password.as_str() };
        if password_first {
            change(&house, token, (&password, GOOD)).await.expect(204);
            house.get("/v1/audit", token).await.expect(403);
        }
        let enrolment = house.post("/v1/me/totp", token, &json!({ "password": now })).await.expect(200);
        let code = json!({ "code": house.code(text(&enrolment, "secret")) });
        house.post("/v1/me/totp/confirm", token, &code).await.expect(204);
        if !password_first {
            house.get("/v1/audit", token).await.expect(403);
            change(&house, token, (&password, GOOD)).await.expect(204);
        }
        house.get("/v1/audit", token).await.expect(200);
    }
}

#[tokio::test]
async fn an_initial_password_ends_after_seven_days() {
    let house = House::new().await;
    let (_, password) = made(&house, "alice", ("client", "client")).await;
    house.pass(7 * DAY - 1);
    house.sign_in("alice", &password, None).await.expect(200);
    house.pass(1);
    house.sign_in("alice", &password, None).await.expect(401);
    let auditor = house.staff("auditor").await;
    let answer = house.get("/v1/audit?action=sign-in&outcome=failed", &auditor).await.expect(200);
    assert_eq!(answer["rows"][0]["detail"], "wrong initial password, which has ended");
    // One that the start of a demonstration gave lasts.
    let (_, lasting) = house.client("demo-1").await;
    house.pass(30 * DAY);
    assert_eq!(house.sign_in("demo-1", &lasting, None).await.expect(200)["password_change_required"], false);
}

#[tokio::test]
async fn the_first_of_the_staff_changes_the_password_too() {
    let house = House::new().await;
    let first = house.identity.make_first_staff("boss").await.expect("the first");
    let code = house.code(first.totp_secret.expose());
    let signed_in = house.sign_in("boss", first.password.expose(), Some(code)).await.expect(200);
    assert_eq!(signed_in["password_change_required"], true);
    let token = text(&signed_in, "token");
    house.get("/v1/users", token).await.expect(403);
    change(&house, token, (first.password.expose(), GOOD)).await.expect(204);
    house.get("/v1/users", token).await.expect(200);
}

#[tokio::test]
async fn words_of_the_firm_are_refused() {
    let house = House::with(IdentityOptions { firm_words: vec!["Jinhe".into()], ..options() }).await;
    let (id, password) = house.client("alice").await;
    let token = house.session(id).await;
    let refused = change(&house, &token, (&password, "jinhe-JINHE-2026")).await.expect(400);
    assert!(refused["errors"][0]["detail"].as_str().expect("text").contains("words of the firm"), "{refused}");
    change(&house, &token, (&password, GOOD)).await.expect(204);
}

fn wish(user: u64, factors: bool) -> Value {
    json!({ "user": user.to_string(), "factors": factors, "reason": "came with identity card" })
}

async fn use_code(house: &House, (user, code): (&str, &str), password: &str) -> crate::house::Answer {
    let body = json!({ "user": user, "code": code, "new_password": password });
    house.send(ask("POST", "/v1/password-reset").json(&body)).await
}

#[tokio::test]
async fn a_client_who_forgot_chooses_anew_with_a_code_that_counts_once() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let old = text(&house.sign_in("alice", &password, None).await.expect(200), "token").to_owned();
    let (admin, auditor) = (house.staff("admin").await, house.staff("auditor").await);
    house.post("/v1/password-resets", &auditor, &wish(id, false)).await.expect(403);
    house.post("/v1/password-resets", &admin, &wish(99, false)).await.expect(404);
    let replaced = house.post("/v1/password-resets", &admin, &wish(id, false)).await.expect(201);
    let made = house.post("/v1/password-resets", &admin, &wish(id, false)).await.expect(201);
    let (first, code) = (text(&replaced, "code"), text(&made, "code"));
    let listed = house.get("/v1/password-resets", &auditor).await.expect(200);
    assert!(!listed.to_string().contains(code), "a code is shown once");
    assert_eq!((text(&listed["resets"][0], "state"), text(&listed["resets"][1], "state")), ("ready", "replaced"));

    use_code(&house, ("alice", first), GOOD).await.expect(401);
    use_code(&house, ("nobody", code), GOOD).await.expect(401);
    use_code(&house, ("alice", "abcd-efgh-ijkl-mnop"), GOOD).await.expect(401);
    use_code(&house, ("alice", code), "password123456").await.expect(400);
    house.get("/v1/me", &old).await.expect(200);
    use_code(&house, ("alice", &code.to_uppercase().replace('-', " ")), GOOD).await.expect(204);
    house.get("/v1/me", &old).await.expect(401);
    use_code(&house, ("alice", code), "another fine password here").await.expect(401);
    house.sign_in("alice", &password, None).await.expect(401);
    let signed_in = house.sign_in("alice", GOOD, None).await.expect(200);
    assert_eq!(signed_in["password_change_required"], false);

    let late = house.post("/v1/password-resets", &admin, &wish(id, false)).await.expect(201);
    house.pass(3_600);
    use_code(&house, ("alice", text(&late, "code")), "another fine password here").await.expect(401);
    let trail = house.trail(&auditor, "").await;
    assert!(trail.contains(&format!("reset.used alice principal:{id} done")), "{trail:?}");
}

#[tokio::test]
async fn a_reset_of_staff_takes_two_and_takes_lost_factors_away() {
    let house = House::new().await;
    let (tom, password) = house.user("tom", PrincipalKind::Staff, "trader", Accounts::All).await;
    let secret = house.identity.give_totp(tom).await.expect("a secret").expose().to_owned();
    let (one, other) = (house.staff("admin").await, house.staff("risk-officer").await);
    let asked = house.post("/v1/password-resets", &one, &wish(tom, true)).await.expect(201);
    assert_eq!((text(&asked, "state"), &asked["code"]), ("proposed", &Value::Null));
    let target = format!("/v1/password-resets/{}", text(&asked, "id"));
    let approve = json!({ "decision": "approve" });
    house.post(&target, &one, &approve).await.expect(403);
    let own = house.session(tom).await;
    house.post("/v1/password-resets", &own, &wish(tom, true)).await.expect(403);
    let decided = house.post(&target, &other, &approve).await.expect(200);
    house.post(&target, &other, &approve).await.expect(409);
    house.sign_in("tom", &password, Some(house.code(&secret))).await.expect(200);
    use_code(&house, ("tom", text(&decided, "code")), GOOD).await.expect(204);
    let signed_in = house.sign_in("tom", GOOD, None).await.expect(200);
    assert_eq!(signed_in["totp_enrolment_required"], true);
    let asked = house.post("/v1/password-resets", &one, &wish(tom, false)).await.expect(201);
    let target = format!("/v1/password-resets/{}", text(&asked, "id"));
    let declined = house.post(&target, &other, &json!({ "decision": "decline" })).await.expect(200);
    assert_eq!((text(&declined, "state"), &declined["code"]), ("declined", &Value::Null));
    let admin = house.user("ann", PrincipalKind::Staff, "admin", Accounts::All).await.0;
    house.post("/v1/password-resets", &house.session(admin).await, &wish(admin, false)).await.expect(409);
}

#[tokio::test]
async fn guesses_of_a_code_cost_time() {
    let house = House::new().await;
    house.client("alice").await;
    let mut told = Vec::new();
    for _ in 0..8 {
        told.push(use_code(&house, ("alice", "abcd-efgh-ijkl-mnop"), GOOD).await.status.as_u16());
    }
    assert_eq!(told[..6], [401; 6]);
    assert_eq!(told[6..], [429; 2]);
}

#[tokio::test]
async fn a_sign_in_ends_the_session_that_its_browser_had() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let (eve, eves) = house.client("eve").await;
    let given = house.session(eve).await;
    let sign_in = async |user: &str, password: &str, cookie: &str| {
        let body = json!({ "user": user, "password": password });
        house.send(ask("POST", "/v1/sign-in").json(&body).with("cookie", format!("heng_session={cookie}"))).await
    };
    let first = text(&sign_in("alice", &password, "").await.expect(200), "token").to_owned();
    sign_in("alice", "not the password", &first).await.expect(401);
    house.get("/v1/me", &first).await.expect(200);
    let second = text(&sign_in("eve", &eves, &first).await.expect(200), "token").to_owned();
    house.get("/v1/me", &first).await.expect(401);
    let third = sign_in("eve", &eves, &given).await.expect(200);
    for token in [&second, text(&third, "token"), &given] {
        house.get("/v1/me", token).await.expect(200);
    }
    let auditor = house.staff("auditor").await;
    assert_eq!(house.trail(&auditor, "&action=session.replaced").await.len(), 1);
}

#[tokio::test]
async fn a_page_gets_the_cookie_alone() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let body = json!({ "user": "alice", "password": password, "cookie_only": true });
    let answer = house.send(ask("POST", "/v1/sign-in").json(&body)).await;
    let cookie = answer.cookie();
    let session = cookie.split(';').next().expect("a pair").to_owned();
    let told = answer.expect(200);
    assert_eq!((&told["token"], text(&told["principal"], "name")), (&Value::Null, "alice"));
    assert!(!told.to_string().contains("hst_"), "{told}");
    house.send(ask("GET", "/v1/me").with("cookie", session)).await.expect(200);
}

#[tokio::test]
async fn the_trail_counts_bad_signatures_and_refused_requests_by_the_minute() {
    let house = House::new().await;
    let auditor = house.staff("auditor").await;
    let (id, password) = house.client("alice").await;
    let key = heng_identity::NewKey {
        name: "desk".into(),
        kind: heng_identity::KeyKind::Hmac,
        scopes: Vec::new(),
        networks: Vec::new(),
        expires_at: None,
    };
    let key = house.identity.make_key(None, id, key).await.expect("a key");
    for number in 0..7 {
        let stamp = (house.now() / 1_000_000).to_string();
        let signed = ask("GET", "/v1/me").with("x-heng-key", &key.id).with("x-heng-timestamp", stamp);
        let signed = signed.with("x-heng-nonce", format!("n{number}"));
        house.send(signed.with("x-heng-signature", "A".repeat(43) + "=")).await.expect(401);
    }
    let token = house.session(id).await;
    for _ in 0..3 {
        house.post("/v1/me/password", &token, &json!({ "what": 1 })).await.expect(400);
    }
    for _ in 0..8 {
        house.sign_in("alice", "not the password", None).await;
    }
    house.sign_in("alice", &password, None).await.expect(429);
    let rows = house.get("/v1/audit?limit=500", &auditor).await.expect(200)["rows"].clone();
    let counted = |action: &str| {
        let rows = rows.as_array().expect("rows").iter().filter(|row| row["action"] == action);
        rows.map(|row| (text(row, "name").to_owned(), row["times"].as_u64().expect("a count"))).collect::<Vec<_>>()
    };
    assert_eq!(counted("key.signature"), [(key.id.clone(), 7)]);
    assert_eq!(counted("request.malformed"), [("alice".to_owned(), 3)]);
    assert_eq!(counted("sign-in.rate"), [("alice".to_owned(), 3)]);
    let signed_in = house.get("/v1/audit?action=session.given", &auditor).await.expect(200);
    assert_eq!(signed_in["rows"][0]["detail"], "");
}

#[tokio::test]
async fn the_trail_tells_by_what_a_sign_in_was_proven() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    house.sign_in("alice", &password, None).await.expect(200);
    let secret = house.identity.give_totp(id).await.expect("a secret").expose().to_owned();
    house.sign_in("alice", &password, Some(house.code(&secret))).await.expect(200);
    let auditor = house.staff("auditor").await;
    let rows = house.get("/v1/audit?action=sign-in&outcome=done", &auditor).await.expect(200)["rows"].clone();
    let told: Vec<&str> = rows.as_array().expect("rows").iter().map(|row| text(row, "detail")).collect();
    assert_eq!(told, ["by password and one-time code", "by password"]);
}
