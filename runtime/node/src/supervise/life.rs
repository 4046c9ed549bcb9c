//! The life of one instance, step by step. Each step says which comes next.

use std::sync::Arc;
use std::time::Duration;

use aerolith_plan::probe::{Health, Unfit};
use aerolith_plan::restart::Policy;
use aerolith_plugin_wire::engine::Handle;
use tokio::sync::watch;

use super::clock::Clock;
use super::integrity::Known;
use super::{Again, Phase, Shared, Watched, Workspace};
use crate::admission::Refusal;
use crate::chance::chance;
use crate::record::{Life, Record, Terms};
use crate::time::{jittered, ms_after};

/// Longest time between two tries of something that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Instance {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) watched: Arc<Watched>,
    pub(super) record: Record,
    pub(super) known: Known,
    /// Whether its engine may hold something of a start that has ended, as after the daemon was away.
    pub(super) may_have_left: bool,
    /// Until it is made.
    pub(super) workspace: Option<Workspace>,
    pub(super) policy: Policy,
    /// Tries in a row that failed for reasons other than the program's own.
    pub(super) failures: u32,
    /// What the log has last said of it.
    pub(super) said: String,
    /// Where it is reached, if its engine gave it an address of its own.
    pub(super) address: Option<String>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) terms: watch::Receiver<Terms>,
    again: watch::Receiver<Again>,
}

/// What comes next.
pub(super) enum Next {
    Recover,
    Start,
    Watch(Handle, Box<Health>),
    /// It runs no more, and the engine may know how it ended.
    Reap(Handle),
    /// A probe found that it does not work.
    End(Handle, Unfitness),
    /// After a pause.
    Later(Duration, Box<Next>),
    /// The policy refuses what it is made of: it waits to be admitted.
    Barred(Refusal),
    /// Ended for good: it waits to be stopped.
    Rest,
    Stop,
    Gone,
}

/// How a probe found an instance.
#[derive(Debug, Clone)]
pub(super) struct Unfitness {
    pub(super) unfit: Unfit,
    /// Until when it worked.
    pub(super) worked: Duration,
    /// The last bad answer.
    pub(super) reason: String,
}

/// What ends a wait.
enum Woken<T> {
    Stop,
    Again,
    Done(T),
}

impl Instance {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Clock,
        watched: Arc<Watched>,
        record: Record,
        workspace: Option<Workspace>,
    ) -> Self {
        Self {
            policy: Policy::new(record.terms.rule, record.row),
            stop: watched.stop.subscribe(),
            terms: watched.terms.subscribe(),
            again: watched.again.subscribe(),
            shared,
            clock,
            watched,
            may_have_left: !record.workload.token.is_empty(),
            record,
            known: Known::default(),
            workspace,
            failures: 0,
            said: String::new(),
            address: None,
        }
    }

    /// Leads the instance until it is stopped and forgotten.
    pub(super) async fn lead(mut self) {
        let mut next = self.first();
        loop {
            next = match next {
                Next::Recover => self.recover().await,
                Next::Start => self.start().await,
                Next::Watch(handle, health) => self.watch(handle, *health).await,
                Next::Reap(handle) => self.reap(handle).await,
                Next::End(handle, unfitness) => self.end_unfit(handle, unfitness).await,
                Next::Later(pause, then) => self.pause(pause, *then).await,
                Next::Barred(refusal) => self.until_admitted(&refusal).await,
                Next::Rest => self.rest().await,
                Next::Stop => self.stop().await,
                Next::Gone => return,
            };
        }
    }

    /// A delay that was going on when the daemon went away goes on.
    fn first(&mut self) -> Next {
        if let Life::Ended { .. } = self.record.life {
            return Next::Rest;
        }
        let now = self.clock.now();
        self.record.proof.begin(now);
        let left = self.policy.rest(now);
        match self.record.life {
            Life::Idle if left.is_zero() => Next::Start,
            Life::Idle => {
                let reason = "its delay goes on after a restart of the node";
                self.show(Phase::Restarting, reason.into());
                Next::Later(left, Box::new(Next::Start))
            }
            _ => Next::Recover,
        }
    }

    async fn pause(&mut self, pause: Duration, then: Next) -> Next {
        self.watched.lock().next_try_ms = Some(ms_after(pause));
        if matches!(then, Next::Stop) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = self.again.changed() => self.failures = 0,
            }
            return then;
        }
        match self.wait(tokio::time::sleep(pause)).await {
            Woken::Stop => Next::Stop,
            Woken::Again | Woken::Done(()) => then,
        }
    }

    async fn until_admitted(&mut self, refusal: &Refusal) -> Next {
        let (shared, version) = (self.shared.clone(), self.version());
        match self.wait(shared.admission.reconsidered(&version, refusal)).await {
            Woken::Stop => Next::Stop,
            Woken::Again | Woken::Done(()) => Next::Start,
        }
    }

    async fn rest(&mut self) -> Next {
        if let Err(reason) = self.clear_what_was_left().await {
            tracing::warn!(instance = %self.record.id, reason, "the engine keeps something of an ended instance");
        }
        match self.record.life {
            Life::Ended { success: true, .. } => self.shared.ports.release(&self.record.run()),
            _ => self.shared.ports.rest(&self.record.run()),
        }
        match self.wait(std::future::pending::<()>()).await {
            Woken::Again => {
                self.record.life = Life::Idle;
                Next::Start
            }
            Woken::Stop | Woken::Done(()) => Next::Stop,
        }
    }

    /// Waits while nothing runs. Its trial may fail meanwhile.
    async fn wait<T>(&mut self, done: impl Future<Output = T>) -> Woken<T> {
        let mut done = std::pin::pin!(done);
        loop {
            let deadline = self.terms.borrow().deadline;
            let due = self.record.proof.due(deadline);
            tokio::select! {
                () = stopped(&mut self.stop) => return Woken::Stop,
                Ok(()) = self.again.changed() => {
                    self.failures = 0;
                    if *self.again.borrow_and_update() == Again::Asked {
                        self.policy.forget();
                    }
                    return Woken::Again;
                }
                done = &mut done => return Woken::Done(done),
                () = self.clock.until(due) => {
                    self.record.proof.wait(deadline, self.clock.now());
                    self.keep().await;
                    self.show_trial();
                }
            }
        }
    }

    /// What was asked for before it was started is no concern of it now.
    pub(super) fn attend(&mut self) {
        self.again.mark_unchanged();
    }

    /// Tries again after a pause that doubles from failure to failure.
    pub(super) fn again(&mut self, reason: String, next: Next) -> Next {
        let phase = if matches!(next, Next::Recover) {
            Phase::Recovering
        } else {
            Phase::Restarting
        };
        self.waits(phase, reason);
        Next::Later(self.back_off(), Box::new(next))
    }

    pub(super) fn back_off(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << (self.failures - 1).min(6)).min(LONGEST_PAUSE);
        jittered(pause, chance())
    }
}

/// Ready once the instance is to stop. Its sender lives as long as the instance.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
