//! The life of one instance, step by step. Each step says which comes next.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aerolith_plan::RunId;
use aerolith_plan::restart::{Decision, Policy};
use aerolith_plugin_wire::engine::{Exit, Handle, Recover};
use aerolith_plugin_wire::{Code, Error};
use serde_json::json;
use tokio::sync::watch;

use super::integrity::Known;
use super::view::{judged, words};
use super::{Phase, Shared, Watched, Workspace, since_boot};
use crate::admission::Refusal;
use crate::plugins::{self, Engine};
use crate::prepare::{VersionId, now_ms};
use crate::record::{Life, Record};
use crate::workspace;

/// Longest time between two tries of something that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Instance {
    pub(super) shared: Arc<Shared>,
    pub(super) watched: Arc<Watched>,
    pub(super) record: Record,
    pub(super) known: Known,
    /// Until it is made.
    workspace: Option<Workspace>,
    policy: Policy,
    /// Tries in a row that failed for reasons other than the program's own.
    failures: u32,
    stop: watch::Receiver<bool>,
}

/// What comes next.
pub(super) enum Next {
    Recover,
    Start,
    Watch(Handle),
    /// After a pause.
    Later(Duration, Box<Next>),
    /// The policy refuses what it is made of: it waits to be admitted.
    Barred(Refusal),
    /// Ended for good: it waits to be stopped.
    Rest,
    Stop,
    Gone,
}

impl Instance {
    pub(super) fn new(
        shared: Arc<Shared>,
        watched: Arc<Watched>,
        record: Record,
        workspace: Option<Workspace>,
    ) -> Self {
        let policy = Policy::new(record.terms.rule(), since_boot());
        let stop = watched.stop.subscribe();
        Self {
            shared,
            watched,
            record,
            known: Known::default(),
            workspace,
            policy,
            failures: 0,
            stop,
        }
    }

    /// Leads the instance until it is stopped and forgotten.
    pub(super) async fn lead(mut self) -> RunId {
        let mut next = match self.record.life {
            Life::Idle => Next::Start,
            Life::Intended | Life::Running(_) => Next::Recover,
            Life::Ended { .. } => Next::Rest,
        };
        loop {
            next = match next {
                Next::Recover => self.recover().await,
                Next::Start => self.start().await,
                Next::Watch(handle) => self.watch(handle).await,
                Next::Later(pause, then) => self.pause(pause, *then).await,
                Next::Barred(refusal) => self.until_admitted(&refusal).await,
                Next::Rest => self.until_stopped().await,
                Next::Stop => self.stop().await,
                Next::Gone => return self.watched.run.clone(),
            };
        }
    }

    async fn recover(&mut self) -> Next {
        match self.look().await {
            Ok(Some(handle)) => {
                self.tell("adopted", &json!({}));
                self.running(handle).await
            }
            // It has ended: the engine may know how, as when only the engine was away, and gives up what it holds of it.
            Ok(None) => match self.record.life.clone() {
                Life::Running(handle) => Next::Watch(handle),
                Life::Intended => match self.clear_remains().await {
                    Ok(()) => self.start().await,
                    Err(reason) => self.again(reason, Next::Recover),
                },
                Life::Idle | Life::Ended { .. } => self.start().await,
            },
            Err(reason) => self.again(reason, Next::Recover),
        }
    }

    /// Asks the engine whether the instance runs.
    pub(super) async fn look(&self) -> Result<Option<Handle>, String> {
        let engine = self.engine().await?;
        let handle = match &self.record.life {
            Life::Running(handle) => Some(handle.clone()),
            _ => None,
        };
        let (instance, token) = (self.record.id.to_string(), self.record.workload.token.clone());
        let asked = Recover {
            instance,
            token,
            handle,
        };
        let found = engine
            .recover(&asked)
            .await
            .map_err(|e| format!("the engine cannot look for it: {e}"))?;
        tracing::info!(instance = %self.record.id, found = found.handle.is_some(), reason = found.reason, "recovered");
        Ok(found.handle)
    }

    async fn start(&mut self) -> Next {
        if *self.stop.borrow() {
            return Next::Stop;
        }
        self.show(Phase::Starting, String::new());
        match self.try_start().await {
            Ok(handle) => {
                self.failures = 0;
                self.running(handle).await
            }
            // It may have been started all the same: its token tells.
            Err(Refused::Unclear(reason)) => self.again(reason, Next::Recover),
            Err(Refused::Clear(reason)) => {
                self.record.life = Life::Idle;
                self.keep().await;
                self.again(reason, Next::Start)
            }
            Err(Refused::Forbidden(refusal)) => {
                self.record.life = Life::Idle;
                self.keep().await;
                self.waits(Phase::Waiting, refusal.to_string());
                Next::Barred(refusal)
            }
        }
    }

    /// What comes directly before the start is what may have changed by then.
    async fn try_start(&mut self) -> Result<Handle, Refused> {
        let engine = self.engine().await.map_err(Refused::Clear)?;
        self.make_workspace().await.map_err(Refused::Clear)?;
        self.record.workload.token = token().map_err(Refused::Clear)?;
        self.record.life = Life::Intended;
        self.save().await.map_err(Refused::Clear)?;
        let admitted = self.shared.admission.of(&self.version()).await;
        admitted.map_err(Refused::Forbidden)?;
        self.check().await.map_err(Refused::Clear)?;
        engine.start(&self.record.workload).await.map_err(|error| {
            let reason = format!("cannot be started: {error}");
            match error.code {
                Code::Timeout | Code::Stopped | Code::Panic | Code::Unavailable => Refused::Unclear(reason),
                _ => Refused::Clear(reason),
            }
        })
    }

    async fn make_workspace(&mut self) -> Result<(), String> {
        let Some(Workspace {
            folder,
            places,
            start_in,
        }) = self.workspace.clone()
        else {
            return Ok(());
        };
        let output = std::path::PathBuf::from(&self.record.workload.output);
        blocking(move || {
            if let Some(parent) = output.parent() {
                crate::durable::folder(parent, true)?;
            }
            workspace::make(&folder, &places, &start_in)
        })
        .await?;
        self.workspace = None;
        Ok(())
    }

    async fn running(&mut self, handle: Handle) -> Next {
        self.record.life = Life::Running(handle.clone());
        self.keep().await;
        let status = match self.engine().await {
            Ok(engine) => engine.status(&handle).await.unwrap_or_default(),
            Err(_) => aerolith_plugin_wire::engine::Status::default(),
        };
        let up = Duration::from_millis(status.up_ms.unwrap_or(0));
        self.policy.started(since_boot().saturating_sub(up));
        self.watched.lock().pid = status.pid;
        self.show(Phase::Running, String::new());
        self.tell("started", &json!({"pid": status.pid, "restarts": self.record.restarts}));
        Next::Watch(handle)
    }

    async fn watch(&mut self, handle: Handle) -> Next {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(reason) => return self.again(reason, Next::Recover),
        };
        let ended = tokio::select! {
            () = stopped(&mut self.stop) => return Next::Stop,
            ended = engine.wait(&handle) => ended,
        };
        match ended {
            Ok(exit) => {
                self.forget(&engine, &handle).await;
                self.ended(exit).await
            }
            Err(error) if error.code == Code::NotFound => self.ended(unknown()).await,
            Err(error) => self.again(format!("the engine cannot watch it: {error}"), Next::Recover),
        }
    }

    async fn ended(&mut self, exit: Exit) -> Next {
        self.failures = 0;
        self.watched.lock().pid = None;
        self.tell("exited", &json!(exit));
        let shown = self.record.id.to_string();
        self.shared
            .metrics
            .count("aerolith_instance_exits_total", &[("instance_id", &shown)]);
        self.policy.follow(self.watched.terms.borrow().rule());
        let (decision, words) = (self.policy.decide(judged(&exit), since_boot()), words(&exit));
        let success = judged(&exit).is_success();
        self.record.exit = Some(exit);
        let next = match decision {
            Decision::Restart { after } => {
                self.record.life = Life::Idle;
                self.record.restarts += 1;
                self.show(Phase::Restarting, words);
                Next::Later(after, Box::new(Next::Start))
            }
            Decision::Done => self.rest(success, words),
            Decision::GiveUp { why } => self.rest(false, why.to_string()),
        };
        self.keep().await;
        next
    }

    fn rest(&mut self, success: bool, reason: String) -> Next {
        self.record.life = Life::Ended {
            success,
            reason: reason.clone(),
        };
        self.show(if success { Phase::Completed } else { Phase::Failed }, reason);
        Next::Rest
    }

    async fn pause(&mut self, pause: Duration, then: Next) -> Next {
        let cannot_wait = matches!(then, Next::Stop | Next::Gone);
        let next_try_ms = now_ms().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self.watched.lock().next_try_ms = Some(next_try_ms);
        tokio::select! {
            () = stopped(&mut self.stop), if !cannot_wait => Next::Stop,
            () = tokio::time::sleep(pause) => then,
        }
    }

    async fn until_admitted(&mut self, refusal: &Refusal) -> Next {
        let version = self.version();
        tokio::select! {
            () = stopped(&mut self.stop) => Next::Stop,
            () = self.shared.admission.reconsidered(&version, refusal) => Next::Start,
        }
    }

    async fn until_stopped(&mut self) -> Next {
        stopped(&mut self.stop).await;
        Next::Stop
    }

    /// Tries again after a pause that doubles from failure to failure.
    fn again(&mut self, reason: String, next: Next) -> Next {
        let phase = if matches!(next, Next::Recover) {
            Phase::Recovering
        } else {
            Phase::Restarting
        };
        self.waits(phase, reason);
        Next::Later(self.back_off(), Box::new(next))
    }

    fn waits(&self, phase: Phase, reason: String) {
        tracing::warn!(instance = %self.record.id, reason, "an instance waits");
        self.tell("failed", &json!({"reason": reason}));
        self.show(phase, reason);
    }

    pub(super) fn version(&self) -> VersionId {
        self.watched.version()
    }

    pub(super) fn back_off(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Duration::from_secs(1 << (self.failures - 1).min(6)).min(LONGEST_PAUSE)
    }

    pub(super) async fn engine(&self) -> Result<Engine, String> {
        plugins::engine(&*self.shared.plugins, &self.record.engine)
            .await
            .map_err(|e| e.to_string())
    }

    /// What the engine keeps of an instance that is gone is its own affair: an error is only noted.
    pub(super) async fn forget(&self, engine: &Engine, handle: &Handle) {
        if let Err(error) = engine.remove(handle).await {
            tracing::warn!(instance = %self.record.id, %error, "the engine keeps something of an ended instance");
        }
    }

    async fn save(&mut self) -> Result<(), String> {
        self.record.terms = *self.watched.terms.borrow();
        let (records, record) = (self.shared.records.clone(), self.record.clone());
        blocking(move || records.put(&record)).await
    }

    /// A record that cannot be written is a fault of the machine: the instance goes on, the operator is told.
    async fn keep(&mut self) {
        if let Err(reason) = self.save().await {
            tracing::error!(instance = %self.record.id, reason, "a restart of the node may not find this instance");
        }
    }

    pub(super) fn show(&self, phase: Phase, reason: String) {
        let mut view = self.watched.lock();
        if view.phase != phase {
            view.since_ms = now_ms();
        }
        if phase != Phase::Running && phase != Phase::Stopping {
            view.pid = None;
        }
        view.phase = phase;
        view.reason = reason;
        view.next_try_ms = None;
        view.restarts = self.record.restarts;
        view.exit.clone_from(&self.record.exit);
        view.edited.clone_from(&self.record.edited);
        drop(view);
        self.shared.changed.notify_one();
    }

    pub(super) fn tell(&self, what: &str, data: &serde_json::Value) {
        self.shared
            .bus
            .tell(format!("instance/{}/{what}", self.record.id), data.clone());
    }
}

/// The end of something that ended while nobody looked.
fn unknown() -> Exit {
    Exit {
        unknown: true,
        ..Exit::default()
    }
}

/// Why an instance could not be started.
enum Refused {
    /// The policy takes no more what it is made of, and nothing of it runs.
    Forbidden(Refusal),
    /// Nothing of it runs.
    Clear(String),
    /// It may run.
    Unclear(String),
}

/// Ready once the instance is to stop. Its sender lives as long as the instance.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Unique for each start, across restarts of the daemon (random(4)).
fn token() -> Result<String, String> {
    const SOURCE: &str = "/proc/sys/kernel/random/uuid";
    fs::read_to_string(SOURCE)
        .map(|text| text.trim().to_owned())
        .map_err(|e| format!("cannot read {SOURCE}: {e}"))
}

pub(super) async fn blocking<T: Send + 'static, E: ToString + Send + 'static>(
    step: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(move || step().map_err(|e| e.to_string())).await;
    done.map_err(|e| Error::new(Code::Internal, e).message)?
}
