//! The view: it resumes where its tables are, and parks on what it cannot explain.

use std::sync::Arc;
use std::time::Duration;

use heng_marketdata::PushLimits;
use heng_model::Side;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::support::{A, PATIENCE, World, at, begin, day_opened, reference, trade, working};

const DAY: &str = "2026-07-06";

fn two_trades(world: &World) -> u64 {
    world.record.say(at(DAY, 9, 31, 0), vec![working(1, A, Side::Sell, "100.10", 500)]);
    world.record.say(at(DAY, 9, 31, 1), vec![trade(1, A, (9, 1), ("100.10", 200), Side::Sell)]);
    world.record.say(at(DAY, 9, 32, 1), vec![trade(2, A, (10, 1), ("100.10", 100), Side::Sell)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_tables_are() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let last = two_trades(&world);
    let trades = format!("/v1/market/600519.SH/trades?min_sequence={last}");
    let before = world.get(&trades).await;
    assert_eq!(before["items"].as_array().unwrap().len(), 2);
    let candles = world.get("/v1/market/600519.SH/candles?period=1m").await["items"].clone();
    world.stop().await;
    let again = World::over(world.record.clone(), Arc::clone(&world.folder), PushLimits::default()).await;
    // The book is there again, and nothing counts twice.
    let depth = again.get(&format!("/v1/market/600519.SH/depth?min_sequence={last}")).await;
    assert_eq!(depth["depth"]["asks"], json!([["100.10", "200", 1]]));
    let last = again.record.say(at(DAY, 9, 33, 0), vec![trade(3, A, (11, 1), ("100.10", 200), Side::Sell)]);
    let after = again.get(&format!("/v1/market/600519.SH/trades?min_sequence={last}")).await;
    assert_eq!(after["items"].as_array().unwrap().len(), 3);
    assert_eq!(after["items"].as_array().unwrap()[1..], before["items"].as_array().unwrap()[..]);
    let now = again.get("/v1/market/600519.SH/candles?period=1m").await;
    assert_eq!(now["items"].as_array().unwrap()[..2], candles.as_array().unwrap()[..]);
    assert_eq!(now["items"][2]["volume"], "200");
    let day = again.get("/v1/market/600519.SH/candles?period=1d").await;
    assert_eq!((&day["items"][0]["volume"], &day["items"][0]["trades"]), (&json!("500"), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn days_follow_each_other_also_in_one_piece() {
    let world = World::new().await;
    begin(&world.record, DAY);
    two_trades(&world);
    let next = "2026-07-07";
    let opened = vec![day_opened(next), reference(A, "100.10")];
    world.record.say(at(next, 9, 0, 0), opened);
    world.record.say(at(next, 9, 31, 0), vec![working(20, A, Side::Sell, "100.20", 500)]);
    let last = world.record.say(at(next, 9, 31, 1), vec![trade(4, A, (21, 20), ("100.20", 300), Side::Sell)]);
    let days = world.get(&format!("/v1/market/600519.SH/candles?min_sequence={last}")).await;
    let volumes: Vec<_> = days["items"].as_array().unwrap().iter().map(|day| day["volume"].clone()).collect();
    assert_eq!(volumes, ["300", "300"]);
    let shown = world.get("/v1/market/600519.SH/snapshot").await;
    assert_eq!(shown["stats"]["volume"], "300");
    assert_eq!(shown["depth"]["asks"], json!([["100.20", "200", 1]]));
    let old = world.get(&format!("/v1/market/600519.SH/intraday?date={DAY}")).await;
    assert_eq!(old["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_parks_on_what_it_cannot_explain_and_tries_again() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.record.say(at(DAY, 9, 31, 0), vec![working(1, A, Side::Sell, "100.10", 500)]);
    let bad = vec![trade(1, A, (9, 8), ("100.10", 200), Side::Sell)];
    let wrong = world.record.say(at(DAY, 9, 31, 1), bad);
    let status = world.market.status();
    let parked = async {
        loop {
            if let Some(parked) = status.parked().filter(|parked| parked.attempts >= 2) {
                return parked;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let parked = tokio::time::timeout(PATIENCE, parked).await.expect("it parks");
    assert_eq!((parked.at.sequence, parked.event), (wrong, "Trade"));
    assert!(parked.reason.contains("order 8"), "{}", parked.reason);
    assert_eq!(status.applied(), wrong - 1);
    // The mistake is put right, and the view goes on by itself.
    world.record.correct(wrong, vec![trade(1, A, (9, 1), ("100.10", 200), Side::Sell)]);
    let went_on = async {
        while status.applied() < wrong {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, went_on).await.expect("it goes on");
    assert_eq!(status.parked(), None);
    let trades = world.get(&format!("/v1/market/600519.SH/trades?min_sequence={wrong}")).await;
    assert_eq!(trades["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_trades_are_forgotten_and_days_are_kept() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let last = two_trades(&world);
    world.get(&format!("/v1/market/600519.SH/trades?min_sequence={last}")).await;
    let later = "2026-08-03";
    let last = world.record.say(at(later, 9, 0, 0), vec![day_opened(later), reference(A, "100.10")]);
    world.get(&format!("/v1/market/600519.SH/trades?min_sequence={last}")).await;
    let forgotten = async {
        while world.get("/v1/market/600519.SH/trades").await["items"] != json!([]) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("trades are forgotten");
    let days = world.get("/v1/market/600519.SH/candles").await;
    assert_eq!(days["items"][0]["volume"], "300");
    // Minutes are kept for longer.
    assert_eq!(world.get("/v1/market/600519.SH/candles?period=1m").await["items"].as_array().unwrap().len(), 2);
}

/// Runs statements on every table of the view.
async fn each_table(world: &World, statements: impl Fn(&str) -> String) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.folder.path().join("marketdata.db"));
    let options = options.busy_timeout(Duration::from_secs(10));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'saved%' ORDER BY name";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await.unwrap();
    assert!(names.len() > 5, "{names:?}");
    let text = names.iter().map(|name| statements(name)).collect::<String>();
    connection.execute(AssertSqlSafe(format!("BEGIN IMMEDIATE; {text} COMMIT;"))).await.unwrap();
    connection.close().await.unwrap();
}

/// The answer to a read, once the tables hold `sequence`.
async fn stored(world: &World, path: &str, sequence: u64) -> Value {
    let read = async {
        loop {
            let (status, answer) = world.ask(&format!("{path}min_sequence={sequence}"), "l2").await;
            if status.is_success() {
                return answer["items"].clone();
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the tables hold it")
}

/// What a database loses that is set back comes again from the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_set_back_gets_again_what_it_lost() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let last = two_trades(&world);
    let (trades, candles) = ("/v1/market/600519.SH/trades?", "/v1/market/600519.SH/candles?period=1m&");
    stored(&world, trades, last).await;
    each_table(&world, |name| format!("CREATE TABLE saved_{name} AS SELECT * FROM {name};")).await;
    let lost = world.record.say(at(DAY, 9, 33, 0), vec![trade(3, A, (11, 1), ("100.10", 50), Side::Sell)]);
    assert_eq!(stored(&world, trades, lost).await.as_array().unwrap().len(), 3);
    each_table(&world, |name| format!("DELETE FROM {name}; INSERT INTO {name} SELECT * FROM saved_{name};")).await;
    let last = world.record.say(at(DAY, 9, 34, 0), vec![trade(4, A, (12, 1), ("100.10", 50), Side::Sell)]);
    let found = [stored(&world, trades, last).await, stored(&world, candles, last).await];
    let fresh = World::over(world.record.clone(), Arc::new(tempfile::tempdir().unwrap()), PushLimits::default()).await;
    assert_eq!(found, [stored(&fresh, trades, last).await, stored(&fresh, candles, last).await]);
    assert_eq!(found[0].as_array().unwrap().len(), 4);
    assert_eq!(world.market.status().trouble(), None);
}
