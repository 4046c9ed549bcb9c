//! Resources as they are desired, and as they were: looking, and who uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind};

use super::Node;
use crate::blocking::trying;
use crate::state::ResourceId;
use crate::uses;

/// A resource in one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// The revision that made it as it is.
    pub revision: u64,
    /// As applied.
    pub resource: Resource,
}

impl Node {
    /// The resources of a kind, sorted by name, as applied.
    #[must_use]
    pub fn list(&self, kind: ResourceKind) -> Vec<Resource> {
        self.versioned(kind).into_iter().map(|one| one.resource).collect()
    }

    /// The resources of a kind, sorted by name, each with its revision.
    #[must_use]
    pub fn versioned(&self, kind: ResourceKind) -> Vec<Versioned> {
        let now = self.0.works.foundation.snapshot();
        let mine = now.resources().iter().filter(|(id, _)| id.kind == kind);
        let all = mine.map(|(id, resource)| Versioned {
            revision: now.revision_of(id).unwrap_or_default(),
            resource: Resource::clone(resource),
        });
        all.collect()
    }

    /// One resource, as applied.
    #[must_use]
    pub fn get(&self, kind: ResourceKind, name: &str) -> Option<Resource> {
        let id = ResourceId::new(kind, name);
        let now = self.0.works.foundation.snapshot();
        now.resources().get(&id).map(|it| Resource::clone(it))
    }

    /// The revisions of a resource that are kept, newest first: the one in force, and those that deployments are made of.
    #[must_use]
    pub fn revisions(&self, kind: ResourceKind, name: &str) -> Vec<u64> {
        let id = ResourceId::new(kind, name);
        let now = self.0.works.foundation.snapshot();
        now.kept_versions(&id).into_keys().rev().collect()
    }

    /// The revision of the version of a resource that is in force.
    #[must_use]
    pub fn revision(&self, kind: ResourceKind, name: &str) -> Option<u64> {
        let now = self.0.works.foundation.snapshot();
        now.revision_of(&ResourceId::new(kind, name))
    }

    /// One version of a resource, where it is kept and can be read; the one in force unless said. An earlier one is read from
    /// its file.
    pub async fn version(&self, kind: ResourceKind, name: &str, revision: Option<u64>) -> Option<Versioned> {
        let id = ResourceId::new(kind, name);
        let foundation = self.0.works.foundation.clone();
        let now = foundation.snapshot();
        let revision = revision.or_else(|| now.revision_of(&id))?;
        let version = now.kept_versions(&id).remove(&revision)?;
        let read = match now.loaded(&id, &version) {
            Some(loaded) => Ok(loaded.clone()),
            None => {
                let id = id.clone();
                trying(move || foundation.state().part(&id, &version)).await
            }
        };
        match read {
            Ok(resource) => Some(Versioned {
                revision,
                resource: Arc::unwrap_or_clone(resource),
            }),
            Err(reason) => {
                tracing::warn!(resource = %id, revision, reason, "an earlier version cannot be read");
                None
            }
        }
    }

    /// The applications that use a resource, each with those of its services that do.
    #[must_use]
    pub fn usage(&self, kind: ResourceKind, name: &str) -> BTreeMap<String, BTreeSet<String>> {
        let now = self.0.works.foundation.snapshot();
        uses::usage(now.resources(), &ResourceId::new(kind, name))
    }
}
