//! Leads each application from one version to the next: what its history says is taken up, and what comes of it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::AppName;
use aerolith_plan::{Fingerprints, RunId, Step, Updates, Verdict, verdict};
use serde_json::json;
use tokio::time::Instant;

use super::{Driver, Look, Stale};
use crate::blocking::{blocking, trying};
use crate::desired::{Desired, Given, Known};
use crate::durable::FileError;
use crate::rollout::{Attempt, Course, Earlier, MOST_ATTEMPTS, Progress, Unkept};
use crate::state::{Deployment, Outcome, State};
use crate::supervise::Phase;

/// What a history says that is not known yet.
struct Read {
    name: AppName,
    revision: u64,
    progress: Progress,
    /// What it is made of, where that is not what is in force.
    candidate: Option<Result<Given, String>>,
    before: Option<Before>,
}

/// What is put back.
struct Before {
    revision: u64,
    is_good: bool,
    /// Where it is not known already.
    given: Option<Result<Given, String>>,
}

/// What was found of a candidate.
struct Finding {
    name: AppName,
    revision: u64,
    attempt: Attempt,
}

const CUT_OFF: &str = "the machine was restarted while it was tried";

impl Driver {
    /// Takes up how far the deployments of each application have come; answers whether something is another than before.
    pub(super) async fn read_courses(&self, is_fresh: bool, stale: Option<Stale>) -> bool {
        let unknown = self.unknown_courses(is_fresh, stale);
        if unknown.is_empty() && !is_fresh {
            return false;
        }
        let works = self.works.clone();
        let read = blocking(move || {
            let updates = works.foundation.0.settings.updates;
            let mut state = works.foundation.state();
            let mut read = Vec::new();
            for (name, earlier) in unknown {
                if let Err(error) = cut_off(&mut state, &name, works.boot()) {
                    tracing::warn!(application = %name, %error, "an attempt that was cut off is not counted");
                }
                read.extend(look(&state, name, earlier, &|deployment| {
                    given(&state, deployment, updates, works.fingerprints.clone())
                }));
            }
            read
        });
        match read.await {
            Ok(read) => self.take_courses(read, is_fresh, stale).await,
            Err(error) => tracing::error!(%error, "the histories of the applications cannot be read"),
        }
        true
    }

    /// The applications whose newest deployment is not as it is known, or all of them, each with the earlier one that is
    /// known of it: one of which nobody can say anything else by now.
    fn unknown_courses(&self, is_fresh: bool, stale: Option<Stale>) -> Vec<(AppName, Option<u64>)> {
        let (now, board) = (self.works.foundation.snapshot(), self.works.board());
        let look = |name: &AppName| {
            let (course, newest) = (board.courses.get(name), now.history(name.as_str()).first());
            let is_known = match (course, newest) {
                (Some(course), Some(newest)) => course.is_of(newest),
                (course, newest) => course.is_none() && newest.is_none(),
            };
            let earlier = course.and_then(|course| course.before.as_ref());
            let earlier =
                earlier.filter(|earlier| stale != Some(Stale::Everything) && earlier.desired.is_resolved(name));
            (is_fresh || !is_known).then(|| (name.clone(), earlier.map(|earlier| earlier.revision)))
        };
        board.desired.generations.keys().filter_map(look).collect()
    }

    async fn take_courses(&self, read: Vec<Read>, is_fresh: bool, stale: Option<Stale>) {
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
                Some(given) => self.build(&name, given, &head, stale).await,
            };
            let before = match before {
                Some(before) => self.earlier(&name, before, &head, stale).await,
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
            goes_on.into_iter().for_each(|known| course.go_on(known));
        }
        if is_fresh {
            board.courses = courses;
        } else {
            board.courses.extend(courses);
        }
    }

    async fn earlier(&self, name: &AppName, before: Before, head: &Desired, stale: Option<Stale>) -> Option<Earlier> {
        let Before {
            revision,
            is_good,
            given,
        } = before;
        let known = |course: &Course| Some(course.before.as_ref()?.desired.clone());
        let desired = match given {
            Some(given) => self.build(name, given, head, stale).await,
            None => self.works.board().courses.get(name).and_then(known),
        };
        desired.map(|desired| Earlier {
            revision,
            is_good,
            desired,
        })
    }

    /// Errors are of a damaged disk: what is in force is taken instead, or there is nothing to go back to.
    /// What is known of the application's deployments so far need not be asked for.
    async fn build(
        &self,
        name: &AppName,
        given: Result<Given, String>,
        head: &Desired,
        stale: Option<Stale>,
    ) -> Option<Arc<Desired>> {
        let given = given
            .inspect_err(|reason| tracing::error!(application = %name, reason, "an earlier deployment cannot be read"));
        let course = self.works.board().courses.get(name).cloned();
        let before = course
            .iter()
            .filter_map(|course| Some(&*course.before.as_ref()?.desired));
        let candidate = course.iter().map(|course| &*course.candidate);
        let known = Known {
            desired: &std::iter::once(head).chain(candidate).chain(before).collect::<Vec<_>>(),
            is_old: stale == Some(Stale::Everything),
            engines: &head.engines,
        };
        let desired = Desired::of(given.ok()?, &[], known, &*self.works.preparer.plugins).await;
        Some(Arc::new(desired))
    }

    /// Keeps on disk that something new is tried, before it is: what takes the machine down with it is tried no third time.
    pub(super) async fn begin_attempts(&self, steps: &[Step]) {
        let begun: Vec<(AppName, u64)> = {
            let board = self.works.board();
            let is_begun = |name: &AppName, course: &Course| {
                course.is_open() && course.progress.tried_in.as_deref() != Some(self.works.boot()) && {
                    let fallback = course.fallback(name);
                    let is_new = |run: &RunId| {
                        let before = fallback.and_then(|it| it.get(&run.instance.service));
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
        let kept = trying(move || {
            let mut state = works.foundation.state();
            let mut names = names.iter();
            names.try_for_each(|(name, revision)| state.attempt_begins(name.as_str(), *revision, works.boot()))
        });
        if let Err(error) = kept.await {
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
    pub(super) async fn conclude(&self, look: &Look, now: Instant) -> bool {
        let findings = self.findings(look, now);
        let is_found = !findings.is_empty();
        findings.into_iter().for_each(|finding| self.found_out(finding, now));
        let is_kept = self.keep_findings(now).await;
        is_found || is_kept
    }

    /// Keeps on disk what came of candidates, where it is time to try; answers whether something was kept.
    async fn keep_findings(&self, now: Instant) -> bool {
        let due = |(name, course): (&AppName, &Course)| {
            let unkept = course.unkept.clone().filter(|unkept| unkept.is_due(now))?;
            Some((name.clone(), course.revision, unkept))
        };
        let due: Vec<(AppName, u64, Unkept)> = self.works.board().courses.iter().filter_map(due).collect();
        let mut is_kept = false;
        for (name, revision, unkept) in due {
            let (works, id, is_good) = (self.works.clone(), name.clone(), unkept.is_good);
            let kept = trying(move || keep(&mut works.foundation.state(), &id, revision, unkept));
            match kept.await {
                Ok(progress) => {
                    self.kept(&name, progress, is_good);
                    is_kept = true;
                }
                Err(error) => {
                    tracing::error!(application = %name, %error, "what came of an update cannot be kept");
                    let mut board = self.works.board();
                    let unkept = board.courses.get_mut(&name).and_then(|course| course.unkept.as_mut());
                    unkept.into_iter().for_each(|unkept| unkept.refused(now));
                }
            }
        }
        is_kept
    }

    fn findings(&self, look: &Look, now: Instant) -> Vec<Finding> {
        let board = self.works.board();
        let is_open = |(name, course): &(&AppName, &Course)| {
            course.progress.outcome == Outcome::Pending && !board.desired.held.contains_key(name.as_str())
        };
        let finding = |(name, course): (&AppName, &Course)| {
            let target = course.target(name, now)?;
            let attempt = match verdict(&target, &look.seen) {
                Verdict::Good if course.unkept.as_ref().is_some_and(|unkept| unkept.is_good) => return None,
                Verdict::Good => Attempt::Good,
                // Without anything to go back to, supervision goes on.
                Verdict::Failed { run } if target.fallback.is_some() => attempt(look, &run),
                Verdict::Failed { .. } | Verdict::Ongoing => return None,
            };
            Some(Finding {
                name: name.clone(),
                revision: course.revision,
                attempt,
            })
        };
        board.courses.iter().filter(is_open).filter_map(finding).collect()
    }

    /// What is no good is put back at once, whether the disk takes it or not.
    fn found_out(&self, finding: Finding, now: Instant) {
        let Finding {
            name,
            revision,
            attempt,
        } = finding;
        let mut board = self.works.board();
        let Some(course) = board.courses.get_mut(&name) else {
            return;
        };
        course.add(attempt.clone(), now);
        let (Attempt::Failed(reason) | Attempt::Hindered(reason)) = attempt else {
            return;
        };
        let attempts = course.attempts();
        tracing::error!(application = %name, revision, attempts, reason, "a deployment failed; what was good before is put back");
        let data = json!({"revision": revision, "reason": reason, "attempts": attempts});
        let bus = self.works.foundation.bus();
        bus.tell(format!("app/{name}/takenback"), data.clone());
        if course.is_rolled_back() {
            bus.tell(format!("app/{name}/rolledback"), data);
        }
    }

    fn kept(&self, name: &AppName, progress: Progress, is_good: bool) {
        let mut board = self.works.board();
        let Some(course) = board.courses.get_mut(name) else {
            return;
        };
        (course.progress, course.unkept) = (progress, None);
        if is_good {
            let revision = course.revision;
            tracing::info!(application = %name, revision, "a deployment is good");
            let bus = self.works.foundation.bus();
            bus.tell(format!("app/{name}/deployed"), json!({"revision": revision}));
        }
    }
}

/// What comes of an attempt of which a run has failed.
fn attempt(look: &Look, run: &RunId) -> Attempt {
    let about = |reason: &str| format!("{}: {reason}", run.instance);
    let Some(one) = look.instances.iter().find(|one| one.run() == run) else {
        return Attempt::Failed(about(""));
    };
    let (trial, reason) = (one.view.trial_reason.as_str(), one.view.reason.as_str());
    match (trial, reason) {
        (trial, "") if one.view.is_hindered() => Attempt::Hindered(about(trial)),
        (_, reason) if one.view.is_hindered() => Attempt::Hindered(about(reason)),
        ("", reason) => Attempt::Failed(about(reason)),
        // What a probe says of it while it runs is why it was not healthy in time.
        (trial, reason) if one.view.phase == Phase::Running && !reason.is_empty() => {
            Attempt::Failed(about(&format!("{trial}; {reason}")))
        }
        (trial, _) => Attempt::Failed(about(trial)),
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

/// What the history of an application says. `earlier` is what is put back, as far as that is known already. Blocks.
fn look(
    state: &State,
    name: AppName,
    earlier: Option<u64>,
    given: &dyn Fn(&Deployment) -> Result<Given, String>,
) -> Option<Read> {
    let history = state.history(name.as_str());
    let newest = history.first()?;
    let before = state.before(name.as_str()).map(|one| Before {
        revision: one.revision,
        is_good: one.outcome == Outcome::Good,
        given: (earlier != Some(one.revision)).then(|| given(one)),
    });
    let candidate = (!state.is_in_force(newest)).then(|| given(newest));
    Some(Read {
        revision: newest.revision,
        progress: Progress::of(newest),
        candidate,
        before,
        name,
    })
}

fn given(
    state: &State,
    deployment: &Deployment,
    updates: Updates,
    fingerprints: Arc<Fingerprints>,
) -> Result<Given, String> {
    let versions = deployment
        .parts
        .iter()
        .map(|(id, version)| (id.clone(), version.revision));
    Ok(Given {
        revision: deployment.revision,
        versions: versions.collect(),
        resources: state.parts(deployment)?,
        updates,
        fingerprints,
    })
}

/// Keeps on disk what came of a deployment. Blocks.
fn keep(state: &mut State, name: &AppName, revision: u64, unkept: Unkept) -> Result<Progress, FileError> {
    state.attempts_came_out(name.as_str(), revision, unkept, MOST_ATTEMPTS)?;
    let known = state.history(name.as_str()).iter().find(|one| one.revision == revision);
    Ok(known.map_or_else(Progress::superseded, Progress::of))
}
