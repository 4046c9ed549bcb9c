//! Since when each condition is as it is: noted when it changes, whoever looks first. Pure: the time is passed in.

use std::collections::HashMap;
use std::time::Duration;

use super::condition::{Aspect, Condition, Reason, Truth};
use crate::time::Moment;

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
    known: HashMap<Subject, Vec<Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    aspect: Aspect,
    status: Truth,
    reason: Reason,
    /// Since the boot: no clock that is wrong for a while makes it wrong for ever.
    since: Duration,
    /// The same as it was shown last.
    shown_ms: u64,
}

/// Two readings of two clocks differ a little. Only when the clock was set is a date shown otherwise than before.
const LITTLE: u64 = 1_000;

impl Known {
    fn is_same(&self, other: &Self) -> bool {
        (self.aspect, self.status, self.reason) == (other.aspect, other.status, other.reason)
    }
}

impl Chronicle {
    /// Dates all conditions that there are. What is not among them is forgotten.
    pub(crate) fn date<'a>(&mut self, now: Moment, all: impl IntoIterator<Item = (Subject, &'a mut [Condition])>) {
        let before = std::mem::take(&mut self.known);
        for (subject, conditions) in all {
            let dated = date(now, before.get(&subject), conditions);
            self.known.insert(subject, dated);
        }
    }

    /// Dates the conditions of one alone, and forgets nobody.
    pub(crate) fn date_one(&mut self, now: Moment, subject: Subject, conditions: &mut [Condition]) {
        let dated = date(now, self.known.get(&subject), conditions);
        self.known.insert(subject, dated);
    }
}

fn date(now: Moment, before: Option<&Vec<Known>>, conditions: &mut [Condition]) -> Vec<Known> {
    let before = before.map(Vec::as_slice).unwrap_or_default();
    let date = |condition: &mut Condition| {
        let dated = dated(now, before, condition);
        condition.since_ms = dated.shown_ms;
        dated
    };
    conditions.iter_mut().map(date).collect()
}

fn dated(now: Moment, before: &[Known], condition: &Condition) -> Known {
    let new = Known {
        aspect: condition.aspect,
        status: condition.status,
        reason: condition.reason,
        since: now.since_boot,
        shown_ms: now.ms,
    };
    let mut before = before.iter();
    let Some(same) = before.find(|known| known.is_same(&new)).copied() else {
        return new;
    };
    let ms = now.ms_of(same.since);
    let is_little = ms.abs_diff(same.shown_ms) < LITTLE;
    let shown_ms = if is_little { same.shown_ms } else { ms };
    Known { shown_ms, ..same }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many milliseconds after the boot, by a clock that was set by so much.
    fn at(ms: u64, set_by_ms: u64) -> Moment {
        Moment {
            since_boot: Duration::from_millis(ms),
            ms: ms + set_by_ms,
        }
    }

    /// Looks at one condition at a time, and answers since when it is so.
    fn look(chronicle: &mut Chronicle, now: Moment, reason: Reason, message: &str) -> u64 {
        let mut conditions = [Condition::is_not(Aspect::Running, reason, message)];
        chronicle.date(now, [(Subject::Node, &mut conditions[..])]);
        conditions[0].since_ms
    }

    #[test]
    fn a_condition_keeps_its_date_until_its_status_or_reason_changes() {
        let mut chronicle = Chronicle::default();
        assert_eq!(look(&mut chronicle, at(10, 0), Reason::Starting, ""), 10);
        assert_eq!(look(&mut chronicle, at(20, 1), Reason::Starting, "another message"), 10);
        assert_eq!(look(&mut chronicle, at(30, 0), Reason::Restarting, ""), 30);
        assert_eq!(look(&mut chronicle, at(40, 0), Reason::Starting, ""), 40);
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_dates_nothing_wrong_once_it_is_right() {
        let mut chronicle = Chronicle::default();
        let year = 365 * 24 * 3_600_000;
        assert_eq!(
            look(&mut chronicle, at(1_000, year), Reason::Starting, ""),
            year + 1_000
        );
        assert_eq!(look(&mut chronicle, at(9_000, 0), Reason::Starting, ""), 1_000);
        assert_eq!(look(&mut chronicle, at(10_000, 0), Reason::Restarting, ""), 10_000);
        assert_eq!(
            look(&mut chronicle, at(20_000, year), Reason::Restarting, ""),
            year + 10_000
        );
    }

    #[test]
    fn who_is_gone_is_forgotten_and_begins_anew() {
        let mut chronicle = Chronicle::default();
        look(&mut chronicle, at(10, 0), Reason::Starting, "");
        chronicle.date(at(20, 0), []);
        assert_eq!(look(&mut chronicle, at(30, 0), Reason::Starting, ""), 30);
    }

    #[test]
    fn one_that_is_looked_at_alone_dates_as_ever_and_nobody_else_is_forgotten() {
        let mut chronicle = Chronicle::default();
        let mut conditions = [Condition::is_not(Aspect::Running, Reason::Starting, "")];
        look(&mut chronicle, at(10, 0), Reason::Starting, "");
        chronicle.date_one(at(20, 0), Subject::Application("shop".into()), &mut conditions);
        assert_eq!(conditions[0].since_ms, 20);
        chronicle.date_one(at(30, 0), Subject::Node, &mut conditions);
        assert_eq!(conditions[0].since_ms, 10);
        chronicle.date_one(at(40, 0), Subject::Application("shop".into()), &mut conditions);
        assert_eq!(conditions[0].since_ms, 20);
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
        chronicle.date(
            at(1, 0),
            names.clone().into_iter().zip(both.iter_mut().map(Vec::as_mut_slice)),
        );
        both[1] = condition(Reason::Failed);
        chronicle.date(at(2, 0), names.into_iter().zip(both.iter_mut().map(Vec::as_mut_slice)));
        assert_eq!((both[0][0].since_ms, both[1][0].since_ms), (1, 2));
    }
}
