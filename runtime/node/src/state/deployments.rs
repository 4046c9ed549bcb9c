//! The history of deployments of each application: what is asked of it, and how it goes on.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use aerolith_model::{AppName, Application, Resource, ResourceKind};

use super::head::Head;
use super::history::{Deployment, History, Outcome};
use super::versions::Read;
use super::{Change, IsUp, ResourceId, State, Version, checked};
use crate::desired::Resources;
use crate::durable::{self, FileError, Survives};
use crate::rollout::Unkept;
use crate::time::now_ms;
use crate::uses::uses;

/// The folder of the histories.
pub(super) const HISTORY: &str = "history";

/// Why there is no going back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// There is no such application.
    #[error("there is no application `{0}`")]
    NoApplication(String),
    /// There is no such deployment.
    #[error("application `{application}` has no deployment of revision {revision}; there are: {}", list(.known))]
    NoDeployment {
        /// The application.
        application: String,
        /// The revision asked for.
        revision: u64,
        /// Those that are kept, newest first.
        known: Vec<u64>,
    },
    /// No earlier deployment was good.
    #[error(
        "application `{application}` has no earlier deployment that was good: say which of these is meant: {}",
        list(.known)
    )]
    NothingBefore {
        /// The application.
        application: String,
        /// The deployments that are kept, newest first.
        known: Vec<u64>,
    },
    /// A part of it cannot be read.
    #[error("the deployment of revision {revision} of application `{application}` cannot be put back: {reason}")]
    Unreadable {
        /// The application.
        application: String,
        /// The deployment.
        revision: u64,
        /// What is wrong with it.
        reason: String,
    },
}

fn list(revisions: &[u64]) -> String {
    let revisions: Vec<String> = revisions.iter().map(u64::to_string).collect();
    revisions.join(", ")
}

impl State {
    /// The resources of a deployment, exactly as they were. Errors: what is wrong with the first that cannot be read.
    pub(crate) fn parts(&self, deployment: &Deployment) -> Result<Resources, String> {
        let parts = deployment.parts.iter();
        parts
            .map(|(id, version)| Ok((id.clone(), self.part(id, version)?)))
            .collect()
    }

    /// One version of a resource. Errors: what is wrong with it.
    pub(crate) fn part(&self, id: &ResourceId, version: &Version) -> Result<Arc<Resource>, String> {
        if let Some(resource) = self.loaded(id, version) {
            return Ok(resource.clone());
        }
        match self.versions.read(id, version) {
            Ok(Read::Whole(resource)) => Ok(Arc::from(resource)),
            Ok(Read::Absent(reason) | Read::Damaged(reason) | Read::Locked(reason)) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }

    /// An attempt of a candidate begins, in this boot of the machine.
    pub(crate) fn attempt_begins(&mut self, application: &str, revision: u64, boot: &str) -> Result<(), FileError> {
        self.amend(application, |history| history.attempt_begins(revision, boot))?;
        Ok(())
    }

    /// Counts a failed attempt of a candidate, and answers what came of it. After the `most`th it has failed for good,
    /// but only where there is something to run in its place.
    pub(crate) fn attempt_failed(
        &mut self,
        application: &str,
        revision: u64,
        reason: String,
        most: u32,
    ) -> Result<Outcome, FileError> {
        let mut outcome = Outcome::Superseded;
        self.amend(application, |history| {
            outcome = history.attempt_failed(revision, reason, most);
            true
        })?;
        Ok(outcome)
    }

    /// A deployment is good: all of it was healthy.
    #[cfg(test)]
    pub(crate) fn succeeded(&mut self, application: &str, revision: u64) -> Result<(), FileError> {
        self.amend(application, |history| history.succeeded(revision))?;
        Ok(())
    }

    /// Keeps at once what came of attempts of a deployment.
    pub(crate) fn attempts_came_out(
        &mut self,
        application: &str,
        revision: u64,
        came: Unkept,
        most: u32,
    ) -> Result<(), FileError> {
        self.amend(application, |history| {
            for reason in came.failures {
                history.attempt_failed(revision, reason, most);
            }
            if let Some(reason) = came.hindrance {
                history.attempt_hindered(revision, reason);
            }
            if came.is_good {
                history.succeeded(revision);
            }
            true
        })?;
        Ok(())
    }

    /// Gives the newest deployment all of its attempts back; answers whether it had lost any.
    pub(crate) fn retry(&mut self, application: &str) -> Result<bool, FileError> {
        self.amend(application, History::retry)
    }

    /// Changes a history on disk and then in memory, when it is changed; answers whether it is.
    fn amend(&mut self, application: &str, change: impl FnOnce(&mut History) -> bool) -> Result<bool, FileError> {
        let Some(known) = self.histories.get(application).cloned() else {
            return Ok(false);
        };
        let mut history = History::clone(&known);
        let is_changed = change(&mut history);
        if is_changed && *known != history {
            self.store(|state| state.put_history(application, &history))?;
            self.publish(|now| drop(now.histories.insert(application.to_owned(), history.into())));
        }
        Ok(is_changed)
    }

    /// The change that puts the parts of an earlier deployment back in force: of the one of a revision, or of the good
    /// one before the newest. Others who share a part with it get a new deployment too.
    pub(crate) fn rollback(&self, application: &str, to: Option<u64>) -> Result<Change, RollbackError> {
        let known = || self.history(application).iter().map(|one| one.revision).collect();
        let history = self.histories.get(application);
        let history = history.ok_or_else(|| RollbackError::NoApplication(application.into()))?;
        let deployment = match to {
            Some(revision) => history.at(revision).ok_or_else(|| RollbackError::NoDeployment {
                application: application.into(),
                revision,
                known: known(),
            }),
            None => history.before().ok_or_else(|| RollbackError::NothingBefore {
                application: application.into(),
                known: known(),
            }),
        }?;
        let parts = self.parts(deployment).map_err(|reason| RollbackError::Unreadable {
            application: application.into(),
            revision: deployment.revision,
            reason,
        })?;
        Ok(Change {
            put: parts.into_values().map(Arc::unwrap_or_clone).collect(),
            delete: Vec::new(),
        })
    }

    /// The applications that preserve what they were deployed of, where a change leaves them so, each with the revision of its
    /// newest deployment.
    pub(crate) fn preserved(&self, change: &Change, after: &Resources) -> BTreeMap<AppName, u64> {
        let is_known = |it: &&Resource| {
            self.resources
                .get(&ResourceId::of(it))
                .is_some_and(|known| **known == **it)
        };
        let put = change.put.iter().filter(|it| !is_known(it));
        let changed: HashSet<ResourceId> = put.map(ResourceId::of).collect();
        let all = after.values().filter_map(|resource| resource.as_application());
        let preserving = all.filter(|application| application.preserve_updates);
        let preserved = preserving.filter_map(|application| {
            let newest = self.histories.get(application.name.as_str())?.newest()?;
            let mut ids = uses(application, after);
            ids.insert(id(application.name.as_str()));
            ids.retain(|id| after.contains_key(id) || self.knows(id) && !change.delete.contains(id));
            let version = |id| self.head.resources.get(id).filter(|_| !changed.contains(id));
            let parts = ids.iter().map(|id| (id, version(id))).collect();
            (!is_deployed(Some(newest), application, &parts)).then(|| (application.name.clone(), newest.revision))
        });
        preserved.collect()
    }

    /// The histories that a new head changes: a new deployment of every application of which a part is another.
    pub(super) fn deploy(&self, head: &Head, resources: &Resources, is_up: IsUp<'_>) -> BTreeMap<String, History> {
        let at_ms = now_ms();
        let mut deployed = BTreeMap::new();
        for application in applications(head, resources) {
            let name = application.name.as_str();
            let history = self.histories.get(name).map(Arc::as_ref);
            let parts = parts(application, head, resources);
            let versions = parts.iter().map(|(id, version)| (id, Some(version)));
            if is_deployed(history.and_then(|it| it.newest()), application, &versions.collect()) {
                let mut history = history.cloned().unwrap_or_default();
                let deployment = Deployment::new(head.revision, at_ms, parts);
                history.deploy(deployment, |candidate| is_up(name, candidate));
                deployed.insert(name.to_owned(), history);
            }
        }
        deployed
    }

    /// What is in force of an application, as its only deployment: for where no history says more.
    pub(super) fn in_force(&self, name: &str) -> History {
        let parts = match self.resources.get(&id(name)).and_then(|it| it.as_application()) {
            Some(application) => parts(application, &self.head, &self.resources),
            None => self
                .head
                .resources
                .get_key_value(&id(name))
                .into_iter()
                .map(owned)
                .collect(),
        };
        let newest = parts.values().map(|version| version.revision).max();
        let mut history = History::default();
        let deployment = Deployment::new(newest.unwrap_or_default(), now_ms(), parts).good();
        history.deploy(deployment, |_| false);
        history
    }

    pub(super) fn history_path(&self, application: &str) -> PathBuf {
        self.folder.join(HISTORY).join(format!("{application}.json"))
    }

    pub(super) fn put_history(&self, application: &str, history: &History) -> Result<(), FileError> {
        let path = self.history_path(application);
        durable::put(&path, &checked::encode(history, &path)?, 0o600, Survives::PowerCut)
    }

    /// The versions that a change may leave without a name.
    pub(super) fn concerned(&self, change: &Change, deployed: &BTreeMap<String, History>) -> Vec<(ResourceId, u64)> {
        let put: Vec<ResourceId> = change.put.iter().map(ResourceId::of).collect();
        let changed = put.iter().chain(&change.delete);
        let in_force = changed.clone().filter_map(|id| self.head.resources.get_key_value(id));
        let names = changed
            .filter(|id| id.kind == ResourceKind::Application)
            .map(|id| &id.name);
        let histories = names.chain(deployed.keys()).filter_map(|name| self.histories.get(name));
        let parts = histories
            .flat_map(|history| history.all())
            .flat_map(|deployment| &deployment.parts);
        let all = in_force.chain(parts);
        all.map(|(id, version)| (id.clone(), version.revision)).collect()
    }

    /// Removes those of these versions that nothing names any more, and the histories of what was deleted. Whatever else
    /// there may be is swept when the state is opened.
    pub(super) fn remove_unnamed(&self, versions: Vec<(ResourceId, u64)>, change: &Change) -> Result<(), FileError> {
        let named = self.named();
        for (id, revision) in versions {
            if !named.contains(&(&id, revision)) {
                durable::remove(&self.versions.path(&id, revision))?;
            }
        }
        let applications = change.delete.iter().filter(|id| id.kind == ResourceKind::Application);
        applications
            .map(|id| self.history_path(&id.name))
            .try_for_each(|path| durable::remove(&path))
    }
}

fn id(application: &str) -> ResourceId {
    ResourceId::new(ResourceKind::Application, application)
}

fn owned((id, version): (&ResourceId, &Version)) -> (ResourceId, Version) {
    (id.clone(), version.clone())
}

/// The applications that can be read.
fn applications<'a>(head: &'a Head, resources: &'a Resources) -> impl Iterator<Item = &'a Application> {
    let known = head.resources.keys().filter_map(|id| resources.get(id));
    known.filter_map(|resource| resource.as_application())
}

/// Whether a new deployment is made of an application, which commits and previews ask alike. Of each of its parts there is
/// the version, or nothing where it would be a new one. Pure.
fn is_deployed(
    newest: Option<&Deployment>,
    application: &Application,
    parts: &BTreeMap<&ResourceId, Option<&Version>>,
) -> bool {
    let Some(newest) = newest else {
        return true;
    };
    let is_same =
        |(id, version): (&&ResourceId, &Option<&Version>)| version.is_some_and(|it| newest.parts.get(*id) == Some(it));
    let own = id(application.name.as_str());
    let is_itself_same = parts.get_key_value(&own).is_some_and(is_same);
    let are_all_same = || newest.parts.len() == parts.len() && parts.iter().all(is_same);
    !(is_itself_same && application.preserve_updates || are_all_same())
}

/// The versions of an application and of all that it uses and that is in force.
fn parts(application: &Application, head: &Head, resources: &Resources) -> BTreeMap<ResourceId, Version> {
    let mut ids = uses(application, resources);
    ids.insert(id(application.name.as_str()));
    ids.iter()
        .filter_map(|id| head.resources.get_key_value(id).map(owned))
        .collect()
}
