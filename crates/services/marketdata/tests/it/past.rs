//! Charts that begin before the record.

use std::sync::Arc;

use heng_marketdata::{Bar, Flow, Minute, Past, PastDay, PastMinute, PushLimits};
use heng_model::{InstrumentId, Money, Qty, Side, TradeDate};
use serde_json::{Value, json};

use crate::support::{A, Record, World, at, begin, date, trade, working, yuan};

const DAY: &str = "2026-07-06";

/// Two days of instrument A: 55 bonus shares for 100 before the second.
struct TwoDays;

fn bar(price: &str, volume: i64) -> Bar {
    let price = yuan(price);
    let turnover = Money(price.0 * volume);
    Bar { open: price, high: price, low: price, close: price, volume: Qty(volume), turnover, trades: 1 }
}

impl Past for TwoDays {
    fn days(&self, instrument: InstrumentId) -> Arc<[PastDay]> {
        let day = |text: &str, prev: &str, price: &str| PastDay {
            date: date(text),
            prev_close: yuan(prev),
            bar: bar(price, 400),
        };
        let days = [day("2026-07-02", "154.00", "155.00"), day("2026-07-03", "100.00", "100.00")];
        if instrument == A { days.into() } else { Arc::new([]) }
    }

    fn minutes(&self, _: InstrumentId, day: TradeDate) -> Vec<PastMinute> {
        let price = if day == date("2026-07-02") { "155.00" } else { "100.00" };
        let minute = |slot| PastMinute { slot, minute: Minute { bar: bar(price, 200), flow: Flow::default() } };
        vec![minute(0), minute(239)]
    }
}

async fn world() -> (World, u64) {
    let (record, folder) = (Record::default(), Arc::new(tempfile::tempdir().unwrap()));
    let past: Arc<dyn Past> = Arc::new(TwoDays);
    let world = World::with(record.clone(), Arc::new(record), folder, (PushLimits::default(), Some(past))).await;
    begin(&world.record, DAY);
    world.record.say(at(DAY, 9, 31, 0), vec![working(3, A, Side::Sell, "101.00", 1_000)]);
    let last = world.record.say(at(DAY, 9, 32, 0), vec![trade(1, A, (9, 3), ("101.00", 100), Side::Sell)]);
    (world, last)
}

fn of(answer: &Value, field: &str) -> Vec<String> {
    answer["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn candles_go_on_from_the_past_into_the_record() {
    let (world, last) = world().await;
    let ask = async |query: &str| world.get(&format!("/v1/market/600519.SH/candles?min_sequence={last}&{query}")).await;
    let days = ask("period=1d").await;
    assert_eq!(of(&days, "time"), ["2026-07-02", "2026-07-03", DAY]);
    assert_eq!(of(&days, "close"), ["155.00", "100.00", "101.00"]);
    assert_eq!((&days["generated_until"], &days["factors"][0]["date"]), (&json!("2026-07-03"), &json!("2026-07-03")));
    assert_eq!(days["factors"].as_array().unwrap().len(), 1, "the record begins at the close of the past");
    assert_eq!(of(&ask("period=1d&adjust=forward").await, "close"), ["100.00", "100.00", "101.00"]);
    assert_eq!(of(&ask("period=1w").await, "volume"), ["800", "100"]);
    assert_eq!(ask("period=1d&from=2026-07-06").await["generated_until"], Value::Null);
    assert_eq!(ask("period=1M").await["generated_until"], "2026-07-03", "a month of both");
    let minutes = ask("period=1m").await;
    assert_eq!(of(&minutes, "volume"), ["200", "200", "200", "200", "100"]);
    assert_eq!(of(&ask("period=1m&limit=2").await, "volume"), ["200", "100"]);
    assert_eq!(of(&ask("period=60m&to=2026-07-02").await, "close"), ["155.00", "155.00"]);
    let other = world.get(&format!("/v1/market/600036.SH/candles?min_sequence={last}&period=1d")).await;
    assert_eq!((&other["items"], &other["generated_until"]), (&json!([]), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_the_past_is_told_as_one() {
    let (world, last) = world().await;
    let ask = async |rest: &str| world.get(&format!("/v1/market/600519.SH/{rest}min_sequence={last}")).await;
    let past = ask("intraday?date=2026-07-02&").await;
    assert_eq!((&past["generated"], &past["prev_close"]), (&json!(true), &json!("154.00")));
    assert_eq!(past["items"].as_array().unwrap().len(), 240, "minutes without trades are filled");
    assert_eq!(ask("fund-flow?date=2026-07-02&").await["generated"], json!(true));
    let today = ask("intraday?").await;
    assert_eq!((&today["generated"], &today["prev_close"]), (&json!(false), &json!("100.00")));
    assert_eq!(ask("indicators?name=ma&params=2&").await["generated_until"], "2026-07-03");
}
