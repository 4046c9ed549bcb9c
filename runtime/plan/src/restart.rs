//! Whether and when an ended instance is started again.
//!
//! A state machine without a clock and without chance: `now` is the time since the machine's boot, and a random number is
//! passed in. What it must remember, a [`Row`], can be written down at any moment and taken up by another machine.

use std::fmt;
use std::time::Duration;

use aerolith_model::{Application, Backoff, DEFAULT_BACKOFF_LIMIT, RestartPolicy, Service, Workload};
use serde::{Deserialize, Serialize};

/// Who has worked this long is restarted at once, and its row of restarts begins anew.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// A delay may be so much longer or shorter than the rule says, so that what ended together does not start together.
const JITTER: f64 = 0.1;

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// By itself, with this code; 0 is success.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// For want of memory.
    OutOfMemory,
    /// It was ended because a probe found that it does not work; counts as a failure.
    Unfit,
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

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "with code {code}"),
            Self::Signal(signal) => write!(f, "by signal {signal}"),
            Self::OutOfMemory => f.write_str("for want of memory"),
            Self::Unfit => f.write_str("because a probe found that it does not work"),
            Self::Unknown => f.write_str("in a way that nobody saw"),
        }
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

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart { after } => write!(f, "it is started again in {after:?}"),
            Self::GiveUp { why } => write!(f, "it is given up: {why}"),
            Self::Done => f.write_str("it is not meant to run again"),
        }
    }
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
        let Self { restarts, last } = self;
        write!(
            f,
            "ended again after {restarts} restarts, which is the limit; at last {last}"
        )
    }
}

/// What a service wants done about ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// When to restart.
    pub policy: RestartPolicy,
    /// How often in a row; without limit when absent.
    pub limit: Option<u32>,
    /// Whether a healthy time makes earlier restarts forgotten; for a job it does not.
    pub forgets: bool,
    /// Whether what ended well is never run again, not even after a boot of the machine: so it is for a job.
    #[serde(default)]
    pub once: bool,
    /// How long to wait before a restart.
    #[serde(default)]
    pub backoff: Backoff,
}

impl Rule {
    /// The rule of a service. A job runs until it ends well, whatever its service's `restart` says, and at most
    /// `jobConfig.backoffLimit` times more; how long it waits is its service's business still.
    #[must_use]
    pub fn of(application: &Application, service: &Service) -> Self {
        let backoff = service.restart.backoff;
        if application.workload == Workload::Job {
            let config = application.job_config.as_ref();
            return Self {
                policy: RestartPolicy::OnFailure,
                limit: Some(config.map_or(DEFAULT_BACKOFF_LIMIT, |config| config.backoff_limit)),
                forgets: false,
                once: true,
                backoff,
            };
        }
        let max = service.restart.retry.max;
        Self {
            policy: service.restart.policy,
            limit: (max > 0).then_some(max),
            forgets: true,
            once: false,
            backoff,
        }
    }

    /// The rule of what runs before the services of an application, at each boot anew: until it ends well.
    #[must_use]
    pub fn of_init(service: &Service) -> Self {
        let max = service.restart.retry.max;
        Self {
            policy: RestartPolicy::OnFailure,
            limit: (max > 0).then_some(max),
            forgets: false,
            once: false,
            backoff: service.restart.backoff,
        }
    }

    /// How long to wait after so many early ends before this one. Never less than the rule's minimum and never more than its
    /// maximum, however many there were and whatever the random number is.
    fn delay(&self, earlier: u64, chance: u64) -> Duration {
        let Backoff { min, max, factor } = self.backoff;
        let grown = min.0.as_secs_f64() * factor.powf(earlier as f64);
        let capped = grown.min(max.0.as_secs_f64());
        let share = chance as f64 / u64::MAX as f64;
        let jittered = capped * (1.0 - JITTER + 2.0 * JITTER * share);
        let delay = Duration::try_from_secs_f64(jittered).unwrap_or(max.0);
        delay.min(max.0).max(min.0)
    }
}

/// What is remembered of the ends of one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Restarts in a row.
    restarts: u32,
    /// Ends in a row that came before it had worked for long; they make the delays grow.
    early: u64,
    /// When it was started last.
    started: Duration,
    /// When it is to be started again.
    due: Option<Duration>,
}

/// Decides over the ends of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    rule: Rule,
    row: Row,
}

impl Policy {
    /// A policy that goes on with a row, or begins one.
    #[must_use]
    pub fn new(rule: Rule, row: Row) -> Self {
        Self { rule, row }
    }

    /// What must be remembered to go on.
    #[must_use]
    pub fn row(&self) -> Row {
        self.row
    }

    /// Takes note that the instance was started at `now`.
    pub fn started(&mut self, now: Duration) {
        self.row.started = now;
        self.row.due = None;
    }

    /// When it was started last.
    #[must_use]
    pub fn since(&self) -> Duration {
        self.row.started
    }

    /// How much of a delay is left at `now`; none unless it waits for its restart.
    #[must_use]
    pub fn rest(&self, now: Duration) -> Duration {
        self.row.due.map_or(Duration::ZERO, |due| due.saturating_sub(now))
    }

    /// Follows a new rule from now on; restarts made so far still count.
    pub fn follow(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// Forgets all ends so far, as when an operator asks for another try.
    pub fn forget(&mut self) {
        self.row = Row {
            started: self.row.started,
            ..Row::default()
        };
    }

    /// Restarts in a row so far.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.row.restarts
    }

    /// What to do about an end at `now` of what has worked until `worked`, which is the same unless it was ended for not
    /// working. A restart that is answered counts as made.
    pub fn decide(&mut self, exit: Exit, worked: Duration, now: Duration, chance: u64) -> Decision {
        self.row.due = None;
        match self.rule.policy {
            RestartPolicy::No => return Decision::Done,
            RestartPolicy::OnFailure if exit.is_success() => return Decision::Done,
            RestartPolicy::OnFailure | RestartPolicy::Always => {}
        }
        let was_healthy = worked.saturating_sub(self.row.started) >= HEALTHY_AFTER;
        if was_healthy {
            self.row.early = 0;
        }
        if was_healthy && self.rule.forgets {
            self.row.restarts = 0;
        }
        let restarts = self.row.restarts;
        if self.rule.limit.is_some_and(|limit| restarts >= limit) {
            let why = GiveUp { restarts, last: exit };
            return Decision::GiveUp { why };
        }
        self.row.restarts = restarts.saturating_add(1);
        let after = if was_healthy {
            Duration::ZERO
        } else {
            self.rule.delay(self.row.early, chance)
        };
        if !was_healthy {
            self.row.early = self.row.early.saturating_add(1);
        }
        self.row.due = Some(now.saturating_add(after));
        Decision::Restart { after }
    }
}

#[cfg(test)]
mod tests;
