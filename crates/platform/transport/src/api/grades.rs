//! Grades of data in the document: each property that a service grades carries `x-heng-grade`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::operation::{Grader, Operation};

/// The schemas of an operation by name, with the grades of their properties.
pub(super) fn schemas_of(operation: &Operation) -> BTreeMap<String, Value> {
    let mut named = super::schemas(&operation.schemas);
    if let Some(grader) = operation.grader {
        named.iter_mut().for_each(|(name, schema)| put(name, schema, grader));
    }
    named
}

/// Puts grades beside the properties of a schema. A reference beside other keys is plain JSON Schema 2020-12.
pub(super) fn put(name: &str, schema: &mut Value, grader: Grader) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (property, told) in properties.iter_mut() {
            let (Some(grade), Some(told)) = (grader(name, property), told.as_object_mut()) else { continue };
            told.insert("x-heng-grade".into(), json!({ "standard": grade.standard, "level": grade.level }));
            if grade.masked {
                told.insert("x-heng-masked".into(), json!("a mask for whoever may not see it: it may hold asterisks"));
            }
        }
    }
    for list in ["allOf", "oneOf", "anyOf"] {
        let parts = schema.get_mut(list).and_then(Value::as_array_mut);
        parts.into_iter().flatten().for_each(|part| put(name, part, grader));
    }
}

/// Names of the schemas that a part of the document refers to.
fn named(part: &Value) -> Vec<String> {
    let text = part.to_string();
    let pieces = text.split("#/components/schemas/").skip(1);
    pieces.filter_map(|piece| piece.split_once('"').map(|(name, _)| name.to_owned())).collect()
}

/// Properties of a schema, those of its parts too, that carry no grade.
fn bare(name: &str, schema: &Value) -> Vec<String> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let without = properties.filter(|(_, told)| !told["x-heng-grade"]["level"].is_u64());
    let mut found: Vec<String> = without.map(|(property, _)| format!("{name}.{property}")).collect();
    for list in ["allOf", "oneOf", "anyOf"] {
        found.extend(schema[list].as_array().into_iter().flatten().flat_map(|part| bare(name, part)));
    }
    found
}

/// Properties that answers of `document` can have, as `Schema.property`, and that carry no grade.
pub(super) fn ungraded(document: &Value) -> Vec<String> {
    let (mut waiting, mut seen, mut found) = (Vec::new(), BTreeSet::new(), Vec::new());
    let operations = document["paths"].as_object().into_iter().flatten();
    for operation in operations.flat_map(|(_, path)| path.as_object().into_iter().flatten()) {
        let answers = operation.1["responses"].as_object().into_iter().flatten();
        answers.filter(|(status, _)| status.starts_with('2')).for_each(|(_, answer)| waiting.extend(named(answer)));
    }
    while let Some(name) = waiting.pop() {
        let schema = &document["components"]["schemas"][&name];
        waiting.extend(named(schema).into_iter().filter(|name| !seen.contains(name)));
        if seen.insert(name.clone()) {
            found.extend(bare(&name, schema));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::FieldGrade;
    use super::*;

    fn grader(schema: &str, property: &str) -> Option<FieldGrade> {
        let known = (schema, property) == ("Person", "name");
        known.then_some(FieldGrade { standard: "rule", level: 3, masked: true })
    }

    #[test]
    fn grades_stand_where_they_were_given() {
        let object = json!({ "properties": { "name": { "type": "string" }, "age": { "type": "integer" } } });
        let mut schema = json!({ "allOf": [{ "$ref": "#/other" }, object] });
        put("Person", &mut schema, grader);
        let properties = &schema["allOf"][1]["properties"];
        assert_eq!(properties["name"]["x-heng-grade"], json!({ "standard": "rule", "level": 3 }));
        assert!(properties["name"]["x-heng-masked"].is_string());
        assert_eq!(properties["age"], json!({ "type": "integer" }));
        let before = schema.clone();
        put("Other", &mut schema, grader);
        assert_eq!(schema, before);
    }

    #[test]
    fn a_field_without_a_grade_is_named() {
        let graded = json!({ "type": "string", "x-heng-grade": { "standard": "rule", "level": 1 } });
        let answer = |name: &str| json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
        let document = json!({
            "paths": { "/a": { "get": { "responses": { "200": answer("List"), "400": answer("Problem") } } } },
            "components": { "schemas": {
                "List": { "properties": { "items": { "items": { "$ref": "#/components/schemas/Item" } }, "ok": graded } },
                "Item": { "allOf": [{ "properties": { "more": { "$ref": "#/components/schemas/List" }, "fine": graded } }] },
                "Problem": { "properties": { "detail": {} } }, "Body": { "properties": { "x": {} } },
            } },
        });
        assert_eq!(ungraded(&document), ["Item.more", "List.items"]);
    }
}
