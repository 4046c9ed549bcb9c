//! Finding the resources in a text, and telling their kinds apart.

use aerolith_model::{ResourceKind, SECRET_TYPE_LABEL};
use serde_json::{Map, Value};

use crate::error::Problem;

/// One resource as found: where, what kind, and its fields.
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) kind: ResourceKind,
    pub(crate) fields: Map<String, Value>,
}

type Located<T> = Result<T, (String, Problem)>;

/// All resources of a value: one, a list, or the `values` of a desire message.
pub(crate) fn resources(value: Value) -> Located<Vec<Found>> {
    let mut found = Vec::new();
    collect(String::new(), value, &mut found)?;
    Ok(found)
}

fn collect(path: String, value: Value, found: &mut Vec<Found>) -> Located<()> {
    match value {
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                collect(format!("{path}[{index}]"), item, found)?;
            }
            Ok(())
        }
        Value::Object(mut fields) => match fields.remove("values") {
            Some(values) if fields.is_empty() => collect(join(&path, "values"), values, found),
            Some(_) => Err((
                path,
                Problem::Shape {
                    found: "`values` beside other keys".to_owned(),
                },
            )),
            None => {
                found.push(resource(path, fields)?);
                Ok(())
            }
        },
        other => Err((
            path,
            Problem::Shape {
                found: other.to_string(),
            },
        )),
    }
}

fn resource(path: String, mut fields: Map<String, Value>) -> Located<Found> {
    let kind = match fields.get("kind") {
        Some(Value::String(word)) => {
            Some(kind_of_word(word).ok_or_else(|| (path.clone(), Problem::Kind(word.clone())))?)
        }
        Some(other) => return Err((path, Problem::Kind(other.to_string()))),
        None => None,
    };
    match (kind, fields.remove("value")) {
        (Some(kind), Some(Value::Object(fields))) => Ok(Found {
            path: join(&path, "value"),
            kind,
            fields,
        }),
        (Some(_), Some(other)) => Err((
            join(&path, "value"),
            Problem::Shape {
                found: other.to_string(),
            },
        )),
        (Some(kind), None) => {
            fields.remove("kind");
            Ok(Found { path, kind, fields })
        }
        (None, _) => match kind_of_shape(&fields) {
            Some(kind) => Ok(Found { path, kind, fields }),
            None => Err((path, Problem::Shape { found: keys(&fields) })),
        },
    }
}

fn kind_of_word(word: &str) -> Option<ResourceKind> {
    match word {
        "application" | "app" => Some(ResourceKind::Application),
        "configuration" | "config" => Some(ResourceKind::Configuration),
        "secret" => Some(ResourceKind::Secret),
        _ => None,
    }
}

/// What a resource is by its keys alone, where they tell.
pub(crate) fn kind_of_shape(fields: &Map<String, Value>) -> Option<ResourceKind> {
    let is_labelled_secret = fields
        .get("labels")
        .is_some_and(|labels| labels.get(SECRET_TYPE_LABEL).is_some());
    match () {
        () if fields.contains_key("services") => Some(ResourceKind::Application),
        () if is_labelled_secret || is_registry(fields) => Some(ResourceKind::Secret),
        () if fields.contains_key("data") => Some(ResourceKind::Configuration),
        () => None,
    }
}

/// Whether a secret is written as the cloud shows registries: what it holds beside its name.
pub(crate) fn is_registry(fields: &Map<String, Value>) -> bool {
    REGISTRY.iter().all(|key| fields.contains_key(*key))
}

/// What a registry of images asks for.
pub(crate) const REGISTRY: [&str; 3] = ["address", "username", "password"];

fn keys(fields: &Map<String, Value>) -> String {
    match fields.len() {
        0 => "no keys".to_owned(),
        _ => format!(
            "keys {}",
            fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// A path one field further.
pub(crate) fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}
