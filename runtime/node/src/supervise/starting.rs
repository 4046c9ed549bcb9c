//! How an instance is started, or found again.

use std::fs;
use std::time::Duration;

use aerolith_plugin_wire::engine::{Handle, Recover};
use aerolith_plugin_wire::{Code, Error};
use serde_json::json;

use super::life::{Instance, Next};
use super::{Phase, Workspace};
use crate::admission::Refusal;
use crate::blocking::{blocking, trying};
use crate::layout::finish;
use crate::policy::NotAllowed;
use crate::record::Life;
use crate::workspace;

/// Time until it is asked again whether what the policy refused is allowed: where a link of the host leads may change, and
/// nobody tells.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// Why an instance could not be started.
pub(super) enum Refused {
    /// The policy takes no more what it is made of, and nothing of it runs.
    Forbidden(Refusal),
    /// The policy takes no more what it asks of the host, and nothing of it runs.
    NotAllowed(NotAllowed),
    /// Nothing of it runs.
    Clear(String),
    /// Nothing of it runs, and trying again will not help: it is made so that it cannot be started.
    Hopeless(String),
    /// Nothing of it runs, and what it is made of is not true any more: the port that it was given is another's.
    Lost(String),
    /// It may run.
    Unclear(String),
}

impl Refused {
    /// What an engine answers to a start.
    fn by_engine(error: &Error) -> Self {
        let reason = format!("cannot be started: {error}");
        match error.code {
            Code::Timeout | Code::Stopped | Code::Panic | Code::Unavailable => Self::Unclear(reason),
            _ if error.retryable => Self::Clear(reason),
            _ => Self::Hopeless(reason),
        }
    }
}

impl Instance {
    pub(super) async fn recover(&mut self) -> Next {
        match self.look().await {
            Ok(Some(handle)) => {
                self.tell("adopted", &json!({}));
                self.running(handle).await
            }
            // It has ended: the engine may know how, as when only the engine was away, and gives up what it holds of it.
            Ok(None) => match self.record.life.clone() {
                Life::Running(handle) => Next::Reap(handle),
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

    pub(super) async fn start(&mut self) -> Next {
        let is_unwanted = *self.stop.borrow();
        if is_unwanted || self.is_to_be_made_anew().await {
            return Next::Stop;
        }
        self.show(Phase::Starting, String::new());
        match self.try_start().await {
            Ok(handle) => {
                self.failures = 0;
                self.attend();
                self.policy.started(self.clock.now());
                self.running(handle).await
            }
            // It may have been started all the same: its token tells.
            Err(Refused::Unclear(reason)) => self.again(reason, Next::Recover),
            Err(Refused::Clear(reason)) => self.nothing_runs(reason).await,
            // Forgotten, it is planned again, with another port and with files that name it.
            Err(Refused::Lost(reason)) => {
                tracing::warn!(instance = %self.record.id, reason, "an instance is made anew");
                Next::Stop
            }
            Err(Refused::Hopeless(reason)) => {
                self.record.proof.refused(&reason);
                self.nothing_runs(reason).await
            }
            Err(Refused::NotAllowed(error)) => {
                self.record.life = Life::Idle;
                self.keep().await;
                self.waits(Phase::Waiting, error.to_string());
                Next::Later(ASK_AGAIN, Box::new(Next::Start))
            }
            Err(Refused::Forbidden(refusal)) => {
                self.record.life = Life::Idle;
                self.keep().await;
                self.waits(Phase::Waiting, refusal.to_string());
                Next::Barred(refusal)
            }
        }
    }

    /// Whether its working folder is gone, with all that it is made of, as when its first start came to nothing before the
    /// daemon went away. Forgotten, it is planned again.
    async fn is_to_be_made_anew(&self) -> bool {
        let folder = self.record.folder(&self.shared.folders.instances());
        let is_gone = move || !folder.is_dir();
        self.workspace.is_none() && blocking(is_gone).await.unwrap_or(false)
    }

    async fn nothing_runs(&mut self, reason: String) -> Next {
        self.record.life = Life::Idle;
        self.keep().await;
        self.again(reason, Next::Start)
    }

    /// What comes directly before the start is what may have changed by then.
    async fn try_start(&mut self) -> Result<Handle, Refused> {
        let engine = self.engine().await.map_err(Refused::Clear)?;
        self.clear_what_was_left().await.map_err(Refused::Clear)?;
        self.take_from_host(&engine).await?;
        self.make_workspace().await.map_err(Refused::Clear)?;
        self.record.workload.token = token().map_err(Refused::Clear)?;
        self.record.life = Life::Intended;
        self.record.has_begun = false;
        self.save().await.map_err(Refused::Clear)?;
        let admitted = self.shared.admission.of(&self.version()).await;
        admitted.map_err(Refused::Forbidden)?;
        self.check().await.map_err(Refused::Clear)?;
        let started = engine.start(&self.record.workload).await;
        started.map_err(|error| Refused::by_engine(&error))
    }

    async fn make_workspace(&mut self) -> Result<(), String> {
        let Some(Workspace { home, places, start_in }) = self.workspace.clone() else {
            return Ok(());
        };
        let output = std::path::PathBuf::from(&self.record.workload.output);
        let (rules, environment) = (self.shared.rules.clone(), self.record.workload.environment.clone());
        trying(move || {
            if let Some(parent) = output.parent() {
                crate::durable::folder(parent, true).map_err(|e| e.to_string())?;
            }
            let places = finish(&places, &environment, &rules).map_err(|e| e.to_string())?;
            workspace::make(&home, &places, &start_in).map_err(|e| e.to_string())
        })
        .await?;
        self.workspace = None;
        Ok(())
    }
}

/// Unique for each start, across restarts of the daemon (random(4)).
fn token() -> Result<String, String> {
    const SOURCE: &str = "/proc/sys/kernel/random/uuid";
    fs::read_to_string(SOURCE)
        .map(|text| text.trim().to_owned())
        .map_err(|e| format!("cannot read {SOURCE}: {e}"))
}
