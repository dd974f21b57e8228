//! The declaration of an operation is what is mounted, guarded and documented.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::http::{Request, StatusCode};
use heng_model::AccountId;
use heng_ports::{Accounts, AuthFailure, Credentials, Decision, Gatekeeper, Later, Principal, PrincipalKind, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use utoipa::{IntoParams, ToSchema};

use super::{Api, Body, Caller, Operation, Params, PathText, RateLimits};
use crate::problem::Problem;

/// Knows one token; its bearer may read things, of account 1 only.
struct OneToken;

impl Gatekeeper for OneToken {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let known = [credentials.authorization == Some("Bearer good"), credentials.session == Some("good")];
        let principal = Principal {
            id: 7,
            kind: PrincipalKind::Client,
            name: "c".into(),
            accounts: Accounts::These(vec![AccountId(1)]),
            roles: Vec::new(),
            scopes: Vec::new(),
            credential: "token:1".into(),
        };
        Box::pin(async move { if known.contains(&true) { Ok(Arc::new(principal)) } else { Err(AuthFailure::Missing) } })
    }

    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision {
        let allowed = match resource {
            Resource::Any => action == "thing.read",
            Resource::Account(account) => principal.accounts.hold(account),
        };
        if allowed { Decision::Allow } else { Decision::Deny("no policy permits it".into()) }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ThingQuery {
    /// The account.
    account: u64,
    /// How many.
    #[param(minimum = 1, maximum = 10)]
    limit: Option<u32>,
    /// Behind this one.
    since: Option<u64>,
    /// Behind this word.
    #[param(max_length = 3, pattern = "^[a-z]*$")]
    after: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    #[schema(min_length = 1, max_length = 3)]
    name: String,
    #[schema(max_items = 2)]
    parts: Vec<u32>,
}

async fn read(
    caller: Caller,
    PathText(name): PathText,
    Params(query): Params<ThingQuery>,
) -> Result<Json<Thing>, Problem> {
    caller.may_on(AccountId(query.account))?;
    let parts = vec![query.limit.unwrap_or(0)];
    let since = query.since.map(|since| since.to_string()).unwrap_or_default();
    Ok(Json(Thing { name: format!("{name}{}{since}", query.after.unwrap_or_default()), parts }))
}

async fn write(Body(thing): Body<Thing>) -> Json<Thing> {
    Json(thing)
}

fn api() -> Api {
    let often = NonZeroU32::new(1_000).expect("not zero");
    let mut api = Api::new(Arc::new(OneToken), Arc::new(RateLimits::new(often, often)));
    let read_it = Operation::get("/things/{name}", "readThing").needs("thing.read").path("name", "Its name.");
    let read_it = read_it.header("last", "The last one.", json!({ "type": "string", "maxLength": 2 }));
    api.add(read_it.query::<ThingQuery>().answers::<Thing>(200, "The thing."), read);
    let write_it = Operation::post("/things", "writeThing").needs("thing.write").body::<Thing>(Value::Null);
    api.add(write_it.answers::<Thing>(200, "The thing."), write);
    let public = Operation::post("/public", "writePublic").body::<Thing>(json!({ "name": "a", "parts": [1] }));
    api.add(public.answers::<Thing>(200, "The thing."), write);
    api.with_state(())
}

async fn check(request: axum::http::request::Builder, body: &str, status: StatusCode, expected: &str) {
    let request = request.header("content-type", "application/json").body(HttpBody::from(body.to_owned()));
    let response = api().router().oneshot(request.expect("a request")).await.expect("an answer");
    let found = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(found, status, "{text}");
    assert!(text.contains(expected), "{text} does not tell {expected}");
}

fn get(path: &str, token: &str) -> axum::http::request::Builder {
    Request::get(path).header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn only_those_who_may_reach_the_handler() {
    check(get("/things/a?account=1&limit=2", "good"), "", StatusCode::OK, r#"{"name":"a","parts":[2]}"#).await;
    check(get("/things/a?account=1", "bad"), "", StatusCode::UNAUTHORIZED, "Unauthenticated").await;
    check(get("/things/a?account=2", "good"), "", StatusCode::FORBIDDEN, "Forbidden").await;
    let write = Request::post("/things").header("authorization", "Bearer good");
    check(write, r#"{"name":"a","parts":[]}"#, StatusCode::FORBIDDEN, "no policy permits it").await;
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing_without_the_console_header() {
    let write = || Request::post("/things").header("cookie", "a=b; heng_session=good");
    check(write(), "{}", StatusCode::FORBIDDEN, "x-heng-console").await;
    check(write().header("x-heng-console", "1"), "{}", StatusCode::FORBIDDEN, "no policy permits it").await;
    let read = Request::get("/things/a?account=1").header("cookie", "heng_session=good");
    check(read, "", StatusCode::OK, "name").await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let bad = StatusCode::BAD_REQUEST;
    check(get("/things/a?account=x", "good"), "", bad, r#""pointer":"?account","detail":"expected a whole number"#)
        .await;
    check(get("/things/a?account=1&account=2", "good"), "", bad, "stands twice").await;
    check(get("/things/a?account=1&x=2", "good"), "", bad, "unknown field `x`").await;
    check(get("/things/a", "good"), "", bad, "missing field `account`").await;
    let post = || Request::post("/public");
    check(post(), r#"{"name":"a","parts":["x"]}"#, bad, r#""pointer":"/parts/0""#).await;
    check(post(), r#"{"name":"a","name":"b","parts":[]}"#, bad, "twice").await;
    check(post(), r#"{"name":"a","parts":[],"more":1}"#, bad, "unknown field `more`").await;
    check(post(), r#"{"name":"a","parts":[]}{}"#, bad, "not valid JSON").await;
}

#[tokio::test]
async fn declared_bounds_are_kept_without_a_check_in_the_handler() {
    let bad = StatusCode::BAD_REQUEST;
    let refused = |query: &str, place: &'static str| {
        let asked = get(&format!("/things/a?account=1&{query}"), "good");
        async move { check(asked, "", bad, &format!(r#""pointer":"{place}""#)).await }
    };
    refused("limit=0", "?limit").await;
    refused("limit=11", "?limit").await;
    refused("since=9223372036854775808", "?since").await;
    refused("after=abcd", "?after").await;
    refused("after=A", "?after").await;
    check(get("/things/a?account=1&after=abc&limit=10", "good"), "", StatusCode::OK, "aabc").await;
    check(get("/things/a?account=1", "good").header("last", "abc"), "", bad, r#""pointer":"header last""#).await;
    check(get("/things/%E7%A9%BA?account=1", "good"), "", bad, r#""pointer":"{name}""#).await;
    let post = || Request::post("/public");
    check(post(), r#"{"name":"","parts":[]}"#, bad, r#""pointer":"/name""#).await;
    check(post(), r#"{"name":"abcd","parts":[]}"#, bad, "is longer than 3 characters").await;
    check(post(), r#"{"name":"a","parts":[1,1,1]}"#, bad, r#""pointer":"/parts""#).await;
    check(post(), r#"{"name":"a","parts":[1,2147483648]}"#, bad, r#""pointer":"/parts/1""#).await;
    check(post(), r#"{"name":"a","parts":[1,2147483647]}"#, StatusCode::OK, "2147483647").await;
}

#[test]
fn the_document_tells_what_is_mounted() {
    let document = api().document();
    let read = &document["paths"]["/things/{name}"]["get"];
    assert_eq!(read["operationId"], "readThing");
    assert_eq!(read["x-heng-action"], "thing.read");
    let names: Vec<&str> =
        read["parameters"].as_array().expect("a list").iter().map(|p| p["name"].as_str().expect("text")).collect();
    assert_eq!(names, ["name", "last", "account", "limit", "since", "after"]);
    for status in ["200", "400", "401", "403", "408", "429", "500", "503"] {
        assert!(read["responses"][status].is_object(), "{status}");
    }
    assert_eq!(document["paths"]["/public"]["post"]["security"], json!([]));
    assert_eq!(document["components"]["schemas"]["Thing"]["properties"]["parts"]["type"], "array");
}

mod elsewhere {
    /// Has the name of another type and other members.
    #[derive(serde::Serialize, utoipa::ToSchema)]
    pub(super) struct Thing {
        size: u32,
    }
}

#[test]
fn two_types_of_one_name_are_noticed() {
    let often = NonZeroU32::new(1_000).expect("not zero");
    let mut other = Api::new(Arc::new(OneToken), Arc::new(RateLimits::new(often, often)));
    let size = || async { Json(1) };
    other.add(Operation::get("/sizes", "readSizes").answers::<elsewhere::Thing>(200, "The size."), size);
    let both = api().merge(other.with_state(()));
    let told =
        std::panic::catch_unwind(AssertUnwindSafe(|| both.document())).expect_err("the document cannot be right");
    let text = told.downcast_ref::<String>().map_or("", String::as_str);
    assert_eq!(text, "two schemas are called Thing");
}

#[tokio::test]
async fn a_caller_whose_requests_wait_leaves_room_for_others() {
    let often = NonZeroU32::new(1_000).expect("not zero");
    let limits = Arc::new(RateLimits::new(often, often).share(1));
    let mut api = Api::new(Arc::new(OneToken), limits);
    let (go, gate) = tokio::sync::watch::channel(false);
    let (came, mut coming) = tokio::sync::mpsc::channel(1);
    let wait = move || {
        let (mut gate, came) = (gate.clone(), came.clone());
        async move {
            came.send(()).await.expect("the test listens");
            gate.wait_for(|open| *open).await.expect("the test opens it");
            Json(1)
        }
    };
    api.add(Operation::get("/waits", "waits").signed_in().answers::<u32>(200, "It is over."), wait);
    let router = api.with_state(()).router();
    let ask = || router.clone().oneshot(get("/waits", "good").body(HttpBody::empty()).expect("a request"));
    let first = tokio::spawn(ask());
    coming.recv().await.expect("the first request runs");
    let refused = ask().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    go.send_replace(true);
    assert_eq!(first.await.expect("no panic").expect("an answer").status(), StatusCode::OK);
    assert_eq!(ask().await.expect("an answer").status(), StatusCode::OK, "the share is free again");
}

#[tokio::test]
async fn heavy_operations_run_on_threads_of_their_own() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("heavy").build();
    let threads = threads.expect("threads");
    let often = NonZeroU32::new(1_000).expect("not zero");
    let limits = Arc::new(RateLimits::new(often, often).heavy_on(threads.handle().clone()));
    let here = || async { Json(std::thread::current().name().unwrap_or_default().to_owned()) };
    let failing = || async { Json(Vec::<u32>::new()[0]) };
    let mut api = Api::new(Arc::new(OneToken), Arc::clone(&limits));
    api.add(Operation::get("/light", "light").answers::<String>(200, "The thread."), here);
    api.add(Operation::get("/heavy", "heavy").heavy().answers::<String>(200, "The thread."), here);
    let mut all = Api::new(Arc::new(OneToken), limits).heavy();
    all.add(Operation::get("/all", "all").answers::<String>(200, "The thread."), here);
    all.add(Operation::get("/fails", "fails").answers::<u32>(200, "Never."), failing);
    let router = api.with_state(()).merge(all.with_state(())).router();
    for (path, status, heavy) in
        [("/light", 200, false), ("/heavy", 200, true), ("/all", 200, true), ("/fails", 500, false)]
    {
        let asked = router.clone().oneshot(Request::get(path).body(HttpBody::empty()).expect("a request"));
        let answer = asked.await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.expect("a body");
        assert_eq!(&body[..] == br#""heavy""#, heavy, "{path}: {body:?}");
    }
    threads.shutdown_background();
}

/// Lets one person see plain text, and remembers what was shown to whom.
#[derive(Default)]
struct Watcher(std::sync::Mutex<Vec<(u64, &'static str, Vec<u64>)>>);

impl Gatekeeper for Watcher {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let id = if credentials.authorization == Some("Bearer seer") { 1 } else { 2 };
        let (kind, accounts, name) = (PrincipalKind::Staff, Accounts::All, "n".to_owned());
        let (roles, scopes, credential) = (Vec::new(), Vec::new(), "session:1".to_owned());
        let principal = Principal { id, kind, name, accounts, roles, scopes, credential };
        Box::pin(async move { Ok(Arc::new(principal)) })
    }

    fn decide(&self, _: &Principal, _: &'static str, _: Resource) -> Decision {
        Decision::Allow
    }

    fn sees_personal(&self, principal: &Principal) -> bool {
        principal.id == 1
    }

    fn showed_personal(&self, principal: &Principal, operation: &'static str, persons: &[u64]) {
        self.0.lock().expect("a list").push((principal.id, operation, persons.to_vec()));
    }
}

struct Name;

impl heng_ports::PersonalValue for Name {
    fn masked(&self) -> String {
        "a***e".to_owned()
    }

    fn expose_plain(&self) -> String {
        "alice".to_owned()
    }
}

#[tokio::test]
async fn personal_values_are_plain_for_their_owner_and_by_right_and_that_is_noted() {
    let watcher = Arc::new(Watcher::default());
    let often = NonZeroU32::new(1_000).expect("not zero");
    let mut api = Api::new(Arc::<Watcher>::clone(&watcher), Arc::new(RateLimits::new(often, often)));
    let show = |caller: Caller| async move { [2, 7, 5].map(|owner| caller.show(owner, &Name)).join(" ") };
    api.add(Operation::get("/names", "showNames").signed_in(), show);
    let router = api.with_state(()).router();
    for (who, expected) in [("seer", "alice alice alice"), ("other", "alice a***e a***e")] {
        let request = get("/names", who).body(HttpBody::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        let bytes = axum::body::to_bytes(answer.into_body(), 1_000).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&bytes), expected, "{who}");
    }
    assert_eq!(*watcher.0.lock().expect("a list"), [(1, "showNames", vec![2, 5, 7])]);
}
