//! The bounds that an operation declares, kept: what its document says of a parameter or a field holds for whatever
//! reaches its handler, so that no handler checks it again and none forgets to.
//!
//! Looked at are `minimum`, `maximum`, their exclusive forms, `minLength`, `maxLength`, `pattern`, `minItems`,
//! `maxItems`, and the range of the formats `int32` and `int64`. Types, enumerations and unknown fields are refused by
//! the types that handlers read.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use regex::Regex;
use serde_json::Value;

use crate::json::Json;
use crate::limits::DEPTH_MAX;

/// What is wrong, and where in the value.
pub(super) struct Fault {
    /// A JSON pointer into the value; empty for the value itself.
    pub(super) pointer: String,
    pub(super) detail: String,
}

/// Bounds of one value.
#[derive(Debug, Default)]
struct Bounds {
    /// Whether the text of a query or header stands for a number.
    number: bool,
    least: Option<i128>,
    most: Option<i128>,
    shortest: usize,
    longest: Option<usize>,
    pattern: Option<Regex>,
    fewest_items: usize,
    most_items: Option<usize>,
    item: Option<Box<Self>>,
    fields: Vec<(String, Self)>,
}

/// Everything that one operation declares to be bounded.
#[derive(Debug, Default)]
pub(super) struct Declared {
    path: Vec<(String, Bounds)>,
    query: Vec<(String, Bounds)>,
    headers: Vec<(String, Bounds)>,
    body: Option<Bounds>,
}

impl Declared {
    /// Of the parameters and the JSON body of an operation object; what they refer to stands in `components`.
    ///
    /// # Panics
    /// If a pattern is none: our own bug.
    pub(super) fn of(operation: &Value, components: &BTreeMap<String, Value>) -> Self {
        let mut declared = Self::default();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            let Some(bounds) = Bounds::of(&parameter["schema"], components, 0) else { continue };
            match parameter["in"].as_str() {
                Some("path") => declared.path.push((name, bounds)),
                Some("query") => declared.query.push((name, bounds)),
                Some("header") => declared.headers.push((name, bounds)),
                _ => {}
            }
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        declared.body = Bounds::of(body, components, 0);
        declared
    }

    /// The first parameter of the path, with its name in the template.
    pub(super) fn path_fault(&self, text: &str) -> Option<(&str, String)> {
        let (name, bounds) = self.path.first()?;
        bounds.word_fault(text).map(|detail| (name.as_str(), detail))
    }

    /// A parameter of the query.
    pub(super) fn query_fault(&self, name: &str, text: &str) -> Option<String> {
        let (_, bounds) = self.query.iter().find(|(known, _)| known == name)?;
        bounds.word_fault(text)
    }

    /// Headers, with the name of the first that is wrong. One that is no text is wrong wherever it is bounded.
    pub(super) fn header_fault(&self, headers: &HeaderMap) -> Option<(&str, String)> {
        self.headers.iter().find_map(|(name, bounds)| {
            let value = headers.get(name)?;
            let fault = value.to_str().map_or_else(|_| Some("is no text".to_owned()), |text| bounds.word_fault(text));
            fault.map(|detail| (name.as_str(), detail))
        })
    }

    /// The body.
    pub(super) fn body_fault(&self, body: &Json) -> Option<Fault> {
        self.body.as_ref()?.fault(body)
    }
}

fn integer(value: &Value) -> Option<i128> {
    let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    // The macros write some bounds as 1.0.
    whole.or_else(|| value.as_f64().map(|bound| bound as i128))
}

fn count(value: &Value) -> Option<usize> {
    integer(value).and_then(|count| usize::try_from(count).ok())
}

/// What a schema stands for: behind a reference, and without the alternative of null.
fn resolved<'a>(schema: &'a Value, components: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let known = components.get(reference.rsplit('/').next().unwrap_or_default());
        return known.or_else(|| panic!("the schema {reference} is not declared"));
    }
    let forms = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| schema[word].as_array());
    let Some(forms) = forms else { return Some(schema) };
    let mut real = forms.iter().filter(|form| form["type"] != "null");
    // Alternatives are told apart by the types that handlers read.
    real.next().filter(|_| real.next().is_none())
}

impl Bounds {
    fn of(schema: &Value, components: &BTreeMap<String, Value>, depth: usize) -> Option<Self> {
        // No body is nested deeper, so nothing deeper is ever looked at.
        if schema.is_null() || depth > DEPTH_MAX {
            return None;
        }
        let found = resolved(schema, components)?;
        if !std::ptr::eq(found, schema) {
            return Self::of(found, components, depth + 1);
        }
        let fields = schema["properties"].as_object().into_iter().flatten();
        let field = |(name, schema): (&String, &Value)| Some((name.clone(), Self::of(schema, components, depth + 1)?));
        let pattern = schema["pattern"].as_str();
        let bounds = Self {
            number: is(&schema["type"], "integer"),
            least: least(schema),
            most: most(schema),
            shortest: count(&schema["minLength"]).unwrap_or(0),
            longest: count(&schema["maxLength"]),
            pattern: pattern.map(|text| Regex::new(text).expect("a pattern that a schema declares")),
            fewest_items: count(&schema["minItems"]).unwrap_or(0),
            most_items: count(&schema["maxItems"]),
            item: Self::of(&schema["items"], components, depth + 1).map(Box::new),
            fields: fields.filter_map(field).collect(),
        };
        bounds.binds().then_some(bounds)
    }

    fn binds(&self) -> bool {
        let number = self.least.is_some() || self.most.is_some();
        let text = self.shortest > 0 || self.longest.is_some() || self.pattern.is_some();
        let list = self.fewest_items > 0 || self.most_items.is_some() || self.item.is_some();
        number || text || list || !self.fields.is_empty()
    }

    fn fault(&self, value: &Json) -> Option<Fault> {
        let here = |detail: Option<String>| detail.map(|detail| Fault { pointer: String::new(), detail });
        match value {
            Json::Integer(number) => here(self.number_fault(*number)),
            Json::Text(text) => here(self.text_fault(text)),
            Json::List(items) => here(self.count_fault(items.len())).or_else(|| self.item_fault(items)),
            Json::Object(object) => self.fields.iter().find_map(|(name, bounds)| {
                let fault = bounds.fault(object.get(name)?)?;
                Some(fault.inside(&name.replace('~', "~0").replace('/', "~1")))
            }),
            Json::Null | Json::Bool(_) | Json::Fraction => None,
        }
    }

    fn item_fault(&self, items: &[Json]) -> Option<Fault> {
        let bounds = self.item.as_ref()?;
        items.iter().enumerate().find_map(|(at, item)| Some(bounds.fault(item)?.inside(&at.to_string())))
    }

    /// The text of a parameter; one that is no number although it should be is refused where it is read.
    fn word_fault(&self, text: &str) -> Option<String> {
        if self.number { self.number_fault(text.parse().ok()?) } else { self.text_fault(text) }
    }

    fn number_fault(&self, number: i128) -> Option<String> {
        let fits = self.least.is_none_or(|least| number >= least) && self.most.is_none_or(|most| number <= most);
        let told = || match (self.least, self.most) {
            (Some(least), Some(most)) => format!("must be from {least} to {most}"),
            (Some(least), None) => format!("must be at least {least}"),
            (None, most) => format!("must be at most {}", most.unwrap_or(i128::MAX)),
        };
        (!fits).then(told)
    }

    fn text_fault(&self, text: &str) -> Option<String> {
        // Whoever has no more bytes has no more characters.
        let long = self.longest.is_some_and(|longest| text.len() > longest && text.chars().count() > longest);
        if long {
            return self.longest.map(|longest| format!("is longer than {longest} characters"));
        }
        if text.len() < self.shortest.saturating_mul(4) && text.chars().count() < self.shortest {
            return Some(format!("is shorter than {} characters", self.shortest));
        }
        let pattern = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text))?;
        Some(format!("does not fit the pattern {pattern}"))
    }

    fn count_fault(&self, items: usize) -> Option<String> {
        if let Some(most) = self.most_items.filter(|most| items > *most) {
            return Some(format!("has {items} items, at most {most} are taken"));
        }
        (items < self.fewest_items).then(|| format!("has {items} items, at least {} are needed", self.fewest_items))
    }
}

impl Fault {
    fn inside(self, step: &str) -> Self {
        Self { pointer: format!("/{step}{}", self.pointer), ..self }
    }
}

fn is(kind: &Value, name: &str) -> bool {
    kind == name || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == name))
}

fn least(schema: &Value) -> Option<i128> {
    let format = match schema["format"].as_str() {
        Some("int32") => Some(i128::from(i32::MIN)),
        Some("int64") => Some(i128::from(i64::MIN)),
        _ => None,
    };
    let exclusive = integer(&schema["exclusiveMinimum"]).map(|bound| bound + 1);
    [integer(&schema["minimum"]), exclusive, format].into_iter().flatten().max()
}

fn most(schema: &Value) -> Option<i128> {
    let format = match schema["format"].as_str() {
        Some("int32") => Some(i128::from(i32::MAX)),
        Some("int64") => Some(i128::from(i64::MAX)),
        _ => None,
    };
    let exclusive = integer(&schema["exclusiveMaximum"]).map(|bound| bound - 1);
    [integer(&schema["maximum"]), exclusive, format].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether a body of one field `x` with this schema takes `value`.
    fn check(schema: &Value, value: &str, expected: Option<(&str, &str)>) {
        let thing = json!({ "type": "object", "properties": { "x": schema } });
        let named = BTreeMap::from([("Thing".to_owned(), thing), ("Short".to_owned(), json!({ "maxLength": 2 }))]);
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } });
        let declared = Declared::of(&json!({ "requestBody": { "content": content } }), &named);
        let body = crate::json::parse(format!("{{\"x\":{value}}}").as_bytes()).expect("JSON");
        let found = declared.body_fault(&body).map(|fault| (fault.pointer, fault.detail));
        let found = found.as_ref().map(|(pointer, detail)| (pointer.as_str(), detail.as_str()));
        assert_eq!(found, expected, "{schema} {value}");
    }

    #[test]
    fn numbers_have_their_bounds() {
        let days = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 10 });
        check(&days, "1", None);
        check(&days, "10", None);
        check(&days, "null", None);
        check(&days, "0", Some(("/x", "must be from 1 to 10")));
        check(&days, "11", Some(("/x", "must be from 1 to 10")));
        check(&json!({ "minimum": 1.0 }), "0", Some(("/x", "must be at least 1")));
        check(&json!({ "exclusiveMaximum": 3 }), "3", Some(("/x", "must be at most 2")));
        let wide = json!({ "type": "integer", "format": "int64", "minimum": 0 });
        check(&wide, "9223372036854775807", None);
        check(&wide, "9223372036854775808", Some(("/x", "must be from 0 to 9223372036854775807")));
    }

    #[test]
    fn texts_are_counted_in_characters() {
        let name = json!({ "type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z空]+$" });
        check(&name, "\"空空空空\"", None);
        check(&name, "\"空空空空空\"", Some(("/x", "is longer than 4 characters")));
        check(&name, "\"空\"", Some(("/x", "is shorter than 2 characters")));
        check(&name, "\"ab\\n\"", Some(("/x", "does not fit the pattern ^[a-z空]+$")));
    }

    #[test]
    fn lists_and_references_are_followed() {
        let short = json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Short" }] });
        check(&short, "null", None);
        check(&short, "\"abc\"", Some(("/x", "is longer than 2 characters")));
        let list = json!({ "minItems": 1, "maxItems": 2, "items": short });
        check(&list, "[\"a\",\"a\",\"a\"]", Some(("/x", "has 3 items, at most 2 are taken")));
        check(&list, "[]", Some(("/x", "has 0 items, at least 1 are needed")));
        check(&list, "[\"a\",\"abc\"]", Some(("/x/1", "is longer than 2 characters")));
    }
}
