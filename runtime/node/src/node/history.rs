//! What was deployed of an application: looking, going back, trying again.

use std::collections::BTreeSet;
use std::sync::Arc;

use aerolith_model::{AppName, ResourceKind};
use aerolith_plan::{InstanceId, RunId};
use serde::Serialize;

use super::Node;
use super::change::{Applied, ChangeError, Waking};
use crate::blocking::{LostThread, blocking};
use crate::durable::FileError;
use crate::state::{Deployment, Outcome, ResourceId, State};
use crate::supervise::Phase;

/// One deployment of an application, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The revision that made it.
    pub revision: u64,
    /// Milliseconds since 1970 at which it was made.
    pub at_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// Why the last attempt failed; empty where none did.
    pub reason: String,
    /// The parts in which it differs from the one before it, of the oldest that is kept all of them.
    pub changed: Vec<ResourceId>,
}

/// Why nothing can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// No application, service or instance has this name.
    #[error("there is no application, service or instance `{0}`")]
    NotFound(String),
    /// It could not be noted.
    #[error(transparent)]
    File(#[from] FileError),
    /// The thread that stores was lost.
    #[error(transparent)]
    Thread(#[from] LostThread),
}

impl Node {
    /// The deployments of an application, newest first; nothing where there is no such application.
    #[must_use]
    pub fn history(&self, application: &str) -> Option<Vec<Deployed>> {
        let mut all = deployed(self.0.works.foundation.snapshot().history(application));
        let newest = all.first_mut()?;
        // With nothing to go back to it is tried for as long as anything is, and has failed once nothing is.
        if newest.outcome == Outcome::Pending
            && let Some(reason) = self.given_up(application, newest.revision)
        {
            (newest.outcome, newest.attempts, newest.reason) = (Outcome::Failed, newest.attempts.max(1), reason);
        }
        Some(all)
    }

    /// Why nothing more is tried for the newest deployment of an application, if it has none before it to go back to.
    fn given_up(&self, application: &str, revision: u64) -> Option<String> {
        let works = &self.0.works;
        let name: AppName = application.parse().ok()?;
        let wanted = {
            let board = works.board();
            let course = board.courses.get(&name)?;
            let is_it = course.revision == revision && !course.is_open();
            course.candidate.generations.get(&name).filter(|_| is_it)?.clone()
        };
        let is_wanted = |run: &RunId| wanted.get(&run.instance.service).is_some_and(|goal| goal.wants(run));
        let watched = works.supervisor.all();
        let mut failed = watched.iter().filter(|watched| is_wanted(&watched.run));
        failed.find_map(|watched| {
            let view = watched.view();
            (view.phase == Phase::Failed).then(|| format!("{}: {}", watched.run.instance, view.reason))
        })
    }

    /// Puts the parts of an earlier deployment back in force, as a new revision: of the one of a revision, or of the good
    /// one before the newest.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub async fn rollback(&self, application: &str, to: Option<u64>) -> Result<Applied, ChangeError> {
        let name = application.to_owned();
        let back = move |state: &State| Ok(state.rollback(&name, to)?);
        let wake = Arc::new(Waking(self.clone()));
        let done = self.change(back, false, wake.clone()).await?;
        let given = BTreeSet::from([ResourceId::new(ResourceKind::Application, application)]);
        self.follow(done, &given, false).await
    }

    /// Lets what has failed or waits for its next try be tried at once, as if it had never failed: the newest deployment of an
    /// application and its instances, those of one of its services, or one instance. Answers whether there was something.
    ///
    /// # Errors
    /// [`RetryError`]
    pub async fn retry(&self, target: &str) -> Result<bool, RetryError> {
        if self.history(target).is_none() {
            let supervisor = &self.0.works.supervisor;
            let is_it = |id: &InstanceId| id.to_string() == target || id.service.to_string() == target;
            return match supervisor.all().iter().any(|watched| is_it(&watched.run.instance)) {
                true => Ok(supervisor.retry(is_it) > 0),
                false => Err(RetryError::NotFound(target.to_owned())),
            };
        }
        // All of it is done where it goes on though nobody waits for its end any more.
        let (node, name) = (self.clone(), target.to_owned());
        blocking(move || {
            let wake = Waking(node);
            let node = &wake.0;
            let retried = node.0.works.foundation.state().retry(&name)?;
            let forgotten = {
                let mut board = node.0.works.board();
                let course = board.courses.get_mut(name.as_str());
                course.and_then(|course| course.unkept.take()).is_some()
            };
            Ok(node.try_again(&[name]) || retried || forgotten)
        })
        .await?
    }

    /// Starts at once what has failed of applications or waits for its next start; answers whether there was something.
    pub(super) fn try_again(&self, applications: &[String]) -> bool {
        let names: BTreeSet<&str> = applications.iter().map(String::as_str).collect();
        let is_concerned = |id: &InstanceId| names.contains(id.service.application.as_str());
        self.0.works.supervisor.retry(is_concerned) > 0
    }
}

fn deployed(all: &[Deployment]) -> Vec<Deployed> {
    let shown = all.iter().enumerate().map(|(index, one)| Deployed {
        revision: one.revision,
        at_ms: one.at_ms,
        outcome: one.outcome,
        attempts: one.attempts,
        reason: one.reason.clone(),
        changed: changed(all.get(index + 1), one),
    });
    shown.collect()
}

/// The parts that are other than before, or are no more.
fn changed(before: Option<&Deployment>, now: &Deployment) -> Vec<ResourceId> {
    let were = before.map(|before| &before.parts);
    let old = were.into_iter().flat_map(|parts| parts.keys());
    let ids: BTreeSet<&ResourceId> = now.parts.keys().chain(old).collect();
    let differs = |id: &&ResourceId| were.and_then(|parts| parts.get(*id)) != now.parts.get(*id);
    ids.into_iter().filter(differs).cloned().collect()
}
