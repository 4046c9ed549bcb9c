//! Baetyl's secrets.

use std::collections::BTreeMap;

use aerolith_model::{InvalidText, Key, Name, SECRET_TYPE_LABEL, Secret, SecretBytes};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envelope::{REGISTRY, is_registry, join};
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

/// Reads a secret, whose data are bytes in base64 as Go writes them, or a registry.
pub(crate) fn secret(path: &str, mut fields: Map<String, Value>) -> Result<Secret, (String, Problem)> {
    if is_registry(&fields) {
        let login = take_login(path, &mut fields)?;
        let mut secret = secret(path, fields)?;
        let label = (SECRET_TYPE_LABEL.to_owned(), "registry".to_owned());
        secret.labels.extend([label]);
        secret.data.extend(login);
        return Ok(secret);
    }
    check_data(path, fields.get("data"))?;
    let Viewed { view, extra } = view::<SecretView>(path, fields)?;
    let SecretView {
        name,
        description,
        labels,
        annotations,
        data,
    } = view;
    let secret = Secret {
        name,
        version: String::new(),
        description,
        labels,
        annotations,
        data,
        extra,
    };
    secret
        .validate()
        .map_err(|invalid| (join(path, invalid.path()), invalid.into()))?;
    Ok(secret)
}

/// What a registry asks for, taken out of its fields: it is secret, and never kept with what is shown.
fn take_login(path: &str, fields: &mut Map<String, Value>) -> Result<Vec<(Key, SecretBytes)>, (String, Problem)> {
    let mut login = Vec::new();
    for name in REGISTRY {
        let here = |problem| (join(path, name), problem);
        let Some(Value::String(text)) = fields.remove(name) else {
            return Err(here(Problem::Field("expected text, found something else".to_owned())));
        };
        let key = name.parse().map_err(|error: InvalidText| here(error.into()))?;
        login.push((key, SecretBytes(text.into_bytes())));
    }
    Ok(login)
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
