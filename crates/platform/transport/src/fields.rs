//! Strict reading of a JSON object or a query: everything that is wrong is listed, nothing is ignored.

use std::collections::BTreeMap;
use std::fmt::Display;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use crate::json::{self, Json};
use crate::limits::{FIELDS_MAX, PROBLEMS_MAX, TEXT_MAX};
use crate::problem::{Problem, Reason};

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Where: a JSON pointer (RFC 6901) into the body, `?name` for a parameter of the query, `{name}` for one of the
    /// path, or `header name`.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Body,
    Query,
}

/// The fields of a request. Take each field once, then [`Fields::finish`]: what was not taken is an unknown field.
#[derive(Clone, Debug)]
pub struct Fields {
    place: Place,
    values: BTreeMap<String, Json>,
    known: Vec<&'static str>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    fn new(place: Place, values: BTreeMap<String, Json>) -> Self {
        Self { place, values, known: Vec::new(), problems: Vec::new() }
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    /// If `body` is not exactly one JSON object inside the limits.
    pub fn from_json(body: &[u8]) -> Result<Self, Problem> {
        match json::parse(body) {
            Ok(Json::Object(values)) => Ok(Self::new(Place::Body, values)),
            Ok(other) => Err(Problem::bad_request(format!("the body must be a JSON object, not {}", other.kind()))),
            Err(reason) => Err(Problem::bad_request(format!("the body is not valid JSON: {reason}"))),
        }
    }

    /// Reads the parameters of a query.
    ///
    /// # Errors
    /// If a parameter stands twice or there are too many.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        if pairs.len() > FIELDS_MAX {
            return Err(Problem::bad_request(format!("the query has more than {FIELDS_MAX} parameters")));
        }
        let mut fields = Self::new(Place::Query, BTreeMap::new());
        for (name, value) in pairs {
            if fields.values.contains_key(&name) {
                fields.note(&name, "stands twice");
            }
            fields.values.insert(name, Json::Text(value));
        }
        Ok(fields)
    }

    /// Notes that something is wrong with a field, also after it was read.
    pub fn note(&mut self, name: &str, detail: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            let shown: String = name.chars().take(64).collect();
            let pointer = match self.place {
                Place::Body => format!("/{}", shown.replace('~', "~0").replace('/', "~1")),
                Place::Query => format!("?{shown}"),
            };
            self.problems.push(FieldProblem { pointer, detail: detail.into() });
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        // An optional field may be given as null, which says the same as leaving it out.
        self.values.remove(name).filter(|value| *value != Json::Null)
    }

    /// An optional field that is text, read by `parse`; `None` if it is absent or wrong, which is then noted.
    pub fn text<T, E: Display>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let value = self.take(name)?;
        let Json::Text(text) = value else {
            let hint = if matches!(value, Json::Integer(_) | Json::Fraction) { "; write amounts as text" } else { "" };
            self.note(name, format!("expected text, found {}{hint}", value.kind()));
            return None;
        };
        if text.len() > TEXT_MAX {
            self.note(name, format!("longer than {TEXT_MAX} bytes"));
            return None;
        }
        parse(&text).map_err(|error| self.note(name, error.to_string())).ok()
    }

    /// An optional whole number between `least` and `most`, as a number or as text of digits.
    pub fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(name)?;
        let number = match &value {
            Json::Integer(number) => u64::try_from(*number).ok(),
            Json::Text(text) => digits(text),
            _ => None,
        };
        let inside = number.filter(|number| (least..=most).contains(number));
        if inside.is_none() {
            self.note(name, format!("expected a whole number from {least} to {most}"));
        }
        inside
    }

    /// Notes that a field is missing unless it was read, or found wrong, before.
    pub fn require<T>(&mut self, name: &'static str, value: Option<T>) -> Option<T> {
        let pointer = if self.place == Place::Body { format!("/{name}") } else { format!("?{name}") };
        if value.is_none() && !self.problems.iter().any(|problem| problem.pointer == pointer) {
            self.note(name, "is missing");
        }
        value
    }

    /// A required text field; as [`Fields::text`].
    pub fn required_text<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.text(name, parse);
        self.require(name, value)
    }

    /// A required whole number; as [`Fields::number`].
    pub fn required_number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.number(name, least, most);
        self.require(name, value)
    }

    /// What was read, if nothing is wrong with any field and none is left over.
    ///
    /// # Errors
    /// A problem that lists every field that is wrong, missing or unknown.
    ///
    /// # Panics
    /// If `value` is `None` although nothing was noted: our own bug.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        let unknown: Vec<String> = self.values.keys().take(PROBLEMS_MAX).cloned().collect();
        let known = self.known.join(", ");
        for name in unknown {
            self.note(&name, format!("unknown field; known are: {known}"));
        }
        if self.problems.is_empty() {
            return Ok(value.expect("a value is missing only if a problem was noted"));
        }
        let what = if self.place == Place::Body { "body" } else { "query" };
        let first = self.problems.first().map(|p| format!("{} {}", p.pointer, p.detail)).unwrap_or_default();
        let detail = format!("{} problem(s) in the {what}; first: {first}", self.problems.len());
        Err(Problem::bad_request(detail).with_errors(self.problems))
    }
}

/// A whole number of plain digits without sign or leading zeros.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical { text.parse().ok() } else { None }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = kind.split(';').next().unwrap_or("").trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let detail = "the body must be sent with content-type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::BAD_REQUEST, detail));
        }
        // The guard has read the body already, inside its limits.
        let body = Bytes::from_request(request, state).await;
        let body =
            body.map_err(|rejection| Problem::new(rejection.status(), Reason::BAD_REQUEST, rejection.to_string()))?;
        Self::from_json(&body)
    }
}

/// The query of a request, read as strictly as a body.
#[derive(Clone, Debug)]
pub(crate) struct QueryFields(pub(crate) Fields);

impl<S: Send + Sync> FromRequestParts<S> for QueryFields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?;
        Fields::from_pairs(pairs).map(Self)
    }
}

impl Fields {
    /// The query of a request.
    ///
    /// # Errors
    /// If it cannot be decoded or has too many parameters.
    pub async fn from_query(parts: &mut Parts) -> Result<Self, Problem> {
        QueryFields::from_request_parts(parts, &()).await.map(|query| query.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &[(&str, &str)]) {
        let mut fields = match Fields::from_json(body.as_bytes()) {
            Ok(fields) => fields,
            Err(problem) => {
                assert_eq!(problem.document(None)["detail"], expected[0].1, "{body}");
                return;
            }
        };
        let symbol = fields.required_text("symbol", |text| Ok::<_, &str>(text.to_owned()));
        let account = fields.required_number("account", 1, 9);
        let price = fields.text("price", |text| if text == "bad" { Err("not a decimal number") } else { Ok(()) });
        let read = fields.finish((|| Some((symbol?, account?, price)))());
        let Err(problem) = read else {
            assert!(expected.is_empty(), "{body} was read");
            return;
        };
        let document = problem.document(None);
        let found: Vec<(&str, &str)> = document["errors"]
            .as_array()
            .expect("field problems are listed")
            .iter()
            .map(|e| (e["pointer"].as_str().unwrap(), e["detail"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn everything_wrong_is_listed_with_its_place() {
        check(r#"{"symbol":"600519.SH","account":1}"#, &[]);
        check(r#"{"symbol":"600519.SH","account":"1","price":null}"#, &[]);
        check(r#"[1]"#, &[("", "the body must be a JSON object, not a list")]);
        check(
            r#"{"account":10,"price":10.05,"pricé/x":1}"#,
            &[
                ("/symbol", "is missing"),
                ("/account", "expected a whole number from 1 to 9"),
                ("/price", "expected text, found a number; write amounts as text"),
                ("/pricé~1x", "unknown field; known are: symbol, account, price"),
            ],
        );
        check(
            r#"{"symbol":7,"account":"01","price":"bad"}"#,
            &[
                ("/symbol", "expected text, found a number; write amounts as text"),
                ("/account", "expected a whole number from 1 to 9"),
                ("/price", "not a decimal number"),
            ],
        );
    }

    #[test]
    fn a_doubled_parameter_is_refused() {
        let pairs = vec![("limit".to_owned(), "1".to_owned()), ("limit".to_owned(), "2".to_owned())];
        let mut fields = Fields::from_pairs(pairs).expect("few parameters");
        let limit = fields.number("limit", 1, 9);
        let problem = fields.finish(limit).expect_err("the parameter stands twice");
        assert_eq!(problem.document(None)["errors"][0]["pointer"], "?limit");
    }
}
