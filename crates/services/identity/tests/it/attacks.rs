//! Attacks on sign-in, answered with the failure that completes them, and found in the audit trail.

use std::sync::Arc;
use std::time::Instant;

use heng_identity::IdentityOptions;
use serde_json::json;

use crate::house::{Answer, House, ask, options};

async fn try_from(house: &House, user: &str, password: &str, from: [u8; 4]) -> Answer {
    let body = json!({ "user": user, "password": password });
    house.send(ask("POST", "/v1/sign-in").json(&body).from(from)).await
}

#[tokio::test]
async fn a_spray_shuts_its_source_out_within_a_second() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    for number in 0..12_u8 {
        house.pass(1);
        let from = [203, 0, 113, number];
        assert_eq!(try_from(&house, &format!("user-{number}"), "Summer2026!!", from).await.status, 401);
    }
    let begun = Instant::now();
    // The neighbour of the attacker, with the right password: shut out, and told when to come back.
    let refused = try_from(&house, "alice", &password, [203, 0, 113, 200]).await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().ok()), (429, Some("900")));
    assert!(begun.elapsed().as_secs() < 1, "answered before anything is hashed");
    try_from(&house, "alice", &password, [198, 51, 100, 7]).await.expect(200);
    let auditor = house.staff("auditor").await;
    let rows = house.trail(&auditor, "&action=attack.spray").await;
    assert_eq!(rows, ["attack.spray  network:203.0.113.0 denied"]);
    house.pass(901);
    try_from(&house, "alice", &password, [203, 0, 113, 200]).await.expect(200);
}

#[tokio::test]
async fn stuffing_from_everywhere_asks_for_more_than_a_password() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let (protected, other) = house.client("paula").await;
    try_from(&house, "alice", &password, [192, 0, 2, 1]).await.expect(200);
    let secret = house.identity.give_totp(protected).await.expect("a secret").expose().to_owned();
    for number in 0..100_u8 {
        assert_eq!(
            try_from(&house, &format!("user-{number}"), "stolen password", [10, number, 1, 1]).await.status,
            401
        );
    }
    assert_eq!(try_from(&house, "alice", &password, [192, 0, 2, 9]).await.status, 429, "elsewhere, password alone");
    try_from(&house, "alice", &password, [192, 0, 2, 1]).await.expect(200);
    let body = json!({ "user": "paula", "password": other, "totp": house.code(&secret) });
    house.send(ask("POST", "/v1/sign-in").json(&body).from([192, 0, 2, 77])).await.expect(200);
    let auditor = house.staff("auditor").await;
    assert_eq!(house.trail(&auditor, "&action=attack.stuffing").await.len(), 1);
    house.pass(601);
    try_from(&house, "alice", &password, [192, 0, 2, 9]).await.expect(200);
}

#[tokio::test]
async fn nobody_is_in_two_cities_at_once() {
    let file = "network,latitude,longitude\n203.0.113.0/24,31.22,121.46\n198.51.100.0/24,51.51,-0.13\n";
    let places = heng_identity::Places::read(file.as_bytes()).expect("a directory");
    let house = House::with(IdentityOptions { places: Some(Arc::new(places)), ..options() }).await;
    let ((_, alone), (protected, both)) = (house.client("alice").await, house.client("paula").await);
    let secret = house.identity.give_totp(protected).await.expect("a secret").expose().to_owned();
    let (shanghai, london) = ([203, 0, 113, 5], [198, 51, 100, 7]);
    try_from(&house, "alice", &alone, shanghai).await.expect(200);
    let proven = |from| {
        let body = json!({ "user": "paula", "password": both, "totp": house.code(&secret) });
        house.send(ask("POST", "/v1/sign-in").json(&body).from(from))
    };
    let first = proven(shanghai).await.expect(200)["token"].as_str().expect("a token").to_owned();
    house.get("/v1/me", &first).await.expect(200);
    house.pass(600);
    let begun = Instant::now();
    let refused = try_from(&house, "alice", &alone, london).await;
    assert_eq!(refused.status, 403, "a password alone: {}", refused.body);
    let second = proven(london).await.expect(200)["token"].as_str().expect("a token").to_owned();
    house.get("/v1/me", &second).await.expect(200);
    assert_eq!(house.get("/v1/me", &first).await.status, 401, "the session from before has ended");
    assert!(begun.elapsed().as_secs() < 1);
    let auditor = house.staff("auditor").await;
    let rows = house.trail(&auditor, "&action=attack.travel").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    // The same way in a day is a flight.
    house.pass(86_400);
    try_from(&house, "alice", &alone, london).await.expect(200);
}
