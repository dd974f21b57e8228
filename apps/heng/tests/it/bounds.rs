//! What `/openapi.json` declares to be bounded is bounded: every parameter and every field of a body, tried at the door.

use serde_json::{Map, Value, json};

use crate::house::{Folder, House, Shape, get};

/// Texts that no pattern of ours takes, and such that no pattern of digits takes.
const ODD: [&str; 2] = ["", "A \u{7a7a}"];
const NO_DIGITS: [&str; 3] = ["-1", "x", "0123456789012345678901234567890123456789"];
const DIGITS: [&str; 5] = ["^[1-9]", "^[0-9]{", "^(0|", "^20", "^([01]"];

/// What a schema stands for: behind references, and without the alternative of null.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(place) = schema["$ref"].as_str() {
        let found = document.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("{place} is not there"));
        return resolved(document, found);
    }
    let forms = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| schema[*word].as_array());
    let real = |forms: &'a Vec<Value>| forms.iter().find(|form| form["type"] != "null").expect("a real form");
    forms.map_or(schema, |forms| resolved(document, real(forms)))
}

/// Values that the schema refuses.
fn refused(schema: &Value, example: &Value) -> Vec<Value> {
    let whole = |word: &str| schema[word].as_f64().map(|bound| bound as i128);
    let mut wrong = Vec::new();
    wrong.extend(whole("minimum").map(|least| json!(i64::try_from(least - 1).expect("no such bound"))));
    let most = whole("maximum").or_else(|| match schema["format"].as_str() {
        Some("int32") => Some(i128::from(i32::MAX)),
        Some("int64") => Some(i128::from(i64::MAX)),
        _ => None,
    });
    wrong.extend(most.filter(|_| schema["type"] != "string").map(|most| json!(u64::try_from(most + 1).expect("fits"))));
    wrong.extend(whole("maxLength").map(|most| json!("1".repeat(most as usize + 1))));
    wrong.extend(whole("minLength").filter(|least| *least > 0).map(|least| json!("1".repeat(least as usize - 1))));
    if let Some(pattern) = schema["pattern"].as_str() {
        wrong.extend(ODD.iter().map(|text| json!(text)));
        let digits = DIGITS.iter().any(|begin| pattern.starts_with(begin));
        wrong.extend(NO_DIGITS.iter().filter(|_| digits).map(|text| json!(text)));
    }
    let item = if example[0].is_null() { json!("1") } else { example[0].clone() };
    wrong.extend(whole("maxItems").map(|most| json!(vec![item; most as usize + 1])));
    wrong.extend(whole("minItems").filter(|least| *least > 0).map(|_| json!([])));
    wrong
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// As it stands in an address.
fn quoted(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A value that the parameter takes.
fn good(house: &House, document: &Value, parameter: &Value) -> String {
    let schema = resolved(document, &parameter["schema"]);
    match parameter["name"].as_str().expect("a name") {
        "account" => house.account(),
        "symbol" | "symbols" => text(&house.first_order["symbol"]),
        "code" => "123456".into(),
        "id" => "1".into(),
        _ => [&schema["enum"][0], &schema["examples"][0]].into_iter().find(|v| v.is_string()).map_or("a".into(), text),
    }
}

struct Tried<'a> {
    house: &'a House,
    document: &'a Value,
    count: usize,
    /// What was not refused by name.
    passed: Vec<String>,
}

impl Tried<'_> {
    fn told(&mut self, what: &str, place: &str, (status, answer): (u16, Value)) {
        self.count += 1;
        let pointer = answer["errors"][0]["pointer"].as_str().unwrap_or("");
        if status != 400 || !pointer.starts_with(place) {
            self.passed.push(format!("{what}: {status} {answer}"));
        }
    }

    fn parameters(&mut self, path: &str, operation: &Value) {
        let list = operation["parameters"].as_array().cloned().unwrap_or_default();
        let usual: Vec<(&Value, String)> = list
            .iter()
            .filter(|parameter| parameter["required"] == true)
            .map(|parameter| (parameter, good(self.house, self.document, parameter)))
            .collect();
        for parameter in list.iter().filter(|parameter| parameter["in"] != "header") {
            let name = parameter["name"].as_str().expect("a name");
            let schema = resolved(self.document, &parameter["schema"]);
            for value in refused(schema, &Value::Null) {
                let (mut target, mut query) = (path.to_owned(), Vec::new());
                let mut put = |at: &Value, value: &str| {
                    let name = at["name"].as_str().expect("a name");
                    match at["in"].as_str() {
                        Some("path") => target = target.replace(&format!("{{{name}}}"), &quoted(value)),
                        _ => query.push(format!("{name}={}", quoted(value))),
                    }
                };
                // An empty name in the path is another path.
                if parameter["in"] == "path" && text(&value).is_empty() {
                    continue;
                }
                usual.iter().filter(|(at, _)| at["name"] != name).for_each(|(at, value)| put(at, value));
                put(parameter, &text(&value));
                let target = format!("{target}?{}", query.join("&"));
                let place = if parameter["in"] == "path" { format!("{{{name}}}") } else { format!("?{name}") };
                let answer = self.house.get(&target);
                self.told(&target, &place, answer);
            }
        }
    }

    fn body(&mut self, path: &str, operation: &Value) {
        let content = &operation["requestBody"]["content"]["application/json"];
        let Some(example) = content["example"].as_object() else { return };
        let schema = resolved(self.document, &content["schema"]);
        let none = Map::new();
        for (name, schema) in schema["properties"].as_object().unwrap_or(&none) {
            let (schema, usual) = (resolved(self.document, schema), example.get(name).cloned().unwrap_or_default());
            for value in refused(schema, &usual) {
                let mut body = example.clone();
                body.insert(name.clone(), value.clone());
                let answer = self.house.post(&path.replace("{id}", "1"), &body.into());
                self.told(&format!("{path} {name} {value}"), &format!("/{name}"), answer);
            }
        }
    }
}

#[test]
fn every_declared_bound_is_kept() {
    let folder = Folder::new("bounds");
    let house = House::start(Shape::One, &folder.0, 5);
    let (_, document) = get(&house.address, "/openapi.json");
    let mut tried = Tried { house: &house, document: &document, count: 0, passed: Vec::new() };
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods = methods.as_object().expect("methods");
        if let Some(operation) = methods.get("get") {
            tried.parameters(path, operation);
        }
        if let Some(operation) = methods.get("post") {
            tried.body(path, operation);
        }
    }
    assert!(tried.count > 300, "{} tries", tried.count);
    assert!(tried.passed.is_empty(), "{} of {}:\n{}", tried.passed.len(), tried.count, tried.passed.join("\n"));
    assert_eq!(house.terminate(), Some(0));
}
