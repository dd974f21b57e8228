//! A strict JSON reader: bounded depth and width, no doubled fields, no fractions for amounts.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::{DEPTH_MAX, FIELDS_MAX};

/// A JSON value as a door sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    /// A number with a fraction or exponent, or beyond 64 bits: amounts are decimal text, so its value is not kept.
    Fraction,
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// What people call this kind of value.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Fraction => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads `bytes`, or tells in one sentence what is wrong and where.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, String> {
    check_depth(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text);
        format!("line {line}, column {column}: {reason}")
    })
}

/// Nesting is measured before anything is built, so that a deep body costs one pass over its bytes.
fn check_depth(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("byte {}: nested deeper than {DEPTH_MAX} levels", at + 1));
        }
    }
    Ok(())
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(i128::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(i128::from(value)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Fraction)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if object.len() == FIELDS_MAX {
                return Err(A::Error::custom(format!("an object has more than {FIELDS_MAX} fields")));
            }
            if object.contains_key(&name) {
                let shown: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format!("the field \"{shown}\" stands twice")));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        match parse(text.as_bytes()) {
            Ok(value) => assert_eq!(format!("ok {}", value.kind()), expected, "{text}"),
            Err(reason) => assert_eq!(reason, expected, "{text}"),
        }
    }

    #[test]
    fn hostile_text_gets_its_place_and_reason() {
        check(r#"{"a":1}"#, "ok an object");
        check(r#"{"a":1,"a":2}"#, r#"line 1, column 13: the field "a" stands twice"#);
        check("{\"a\":\n1,}", "line 2, column 3: trailing comma");
        check("", "line 1, column 0: EOF while parsing a value");
        check("{} {}", "line 1, column 4: trailing characters");
        check("\"[[[[[[[[[[[[[[[[[[[[[[\"", "ok text");
        check(&"[".repeat(60_000), "byte 17: nested deeper than 16 levels");
        check(&format!("{}1{}", "[".repeat(16), "]".repeat(16)), "ok a list");
        check("1e400", "line 1, column 5: number out of range");
        check("12.5", "ok a number");
    }

    #[test]
    fn fractions_lose_their_value_on_purpose() {
        assert_eq!(parse(b"10.05"), Ok(Json::Fraction));
        assert_eq!(parse(b"18446744073709551615"), Ok(Json::Integer(i128::from(u64::MAX))));
        assert_eq!(parse(b"18446744073709551616"), Ok(Json::Fraction));
    }

    #[test]
    fn a_wide_object_is_refused() {
        let fields: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("\"f{n}\":0")).collect();
        let text = format!("{{{}}}", fields.join(","));
        assert!(parse(text.as_bytes()).is_err_and(|reason| reason.contains("more than 256 fields")));
    }
}
