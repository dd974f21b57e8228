//! Users, the audit trail, the policies: who may, and who may not.

use heng_identity::NewUser;
use heng_ports::{Accounts, PrincipalKind, Resource};
use serde_json::{Value, json};

use crate::house::{House, ask};

#[tokio::test]
async fn users_are_made_shown_and_shut_out_at_once() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    let body = json!({ "name": "alice", "kind": "client", "roles": ["client"], "accounts": ["7"] });
    let made = house.post("/v1/users", &admin, &body).await.expect(201);
    let (id, password) = (made["id"].as_str().expect("an id"), made["password"].as_str().expect("a password"));
    house.post("/v1/users", &admin, &body).await.expect(409);
    let shown = house.get(&format!("/v1/users/{id}"), &admin).await.expect(200);
    assert_eq!((&shown["accounts"], &shown["disabled"]), (&json!(["7"]), &json!(false)));
    let signed_in = house.sign_in("alice", password, None).await.expect(200);
    let token = signed_in["token"].as_str().expect("a token");
    house.get("/v1/me", token).await.expect(200);

    let disabled = house.send(ask("POST", &format!("/v1/users/{id}/disable")).bearer(&admin)).await.expect(200);
    assert_eq!(disabled["disabled"], true);
    house.get("/v1/me", token).await.expect(401);
    house.sign_in("alice", password, None).await.expect(401);
    house.send(ask("POST", &format!("/v1/users/{id}/enable")).bearer(&admin)).await.expect(200);
    house.get("/v1/me", token).await.expect(401);
    house.sign_in("alice", password, None).await.expect(200);

    let me = house.get("/v1/me", &admin).await.expect(200);
    let own = format!("/v1/users/{}/disable", me["id"].as_str().expect("an id"));
    house.send(ask("POST", &own).bearer(&admin)).await.expect(409);
    house.send(ask("POST", "/v1/users/99/disable").bearer(&admin)).await.expect(404);
    house.get("/v1/users/99", &admin).await.expect(404);
    house.get("/v1/users/x", &admin).await.expect(400);
}

#[tokio::test]
async fn what_a_user_cannot_be_is_refused() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    let user = |name: &str, kind: &str, roles: &[&str], accounts: &[&str]| json!({ "name": name, "kind": kind, "roles": roles, "accounts": accounts });
    for (body, status) in [
        (user("a b", "client", &["client"], &[]), 400),
        (user("", "client", &["client"], &[]), 400),
        (user("a", "partner", &["partner"], &[]), 400),
        (user("a", "client", &[], &[]), 400),
        (user("a", "client", &["client"], &["01"]), 400),
        (user("a", "client", &["client"], &["1", "*"]), 400),
        (user("a", "client", &["root"], &[]), 400),
        (user("a", "client", &["admin"], &[]), 409),
        (user("a", "staff", &["client"], &[]), 409),
        (user("a", "client", &["client"], &["*"]), 409),
    ] {
        house.post("/v1/users", &admin, &body).await.expect(status);
    }
    let mut weak = user("alice", "client", &["client"], &[]);
    weak["password"] = json!("alice-alice-alice");
    let refused = house.post("/v1/users", &admin, &weak).await.expect(400);
    assert_eq!(refused["errors"][0]["pointer"], "/password");
}

#[tokio::test]
async fn a_repeat_gets_the_user_that_the_first_one_made() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    let body = json!({ "name": "alice", "kind": "client", "roles": ["client"] });
    let create = || ask("POST", "/v1/users").bearer(&admin).json(&body).with("idempotency-key", "u-1");
    let first = house.send(create()).await.expect(201);
    let again = house.send(create()).await.expect(201);
    assert_eq!((&again["id"], &again["password"]), (&first["id"], &Value::Null));
    assert!(first["password"].is_string());
}

#[tokio::test]
async fn lists_have_pages() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    for name in ["a", "b", "c"] {
        house.client(name).await;
    }
    let first = house.get("/v1/users?limit=3", &admin).await.expect(200);
    assert_eq!((first["users"].as_array().map(Vec::len), first["next_after"].as_u64()), (Some(3), Some(3)));
    let last = house.get("/v1/users?limit=3&after=3", &admin).await.expect(200);
    assert_eq!((&last["users"][0]["name"], &last["next_after"]), (&json!("c"), &Value::Null));
    for wrong in ["limit=0", "limit=201", "limit=x", "more=1", "limit=1&limit=2"] {
        house.get(&format!("/v1/users?{wrong}"), &admin).await.expect(400);
    }
}

#[tokio::test]
async fn a_fresh_start_makes_thousands_of_clients_at_once() {
    let house = House::new().await;
    assert!(house.identity.is_empty().await.expect("an answer"));
    let user = |number: u64| NewUser {
        name: format!("client-{number}"),
        kind: PrincipalKind::Client,
        roles: vec!["client".to_owned()],
        accounts: Accounts::These(vec![heng_model::AccountId(number)]),
    };
    let users: Vec<NewUser> = (1..=1_200).map(user).collect();
    let opened = house.identity.give_sessions(&users).await.expect("users");
    assert_eq!(opened.len(), 1_200);
    for number in [0usize, 499, 500, 1_199] {
        let me = house.get("/v1/me", opened[number].token.expose()).await.expect(200);
        assert_eq!((&me["name"], &me["accounts"]), (&json!(users[number].name), &json!([(number + 1).to_string()])));
    }
    let again = house.identity.give_sessions(&users[..1]).await.expect("another session of the same user");
    assert_eq!(again[0].principal.id, opened[0].principal.id);
    house.sign_in("client-7", "", None).await.expect(401);
    let renewed = house.identity.renew_user(user(7)).await.expect("a password");
    house.sign_in("client-7", renewed.password.expose(), None).await.expect(200);
    house.get("/v1/me", opened[6].token.expose()).await.expect(200);
    let seat = house.identity.principal_named("client-7").await.expect("an answer").expect("a principal");
    assert_eq!((seat.id, seat.credential.as_str()), (renewed.id, "configuration"));
    house.identity.renew_user(NewUser { roles: vec!["admin".into()], ..user(8) }).await.expect_err("no such client");
    house.pass(3_600);
    house.get("/v1/me", opened[7].token.expose()).await.expect(200);
}

/// What each role gets at each door: the policy, seen from outside.
#[tokio::test]
async fn each_role_passes_its_doors_and_no_others() {
    let house = House::new().await;
    let doors = [
        "GET /v1/users",
        "POST /v1/users",
        "GET /v1/partners",
        "POST /v1/partners",
        "GET /v1/audit",
        "GET /v1/sessions",
        "GET /v1/api-keys",
        "POST /v1/api-keys",
    ];
    // + = passes the policy (whatever the empty body then gets), - = refused.
    let table = [
        ("trader", "-----+++"),
        ("service-desk", "+----+++"),
        ("risk-officer", "----++++"),
        ("operator", "-----+++"),
        ("admin", "++++++++"),
        ("auditor", "+-+-++++"),
    ];
    for (role, expected) in table {
        let token = house.staff(role).await;
        let mut found = String::new();
        for door in doors {
            let (method, target) = door.split_once(' ').expect("two words");
            let answer = house.send(ask(method, target).bearer(&token).json(&json!({}))).await;
            found.push(if answer.status.as_u16() == 403 { '-' } else { '+' });
        }
        assert_eq!(found, expected, "{role}");
    }
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    for door in &doors[..5] {
        let (method, target) = door.split_once(' ').expect("two words");
        house.send(ask(method, target).bearer(&token).json(&json!({}))).await.expect(403);
    }
    let policies = house.get("/v1/policies", &token).await.expect(200);
    assert_eq!(policies["actions"].as_array().map(Vec::len), Some(33));
    assert_eq!(policies["roles"].as_array().map(Vec::len), Some(8));
    assert!(policies["policies"].as_array().map(Vec::len) > Some(10));
}

#[tokio::test]
async fn the_trail_tells_changes_denials_and_counts() {
    let house = House::new().await;
    let auditor = house.staff("auditor").await;
    let (id, _) = house.client("alice").await;
    let token = house.session(id).await;
    house.get("/v1/audit", &token).await.expect(403);
    for _ in 0..3 {
        house.get("/v1/sessions", &token).await.expect(200);
    }
    let gatekeeper = house.identity.gatekeeper();
    let came = heng_ports::Credentials {
        method: "GET",
        target: "/",
        authorization: Some(&format!("bearer {token}")),
        session: None,
        signed: None,
        body: b"",
        address: None,
    };
    let principal = gatekeeper.identify(came).await.expect("it is known");
    let account = |number| Resource::Account(heng_model::AccountId(number));
    assert!(gatekeeper.decide(&principal, "order.place", account(1)).is_allowed());
    assert!(!gatekeeper.decide(&principal, "order.place", account(2)).is_allowed());
    let rows = house.trail(&auditor, &format!("&principal={id}")).await;
    for expected in [
        "order.place alice account:2 denied",
        "order.place alice account:1 allowed",
        "session.read alice  allowed",
        "audit.read alice  denied",
        "session.given alice  done",
    ] {
        assert_eq!(rows.iter().filter(|row| *row == expected).count(), 1, "{expected}: {rows:?}");
    }
    let counted = house.get(&format!("/v1/audit?principal={id}&action=session.read"), &auditor).await.expect(200);
    assert_eq!(counted["rows"][0]["times"], 3);
    let made = house.trail(&auditor, "&action=user.created").await;
    assert!(made.contains(&format!("user.created system principal:{id} done")), "{made:?}");
    let page = house.get("/v1/audit?limit=2", &auditor).await.expect(200);
    let next = page["next_before"].as_u64().expect("there is more");
    let older = house.get(&format!("/v1/audit?limit=2&before={next}"), &auditor).await.expect(200);
    assert!(older["rows"][0]["number"].as_u64() < Some(next));
    assert!(!house.get("/v1/audit?limit=500", &auditor).await.expect(200).to_string().contains(&token));
}

#[tokio::test]
async fn a_trader_acts_for_the_accounts_in_their_care() {
    let house = House::new().await;
    let own = Accounts::These(vec![heng_model::AccountId(3)]);
    let (id, _) = house.user("trader", PrincipalKind::Staff, "trader", own).await;
    let opened = house.identity.open_session_for(id).await.expect("a session");
    let gatekeeper = house.identity.gatekeeper();
    let may =
        |number| gatekeeper.decide(&opened.principal, "order.place", Resource::Account(heng_model::AccountId(number)));
    assert!(may(3).is_allowed() && !may(4).is_allowed());
}

#[tokio::test]
async fn the_document_tells_every_operation() {
    let house = House::new().await;
    let document = house.api.document();
    let operations: usize = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|path| path.as_object().map_or(0, serde_json::Map::len))
        .sum();
    assert_eq!((operations, house.api.len()), (57, 57));
    let text = document.to_string();
    for name in ["SignInBody", "KeyMade", "TokenRefusal", "AuditShown", "idempotency-key"] {
        assert!(text.contains(name), "{name}");
    }
    assert_eq!(
        document["paths"]["/oauth/token"]["post"]["responses"]["401"]["content"]["application/json"]["schema"],
        json!({ "$ref": "#/components/schemas/TokenRefusal" })
    );
}

#[tokio::test]
async fn the_first_of_the_staff_is_made_once() {
    let house = House::new().await;
    let (_, password) = house.client("alice").await;
    let taken = house.identity.make_first_staff("alice").await.expect_err("a client has the name");
    assert_eq!(taken.to_string(), "the name alice is taken");
    assert_eq!(house.identity.has_staff().await.ok(), Some(false));
    let (one, other) = tokio::join!(house.identity.make_first_staff("boss"), house.identity.make_first_staff("chief"));
    let (made, name, refused) = match (one, other) {
        (Ok(made), Err(refused)) => (made, "boss", refused),
        (Err(refused), Ok(made)) => (made, "chief", refused),
        both => panic!("{both:?}"),
    };
    assert_eq!(refused.to_string(), format!("there is a staff user, {name}; whoever is one makes others"));
    assert_eq!(house.identity.has_staff().await.ok(), Some(true));
    let code = house.code(made.totp_secret.expose());
    let signed_in = house.sign_in(name, made.password.expose(), Some(code)).await.expect(200);
    assert_eq!(signed_in["totp_enrolment_required"], false);
    assert_eq!(signed_in["principal"]["roles"], json!(["admin"]));
    house.sign_in("alice", &password, None).await.expect(200);
}

/// Lists are counted before what stands twice in them is removed.
#[tokio::test]
async fn declared_bounds_hold_for_what_is_asked() {
    let house = House::new().await;
    let admin = house.staff("admin").await;
    for (target, place) in [
        ("/v1/sessions?user=0", "?user"),
        ("/v1/api-keys?before=0", "?before"),
        ("/v1/users?after=1000000000", "?after"),
        ("/v1/partners?after=1000000000", "?after"),
        ("/v1/partners?limit=201", "?limit"),
        ("/v1/audit?before=0", "?before"),
    ] {
        let told = house.get(target, &admin).await;
        assert_eq!((told.status.as_u16(), &told.body["errors"][0]["pointer"]), (400, &json!(place)), "{target}");
    }
    let partner = |scopes: usize, accounts: usize| json!({ "name": "acme", "scopes": vec!["order.read"; scopes], "accounts": vec!["1"; accounts] });
    for (body, place) in [(partner(34, 1), "/scopes"), (partner(1, 257), "/accounts")] {
        let told = house.post("/v1/partners", &admin, &body).await;
        assert_eq!((told.status.as_u16(), &told.body["errors"][0]["pointer"]), (400, &json!(place)), "{}", told.body);
    }
    house.post("/v1/partners", &admin, &partner(33, 256)).await.expect(201);
    let long = json!({ "name": "b", "accounts": ["1234567890123456789"] });
    let told = house.post("/v1/partners", &admin, &long).await;
    assert_eq!((told.status.as_u16(), &told.body["errors"][0]["pointer"]), (400, &json!("/accounts/0")));
}
