//! Changing the desired state: all of it is checked before any of it is stored.

mod error;
mod fitting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aerolith_model::{AppName, Object, Resource, ResourceKind};
use serde::Serialize;
use serde_json::json;

use super::Node;
use super::steps::{PlannedStep, planned};
use crate::blocking::blocking;
use crate::desired::{Desired, Given, Known};
use crate::difference::{Action, ApplicationChange, ResourceChange, difference, resources};
use crate::driver::Works;
use crate::state::{Change, Outcome, ResourceId, State};
use crate::supervise::Phase;
use crate::uses::{Users, users};

pub use error::{ChangeError, Misfit, Unfit};
use fitting::misfits;

/// What an apply does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The revision in force; with a dry run the one that stays in force.
    pub revision: u64,
    /// The first steps towards it for the applications below; others follow from how these come out.
    pub steps: Vec<PlannedStep>,
    /// The applications given, and those that use a configuration or a secret given, sorted.
    pub applications: Vec<String>,
    /// Those of them that stand failed or rolled back and of which nothing differs: only a retry tries them again.
    pub failed: Vec<String>,
    /// The resources that differ from what was in force.
    pub resources: Vec<ResourceChange>,
    /// With a dry run what would become of every application that differs, and of those above.
    pub changes: Vec<ApplicationChange>,
}

impl Node {
    /// Makes resources part of the desired state, all or none of them, durably; with `dry_run` only says what would
    /// be done. Driving towards it begins at once and goes on after this answers. What has failed of applications that
    /// differ is tried again; content that is the same changes nothing, so that it may be applied over and over.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub async fn apply(&self, resources: Vec<Resource>, dry_run: bool) -> Result<Applied, ChangeError> {
        self.put(resources, dry_run, |_, _| Vec::new()).await
    }

    /// Makes resources all of the desired state: what is not among them is deleted, in the same transaction.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub async fn replace(&self, resources: Vec<Resource>, dry_run: bool) -> Result<Applied, ChangeError> {
        self.put(resources, dry_run, others).await
    }

    async fn put(
        &self,
        resources: Vec<Resource>,
        dry_run: bool,
        deleted: fn(&State, &BTreeSet<ResourceId>) -> Vec<ResourceId>,
    ) -> Result<Applied, ChangeError> {
        let mut ids = BTreeSet::new();
        if let Some(twice) = resources.iter().map(ResourceId::of).find(|id| !ids.insert(id.clone())) {
            return Err(ChangeError::Twice(twice));
        }
        let given = ids.clone();
        let change = move |state: &State| {
            Ok(Change {
                delete: deleted(state, &given),
                put: resources,
            })
        };
        let wake = Arc::new(Waking(self.clone()));
        let done = self.change(change, dry_run, wake.clone()).await?;
        self.follow(done, &ids, dry_run).await
    }

    /// What follows from a change, once the driver has been told.
    pub(super) async fn follow(
        &self,
        done: Done,
        given: &BTreeSet<ResourceId>,
        dry_run: bool,
    ) -> Result<Applied, ChangeError> {
        let works = &self.0.works;
        let plugins = &*works.preparer.plugins;
        let resources = resources(&done.before.resources, &done.after.resources);
        let removed: BTreeSet<ResourceId> = of_action(&resources, Action::Removed).collect();
        let before = works.board().desired.clone();
        let known = Known {
            desired: &[&before],
            is_old: false,
            engines: &before.engines,
        };
        let desired = Desired::of(done.after, &[], known, plugins).await;
        let desired = desired.hold_refused(&works.preparer.rules);
        let desired = works.board().preserving(desired, &done.preserved.1);
        let mut applications = concerned(&done.users, given);
        applications.extend(names(&removed));
        let differing = concerned(
            &done.users,
            &resources.iter().map(|change| change.resource.clone()).collect(),
        );
        let failed = self.failed(&applications, &differing);
        let mut changes = Vec::new();
        if dry_run {
            let before = Desired::of(done.before, &[], known, plugins).await;
            let before = works.board().preserving(before, &done.preserved.0);
            let stays = |name: &AppName| done.preserved.1.contains_key(name);
            changes = difference(&before, &desired, &applications, &stays, &|object| self.has(object));
        } else {
            self.tell(given, "applied", done.revision);
            self.tell(&removed, "deleted", done.revision);
            self.try_again(&differing);
        }
        let steps = works.board().look(&desired, &works.supervisor).steps;
        Ok(Applied {
            revision: done.revision,
            steps: planned(&steps, &applications),
            applications,
            failed,
            resources,
            changes,
        })
    }

    /// Those of applications that stand failed, but for those that differ.
    fn failed(&self, applications: &[String], differing: &[String]) -> Vec<String> {
        let (now, watched) = (self.0.works.foundation.snapshot(), self.0.works.supervisor.all());
        let is_rolled_back = |name: &str| {
            let newest = now.history(name).first();
            newest.is_some_and(|newest| newest.outcome == Outcome::Failed)
        };
        let has_failed = |name: &str| {
            let mut all = watched.iter();
            all.any(|one| one.run.instance.service.application.as_str() == name && one.view().phase == Phase::Failed)
        };
        let same = applications.iter().filter(|name| !differing.contains(name));
        same.filter(|name| is_rolled_back(name) || has_failed(name))
            .cloned()
            .collect()
    }

    /// Whether the file of an object is in the store already.
    fn has(&self, object: &Object) -> bool {
        let digest = object.sha256.as_ref().map(|sha256| sha256.as_str().parse());
        let found = digest
            .and_then(Result::ok)
            .map(|digest| self.0.works.preparer.store.blob(&digest));
        matches!(found, Some(Ok(Some(_))))
    }

    /// Takes a resource out of the desired state, and answers the revision.
    ///
    /// # Errors
    /// [`Unfit::InUse`] names the applications that need a configuration or a secret;
    /// [`ChangeError::NotFound`]. Nothing has changed then.
    pub async fn delete(&self, kind: ResourceKind, name: &str) -> Result<u64, ChangeError> {
        let id = ResourceId::new(kind, name);
        let deleted = id.clone();
        let change = |_: &State| {
            Ok(Change {
                put: Vec::new(),
                delete: vec![deleted],
            })
        };
        let wake = Arc::new(Waking(self.clone()));
        let done = self.change(change, false, wake.clone()).await?;
        self.tell(&BTreeSet::from([id]), "deleted", done.revision);
        Ok(done.revision)
    }

    /// Makes a change of the state as it is by then, and wakes the driver when that is over though nobody waits for it. What it
    /// supersedes must be known by then, or nobody could tell whether that was up.
    pub(super) async fn change(
        &self,
        change: impl FnOnce(&State) -> Result<Change, ChangeError> + Send + 'static,
        dry_run: bool,
        wake: Arc<Waking>,
    ) -> Result<Done, ChangeError> {
        let works = self.0.works.clone();
        self.0.begun.clone().wait_for(|begun| *begun).await.ok();
        let commit = move || {
            let _wake = wake;
            commit(&works, change, dry_run)
        };
        blocking(commit).await?
    }

    fn tell(&self, ids: &BTreeSet<ResourceId>, what: &str, revision: u64) {
        for id in ids {
            let kind = if id.kind == ResourceKind::Application {
                "app"
            } else {
                id.kind.as_str()
            };
            self.bus()
                .tell(format!("{kind}/{}/{what}", id.name), json!({"revision": revision}));
        }
    }
}

/// Sets the driver to work when the last who has it is done: whoever makes a change and whoever tells of it. Not earlier, or
/// the first steps would be taken before they are told.
pub(super) struct Waking(pub(super) Node);

impl Drop for Waking {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// A change that was made, or would be.
pub(super) struct Done {
    pub(super) revision: u64,
    before: Given,
    after: Given,
    /// Who uses what, after it.
    users: Users,
    /// Before and after, the applications that preserve what they were deployed of, with the revisions that deployed them.
    preserved: (BTreeMap<AppName, u64>, BTreeMap<AppName, u64>),
}

/// Checks and stores under one lock, so that nothing comes between. Blocks.
fn commit(
    works: &Works,
    change: impl FnOnce(&State) -> Result<Change, ChangeError>,
    dry_run: bool,
) -> Result<Done, ChangeError> {
    let mut state = works.foundation.state();
    let change = change(&state)?;
    let updates = works.foundation.0.settings.updates;
    let given = |state: &State, resources| Given {
        revision: state.revision(),
        versions: state.revisions(),
        resources,
        updates,
        fingerprints: works.fingerprints.clone(),
    };
    let (before, resources) = (given(&state, state.resources().clone()), state.preview(&change));
    let put: BTreeSet<ResourceId> = change.put.iter().map(ResourceId::of).collect();
    let preserved = (
        state.preserved(&Change::default(), state.resources()),
        state.preserved(&change, &resources),
    );
    let users = users(&resources);
    let concerned = concerned(&users, &put);
    if let Some(unknown) = change.delete.iter().find(|id| !state.knows(id)) {
        return Err(ChangeError::NotFound(unknown.clone()));
    }
    let misfits = misfits(
        &works.preparer.rules,
        &change,
        &users,
        (&put, &concerned),
        (&before, &resources),
    );
    if !misfits.is_empty() {
        return Err(ChangeError::Unfit(misfits));
    }
    let mut after = given(&state, resources);
    if dry_run {
        after.versions.retain(|id, _| !put.contains(id));
    } else {
        let is_up = |name: &str, revision| works.board().is_up(name, revision, &works.supervisor);
        state.commit_over(change, &is_up)?;
        after = given(&state, state.resources().clone());
    }
    Ok(Done {
        revision: after.revision,
        before,
        after,
        users,
        preserved,
    })
}

/// Everything in force but the given.
fn others(state: &State, given: &BTreeSet<ResourceId>) -> Vec<ResourceId> {
    let all = state.revisions().into_keys();
    all.filter(|id| !given.contains(id)).collect()
}

fn of_action(changes: &[ResourceChange], action: Action) -> impl Iterator<Item = ResourceId> {
    let found = changes.iter().filter(move |change| change.action == action);
    found.map(|change| change.resource.clone())
}

/// The names of the applications among resources.
fn names(ids: &BTreeSet<ResourceId>) -> impl Iterator<Item = String> {
    let applications = ids.iter().filter(|id| id.kind == ResourceKind::Application);
    applications.map(|id| id.name.clone())
}

/// The applications among resources, and those that use one of them.
fn concerned(users: &Users, ids: &BTreeSet<ResourceId>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for id in ids {
        match id.kind {
            ResourceKind::Application => drop(all.insert(id.name.clone())),
            _ => all.extend(users.get(id).into_iter().flatten().cloned()),
        }
    }
    all.into_iter().collect()
}
