//! Takes the steps that planning gives: prepares versions, starts and stops instances, removes what is old.

use aerolith_model::Strategy;
use aerolith_plan::{Goal, RunId, Step, VersionId};
use serde_json::json;
use tokio::time::Instant;

use super::board::Trouble;
use super::{Driver, Look, Stale};
use crate::admission::judge;
use crate::blocking::trying;
use crate::policy::Asked;
use crate::prepare::{self, Fresh, PrepareError};
use crate::record::Terms;
use crate::supervise::{Launch, Phase, Workspace};
use crate::workload::{engine_kind, start_in, workload};

impl Driver {
    /// Takes every step that may be taken, and answers the last look, after which there was none that may give others at
    /// once.
    pub(super) async fn advance(&mut self, now: Instant) -> Look {
        loop {
            let look = {
                let board = self.works.board();
                board.look(&board.desired, &self.works.supervisor)
            };
            self.begin_attempts(&look.steps).await;
            if !self.take(look.steps.clone(), now).await {
                return look;
            }
        }
    }

    /// Takes steps; answers whether planning again may give others at once.
    async fn take(&mut self, steps: Vec<Step>, now: Instant) -> bool {
        let (mut removed, mut started) = (false, false);
        for step in steps {
            match step {
                Step::Prepare { service, fingerprint } => self.prepare((service, fingerprint), now),
                Step::Stop { run } => self.works.supervisor.stop(&run),
                Step::Start { run } => started |= self.start(&run),
                Step::Remove { service, fingerprint } => removed |= self.remove((service, fingerprint)).await,
            }
        }
        self.unclean |= removed;
        started || removed
    }

    fn prepare(&mut self, version: VersionId, now: Instant) {
        let desired = {
            let mut board = self.works.board();
            let Some(desired) = board.context(&version) else {
                return;
            };
            let waits = board.troubles.get(&version).is_some_and(|trouble| trouble.waits(now));
            if waits || !board.preparing.insert(version.clone()) {
                return;
            }
            // What was found out of it before is asked for again with each try.
            let is_resolved = desired.goal(&version.0).is_none_or(|goal| goal.is_resolved);
            if !is_resolved && board.troubles.contains_key(&version) {
                self.stale = self.stale.max(Some(Stale::Unresolved));
            }
            desired
        };
        let works = self.works.clone();
        let service = version.0.clone();
        self.jobs.spawn(version, |need| async move {
            works.preparer.prepare(&desired, &service, &need).await
        });
    }

    pub(super) async fn take_job(&mut self, version: VersionId, result: Result<Fresh, PrepareError>) {
        let is_wanted = {
            let mut board = self.works.board();
            board.preparing.remove(&version);
            board.context(&version).is_some()
        };
        match result {
            Ok(fresh) => self.take_prepared(version, fresh).await,
            Err(_) if !is_wanted => self.unclean = true,
            Err(PrepareError::Superseded) => {}
            Err(error) => {
                // A full disk may have room again once what nobody needs is gone, whatever else is under way.
                self.is_cramped |= error.is_of_the_disk();
                self.take_trouble(version, &error);
            }
        }
    }

    async fn take_prepared(&self, version: VersionId, fresh: Fresh) {
        self.works.foundation.bus().tell(
            format!("service/{}/prepared", version.0),
            json!({"fingerprint": version.1}),
        );
        let prepared = fresh.prepared.clone();
        {
            let mut board = self.works.board();
            board.troubles.remove(&version);
            board.prepared.insert(version.clone(), prepared);
        }
        // What is desired may have changed while it was prepared.
        self.keep_claims(std::slice::from_ref(&version)).await;
        let prepared = self.works.board().prepared.get(&version).cloned();
        let judged = judge(self.works.preparer.downloads.policy(), prepared.as_ref());
        self.works.supervisor.admission().set(version, judged);
        // From here on the board keeps what was held till now.
        drop(fresh);
    }

    fn take_trouble(&self, version: VersionId, error: &PrepareError) {
        let mut board = self.works.board();
        if self.may_start(&board.prepared, &version) {
            return;
        }
        let reason = error.to_string();
        tracing::warn!(service = %version.0, disk = error.is_of_the_disk(), reason, "a service cannot be prepared");
        let bus = self.works.foundation.bus();
        bus.tell(format!("service/{}/failed", version.0), json!({"reason": reason}));
        let trouble = Trouble::after(board.troubles.get(&version), reason, error);
        board.troubles.insert(version, trouble);
    }

    /// Preparing checked the same places: what was kept of it is damaged, or the program has a fault.
    fn take_misplaced(&self, version: VersionId, error: &PrepareError) {
        let mut board = self.works.board();
        let before = board.troubles.get(&version);
        if before.is_some_and(|trouble| trouble.waits(Instant::now())) {
            return;
        }
        let reason = error.to_string();
        tracing::error!(service = %version.0, reason, "an instance cannot be started");
        let trouble = Trouble::after(before, reason, error);
        board.troubles.insert(version, trouble);
    }

    fn start(&self, run: &RunId) -> bool {
        let works = &self.works;
        let version = (run.instance.service.clone(), run.fingerprint);
        let (desired, prepared) = {
            let board = works.board();
            (board.context(&version), board.prepared.get(&version).cloned())
        };
        let (Some(desired), Some(prepared)) = (desired, prepared) else {
            return false;
        };
        let Some(goal) = desired.goal(&run.instance.service) else {
            return false;
        };
        let places = match works.preparer.places(&desired, goal, &prepared) {
            Ok(places) => places,
            Err(error) => {
                self.take_misplaced(version, &error.into());
                return false;
            }
        };
        works.board().troubles.remove(&version);
        works.supervisor.start(Launch {
            run: run.clone(),
            depends_on: goal.depends_on.keys().cloned().collect(),
            successor_of: self.former(run, goal),
            engine: engine_kind(goal),
            workload: workload(
                &works.preparer.folders,
                &works.preparer.host,
                &desired,
                goal,
                &prepared,
                run,
            ),
            tree: prepared.tree.clone(),
            terms: Terms::of(goal),
            asked: Asked::by(&goal.service, &goal.volumes),
            workspace: Workspace {
                home: works.preparer.folders.home(run),
                places,
                start_in: start_in(goal),
            },
        });
        true
    }

    /// The run of another version that hands its sockets over to a new one.
    fn former(&self, run: &RunId, goal: &Goal) -> Option<RunId> {
        if goal.strategy != Strategy::Handover {
            return None;
        }
        let mut others = self.works.supervisor.all().into_iter().filter(|other| {
            other.run.instance == run.instance
                && other.run.fingerprint != run.fingerprint
                && other.view().phase == Phase::Running
        });
        others.next().map(|other| other.run.clone())
    }

    async fn remove(&self, version: VersionId) -> bool {
        let (folders, id) = (self.works.preparer.folders.clone(), version.clone());
        let removed = trying(move || prepare::remove(&folders, &id)).await;
        self.works.board().prepared.remove(&version);
        match removed {
            Ok(()) => self.works.foundation.bus().tell(
                format!("service/{}/removed", version.0),
                json!({"fingerprint": version.1}),
            ),
            Err(error) => tracing::warn!(service = %version.0, %error, "an old version stays until the node restarts"),
        }
        true
    }
}
