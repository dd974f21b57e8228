//! Masks by role, who saw what, grades of fields, the search of the trail, holds, and nothing personal in logs.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use heng_ports::{
    Accounts, ActionDone, ActionLeaves, ActionTrail as _, ExportAsk, ExportSource as _, FeedError, Later, PrincipalKind,
};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::credentials::signed_by_secret;
use crate::house::{Ask, House, ask};

const FROM: [u8; 4] = [203, 0, 113, 77];

fn from_afar<'a>(method: &'a str, target: &'a str) -> Ask<'a> {
    ask(method, target).from(FROM)
}

/// A client who signed in from afar, with a consent; their id and token.
async fn client(house: &House) -> (u64, String) {
    let (id, password) = house.client("wilhelmina").await;
    let body = json!({ "user": "wilhelmina", "password": password });
    let signed_in = house.send(from_afar("POST", "/v1/sign-in").json(&body)).await.expect(200);
    let token = signed_in["token"].as_str().expect("a token").to_owned();
    let consent = json!({ "document": "terms", "version": "1", "language": "zh", "agreed": true,
        "text_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" });
    let answer = house.send(from_afar("POST", "/v1/consents").bearer(&token).json(&consent)).await.expect(201);
    assert_eq!(answer["address"], "203.0.113.77", "the person themself");
    (id, token)
}

#[tokio::test]
async fn others_see_masks_and_who_sees_more_is_noted() {
    let house = House::new().await;
    let (id, own) = client(&house).await;
    let (desk, risk, admin) =
        (house.staff("service-desk").await, house.staff("risk-officer").await, house.staff("admin").await);
    let doors = [
        (format!("/v1/users/{id}"), "/name", "wilhelmina", "w***a"),
        (format!("/v1/sessions?user={id}"), "/sessions/0/address", "203.0.113.77", "203.0.*.*"),
        (format!("/v1/consents?user={id}"), "/consents/0/address", "203.0.113.77", "203.0.*.*"),
    ];
    for (target, pointer, plain, mask) in &doors {
        let told = house.get(target, &desk).await.expect(200);
        assert_eq!(told.pointer(pointer), Some(&json!(mask)), "{told}");
        assert!(!told.to_string().contains(plain), "{told}");
        let told = house.get(target, &admin).await.expect(200);
        assert_eq!(told.pointer(pointer), Some(&json!(plain)), "{told}");
    }
    let sessions = house.get("/v1/sessions", &own).await.expect(200);
    assert_eq!(sessions["sessions"][0]["address"], "203.0.113.77", "one's own is plain");
    let changes =
        json!({ "user": id.to_string(), "roles": ["client"], "accounts": ["1"], "reason": "asked by her sister" });
    house.post("/v1/role-changes", &admin, &changes).await.expect(201);
    assert_eq!(house.get("/v1/role-changes", &desk).await.expect(200)["changes"][0]["reason"], "***");
    assert_eq!(house.get("/v1/role-changes", &admin).await.expect(200)["changes"][0]["reason"], "asked by her sister");

    let list = house.get("/v1/users?limit=200", &desk).await.expect(200);
    let plain = |part: &str| list.to_string().matches(&format!("\"name\":\"{part}")).count();
    assert_eq!((plain("wilhelmina"), plain("admin-"), plain("service-desk-")), (0, 0, 1), "one's own alone: {list}");
    let shown = house.get("/v1/audit?action=personal.shown", &risk).await.expect(200);
    let told: Vec<String> = shown["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| format!("{} {}", row["resource"], row["detail"]))
        .collect();
    let expected = format!("\"principal:{id}\" \"showUser of 1 principals: {id}\"");
    assert!(told.contains(&expected), "{told:?}");
    assert!(!told.iter().any(|row| row.contains("listUsers")), "masks are no view: {told:?}");
}

#[tokio::test]
async fn a_key_without_the_right_reads_the_trail_as_masks_and_cannot_guess() {
    let house = House::new().await;
    client(&house).await;
    let (risk, _) = house.user("olga", PrincipalKind::Staff, "risk-officer", Accounts::All).await;
    let new = heng_identity::NewKey {
        name: "report".into(),
        kind: heng_identity::KeyKind::Hmac,
        scopes: vec!["audit.read".into()],
        networks: Vec::new(),
        expires_at: None,
    };
    let key = house.identity.make_key(None, risk, new).await.expect("a key");
    let secret = key.secret.as_ref().expect("a secret").expose().to_owned();
    let rows = ask("GET", "/v1/audit?limit=500");
    let rows = house.send(signed_by_secret(&house, rows, &key.id, &secret)).await.expect(200);
    let text = rows.to_string();
    assert!(text.contains("w***a") && text.contains("203.0.*.*"), "{text}");
    assert!(!text.contains("wilhelmina") && !text.contains("203.0.113.77"), "{text}");
    for guess in ["name=wilhelmina", "address=203.0.113.77", "text=wilhelmina"] {
        let target = format!("/v1/audit?{guess}");
        house.send(signed_by_secret(&house, ask("GET", &target), &key.id, &secret)).await.expect(403);
    }
}

#[tokio::test]
async fn every_field_of_every_answer_has_a_grade() {
    let house = House::new().await;
    assert_eq!(house.api.ungraded(), Vec::<String>::new());
    let document = house.api.document();
    let name = &document["components"]["schemas"]["UserShown"]["properties"]["name"];
    assert_eq!(name["x-heng-grade"], json!({ "standard": "JR/T 0158-2018", "level": 3 }));
    assert!(name["x-heng-masked"].is_string());
    let own = &document["components"]["schemas"]["PrincipalShown"]["properties"]["name"];
    assert_eq!((&own["x-heng-grade"]["level"], &own["x-heng-masked"]), (&json!(3), &Value::Null));
}

/// Leaves of even actions.
struct Leaves;

impl ActionLeaves for Leaves {
    fn leaves_of<'a>(&'a self, actions: &'a [u64]) -> Later<'a, Result<Vec<Option<u64>>, FeedError>> {
        Box::pin(async { Ok(actions.iter().map(|action| (action % 2 == 0).then_some(action * 10)).collect()) })
    }
}

/// Puts rows into the trail, a minute apart.
async fn happened(house: &House, rows: &[(&'static str, &str, &str)]) {
    for (action, resource, detail) in rows {
        let (resource, detail) = ((*resource).to_owned(), (*detail).to_owned());
        house.identity.record(ActionDone { by: None, action, resource, detail }).await.expect("it is written");
        house.pass(60);
    }
}

fn numbers(page: &Value) -> Vec<u64> {
    page["rows"].as_array().expect("rows").iter().filter_map(|row| row["number"].as_u64()).collect()
}

#[tokio::test]
async fn the_trail_is_searched_by_every_filter() {
    let house = House::new().await;
    house.identity.set_leaves(Arc::new(Leaves));
    let auditor = house.staff("auditor").await;
    let mut all = Vec::new();
    for n in 0..30_u64 {
        let action = ["thing.made", "thing.ended", "thingy.made", "other.made"][n as usize % 4];
        all.push((action, format!("account:{}", n % 5 + 1), format!("about order-{n} 100%_x")));
    }
    let rows: Vec<(&'static str, &str, &str)> = all.iter().map(|(a, r, d)| (*a, r.as_str(), d.as_str())).collect();
    happened(&house, &rows).await;
    let seen = async |filter: &str| {
        let page = house.get(&format!("/v1/audit?limit=500&{filter}"), &auditor).await.expect(200);
        let actions = page["rows"].as_array().expect("rows").iter();
        actions
            .filter(|row| {
                row["action"].as_str().is_some_and(|action| action.ends_with(".made") || action.ends_with(".ended"))
            })
            .count()
    };
    for (filter, expected) in [
        ("action=thing.made", 8),
        ("action=thing.*", 16),
        ("action=t.*", 0),
        ("action=thing.*&account=1", 4),
        ("account=5", 6),
        ("outcome=done&account=2", 6),
        ("outcome=failed&account=2", 0),
        ("principal=0&action=other.*", 7),
        ("name=system&action=other.made", 7),
        ("name=nobody", 0),
        ("address=10.0.0.1", 0),
        ("text=order-7", 1),
        ("text=100%25_x", 30),
        ("text=100_x", 0),
        ("text=ORDER-7", 0),
        ("text=account:3&action=thing*", 0),
        ("from=2026-07-06T09:20:00&to=2026-07-06T09:29:59", 10),
        ("from=2026-07-06T09:20:00%2B08:00&to=2026-07-06T01:29:59Z", 10),
        ("to=2026-07-05", 0),
        ("from=2026-07-07", 0),
        ("from=2026-07-06&to=2026-07-06", 30),
    ] {
        if filter.contains("thing*") {
            house.get(&format!("/v1/audit?{filter}"), &auditor).await.expect(400);
            continue;
        }
        assert_eq!(seen(filter).await, expected, "{filter}");
    }
    let page = house.get("/v1/audit?account=1", &auditor).await.expect(200);
    for row in page["rows"].as_array().expect("rows") {
        let number = row["number"].as_u64().expect("a number");
        assert_eq!(row["leaf"].as_u64(), (number % 2 == 0).then_some(number * 10));
    }
    for wrong in ["from=monday", "to=2026-02-30", "address=here", "account=01", "action=Thing", "text=ab", "more=1"] {
        house.get(&format!("/v1/audit?{wrong}"), &auditor).await.expect(400);
    }
}

#[tokio::test]
async fn a_cursor_stays_good_while_the_trail_grows() {
    let house = House::new().await;
    let auditor = house.staff("auditor").await;
    let rows: Vec<(&'static str, &str, &str)> = (0..25).map(|n| (["a.x", "a.y"][n % 2], "account:1", "")).collect();
    happened(&house, &rows).await;
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("/v1/audit?account=1&action=a.*&limit=4{before}"), &auditor).await.expect(200);
        found.extend(numbers(&page));
        happened(&house, &[("a.x", "account:1", "later")]).await;
        let Some(next) = page["next_before"].as_u64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(found.len(), 25);
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "each once, newest first: {found:?}");
}

#[tokio::test]
async fn exports_hand_out_masks_or_plain_rows() {
    let house = House::new().await;
    client(&house).await;
    house.identity.flush().await;
    for (masked, expected, other) in [(true, "w***a", "wilhelmina"), (false, "wilhelmina", "w***a")] {
        for kind in ["audit", "users"] {
            let ask = ExportAsk { kind: kind.into(), masked, ..ExportAsk::default() };
            let mut after = String::new();
            let mut text = String::new();
            loop {
                let page = house.identity.rows(&ask, &after, 3).await.expect("rows");
                assert!(page.rows.len() <= 3);
                text.push_str(&page.rows.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "));
                let Some(next) = page.next else { break };
                after = next;
            }
            assert!(text.contains(expected) && !text.contains(other), "{kind} {masked}: {text}");
        }
    }
    let ask =
        ExportAsk { kind: "audit".into(), action: Some("consent.*".into()), masked: true, ..ExportAsk::default() };
    assert_eq!(house.identity.rows(&ask, "", 10).await.expect("rows").rows.len(), 1);
    assert!(house.identity.rows(&ask, "x", 10).await.is_err());
    let every = ExportAsk { kind: "audit".into(), ..ExportAsk::default() };
    assert!(house.identity.count(&every).await.expect("a count").is_some_and(|count| count > 3));
}

/// Everything that is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().expect("the log").push_str(&format!("{field}={value:?}\n"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn no_personal_value_reaches_a_log() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let house = House::new().await;
    let (id, own) = client(&house).await;
    let admin = house.staff("admin").await;
    let auditor = house.staff("auditor").await;
    // Errors of many kinds, each with a name or an address in it.
    for _ in 0..8 {
        let wrong = json!({ "user": "wilhelmina", "password": "not the password" });
        house.send(from_afar("POST", "/v1/sign-in").json(&wrong)).await;
    }
    let odd = json!({ "user": "wilhelmina", "password": "x", "nickname": "wilhelmina" });
    house.send(from_afar("POST", "/v1/sign-in").json(&odd)).await.expect(400);
    house.send(from_afar("POST", "/v1/sign-in").with("content-type", "application/json")).await.expect(400);
    let again = json!({ "name": "wilhelmina", "kind": "client", "roles": ["client"] });
    house.post("/v1/users", &admin, &again).await.expect(409);
    house.get("/v1/audit?name=wilhelmina&address=203.0.113.77", &auditor).await.expect(200);
    house.get("/v1/audit?name=wilhelmina&address=nowhere", &auditor).await.expect(400);
    house.send(from_afar("GET", "/v1/users").bearer(&own)).await.expect(403);
    house.post(&format!("/v1/users/{id}/disable"), &own, &json!({})).await.expect(403);
    house
        .send(
            from_afar("POST", "/oauth/token")
                .form("grant_type=client_credentials&client_id=wilhelmina&client_secret=x"),
        )
        .await;
    let sessions = house.identity.gatekeeper();
    let came = heng_ports::Credentials {
        method: "GET",
        target: "/",
        authorization: Some(&format!("Bearer {own}")),
        session: None,
        signed: None,
        body: b"",
        address: Some(IpAddr::from(FROM)),
    };
    let principal = sessions.identify(came).await.expect("it is known");
    tracing::error!(?principal, "log a caller as a careless line would");
    house.identity.flush().await;
    // The tables go away while people ask.
    house.identity.close().await;
    house.send(from_afar("POST", "/v1/sign-in").json(&json!({ "user": "wilhelmina", "password": "x y z" }))).await;
    house.get(&format!("/v1/users/{id}"), &admin).await;
    house.get("/v1/audit?name=wilhelmina", &auditor).await;
    let text = log.0.lock().expect("the log").clone();
    assert!(text.contains("log a caller") && text.contains("answer a request about identities"), "{text}");
    for personal in ["wilhelmina", "203.0.113.77", own.as_str()] {
        let found = text.find(personal).map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
        assert_eq!(found, None, "{personal}");
    }
}
