use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::super::names;
use super::agreement::validator;
use super::{FULL, made, read, refusal};

/// What no text may show of those that hold it.
const CANARY: [&str; 2] = ["c4nary", "YzRuYXJ5"];
/// Maps that hold whatever anybody likes.
const OPEN: [&str; 3] = ["extra", "metadata", "config"];

/// A document with one thing made wrong, and the key that must be named.
struct Wrong {
    value: Value,
    key: String,
}

/// Every value of a text once in turn replaced by one of another type, and every map with a key too many.
fn mutations(value: &Value, key: &str, put: &dyn Fn(Value) -> Value, found: &mut Vec<Wrong>) {
    let mut add = |value: Value, key: &str| {
        found.push(Wrong {
            value: put(value),
            key: key.to_owned(),
        });
    };
    match value {
        Value::Array(_) => add(json!({"zzwrong": 1}), key),
        _ => add(json!(["zzwrong"]), key),
    }
    match value {
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert("zzwrong".into(), Value::Null);
            if !is_free(key) {
                add(Value::Object(more), "zzwrong");
            }
            for (name, field) in fields.iter().filter(|_| !is_free_below(key)) {
                let put_field = |field| {
                    let mut fields: Map<String, Value> = fields.clone();
                    fields.insert(name.clone(), field);
                    put(Value::Object(fields))
                };
                mutations(field, name, &put_field, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let put_item = |item| {
                    let mut items = items.clone();
                    items[index] = item;
                    put(Value::Array(items))
                };
                mutations(item, key, &put_item, found);
            }
        }
        _ => {}
    }
}

/// Maps whose keys are anybody's.
fn is_free(key: &str) -> bool {
    [
        "labels",
        "annotations",
        "headers",
        "data",
        "stringData",
        "limits",
        "requests",
    ]
    .contains(&key)
        || is_free_below(key)
}

fn is_free_below(key: &str) -> bool {
    OPEN.contains(&key)
}

fn all() -> Vec<(&'static str, Wrong)> {
    let mut all = Vec::new();
    for (name, text) in FULL {
        let mut found = Vec::new();
        mutations(&read(text), "", &|value| value, &mut found);
        // What is no map at all has no key to be named.
        all.extend(
            found
                .into_iter()
                .filter(|wrong| wrong.value.is_object())
                .map(|wrong| (name, wrong)),
        );
    }
    all
}

/// A text with each value on the line of its key, and the line of what is wrong.
fn written(value: &Value) -> (String, usize) {
    let pretty = serde_json::to_string_pretty(value).unwrap();
    let mut text = String::new();
    for line in pretty.lines() {
        let (line, is_wrong) = (line.trim_end(), line.contains("zzwrong"));
        // What is wrong stands on one line with its key, unless it is a key itself.
        if is_wrong && !text.ends_with(",\n") && !line.contains("zzwrong\": null") {
            text.truncate(text.trim_end().len());
            text.push_str(line.trim_start());
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    let at = text.lines().position(|line| line.contains("zzwrong")).unwrap();
    (text, at + 1)
}

#[test]
fn a_wrong_type_and_an_unknown_key_are_refused_everywhere_with_line_column_and_key() {
    let mut tried = 0;
    for (name, wrong) in all() {
        let (text, line) = written(&wrong.value);
        let told = refusal(name, &text).unwrap_or_else(|| panic!("{name}: taken: {text}"));
        let column = told.strip_prefix(&format!("file:{line}:")).unwrap_or_else(|| {
            panic!("{name}: `{}` at line {line}: {told}\n{text}", wrong.key);
        });
        assert!(column.starts_with(|c: char| c.is_ascii_digit()), "{told}");
        assert!(
            told.contains(&wrong.key),
            "{name}: `{}` is not named: {told}",
            wrong.key
        );
        assert!(!CANARY.iter().any(|secret| told.contains(secret)), "{told}");
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn the_schemas_refuse_them_too() {
    let schemas: BTreeMap<&str, Validator> = names().into_iter().map(|name| (name, validator(name))).collect();
    for (name, wrong) in all() {
        assert!(
            !schemas[name].is_valid(&wrong.value),
            "{name}: `{}` is taken: {}",
            wrong.key,
            wrong.value
        );
    }
}

/// The full texts leave no key out, so neither do the mutations.
#[test]
fn the_full_texts_hold_every_key_of_the_schemas() {
    let (mut there, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (name, text) in FULL {
        let root = made(name);
        keys(name, &root, &mut there);
        visit(name, &root, &root, &read(text), &mut seen);
    }
    let missing: Vec<_> = there.difference(&seen).collect();
    assert!(
        missing.is_empty() && there.len() > 120,
        "{} keys, missing: {missing:?}",
        there.len()
    );
}

/// Every key of every object of a schema: `definition.key`.
fn keys(name: &str, root: &Value, there: &mut BTreeSet<String>) {
    let own = |of: &str, schema: &Value, there: &mut BTreeSet<String>| {
        let properties = schema["properties"].as_object().into_iter().flatten();
        there.extend(properties.map(|(key, _)| format!("{name}/{of}.{key}")));
    };
    own("", root, there);
    for (of, schema) in root["$defs"].as_object().into_iter().flatten() {
        own(of, schema, there);
    }
}

/// Notes the keys of the schema that a value uses.
fn visit(name: &str, root: &Value, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) {
    visit_in(name, root, "", schema, value, seen);
}

fn visit_in(name: &str, root: &Value, of: &str, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let of = reference.trim_start_matches("#/$defs/");
        visit_in(name, root, of, &root["$defs"][of], value, seen);
    }
    for other in schema["anyOf"].as_array().into_iter().flatten() {
        visit_in(name, root, of, other, value, seen);
    }
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if let Some(property) = schema["properties"].get(key) {
                    seen.insert(format!("{name}/{of}.{key}"));
                    visit_in(name, root, of, property, field, seen);
                }
                visit_in(name, root, of, &schema["additionalProperties"], field, seen);
                let patterns = schema["patternProperties"].as_object().into_iter().flatten();
                patterns.for_each(|(_, pattern)| visit_in(name, root, of, pattern, field, seen));
            }
        }
        Value::Array(items) => {
            for item in items {
                visit_in(name, root, of, &schema["items"], item, seen);
            }
        }
        _ => {}
    }
}
