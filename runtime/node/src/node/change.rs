//! Changing the desired state: all of it is checked before any of it is stored.

use std::collections::BTreeSet;

use aerolith_model::{Resource, ResourceKind};
use aerolith_plan::{PlanError, Step};
use serde::Serialize;
use serde_json::json;

use super::Node;
use crate::desired::{Desired, Given, Resources, each};
use crate::durable::FileError;
use crate::foundation::Foundation;
use crate::state::{Change, ResourceId};
use crate::uses::users;

/// What an apply does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The revision in force; with a dry run the one that stays in force.
    pub revision: u64,
    /// The first steps towards it; others follow from how these come out.
    pub steps: Vec<PlannedStep>,
    /// The applications given, and those that use a configuration or a secret given, sorted.
    pub applications: Vec<String>,
}

/// One step, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// `prepare`, `stop`, `start` or `remove`.
    pub action: &'static str,
    /// The service or the instance.
    pub subject: String,
}

/// Why a change is refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// One resource is given twice.
    #[error("{0} is given twice: give each resource once")]
    Twice(ResourceId),
    /// Applications would not fit together with what they need.
    #[error(transparent)]
    Plan(#[from] Box<PlanError>),
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(ResourceId),
    /// Applications need it.
    #[error("{resource} is used by {}: delete or change {} first", list(.applications), list(.applications))]
    InUse {
        /// What was to be deleted.
        resource: ResourceId,
        /// Who uses it.
        applications: Vec<String>,
    },
    /// It could not be stored.
    #[error(transparent)]
    File(#[from] FileError),
    /// The thread that stores was lost; `get` tells what is in force.
    #[error("the thread that stores the state ended early: {0}")]
    Thread(String),
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("application `{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Node {
    /// Makes resources part of the desired state, all or none of them, durably; with `dry_run` only says what would
    /// be done. Driving towards it begins at once and goes on after this answers.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub async fn apply(&self, resources: Vec<Resource>, dry_run: bool) -> Result<Applied, ChangeError> {
        let mut ids = BTreeSet::new();
        if let Some(twice) = resources.iter().map(ResourceId::of).find(|id| !ids.insert(id.clone())) {
            return Err(ChangeError::Twice(twice));
        }
        let change = Change {
            put: resources,
            delete: Vec::new(),
        };
        let _wake = Waking(self);
        let given = self.change(change, dry_run).await?;
        let (revision, works) = (given.revision, &self.0.works);
        let known = works.board().desired.clone();
        let desired = Desired::of(given, &[], &known, &*works.preparer.plugins).await;
        let applications = concerned(&desired.resources, &ids);
        let steps = works.board().steps(&desired, &works.supervisor);
        if !dry_run {
            self.tell(&ids, "applied", revision);
        }
        Ok(Applied {
            revision,
            steps: steps.iter().map(PlannedStep::of).collect(),
            applications,
        })
    }

    /// Takes a resource out of the desired state, and answers the revision.
    ///
    /// # Errors
    /// [`ChangeError::InUse`] names the applications that need a configuration or a secret;
    /// [`ChangeError::NotFound`]. Nothing has changed then.
    pub async fn delete(&self, kind: ResourceKind, name: &str) -> Result<u64, ChangeError> {
        let id = ResourceId::new(kind, name);
        let change = Change {
            put: Vec::new(),
            delete: vec![id.clone()],
        };
        let _wake = Waking(self);
        let revision = self.change(change, false).await?.revision;
        self.tell(&BTreeSet::from([id]), "deleted", revision);
        Ok(revision)
    }

    async fn change(&self, change: Change, dry_run: bool) -> Result<Given, ChangeError> {
        let foundation = self.0.works.foundation.clone();
        let done = tokio::task::spawn_blocking(move || commit(&foundation, change, dry_run)).await;
        done.map_err(|e| ChangeError::Thread(e.to_string()))?
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

/// Sets the driver to work when a change is over, even where nobody waits for its end any more; not earlier, or the first
/// steps would be taken before they are told.
struct Waking<'a>(&'a Node);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl PlannedStep {
    fn of(step: &Step) -> Self {
        let (action, subject) = match step {
            Step::Prepare { service, .. } => ("prepare", service.to_string()),
            Step::Stop { run } => ("stop", run.instance.to_string()),
            Step::Start { run } => ("start", run.instance.to_string()),
            Step::Remove { service, .. } => ("remove", service.to_string()),
        };
        Self { action, subject }
    }
}

/// Checks and stores under one lock, so that nothing comes between. Blocks.
fn commit(foundation: &Foundation, change: Change, dry_run: bool) -> Result<Given, ChangeError> {
    let mut state = foundation.state();
    let users = users(state.resources());
    for id in &change.delete {
        if !state.knows(id) {
            return Err(ChangeError::NotFound(id.clone()));
        }
        if let Some(applications) = users.get(id) {
            return Err(ChangeError::InUse {
                resource: id.clone(),
                applications: applications.iter().cloned().collect(),
            });
        }
    }
    let after = state.preview(&change);
    let updates = foundation.0.settings.updates;
    let (_, before) = each(state.resources(), updates);
    let (_, failures) = each(&after, updates);
    let given = |name: &str| {
        change
            .put
            .iter()
            .any(|r| r.kind() == ResourceKind::Application && r.name() == name)
    };
    // What was broken before, as by a damaged file, does not stand in the way of anything else.
    let new = failures
        .into_iter()
        .find(|(name, _)| given(name) || !before.contains_key(name));
    if let Some((_, error)) = new {
        return Err(Box::new(error).into());
    }
    let put: BTreeSet<ResourceId> = change.put.iter().map(ResourceId::of).collect();
    let mut versions = state.revisions();
    let revision = if dry_run {
        versions.retain(|id, _| !put.contains(id));
        state.revision()
    } else {
        let revision = state.commit(change)?;
        versions = state.revisions();
        // Who applies the same again wants it tried again.
        for application in concerned(&after, &put) {
            state.retry(&application)?;
        }
        revision
    };
    Ok(Given {
        revision,
        versions,
        resources: after,
        updates,
    })
}

fn concerned(resources: &Resources, ids: &BTreeSet<ResourceId>) -> Vec<String> {
    let users = users(resources);
    let mut all = BTreeSet::new();
    for id in ids {
        match id.kind {
            ResourceKind::Application => drop(all.insert(id.name.clone())),
            _ => all.extend(users.get(id).into_iter().flatten().cloned()),
        }
    }
    all.into_iter().collect()
}
