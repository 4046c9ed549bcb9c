//! The desired state on disk: one file per version of a resource, and one head that says which versions are in force.
//!
//! ```text
//! <folder>/head.json                        revision, and per resource the revision and digest of its file
//! <folder>/<kind>/<name>@<revision>.json    one version, written before the head names it, never rewritten
//! <folder>/damaged/                         what could not be read, kept for people
//! ```
//!
//! The head's rename is the commit: before it nothing has changed, after it everything has.

mod open;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use aerolith_model::{Resource, ResourceKind};
use aerolith_packages::Digest;
use serde::{Deserialize, Serialize};

use crate::durable::{self, FileError, Survives};

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name, unique within the kind.
    pub name: String,
}

impl ResourceId {
    /// The id of the resource of this kind and name.
    #[must_use]
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// The id of a resource.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        Self {
            kind: resource.kind(),
            name: resource.name().to_owned(),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ResourceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` is no KIND/NAME"))?;
        let known = ResourceKind::ALL.into_iter().find(|k| k.as_str() == kind);
        let kind = known.ok_or_else(|| format!("`{kind}` is no kind of resource"))?;
        if name.contains(['/', '\0']) {
            return Err(format!("`{name}` is no name of a resource"));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// A file of the state that could not be read. Its resource is held: nothing of it is started, stopped or replaced until
/// it is applied again or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// What it held.
    pub resource: Option<ResourceId>,
    /// What is wrong with it, and where the file lies now.
    pub reason: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    revision: u64,
    resources: BTreeMap<ResourceId, Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    revision: u64,
    sha256: String,
}

/// The desired state, in memory and on disk. Every call blocks.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    head: Head,
    resources: BTreeMap<ResourceId, Resource>,
    damaged: Vec<Damaged>,
}

/// What one transaction does.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) put: Vec<Resource>,
    pub(crate) delete: Vec<ResourceId>,
}

impl State {
    pub(crate) fn revision(&self) -> u64 {
        self.head.revision
    }

    pub(crate) fn resources(&self) -> &BTreeMap<ResourceId, Resource> {
        &self.resources
    }

    pub(crate) fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// The revision at which each resource came to be as it is.
    pub(crate) fn revisions(&self) -> BTreeMap<ResourceId, u64> {
        let versions = self.head.resources.iter();
        versions.map(|(id, version)| (id.clone(), version.revision)).collect()
    }

    /// Whether it is in force, readable or not.
    pub(crate) fn knows(&self, id: &ResourceId) -> bool {
        self.head.resources.contains_key(id)
    }

    /// The resources as they would be after a change.
    pub(crate) fn preview(&self, change: &Change) -> BTreeMap<ResourceId, Resource> {
        let mut resources = self.resources.clone();
        resources.retain(|id, _| !change.delete.contains(id));
        resources.extend(change.put.iter().map(|r| (ResourceId::of(r), r.clone())));
        resources
    }

    /// Makes a change durable as one transaction, and answers the revision in force. A change that changes nothing
    /// makes no revision. Errors leave everything as it was.
    pub(crate) fn commit(&mut self, mut change: Change) -> Result<u64, FileError> {
        change.put.retain(|r| self.resources.get(&ResourceId::of(r)) != Some(r));
        change.delete.retain(|id| self.knows(id));
        if change.put.is_empty() && change.delete.is_empty() {
            return Ok(self.head.revision);
        }
        let mut head = self.head.clone();
        head.revision += 1;
        head.resources.retain(|id, _| !change.delete.contains(id));
        for resource in &change.put {
            let version = self.write(resource, head.revision)?;
            head.resources.insert(ResourceId::of(resource), version);
        }
        put_json(&self.folder.join(HEAD), &head)?;
        self.resources = self.preview(&change);
        self.head = head;
        let still =
            |id: &ResourceId| !change.delete.contains(id) && !change.put.iter().any(|r| ResourceId::of(r) == *id);
        self.damaged
            .retain(|damaged| damaged.resource.as_ref().is_some_and(still));
        if let Err(error) = self.sweep() {
            tracing::warn!(%error, "old versions of resources stay until the next change");
        }
        Ok(self.head.revision)
    }

    fn write(&self, resource: &Resource, revision: u64) -> Result<Version, FileError> {
        let path = self.path(&ResourceId::of(resource), revision);
        let bytes = to_json(resource, &path)?;
        durable::put(&path, &bytes, 0o600, Survives::PowerCut)?;
        Ok(Version {
            revision,
            sha256: Digest::of(&bytes).to_string(),
        })
    }

    fn path(&self, id: &ResourceId, revision: u64) -> PathBuf {
        self.folder
            .join(id.kind.as_str())
            .join(format!("{}@{revision}.json", id.name))
    }

    /// Removes every version that the head does not name.
    fn sweep(&self) -> Result<(), FileError> {
        let named: Vec<PathBuf> = self
            .head
            .resources
            .iter()
            .map(|(id, version)| self.path(id, version.revision))
            .collect();
        for kind in ResourceKind::ALL {
            for path in durable::entries(&self.folder.join(kind.as_str()))? {
                if !named.contains(&path) {
                    durable::remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

const HEAD: &str = "head.json";

fn to_json<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, FileError> {
    serde_json::to_vec_pretty(value).map_err(|e| FileError {
        action: "encode",
        path: path.into(),
        source: e.into(),
    })
}

fn put_json<T: Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    durable::put(path, &to_json(value, path)?, 0o600, Survives::PowerCut)
}

#[cfg(test)]
mod tests;
