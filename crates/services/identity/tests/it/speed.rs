//! What the hot path costs: decisions and known sessions never touch SQL.

use std::time::Instant;

use heng_model::AccountId;
use heng_ports::{Credentials, Resource};

use crate::house::House;

/// Median and 99th percentile of `what` in nanoseconds.
fn measured(mut spans: Vec<u128>) -> (u128, u128) {
    spans.sort_unstable();
    (spans[spans.len() / 2], spans[spans.len() * 99 / 100])
}

#[tokio::test]
async fn decisions_and_known_callers_cost_microseconds() {
    let house = House::new().await;
    let (id, _) = house.client("alice").await;
    let token = format!("Bearer {}", house.session(id).await);
    let gatekeeper = house.identity.gatekeeper();
    let came = Credentials {
        method: "GET",
        target: "/v1/orders",
        authorization: Some(&token),
        session: None,
        signed: None,
        body: b"",
        address: None,
    };
    let principal = gatekeeper.identify(came).await.expect("it is known");
    let (mut identified, mut decided) = (Vec::new(), Vec::new());
    for number in 0..20_000u64 {
        let began = Instant::now();
        gatekeeper.identify(came).await.expect("it is known");
        identified.push(began.elapsed().as_nanos());
        let began = Instant::now();
        let decision = gatekeeper.decide(&principal, "order.place", Resource::Account(AccountId(number % 4)));
        decided.push(began.elapsed().as_nanos());
        assert_eq!(decision.is_allowed(), number % 4 == 1);
    }
    let (identified, decided) = (measured(identified), measured(decided));
    println!(
        "identify p50 {} ns, p99 {} ns; decide p50 {} ns, p99 {} ns",
        identified.0, identified.1, decided.0, decided.1
    );
    // Generous: tests run unoptimised and beside others.
    assert!(identified.0 < 50_000 && decided.0 < 20_000, "{identified:?} {decided:?}");
}
