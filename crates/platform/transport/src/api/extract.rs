//! What a handler takes from a request, read strictly: unknown fields refused, the place of an error told.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, RawQuery, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::bounds::Declared;
use crate::fields::FieldProblem;
use crate::json;
use crate::limits::FIELDS_MAX;
use crate::problem::{Problem, Reason};

/// A JSON body as `T`, inside the bounds that the operation declares. `T` should refuse unknown fields.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// The parameters of a query as `T`, inside the bounds that the operation declares. `T` should refuse unknown fields.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

/// The only parameter of a path, as text; 400 if it is no UTF-8, empty, longer than 64 bytes or not what the operation
/// declares.
#[derive(Clone, Debug)]
pub struct PathText(pub String);

/// One thing that is wrong, told with its place.
pub(super) fn wrong(pointer: String, detail: String, what: &str) -> Problem {
    let told = format!("1 problem(s) in the {what}; first: {pointer} {detail}");
    Problem::bad_request(told).with_errors(vec![FieldProblem { pointer, detail }])
}

/// A JSON pointer from the path that serde tells.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

fn parse_body<T: DeserializeOwned>(bytes: &[u8], declared: Option<&Declared>) -> Result<T, Problem> {
    // The strict reader bounds depth and refuses doubled fields, which serde would let pass.
    let strict =
        json::parse(bytes).map_err(|reason| Problem::bad_request(format!("the body is not valid JSON: {reason}")))?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let detail = error.inner().to_string();
        let detail = detail.split(" at line ").next().unwrap_or(&detail).chars().take(300).collect();
        wrong(pointer(error.path()), detail, "body")
    })?;
    match declared.and_then(|declared| declared.body_fault(&strict)) {
        Some(fault) => Err(wrong(fault.pointer, fault.detail, "body")),
        None => Ok(read),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let media = kind.split(';').next().unwrap_or("").trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let detail = "the body must be sent with content-type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Reason::BAD_REQUEST, detail));
        }
        let declared = request.extensions().get::<Arc<Declared>>().cloned();
        let bytes = Bytes::from_request(request, state).await;
        let bytes =
            bytes.map_err(|rejection| Problem::new(rejection.status(), Reason::BAD_REQUEST, rejection.to_string()))?;
        parse_body(&bytes, declared.as_deref()).map(Self)
    }
}

fn parse_query<T: DeserializeOwned>(query: &str, declared: Option<&Declared>) -> Result<T, Problem> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(
        &format!("/?{query}").parse().map_err(|_| Problem::bad_request("the query cannot be read"))?,
    );
    let pairs = pairs.map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?.0;
    if pairs.len() > FIELDS_MAX {
        return Err(Problem::bad_request(format!("the query has more than {FIELDS_MAX} parameters")));
    }
    for (at, (name, _)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(format!("?{name}"), "stands twice".into(), "query"));
        }
    }
    let reader = serde::de::value::MapDeserializer::new(pairs.iter().map(|(name, value)| (name.as_str(), Word(value))));
    let read = serde_path_to_error::deserialize(reader).map_err(|error| {
        let place = pointer(error.path()).trim_start_matches('/').to_owned();
        let detail = error.inner().to_string().chars().take(300).collect();
        wrong(format!("?{place}"), detail, "query")
    })?;
    let fault = |(name, value): &(String, String)| Some((name.clone(), declared?.query_fault(name, value)?));
    match pairs.iter().find_map(fault) {
        Some((name, detail)) => Err(wrong(format!("?{name}"), detail, "query")),
        None => Ok(read),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or(RawQuery(None));
        let declared = parts.extensions.get::<Arc<Declared>>();
        parse_query(query.as_deref().unwrap_or(""), declared.map(|declared| &**declared)).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        let declared = parts.extensions.get::<Arc<Declared>>();
        if let Some((name, detail)) = declared.and_then(|declared| declared.path_fault(&text)) {
            return Err(wrong(format!("{{{name}}}"), detail, "path"));
        }
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
            return Err(Problem::bad_request("the name in the path is empty, too long or no text"));
        }
        Ok(Self(text))
    }
}

/// A value of a query: text that becomes a number or a truth value where one is asked for.
struct Word<'a>(&'a str);

impl<'de> serde::de::IntoDeserializer<'de, serde::de::value::Error> for Word<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $kind:ty),*) => {$(
        fn $method<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            let plain = !self.0.starts_with('+');
            match self.0.parse::<$kind>() {
                Ok(value) if plain => visitor.$visit(value),
                _ => Err(serde::de::Error::custom(format!("expected {}", expected(stringify!($kind))))),
            }
        }
    )*};
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "bool" => "true or false",
        _ => "a whole number in range",
    }
}

impl<'de> serde::Deserializer<'de> for Word<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: serde::de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(serde::de::value::StrDeserializer::new(self.0))
    }

    parsed!(deserialize_bool visit_bool bool, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64);

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
