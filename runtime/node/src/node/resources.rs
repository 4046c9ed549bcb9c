//! Resources as they are desired, and as they were: looking, and who uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind};

use super::Node;
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
        let state = self.0.works.foundation.state();
        let revisions = state.revisions();
        let mine = state.resources().iter().filter(|(id, _)| id.kind == kind);
        let all = mine.map(|(id, resource)| Versioned {
            revision: revisions.get(id).copied().unwrap_or_default(),
            resource: Resource::clone(resource),
        });
        all.collect()
    }

    /// One resource, as applied.
    #[must_use]
    pub fn get(&self, kind: ResourceKind, name: &str) -> Option<Resource> {
        let id = ResourceId::new(kind, name);
        self.0
            .works
            .foundation
            .state()
            .resources()
            .get(&id)
            .map(|it| Resource::clone(it))
    }

    /// The revisions of a resource that are kept, newest first: the one in force, and those that deployments are made of.
    #[must_use]
    pub fn revisions(&self, kind: ResourceKind, name: &str) -> Vec<u64> {
        let id = ResourceId::new(kind, name);
        self.0
            .works
            .foundation
            .state()
            .kept_versions(&id)
            .into_keys()
            .rev()
            .collect()
    }

    /// One version of a resource, where it is kept and can be read; the one in force unless said.
    #[must_use]
    pub fn version(&self, kind: ResourceKind, name: &str, revision: Option<u64>) -> Option<Versioned> {
        let id = ResourceId::new(kind, name);
        let state = self.0.works.foundation.state();
        let revision = revision.or_else(|| state.revisions().get(&id).copied())?;
        let version = state.kept_versions(&id).remove(&revision)?;
        match state.part(&id, &version) {
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
        let state = self.0.works.foundation.state();
        uses::usage(state.resources(), &ResourceId::new(kind, name))
    }
}
