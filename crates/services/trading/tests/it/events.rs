//! Trade events, drop copy and time lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heng_model::Seq;
use heng_ports::{EventBlock, EventFeed, EventSource, FeedError};
use serde_json::{Value, json};

use crate::doors::{House, OPTIONS, house, house_over};
use crate::record::{piece, record};

fn sequences(page: &Value) -> Vec<u64> {
    let list = page["commands"].as_array().expect("a list").iter();
    list.map(|command| command["sequence"].as_u64().expect("a number")).collect()
}

fn all(house: &House, path: &str, step: usize) -> Vec<Value> {
    let (mut since, mut told) = (0, Vec::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let (status, page) = house.get(&format!("{path}{mark}since={since}&limit={step}"));
        assert_eq!(status, 200, "{page}");
        assert!(page["commands"].as_array().expect("a list").len() <= step);
        told.extend(page["commands"].as_array().expect("a list").iter().cloned());
        since = page["next_since"].as_u64().expect("a number");
        if page["caught_up"] == json!(true) {
            return told;
        }
    }
}

#[test]
fn pages_of_any_size_tell_the_same_each_once() {
    let house = house(OPTIONS);
    let whole = all(&house, "/v1/trade-events?account=1", 1_000);
    assert!(whole.len() > 5, "{whole:?}");
    for step in [1, 2, 3] {
        assert_eq!(all(&house, "/v1/trade-events?account=1", step), whole);
    }
    let order: Vec<u64> = whole.iter().map(|command| command["sequence"].as_u64().expect("a number")).collect();
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    let kinds: Vec<&str> = whole
        .iter()
        .flat_map(|command| command["events"].as_array().expect("a list"))
        .map(|event| event["type"].as_str().expect("text"))
        .collect();
    for kind in ["order-placed", "order-working", "order-filled", "order-cancelled", "order-rejected"] {
        assert!(kinds.contains(&kind), "{kind} is not in {kinds:?}");
    }
}

/// The whole record as one piece.
struct InOne;

struct Once(Option<EventBlock>);

impl EventFeed for Once {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        Ok(self.0.take())
    }
}

impl EventSource for InOne {
    fn open(&self, _: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Once(Some(piece(&record(), 1, self.head().0)))))
    }

    fn head(&self) -> Seq {
        Seq(record().len() as u64)
    }
}

#[test]
fn a_piece_over_two_trade_dates_tells_the_same() {
    let path = "/v1/trade-events?account=1";
    let (many, one) = (house(OPTIONS), house_over(OPTIONS, record(), Arc::new(InOne)));
    let whole = all(&many, path, 1_000);
    let kinds = serde_json::to_string(&whole).expect("text");
    assert!(kinds.contains("cancel-requested"), "its owner is known from an earlier command alone: {kinds}");
    for step in [1, 1_000] {
        assert_eq!(all(&one, path, step), whole);
    }
}

#[test]
fn each_account_is_told_its_own_and_drop_copy_all() {
    let house = house(OPTIONS);
    let of = |path: &str| all(&house, path, 1_000);
    let count = |commands: &[Value]| -> usize {
        commands.iter().map(|command| command["events"].as_array().expect("a list").len()).sum()
    };
    let (one, two) = (count(&of("/v1/trade-events?account=1")), count(&of("/v1/trade-events?account=2")));
    assert!(one > 0 && two > 0);
    assert_eq!(count(&of("/v1/drop-copy")), one + two);
}

#[test]
fn a_sequence_that_nobody_has_is_refused() {
    let house = house(OPTIONS);
    let (status, told) = house.get("/v1/trade-events?account=1&since=1000");
    assert_eq!((status, told["code_name"].as_str()), (404, Some("BeyondTheRecord")));
    let (status, page) = house.get("/v1/trade-events?account=1&since=21");
    assert_eq!((status, sequences(&page), page["caught_up"].as_bool()), (200, vec![], Some(true)));
}

#[test]
fn clients_see_their_accounts_and_nobody_elses() {
    let house = house(OPTIONS);
    for path in [
        "/v1/orders?account=2",
        "/v1/accounts/2",
        "/v1/fills?account=2",
        "/v1/trade-events?account=2",
        "/v1/drop-copy",
        "/v1/parents?account=2",
        "/v1/orders/by-key?account=2&client_order_id=a",
        "/v1/accounts/2/buying-power?symbol=600003.SH",
    ] {
        let (status, told) = house.get_as(path, "client-1");
        assert_eq!((status, told["code_name"].as_str()), (403, Some("Forbidden")), "{path}");
    }
    let (_, told) = house.get_as("/v1/accounts", "client-1");
    assert_eq!(told["accounts"].as_array().map(Vec::len), Some(1), "{told}");
    let (_, mine) = house.get_as("/v1/trade-events", "client-1");
    let (_, same) = house.get("/v1/trade-events?account=1");
    assert_eq!(mine["commands"], same["commands"]);
    let order = house.get("/v1/orders?account=2&limit=1").1["orders"][0]["order_id"].clone();
    let path = format!("/v1/orders/{}/timeline", order.as_str().expect("an id"));
    assert_eq!(house.get_as(&path, "client-1").0, 403);
}

#[test]
fn a_time_line_tells_each_change_of_state() {
    let house = house(OPTIONS);
    let (status, told) = house.get("/v1/orders/10/timeline");
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["placing"], Value::Null, "nobody explained it");
    let steps: Vec<(Option<&str>, &str, &str)> = told["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|step| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            assert!(text(&step["time"]).is_some_and(|time| time.ends_with("+08:00")), "{step}");
            (
                step["status_before"].as_str(),
                step["status_after"].as_str().expect("text"),
                step["event"]["type"].as_str().expect("text"),
            )
        })
        .collect();
    assert_eq!(steps.first(), Some(&(None, "routed", "order-placed")));
    assert_eq!(steps.last().map(|step| (step.1, step.2)), Some(("partly-cancelled", "order-cancelled")));
    for pair in steps.windows(2) {
        assert_eq!(pair[1].0, Some(pair[0].1), "{steps:?}");
    }
}

#[test]
fn fills_are_listed_newest_first_in_pages() {
    let house = house(OPTIONS);
    let (status, page) = house.get("/v1/fills?account=1&limit=1000");
    assert_eq!(status, 200, "{page}");
    let all = page["fills"].as_array().expect("a list").clone();
    assert!(!all.is_empty());
    let (mut before, mut seen) = (String::new(), Vec::new());
    loop {
        let (_, page) = house.get(&format!("/v1/fills?account=1&limit=1{before}"));
        seen.extend(page["fills"].as_array().expect("a list").iter().cloned());
        let Some(next) = page["next_before"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(seen, all);
    assert_eq!(house.get("/v1/fills?account=1&trade_date=2020-01-01").1["fills"], json!([]));
    assert_eq!(house.get("/v1/fills?account=1&before=x").0, 400);
}

#[test]
fn a_stream_goes_on_behind_the_last_event_id() {
    let house = house(OPTIONS);
    let whole = all(&house, "/v1/trade-events?account=1", 1_000);
    let middle = whole[whole.len() / 2]["sequence"].as_u64().expect("a number");
    let told =
        house.stream("/v1/stream/trade-events?account=1&since=0", Some(middle), whole.len() - whole.len() / 2 - 1);
    let expected: Vec<Value> = whole[whole.len() / 2 + 1..].to_vec();
    assert_eq!(told, expected);
    let told = house.stream("/v1/stream/trade-events?account=1&since=0", None, whole.len());
    assert_eq!(told, whole);
}

/// A record in which nothing happens to anybody, without end; it counts the pieces that were read.
struct Endless(Arc<AtomicU64>);

struct Empty(Arc<AtomicU64>, u64);

impl EventFeed for Empty {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let first = self.1;
        self.1 += 1;
        Ok(Some(EventBlock { first: Seq(first), through: Seq(first), commands: Vec::new() }))
    }
}

impl EventSource for Endless {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Empty(Arc::clone(&self.0), from.0)))
    }

    fn head(&self) -> Seq {
        Seq(u64::MAX / 2)
    }
}

#[test]
fn streams_of_one_caller_are_bounded_and_end_with_their_client() {
    let read = Arc::new(AtomicU64::new(0));
    let house = house_over(OPTIONS, record(), Arc::new(Endless(Arc::clone(&read))));
    let path = "/v1/stream/trade-events?since=0";
    let open: Vec<_> = (0..32).map(|_| house.open(path)).collect();
    assert!(open.iter().all(|(status, _)| *status == 200));
    assert_eq!(house.get(path).0, 429, "a caller has so many and no more");
    drop(open);
    // They read the record for clients that are gone, and are told nothing that could fail to be sent.
    let began = Instant::now();
    while house.open(path).0 == 429 {
        assert!(began.elapsed() < Duration::from_secs(20), "their places are free again");
        std::thread::yield_now();
    }
    assert!(read.load(Ordering::Relaxed) > 0);
}
