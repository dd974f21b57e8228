//! Whether those who opened a stream still are who they were.

use std::sync::Arc;

use heng_identity::{IdentityOptions, KeyKind, NewKey, NewPartner, NewUser};
use heng_model::AccountId;
use heng_ports::{Accounts, AuthFailure, Credentials, Gatekeeper as _, Principal, PrincipalKind};

use crate::house::{House, ask};

async fn holder(house: &House, token: &str) -> Arc<Principal> {
    let authorization = format!("Bearer {token}");
    let came = Credentials {
        method: "GET",
        target: "/v1/stream",
        authorization: Some(&authorization),
        session: None,
        signed: None,
        body: b"",
        address: None,
    };
    house.identity.identify(came).await.expect("the token counts")
}

async fn again(house: &House, who: &Arc<Principal>) -> Result<(), AuthFailure> {
    house.identity.again(who).await.map(|now| assert_eq!(now, *who, "nothing has changed"))
}

#[tokio::test]
async fn a_session_that_was_signed_out_or_grew_old_counts_no_more() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let (first, second) = (house.session(id).await, house.session(id).await);
    let (out, old) = (holder(&house, &first).await, holder(&house, &second).await);
    again(&house, &out).await.expect("it counts");
    house.send(ask("POST", "/v1/sign-out").bearer(&first)).await.expect(204);
    assert_eq!(again(&house, &out).await, Err(AuthFailure::Ended));
    again(&house, &old).await.expect("the other one goes on");
    house.pass(12 * 3_600);
    assert_eq!(again(&house, &old).await, Err(AuthFailure::Ended));
}

#[tokio::test]
async fn a_stream_keeps_its_session_from_being_idle() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let body = house.sign_in("alice", &password, None).await.expect(200);
    let token = body["token"].as_str().expect("a token");
    let who = holder(&house, token).await;
    for _ in 0..4 {
        house.pass(20 * 60);
        again(&house, &who).await.expect("it is used");
    }
    house.pass(31 * 60);
    assert_eq!(again(&house, &who).await, Err(AuthFailure::Ended));
}

#[tokio::test]
async fn other_roles_or_accounts_are_seen() {
    let house = House::new().await;
    let new = |accounts: Vec<AccountId>| NewUser {
        name: "alice".into(),
        kind: PrincipalKind::Client,
        roles: vec!["client".into()],
        accounts: Accounts::These(accounts),
    };
    let made = house.identity.make_user(None, new(vec![AccountId(1)]), None).await.expect("a user");
    let who = holder(&house, &house.session(made.id).await).await;
    again(&house, &who).await.expect("it counts");
    house.identity.renew_user(new(vec![AccountId(2)])).await.expect("renewed");
    let now = house.identity.again(&who).await.expect("it counts");
    assert_eq!(now.accounts, Accounts::These(vec![AccountId(2)]));
}

#[tokio::test]
async fn a_key_that_was_revoked_or_is_over_counts_no_more() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let end = house.now() + 60_000_000_000;
    let mut held = Vec::new();
    for expires_at in [None, Some(end)] {
        let (name, kind) = ("k".to_owned(), KeyKind::Hmac);
        let new = NewKey { name, kind, scopes: vec!["order.read".into()], networks: Vec::new(), expires_at };
        let key = house.identity.make_key(None, id, new).await.expect("a key").id;
        let session = holder(&house, &house.session(id).await).await;
        let scopes = vec!["order.read".into()];
        let who = Principal { credential: format!("key:{key}"), scopes, ..Principal::clone(&session) };
        let who = Arc::new(who);
        again(&house, &who).await.expect("it counts");
        held.push((key, who));
    }
    let token = house.session(id).await;
    house.send(ask("DELETE", &format!("/v1/api-keys/{}", held[0].0)).bearer(&token)).await.expect(204);
    assert_eq!(again(&house, &held[0].1).await, Err(AuthFailure::Ended));
    again(&house, &held[1].1).await.expect("the other one goes on");
    house.pass(60);
    assert_eq!(again(&house, &held[1].1).await, Err(AuthFailure::Ended));
}

#[tokio::test]
async fn a_partner_that_is_shut_out_loses_its_tokens() {
    let house = House::with(IdentityOptions { hash_threads: 1, ..IdentityOptions::default() }).await;
    let scopes = vec!["dropcopy.read".to_owned()];
    let new = NewPartner { name: "acme".into(), scopes, accounts: Accounts::All };
    let made = house.identity.make_partner(None, new).await.expect("a partner");
    let form = format!("grant_type=client_credentials&client_id=acme&client_secret={}", made.client_secret.expose());
    let answer = house.send(ask("POST", "/oauth/token").form(&form)).await.expect(200);
    let who = holder(&house, answer["access_token"].as_str().expect("a token")).await;
    again(&house, &who).await.expect("it counts");
    let admin = house.staff("admin").await;
    house.send(ask("DELETE", &format!("/v1/partners/{}", made.id)).bearer(&admin)).await.expect(204);
    assert_eq!(again(&house, &who).await, Err(AuthFailure::Ended));
}
