//! Messages about an instrument as JSON, written by hand: prices, quantities and amounts are decimal text.

use std::fmt::Write as _;

use heng_model::{Price, SECOND, Side, UnixNanos};

use super::piece::{DEPTH, SNAPSHOT, TRADES, Variant};
use super::publisher::View;
use crate::bars::Bar;
use crate::book::Level;
use crate::market::Print;
use crate::picture::{Changes, FIGURES, Figure, Picture, STREAMED};

/// An instant as people write it in China: `2026-07-06T09:30:00.123+08:00`.
pub(crate) fn instant(time: UnixNanos) -> String {
    let mut text = String::with_capacity(32);
    write_instant(&mut text, time);
    text
}

fn write_instant(out: &mut String, time: UnixNanos) {
    let of_day = time.time_of_day();
    let (seconds, millis) = (of_day / SECOND, of_day % SECOND / 1_000_000);
    let _ = write!(
        out,
        "{}T{:02}:{:02}:{:02}.{millis:03}+08:00",
        time.date().unwrap_or_default(),
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    );
}

/// A price as text; none where it is zero.
pub(crate) fn price_or_null(price: Price) -> Option<String> {
    (price.0 != 0).then(|| price.to_string())
}

fn head(out: &mut String, kind: &str, view: &View, seq: u64) {
    let _ = write!(
        out,
        r#"{{"type":"{kind}","channel":"market","symbol":"{}","seq":{seq},"as_of_sequence":{},"time":""#,
        view.picture.listing.symbol, view.as_of
    );
    write_instant(out, view.picture.time);
    out.push_str(r#"","sent_at":""#);
    write_instant(out, view.sent_at);
    out.push('"');
}

fn levels(out: &mut String, levels: &[Level]) {
    out.push('[');
    for (at, level) in levels.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, r#"{comma}["{}","{}",{}]"#, level.price, level.quantity.0, level.orders);
    }
    out.push(']');
}

fn side_name(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::Buy) => "\"buy\"",
        Some(Side::Sell) => "\"sell\"",
        None => "null",
    }
}

fn prints(out: &mut String, prints: &[Print]) {
    out.push_str(r#","trades":["#);
    for (at, print) in prints.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, r#"{comma}{{"id":"{}","time":""#, print.trade.0);
        write_instant(out, print.time);
        let (price, quantity, side) = (print.price, print.quantity.0, side_name(print.side));
        let _ = write!(out, r#"","price":"{price}","quantity":"{quantity}","side":{side}}}"#);
    }
    out.push(']');
}

fn last(out: &mut String, picture: &Picture) {
    out.push_str(r#","last":"#);
    let Some(print) = &picture.last else { return out.push_str("null") };
    let (price, quantity, side) = (print.price, print.quantity.0, side_name(print.side));
    let _ = write!(out, r#"{{"price":"{price}","quantity":"{quantity}","side":{side},"time":""#);
    write_instant(out, print.time);
    out.push_str("\"}");
}

fn figure(out: &mut String, figure: Figure) {
    let _ = match figure {
        Figure::Price(Some(price)) => write!(out, "\"{price}\""),
        Figure::Price(None) => write!(out, "null"),
        Figure::Quantity(quantity) => write!(out, "\"{quantity}\""),
        Figure::Money(money) => write!(out, "\"{money}\""),
        Figure::Count(count) => write!(out, "{count}"),
        Figure::Phase(phase) => write!(out, "\"{phase}\""),
        Figure::Flag(flag) => write!(out, "{flag}"),
    };
}

fn figures(out: &mut String, picture: &Picture, wanted: u32) {
    out.push_str(r#","stats":{"#);
    let mut first = true;
    for (at, (name, value)) in FIGURES.iter().zip(picture.figures()).enumerate() {
        if wanted & (1 << at) == 0 {
            continue;
        }
        let comma = if first { "" } else { "," };
        first = false;
        let _ = write!(out, "{comma}\"{name}\":");
        figure(out, value);
    }
    out.push('}');
}

pub(super) fn snapshot(view: &View, variant: Variant, seq: u64) -> String {
    let picture = &view.picture;
    let mut out = String::with_capacity(1_536);
    head(&mut out, "snapshot", view, seq);
    if variant.what & DEPTH != 0 {
        out.push_str(r#","depth":{"bids":"#);
        levels(&mut out, picture.side(Side::Buy, variant.level.levels()));
        out.push_str(r#","asks":"#);
        levels(&mut out, picture.side(Side::Sell, variant.level.levels()));
        out.push('}');
    }
    if variant.what & TRADES != 0 {
        prints(&mut out, &picture.prints);
    }
    if variant.what & SNAPSHOT != 0 {
        last(&mut out, picture);
        figures(&mut out, picture, u32::MAX);
    }
    out.push('}');
    out
}

pub(super) fn update(view: &View, changes: &Changes, variant: Variant, seq: (u64, u64)) -> String {
    let mut out = String::with_capacity(512);
    head(&mut out, "update", view, seq.1);
    let _ = write!(out, r#","prev_seq":{}"#, seq.0);
    if variant.what & DEPTH != 0 {
        let sides = if variant.level.levels() > crate::picture::LEVELS_BASIC { &changes.deep } else { &changes.basic };
        for (name, side) in ["bids", "asks"].iter().zip(sides).filter(|(_, side)| !side.is_empty()) {
            let _ = write!(out, ",\"{name}\":");
            levels(&mut out, side);
        }
    }
    if variant.what & TRADES != 0 && !changes.prints.is_empty() {
        prints(&mut out, &changes.prints);
    }
    if variant.what & SNAPSHOT != 0 {
        if changes.last {
            last(&mut out, &view.picture);
        }
        if changes.figures != 0 {
            figures(&mut out, &view.picture, changes.figures);
        }
    }
    out.push('}');
    out
}

pub(super) fn candle(view: &View, at: usize, end: u16, bar: &Bar) -> String {
    let picture = &view.picture;
    let mut out = String::with_capacity(384);
    head(&mut out, "candle", view, view.seq);
    let _ = write!(out, r#","period":"{}","candle":{{"time":"{}""#, STREAMED[at].0, name_of(picture, end));
    let Bar { open, high, low, close, volume, turnover, trades } = bar;
    let _ = write!(
        out,
        r#","open":"{open}","high":"{high}","low":"{low}","close":"{close}","volume":"{}","turnover":"{turnover}","trades":{trades}}}}}"#,
        volume.0
    );
    out
}

/// The name of a candle: the end of its minute, or its date.
fn name_of(picture: &Picture, end: u16) -> String {
    if end == 0 {
        return picture.date.to_string();
    }
    instant(UnixNanos::at(picture.date, i64::from(end) * 60 * SECOND))
}
