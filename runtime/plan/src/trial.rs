//! Whether a run proves that its version is any good. A state machine without a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::observed::{Fitness, Trial};
use crate::restart::{Decision, Exit};

/// The trial of one run. It comes out once, and stays so; one that is going on when it is written down begins anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    outcome: Trial,
    reason: String,
    /// Whether it failed for nothing else than its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_late: bool,
    /// Since when it goes on.
    #[serde(skip)]
    began: Option<Duration>,
}

impl Proof {
    /// How it came out, if it has.
    #[must_use]
    pub fn outcome(&self) -> Trial {
        self.outcome
    }

    /// Why it failed; empty unless it has.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it failed for having taken too long, and for nothing else.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.is_late
    }

    /// Its time begins to run, unless it does already.
    pub fn begin(&mut self, now: Duration) {
        self.began.get_or_insert(now);
    }

    /// When it fails for having taken too long.
    #[must_use]
    pub fn due(&self, deadline: Duration) -> Option<Duration> {
        let goes_on = self.outcome == Trial::Ongoing;
        self.began
            .filter(|_| goes_on)
            .map(|began| began.saturating_add(deadline))
    }

    /// Looks at a running instance.
    pub fn look(&mut self, fitness: Fitness, deadline: Duration, now: Duration) {
        if fitness == Fitness::Healthy {
            self.come_out(Trial::Passed, String::new());
        } else {
            self.wait(deadline, now);
        }
    }

    /// Lets time pass while nothing runs.
    pub fn wait(&mut self, deadline: Duration, now: Duration) {
        if self.due(deadline).is_some_and(|due| due <= now) {
            let reason = format!("it was not healthy within {} s", deadline.as_secs_f64());
            self.come_out(Trial::Failed, reason);
            self.is_late = true;
        }
    }

    /// An end, and what is done about it. To end well is no failure even where it is started again; and whoever may fail a
    /// few times, as a job may, has failed only when it gives up.
    pub fn ended(&mut self, exit: Exit, decision: &Decision, may_fail: bool, words: &str) {
        match decision {
            Decision::Done if exit.is_success() => self.come_out(Trial::Passed, String::new()),
            Decision::Restart { .. } if exit.is_success() || may_fail => {}
            Decision::Done | Decision::Restart { .. } => self.come_out(Trial::Failed, words.to_owned()),
            Decision::GiveUp { why } => self.come_out(Trial::Failed, why.to_string()),
        }
    }

    /// It cannot be started.
    pub fn refused(&mut self, reason: &str) {
        self.come_out(Trial::Failed, reason.to_owned());
    }

    fn come_out(&mut self, outcome: Trial, reason: String) {
        if self.outcome == Trial::Ongoing {
            (self.outcome, self.reason) = (outcome, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEADLINE: Duration = Duration::from_secs(300);
    const AT_ONCE: Decision = Decision::Restart { after: Duration::ZERO };

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn begun() -> Proof {
        let mut proof = Proof::default();
        proof.begin(seconds(100));
        proof
    }

    #[test]
    fn only_what_took_too_long_is_late() {
        let mut late = begun();
        late.wait(DEADLINE, seconds(400));
        let mut refused = begun();
        refused.refused("no such program");
        refused.wait(DEADLINE, seconds(400));
        assert!(late.is_late() && !refused.is_late() && !begun().is_late());
    }

    #[test]
    fn being_healthy_once_passes_whatever_comes_later() {
        let mut proof = begun();
        proof.look(Fitness::Ready, DEADLINE, seconds(399));
        assert_eq!(proof.outcome(), Trial::Ongoing);
        proof.look(Fitness::Healthy, DEADLINE, seconds(400));
        proof.ended(Exit::Code(1), &AT_ONCE, false, "ended with code 1");
        assert_eq!((proof.outcome(), proof.due(DEADLINE)), (Trial::Passed, None));
    }

    #[test]
    fn the_deadline_runs_from_the_first_start() {
        let mut proof = begun();
        proof.begin(seconds(350));
        assert_eq!(proof.due(DEADLINE), Some(seconds(400)));
        proof.wait(DEADLINE, seconds(400));
        let reason = "it was not healthy within 300 s";
        assert_eq!((proof.outcome(), proof.reason()), (Trial::Failed, reason));
    }

    #[test]
    fn a_bad_end_fails_and_a_good_one_passes_where_it_is_the_last() {
        for (exit, decision, may_fail, outcome) in [
            (Exit::Code(0), Decision::Done, false, Trial::Passed),
            (Exit::Code(0), AT_ONCE, false, Trial::Ongoing),
            (Exit::Code(1), Decision::Done, false, Trial::Failed),
            (Exit::Code(1), AT_ONCE, false, Trial::Failed),
            (Exit::Code(1), AT_ONCE, true, Trial::Ongoing),
        ] {
            let mut proof = begun();
            proof.ended(exit, &decision, may_fail, "words");
            assert_eq!(proof.outcome(), outcome, "{exit:?} {decision:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_come_out_stays_over_a_restart_of_the_node(steps in prop::collection::vec(0_u8..5, 1..20)) {
            let mut proof = begun();
            for (now, step) in (100_u64..).step_by(60).zip(steps) {
                let before = proof.outcome();
                match step {
                    0 => proof.look(Fitness::Ready, DEADLINE, seconds(now)),
                    1 => proof.look(Fitness::Healthy, DEADLINE, seconds(now)),
                    2 => proof.ended(Exit::Signal(9), &AT_ONCE, false, "ended by signal 9"),
                    3 => proof.refused("no such file"),
                    _ => proof.wait(DEADLINE, seconds(now)),
                }
                prop_assert!(before == Trial::Ongoing || before == proof.outcome());
                prop_assert_eq!(proof.outcome() == Trial::Failed, !proof.reason().is_empty());
                let taken_up: Proof = serde_json::from_str(&serde_json::to_string(&proof).unwrap()).unwrap();
                prop_assert_eq!((taken_up.outcome(), taken_up.reason()), (proof.outcome(), proof.reason()));
                prop_assert_eq!(taken_up.due(DEADLINE), None, "it begins anew");
            }
        }
    }
}
