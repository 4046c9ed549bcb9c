//! When a running instance is asked how it is, and what follows from the answers.
//!
//! A state machine without a clock and without questions of its own: it says what is to be asked now, and is told answers.

use std::fmt;
use std::time::Duration;

use aerolith_model::{Probe, Service};
use serde::{Deserialize, Serialize};

use crate::observed::Fitness;

/// An answer counts for so many periods of its probe. Whoever was not heard for longer is not known to be ready.
const FRESH: u32 = 3;

/// What a service is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probes {
    /// Until it has started; nothing else is asked before.
    pub startup: Option<Probe>,
    /// Whether it works.
    pub liveness: Option<Probe>,
    /// Whether it can take work.
    pub readiness: Option<Probe>,
}

impl Probes {
    /// Those of a service.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        Self {
            startup: service.startup_probe.clone(),
            liveness: service.liveness_probe.clone(),
            readiness: service.readiness_probe.clone(),
        }
    }

    /// How long a liveness probe needs, counted from the start, to find out that an instance does not work.
    pub(crate) fn found_out_after(&self) -> Duration {
        let seconds = |probe: &Probe| {
            let question = u64::from(probe.period_seconds.max(probe.timeout_seconds).get());
            let all = question * u64::from(probe.failure_threshold.get());
            all.saturating_add(probe.initial_delay_seconds.into())
        };
        Duration::from_secs(self.liveness.as_ref().map_or(0, seconds))
    }

    fn get(&self, kind: Kind) -> Option<&Probe> {
        match kind {
            Kind::Startup => self.startup.as_ref(),
            Kind::Liveness => self.liveness.as_ref(),
            Kind::Readiness => self.readiness.as_ref(),
        }
    }
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Whether it has started.
    Startup,
    /// Whether it works.
    Liveness,
    /// Whether it can take work.
    Readiness,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "startup probe",
            Self::Liveness => "liveness probe",
            Self::Readiness => "readiness probe",
        })
    }
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// As it should be.
    Good,
    /// Not as it should be, or not in time.
    Bad,
    /// It could not be asked, through no fault of the instance. That counts for nothing.
    Unasked,
}

/// An instance that is to be ended, and started again as its restart policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit {
    /// What was asked.
    pub kind: Kind,
    /// Bad answers in a row.
    pub times: u32,
}

/// How a running instance is, as far as its probes can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    probes: Probes,
    window: Duration,
    started: Duration,
    has_begun: bool,
    /// What is asked now.
    asked: Vec<Asked>,
    ready_since: Option<Duration>,
    worked: Duration,
    heard: Option<Duration>,
}

/// The questions of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    kind: Kind,
    probe: Probe,
    /// When the next question is to begin.
    due: Duration,
    /// When the one that is under way began.
    under_way: Option<Duration>,
    good: u32,
    bad: u32,
    /// What the answers have made of it, once they were enough.
    verdict: Option<bool>,
    /// When it was last heard, or else was to be asked first.
    heard: Duration,
}

impl Asked {
    fn new(kind: Kind, probe: Probe, started: Duration, now: Duration) -> Self {
        let delay = Duration::from_secs(probe.initial_delay_seconds.into());
        let due = started.saturating_add(delay).max(now);
        Self {
            kind,
            probe,
            due,
            under_way: None,
            good: 0,
            bad: 0,
            verdict: None,
            heard: due,
        }
    }

    fn period(&self) -> Duration {
        Duration::from_secs(self.probe.period_seconds.get().into())
    }

    /// When it is no longer known how it is.
    fn stale_at(&self) -> Duration {
        self.heard.saturating_add(self.period() * FRESH)
    }

    /// Questions keep their period from start to start; after a slow answer the next one comes at once, alone.
    fn answer(&mut self, answer: Answer, now: Duration) {
        let Some(began) = self.under_way.take() else {
            return;
        };
        self.due = began.saturating_add(self.period()).max(now);
        match answer {
            Answer::Good => (self.good, self.bad) = (self.good.saturating_add(1), 0),
            Answer::Bad => (self.good, self.bad) = (0, self.bad.saturating_add(1)),
            Answer::Unasked => return,
        }
        self.heard = now;
        if self.good >= self.probe.success_threshold.get() {
            self.verdict = Some(true);
        } else if self.bad >= self.probe.failure_threshold.get() {
            self.verdict = Some(false);
        }
    }

    fn unfit(&self) -> Option<Unfit> {
        let is_bad = self.kind != Kind::Readiness && self.verdict == Some(false);
        is_bad.then_some(Unfit {
            kind: self.kind,
            times: self.bad,
        })
    }
}

impl Health {
    /// Of an instance that was started at `started` and is watched from `now` on; `has_begun` when an earlier watcher saw that
    /// it had started. Whether it is ready is only known once it is asked.
    #[must_use]
    pub fn new(probes: Probes, window: Duration, started: Duration, has_begun: bool, now: Duration) -> Self {
        let has_begun = has_begun || probes.startup.is_none();
        let mut health = Self {
            probes,
            window,
            started,
            has_begun,
            asked: Vec::new(),
            ready_since: None,
            worked: started,
            heard: None,
        };
        health.open(now);
        health.look(now);
        health
    }

    /// Begins the questions that are for this time of its life.
    fn open(&mut self, now: Duration) {
        let kinds: &[Kind] = if self.has_begun {
            &[Kind::Liveness, Kind::Readiness]
        } else {
            &[Kind::Startup]
        };
        let (probes, started) = (&self.probes, self.started);
        let asked = |kind: &Kind| Some(Asked::new(*kind, probes.get(*kind)?.clone(), started, now));
        self.asked = kinds.iter().filter_map(asked).collect();
    }

    /// Follows other probes from now on. Every question that is under way is void and is asked again; what earlier answers to
    /// the same question have made of the instance stays.
    pub fn follow(&mut self, probes: Probes, window: Duration, now: Duration) {
        self.window = window;
        self.has_begun |= probes.startup.is_none();
        self.probes = probes;
        let before = std::mem::take(&mut self.asked);
        self.open(now);
        for asked in &mut self.asked {
            let Some(old) = before.iter().find(|old| old.kind == asked.kind) else {
                continue;
            };
            if old.probe == asked.probe {
                *asked = Asked {
                    under_way: None,
                    due: old.under_way.map_or(old.due, |_| now),
                    ..old.clone()
                };
            } else if old.probe.check == asked.probe.check {
                (asked.verdict, asked.heard) = (old.verdict, old.heard);
            }
        }
        self.look(now);
    }

    /// The probes whose next question begins now. Each is answered before it is given again.
    pub fn ask(&mut self, now: Duration) -> Vec<(Kind, Probe)> {
        let due = self
            .asked
            .iter_mut()
            .filter(|asked| asked.under_way.is_none() && asked.due <= now);
        due.map(|asked| {
            asked.under_way = Some(now);
            (asked.kind, asked.probe.clone())
        })
        .collect()
    }

    /// Takes an answer; one to a question that is not under way counts for nothing.
    ///
    /// # Errors
    /// [`Unfit`] when the instance is to be ended.
    pub fn answer(&mut self, kind: Kind, answer: Answer, now: Duration) -> Result<(), Unfit> {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.kind == kind) else {
            return Ok(());
        };
        asked.answer(answer, now);
        if answer != Answer::Unasked {
            self.heard = Some(now);
        }
        if answer == Answer::Good && kind != Kind::Readiness {
            self.worked = now;
        }
        let (unfit, has_begun) = (asked.unfit(), kind == Kind::Startup && asked.verdict == Some(true));
        if has_begun {
            self.has_begun = true;
            self.open(now);
        }
        self.look(now);
        unfit.map_or(Ok(()), Err)
    }

    /// How it is at `now`.
    pub fn look(&mut self, now: Duration) -> Fitness {
        if !self.is_ready(now) {
            self.ready_since = None;
            return Fitness::Started;
        }
        // What nothing is asked of was ready all the time.
        let since = if self.asked.is_empty() && self.probes.startup.is_none() {
            self.started
        } else {
            now
        };
        let since = *self.ready_since.get_or_insert(since);
        if now.saturating_sub(since) >= self.window {
            Fitness::Healthy
        } else {
            Fitness::Ready
        }
    }

    fn is_ready(&self, now: Duration) -> bool {
        let mut readiness = self.asked.iter().filter(|asked| asked.kind == Kind::Readiness);
        self.has_begun
            && readiness.all(|asked| asked.verdict == Some(true))
            && self.asked.iter().all(|asked| now < asked.stale_at())
    }

    /// When something is to be asked or will be otherwise, unless an answer comes before.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let due = self
            .asked
            .iter()
            .filter(|asked| asked.under_way.is_none())
            .map(|asked| asked.due);
        let ready = self.ready_since.into_iter();
        let healthy = ready
            .clone()
            .map(|since| since.saturating_add(self.window))
            .filter(|at| *at > now);
        let stale = ready.flat_map(|_| self.asked.iter().map(Asked::stale_at));
        due.chain(healthy).chain(stale).min()
    }

    /// Whether it has started, as far as its startup probe says.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Until when it is known to have worked.
    #[must_use]
    pub fn worked(&self) -> Duration {
        self.worked
    }

    /// When it was heard last, if it is asked at all and was.
    #[must_use]
    pub fn heard(&self) -> Option<Duration> {
        self.heard
    }
}

#[cfg(test)]
mod tests;
