//! Baetyl's secrets.

use std::collections::BTreeMap;

use aerolith_model::{Key, Name, Secret, SecretBytes};
use serde::Deserialize;
use serde_json::{Map, Value};

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
    data: BTreeMap<Key, SecretBytes>,
}

/// Reads a secret, whose data are bytes in base64 as Go writes them.
pub(crate) fn secret(path: &str, fields: Map<String, Value>) -> Result<Secret, (String, Problem)> {
    let Viewed { view, extra } = view::<SecretView>(path, fields)?;
    let SecretView {
        name,
        description,
        labels,
        data,
    } = view;
    Ok(Secret {
        name,
        version: String::new(),
        description,
        labels,
        data,
        extra,
    })
}
