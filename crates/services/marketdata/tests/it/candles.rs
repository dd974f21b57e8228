//! Candles, the intraday line, fund flow and ex-rights, through the doors.

use heng_model::{Phase, Side};
use serde_json::{Value, json};

use crate::support::{A, World, at, auction_trade, begin, day_opened, phase, printed, reference, trade, working};

const DAY: &str = "2026-07-06";

fn names(items: &Value, field: &str) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// A day with both auctions and some trades; tells the last command.
fn a_day(world: &World) -> u64 {
    let record = &world.record;
    begin(record, DAY);
    record.say(at(DAY, 9, 15, 0), vec![phase(Phase::OpenAuction)]);
    let collected = vec![working(1, A, Side::Buy, "100.50", 400), working(2, A, Side::Sell, "100.50", 400)];
    record.say(at(DAY, 9, 20, 0), collected);
    let print = vec![printed(A, "100.50", 400), auction_trade(1, A, (1, 2), ("100.50", 400))];
    record.say(at(DAY, 9, 25, 0), print);
    record.say(at(DAY, 9, 30, 0), vec![phase(Phase::Continuous), working(3, A, Side::Sell, "100.60", 100_000)]);
    let buy = |number, price, quantity| trade(number, A, (number + 100, 3), (price, quantity), Side::Sell);
    record.say(at(DAY, 9, 30, 10), vec![buy(2, "100.60", 100)]);
    record.say(at(DAY, 9, 33, 0), vec![buy(3, "100.60", 500)]);
    record.say(at(DAY, 11, 29, 59), vec![buy(4, "100.60", 3_000)]);
    record.say(at(DAY, 13, 0, 0), vec![buy(5, "100.60", 200)]);
    record.say(at(DAY, 14, 57, 0), vec![phase(Phase::CloseAuction)]);
    let collected = vec![working(50, A, Side::Buy, "100.60", 600)];
    record.say(at(DAY, 14, 58, 0), collected);
    let print = vec![printed(A, "100.60", 600), auction_trade(6, A, (50, 3), ("100.60", 600))];
    record.say(at(DAY, 15, 0, 0), print)
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_are_those_of_chinese_terminals() {
    let world = World::new().await;
    let last = a_day(&world);
    let candles = async |query: &str| {
        let path = format!("/v1/market/600519.SH/candles?min_sequence={last}&{query}");
        world.get(&path).await["items"].clone()
    };
    let minutes = candles("period=1m").await;
    let ends = ["09:31", "09:34", "11:30", "13:01", "15:00"].map(|time| format!("{DAY}T{time}:00.000+08:00"));
    assert_eq!(names(&minutes, "time"), ends);
    assert_eq!(names(&minutes, "volume"), ["500", "500", "3000", "200", "600"]);
    assert_eq!((&minutes[0]["open"], &minutes[0]["close"]), (&json!("100.50"), &json!("100.60")));
    let fives = candles("period=5m").await;
    assert_eq!(names(&fives, "volume"), ["1000", "3000", "200", "600"]);
    assert_eq!(names(&fives, "time")[0], format!("{DAY}T09:35:00.000+08:00"));
    let hours = candles("period=60m").await;
    let ends = ["10:30", "11:30", "14:00", "15:00"].map(|time| format!("{DAY}T{time}:00.000+08:00"));
    assert_eq!(names(&hours, "time"), ends);
    assert_eq!(names(&candles("period=1m&limit=2").await, "volume"), ["200", "600"]);
    for period in ["1d", "1w", "1M"] {
        assert_eq!(names(&candles(&format!("period={period}")).await, "volume"), ["4800"]);
    }
    assert_eq!(candles("period=1m&to=2026-07-05").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_and_the_flow_of_a_day() {
    let world = World::new().await;
    let last = a_day(&world);
    let line = world.get(&format!("/v1/market/600519.SH/intraday?min_sequence={last}")).await;
    assert_eq!((&line["minutes"], &line["prev_close"]), (&json!(240), &json!("100.00")));
    let items = line["items"].as_array().unwrap();
    // Every minute from the first to the last, 240 of them, quiet ones with the price before.
    assert_eq!(items.len(), 240);
    assert_eq!((&items[1]["price"], &items[1]["volume"]), (&json!("100.60"), &json!("0")));
    // (400 × 100.50 + 100 × 100.60) / 500.
    assert_eq!(items[0]["average"], "100.52");
    let flow = world.get("/v1/market/600519.SH/fund-flow").await;
    // 100 shares are 10,060 yuan, small; 500 are 50,300, medium; 3,000 are 301,800, large; 200 are 20,120, small.
    assert_eq!(flow["large"], json!({ "bought": "301800.00", "sold": "0.00", "net": "301800.00" }));
    assert_eq!(flow["medium"]["net"], "50300.00");
    assert_eq!(flow["small"]["net"], "30180.00");
    assert_eq!(flow["main_net"], "352100.00");
    assert_eq!(flow["large_from"], "200000.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn ex_rights_are_found_and_adjusted() {
    let world = World::new().await;
    a_day(&world);
    let next = "2026-07-07";
    // Ten bonus shares for ten: half of the close of 100.60.
    world.record.say(at(next, 9, 0, 0), vec![day_opened(next), reference(A, "50.30")]);
    world.record.say(at(next, 9, 30, 0), vec![phase(Phase::Continuous), working(900, A, Side::Sell, "51.00", 100)]);
    let last = world.record.say(at(next, 9, 31, 0), vec![trade(90, A, (901, 900), ("51.00", 100), Side::Sell)]);
    let closes = async |adjust: &str| {
        let path = format!("/v1/market/600519.SH/candles?min_sequence={last}&adjust={adjust}");
        let answer = world.get(&path).await;
        assert_eq!(answer["factors"], json!([{ "date": next, "factor": "0.5" }]));
        names(&answer["items"], "close")
    };
    assert_eq!(closes("none").await, ["100.60", "51.00"]);
    assert_eq!(closes("forward").await, ["50.30", "51.00"]);
    assert_eq!(closes("backward").await, ["100.60", "102.00"]);
    let line = world.get("/v1/market/600519.SH/indicators?name=ma&params=2&adjust=forward").await;
    assert_eq!(line["lines"], json!([{ "name": "ma2", "values": [null, 50.65] }]));
    assert_eq!(line["times"], json!([DAY, next]));
}
