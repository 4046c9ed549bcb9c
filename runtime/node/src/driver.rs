//! The driver: one task that observes, plans, and takes the steps, until there is none left. It wakes by what happens,
//! never by a tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aerolith_packages::{Digest, KeptParts, Stored};
use aerolith_plan::{Fingerprint, Goals, InstanceId, Observed, ServiceId, Step, plan};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::is_admitted;
use crate::bus::Events;
use crate::chance::chance;
use crate::desired::Desired;
use crate::durable;
use crate::fetch::jittered;
use crate::foundation::Foundation;
use crate::jobs::Jobs;
use crate::layout::relative;
use crate::news::News;
use crate::policy::PackagePolicy;
use crate::prepare::{self, PrepareError, Prepared, Preparer, VersionId, blocking};
use crate::record::Terms;
use crate::status::status;
use crate::supervise::{Launch, Supervisor, Workspace};
use crate::workload::{engine_kind, workload};

/// Time before a failed preparation is tried again; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What the driver works on and with.
pub(crate) struct Works {
    pub(crate) foundation: Foundation,
    pub(crate) preparer: Preparer,
    pub(crate) supervisor: Supervisor,
    pub(crate) changed: Arc<Notify>,
    pub(crate) board: Mutex<Board>,
}

/// What is desired, and how far preparing it has come.
#[derive(Default)]
pub(crate) struct Board {
    pub(crate) desired: Arc<Desired>,
    pub(crate) prepared: BTreeMap<VersionId, Prepared>,
    /// Those of them that are desired and that the policy, become stricter, takes no more.
    pub(crate) refused: BTreeSet<VersionId>,
    pub(crate) preparing: BTreeSet<VersionId>,
    pub(crate) troubles: BTreeMap<VersionId, Trouble>,
    /// Why what nobody needs could not be removed the last time.
    pub(crate) unclean: Option<String>,
}

/// Why a version is not prepared.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    pub(crate) since_ms: u64,
    /// Whether it is this node's own disk that refuses.
    pub(crate) disk: bool,
    tries: u32,
    again_at: Instant,
}

impl Works {
    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// The steps that may be taken now, without those of applications that are held.
    pub(crate) fn steps(&self, desired: &Desired, supervisor: &Supervisor) -> Vec<Step> {
        let goals = Goals {
            keep: self.former(&desired.goals),
            ..desired.goals.clone()
        };
        let admitted = self.prepared.keys().filter(|version| !self.refused.contains(*version));
        let prepared = admitted.cloned().collect();
        let observed = Observed {
            instances: supervisor.seen(),
            prepared,
        };
        let mut steps = plan(&goals, &observed);
        steps.retain(|step| !desired.held.contains_key(subject(step).application.as_str()));
        steps
    }

    /// Lets what may have been put right be tried at once.
    fn reconsider(&mut self, desired: &Desired) {
        for ((id, _), trouble) in &mut self.troubles {
            let goal = desired.goals.services.get(id);
            if goal.is_some_and(|goal| desired.differs(&self.desired, goal)) {
                trouble.again_at = Instant::now();
            }
        }
    }

    /// The desired versions that are prepared and that a policy takes no more.
    fn refused(&self, policy: &PackagePolicy) -> BTreeSet<VersionId> {
        let desired = &self.desired;
        let is_refused = |((id, fingerprint), prepared): &(&VersionId, &Prepared)| {
            let goal = desired.goals.services.get(id);
            goal.is_some_and(|goal| goal.fingerprint == *fingerprint && !is_admitted(policy, desired, goal, prepared))
        };
        let refused = self.prepared.iter().filter(is_refused);
        refused.map(|(version, _)| version.clone()).collect()
    }

    /// Of each desired service the version before, so that going back is quick.
    fn former(&self, goals: &Goals) -> BTreeSet<VersionId> {
        let mut latest: BTreeMap<&ServiceId, (u64, Fingerprint)> = BTreeMap::new();
        for ((service, fingerprint), prepared) in &self.prepared {
            let is_former = goals
                .services
                .get(service)
                .is_some_and(|goal| goal.fingerprint != *fingerprint);
            let is_later = latest.get(service).is_none_or(|(at, _)| *at < prepared.at_ms);
            if is_former && is_later {
                latest.insert(service, (prepared.at_ms, *fingerprint));
            }
        }
        latest
            .into_iter()
            .map(|(service, (_, fingerprint))| (service.clone(), fingerprint))
            .collect()
    }
}

pub(crate) fn subject(step: &Step) -> &ServiceId {
    match step {
        Step::Prepare { service, .. } | Step::Remove { service, .. } => service,
        Step::Stop { instance } | Step::Start { instance, .. } => &instance.service,
    }
}

pub(crate) struct Driver {
    works: Arc<Works>,
    jobs: Jobs,
    /// What happens to plugins: one that comes may be the one that was missing.
    plugins: Events,
    /// The desired state must be read again though its revision is the same.
    stale: bool,
    /// Something was removed since the last cleaning.
    unclean: bool,
    news: News,
}

impl Driver {
    pub(crate) fn new(works: Arc<Works>, plugins: Events) -> Self {
        Self {
            works,
            jobs: Jobs::default(),
            plugins,
            stale: true,
            unclean: true,
            news: News::default(),
        }
    }

    pub(crate) async fn drive(mut self) {
        loop {
            self.read_desired().await;
            let now = Instant::now();
            while self.advance(now).await {}
            self.clean().await;
            self.news.tell(self.works.foundation.bus(), status(&self.works));
            // What was due has been taken up, if planning still wants it.
            let again_at = self
                .works
                .board()
                .troubles
                .values()
                .map(|t| t.again_at)
                .filter(|at| *at > now)
                .min();
            tokio::select! {
                () = self.works.changed.notified() => {}
                Some((version, result)) = self.jobs.next() => self.take_job(version, result),
                Some(_) = self.plugins.next() => self.take_plugins(),
                () = until(again_at) => {}
            }
        }
    }

    async fn read_desired(&mut self) {
        let (revision, resources, versions, damaged) = {
            let state = self.works.foundation.state();
            let is_known = state.revision() == self.works.board().desired.revision;
            if is_known && !self.stale {
                return;
            }
            let (resources, versions) = (state.resources().clone(), state.revisions());
            (state.revision(), resources, versions, state.damaged().to_vec())
        };
        self.stale = false;
        let plugins = &*self.works.preparer.plugins;
        let desired = Arc::new(Desired {
            versions,
            ..Desired::of(revision, resources, &damaged, plugins).await
        });
        for (name, reason) in &desired.held {
            tracing::error!(application = name, reason, "an application is left as it is");
        }
        let mut board = self.works.board();
        let is_desired = |(id, fingerprint): &VersionId| {
            desired
                .goals
                .services
                .get(id)
                .is_some_and(|goal| goal.fingerprint == *fingerprint)
        };
        board.troubles.retain(|version, _| is_desired(version));
        board.reconsider(&desired);
        board.desired = desired.clone();
        board.refused = board.refused(self.works.preparer.downloads.policy());
        drop(board);
        self.follow(&desired);
    }

    /// Tells running instances what has changed without replacing them.
    fn follow(&self, desired: &Desired) {
        for watched in self.works.supervisor.all() {
            if let Some(goal) = desired.goals.services.get(&watched.id.service) {
                self.works
                    .supervisor
                    .follow(&watched.id, Terms::new(goal.restart, goal.service.grace_period.0));
            }
        }
    }

    /// Takes every step that may be taken; answers whether planning again may give others at once.
    async fn advance(&mut self, now: Instant) -> bool {
        let (desired, steps) = {
            let board = self.works.board();
            (
                board.desired.clone(),
                board.steps(&board.desired, &self.works.supervisor),
            )
        };
        let mut removed = false;
        let mut started = false;
        for step in steps {
            match step {
                Step::Prepare { service, fingerprint } => self.prepare(&desired, (service, fingerprint), now),
                Step::Stop { instance } => self.works.supervisor.stop(&instance),
                Step::Start { instance, .. } => started |= self.start(&desired, &instance),
                Step::Remove { service, fingerprint } => removed |= self.remove((service, fingerprint)).await,
            }
        }
        self.unclean |= removed;
        started || removed
    }

    fn prepare(&mut self, desired: &Arc<Desired>, version: VersionId, now: Instant) {
        {
            let mut board = self.works.board();
            let waits = board
                .troubles
                .get(&version)
                .is_some_and(|trouble| trouble.again_at > now);
            if waits || !board.preparing.insert(version.clone()) {
                return;
            }
        }
        let (works, desired) = (self.works.clone(), desired.clone());
        let service = version.0.clone();
        self.jobs
            .spawn(version, async move { works.preparer.prepare(&desired, &service).await });
    }

    fn take_job(&self, version: VersionId, result: Result<Prepared, PrepareError>) {
        let mut board = self.works.board();
        board.preparing.remove(&version);
        let bus = self.works.foundation.bus();
        match result {
            Ok(prepared) => {
                board.troubles.remove(&version);
                bus.tell(
                    format!("service/{}/prepared", version.0),
                    json!({"fingerprint": version.1}),
                );
                board.prepared.insert(version, prepared);
                // What is desired may have changed while it was prepared.
                board.refused = board.refused(self.works.preparer.downloads.policy());
            }
            Err(PrepareError::Superseded) => {}
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(service = %version.0, disk = error.is_of_the_disk(), reason, "a service cannot be prepared");
                bus.tell(format!("service/{}/failed", version.0), json!({"reason": reason}));
                let trouble = Trouble::after(board.troubles.get(&version), reason, &error);
                board.troubles.insert(version, trouble);
            }
        }
    }

    fn start(&self, desired: &Desired, id: &InstanceId) -> bool {
        let works = &self.works;
        let Some(goal) = desired.goals.services.get(&id.service) else {
            return false;
        };
        let version = (id.service.clone(), goal.fingerprint);
        let Some(prepared) = works.board().prepared.get(&version).cloned() else {
            return false;
        };
        let places = match works.preparer.places(desired, goal, &prepared) {
            Ok(places) => places,
            Err(error) => {
                // Preparing checked the same places: only a fault of the program gets here.
                tracing::error!(instance = %id, %error, "an instance cannot be started");
                return false;
            }
        };
        let folder = works.preparer.folders.instance(id);
        let start_in = goal
            .service
            .working_dir
            .as_ref()
            .map(|path| relative(path.as_str()))
            .unwrap_or_default();
        works.supervisor.start(Launch {
            id: id.clone(),
            fingerprint: goal.fingerprint,
            depends_on: goal.depends_on.clone(),
            engine: engine_kind(goal),
            workload: workload(
                &works.preparer.folders,
                &works.preparer.host,
                desired,
                goal,
                &prepared,
                id,
            ),
            terms: Terms::new(goal.restart, goal.service.grace_period.0),
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

    /// Removes from the store what nothing is made of any more, and the output of applications that are gone. While
    /// something is being prepared it waits: what that fetches is nobody's yet.
    async fn clean(&mut self) {
        if !self.unclean || !self.jobs.is_empty() {
            return;
        }
        self.unclean = false;
        let (prepared, kept) = self.in_use();
        let (works, desired) = (self.works.clone(), self.works.board().desired.clone());
        let promised = self.promised(&desired);
        let (logs, store) = (self.works.preparer.folders.logs(), self.works.preparer.store.clone());
        let cleaned = blocking(move || {
            for folder in durable::entries(&logs)? {
                if !folder
                    .file_name()
                    .is_some_and(|name| kept.contains(&*name.to_string_lossy()))
                {
                    durable::remove(&folder)?;
                }
            }
            let is_configured = |name: &str| desired.configuration(name).is_some();
            works.preparer.downloads.forget(is_configured)?;
            let is_promised = |stored: &Stored| matches!(stored, Stored::Blob(digest) if promised.contains(digest));
            let cleaned = store.clean(&kept_parts(), |stored| {
                is_promised(stored) || prepared.values().any(|p| p.uses(stored))
            });
            cleaned.map_err(|e| PrepareError::Store(Box::new(e)))
        })
        .await;
        let refused = match cleaned {
            Err(error) | Ok(Err(error)) => Some(error.to_string()),
            Ok(Ok(_)) => None,
        };
        if let Some(error) = &refused {
            tracing::warn!(error, "something that nobody needs stays for now");
        }
        self.works.board().unclean = refused;
    }

    /// What the desired state names: what came of it stays, also while the rest of its package cannot be had.
    fn promised(&self, desired: &Desired) -> BTreeSet<Digest> {
        let downloads = &self.works.preparer.downloads;
        let objects = desired.objects();
        objects
            .filter_map(|(pinned, object)| downloads.promised(pinned, object))
            .collect()
    }

    /// What is prepared, and the applications that are desired or of which something is left.
    fn in_use(&self) -> (BTreeMap<VersionId, Prepared>, BTreeSet<String>) {
        let board = self.works.board();
        let watched = self.works.supervisor.all();
        let mut kept: BTreeSet<String> = watched.iter().map(|w| w.id.service.application.to_string()).collect();
        kept.extend(board.desired.goals.services.keys().map(|id| id.application.to_string()));
        kept.extend(board.desired.held.keys().cloned());
        (board.prepared.clone(), kept)
    }

    fn take_plugins(&mut self) {
        self.stale = true;
        for trouble in self.works.board().troubles.values_mut() {
            trouble.again_at = Instant::now();
        }
    }
}

/// Time that a cut off download stays for somebody to come back for it.
const PART_STAYS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of all of them together.
const PARTS_STAY: u64 = 4 << 30;

fn kept_parts() -> KeptParts {
    let since = SystemTime::now().checked_sub(PART_STAYS);
    KeptParts {
        since: since.unwrap_or(SystemTime::UNIX_EPOCH),
        bytes: PARTS_STAY,
    }
}

impl Trouble {
    /// After another try that failed. A place that asks to be left alone is, as long as nobody would rather wait less.
    fn after(before: Option<&Self>, reason: String, error: &PrepareError) -> Self {
        let tries = before.map_or(0, |before| before.tries);
        let pause = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
        let pause = jittered(pause, chance()).max(error.wait().unwrap_or_default().min(LONGEST_PAUSE));
        let since_ms = before
            .filter(|b| b.reason == reason)
            .map_or_else(prepare::now_ms, |before| before.since_ms);
        Self {
            reason,
            since_ms,
            disk: error.is_of_the_disk(),
            tries: tries.saturating_add(1),
            again_at: Instant::now() + pause,
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
