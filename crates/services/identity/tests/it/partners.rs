//! OAuth 2.1 client credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heng_identity::{MadePartner, NewPartner};
use heng_model::AccountId;
use heng_ports::Accounts;
use serde_json::{Value, json};

use crate::house::{Answer, House, ask};

async fn partner(house: &House, name: &str, scopes: &[&str]) -> MadePartner {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let accounts = Accounts::These(vec![AccountId(1), AccountId(2)]);
    let new = NewPartner { name: name.to_owned(), scopes, accounts };
    house.identity.make_partner(None, new).await.expect("a partner")
}

fn basic(partner: &MadePartner) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", partner.client_id, partner.client_secret.expose())))
}

async fn token(house: &House, partner: &MadePartner, form: &str) -> Answer {
    house.send(ask("POST", "/oauth/token").with("authorization", basic(partner)).form(form)).await
}

async fn question(house: &House, path: &str, partner: &MadePartner, token: &str) -> Value {
    let form = format!("token={token}");
    house.send(ask("POST", path).with("authorization", basic(partner)).form(&form)).await.expect(200)
}

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_partner_gets_a_token_for_its_scopes() {
    let house = House::new().await;
    let acme = partner(&house, "acme", &["order.read", "fill.read"]).await;
    let answer = token(&house, &acme, GRANT).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.expect(200);
    assert_eq!((body["token_type"].as_str(), body["expires_in"].as_u64()), (Some("Bearer"), Some(3_600)));
    assert_eq!(body["scope"], "fill.read order.read");
    let access = body["access_token"].as_str().expect("a token");
    let me = house.get("/v1/me", access).await.expect(200);
    assert_eq!(me["actions"], json!(["order.read", "fill.read"]));
    assert_eq!(me["accounts"], json!(["1", "2"]));
    house.get("/v1/sessions", access).await.expect(403);
    let narrow = token(&house, &acme, &format!("{GRANT}&scope=fill.read")).await.expect(200);
    assert_eq!(narrow["scope"], "fill.read");
    let form = format!("{GRANT}&client_id=acme&client_secret={}", acme.client_secret.expose());
    house.send(ask("POST", "/oauth/token").form(&form)).await.expect(200);
    house.pass(3_600);
    house.get("/v1/me", access).await.expect(401);
}

#[tokio::test]
async fn refusals_have_the_words_of_the_rfc() {
    let house = House::new().await;
    let acme = partner(&house, "acme", &["order.read"]).await;
    let check = |answer: Answer, status: u16, error: &str| {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        assert_eq!(answer.body["error"], error);
        answer
    };
    check(token(&house, &acme, "").await, 400, "invalid_request");
    check(token(&house, &acme, "grant_type=password").await, 400, "unsupported_grant_type");
    check(token(&house, &acme, &format!("{GRANT}&scope=fill.read")).await, 400, "invalid_scope");
    check(token(&house, &acme, &format!("{GRANT}&{GRANT}")).await, 400, "invalid_request");
    check(token(&house, &acme, &format!("{GRANT}&client_secret=x")).await, 400, "invalid_request");
    let wrong = ask("POST", "/oauth/token").form(&format!("{GRANT}&client_id=acme&client_secret=hps_wrong"));
    let refused = check(house.send(wrong).await, 401, "invalid_client");
    assert_eq!(refused.headers["www-authenticate"], "Basic realm=\"heng\"");
    let json = ask("POST", "/oauth/token").with("authorization", basic(&acme)).json(&json!({}));
    check(house.send(json).await, 400, "invalid_request");
    check(house.send(ask("POST", "/oauth/token").form(GRANT)).await, 401, "invalid_client");
    // A user of the system is no client of this endpoint, whatever they know.
    let (_, password) = house.client("alice").await;
    let user = ask("POST", "/oauth/token").form(&format!("{GRANT}&client_id=alice&client_secret={password}"));
    check(house.send(user).await, 401, "invalid_client");
    let (_, secret) = ("acme", acme.client_secret.expose());
    house.sign_in("acme", secret, None).await.expect(401);
}

#[tokio::test]
async fn tokens_are_looked_into_and_revoked_by_their_partner_only() {
    let house = House::new().await;
    let (acme, other) = (partner(&house, "acme", &[]).await, partner(&house, "other", &[]).await);
    let body = token(&house, &acme, GRANT).await.expect(200);
    let access = body["access_token"].as_str().expect("a token").to_owned();
    house.get("/v1/me", &access).await.expect(200);
    let shown = question(&house, "/oauth/introspect", &acme, &access).await;
    assert_eq!((shown["active"].as_bool(), shown["client_id"].as_str()), (Some(true), Some("acme")));
    assert_eq!(shown["exp"].as_i64(), Some(crate::house::BEGIN / crate::house::SECOND + 3_600));
    assert_eq!(question(&house, "/oauth/introspect", &other, &access).await, json!({ "active": false }));
    assert_eq!(question(&house, "/oauth/introspect", &acme, "unknown").await, json!({ "active": false }));
    question(&house, "/oauth/revoke", &other, &access).await;
    house.get("/v1/me", &access).await.expect(200);
    question(&house, "/oauth/revoke", &acme, &access).await;
    house.get("/v1/me", &access).await.expect(401);
    question(&house, "/oauth/revoke", &acme, &access).await;
    assert_eq!(question(&house, "/oauth/introspect", &acme, &access).await, json!({ "active": false }));
}

#[tokio::test]
async fn a_partner_is_made_and_shut_out_by_an_administrator() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    let body = json!({ "name": "acme", "scopes": ["order.read"], "accounts": ["2", "1"] });
    let made = house.post("/v1/partners", &admin, &body).await.expect(201);
    assert_eq!((&made["accounts"], &made["scopes"]), (&json!(["1", "2"]), &json!(["order.read"])));
    house.post("/v1/partners", &admin, &body).await.expect(409);
    let secret = made["client_secret"].as_str().expect("a secret");
    let form = format!("{GRANT}&client_id=acme&client_secret={secret}");
    let issued = house.send(ask("POST", "/oauth/token").form(&form)).await.expect(200);
    let access = issued["access_token"].as_str().expect("a token");
    house.get("/v1/me", access).await.expect(200);
    let id = made["id"].as_str().expect("an id");
    house.send(ask("DELETE", &format!("/v1/users/{id}")).bearer(&admin)).await.expect(405);
    house.send(ask("POST", &format!("/v1/users/{id}/disable")).bearer(&admin)).await.expect(404);
    house.send(ask("DELETE", &format!("/v1/partners/{id}")).bearer(&admin)).await.expect(204);
    house.get("/v1/me", access).await.expect(401);
    house.send(ask("POST", "/oauth/token").form(&form)).await.expect(401);
    let list = house.get("/v1/partners", &admin).await.expect(200);
    assert_eq!(list["partners"][0]["disabled"], true);
    assert!(!list.to_string().contains(secret));
}

#[tokio::test]
async fn a_partner_of_a_demonstration_gets_a_fresh_secret_with_every_start() {
    let house = House::new().await;
    let new = |account: u64| NewPartner {
        name: "desk-partner".into(),
        scopes: vec!["dropcopy.read".into()],
        accounts: Accounts::These(vec![AccountId(account)]),
    };
    let first = house.identity.renew_partner(new(1)).await.expect("a partner");
    let access = token(&house, &first, GRANT).await.expect(200)["access_token"].as_str().expect("a token").to_owned();
    let second = house.identity.renew_partner(new(2)).await.expect("the same partner");
    assert_eq!(first.id, second.id);
    token(&house, &first, GRANT).await.expect(401);
    token(&house, &second, GRANT).await.expect(200);
    assert_eq!(house.get("/v1/me", &access).await.expect(200)["accounts"], json!(["2"]), "tokens go on");
    house.client("alice").await;
    let taken = NewPartner { name: "alice".into(), ..new(1) };
    assert!(house.identity.renew_partner(taken).await.is_err(), "a user of that name is not touched");
}
