//! Since when each condition is as it is: noted when it changes, whoever looks first. Pure: the time is passed in.

use std::collections::HashMap;

use super::condition::{Aspect, Condition, Reason, Truth};

/// What conditions are about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Node,
    Application(String),
    /// By application and service.
    Service(String, String),
    /// By its id and the fingerprint of the version that it runs.
    Instance(String, String),
}

/// The conditions as they were last seen.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// The latest time that was told: a clock that is set back makes nothing older than what came before it.
    latest_ms: u64,
    known: HashMap<Subject, Vec<Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    aspect: Aspect,
    status: Truth,
    reason: Reason,
    since_ms: u64,
}

impl Known {
    fn is_same(&self, other: &Self) -> bool {
        (self.aspect, self.status, self.reason) == (other.aspect, other.status, other.reason)
    }
}

impl Chronicle {
    /// Dates all conditions that there are. What is not among them is forgotten.
    pub(crate) fn date<'a>(&mut self, now_ms: u64, all: impl IntoIterator<Item = (Subject, &'a mut [Condition])>) {
        self.latest_ms = self.latest_ms.max(now_ms);
        let mut known = HashMap::with_capacity(self.known.len());
        for (subject, conditions) in all {
            let before = self.known.get(&subject).map(Vec::as_slice).unwrap_or_default();
            let now: Vec<Known> = conditions.iter().map(|one| self.now(before, one)).collect();
            for (condition, now) in conditions.iter_mut().zip(&now) {
                condition.since_ms = now.since_ms;
            }
            known.insert(subject, now);
        }
        self.known = known;
    }

    fn now(&self, before: &[Known], condition: &Condition) -> Known {
        let now = Known {
            aspect: condition.aspect,
            status: condition.status,
            reason: condition.reason,
            since_ms: self.latest_ms,
        };
        let mut before = before.iter();
        before.find(|known| known.is_same(&now)).copied().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at one condition at a time, and answers since when it is so.
    fn look(chronicle: &mut Chronicle, now_ms: u64, reason: Reason, message: &str) -> u64 {
        let mut conditions = [Condition::is_not(Aspect::Running, reason, message)];
        chronicle.date(now_ms, [(Subject::Node, &mut conditions[..])]);
        conditions[0].since_ms
    }

    #[test]
    fn a_condition_keeps_its_date_until_its_status_or_reason_changes() {
        let mut chronicle = Chronicle::default();
        assert_eq!(look(&mut chronicle, 10, Reason::Starting, ""), 10);
        assert_eq!(look(&mut chronicle, 20, Reason::Starting, "another message"), 10);
        assert_eq!(look(&mut chronicle, 30, Reason::Restarting, ""), 30);
        assert_eq!(look(&mut chronicle, 40, Reason::Starting, ""), 40);
    }

    #[test]
    fn a_clock_that_is_set_back_dates_nothing_before_what_came_earlier() {
        let mut chronicle = Chronicle::default();
        assert_eq!(look(&mut chronicle, 1_000, Reason::Starting, ""), 1_000);
        assert_eq!(look(&mut chronicle, 10, Reason::Restarting, ""), 1_000);
        assert_eq!(look(&mut chronicle, 1_001, Reason::Starting, ""), 1_001);
    }

    #[test]
    fn who_is_gone_is_forgotten_and_begins_anew() {
        let mut chronicle = Chronicle::default();
        look(&mut chronicle, 10, Reason::Starting, "");
        chronicle.date(20, []);
        assert_eq!(look(&mut chronicle, 30, Reason::Starting, ""), 30);
    }

    #[test]
    fn two_parts_of_the_same_name_are_not_mixed_up() {
        let mut chronicle = Chronicle::default();
        let condition = |reason| vec![Condition::is_not(Aspect::Available, reason, "")];
        let names = [
            Subject::Application("a.b".into()),
            Subject::Service("a".into(), "b".into()),
        ];
        let mut both = [condition(Reason::Starting), condition(Reason::Starting)];
        chronicle.date(1, names.clone().into_iter().zip(both.iter_mut().map(Vec::as_mut_slice)));
        both[1] = condition(Reason::Failed);
        chronicle.date(2, names.into_iter().zip(both.iter_mut().map(Vec::as_mut_slice)));
        assert_eq!((both[0][0].since_ms, both[1][0].since_ms), (1, 2));
    }
}
