//! Indicators against what an outside library made of the same rows (`fixtures/marketdata/indicators.py`).

use heng_marketdata::{Indicator, Row};
use serde_json::Value;

/// The library rounds some lines to three places.
const NEAR: f64 = 0.000_51;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fixtures/marketdata/indicators.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn rows(golden: &Value) -> Vec<Row> {
    let number = |row: &Value, at: usize| row[at].as_f64().unwrap();
    let row = |row: &Value| Row { high: number(row, 0), low: number(row, 1), close: number(row, 2), ..Row::default() };
    golden["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn every_line_is_that_of_the_outside_library() {
    let golden = golden();
    let rows = rows(&golden);
    let groups = golden["lines"].as_object().unwrap();
    assert_eq!(groups.len(), 7);
    for (name, lines) in groups {
        let (name, parameters) = name.split_once(':').unwrap();
        let indicator: Indicator = serde_json::from_value(name.into()).unwrap();
        let parameters: Vec<u32> = parameters.split(',').map(|n| n.parse().unwrap()).collect();
        assert!(indicator.takes(&parameters));
        let found = indicator.compute(&rows, &parameters);
        assert_eq!(found.len(), lines.as_object().unwrap().len());
        for (line, values) in found {
            let expected = lines[&line].as_array().unwrap();
            for (at, (found, expected)) in values.iter().zip(expected).enumerate() {
                match (found, expected.as_f64()) {
                    (Some(found), Some(expected)) => {
                        assert!((found - expected).abs() < NEAR, "{line} {at}: {found} is not {expected}");
                    }
                    (found, expected) => assert_eq!(*found, expected, "{line} {at}"),
                }
            }
        }
    }
}

#[test]
fn odd_rows_make_no_trouble() {
    let flat = vec![Row { high: 1.0, low: 1.0, close: 1.0, volume: 0.0, turnover: 0.0, day: 1 }; 30];
    let all = [
        Indicator::Ma,
        Indicator::Ema,
        Indicator::Macd,
        Indicator::Rsi,
        Indicator::Kdj,
        Indicator::Boll,
        Indicator::Atr,
        Indicator::Vwap,
    ];
    for indicator in all {
        for rows in [&flat[..], &flat[..1], &[]] {
            for (name, values) in indicator.compute(rows, indicator.usual()) {
                assert_eq!(values.len(), rows.len(), "{name}");
                assert!(values.iter().flatten().all(|value| value.is_finite()), "{name}");
            }
        }
    }
}

#[test]
fn the_average_of_a_day_begins_anew() {
    let row = |day, volume, turnover| Row { volume, turnover, day, ..Row::default() };
    let rows = [row(1, 100.0, 1_000.0), row(1, 300.0, 3_400.0), row(2, 0.0, 0.0), row(2, 10.0, 120.0)];
    let lines = Indicator::Vwap.compute(&rows, &[]);
    assert_eq!(lines[0].1, [Some(10.0), Some(11.0), None, Some(12.0)]);
}
