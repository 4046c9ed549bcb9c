//! Baetyl's secrets.

use std::collections::BTreeMap;

use aerolith_model::{Key, Name, Secret, SecretBytes};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envelope::join;
use crate::error::Problem;
use crate::view::{Viewed, view};

#[derive(Deserialize)]
struct SecretView {
    name: Name,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    data: BTreeMap<Key, SecretBytes>,
}

/// Reads a secret, whose data are bytes in base64 as Go writes them.
pub(crate) fn secret(path: &str, fields: Map<String, Value>) -> Result<Secret, (String, Problem)> {
    check_data(path, fields.get("data"))?;
    let Viewed { view, extra } = view::<SecretView>(path, fields)?;
    let SecretView {
        name,
        description,
        labels,
        annotations,
        data,
    } = view;
    Ok(Secret {
        name,
        version: String::new(),
        description,
        labels,
        annotations,
        data,
        extra,
    })
}

/// Looked at beforehand because serde would put a value of the wrong type into its message.
fn check_data(path: &str, data: Option<&Value>) -> Result<(), (String, Problem)> {
    let data = data.and_then(Value::as_object).into_iter().flatten();
    match data.into_iter().find(|(_, value)| !value.is_string()) {
        Some((key, _)) => {
            let path = join(&join(path, "data"), key);
            Err((
                path,
                Problem::Field("expected text in base64, found something else".to_owned()),
            ))
        }
        None => Ok(()),
    }
}
