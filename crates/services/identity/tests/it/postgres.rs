//! The same service on PostgreSQL, and two processes' worth of it on the same tables.

use heng_identity::{KeyKind, NewKey};
use heng_store::StoreUrl;
use serde_json::json;

use crate::house::{House, ask, open, options, routes, send};
use crate::server::PostgresServer;

#[tokio::test]
async fn two_doors_share_one_postgresql() {
    let Some(server) = PostgresServer::start("identity on PostgreSQL") else { return };
    let place = server.url.parse::<StoreUrl>().expect("an address").store("identity");
    let house = House::at(place, options()).await;
    let (id, password) = house.client("alice").await;
    let signed_in = house.sign_in("alice", &password, None).await.expect(200);
    let token = signed_in["token"].as_str().expect("a token").to_owned();
    let body = json!({ "name": "k", "scopes": ["order.read"] });
    let begun = crate::step_up::begin(&house, &token, ("createApiKey", "/v1/api-keys", &body.to_string())).await;
    let target = format!("/v1/step-up/{}", begun["id"].as_str().expect("text"));
    let proof = house.post(&target, &token, &json!({ "password": password })).await.expect(200);
    let proof = proof["step_up"].as_str().expect("text").to_owned();
    let request = ask("POST", "/v1/api-keys").bearer(&token).json(&body).with("step-up", proof);
    let key = house.send(request).await.expect(201);
    assert_eq!(key["scopes"], json!(["order.read"]));

    let other = open(&house.place, options(), &house.clock).await;
    let there = || send(routes(&other).router(), ask("GET", "/v1/me").bearer(&token));
    there().await.expect(200);
    house.send(ask("POST", "/v1/sign-out").bearer(&token)).await.expect(204);
    house.get("/v1/me", &token).await.expect(401);
    house.pass(5);
    there().await.expect(401);

    let auditor = house.staff("auditor").await;
    let rows = house.trail(&auditor, &format!("&principal={id}&outcome=done")).await;
    let expected = [
        "sign-out alice session:1 done",
        "key.created alice",
        "step-up alice createApiKey done",
        "sign-in alice  done",
    ];
    for (row, expected) in rows.iter().zip(expected) {
        assert!(row.starts_with(expected), "{rows:?}");
    }
    let filter = "&name=alice&action=key.*&from=2026-07-06&to=2026-07-06&outcome=done&text=hmac";
    assert_eq!(house.trail(&auditor, filter).await.len(), 1, "searched by several filters");
    assert_eq!(house.trail(&auditor, &format!("&principal={id}&action=order.*")).await, Vec::<String>::new());
    let new =
        NewKey { name: "x".into(), kind: KeyKind::Hmac, scopes: Vec::new(), networks: Vec::new(), expires_at: None };
    assert!(other.make_key(None, id, new).await.is_ok(), "both write");
    other.close().await;
    house.identity.close().await;
}
