//! The driver: one task that observes, plans, and takes the steps, until there is none left. It wakes by what happens,
//! never by a tick.

mod board;
mod calm;
mod cleaning;
mod course;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerolith_plan::{Fitness, RunId, ServiceId, State, Step};
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::admission::judge;
use crate::bus::Events;
use crate::desired::{Desired, Given};
use crate::foundation::Foundation;
use crate::jobs::Jobs;
use crate::layout::relative;
use crate::news::News;
use crate::policy::Asked;
use crate::prepare::{self, Fresh, PrepareError, Prepared, Preparer, VersionId, blocking};
use crate::record::Terms;
use crate::registry::{self, Ready, Registry, Table, registry};
use crate::status::status;
use crate::supervise::{Launch, Supervisor, Watched, Workspace};
use crate::workload::{engine_kind, workload};

pub(crate) use board::Board;
use board::{Trouble, context};
use calm::Calm;
pub use cleaning::CleanError;
pub(crate) use cleaning::{Request, in_thread, on_board, preview_clean};

/// What the driver works on and with.
pub(crate) struct Works {
    pub(crate) foundation: Foundation,
    pub(crate) preparer: Preparer,
    pub(crate) supervisor: Supervisor,
    pub(crate) changed: Arc<Notify>,
    /// Asks the driver to clean.
    pub(crate) cleaning: mpsc::Sender<Request>,
    pub(crate) board: Mutex<Board>,
}

impl Works {
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this boot of the machine is called.
    pub(crate) fn boot(&self) -> &str {
        &self.foundation.0.settings.boot
    }

    /// Whether something else is desired than was read last.
    fn is_behind(&self) -> bool {
        self.foundation.state().revision() != self.board().desired.revision
    }
}

pub(crate) fn subject(step: &Step) -> &ServiceId {
    match step {
        Step::Prepare { service, .. } | Step::Remove { service, .. } => service,
        Step::Stop { run } | Step::Start { run } => &run.instance.service,
    }
}

pub(crate) struct Driver {
    works: Arc<Works>,
    jobs: Jobs,
    requests: mpsc::Receiver<Request>,
    /// What happens to plugins: one that comes may be the one that was missing.
    plugins: Events,
    /// The desired state must be read again though its revision is the same.
    stale: bool,
    /// Something was removed since the last cleaning.
    unclean: bool,
    news: News,
    registry: Registry,
}

impl Driver {
    pub(crate) fn new(works: Arc<Works>, requests: mpsc::Receiver<Request>, plugins: Events) -> Self {
        Self {
            works,
            jobs: Jobs::default(),
            requests,
            plugins,
            stale: true,
            unclean: true,
            news: News::default(),
            registry: Registry::default(),
        }
    }

    pub(crate) async fn drive(mut self) {
        let mut calm = Calm::new();
        loop {
            self.read_desired().await;
            self.take_lost();
            self.works.board().look_at_the_clock();
            let now = Instant::now();
            while self.advance(now).await {}
            if self.conclude(now).await {
                continue;
            }
            self.clean().await;
            self.news.tell(self.works.foundation.bus(), status(&self.works));
            self.tell_ports().await;
            // What was due has been taken up, if planning still wants it.
            let again_at = self.works.board().wakes_at(now);
            calm.looked(now);
            tokio::select! {
                () = calm.changed(&self.works.changed, || self.works.is_behind()) => {}
                Some((version, result)) = self.jobs.next() => self.take_job(version, result).await,
                Some(request) = self.requests.recv() => self.answer(request).await,
                Some(_) = self.plugins.next() => self.take_plugins(),
                () = until(again_at) => {}
            }
        }
    }

    async fn read_desired(&mut self) {
        let is_fresh = self.read_head().await;
        if !self.read_courses(is_fresh).await {
            return;
        }
        let versions: Vec<VersionId> = {
            let mut board = self.works.board();
            board.revision = board.desired.revision;
            let Board { troubles, courses, .. } = &mut *board;
            let before = troubles.len();
            troubles.retain(|version, _| context(courses, version).is_some());
            // What was prepared of them in part is nobody's now.
            self.unclean |= troubles.len() < before;
            board.prepared.keys().cloned().collect()
        };
        self.keep_claims(&versions).await;
        self.judge_all();
        self.follow();
    }

    /// Takes up what is in force; answers whether it may be another than before.
    async fn read_head(&mut self) -> bool {
        let (given, damaged) = {
            let state = self.works.foundation.state();
            let is_known = state.revision() == self.works.board().desired.revision;
            if is_known && !self.stale {
                return false;
            }
            let given = Given {
                revision: state.revision(),
                versions: state.revisions(),
                resources: state.resources().clone(),
                updates: self.works.foundation.0.settings.updates,
            };
            (given, state.damaged().to_vec())
        };
        let known = match std::mem::take(&mut self.stale) {
            true => Arc::default(),
            false => self.works.board().desired.clone(),
        };
        let plugins = &*self.works.preparer.plugins;
        let desired = Desired::of(given, &damaged, &known, plugins).await;
        let desired = desired.ask_engines(plugins).await;
        let desired = desired.hold_refused(&self.works.preparer.rules);
        for (name, reason) in &desired.held {
            tracing::error!(application = name, reason, "an application is left as it is");
        }
        let mut board = self.works.board();
        board.reconsider(&desired);
        board.desired = Arc::new(desired);
        true
    }

    /// What is desired and lost its stored tree is prepared no more: planning has it prepared again.
    fn take_lost(&self) {
        let lost = self.works.supervisor.take_lost();
        let mut board = self.works.board();
        let Board { prepared, courses, .. } = &mut *board;
        prepared.retain(|version, _| !(lost.contains(version) && context(courses, version).is_some()));
    }

    /// Keeps with each version what speaks for it now: a signature changes, and nothing is prepared or restarted for it.
    async fn keep_claims(&self, versions: &[VersionId]) {
        let renewed: Vec<_> = {
            let mut board = self.works.board();
            let renewed = versions
                .iter()
                .map(|version| Some((version.clone(), board.renew_claims(version)?)));
            renewed.flatten().collect()
        };
        if renewed.is_empty() {
            return;
        }
        let folders = self.works.preparer.folders.clone();
        let write = move || {
            let mut renewed = renewed.iter();
            renewed.try_for_each(|(id, prepared)| prepare::write(&folders.version(&id.0, &id.1), prepared))
        };
        if let Err(error) = blocking(write).await.and_then(|written| written.map_err(Into::into)) {
            tracing::warn!(%error, "a restart of the node may not find a signature that was added or changed");
        }
    }

    /// Asks the policy of everything that is prepared or supervised, while nobody waits for the board.
    fn judge_all(&self) {
        let (policy, supervisor) = (self.works.preparer.downloads.policy(), &self.works.supervisor);
        let mut refused = BTreeMap::new();
        if policy.demands_something() {
            let (_, prepared) = on_board(&self.works);
            let watched = supervisor.all();
            let supervised = watched.iter().map(|w| w.version());
            let versions: BTreeSet<VersionId> = prepared.keys().cloned().chain(supervised).collect();
            let refusal = |version: &VersionId| judge(policy, prepared.get(version)).err();
            refused.extend(
                versions
                    .into_iter()
                    .filter_map(|version| Some((version.clone(), refusal(&version)?))),
            );
        }
        supervisor.admission().replace(refused);
        // What is admitted now needs no preparation, and so none that may have failed.
        let mut board = self.works.board();
        let Board { troubles, prepared, .. } = &mut *board;
        troubles.retain(|version, _| !self.may_start(prepared, version));
    }

    fn may_start(&self, prepared: &BTreeMap<VersionId, Prepared>, version: &VersionId) -> bool {
        prepared.contains_key(version) && self.works.supervisor.admission().admits(version)
    }

    /// Tells running instances what has changed without replacing them.
    fn follow(&self) {
        for watched in self.works.supervisor.all() {
            let desired = self.works.board().context(&watched.version());
            if let Some(goal) = desired
                .as_ref()
                .and_then(|desired| desired.goal(&watched.run.instance.service))
            {
                self.works.supervisor.follow(&watched.run, Terms::of(goal));
            }
        }
    }

    /// Takes every step that may be taken; answers whether planning again may give others at once.
    async fn advance(&mut self, now: Instant) -> bool {
        let steps = {
            let board = self.works.board();
            board.steps(&board.desired, &self.works.supervisor)
        };
        self.begin_attempts(&steps).await;
        let mut removed = false;
        let mut started = false;
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
            let waits = board
                .troubles
                .get(&version)
                .is_some_and(|trouble| trouble.again_at > now);
            if waits || !board.preparing.insert(version.clone()) {
                return;
            }
            desired
        };
        let works = self.works.clone();
        let service = version.0.clone();
        self.jobs
            .spawn(version, async move { works.preparer.prepare(&desired, &service).await });
    }

    async fn take_job(&mut self, version: VersionId, result: Result<Fresh, PrepareError>) {
        let is_wanted = {
            let mut board = self.works.board();
            board.preparing.remove(&version);
            board.context(&version).is_some()
        };
        match result {
            Ok(fresh) => self.take_prepared(version, fresh).await,
            Err(_) if !is_wanted => self.unclean = true,
            Err(PrepareError::Superseded) => {}
            Err(error) => self.take_trouble(version, &error),
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
        if before.is_some_and(|trouble| trouble.again_at > Instant::now()) {
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
        let folder = works.preparer.folders.instance(run);
        let start_in = goal
            .service
            .working_dir
            .as_ref()
            .map(|path| relative(path.as_str()))
            .unwrap_or_default();
        works.supervisor.start(Launch {
            run: run.clone(),
            depends_on: goal.depends_on.keys().cloned().collect(),
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
                folder,
                places,
                start_in,
            },
        });
        true
    }

    async fn remove(&self, version: VersionId) -> bool {
        let (folders, id) = (self.works.preparer.folders.clone(), version.clone());
        let removed = blocking(move || prepare::remove(&folders, &id)).await;
        self.works.board().prepared.remove(&version);
        match removed.and_then(|removed| removed.map_err(Into::into)) {
            Ok(()) => self.works.foundation.bus().tell(
                format!("service/{}/removed", version.0),
                json!({"fingerprint": version.1}),
            ),
            Err(error) => tracing::warn!(service = %version.0, %error, "an old version stays until the node restarts"),
        }
        true
    }

    /// Tells on disk at which ports services are found, where that has changed.
    async fn tell_ports(&mut self) {
        let Some(text) = self.registry.change(found(&self.works)) else {
            return;
        };
        let path = Registry::path(&self.works.foundation.0.settings.data);
        let written = blocking(move || registry::write(&path, &text)).await;
        match written.and_then(|written| written.map_err(Into::into)) {
            Ok(()) => self.works.foundation.bus().tell("node/services".into(), json!({})),
            Err(error) => {
                tracing::warn!(%error, "services may not be found at their ports");
                self.registry.forget();
            }
        }
    }

    fn take_plugins(&mut self) {
        self.stale = true;
        for trouble in self.works.board().troubles.values_mut() {
            trouble.hurry();
        }
        self.works.supervisor.reconsider();
    }
}

/// At which ports services are found now.
fn found(works: &Works) -> Table {
    let watched = works.supervisor.all();
    let desired = works.board().desired.clone();
    let is_ready =
        |w: &&Arc<Watched>| matches!(w.view().planned(), State::Running(fitness) if fitness >= Fitness::Ready);
    let ready = watched.iter().filter(is_ready).map(|w| Ready {
        run: w.run.clone(),
        wanted: desired.wants(&w.version()),
        ports: works.supervisor.ports(&w.run),
    });
    let ready: Vec<Ready> = ready.collect();
    let known = watched.iter().map(|w| &w.run.instance.service);
    let wanted = desired.wanted().map(|(id, _)| id);
    registry(wanted.chain(known), &ready)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
