//! How an instance is, for planning and for people.

use aerolith_plan::trial::Proof;
use aerolith_plan::{Fitness, State, Trial};
use aerolith_plugin_wire::engine::Exit;
use serde::Serialize;

use crate::record::{Life, Record};
use crate::time::now_ms;

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It may run: it is being looked for after the daemon was away.
    Recovering,
    /// It is being started.
    Starting,
    /// It runs.
    Running,
    /// The node's policy refuses it: it waits to be admitted.
    Waiting,
    /// It ended or could not be started, and is started again in a moment.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It did what it was to do.
    Completed,
    /// It ended, and is not started again.
    Failed,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    /// Milliseconds since 1970 of the last change of phase.
    pub(crate) since_ms: u64,
    pub(crate) reason: String,
    /// Milliseconds since 1970 of the next try, while it waits for one.
    pub(crate) next_try_ms: Option<u64>,
    pub(crate) pid: Option<u32>,
    pub(crate) restarts: u64,
    pub(crate) exit: Option<Exit>,
    pub(crate) edited: Option<String>,
    /// How far it has proven itself since its last start, while it runs.
    pub(crate) fitness: Fitness,
    /// Milliseconds since 1970 of the last answer to a probe.
    pub(crate) answered_ms: Option<u64>,
    /// Whether its version has proven itself, and why not.
    pub(crate) trial: Trial,
    pub(crate) trial_reason: String,
    /// Whether it has not for nothing else than its time.
    pub(crate) is_late: bool,
    /// Whether it waits for something else than its own delay.
    pub(crate) is_stuck: bool,
    /// What of its workload the engine could not apply at its last start, and why.
    pub(crate) unenforced: Vec<String>,
}

impl View {
    pub(crate) fn of(record: &Record) -> Self {
        let (phase, reason) = match &record.life {
            Life::Idle => (Phase::Starting, String::new()),
            Life::Intended | Life::Running(_) => (Phase::Recovering, "looked for after a restart of the node".into()),
            Life::Ended { success: true, reason } => (Phase::Completed, reason.clone()),
            Life::Ended { success: false, reason } => (Phase::Failed, reason.clone()),
        };
        let (restarts, exit, edited) = (record.restarts, record.exit.clone(), record.edited.clone());
        Self {
            phase,
            since_ms: now_ms(),
            reason,
            next_try_ms: None,
            pid: None,
            restarts,
            exit,
            edited,
            fitness: Fitness::Started,
            answered_ms: None,
            trial: record.proof.outcome(),
            trial_reason: record.proof.reason().to_owned(),
            is_late: record.proof.is_late(),
            is_stuck: false,
            unenforced: Vec::new(),
        }
    }

    /// Whether it has proven itself, and why not.
    pub(super) fn try_as(&mut self, proof: &Proof) {
        self.trial = proof.outcome();
        proof.reason().clone_into(&mut self.trial_reason);
        self.is_late = proof.is_late();
    }

    /// Whether another try may be asked for.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Failed | Phase::Restarting) || self.is_stuck
    }

    /// Whether it could not prove itself for want of something that is no part of it, such as a port, a path or its engine.
    pub(crate) fn is_hindered(&self) -> bool {
        self.is_late && (self.is_stuck || self.phase == Phase::Starting)
    }

    /// As planning sees it. One that is being stopped is not up, though it may run still.
    pub(crate) fn planned(&self) -> State {
        match self.phase {
            Phase::Recovering | Phase::Starting => State::Starting,
            Phase::Running => State::Running(self.fitness),
            Phase::Waiting | Phase::Restarting => State::Restarting,
            Phase::Stopping => State::Stopping,
            Phase::Completed => State::Ended { success: true },
            Phase::Failed => State::Ended { success: false },
        }
    }
}

/// How an instance ended that may use so many bytes of memory, in words.
pub(crate) fn words(exit: &Exit, memory: Option<u64>) -> String {
    match exit {
        Exit { oom: true, .. } => match memory {
            Some(bytes) => format!("out of memory: limit {}", binary(bytes)),
            None => "out of memory".into(),
        },
        Exit {
            signal: Some(signal), ..
        } => format!("ended by signal {signal}"),
        Exit { code: Some(code), .. } => format!("ended with code {code}"),
        Exit { .. } => "ended in a way that nobody saw".into(),
    }
}

/// A number of bytes in the largest unit that it is a whole number of.
fn binary(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter();
    let mut fitting = units.filter(|(bits, _)| bytes != 0 && bytes.trailing_zeros() >= *bits);
    fitting.next().map_or_else(
        || format!("{bytes} bytes"),
        |(bits, unit)| format!("{} {unit}", bytes >> bits),
    )
}

/// How an instance ended, for the policy.
pub(crate) fn judged(exit: &Exit) -> aerolith_plan::restart::Exit {
    use aerolith_plan::restart::Exit as Judged;
    match exit {
        Exit { oom: true, .. } => Judged::OutOfMemory,
        Exit { unknown: true, .. } => Judged::Unknown,
        Exit {
            signal: Some(signal), ..
        } => Judged::Signal(*signal),
        Exit { code: Some(code), .. } => Judged::Code(*code),
        Exit { .. } => Judged::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_plan::restart;

    #[test]
    fn an_end_that_nobody_saw_is_never_a_success() {
        let exit = |code, signal, oom, unknown| Exit {
            code,
            signal,
            oom,
            unknown,
        };
        for (exit, judgement, text) in [
            (
                exit(Some(0), None, false, false),
                restart::Exit::Code(0),
                "ended with code 0",
            ),
            (
                exit(None, Some(9), true, false),
                restart::Exit::OutOfMemory,
                "out of memory: limit 64 MiB",
            ),
            (
                exit(None, Some(9), false, false),
                restart::Exit::Signal(9),
                "ended by signal 9",
            ),
            (
                exit(None, None, false, true),
                restart::Exit::Unknown,
                "ended in a way that nobody saw",
            ),
            (
                exit(None, None, false, false),
                restart::Exit::Unknown,
                "ended in a way that nobody saw",
            ),
        ] {
            assert_eq!(
                (judged(&exit), words(&exit, Some(64 << 20)).as_str()),
                (judgement, text)
            );
        }
    }
}
