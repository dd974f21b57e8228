//! Sign-in with password and code, sessions and their ends.

use heng_identity::IdentityOptions;
use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};

use crate::house::{House, ask, open, options, routes, send, unbase32};

fn token(answer: &Value) -> String {
    answer["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_client_signs_in_and_out() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let answer = house.sign_in("alice", &password, None).await;
    let cookie = answer.cookie();
    let body = answer.expect(200);
    let token = token(&body);
    assert_eq!(cookie, format!("heng_session={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"));
    assert_eq!(body["totp_required"], false);
    assert_eq!(body["expires_at"], "2026-07-06T21:15:00.000+08:00");
    let shown = json!({ "id": id.to_string(), "kind": "client", "name": "alice", "roles": ["client"],
        "accounts": ["1"], "scopes": [], "credential": "session:1" });
    assert_eq!(body["principal"], shown);
    let me = house.get("/v1/me", &token).await.expect(200);
    assert_eq!((me["name"].as_str(), me["totp"].as_bool()), (Some("alice"), Some(false)));
    assert!(me["actions"].as_array().expect("a list").contains(&json!("order.place")));
    let by_cookie = ask("GET", "/v1/me").with("cookie", format!("heng_session={token}"));
    house.send(by_cookie).await.expect(200);

    let forged = ask("POST", "/v1/sign-out").with("cookie", format!("heng_session={token}"));
    house.send(forged).await.expect(403);
    let out = house.send(ask("POST", "/v1/sign-out").bearer(&token)).await;
    assert!(out.cookie().contains("Max-Age=0"), "{}", out.cookie());
    out.expect(204);
    house.get("/v1/me", &token).await.expect(401);
    house.send(ask("GET", "/v1/me")).await.expect(401);
}

#[tokio::test]
async fn nobody_learns_which_part_was_wrong_and_failures_cost_time() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let unknown = house.sign_in("nobody", &password, None).await.expect(401);
    let wrong = house.sign_in("alice", "not the password", None).await.expect(401);
    assert_eq!(unknown["detail"], wrong["detail"]);
    for _ in 0..4 {
        house.sign_in("alice", "not the password", None).await.expect(401);
    }
    house.sign_in("alice", "not the password", None).await.expect(401);
    let slow = house.sign_in("alice", &password, None).await;
    assert_eq!(slow.headers["retry-after"], "2");
    slow.expect(429);
    house.pass(2);
    house.sign_in("alice", &password, None).await.expect(200);
    house.sign_in("alice", "not the password", None).await.expect(401);
    house.sign_in("alice", &password, None).await.expect(200);
    let auditor = house.staff("auditor").await;
    let failed = house.trail(&auditor, "&action=sign-in&outcome=failed").await;
    assert_eq!(failed.iter().filter(|row| row.contains("alice")).count(), 7, "{failed:?}");
    assert!(failed.contains(&"sign-in nobody  failed".to_owned()), "{failed:?}");
}

#[tokio::test]
async fn an_address_that_tries_many_names_is_slowed() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let sign_in = |user: String, password: String, from: [u8; 4]| {
        ask("POST", "/v1/sign-in").json(&json!({ "user": user, "password": password })).from(from)
    };
    // Fewer names than a spray has.
    for number in 0..21 {
        house.send(sign_in(format!("user{}", number % 7), "wrong password".into(), [10, 0, 0, 9])).await.expect(401);
    }
    house.send(sign_in("alice".into(), password.clone(), [10, 0, 0, 9])).await.expect(429);
    house.send(sign_in("alice".into(), password, [10, 0, 0, 8])).await.expect(200);
}

#[tokio::test]
async fn staff_without_a_second_factor_can_only_enrol_one() {
    let house = House::new().await;
    let (id, password) = house.user("bob", PrincipalKind::Staff, "auditor", Accounts::All).await;
    let body = house.sign_in("bob", &password, None).await.expect(200);
    assert_eq!(body["totp_enrolment_required"], true);
    let first = token(&body);
    let denied = house.get("/v1/audit", &first).await.expect(403);
    assert!(denied["detail"].as_str().expect("text").contains("no further than its scopes"), "{denied}");
    let other = token(&house.sign_in("bob", &password, None).await.expect(200));

    house.post("/v1/me/totp/confirm", &first, &json!({ "code": "000000" })).await.expect(409);
    house.post("/v1/me/totp", &first, &json!({ "password": "not the password" })).await.expect(403);
    let enrolment = house.post("/v1/me/totp", &first, &json!({ "password": password })).await.expect(200);
    let secret = enrolment["secret"].as_str().expect("text").to_owned();
    assert_eq!(unbase32(&secret).len(), 20);
    assert!(enrolment["uri"].as_str().expect("text").starts_with("otpauth://totp/Heng:bob?secret="));
    let wrong = format!("{:06}", (house.code(&secret).parse::<u32>().expect("digits") + 1) % 1_000_000);
    house.post("/v1/me/totp/confirm", &first, &json!({ "code": wrong })).await.expect(403);
    let code = house.code(&secret);
    house.post("/v1/me/totp/confirm", &first, &json!({ "code": code })).await.expect(204);
    house.get("/v1/audit", &first).await.expect(200);
    house.get("/v1/me", &other).await.expect(401);

    // From now on the password alone is not enough, and a code counts once.
    let half = house.sign_in("bob", &password, None).await.expect(200);
    assert_eq!((half["totp_required"].as_bool(), &half["token"]), (Some(true), &Value::Null));
    house.sign_in("bob", &password, Some(code)).await.expect(401);
    house.pass(30);
    let code = house.code(&secret);
    house.sign_in("bob", &password, Some(code.clone())).await.expect(200);
    house.sign_in("bob", &password, Some(code)).await.expect(401);
    house.pass(30);
    house.sign_in("bob", "not the password", Some(house.code(&secret))).await.expect(401);
    house.sign_in("bob", &password, Some(house.code(&secret))).await.expect(200);
    let removed = house.send(ask("DELETE", "/v1/me/totp").bearer(&first)).await.expect(403);
    assert_eq!(removed["code_name"], "StepUpNeeded");
    let given = house.session(id).await;
    let removed = house.send(ask("DELETE", "/v1/me/totp").bearer(&given)).await.expect(403);
    assert!(removed["detail"].as_str().expect("text").contains("staff keep"), "{removed}");
}

#[tokio::test]
async fn a_client_removes_the_second_factor_by_a_fresh_proof() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let secret = house.identity.give_totp(id).await.expect("a secret").expose().to_owned();
    let elsewhere = token(&house.sign_in("alice", &password, Some(house.code(&secret))).await.expect(200));
    house.pass(30);
    let here = token(&house.sign_in("alice", &password, Some(house.code(&secret))).await.expect(200));
    house.pass(30);
    let remove = || ask("DELETE", "/v1/me/totp").bearer(&here);
    assert_eq!(house.send(remove()).await.expect(403)["code_name"], "StepUpNeeded");
    // A code in the address would stand in logs and histories.
    let target = format!("/v1/me/totp?code={}", house.code(&secret));
    house.send(ask("DELETE", &target).bearer(&here)).await.expect(403);
    house.send(ask("DELETE", &target).bearer(&house.session(id).await)).await.expect(400);
    let begun = crate::step_up::begin(&house, &here, ("removeTotp", "/v1/me/totp", "")).await;
    assert_eq!(begun["text"]["en"], "Remove one-time codes\nBy: alice");
    let target = format!("/v1/step-up/{}", begun["id"].as_str().expect("text"));
    let proof = house.post(&target, &here, &json!({ "code": house.code(&secret) })).await.expect(200);
    let proof = proof["step_up"].as_str().expect("text");
    house.send(remove().with("step-up", proof)).await.expect(204);
    house.get("/v1/me", &here).await.expect(200);
    house.get("/v1/me", &elsewhere).await.expect(401);
    house.sign_in("alice", &password, None).await.expect(200);
    let given = house.session(id).await;
    house.send(ask("DELETE", "/v1/me/totp").bearer(&given)).await.expect(404);
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let (here, there) = (house.session(id).await, house.session(id).await);
    house.get("/v1/me", &there).await.expect(200);
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let new = "another good password";
    house.post("/v1/me/password", &here, &change("not the password", new)).await.expect(403);
    let weak = house.post("/v1/me/password", &here, &change(&password, "alice alice alice")).await.expect(400);
    assert_eq!(weak["errors"][0]["pointer"], "/new_password");
    house.post("/v1/me/password", &here, &change(&password, new)).await.expect(204);
    house.get("/v1/me", &here).await.expect(200);
    house.get("/v1/me", &there).await.expect(401);
    house.sign_in("alice", &password, None).await.expect(401);
    house.sign_in("alice", new, None).await.expect(200);
}

#[tokio::test]
async fn sessions_end_when_they_are_idle_or_old() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let idle = token(&house.sign_in("alice", &password, None).await.expect(200));
    let busy = token(&house.sign_in("alice", &password, None).await.expect(200));
    let given = house.session(id).await;
    let begun = house.now();
    for _ in 0..25 {
        house.pass(29 * 60);
        let old = house.now() - begun >= 12 * 3_600 * crate::house::SECOND;
        house.get("/v1/me", &busy).await.expect(if old { 401 } else { 200 });
    }
    house.get("/v1/me", &idle).await.expect(401);
    house.get("/v1/me", &given).await.expect(401);
    let short = House::with(IdentityOptions { session_idle: std::time::Duration::from_secs(10), ..options() }).await;
    let (id, password) = short.client("alice").await;
    let used = token(&short.sign_in("alice", &password, None).await.expect(200));
    let given = short.session(id).await;
    for (seconds, status) in [(9, 200), (9, 200), (10, 401), (1, 401)] {
        short.pass(seconds);
        short.get("/v1/me", &used).await.expect(status);
    }
    short.get("/v1/me", &given).await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_at_once() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let (eve, _) = house.client("eve").await;
    let (here, there, hers) = (house.session(id).await, house.session(id).await, house.session(eve).await);
    house.get("/v1/me", &there).await.expect(200);
    let list = house.get("/v1/sessions", &here).await.expect(200);
    let shown: Vec<(&str, bool)> = list["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|s| (s["id"].as_str().expect("text"), s["current"].as_bool().expect("truth")))
        .collect();
    assert_eq!(shown, [("2", false), ("1", true)]);
    assert!(!list.to_string().contains(&there), "a token is never shown again");
    house.send(ask("DELETE", "/v1/sessions/2").bearer(&hers)).await.expect(404);
    house.get("/v1/me", &there).await.expect(200);
    house.send(ask("DELETE", "/v1/sessions/2").bearer(&here)).await.expect(204);
    house.get("/v1/me", &there).await.expect(401);
    house.get(&format!("/v1/sessions?user={eve}"), &here).await.expect(403);
    let admin = house.staff("admin").await;
    let list = house.get(&format!("/v1/sessions?user={eve}"), &admin).await.expect(200);
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(1));
    house.send(ask("DELETE", "/v1/sessions/3").bearer(&admin)).await.expect(204);
    house.get("/v1/me", &hers).await.expect(401);
    for (wrong, status) in [("0", 400), ("x", 400), ("99", 404), ("999999999999999999999", 400)] {
        house.send(ask("DELETE", &format!("/v1/sessions/{wrong}")).bearer(&here)).await.expect(status);
    }
}

#[tokio::test]
async fn sessions_survive_a_restart_and_their_tokens_are_nowhere() {
    let house = House::new().await;
    let (id, password) = house.client("alice").await;
    let token = house.session(id).await;
    let revoked = house.session(id).await;
    house.send(ask("POST", "/v1/sign-out").bearer(&revoked)).await.expect(204);
    house.identity.close().await;
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(house.place.file().expect("a file").parent().expect("a folder")).expect("files") {
        bytes.extend(std::fs::read(file.expect("a file").path()).expect("bytes"));
    }
    for secret in [&token, &password] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is in the file");
    }
    let again = open(&house.place, options(), &house.clock).await;
    send(routes(&again).router(), ask("GET", "/v1/me").bearer(&token)).await.expect(200);
    send(routes(&again).router(), ask("GET", "/v1/me").bearer(&revoked)).await.expect(401);
}

#[tokio::test]
async fn the_last_use_of_a_session_survives_a_restart() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let used = token(&house.sign_in("alice", &password, None).await.expect(200));
    let idle = token(&house.sign_in("alice", &password, None).await.expect(200));
    house.get("/v1/me", &idle).await.expect(200);
    house.pass(25 * 60);
    house.get("/v1/me", &used).await.expect(200);
    house.identity.close().await;
    house.pass(25 * 60);
    let again = open(&house.place, options(), &house.clock).await;
    send(routes(&again).router(), ask("GET", "/v1/me").bearer(&used)).await.expect(200);
    send(routes(&again).router(), ask("GET", "/v1/me").bearer(&idle)).await.expect(401);
}

#[tokio::test]
async fn a_storm_of_sign_ins_is_told_to_come_back() {
    let options = IdentityOptions { hash_threads: 1, hash_queue_len_max: 2, ..options() };
    let house = House::with(options).await;
    let (_, password) = house.client("alice").await;
    let storm = (0..12).map(|_| house.sign_in("alice", &password, None));
    let answers = futures(storm).await;
    let (mut served, mut refused) = (0, 0);
    for answer in answers {
        match answer.status.as_u16() {
            200 => served += 1,
            429 => {
                assert_eq!(answer.headers["retry-after"], "1");
                refused += 1;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(served >= 2 && refused >= 1, "{served} served, {refused} refused");
    house.sign_in("alice", &password, None).await.expect(200);
}

/// All at once, on one task.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let house = House::new().await;
    for (body, pointer) in [
        (json!({ "user": "a" }), ""),
        (json!({ "user": "a", "password": 7 }), "/password"),
        (json!({ "user": "a", "password": "b", "more": 1 }), ""),
        (json!({ "user": "x".repeat(65), "password": "b" }), "/user"),
        (json!({ "user": "a", "password": "x".repeat(129) }), "/password"),
    ] {
        let refused = house.send(ask("POST", "/v1/sign-in").json(&body)).await.expect(400);
        assert!(refused["errors"].to_string().contains(pointer), "{refused}");
    }
    house.send(ask("POST", "/v1/sign-in").form("user=a")).await.expect(415);
    for token in ["", "x", "hst_short", &format!("hst_{}", "A".repeat(43)), &"x".repeat(5_000)] {
        house.get("/v1/me", token).await.expect(401);
    }
    house.send(ask("GET", "/v1/me").with("authorization", "Basic YTpi")).await.expect(401);
}

/// How many of these tries get further than the rates, and what the others are told.
async fn pass(house: &House, tries: usize, ask_one: impl Fn(usize) -> crate::house::Ask<'static>) -> (usize, bool) {
    let (mut passed, mut told) = (0, true);
    for number in 0..tries {
        let answer = house.send(ask_one(number)).await;
        if answer.status != 429 {
            passed += 1;
        } else {
            told &= answer.headers.contains_key("retry-after");
        }
    }
    (passed, told)
}

fn slowly() -> IdentityOptions {
    let per_s = |rate| std::num::NonZeroU32::new(rate).expect("not zero");
    IdentityOptions { address_per_s: per_s(3), name_per_s: per_s(1), ..options() }
}

#[tokio::test]
async fn an_address_and_a_name_have_their_rates_whatever_is_tried() {
    let house = House::with(slowly()).await;
    let (_, password) = house.client("alice").await;
    let sign_in = |user: String, from: [u8; 4]| {
        let body = json!({ "user": user, "password": "not the password" });
        ask("POST", "/v1/sign-in").json(&body).from(from)
    };
    let one = pass(&house, 20, |number| sign_in(format!("u{number}"), [10, 0, 0, 1])).await;
    assert_eq!(one, (6, true), "other names from one address");
    let one = pass(&house, 20, |number| sign_in("alice".into(), [10, 1, 0, number as u8])).await;
    assert_eq!(one, (2, true), "one name from other addresses");
    let right =
        |from: [u8; 4]| ask("POST", "/v1/sign-in").json(&json!({ "user": "alice", "password": password })).from(from);
    house.send(right([10, 2, 0, 1])).await.expect(429);
    house.pass(3);
    house.send(right([10, 2, 0, 1])).await.expect(200);
    pass(&house, 20, |number| sign_in("alice".into(), [10, 3, 0, number as u8])).await;
    house.send(right([10, 2, 0, 1])).await.expect(200);
}

#[tokio::test]
async fn a_second_factor_and_a_token_endpoint_have_the_same_rates() {
    let house = House::with(slowly()).await;
    let (id, password) = house.client("alice").await;
    house.identity.give_totp(id).await.expect("a secret");
    let code = move |number: usize| {
        let body = json!({ "user": "alice", "password": password, "totp": format!("{number:06}") });
        ask("POST", "/v1/sign-in").json(&body).from([10, 0, 0, number as u8])
    };
    assert_eq!(pass(&house, 10, code).await, (2, true), "guesses of a code from other addresses");
    let form = |name: String, from: [u8; 4]| {
        let form = format!("grant_type=client_credentials&client_id={name}&client_secret=x");
        ask("POST", "/oauth/token").form(&form).from(from)
    };
    assert_eq!(pass(&house, 10, |n| form(format!("p{n}"), [10, 9, 0, 1])).await, (6, true));
    assert_eq!(pass(&house, 10, |n| form("acme".into(), [10, 8, 0, n as u8])).await, (2, true));
    let refused = house.send(form("acme".into(), [10, 8, 0, 99])).await.expect(429);
    assert_eq!(refused["error"], "temporarily_unavailable");
}
