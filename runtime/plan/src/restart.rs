//! Whether and when an ended instance is started again.
//!
//! A state machine without a clock: `now` is the time since any fixed start.

use std::fmt;
use std::time::Duration;

use aerolith_model::{Application, DEFAULT_BACKOFF_LIMIT, RestartPolicy, Service, Workload};

/// Time between an end and the restart.
pub const DELAY: Duration = Duration::from_secs(1);
/// Who has been up this long is restarted at once, and its earlier restarts are forgotten.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// By itself, with this code; 0 is success.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// For want of memory.
    OutOfMemory,
    /// Nobody saw how; counts as a failure.
    Unknown,
}

impl Exit {
    /// Whether it ended well beyond doubt.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

/// What to do about an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Start it again.
    Restart {
        /// Wait this long first.
        after: Duration,
    },
    /// It should run, but is not started again until its service changes or an operator asks.
    GiveUp {
        /// The reason.
        why: GiveUp,
    },
    /// It is not meant to run again.
    Done,
}

/// Why an instance is not started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveUp {
    /// Restarts in a row that were allowed, and made.
    pub restarts: u32,
    /// How it ended last.
    pub last: Exit,
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ended again after {} restarts, which is the limit; at last ",
            self.restarts
        )?;
        match self.last {
            Exit::Code(code) => write!(f, "with code {code}"),
            Exit::Signal(signal) => write!(f, "by signal {signal}"),
            Exit::OutOfMemory => f.write_str("for want of memory"),
            Exit::Unknown => f.write_str("in a way that nobody saw"),
        }
    }
}

/// What a service wants done about ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// When to restart.
    pub policy: RestartPolicy,
    /// How often in a row; without limit when absent.
    pub limit: Option<u32>,
    /// Whether a healthy time makes earlier restarts forgotten; for a job it does not.
    pub forgets: bool,
}

impl Rule {
    /// The rule of a service. A job runs until it ends well, whatever its service's `restart` says, and at most
    /// `jobConfig.backoffLimit` times more.
    #[must_use]
    pub fn of(application: &Application, service: &Service) -> Self {
        if application.workload == Workload::Job {
            let limit = application
                .job_config
                .as_ref()
                .map_or(DEFAULT_BACKOFF_LIMIT, |config| config.backoff_limit);
            return Self {
                policy: RestartPolicy::OnFailure,
                limit: Some(limit),
                forgets: false,
            };
        }
        let max = service.restart.retry.max;
        Self {
            policy: service.restart.policy,
            limit: (max > 0).then_some(max),
            forgets: true,
        }
    }

    /// The rule of an init service, which runs until it ends well: without it nothing of its application starts.
    #[must_use]
    pub const fn of_init() -> Self {
        Self {
            policy: RestartPolicy::OnFailure,
            limit: None,
            forgets: true,
        }
    }
}

/// Decides over the ends of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rule: Rule,
    started: Duration,
    restarts: u32,
}

impl Policy {
    /// A policy for an instance that was first started at `now`.
    #[must_use]
    pub fn new(rule: Rule, now: Duration) -> Self {
        Self {
            rule,
            started: now,
            restarts: 0,
        }
    }

    /// Takes note that the instance was started again at `now`.
    pub fn started(&mut self, now: Duration) {
        self.started = now;
    }

    /// Follows a new rule from now on; restarts made so far still count.
    pub fn follow(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// Restarts in a row so far.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What to do about an end at `now`. A restart that is answered counts as made.
    pub fn decide(&mut self, exit: Exit, now: Duration) -> Decision {
        match self.rule.policy {
            RestartPolicy::No => return Decision::Done,
            RestartPolicy::OnFailure if exit.is_success() => return Decision::Done,
            RestartPolicy::OnFailure | RestartPolicy::Always => {}
        }
        let was_healthy = now.saturating_sub(self.started) >= HEALTHY_AFTER;
        if was_healthy && self.rule.forgets {
            self.restarts = 0;
        }
        if self.rule.limit.is_some_and(|limit| self.restarts >= limit) {
            return Decision::GiveUp {
                why: GiveUp {
                    restarts: self.restarts,
                    last: exit,
                },
            };
        }
        self.restarts = self.restarts.saturating_add(1);
        Decision::Restart {
            after: if was_healthy { Duration::ZERO } else { DELAY },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy(policy: RestartPolicy, limit: Option<u32>) -> Policy {
        Policy::new(
            Rule {
                policy,
                limit,
                forgets: true,
            },
            seconds(100),
        )
    }

    fn first(of: RestartPolicy, exit: Exit) -> Decision {
        policy(of, None).decide(exit, seconds(101))
    }

    #[test]
    fn each_policy_decides_as_its_name_says() {
        let again = Decision::Restart { after: DELAY };
        for (exit, on_failure) in [
            (Exit::Code(0), Decision::Done),
            (Exit::Code(1), again.clone()),
            (Exit::Signal(9), again.clone()),
            (Exit::OutOfMemory, again.clone()),
            (Exit::Unknown, again.clone()),
        ] {
            assert_eq!(first(RestartPolicy::No, exit), Decision::Done);
            assert_eq!(first(RestartPolicy::Always, exit), again);
            assert_eq!(first(RestartPolicy::OnFailure, exit), on_failure);
        }
    }

    #[test]
    fn who_was_up_long_enough_is_restarted_at_once() {
        let after_up = |up: u64| policy(RestartPolicy::Always, None).decide(Exit::Code(1), seconds(100 + up));
        assert_eq!(after_up(9), Decision::Restart { after: DELAY });
        assert_eq!(after_up(10), Decision::Restart { after: Duration::ZERO });
    }

    #[test]
    fn a_limit_of_three_gives_up_at_the_fourth_end() {
        let mut policy = policy(RestartPolicy::OnFailure, Some(3));
        for _ in 0..3 {
            assert!(matches!(
                policy.decide(Exit::Code(1), seconds(101)),
                Decision::Restart { .. }
            ));
        }
        let Decision::GiveUp { why } = policy.decide(Exit::Signal(11), seconds(101)) else {
            panic!("{policy:?}")
        };
        assert_eq!(
            why.to_string(),
            "ended again after 3 restarts, which is the limit; at last by signal 11"
        );
    }

    #[test]
    fn a_healthy_time_forgets_restarts_but_not_those_of_a_job() {
        let mut service = policy(RestartPolicy::OnFailure, Some(1));
        let mut job = Policy::new(
            Rule {
                forgets: false,
                ..service.rule
            },
            seconds(100),
        );
        for policy in [&mut service, &mut job] {
            policy.decide(Exit::Code(1), seconds(101));
            policy.started(seconds(102));
        }
        assert!(matches!(
            service.decide(Exit::Code(1), seconds(200)),
            Decision::Restart { .. }
        ));
        assert!(matches!(
            job.decide(Exit::Code(1), seconds(200)),
            Decision::GiveUp { .. }
        ));
    }

    #[test]
    fn a_new_rule_is_followed_and_restarts_made_still_count() {
        let mut policy = policy(RestartPolicy::Always, None);
        policy.decide(Exit::Code(1), seconds(101));
        policy.follow(Rule {
            limit: Some(1),
            ..policy.rule
        });
        assert_eq!(policy.restarts(), 1);
        assert!(matches!(
            policy.decide(Exit::Code(1), seconds(101)),
            Decision::GiveUp { .. }
        ));
    }

    #[test]
    fn a_job_runs_to_completion() {
        let read = |json: &str| serde_json::from_str::<Application>(json).unwrap();
        let json = r#"{"name":"count","workload":"job","services":[{"name":"main","image":"a"}]}"#;
        let job = read(json);
        let rule = Rule::of(&job, &job.services[0]);
        assert_eq!(
            (rule.policy, rule.limit),
            (RestartPolicy::OnFailure, Some(DEFAULT_BACKOFF_LIMIT))
        );
        let job = read(&json.replace(r#""job""#, r#""job","jobConfig":{"backoffLimit":0}"#));
        let mut policy = Policy::new(Rule::of(&job, &job.services[0]), Duration::ZERO);
        assert_eq!(policy.clone().decide(Exit::Code(0), seconds(1)), Decision::Done);
        assert!(matches!(
            policy.decide(Exit::Code(1), seconds(1)),
            Decision::GiveUp { .. }
        ));
    }

    proptest! {
        #[test]
        fn a_limit_is_never_exceeded_and_none_never_gives_up(limit in 0_u32..5, ends in 1_u32..20) {
            let mut limited = policy(RestartPolicy::Always, Some(limit));
            let mut endless = policy(RestartPolicy::Always, None);
            for end in 1..=ends {
                let is_restart = matches!(limited.decide(Exit::Unknown, seconds(101)), Decision::Restart { .. });
                prop_assert_eq!(is_restart, end <= limit);
                let goes_on = matches!(endless.decide(Exit::Unknown, seconds(101)), Decision::Restart { .. });
                prop_assert!(goes_on);
            }
        }
    }
}
