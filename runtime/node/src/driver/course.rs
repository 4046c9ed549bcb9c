//! Leads each application from one version to the next: what its history says is taken up, and what comes of it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::AppName;
use aerolith_plan::{RunId, Step, Verdict, verdict};
use serde_json::json;
use tokio::time::Instant;

use super::Driver;
use crate::desired::{Desired, Given};
use crate::durable::FileError;
use crate::prepare::blocking;
use crate::rollout::{Course, Earlier, MOST_ATTEMPTS, PAUSE, Progress};
use crate::state::{Deployment, Outcome, State};

/// What a history says that is not known yet.
struct Read {
    name: AppName,
    revision: u64,
    progress: Progress,
    /// What it is made of, where that is not what is in force.
    candidate: Option<Result<Given, String>>,
    before: Option<(u64, Option<Result<Given, String>>)>,
}

/// What was found of a candidate.
struct Finding {
    name: AppName,
    revision: u64,
    failed: Option<String>,
}

const CUT_OFF: &str = "the machine was restarted while it was tried";

impl Driver {
    /// Takes up how far the deployments of each application have come; answers whether something is another than before.
    pub(super) async fn read_courses(&self, is_fresh: bool) -> bool {
        let known = self.known_courses();
        let names: Vec<AppName> = {
            let (state, board) = (self.works.foundation.state(), self.works.board());
            let names = board.desired.generations.keys();
            let is_known = |name: &&AppName| {
                let newest = state.history(name.as_str()).first();
                newest.map(|newest| (newest.revision, Progress::of(newest)))
                    == known
                        .get(*name)
                        .map(|(revision, progress, _)| (*revision, progress.clone()))
            };
            names.filter(|name| is_fresh || !is_known(name)).cloned().collect()
        };
        if names.is_empty() && !is_fresh {
            return false;
        }
        let works = self.works.clone();
        let read = blocking(move || {
            let updates = works.foundation.0.settings.updates;
            let mut state = works.foundation.state();
            let mut read = Vec::new();
            for name in names {
                if let Err(error) = cut_off(&mut state, &name, works.boot()) {
                    tracing::warn!(application = %name, %error, "an attempt that was cut off is not counted");
                }
                let earlier = known.get(&name).and_then(|(_, _, before)| *before);
                read.extend(look(&state, name, earlier, &|deployment| {
                    given(&state, deployment, updates)
                }));
            }
            read
        });
        match read.await {
            Ok(read) => self.take_courses(read, is_fresh).await,
            Err(error) => tracing::error!(%error, "the histories of the applications cannot be read"),
        }
        true
    }

    fn known_courses(&self) -> BTreeMap<AppName, (u64, Progress, Option<u64>)> {
        let board = self.works.board();
        let known = board.courses.iter().map(|(name, course)| {
            let before = course.before.as_ref().map(|before| before.revision);
            (name.clone(), (course.revision, course.progress.clone(), before))
        });
        known.collect()
    }

    async fn take_courses(&self, read: Vec<Read>, is_fresh: bool) {
        let head = self.works.board().desired.clone();
        let mut courses = BTreeMap::new();
        for Read {
            name,
            revision,
            progress,
            candidate,
            before,
        } in read
        {
            let candidate = match candidate {
                None => None,
                Some(given) => self.build(&name, given, &head).await,
            };
            let before = match before {
                Some((revision, Some(given))) => self
                    .build(&name, given, &head)
                    .await
                    .map(|desired| Earlier { revision, desired }),
                Some((_, None)) => self
                    .works
                    .board()
                    .courses
                    .get(&name)
                    .and_then(|course| course.before.clone()),
                None => None,
            };
            let candidate = candidate.unwrap_or_else(|| head.clone());
            let course = Course::new(name.as_str(), revision, progress, candidate, before);
            courses.insert(name, course);
        }
        let mut board = self.works.board();
        for (name, course) in &mut courses {
            let known = board
                .courses
                .get(name)
                .filter(|known| known.revision == course.revision);
            // A retry that somebody asks for is made at once.
            let goes_on = known.filter(|known| known.progress.attempts <= course.progress.attempts);
            course.again_at = goes_on.and_then(|known| known.again_at);
        }
        if is_fresh {
            board.courses = courses;
        } else {
            board.courses.extend(courses);
        }
    }

    /// Errors are of a damaged disk: what is in force is taken instead, or there is nothing to go back to.
    async fn build(&self, name: &AppName, given: Result<Given, String>, head: &Desired) -> Option<Arc<Desired>> {
        match given {
            Ok(given) => Some(Arc::new(
                Desired::of(given, &[], head, &*self.works.preparer.plugins).await,
            )),
            Err(reason) => {
                tracing::error!(application = %name, reason, "an earlier deployment cannot be read");
                None
            }
        }
    }

    /// Keeps on disk that something new is tried, before it is: what takes the machine down with it is tried no third time.
    pub(super) async fn begin_attempts(&self, steps: &[Step]) {
        let begun: Vec<(AppName, u64)> = {
            let board = self.works.board();
            let is_begun = |name: &AppName, course: &Course| {
                course.is_open() && course.progress.tried_in.as_deref() != Some(self.works.boot()) && {
                    let fallback = course.fallback(name);
                    let is_new = |run: &RunId| {
                        let before = fallback.as_ref().and_then(|it| it.get(&run.instance.service));
                        run.instance.service.application == *name && before.is_none_or(|goal| !goal.wants(run))
                    };
                    steps
                        .iter()
                        .any(|step| matches!(step, Step::Start { run } if is_new(run)))
                }
            };
            let courses = board.courses.iter().filter(|(name, course)| is_begun(name, course));
            courses.map(|(name, course)| (name.clone(), course.revision)).collect()
        };
        if begun.is_empty() {
            return;
        }
        let (works, names) = (self.works.clone(), begun.clone());
        let kept = blocking(move || {
            let mut state = works.foundation.state();
            let mut names = names.iter();
            names.try_for_each(|(name, revision)| state.attempt_begins(name.as_str(), *revision, works.boot()))
        });
        if let Err(error) = kept.await.and_then(|kept| kept.map_err(Into::into)) {
            tracing::warn!(%error, "an update that takes the machine down will be tried again");
        }
        let mut board = self.works.board();
        for (name, _) in begun {
            if let Some(course) = board.courses.get_mut(&name) {
                course.progress.tried_in = Some(self.works.boot().to_owned());
            }
        }
    }

    /// Judges every candidate, and keeps what comes of it; answers whether something did.
    pub(super) async fn conclude(&self, now: Instant) -> bool {
        let findings = self.findings(now);
        let mut is_concluded = false;
        for finding in findings {
            let works = self.works.clone();
            let (name, revision, failed) = (finding.name.clone(), finding.revision, finding.failed.clone());
            let kept = blocking(move || {
                let mut state = works.foundation.state();
                keep(&mut state, &name, revision, failed)
            });
            match kept.await.and_then(|kept| kept.map_err(Into::into)) {
                Ok(progress) => {
                    self.concluded(&finding, progress, now);
                    is_concluded = true;
                }
                Err(error) => {
                    tracing::error!(application = %finding.name, %error, "what came of an update cannot be kept");
                    // What has failed is taken back all the same.
                    if let (Some(_), Some(course)) =
                        (&finding.failed, self.works.board().courses.get_mut(&finding.name))
                    {
                        course.again_at = Some(now + PAUSE);
                        is_concluded = true;
                    }
                }
            }
        }
        is_concluded
    }

    fn findings(&self, now: Instant) -> Vec<Finding> {
        let board = self.works.board();
        let is_open = |(name, course): &(&AppName, &Course)| {
            course.progress.outcome == Outcome::Pending && !board.desired.held.contains_key(name.as_str())
        };
        let open: Vec<_> = board.courses.iter().filter(is_open).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let seen = self.works.supervisor.seen();
        let finding = |(name, course): (&AppName, &Course)| {
            let target = course.target(name, now)?;
            let failed = match verdict(&target, &seen) {
                Verdict::Good => None,
                // Without anything to go back to, supervision goes on.
                Verdict::Failed { run } if target.fallback.is_some() => Some(self.words(&run)),
                Verdict::Failed { .. } | Verdict::Ongoing => return None,
            };
            Some(Finding {
                name: name.clone(),
                revision: course.revision,
                failed,
            })
        };
        open.into_iter().filter_map(finding).collect()
    }

    fn words(&self, run: &RunId) -> String {
        let watched = self.works.supervisor.all();
        let view = watched
            .iter()
            .find(|watched| watched.run == *run)
            .map(|watched| watched.view());
        let reason = view.map(|view| match view.trial_reason.is_empty() {
            true => view.reason,
            false => view.trial_reason,
        });
        format!("{}: {}", run.instance, reason.unwrap_or_default())
    }

    fn concluded(&self, finding: &Finding, progress: Progress, now: Instant) {
        let (name, revision, bus) = (&finding.name, finding.revision, self.works.foundation.bus());
        let mut board = self.works.board();
        let Some(course) = board.courses.get_mut(name) else {
            return;
        };
        course.progress = progress;
        let Some(reason) = &finding.failed else {
            tracing::info!(application = %name, revision, "a deployment is good");
            return bus.tell(format!("app/{name}/deployed"), json!({"revision": revision}));
        };
        course.again_at = Some(now + PAUSE);
        let attempts = course.progress.attempts;
        tracing::error!(application = %name, revision, attempts, reason, "a deployment failed; what was good before is put back");
        let data = json!({"revision": revision, "reason": reason, "attempts": attempts});
        bus.tell(format!("app/{name}/takenback"), data.clone());
        if course.progress.outcome == Outcome::Failed {
            bus.tell(format!("app/{name}/rolledback"), data);
        }
    }
}

/// Counts the attempt that another boot began and nobody ended. Blocks.
fn cut_off(state: &mut State, name: &AppName, boot: &str) -> Result<(), FileError> {
    let Some(newest) = state.candidate(name.as_str()) else {
        return Ok(());
    };
    let is_cut_off = newest.tried_in.as_deref().is_some_and(|tried_in| tried_in != boot);
    if is_cut_off && state.fallback(name.as_str()).is_some() {
        let revision = newest.revision;
        state.attempt_failed(name.as_str(), revision, CUT_OFF.into(), MOST_ATTEMPTS)?;
        tracing::warn!(application = %name, revision, "an update was cut off");
    }
    Ok(())
}

/// What the history of an application says. `earlier` is the good deployment that is known already. Blocks.
fn look(
    state: &State,
    name: AppName,
    earlier: Option<u64>,
    given: &dyn Fn(&Deployment) -> Result<Given, String>,
) -> Option<Read> {
    let history = state.history(name.as_str());
    let newest = history.first()?;
    let before = history.iter().skip(1).find(|one| one.outcome == Outcome::Good);
    let before = before.map(|one| (one.revision, (earlier != Some(one.revision)).then(|| given(one))));
    let candidate = (!state.is_in_force(newest)).then(|| given(newest));
    Some(Read {
        revision: newest.revision,
        progress: Progress::of(newest),
        candidate,
        before,
        name,
    })
}

fn given(state: &State, deployment: &Deployment, updates: aerolith_plan::Updates) -> Result<Given, String> {
    let versions = deployment
        .parts
        .iter()
        .map(|(id, version)| (id.clone(), version.revision));
    Ok(Given {
        revision: deployment.revision,
        versions: versions.collect(),
        resources: state.parts(deployment)?,
        updates,
    })
}

/// Keeps on disk what came of a deployment. Blocks.
fn keep(state: &mut State, name: &AppName, revision: u64, failed: Option<String>) -> Result<Progress, FileError> {
    match failed {
        None => state.succeeded(name.as_str(), revision)?,
        Some(reason) => drop(state.attempt_failed(name.as_str(), revision, reason, MOST_ATTEMPTS)?),
    }
    let known = state.history(name.as_str()).iter().find(|one| one.revision == revision);
    Ok(known.map_or_else(Progress::superseded, Progress::of))
}
