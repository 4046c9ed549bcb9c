//! In which fields two things differ, by their paths.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// Something as its fields, but for some.
pub(super) fn without(whole: &impl Serialize, left_out: &[&str]) -> Map<String, Value> {
    match serde_json::to_value(whole) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|name, _| !left_out.contains(&name.as_str()));
            fields
        }
        _ => Map::new(),
    }
}

/// The paths of the fields that differ: `restart.policy`, `args`, and of a list of named things each by its name:
/// `env.UNIT`.
pub(super) fn differing(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut paths = Vec::new();
    compare("", old, new, &mut paths);
    paths
}

fn compare(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, paths: &mut Vec<String>) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old == new {
            continue;
        }
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => compare(&path, old, new, paths),
            _ => match (by_name(old), by_name(new)) {
                (Some(old), Some(new)) => compare(&path, &old, &new, paths),
                _ => paths.push(path),
            },
        }
    }
}

/// A list of named things by their names; one that is left out is empty. What of a thing differs is no matter.
fn by_name(list: Option<&Value>) -> Option<Map<String, Value>> {
    let items = match list {
        None => return Some(Map::new()),
        Some(Value::Array(items)) => items.iter(),
        Some(_) => return None,
    };
    items
        .map(|item| Some((item.get("name")?.as_str()?.to_owned(), Value::String(item.to_string()))))
        .collect()
}
