//! Supervision: one task per instance leads it from its start to its end, and finds it again after the daemon was away.

mod ending;
mod integrity;
mod life;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerolith_plan::{RunId, Seen, ServiceId, Trial};
use aerolith_plugin_wire::engine::Workload;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::bus::Bus;
use crate::layout::Place;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::prepare::VersionId;
use crate::record::{Life, Record, Records, Terms};

pub(crate) use integrity::Integrity;
use life::Instance;
pub use view::Phase;
pub(crate) use view::View;

/// What an instance is started with.
pub(crate) struct Launch {
    pub(crate) run: RunId,
    pub(crate) depends_on: BTreeSet<ServiceId>,
    pub(crate) engine: String,
    pub(crate) workload: Workload,
    /// The stored tree of its program, when it runs a package.
    pub(crate) tree: Option<String>,
    pub(crate) terms: Terms,
    pub(crate) workspace: Workspace,
}

/// The working folder that an instance is first started in.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) folder: PathBuf,
    pub(crate) places: Vec<Place>,
    /// Relative to the folder.
    pub(crate) start_in: PathBuf,
}

/// An instance under supervision, as others see it.
pub(crate) struct Watched {
    pub(crate) run: RunId,
    pub(crate) depends_on: BTreeSet<ServiceId>,
    pub(crate) engine: String,
    pub(crate) output: String,
    terms: watch::Sender<Terms>,
    stop: watch::Sender<bool>,
    view: Mutex<View>,
}

impl Watched {
    /// The version of its service that it runs.
    pub(crate) fn version(&self) -> VersionId {
        (self.run.instance.service.clone(), self.run.fingerprint)
    }

    /// How it is now.
    pub(crate) fn view(&self) -> View {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all supervision tasks share.
pub(crate) struct Shared {
    pub(crate) plugins: Arc<dyn Plugins>,
    pub(crate) records: Records,
    pub(crate) instances: PathBuf,
    pub(crate) integrity: Arc<Integrity>,
    pub(crate) admission: Admission,
    pub(crate) bus: Bus,
    pub(crate) metrics: Metrics,
    /// Told when something has changed that planning should know.
    pub(crate) changed: Arc<Notify>,
}

/// All instances.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    watched: Arc<Mutex<BTreeMap<RunId, Arc<Watched>>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Supervisor {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            watched: Arc::default(),
            tasks: Mutex::default(),
        }
    }

    /// Starts an instance that is not there; one that is there is left as it is.
    pub(crate) fn start(&self, launch: Launch) {
        let Launch {
            run: RunId {
                instance: id,
                fingerprint,
            },
            depends_on,
            engine,
            workload,
            tree,
            terms,
            workspace,
        } = launch;
        let life = Life::Idle;
        let record = Record {
            id,
            fingerprint,
            depends_on,
            engine,
            workload,
            tree,
            terms,
            life,
            restarts: 0,
            exit: None,
            edited: None,
            folder: Some(workspace.folder.clone()),
        };
        self.lead(record, Some(workspace));
    }

    /// Takes an instance up again after the daemon was away.
    pub(crate) fn resume(&self, record: Record) {
        self.lead(record, None);
    }

    fn lead(&self, record: Record, workspace: Option<Workspace>) {
        let run = record.run();
        let mut all = self.lock();
        if all.contains_key(&run) {
            return;
        }
        let watched = Arc::new(Watched {
            run: run.clone(),
            depends_on: record.depends_on.clone(),
            engine: record.engine.clone(),
            output: record.workload.output.clone(),
            terms: watch::Sender::new(record.terms),
            stop: watch::Sender::new(false),
            view: Mutex::new(View::of(&record)),
        });
        all.insert(run, watched.clone());
        drop(all);
        let instance = Instance::new(self.shared.clone(), watched, record, workspace);
        let (watched, changed) = (self.watched.clone(), self.shared.changed.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let run = instance.lead().await;
            watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
            changed.notify_one();
        });
    }

    /// Asks an instance to end and to be forgotten. Asking twice changes nothing.
    pub(crate) fn stop(&self, run: &RunId) {
        if let Some(watched) = self.lock().get(run) {
            watched.stop.send_if_modified(|stop| !std::mem::replace(stop, true));
        }
    }

    /// Forgets an instance that ended and is not started again, so that planning starts it anew; answers whether it was
    /// one.
    pub(crate) fn retry(&self, run: &RunId) -> bool {
        let found = self.lock().get(run).cloned();
        let Some(failed) = found.filter(|watched| watched.view().phase == Phase::Failed) else {
            return false;
        };
        failed.lock().phase = Phase::Stopping;
        self.stop(run);
        true
    }

    /// Gives an instance new terms while it runs.
    pub(crate) fn follow(&self, run: &RunId, terms: Terms) {
        if let Some(watched) = self.lock().get(run) {
            watched
                .terms
                .send_if_modified(|old| std::mem::replace(old, terms) != terms);
        }
    }

    /// Every instance.
    pub(crate) fn all(&self) -> Vec<Arc<Watched>> {
        self.lock().values().cloned().collect()
    }

    /// Every instance, as planning sees it.
    pub(crate) fn seen(&self) -> BTreeMap<RunId, Seen> {
        let seen = |w: &Arc<Watched>| {
            let state = w.view().planned();
            (
                w.run.clone(),
                Seen {
                    state,
                    trial: Trial::Passed,
                    depends_on: w.depends_on.clone(),
                },
            )
        };
        self.lock().values().map(seen).collect()
    }

    /// What may be started.
    pub(crate) fn admission(&self) -> &Admission {
        &self.shared.admission
    }

    /// The versions whose instances wait, since the last call, for their package to be prepared again.
    pub(crate) fn take_lost(&self) -> BTreeSet<VersionId> {
        self.shared.integrity.take_lost()
    }

    /// Leaves every instance as it is, running or not, and waits until no task is left.
    pub(crate) async fn leave(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time since the machine's boot, which goes on while it sleeps.
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanoseconds)
}
