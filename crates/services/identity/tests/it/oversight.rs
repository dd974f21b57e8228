//! Two people change roles, access is looked over, factors are reset, devices end at once, consents stay.

use heng_ports::{Accounts, PrincipalKind};
use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::house::{House, ask};
use crate::passkeys::{enrol, sign_in};

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|item| item["user"].as_str()).collect()
}

#[tokio::test]
async fn roles_change_by_two_people_and_count_at_once() {
    let house = House::new().await;
    let (user, _) = house.user("tina", PrincipalKind::Staff, "trader", Accounts::All).await;
    let tinas = house.session(user).await;
    let (first, _) = house.user("ada", PrincipalKind::Staff, "admin", Accounts::All).await;
    let (ada, bea) = (house.session(first).await, house.staff("admin").await);
    let wanted = json!({ "user": user.to_string(), "roles": ["service-desk"], "accounts": ["*"], "reason": "moves" });
    house.post("/v1/role-changes", &tinas, &wanted).await.expect(403);
    let change = house.post("/v1/role-changes", &ada, &wanted).await.expect(201);
    let target = format!("/v1/role-changes/{}", change["id"].as_str().expect("text"));
    let approve = json!({ "decision": "approve" });
    let refused = house.post(&target, &ada, &approve).await.expect(403);
    let why = "the policy forbids role.decide: “nobody decides what they asked for or what is about themselves”";
    assert_eq!(refused["detail"], why);
    house.post(&target, &tinas, &approve).await.expect(403);
    assert_eq!(house.get("/v1/me", &tinas).await.expect(200)["roles"], json!(["trader"]));
    assert_eq!(house.post(&target, &bea, &approve).await.expect(200)["state"], "approved");
    assert_eq!(house.get("/v1/me", &tinas).await.expect(200)["roles"], json!(["service-desk"]), "in the same session");
    house.post(&target, &bea, &approve).await.expect(409);

    // About oneself: not even when another one asked.
    let wanted = json!({ "user": first.to_string(), "roles": ["admin", "trader"], "accounts": ["*"], "reason": "x" });
    let change = house.post("/v1/role-changes", &bea, &wanted).await.expect(201);
    let target = format!("/v1/role-changes/{}", change["id"].as_str().expect("text"));
    house.post(&target, &ada, &approve).await.expect(403);
    let risk = house.staff("risk-officer").await;
    assert_eq!(house.post(&target, &risk, &json!({ "decision": "decline" })).await.expect(200)["state"], "declined");
    assert_eq!(house.get("/v1/me", &ada).await.expect(200)["roles"], json!(["admin"]));
    let wrong = json!({ "user": user.to_string(), "roles": ["client"], "accounts": [], "reason": "x" });
    house.post("/v1/role-changes", &ada, &wrong).await.expect(409);
    assert_eq!(house.get("/v1/role-changes", &ada).await.expect(200)["changes"].as_array().expect("a list").len(), 2);
    let auditor = house.staff("auditor").await;
    assert!(house.trail(&auditor, "&action=role.decide&outcome=denied").await.len() >= 2);
}

#[tokio::test]
async fn access_is_looked_over_in_time() {
    let house = House::new().await;
    let (idle, _) = house.user("idle", PrincipalKind::Staff, "operator", Accounts::All).await;
    let idles = house.session(idle).await;
    let (own, _) = house.user("ada", PrincipalKind::Staff, "admin", Accounts::All).await;
    let ada = house.session(own).await;
    house.client("alice").await;
    let review = house.post("/v1/access-reviews", &ada, &json!({ "due_days": 7 })).await.expect(201);
    assert_eq!((&review["open"], &review["overdue"]), (&json!(2), &json!(false)));
    let target = format!("/v1/access-reviews/{}", review["id"].as_str().expect("text"));
    let shown = house.get(&target, &ada).await.expect(200);
    assert_eq!(ids(&shown["items"]), [idle.to_string(), own.to_string()]);
    assert_eq!(shown["items"][0]["roles"], json!(["operator"]));
    assert!(shown["items"][0]["last_used_at"].is_string());
    let decide = |user: u64, decision: &str| json!({ "user": user.to_string(), "decision": decision });
    house.post(&target, &ada, &decide(own, "confirm")).await.expect(403);
    house.post(&target, &ada, &decide(idle, "revoke")).await.expect(204);
    house.get("/v1/me", &idles).await.expect(401);
    house.post(&target, &ada, &decide(idle, "confirm")).await.expect(404);
    house.pass(8 * 86_400);
    let auditor = house.staff("auditor").await;
    let late = house.get("/v1/access-reviews", &auditor).await.expect(200);
    assert_eq!((&late["reviews"][0]["open"], &late["reviews"][0]["overdue"]), (&json!(1), &json!(true)));
    house.post(&target, &auditor, &decide(own, "confirm")).await.expect(403);
    let risk = house.staff("risk-officer").await;
    house.post(&target, &risk, &decide(own, "confirm")).await.expect(204);
    assert_eq!(house.get("/v1/access-reviews", &auditor).await.expect(200)["reviews"][0]["overdue"], false);
}

#[tokio::test]
async fn factors_are_reset_by_another_and_all_devices_end_at_once() {
    let house = House::new().await;
    let (user, password) = house.user("tom", PrincipalKind::Staff, "trader", Accounts::All).await;
    let toms = house.session(user).await;
    enrol(&house, &toms, &password, &mut Authenticator::new(31)).await;
    let ada = house.staff("admin").await;
    house.send(ask("POST", &format!("/v1/users/{user}/reset-factors")).bearer(&toms)).await.expect(403);
    house.send(ask("POST", &format!("/v1/users/{user}/reset-factors")).bearer(&ada)).await.expect(200);
    house.get("/v1/me", &toms).await.expect(401);
    let again = sign_in(&house, "tom", &password, &json!({})).await.expect(200);
    assert_eq!(again["totp_enrolment_required"], true, "{again}");

    let (client, _) = house.client("alice").await;
    let tokens = [house.session(client).await, house.session(client).await, house.session(client).await];
    let ended = house.send(ask("DELETE", "/v1/sessions").bearer(&tokens[0])).await.expect(200);
    assert_eq!(ended["ended"], 2);
    house.get("/v1/me", &tokens[0]).await.expect(200);
    for token in &tokens[1..] {
        house.get("/v1/me", token).await.expect(401);
    }
    house.send(ask("DELETE", &format!("/v1/users/{client}/sessions")).bearer(&ada)).await.expect(200);
    house.get("/v1/me", &tokens[0]).await.expect(401);
    let (other, _) = house.client("bob").await;
    let others = house.session(other).await;
    house.send(ask("DELETE", &format!("/v1/users/{client}/sessions")).bearer(&others)).await.expect(403);
}

#[tokio::test]
async fn consents_are_kept_as_they_were_given() {
    let house = House::new().await;
    let (user, _) = house.client("alice").await;
    let token = house.session(user).await;
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let mut body = json!({ "document": "risk-disclosure", "version": "2026-07", "language": "zh", "text_sha256": hash, "agreed": true });
    house.post("/v1/consents", &token, &body).await.expect(201);
    body["agreed"] = json!(false);
    house.post("/v1/consents", &token, &body).await.expect(201);
    let told = house.get("/v1/consents", &token).await.expect(200);
    let agreed: Vec<_> = told["consents"].as_array().expect("a list").iter().map(|row| &row["agreed"]).collect();
    assert_eq!(agreed, [false, true], "both stand, newest first");
    assert_eq!(told["consents"][1]["text_sha256"], hash);
    body["text_sha256"] = json!("44");
    house.post("/v1/consents", &token, &body).await.expect(400);
    let (other, _) = house.client("bob").await;
    let others = house.session(other).await;
    house.get(&format!("/v1/consents?user={user}"), &others).await.expect(403);
    let auditor = house.staff("auditor").await;
    house.get(&format!("/v1/consents?user={user}"), &auditor).await.expect(200);
}
