//! Books and figures from the core's events, through the REST doors.

use axum::http::StatusCode;
use heng_model::{Phase, Side};
use serde_json::json;

use crate::support::{A, World, at, auction_trade, begin, cancelled, phase, printed, trade, working};

const DAY: &str = "2026-07-06";

#[tokio::test(flavor = "multi_thread")]
async fn the_book_follows_orders_trades_and_cancels() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let say = |second, events| world.record.say(at(DAY, 9, 31, second), events);
    say(0, vec![working(1, A, Side::Buy, "99.90", 300), working(2, A, Side::Buy, "99.90", 200)]);
    say(1, vec![working(3, A, Side::Sell, "100.10", 500), working(4, A, Side::Sell, "100.20", 100)]);
    say(2, vec![trade(1, A, (9, 3), ("100.10", 200), Side::Sell)]);
    say(3, vec![cancelled(2, 200)]);
    // What never rested is in no book.
    let last = say(4, vec![cancelled(77, 100)]);
    let depth = world.get(&format!("/v1/market/600519.SH/depth?min_sequence={last}")).await;
    assert_eq!(depth["as_of_sequence"], last);
    assert_eq!(depth["depth"]["bids"], json!([["99.90", "300", 1]]));
    assert_eq!(depth["depth"]["asks"], json!([["100.10", "300", 1], ["100.20", "100", 1]]));
    let shown = world.get("/v1/market/600519.SH/snapshot").await;
    assert_eq!(shown["last"]["price"], "100.10");
    assert_eq!(shown["last"]["side"], "buy");
    assert_eq!(shown["stats"]["volume"], "200");
    assert_eq!(shown["stats"]["turnover"], "20020.00");
    assert_eq!(shown["stats"]["limit_up"], "110.00");
    assert_eq!(shown["stats"]["phase"], "continuous");
    let list = world.get("/v1/market").await;
    assert_eq!(list["items"][1]["symbol"], "600519.SH");
    assert_eq!(list["items"][1]["change"], "0.10");
    assert_eq!(list["items"][1]["change_percent"], "0.10");
    assert_eq!(list["items"][0]["last"], json!(null));
    let page = world.get("/v1/market?limit=1").await;
    assert_eq!(page["next_after"], "600036.SH");
    assert_eq!(world.get("/v1/market?limit=1&after=600036.SH").await["items"][0]["symbol"], "600519.SH");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auction_is_indicated_and_takes_from_both_sides() {
    let world = World::new().await;
    begin(&world.record, DAY);
    world.record.say(at(DAY, 14, 57, 0), vec![phase(Phase::CloseAuction)]);
    let collected = vec![working(1, A, Side::Buy, "101.00", 500), working(2, A, Side::Sell, "99.00", 300)];
    let last = world.record.say(at(DAY, 14, 58, 0), collected);
    let shown = world.get(&format!("/v1/market/600519.SH/snapshot?min_sequence={last}")).await;
    assert_eq!(shown["stats"]["indicative_volume"], "300");
    assert_eq!(shown["stats"]["indicative_price"], "101.00");
    let print = vec![printed(A, "101.00", 300), auction_trade(1, A, (1, 2), ("101.00", 300))];
    let last = world.record.say(at(DAY, 15, 0, 0), print);
    let shown = world.get(&format!("/v1/market/600519.SH/snapshot?min_sequence={last}")).await;
    assert_eq!(shown["depth"], json!({ "bids": [["101.00", "200", 1]], "asks": [] }));
    assert_eq!(shown["stats"]["auction_price"], "101.00");
    assert_eq!(shown["last"]["side"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn level_1_sees_five_levels_and_the_newest_trades() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let mut last = 0;
    for order in 0..8 {
        let price = format!("9{order}.00");
        last = world.record.say(at(DAY, 9, 31, 0), vec![working(order + 1, A, Side::Buy, &price, 100)]);
    }
    let path = format!("/v1/market/600519.SH/depth?min_sequence={last}");
    let count = async |who: &str| world.ask(&path, who).await.1["depth"]["bids"].as_array().unwrap().len();
    assert_eq!((count("l1").await, count("l2").await, count("staff").await), (5, 8, 8));
    let (status, _) = world.ask("/v1/market/600519.SH/trades?before=9.9", "l1").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(&path, "nobody").await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.ask(&path, "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_refused_by_name() {
    let world = World::new().await;
    begin(&world.record, DAY);
    let last = world.record.say(at(DAY, 9, 31, 0), vec![working(1, A, Side::Buy, "99.00", 100)]);
    world.get(&format!("/v1/market?min_sequence={last}")).await;
    let base = "/v1/market/600519.SH";
    let bad = [
        format!("{base}/depth?levels=11"),
        format!("{base}/depth?levels=x"),
        format!("{base}/depth?deep=1"),
        format!("{base}/trades?before=x"),
        format!("{base}/trades?before=1.2.3"),
        format!("{base}/trades?before=-1.-2"),
        format!("{base}/candles?period=2m"),
        format!("{base}/candles?limit=0"),
        format!("{base}/candles?from=2026-02-30"),
        format!("{base}/indicators"),
        format!("{base}/indicators?name=ma&params=0"),
        format!("{base}/indicators?name=boll&params=20"),
        format!("{base}/indicators?name=vwap&params=1"),
        "/v1/stream/market?symbols=".to_owned(),
        "/v1/stream/market?symbols=600519.SH&channels=all".to_owned(),
        "/v1/stream".to_owned(),
    ];
    for path in bad {
        let (status, told) = world.ask(&path, "l2").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {told}");
    }
    for path in ["/v1/market/1.SH/depth", "/v1/market/1.SH/candles", "/v1/stream/market?symbols=1.SH"] {
        assert_eq!(world.ask(path, "l2").await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/v1/market?min_sequence=999999", "/v1/market/600519.SH/candles?min_sequence=999999"] {
        let (status, told) = world.ask(path, "l2").await;
        assert_eq!((status, told["code_name"].as_str()), (StatusCode::NOT_FOUND, Some("BeyondTheRecord")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_and_message_is_documented() {
    let world = World::new().await;
    let often = std::num::NonZeroU32::new(1_000).unwrap();
    let limits = std::sync::Arc::new(heng_transport::RateLimits::new(often, often));
    let api = heng_marketdata::api(world.market.clone(), std::sync::Arc::new(crate::support::Keeper), limits);
    assert_eq!(api.len(), 10);
    let document = api.document();
    let text = document.to_string();
    // Whatever a schema refers to is there.
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    for message in ["StreamRequest", "StreamAnswer", "MarketSnapshot", "MarketUpdate", "MarketCandle"] {
        assert!(api.message_schemas().contains_key(message), "{message}");
    }
    let level = &document["components"]["schemas"]["Depth"]["properties"]["bids"]["items"];
    assert_eq!((&level["prefixItems"][0]["type"], &level["items"]), (&json!("string"), &json!(false)));
}
