//! How a running instance is watched: until it ends, is to be stopped, or a probe finds that it does not work.

use std::time::Duration;

use aerolith_plan::probe::{Answer, Health};
use aerolith_plan::restart::{Decision, Exit as Judged};
use aerolith_plan::{Fitness, Trial};
use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::engine::{Exit, Handle};
use serde_json::json;

use super::Phase;
use super::life::{Instance, Next, Unfitness, stopped};
use super::probing::{Answered, Questions, Target};
use super::view::{judged, words};
use crate::chance::chance;
use crate::metrics::INSTANCE_ID;
use crate::plugins::Engine;
use crate::record::Life;
use crate::time::now_ms;

/// An end that is to be judged.
struct End {
    exit: Exit,
    how: Judged,
    /// Until when it worked.
    worked: Duration,
    words: String,
}

impl Instance {
    pub(super) async fn running(&mut self, handle: Handle) -> Next {
        self.record.life = Life::Running(handle.clone());
        self.keep().await;
        let status = match self.engine().await {
            Ok(engine) => engine.status(&handle).await.unwrap_or_default(),
            Err(_) => aerolith_plugin_wire::engine::Status::default(),
        };
        let now = self.clock.now();
        if let Some(up) = status.up_ms.map(Duration::from_millis) {
            self.policy.started(now.saturating_sub(up));
        }
        {
            let mut view = self.watched.lock();
            (view.pid, view.unenforced) = (status.pid, status.unenforced);
        }
        self.address = status.address;
        self.show(Phase::Running, String::new());
        self.tell("started", &json!({"pid": status.pid, "restarts": self.record.restarts}));
        self.take_terms();
        let (probes, window) = (self.record.terms.probes.clone(), self.record.terms.window);
        let health = Health::new(probes, window, self.policy.since(), self.record.has_begun, now);
        Next::Watch(handle, Box::new(health))
    }

    pub(super) async fn watch(&mut self, handle: Handle, mut health: Health) -> Next {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(reason) => return self.again(reason, Next::Recover),
        };
        let mut questions = Questions::new(Target::of(
            engine.clone(),
            handle.clone(),
            self.address.clone(),
            &self.record.workload,
            self.shared.lookups.clone(),
        ));
        let mut ended = std::pin::pin!(engine.wait(&handle));
        loop {
            let now = self.clock.now();
            self.judge(&mut health, &questions, now).await;
            questions.ask(health.ask(now));
            let due = self.record.proof.due(self.terms.borrow().deadline);
            let next = health.next(now).into_iter().chain(due).min();
            tokio::select! {
                () = stopped(&mut self.stop) => return Next::Stop,
                ended = &mut ended => return self.reaped(&engine, &handle, ended).await,
                Ok(()) = self.terms.changed() => self.follow(&mut health, &mut questions),
                answered = questions.next() => if let Some(unfitness) = self.take(&mut health, answered) {
                    return Next::End(handle.clone(), unfitness);
                },
                () = self.clock.until(next) => {}
            }
        }
    }

    /// Waits for the end of what runs no more.
    pub(super) async fn reap(&mut self, handle: Handle) -> Next {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(reason) => return self.again(reason, Next::Recover),
        };
        tokio::select! {
            () = stopped(&mut self.stop) => Next::Stop,
            ended = engine.wait(&handle) => self.reaped(&engine, &handle, ended).await,
        }
    }

    async fn reaped(
        &mut self,
        engine: &Engine,
        handle: &Handle,
        ended: Result<Exit, aerolith_plugin_wire::Error>,
    ) -> Next {
        let (exit, left) = match ended {
            Ok(exit) => (exit, Some((engine, handle))),
            Err(error) if error.code == Code::NotFound => (Exit::unknown(), None),
            Err(error) => return self.again(format!("the engine cannot watch it: {error}"), Next::Recover),
        };
        let end = End {
            how: judged(&exit),
            worked: self.clock.now(),
            words: words(&exit, self.record.workload.resources.memory_bytes),
            exit,
        };
        self.ended(end, left).await
    }

    /// Shows how it is, and whether its version has proven itself by that.
    async fn judge(&mut self, health: &mut Health, questions: &Questions, now: Duration) {
        let fitness = health.look(now);
        if fitness == Fitness::Healthy {
            self.said.clear();
        }
        let reason = match fitness {
            Fitness::Started => questions.complaint().unwrap_or_default(),
            Fitness::Ready | Fitness::Healthy => String::new(),
        };
        self.show_fitness(fitness, &reason);
        let before = self.record.proof.outcome();
        let deadline = self.terms.borrow().deadline;
        self.record.proof.look(fitness, deadline, now);
        let has_come_out = before != self.record.proof.outcome();
        if has_come_out || self.record.has_begun != health.has_begun() {
            self.record.has_begun = health.has_begun();
            self.keep().await;
        }
        if has_come_out {
            self.tell_trial();
            self.show_trial();
        }
    }

    fn tell_trial(&self) {
        let proof = &self.record.proof;
        if proof.outcome() == Trial::Failed {
            tracing::warn!(instance = %self.record.id, reason = proof.reason(), "an instance has not proven itself");
        }
        self.tell("trial", &json!({"outcome": proof.outcome(), "reason": proof.reason()}));
    }

    fn follow(&mut self, health: &mut Health, questions: &mut Questions) {
        self.take_terms();
        let terms = &self.record.terms;
        health.follow(terms.probes.clone(), terms.window, self.clock.now());
        questions.drop_all();
        self.show_trial();
    }

    /// Takes an answer; when it was one too many, how the instance was found.
    fn take(&self, health: &mut Health, answered: Answered) -> Option<Unfitness> {
        let Answered { kind, answer, reason } = answered;
        let now = self.clock.now();
        if answer != Answer::Unasked {
            self.watched.lock().answered_ms = Some(now_ms());
        }
        let unfit = health.answer(kind, answer, now).err()?;
        Some(Unfitness {
            unfit,
            worked: health.worked(),
            reason,
        })
    }

    /// Ends what does not work, as patiently as anything else, and has its restart policy decide.
    pub(super) async fn end_unfit(&mut self, handle: Handle, unfitness: Unfitness) -> Next {
        let Unfitness { unfit, worked, reason } = &unfitness;
        let mut words = format!("{}: {reason}", unfit.kind);
        if unfit.times > 1 {
            words.push_str(&format!(", {} times in a row", unfit.times));
        }
        self.tell("unfit", &json!({"reason": words}));
        self.show(Phase::Stopping, words.clone());
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(reason) => return self.again(reason, Next::Recover),
        };
        match self.end_by(&engine, &handle).await {
            Ok(exit) => {
                let end = End {
                    exit,
                    how: Judged::Unfit,
                    worked: *worked,
                    words,
                };
                self.ended(end, Some((&engine, &handle))).await
            }
            Err(reason) => {
                self.waits(Phase::Stopping, reason);
                Next::Later(self.back_off(), Box::new(Next::End(handle, unfitness)))
            }
        }
    }

    /// Has the restart policy decide. What an engine has left of it is given up once the end is on record: until then only the
    /// engine knows of it.
    async fn ended(&mut self, end: End, left: Option<(&Engine, &Handle)>) -> Next {
        let End {
            exit,
            how,
            worked,
            words,
        } = end;
        self.failures = 0;
        self.watched.lock().pid = None;
        self.tell("exited", &json!(exit));
        let shown = self.record.id.to_string();
        self.shared
            .metrics
            .count("aerolith_instance_exits_total", &[(INSTANCE_ID, &shown)]);
        let rule = self.terms.borrow().rule;
        self.policy.follow(rule);
        let decision = self.policy.decide(how, worked, self.clock.now(), chance());
        let before = self.record.proof.outcome();
        self.record.proof.ended(how, &decision, !rule.forgets, &words);
        self.record.exit = Some(exit);
        let line = match decision {
            Decision::Restart { .. } => words.clone(),
            Decision::Done | Decision::GiveUp { .. } => format!("{words}, for good"),
        };
        if let Some(left_out) = self.says(line) {
            tracing::info!(instance = %self.record.id, how = words, next = %decision, left_out, "an instance has ended");
        }
        let (phase, reason, next) = match decision {
            Decision::Restart { after } => {
                self.record.restarts += 1;
                (Phase::Restarting, words, Next::Later(after, Box::new(Next::Start)))
            }
            Decision::Done if how.is_success() => (Phase::Completed, words, Next::Rest),
            Decision::Done => (Phase::Failed, words, Next::Rest),
            Decision::GiveUp { why } if how == Judged::Unfit => (Phase::Failed, format!("{why}: {words}"), Next::Rest),
            Decision::GiveUp { why } => (Phase::Failed, why.to_string(), Next::Rest),
        };
        self.record.life = match phase {
            Phase::Restarting => Life::Idle,
            _ => Life::Ended {
                success: phase == Phase::Completed,
                reason: reason.clone(),
            },
        };
        // Nothing is shown to have ended for good that a power cut might undo.
        self.keep().await;
        if let Some((engine, handle)) = left {
            self.forget(engine, handle).await;
        }
        self.show(phase, reason);
        if before != self.record.proof.outcome() {
            self.tell_trial();
        }
        next
    }

    /// What the engine keeps of an instance that is gone is its own affair: an error is only noted.
    pub(super) async fn forget(&mut self, engine: &Engine, handle: &Handle) {
        self.may_have_left = false;
        if let Err(error) = engine.remove(handle).await {
            tracing::warn!(instance = %self.record.id, %error, "the engine keeps something of an ended instance");
        }
    }
}
