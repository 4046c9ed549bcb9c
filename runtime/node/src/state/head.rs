//! The head: which version of each resource is in force, and in which schema all of the state is written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ResourceId, StateError, Version, checked};
use crate::durable::{self, FileError, On, Survives};

/// The schema that is written. Schema 1 had no histories, and secrets in plain text.
pub(super) const SCHEMA: u64 = 2;
/// What the file of the head is called.
pub(super) const HEAD: &str = "head.json";

/// What is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: u64,
    pub(super) resources: BTreeMap<ResourceId, Version>,
}

/// What there is of a head.
pub(super) enum Found {
    Absent,
    Damaged(String),
    /// Of schema 1.
    First(Head),
    Current(Head),
}

/// As it is written. The schema and who wrote it stand first in all schemas, and the digest last, for ever: a release
/// must know a newer one's head from a damaged one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema: u64,
    written_by: String,
    revision: u64,
    resources: BTreeMap<ResourceId, Version>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    revision: u64,
    resources: BTreeMap<ResourceId, Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Announced {
    schema: u64,
    written_by: Option<String>,
    sha256: Option<serde::de::IgnoredAny>,
}

/// Reads a folder's head, and changes nothing.
pub(super) fn read(folder: &Path) -> Result<Found, StateError> {
    let path = folder.join(HEAD);
    let bytes = match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        other => other.on("read", &path)?,
    };
    if let Ok(announced) = serde_json::from_slice::<Announced>(&bytes)
        && announced.schema > SCHEMA
        && (checked::is_whole(&bytes) || announced.sha256.is_none())
    {
        return Err(StateError::Newer {
            folder: PathBuf::from(folder),
            schema: announced.schema,
            written_by: announced.written_by,
        });
    }
    Ok(decode(&bytes).unwrap_or_else(|reason| Found::Damaged(format!("{} {reason}", path.display()))))
}

fn decode(bytes: &[u8]) -> Result<Found, String> {
    if let Ok(First { revision, resources }) = serde_json::from_slice(bytes) {
        return Ok(Found::First(Head { revision, resources }));
    }
    let Written {
        revision, resources, ..
    } = checked::decode(bytes)?;
    Ok(Found::Current(Head { revision, resources }))
}

impl Head {
    /// Makes it the one in force.
    pub(super) fn put(&self, folder: &Path) -> Result<(), FileError> {
        let path = folder.join(HEAD);
        let written = Written {
            schema: SCHEMA,
            written_by: env!("CARGO_PKG_VERSION").into(),
            revision: self.revision,
            resources: self.resources.clone(),
        };
        durable::put(&path, &checked::encode(&written, &path)?, 0o600, Survives::PowerCut)
    }
}
