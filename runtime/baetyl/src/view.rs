//! Reading a value into a view of known fields, and keeping what is not known.

use std::collections::BTreeMap;

use aerolith_model::reworded;
use serde::de::IntoDeserializer;
use serde::de::value::StringDeserializer;
use serde::{Deserialize, Deserializer, de};
use serde_ignored::Path;
use serde_json::{Map, Value};

use crate::envelope::join;
use crate::error::Problem;

/// A view, and the fields that it does not know by their path.
pub(crate) struct Viewed<T> {
    pub(crate) view: T,
    pub(crate) extra: BTreeMap<String, Value>,
}

/// Fields that Baetyl's own store fills in, without meaning in an import.
const BOOKKEEPING: [&str; 4] = ["version", "namespace", "createTime", "updateTime"];

/// Reads `fields` as a `T`. Null stands for absence, as Go writes it for empty lists and maps.
pub(crate) fn view<T: for<'de> Deserialize<'de>>(
    path: &str,
    mut fields: Map<String, Value>,
) -> Result<Viewed<T>, (String, Problem)> {
    fields.retain(|name, value| !BOOKKEEPING.contains(&name.as_str()) && !value.is_null());
    let mut value = Value::Object(fields);
    drop_nulls(&mut value);
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(&value, &mut track);
    let read = serde_ignored::deserialize(deserializer, |path| unknown.push(steps(&path)));
    let view = read.map_err(|error: serde_json::Error| {
        (
            inside(path, &track.path()),
            Problem::Field(reworded(&error.to_string())),
        )
    })?;
    let extra = unknown
        .iter()
        .filter_map(|steps| Some((written(steps), find(&value, steps)?.clone())))
        .collect();
    Ok(Viewed { view, extra })
}

/// A path joined with one that serde tracked, which is `.` for the value itself.
pub(crate) fn inside(path: &str, tracked: &serde_path_to_error::Path) -> String {
    match tracked.to_string().as_str() {
        "." => path.to_owned(),
        tracked => join(path, tracked),
    }
}

/// Nulls inside `data` stay, to be refused there: dropping one would lose a key.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields
                .iter_mut()
                .filter(|(name, _)| *name != "data")
                .for_each(|(_, value)| drop_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// One step into a value.
enum Step {
    Field(String),
    Item(usize),
}

fn steps(path: &Path<'_>) -> Vec<Step> {
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Step::Item(*index))),
        Path::Map { parent, key } => (parent, Some(Step::Field(key.clone()))),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut all = steps(parent);
    all.extend(step);
    all
}

fn written(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Field(name) => join(&path, name),
        Step::Item(index) => format!("{path}[{index}]"),
    })
}

fn find<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Item(index) => value.get(index),
    })
}

/// Text that Go writes empty where it has none.
pub(crate) fn blank_is_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let text: StringDeserializer<de::value::Error> = text.into_deserializer();
    T::deserialize(text).map(Some).map_err(de::Error::custom)
}
