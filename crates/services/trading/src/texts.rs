//! The words of requests: each is read strictly into a type that cannot be wrong, and tells its own schema, so that
//! what the document allows is what is read.

use std::borrow::Cow;

use heng_model::command::ParentKind;
use heng_model::{
    AccountId, InstrumentId, OrderId, OrderType, ParentId, Price, Qty, SelfTrade, Side, TradeDate, UnixNanos, limits,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Largest id that is read: 18 digits hold every id of 1,024 partitions.
pub(crate) const ID_MAX: u64 = 999_999_999_999_999_999;

const fn is_digits(text: &str, most: usize) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            return false;
        }
        at += 1;
    }
    at > 0 && at <= most && (bytes[0] != b'0' || at == 1)
}

fn id(text: &str) -> Result<u64, &'static str> {
    let number = if is_digits(text, 18) { text.parse().ok() } else { None };
    number.filter(|id| *id > 0).ok_or("expected an id: 1 to 18 digits without a leading zero")
}

fn symbol(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.len() <= limits::SYMBOL_MAX;
    let plain = plain && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    if plain { Ok(text.to_owned()) } else { Err("expected a symbol of 1 to 16 letters, digits and points") }
}

fn client_order(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
    if plain { Ok(text.to_owned()) } else { Err("expected 1 to 64 printable ASCII characters without spaces") }
}

/// A decimal of at most four places whose whole part `whole` accepts.
fn decimal(text: &str, whole: impl FnOnce(&str) -> bool) -> Option<i64> {
    let (units, places) = text.split_once('.').map_or((text, None), |(units, places)| (units, Some(places)));
    let placed = places.is_none_or(|places| (1..=4).contains(&places.len()));
    let placed = placed && places.unwrap_or("0").bytes().all(|b| b.is_ascii_digit());
    if !placed || !whole(units) {
        return None;
    }
    let fraction = format!("{:0<4}", places.unwrap_or(""));
    Some(units.parse::<i64>().ok()? * 10_000 + fraction.parse::<i64>().ok()?)
}

fn price(text: &str) -> Result<Price, &'static str> {
    let below = |units: &str| is_digits(units, 6) && (units.len() < 6 || units.as_bytes()[0] < b'9');
    decimal(text, below).map(Price).ok_or("expected a price from 0 to 899999.9999 with at most 4 decimals")
}

fn amount(text: &str) -> Result<heng_model::Money, &'static str> {
    let units = |units: &str| is_digits(units, 13);
    decimal(text, units).map(heng_model::Money).ok_or("expected an amount of at most 13 digits and 4 decimals")
}

fn quantity(text: &str) -> Result<Qty, &'static str> {
    let number = if is_digits(text, 10) { text.parse().ok() } else { None };
    number.map(Qty).ok_or("expected a quantity: 1 to 10 digits without a leading zero")
}

/// The shape of a date, whether the calendar has it or not.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-' && text.starts_with("20");
    let number = |range: std::ops::Range<usize>| -> u32 {
        text.get(range)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .map_or(0, |d| d.parse().unwrap_or(0))
    };
    let year = shaped && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    year && (1..=12).contains(&number(5..7)) && (1..=31).contains(&number(8..10))
}

/// A date of the shape 2026-07-06; `NONE` where the calendar has no such day, which no rule forbids to ask.
fn date(text: &str) -> Result<TradeDate, &'static str> {
    if !is_date(text) {
        return Err("expected a date: 2026-07-06");
    }
    Ok(text.parse().unwrap_or(TradeDate::NONE))
}

/// A time of day in China, to the second.
fn time(text: &str) -> Result<i64, &'static str> {
    let wrong = "expected a time of day: 09:30:00";
    let bytes = text.as_bytes();
    if bytes.len() != 8 || bytes[2] != b':' || bytes[5] != b':' {
        return Err(wrong);
    }
    let part = |range: std::ops::Range<usize>, most: i64| -> Option<i64> {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok().filter(|value| *value <= most)
    };
    let read = || Some(part(0..2, 23)? * 3_600 + part(3..5, 59)? * 60 + part(6..8, 59)?);
    read().ok_or(wrong)
}

fn string(pattern: &str, longest: usize, description: &str, example: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .max_length(Some(longest))
        .description(Some(description))
        .examples([serde_json::Value::from(example)]);
    RefOr::T(Schema::Object(schema.build()))
}

macro_rules! text {
    ($($(#[doc = $doc:literal])+ $name:ident($inner:ty), $word:literal, $pattern:literal, $longest:literal, $example:literal, $read:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $inner);

        impl $name {
            /// Reads it.
            pub(crate) fn read(text: &str) -> Result<Self, &'static str> {
                $read(text).map(Self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::read(&text).map_err(D::Error::custom)
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                string($pattern, $longest, concat!($($doc),+).trim(), $example)
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($word)
            }
        }
    )+

    #[cfg(test)]
    const TEXTS: &[(&str, &str, fn(&str) -> bool)] = &[$(($word, $pattern, |text| $name::read(text).is_ok()),)+];
    };
}

text! {
    /// An account number.
    AccountText(AccountId), "AccountNumber", "^[1-9][0-9]{0,17}$", 18, "1", |text| id(text).map(AccountId);
    /// An order number.
    OrderText(OrderId), "OrderNumber", "^[1-9][0-9]{0,17}$", 18, "1", |text| id(text).map(OrderId);
    /// A parent order's number.
    ParentText(ParentId), "ParentNumber", "^[1-9][0-9]{0,17}$", 18, "1", |text| id(text).map(ParentId);
    /// The client's own id: with account and trade date it is the order's key. One of more than 15 characters is not
    /// held as text: reads tell it as # and its hash, and it is found by the id as it was sent.
    ClientOrderText(String), "ClientOrderId", "^[!-~]{1,64}$", 64, "my-1", client_order;
    /// A symbol with its exchange.
    SymbolText(String), "Symbol", "^[0-9A-Za-z.]{1,16}$", 16, "600519.SH", symbol;
    /// A price: decimal text of at most four places.
    PriceText(Price), "PriceText", "^(0|[1-9][0-9]{0,4}|[1-8][0-9]{5})(\\.[0-9]{1,4})?$", 11, "10.05", price;
    /// An amount: decimal text of at most four places.
    AmountText(heng_model::Money), "AmountText", "^(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?$", 18, "100000.00", amount;
    /// A quantity: digits.
    QuantityText(Qty), "QuantityText", "^(0|[1-9][0-9]{0,9})$", 10, "100", quantity;
    /// A trade date.
    DateText(TradeDate), "TradeDate", "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", 10, "2026-07-06", date;
    /// A time of day in China, to the second.
    TimeText(i64), "TimeOfDay", "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$", 8, "14:55:00", time;
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident($of:ty), $word:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $of);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map(Self).map_err(D::Error::custom)
            }
        }
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let names = <$of>::ALL.iter().map(|value| value.name());
                let schema = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(names))
                    .description(Some(concat!($($doc),+).trim()));
                RefOr::T(Schema::Object(schema.build()))
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($word)
            }
        }
    )+};
}

words! {
    /// Buy or sell.
    SideWord(Side), "Side";
    /// Order type.
    OrderTypeWord(OrderType), "OrderType";
    /// What happens where an order would meet one of the same owner.
    SelfTradeWord(SelfTrade), "SelfTrade";
    /// What drives a parent order.
    ParentKindWord(ParentKind), "ParentKind";
}

/// An instant on a date, at a second of the day.
pub(crate) fn instant(date: TradeDate, second: i64) -> UnixNanos {
    UnixNanos::at(date, second * heng_model::SECOND)
}

/// An instrument's number as rows hold it.
pub(crate) const fn number_of(instrument: InstrumentId) -> i64 {
    instrument.0 as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of every text, and which texts they fit; the patterns are told to clients, the functions decide.
    #[test]
    fn each_text_reads_what_its_pattern_says() {
        let check = |word: &str, good: &[&str], bad: &[&str]| {
            let (_, _, reads) = TEXTS.iter().find(|(name, ..)| *name == word).expect("a known text");
            good.iter().for_each(|text| assert!(reads(text), "{word} {text}"));
            bad.iter().for_each(|text| assert!(!reads(text), "{word} {text}"));
        };
        let ids = (&["1", "999999999999999999"][..], &["", "0", "01", "-1", "1.0", "1000000000000000000", "１"][..]);
        for word in ["AccountNumber", "OrderNumber", "ParentNumber"] {
            check(word, ids.0, ids.1);
        }
        check("ClientOrderId", &["a", "!~", &"x".repeat(64)], &["", "a b", "空", &"x".repeat(65), "a\n"]);
        check("Symbol", &["600519.SH", "A"], &["", "600519 SH", "12345678901234567", "a/b"]);
        check(
            "PriceText",
            &["0", "0.01", "10.05", "899999.9999", "99999"],
            &["", "01", ".5", "5.", "1.00001", "900000", "+1", "-1", "1e3", "1000000", "1.0a"],
        );
        check("AmountText", &["0", "9999999999999.9999"], &["10000000000000", "1.", "x"]);
        check("QuantityText", &["0", "1", "9999999999"], &["", "00", "10000000000", "1.5", "-1"]);
        check(
            "TradeDate",
            &["2026-07-06", "2026-02-31"],
            &["2026-13-01", "2026-00-01", "2026-7-06", "1999-01-01", "20ab-01-01"],
        );
        check("TimeOfDay", &["00:00:00", "23:59:59"], &["24:00:00", "09:60:00", "9:30:00", "09-30-00"]);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(price("10.05"), Ok(Price(100_500)));
        assert_eq!(price("0.0001"), Ok(Price(1)));
        assert_eq!(amount("9999999999999.9999").map(|amount| amount.0), Ok(99_999_999_999_999_999));
        assert_eq!(date("2026-02-31"), Ok(TradeDate::NONE));
        assert_eq!(time("09:30:01"), Ok(34_201));
    }
}
