//! How an instance is.

use aerolith_plan::{Fitness, RunId, State, Trial};
use aerolith_plugin_wire::engine::Exit;
use serde::Serialize;

use super::chronicle::Subject;
use super::condition::{Aspect, Condition, Reason, Truth};
use crate::supervise::{Phase, View};

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// `application.service.index`.
    pub id: String,
    /// What it does.
    pub state: Phase,
    /// Why, where something is to be said.
    pub reason: String,
    /// Whether it runs, is ready and healthy.
    pub conditions: Vec<Condition>,
    /// Milliseconds since 1970 of the last change of state.
    pub since_ms: u64,
    /// Its first process, where known.
    pub pid: Option<u32>,
    /// Restarts since it was first started.
    pub restarts: u64,
    /// How it ended last.
    pub exit: Option<Exit>,
    /// Fingerprint of the version that it runs.
    pub fingerprint: String,
    /// How far it has proven itself since its last start; absent unless it runs.
    pub fitness: Option<Fitness>,
    /// Milliseconds since 1970 of the last answer to one of its probes.
    pub answered_ms: Option<u64>,
    /// Whether its version has proven itself.
    pub trial: Trial,
    /// Why it has not, if it has failed.
    pub trial_reason: String,
}

impl InstanceStatus {
    pub(super) fn of(run: &RunId, view: &View) -> Self {
        Self {
            id: run.instance.to_string(),
            state: view.phase,
            reason: view.reason.clone(),
            conditions: conditions(view),
            since_ms: view.since_ms,
            pid: view.pid,
            restarts: view.restarts,
            exit: view.exit.clone(),
            fingerprint: run.fingerprint.to_string(),
            fitness: (view.phase == Phase::Running).then_some(view.fitness),
            answered_ms: view.answered_ms,
            trial: view.trial,
            trial_reason: view.trial_reason.clone(),
        }
    }

    /// Whether it does, or has done, what it is there for.
    pub(super) fn serves(&self) -> bool {
        self.state == Phase::Completed || self.ready().is_some_and(Condition::holds)
    }

    /// Whether it can take work.
    pub(super) fn ready(&self) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.aspect == Aspect::Ready)
    }

    pub(super) fn subject(&mut self) -> (Subject, &mut [Condition]) {
        let subject = Subject::Instance(self.id.clone(), self.fingerprint.clone());
        (subject, &mut self.conditions)
    }
}

fn conditions(view: &View) -> Vec<Condition> {
    let (status, reason) = running(view.phase);
    let say = |aspect, (status, reason)| {
        Condition::new(aspect, status, reason, view.reason.clone()).tried_at(view.next_try_ms)
    };
    let fitness = match view.planned() {
        State::Running(fitness) => Some(fitness),
        State::Starting | State::Restarting | State::Stopping | State::Ended { .. } => None,
    };
    let (ready, healthy) = match fitness {
        Some(Fitness::Healthy) => ((Truth::True, Reason::Ready), (Truth::True, Reason::Healthy)),
        Some(Fitness::Ready) => ((Truth::True, Reason::Ready), (Truth::False, Reason::Proving)),
        Some(Fitness::Started) => ((Truth::False, Reason::NotReady), (Truth::False, Reason::NotReady)),
        None if status == Truth::True => ((Truth::False, reason), (Truth::False, reason)),
        None => ((status, reason), (status, reason)),
    };
    vec![
        say(Aspect::Running, (status, reason)),
        say(Aspect::Ready, ready),
        say(Aspect::Healthy, healthy),
    ]
}

/// One that is being stopped runs still, as far as anybody knows.
const fn running(phase: Phase) -> (Truth, Reason) {
    match phase {
        Phase::Recovering => (Truth::Unknown, Reason::Recovering),
        Phase::Starting => (Truth::False, Reason::Starting),
        Phase::Running => (Truth::True, Reason::Running),
        Phase::Waiting => (Truth::False, Reason::Refused),
        Phase::Restarting => (Truth::False, Reason::Restarting),
        Phase::Stopping => (Truth::True, Reason::Stopping),
        Phase::Completed => (Truth::False, Reason::Completed),
        Phase::Failed => (Truth::False, Reason::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(phase: Phase, reason: &str) -> View {
        View {
            phase,
            reason: reason.into(),
            since_ms: 0,
            next_try_ms: (phase == Phase::Restarting).then_some(7),
            pid: None,
            restarts: 0,
            exit: None,
            edited: None,
            fitness: Fitness::Healthy,
            answered_ms: None,
            trial: Trial::Passed,
            trial_reason: String::new(),
            is_late: false,
            is_stuck: false,
            unenforced: Vec::new(),
        }
    }

    fn shown(phase: Phase) -> [(Truth, Reason); 3] {
        let all = conditions(&view(phase, ""));
        [0, 1, 2].map(|i| (all[i].status, all[i].reason))
    }

    #[test]
    fn only_what_is_known_to_run_is_said_to_run_and_only_what_can_take_work_is_ready() {
        use Truth::{False, True, Unknown};
        let running = [(True, Reason::Running), (True, Reason::Ready), (True, Reason::Healthy)];
        assert_eq!(shown(Phase::Running), running);
        assert_eq!(shown(Phase::Recovering), [(Unknown, Reason::Recovering); 3]);
        let stopping = [
            (True, Reason::Stopping),
            (False, Reason::Stopping),
            (False, Reason::Stopping),
        ];
        assert_eq!(shown(Phase::Stopping), stopping);
        assert_eq!(shown(Phase::Waiting), [(False, Reason::Refused); 3]);
        assert_eq!(shown(Phase::Failed), [(False, Reason::Failed); 3]);
    }

    #[test]
    fn what_is_started_again_says_why_it_ended_and_when_the_next_try_is() {
        let all = conditions(&view(Phase::Restarting, "ended with code 3"));
        assert!(
            all.iter()
                .all(|c| c.next_try_ms == Some(7) && c.message == "ended with code 3")
        );
    }
}
