//! While the tables cannot be read or written, every caller is told when to come back, and nothing else.

use std::time::Duration;

use heng_identity::NewUser;
use heng_ports::{Accounts, PrincipalKind};
use heng_store::StoreOptions;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::house::{Answer, Ask, House, ask};

/// Gives every table another name, from `from` on in front of it to `to`.
async fn rename(place: &StoreOptions, (from, to): (&str, &str)) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.file().expect("a file"));
    let options = options.busy_timeout(Duration::from_secs(10));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the file opens");
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await.expect("names");
    assert!(!names.is_empty());
    for name in names {
        let plain = name.strip_prefix(from).expect("all have the same beginning");
        let text = format!("ALTER TABLE {name} RENAME TO {to}{plain}");
        connection.execute(AssertSqlSafe(text)).await.expect("a new name");
    }
    connection.close().await.expect("it closes");
}

/// Every operation of the document with its example, as one who may do everything.
fn asks(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let one = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").clone();
        let path = path.replace("{id}", "1");
        methods.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    };
    paths.flat_map(one).collect()
}

fn request<'a>((method, path, operation): &'a (String, String, Value), token: &str) -> Ask<'a> {
    let ask = ask(method, path).bearer(token);
    let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
    match content {
        Some((media, body)) if media == "application/json" => ask.json(&body["example"]),
        Some(_) => {
            // The bearer is no proof of a client.
            let form = "grant_type=client_credentials&token=hst_0&client_id=acme&client_secret=x";
            Ask { headers: Vec::new(), ..ask }.form(form)
        }
        None => ask,
    }
}

#[tokio::test]
async fn every_operation_tells_when_to_come_back() {
    let house = House::new().await;
    // The examples are about number 1, and nobody shuts themselves out.
    let (carol, password) = house.client("carol").await;
    let client = house.session(carol).await;
    house.get("/v1/me", &client).await.expect(200);
    let roles = ["admin", "auditor", "operator", "risk-officer", "service-desk", "trader"];
    let roles = roles.map(str::to_owned).to_vec();
    let new = NewUser { name: "boss".into(), kind: PrincipalKind::Staff, roles, accounts: Accounts::All };
    let boss = house.identity.make_user(None, new, None).await.expect("a user");
    let token = house.session(boss.id).await;
    house.get("/v1/me", &token).await.expect(200);
    rename(&house.place, ("", "gone_")).await;

    let told = |answer: &Answer| (answer.status.as_u16(), answer.headers.get("retry-after").cloned());
    let away = (503, Some("1".parse().expect("a header")));
    let asks = asks(&house.api.document());
    assert!(asks.len() > 20, "{}", asks.len());
    for asked in &asks {
        let (method, path, operation) = asked;
        // The policies stand in the program, challenges wait in memory, and no provider is configured.
        let id = operation["operationId"].as_str().unwrap_or_default();
        let by_provider =
            id.ends_with("SignOn") || ["listSignInMethods", "logoutByProvider", "linkProvider"].contains(&id);
        if by_provider || ["listPolicies", "finishPasskey", "finishStepUp"].contains(&id) {
            continue;
        }
        // Staff keep their second factor.
        let (target, token) = match operation["operationId"].as_str() {
            Some("removeTotp") => (path.as_str(), &client),
            _ => (path.as_str(), &token),
        };
        let answer = house.send(Ask { target, ..request(asked, token) }).await;
        assert_eq!(told(&answer), away, "{method} {path}: {}", answer.body);
    }
    let stranger = house.sign_in("carol", &password, None).await;
    assert_eq!(told(&stranger), away);
    assert_eq!(stranger.body["code_name"], "Overloaded");

    rename(&house.place, ("gone_", "")).await;
    house.sign_in("carol", &password, None).await.expect(200);
    house.get("/v1/users", &token).await.expect(200);
}
