//! What an instance keeps on disk of itself, and what it shows and tells of itself.

use aerolith_plan::trial::Proof;
use aerolith_plan::{Fitness, VersionId};

use super::Phase;
use super::life::Instance;
use super::view::View;
use crate::blocking::trying;
use crate::plugins::{self, Engine};
use crate::time::now_ms;

impl Instance {
    pub(super) fn version(&self) -> VersionId {
        self.watched.version()
    }

    pub(super) async fn engine(&self) -> Result<Engine, String> {
        plugins::engine(&*self.shared.plugins, &self.record.engine)
            .await
            .map_err(|e| e.to_string())
    }

    /// Takes its terms up. Who is asked otherwise than before must prove himself anew.
    pub(super) fn take_terms(&mut self) {
        let terms = self.terms.borrow_and_update().clone();
        if terms.probes != self.record.terms.probes {
            self.record.proof = Proof::default();
            self.record.proof.begin(self.clock.now());
        }
        self.record.terms = terms;
    }

    pub(super) async fn save(&mut self) -> Result<(), String> {
        self.take_terms();
        self.record.row = self.policy.row();
        let (records, record) = (self.shared.records.clone(), self.record.clone());
        trying(move || records.put(&record)).await
    }

    /// A record that cannot be written is a fault of the machine: the instance goes on, the operator is told.
    pub(super) async fn keep(&mut self) {
        if let Err(reason) = self.save().await {
            tracing::error!(instance = %self.record.id, reason, "a restart of the node may not find this instance");
        }
    }

    /// Whether the log is to say this of it, which it does once in a row; if so, how many lines were left out before.
    pub(super) fn says(&mut self, line: String) -> Option<u64> {
        if self.said == line {
            return None;
        }
        let room = self.shared.lines.take(self.clock.now());
        if room.is_some() {
            self.said = line;
        }
        room
    }

    pub(super) fn waits(&mut self, phase: Phase, reason: String) {
        if let Some(left_out) = self.says(reason.clone()) {
            tracing::warn!(instance = %self.record.id, reason, left_out, "an instance waits");
        }
        self.tell("failed", &serde_json::json!({"reason": reason}));
        self.show(phase, reason);
        self.watched.lock().is_stuck = true;
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
        view.restarts = self.record.restarts;
        view.exit.clone_from(&self.record.exit);
        view.edited.clone_from(&self.record.edited);
        view.fitness = Fitness::Started;
        view.answered_ms = None;
        view.is_stuck = false;
        view.next_try_ms = None;
        self.put_trial(&mut view);
        drop(view);
        self.shared.changed.notify_one();
    }

    /// Shows how far it has proven itself while it runs, and what a probe says against it.
    pub(super) fn show_fitness(&self, fitness: Fitness, reason: &str) {
        let mut view = self.watched.lock();
        let (is_other, is_said_otherwise) = (view.fitness != fitness, view.reason != reason);
        view.fitness = fitness;
        reason.clone_into(&mut view.reason);
        drop(view);
        if is_other {
            self.tell("fitness", &serde_json::json!({"fitness": fitness}));
        }
        if is_other || is_said_otherwise {
            self.shared.changed.notify_one();
        }
    }

    pub(super) fn show_trial(&self) {
        let mut view = self.watched.lock();
        self.put_trial(&mut view);
        drop(view);
        self.shared.changed.notify_one();
    }

    /// What it has proven under terms that are no more its own says nothing.
    fn put_trial(&self, view: &mut View) {
        match self.terms.borrow().probes == self.record.terms.probes {
            true => view.try_as(&self.record.proof),
            false => view.try_as(&Proof::default()),
        }
    }

    pub(super) fn tell(&self, what: &str, data: &serde_json::Value) {
        self.shared
            .bus
            .tell(format!("instance/{}/{what}", self.record.id), data.clone());
    }
}
