//! Measures searches of an audit trail of a million rows, from the request to the answer, on SQLite: `cargo run --release
//! -p heng-identity --example audit_search [ROWS]`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::Request;
use heng_identity::{Identity, IdentityOptions, NewUser, api};
use heng_ports::{Accounts, PrincipalKind};
use heng_runtime::SystemClock;
use heng_store::StoreUrl;
use heng_transport::RateLimits;
use sqlx::{Connection as _, SqliteConnection};
use tower::ServiceExt as _;

/// Requests of each kind.
const EACH: u64 = 300;

/// Thirty days of 5,000 people, 20,000 accounts and 40 actions; nine of ten rows are allowed decisions.
const FILL: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < $1)
    INSERT INTO audit (number, at, principal, name, credential, action, resource, outcome, detail, address, times)
    SELECT 1000 + x, 1783300500000000000 + x * 2592000000000000 / $1, 100 + x * 7919 % 5000,
        'user-' || (100 + x * 7919 % 5000), 'session:' || (x % 9000),
        CASE WHEN x % 10 = 0 THEN 'user.event-' || (x % 20) ELSE 'order.event-' || (x % 20) END,
        'account:' || (1 + x * 31 % 20000), CASE WHEN x % 10 < 9 THEN 'allowed' WHEN x % 1000 = 9 THEN 'denied' ELSE 'done' END,
        'change ' || x || ': roles trader, accounts *', '10.' || (x % 200) || '.' || (x % 250) || '.7', 1 FROM n";

/// Name of a kind, and the filter of its nth request.
type Kind = (&'static str, fn(u64) -> String);

const KINDS: [Kind; 13] = [
    ("newest first", |_| String::new()),
    ("principal", |n| format!("&principal={}", 100 + n * 13 % 5_000)),
    ("name", |n| format!("&name=user-{}", 100 + n * 13 % 5_000)),
    ("action", |n| format!("&action=order.event-{}", n % 20)),
    ("action prefix", |_| "&action=user.*".to_owned()),
    ("outcome denied", |_| "&outcome=denied".to_owned()),
    ("account", |n| format!("&account={}", 1 + n * 37 % 20_000)),
    ("address", |n| format!("&address=10.{}.{}.7", n % 200, n % 200)),
    ("an hour long ago", |n| format!("&from=2026-07-{:02}T10:00:00&to=2026-07-{0:02}T10:59:59", 7 + n % 20)),
    ("a person in a day", |n| format!("&principal={}&from=2026-07-20&to=2026-07-20", 100 + n * 13 % 5_000)),
    ("prefix, outcome, person", |n| format!("&action=order.*&outcome=denied&principal={}", 100 + n * 13 % 5_000)),
    ("words that are there", |n| format!("&text=change%20{}", 950_000 + n)),
    ("words that are nowhere", |_| "&text=nothing-of-this-kind".to_owned()),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: i64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let place = StoreUrl::Sqlite(folder.path().to_owned()).store("identity");
    let identity = Identity::open(&place, IdentityOptions::default(), Arc::new(SystemClock)).await?;
    let roles = vec!["auditor".to_owned()];
    let new = NewUser { name: "auditor".into(), kind: PrincipalKind::Staff, roles, accounts: Accounts::All };
    let user = identity.make_user(None, new, None).await?;
    let token = identity.open_session_for(user.id).await?.token.expose().to_owned();
    let file = place.file().ok_or("a file")?.display().to_string();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{file}")).await?;
    let began = Instant::now();
    sqlx::query(FILL).bind(rows).execute(&mut connection).await?;
    sqlx::query("UPDATE numbers SET last = $1 WHERE name = 'audit'")
        .bind(rows + 2_000)
        .execute(&mut connection)
        .await?;
    println!("{rows} rows written in {:.1} s", began.elapsed().as_secs_f64());
    let often = NonZeroU32::new(1_000_000).ok_or("not zero")?;
    let router = api(Arc::clone(&identity), Arc::new(RateLimits::new(often, often))).router();
    println!("{:<24} {:>6} {:>10} {:>10}", "filter", "rows", "p50 ms", "p99 ms");
    for (name, filter) in KINDS {
        let (mut spans, mut found) = (Vec::new(), 0);
        for n in 0..EACH {
            let target = format!("/v1/audit?limit=100{}", filter(n));
            let request = Request::get(target).header("authorization", format!("Bearer {token}")).body(Body::empty())?;
            let began = Instant::now();
            let answer = router.clone().oneshot(request).await?;
            let status = answer.status();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 24).await?;
            spans.push(began.elapsed().as_micros());
            if status != 200 {
                return Err(String::from_utf8_lossy(&bytes).into_owned().into());
            }
            found = String::from_utf8_lossy(&bytes).matches("\"number\":").count();
        }
        spans.sort_unstable();
        let at = |share: usize| spans[(spans.len() * share / 100).min(spans.len() - 1)] as f64 / 1e3;
        println!("{name:<24} {found:>6} {:>10.2} {:>10.2}", at(50), at(99));
    }
    identity.close().await;
    Ok(())
}
