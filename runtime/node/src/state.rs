//! The desired state on disk: one file per version of a resource, one history of deployments per application, and one
//! head that says which versions are in force.
//!
//! ```text
//! <folder>/head.json                          schema, revision, and per resource the revision and digest of its file
//! <folder>/<kind>/<name>@<revision>.json      one version, written before the head names it, never rewritten
//! <folder>/secret/<name>@<revision>.sealed    the same of a secret, which only the node's key opens
//! <folder>/history/<application>.json         its deployments, each of exact versions, and what came of them
//! <folder>/damaged/                           what could not be read, kept for people
//! ```
//!
//! The head's rename is the commit: before it nothing has changed, after it everything has. A deployment of a revision
//! above the head's was never made. Versions stay as long as the head or a history names them.

mod checked;
mod deployments;
mod error;
mod head;
mod history;
mod id;
mod open;
mod seal;
mod snapshot;
mod versions;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind};
use serde::Serialize;

use crate::durable::{self, FileError};
use history::History;
use versions::Versions;

pub use deployments::RollbackError;
pub use error::StateError;
pub(crate) use history::Deployment;
pub use history::Outcome;
pub use id::ResourceId;
pub(crate) use snapshot::{Published, Snapshot};
pub(crate) use versions::Version;

/// A file of the state that could not be read. Its resource is held: nothing of it is started, stopped or replaced until
/// it is applied again or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// What it held.
    pub resource: Option<ResourceId>,
    /// What is wrong with it, and where the file lies now.
    pub reason: String,
}

/// The desired state on disk, for the one who changes it or reads its files. It reads as its newest snapshot does. Every other
/// call blocks.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    versions: Versions,
    now: Arc<Snapshot>,
    published: Published,
    /// The files are as memory has it. They may not be after a commit that failed half-way.
    is_settled: bool,
}

/// What one transaction does. What is both put and deleted is put.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) put: Vec<Resource>,
    pub(crate) delete: Vec<ResourceId>,
}

/// Tells of an application's deployment of a revision whether all of it is up, and nothing speaks against it.
pub(crate) type IsUp<'a> = &'a dyn Fn(&str, u64) -> bool;

impl Deref for State {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.now
    }
}

impl State {
    /// Where readers find the newest snapshot, and wait for nobody.
    pub(crate) fn published(&self) -> Published {
        self.published.clone()
    }

    /// What fingerprints tell of secrets by. Without the node's key there are none to tell of.
    pub(crate) fn fingerprint_key(&self) -> [u8; 32] {
        self.versions.fingerprint_key().unwrap_or_default()
    }

    /// A commit where nothing runs.
    #[cfg(test)]
    pub(crate) fn commit(&mut self, change: Change) -> Result<u64, FileError> {
        self.commit_over(change, &|_, _| false)
    }

    /// Makes a change durable as one transaction, and answers the revision in force. A change that changes nothing
    /// makes no revision. Errors leave everything as it was.
    pub(crate) fn commit_over(&mut self, mut change: Change, is_up: IsUp<'_>) -> Result<u64, FileError> {
        let put: BTreeSet<ResourceId> = change.put.iter().map(ResourceId::of).collect();
        change.delete.retain(|id| self.knows(id) && !put.contains(id));
        change
            .put
            .retain(|resource| self.resources.get(&ResourceId::of(resource)).map(Arc::as_ref) != Some(resource));
        if change.put.is_empty() && change.delete.is_empty() {
            return Ok(self.head.revision);
        }
        let mut head = self.head.clone();
        head.revision += 1;
        for id in &change.delete {
            head.resources.remove(id);
        }
        let mut files = Vec::new();
        for resource in &change.put {
            let (version, path, bytes) = self.versions.encode(resource, head.revision)?;
            head.resources.insert(ResourceId::of(resource), version);
            files.push((path, bytes));
        }
        let resources = self.preview(&change);
        let mut deployed = self.deploy(&head, &resources, is_up);
        for (name, history) in &deployed {
            let path = self.history_path(name);
            files.push((path.clone(), checked::encode(history, &path)?));
        }
        self.store(|state| {
            durable::put_all(&files, 0o600)?;
            head.put(&state.folder)
        })?;
        deployed.values_mut().for_each(History::trim);
        let concerned = self.concerned(&change, &deployed);
        self.publish(|now| {
            (now.head, now.resources) = (head, resources);
            let deployed = deployed.into_iter().map(|(name, history)| (name, Arc::new(history)));
            now.histories.extend(deployed);
            for id in &change.delete {
                if id.kind == ResourceKind::Application {
                    now.histories.remove(&id.name);
                }
            }
            let still = |id: &ResourceId| !change.delete.contains(id) && !put.contains(id);
            now.damaged
                .retain(|damaged| damaged.resource.as_ref().is_some_and(still));
        });
        if let Err(error) = self.remove_unnamed(concerned, &change) {
            tracing::warn!(%error, "old versions of resources stay until the node is started again");
        }
        Ok(self.head.revision)
    }

    /// Takes up what is durable by now, and shows it to all readers at once.
    fn publish(&mut self, change: impl FnOnce(&mut Snapshot)) {
        change(self.now_mut());
        self.published.exchange(self.now.clone());
    }

    /// Changed, nobody sees it before it is published.
    fn now_mut(&mut self) -> &mut Snapshot {
        Arc::make_mut(&mut self.now)
    }

    /// Writes files, or as well as it can leaves them as they were: a rename that was not synced is one that a restart
    /// may find.
    fn store(&mut self, write: impl FnOnce(&Self) -> Result<(), FileError>) -> Result<(), FileError> {
        self.settle()?;
        self.is_settled = false;
        let written = write(self);
        match &written {
            Ok(()) => self.is_settled = true,
            Err(_) => {
                if let Err(error) = self.settle() {
                    tracing::error!(%error, "what failed to be stored may be there after a restart");
                }
            }
        }
        written
    }

    /// Makes the files again what memory has.
    fn settle(&mut self) -> Result<(), FileError> {
        if !self.is_settled {
            self.head.put(&self.folder)?;
            for (name, history) in &self.histories {
                self.put_history(name, history)?;
            }
            self.is_settled = true;
        }
        Ok(())
    }
}

fn to_json<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, FileError> {
    serde_json::to_vec_pretty(value).map_err(|e| FileError {
        action: "encode",
        path: path.into(),
        source: e.into(),
    })
}

#[cfg(test)]
mod tests;
