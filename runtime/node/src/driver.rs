//! The driver: one task that observes, plans, and takes the steps, until there is none left. It wakes by what happens,
//! never by a tick.

mod board;
mod calm;
mod cleaning;
mod course;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerolith_model::AppName;
use aerolith_plan::{Fingerprints, Fitness, ServiceId, State, Step, VersionId};
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::admission::judge;
use crate::blocking::trying;
use crate::bus::Events;
use crate::desired::{Desired, Given, Held, Known};
use crate::foundation::Foundation;
use crate::jobs::Jobs;
use crate::news::News;
use crate::plugins;
use crate::prepare::{self, Prepared, Preparer};
use crate::record::Terms;
use crate::registry::{self, Ready, Registry, Table, registry};
use crate::rollout::Course;
use crate::status::status_at;
use crate::supervise::{Sighting, Supervisor};

pub(crate) use board::{Board, Look};
use board::{Trouble, context};
use calm::Calm;
pub use cleaning::CleanError;
pub(crate) use cleaning::{Request, on_board, preview_clean};

/// What the driver works on and with.
pub(crate) struct Works {
    pub(crate) foundation: Foundation,
    pub(crate) preparer: Preparer,
    pub(crate) supervisor: Supervisor,
    pub(crate) fingerprints: Arc<Fingerprints>,
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
        self.foundation.snapshot().revision() != self.board().desired.revision
    }
}

pub(crate) fn subject(step: &Step) -> &ServiceId {
    match step {
        Step::Prepare { service, .. } | Step::Remove { service, .. } => service,
        Step::Stop { run } | Step::Start { run } => &run.instance.service,
    }
}

/// What plugins may say otherwise by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stale {
    /// What nobody could say.
    Unresolved,
    /// All of it.
    Everything,
}

pub(crate) struct Driver {
    works: Arc<Works>,
    jobs: Jobs,
    requests: mpsc::Receiver<Request>,
    /// What happens to plugins: one that comes may be the one that was missing.
    plugins: Events,
    /// Told once the desired state was read, with how far its deployments have come.
    begun: watch::Sender<bool>,
    /// The desired state must be read again though its revision is the same.
    stale: Option<Stale>,
    /// Something was removed since the last cleaning.
    unclean: bool,
    /// The disk refused something since then.
    is_cramped: bool,
    /// The applications whose instances keep to the terms of what was good before.
    withdrawn: BTreeSet<AppName>,
    news: News,
    registry: Registry,
}

impl Driver {
    pub(crate) fn new(
        works: Arc<Works>,
        requests: mpsc::Receiver<Request>,
        plugins: Events,
        begun: watch::Sender<bool>,
    ) -> Self {
        Self {
            works,
            jobs: Jobs::default(),
            requests,
            plugins,
            begun,
            stale: Some(Stale::Everything),
            unclean: true,
            is_cramped: false,
            withdrawn: BTreeSet::new(),
            news: News::default(),
            registry: Registry::default(),
        }
    }

    pub(crate) async fn drive(mut self) {
        let mut calm = Calm::new();
        loop {
            self.read_desired().await;
            self.begun.send_replace(true);
            self.take_lost();
            self.works.board().look_at_the_clock();
            let now = Instant::now();
            self.withdraw(now);
            let look = self.advance(now).await;
            if self.conclude(&look, now).await || self.clean().await {
                continue;
            }
            self.news
                .tell(self.works.foundation.bus(), status_at(&self.works, &look));
            self.tell_ports(&look).await;
            // What was due has been taken up, if planning still wants it.
            let again_at = self.works.board().wakes_at(now);
            calm.looked(now);
            drop(look);
            self.wait(&calm, again_at).await;
        }
    }

    /// Waits until it is time to look again. What was prepared is taken up meanwhile.
    async fn wait(&mut self, calm: &Calm, again_at: Option<Instant>) {
        loop {
            tokio::select! {
                () = calm.changed(&self.works.changed, || self.works.is_behind()) => return,
                Some((version, result)) = self.jobs.next() => {
                    self.take_job(version, result).await;
                    self.works.changed.notify_one();
                }
                Some(request) = self.requests.recv() => return self.answer(request).await,
                Some(_) = self.plugins.next() => return self.take_plugins(),
                () = until(again_at) => return,
            }
        }
    }

    async fn read_desired(&mut self) {
        let stale = self.stale.take();
        let is_fresh = self.read_head(stale).await;
        if !self.read_courses(is_fresh, stale).await {
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
            self.jobs.keep(|version| context(courses, version).is_some());
            board.prepared.keys().cloned().collect()
        };
        self.keep_claims(&versions).await;
        self.judge_all();
        self.follow();
    }

    /// Takes up what is in force; answers whether it may be another than before.
    async fn read_head(&mut self, stale: Option<Stale>) -> bool {
        let now = self.works.foundation.snapshot();
        let before = self.works.board().desired.clone();
        if now.revision() == before.revision && stale.is_none() {
            return false;
        }
        let given = Given {
            revision: now.revision(),
            versions: now.revisions(),
            resources: now.resources().clone(),
            updates: self.works.foundation.0.settings.updates,
            fingerprints: self.works.fingerprints.clone(),
        };
        let plugins = &*self.works.preparer.plugins;
        // An engine that does not answer is what it was.
        let mut engines = before.engines.clone();
        engines.extend(plugins::features(plugins).await);
        let known = Known {
            desired: &[&before],
            is_old: stale == Some(Stale::Everything),
            engines: &engines,
        };
        let desired = Desired::of(given, now.damaged(), known, plugins).await;
        let desired = desired.hold_refused(&self.works.preparer.rules);
        for (name, Held { reason, .. }) in &desired.held {
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
        if let Err(error) = trying(write).await {
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

    /// An instance that both versions share keeps to the terms of the one that is in force.
    fn withdraw(&mut self, now: Instant) {
        let withdrawn = self.works.board().withdrawn(now);
        if withdrawn != self.withdrawn {
            self.withdrawn = withdrawn;
            self.follow();
        }
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

    /// Tells on disk at which ports services are found, where that has changed.
    async fn tell_ports(&mut self, look: &Look) {
        let Some(text) = self.registry.change(found(&self.works, look)) else {
            return;
        };
        let path = Registry::path(&self.works.foundation.0.settings.data);
        match trying(move || registry::write(&path, &text)).await {
            Ok(()) => self.works.foundation.bus().tell("node/services".into(), json!({})),
            Err(error) => {
                tracing::warn!(%error, "services may not be found at their ports");
                self.registry.forget();
            }
        }
    }

    fn take_plugins(&mut self) {
        self.stale = Some(Stale::Everything);
        {
            let mut board = self.works.board();
            board.troubles.values_mut().for_each(Trouble::hurry);
            board.courses.values_mut().for_each(Course::hurry);
        }
        self.works.supervisor.reconsider();
    }
}

/// At which ports services are found now.
fn found(works: &Works, look: &Look) -> Table {
    let desired = works.board().desired.clone();
    let is_ready = |one: &&Sighting| matches!(one.view.planned(), State::Running(fitness) if fitness >= Fitness::Ready);
    let ready = look.instances.iter().filter(is_ready).map(|one| Ready {
        run: one.run().clone(),
        wanted: desired.wants(&one.watched.version()),
        ports: works.supervisor.ports(one.run()),
    });
    let ready: Vec<Ready> = ready.collect();
    let known = look.instances.iter().map(|one| &one.run().instance.service);
    let wanted = desired.wanted().map(|(id, _)| id);
    registry(wanted.chain(known), &ready)
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
