//! What is in force at one moment, as whoever reads it has it: nothing changes it, so nobody waits for a disk.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use aerolith_model::Resource;

use super::head::Head;
use super::history::{Deployment, History};
use super::{Change, Damaged, ResourceId, Version};
use crate::desired::Resources;

/// The desired state at one moment, all of it durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(super) head: Head,
    pub(super) resources: Resources,
    pub(super) histories: BTreeMap<String, Arc<History>>,
    pub(super) damaged: Vec<Damaged>,
}

/// Where the newest snapshot is found. It is exchanged once a change is durable, whoever reads an older one still.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published(Arc<Mutex<Arc<Snapshot>>>);

impl Published {
    pub(crate) fn newest(&self) -> Arc<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn exchange(&self, newer: Arc<Snapshot>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = newer;
    }
}

impl Snapshot {
    pub(crate) fn revision(&self) -> u64 {
        self.head.revision
    }

    pub(crate) fn resources(&self) -> &Resources {
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
    pub(crate) fn preview(&self, change: &Change) -> Resources {
        let mut resources = self.resources.clone();
        for id in &change.delete {
            resources.remove(id);
        }
        let put = change.put.iter();
        resources.extend(put.map(|resource| (ResourceId::of(resource), Arc::new(resource.clone()))));
        resources
    }

    /// The revision at which a resource came to be as it is.
    pub(crate) fn revision_of(&self, id: &ResourceId) -> Option<u64> {
        self.head.resources.get(id).map(|version| version.revision)
    }

    /// One version of a resource, if it is the one in force and can be read.
    pub(crate) fn loaded(&self, id: &ResourceId, version: &Version) -> Option<&Arc<Resource>> {
        let is_in_force = self.head.resources.get(id) == Some(version);
        self.resources.get(id).filter(|_| is_in_force)
    }

    /// The deployments of an application, newest first.
    pub(crate) fn history(&self, application: &str) -> &[Deployment] {
        self.histories.get(application).map_or(&[], |history| history.all())
    }

    /// The newest deployment, while nobody knows what comes of it.
    pub(crate) fn candidate(&self, application: &str) -> Option<&Deployment> {
        self.histories.get(application)?.candidate()
    }

    /// What is to run in a candidate's place, before it can or after it has failed: the newest good one, or where none was,
    /// the newest that was up.
    pub(crate) fn fallback(&self, application: &str) -> Option<&Deployment> {
        self.histories.get(application)?.fallback()
    }

    /// What was put back or would be, among those before the newest.
    pub(crate) fn before(&self, application: &str) -> Option<&Deployment> {
        self.histories.get(application)?.before()
    }

    /// The deployment that is to run: the newest, or after it has failed the fallback, where there is one.
    #[cfg(test)]
    pub(crate) fn wanted(&self, application: &str) -> Option<&Deployment> {
        self.histories.get(application)?.wanted()
    }

    /// Every version of a resource that is kept, by its revision.
    pub(crate) fn kept_versions(&self, id: &ResourceId) -> BTreeMap<u64, Version> {
        let deployments = self.histories.values().flat_map(|history| history.all());
        let parts = deployments.filter_map(|deployment| deployment.parts.get(id));
        let all = self.head.resources.get(id).into_iter().chain(parts);
        all.map(|version| (version.revision, version.clone())).collect()
    }

    /// Whether a deployment is made of what is in force.
    pub(crate) fn is_in_force(&self, deployment: &Deployment) -> bool {
        let mut parts = deployment.parts.iter();
        parts.all(|(id, version)| self.head.resources.get(id) == Some(version))
    }

    /// Every version that is in force or that a history names.
    pub(super) fn named(&self) -> HashSet<(&ResourceId, u64)> {
        let deployments = self.histories.values().flat_map(|history| history.all());
        let parts = deployments.flat_map(|deployment| &deployment.parts);
        let all = self.head.resources.iter().chain(parts);
        all.map(|(id, version)| (id, version.revision)).collect()
    }
}
