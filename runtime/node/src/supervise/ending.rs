//! How an instance is stopped and forgotten.

use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::engine::{Exit, Handle, Stop};
use serde_json::json;

use super::Phase;
use super::life::{Instance, Next};
use crate::blocking::trying;
use crate::plugins::Engine;
use crate::record::Life;
use crate::workspace;

impl Instance {
    /// Nothing is forgotten before the engine has said that it is stopped.
    pub(super) async fn stop(&mut self) -> Next {
        self.show(Phase::Stopping, String::new());
        let handle = match &self.record.life {
            Life::Running(handle) => Ok(Some(handle.clone())),
            Life::Intended => self.look_and_clear().await,
            Life::Idle | Life::Ended { .. } => self.clear_what_was_left().await.map(|()| None),
        };
        let stopped = match handle {
            Ok(Some(handle)) => self.end(&handle).await,
            Ok(None) => Ok(()),
            Err(reason) => Err(reason),
        };
        match stopped {
            Ok(()) => self.clear_away().await,
            Err(reason) => self.again_stopping(reason),
        }
    }

    /// As [`Instance::look`]; where nothing is found, nothing is left either.
    async fn look_and_clear(&mut self) -> Result<Option<Handle>, String> {
        let found = self.look().await?;
        if found.is_none() {
            self.clear_remains().await?;
        }
        Ok(found)
    }

    /// Has the engine remove what a start left whose handle never came: its first process may be gone while others that
    /// it started run on. They carry the old token, so this comes before a new one is given.
    pub(super) async fn clear_remains(&mut self) -> Result<(), String> {
        let remains = Handle {
            instance: self.record.id.to_string(),
            token: self.record.workload.token.clone(),
            state: serde_json::Value::Null,
        };
        match self.engine().await?.remove(&remains).await {
            Err(error) if error.code != Code::NotFound => {
                Err(format!("the engine cannot remove what an earlier start left: {error}"))
            }
            _ => {
                self.may_have_left = false;
                Ok(())
            }
        }
    }

    /// As [`Instance::clear_remains`], for what a daemon may have left that went away between the record of an end and the end
    /// of what the engine held.
    pub(super) async fn clear_what_was_left(&mut self) -> Result<(), String> {
        match self.may_have_left {
            true => self.clear_remains().await,
            false => Ok(()),
        }
    }

    async fn end(&mut self, handle: &Handle) -> Result<(), String> {
        let engine = self.engine().await?;
        let exit = self.end_by(&engine, handle).await?;
        self.forget(&engine, handle).await;
        self.record.life = Life::Idle;
        self.tell("exited", &json!(exit));
        Ok(())
    }

    /// Has an engine end it as patiently as its service says.
    pub(super) async fn end_by(&self, engine: &Engine, handle: &Handle) -> Result<Exit, String> {
        let asked = Stop {
            handle: handle.clone(),
            grace_ms: self.watched.terms.borrow().grace_ms(),
        };
        let exit = engine.stop(&asked).await;
        exit.map_err(|error| format!("the engine cannot stop it: {error}"))
    }

    async fn clear_away(&mut self) -> Next {
        let (home, records) = (self.shared.folders.home_of(&self.record), self.shared.records.clone());
        let record = self.record.clone();
        let cleared = trying(move || workspace::remove(&home).and_then(|()| records.remove(&record))).await;
        match cleared {
            Ok(()) => {
                self.tell("stopped", &json!({}));
                Next::Gone
            }
            Err(reason) => self.again_stopping(reason),
        }
    }

    fn again_stopping(&mut self, reason: String) -> Next {
        self.show(Phase::Stopping, reason);
        self.watched.lock().is_stuck = true;
        Next::Later(self.back_off(), Box::new(Next::Stop))
    }
}
