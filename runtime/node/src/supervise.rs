//! Supervision: one task per instance leads it from its start to its end, and finds it again after the daemon was away.

mod caught;
mod check;
mod clock;
mod ending;
mod host;
mod integrity;
mod keeping;
mod life;
mod lines;
mod lookup;
mod probing;
mod running;
mod starting;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerolith_plan::restart::Row;
use aerolith_plan::trial::Proof;
use aerolith_plan::{Fitness, InstanceId, RunId, Seen, ServiceId, VersionId};
use aerolith_plugin_wire::engine::Workload;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::blocking::blocking;
use crate::bus::Bus;
use crate::folders::Folders;
use crate::layout::Place;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::policy::{Asked, Rules};
use crate::ports::Ports;
use crate::record::{Life, Record, Records, Terms};
use crate::workspace::Home;

use caught::caught;
use clock::Clock;
pub(crate) use integrity::Integrity;
use life::Instance;
pub(crate) use lines::Lines;
pub(crate) use lookup::Lookups;
pub use view::Phase;
pub(crate) use view::View;

/// Before an instance is taken up again whose supervision has a fault: it may have it again.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What an instance is started with.
pub(crate) struct Launch {
    pub(crate) run: RunId,
    pub(crate) depends_on: BTreeSet<ServiceId>,
    /// The run whose sockets it takes over.
    pub(crate) successor_of: Option<RunId>,
    pub(crate) engine: String,
    pub(crate) workload: Workload,
    /// The stored tree of its program, when it runs a package.
    pub(crate) tree: Option<String>,
    pub(crate) terms: Terms,
    /// What it asks of the host.
    pub(crate) asked: Asked,
    pub(crate) workspace: Workspace,
}

/// The working folder that an instance is first started in.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) home: Home,
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
    again: watch::Sender<Again>,
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

/// How an instance was when somebody looked.
pub(crate) struct Sighting {
    pub(crate) watched: Arc<Watched>,
    pub(crate) view: View,
}

impl Sighting {
    pub(crate) fn run(&self) -> &RunId {
        &self.watched.run
    }

    /// As planning sees it.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            state: self.view.planned(),
            trial: self.view.trial,
            depends_on: self.watched.depends_on.clone(),
        }
    }
}

/// Why an instance that waits is to be tried again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// What it waits for may be there now.
    Reconsidered,
    /// An operator asks: its earlier ends are forgotten.
    Asked,
}

/// What all supervision tasks share.
pub(crate) struct Shared {
    pub(crate) plugins: Arc<dyn Plugins>,
    pub(crate) records: Records,
    pub(crate) folders: Folders,
    pub(crate) integrity: Arc<Integrity>,
    pub(crate) admission: Admission,
    pub(crate) rules: Arc<Rules>,
    pub(crate) ports: Arc<Ports>,
    /// Of the hosts that probes name.
    pub(crate) lookups: Lookups,
    /// What the log may say of all instances.
    pub(crate) lines: Lines,
    pub(crate) bus: Bus,
    pub(crate) metrics: Metrics,
    /// Told when something has changed that planning should know.
    pub(crate) changed: Arc<Notify>,
}

impl Shared {
    /// What is on record of a run; nothing, where it was never begun.
    async fn on_record(&self, run: &RunId) -> Option<Record> {
        let (records, run) = (self.records.clone(), run.clone());
        blocking(move || records.of(&run)).await.ok().flatten()
    }
}

/// All instances.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    clock: Clock,
    watched: Arc<Mutex<BTreeMap<RunId, Arc<Watched>>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Supervisor {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            clock: Clock::new(),
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
            successor_of,
            engine,
            workload,
            tree,
            terms,
            asked,
            workspace,
        } = launch;
        if let Some(former) = successor_of {
            tracing::info!(instance = %id, %former, "started beside the run that it succeeds");
        }
        let life = Life::Idle;
        let record = Record {
            id,
            fingerprint,
            depends_on,
            engine,
            workload,
            tree,
            terms,
            asked,
            life,
            restarts: 0,
            exit: None,
            edited: None,
            folder: Some(workspace.home.folder.clone()),
            row: Row::default(),
            proof: Proof::default(),
            has_begun: false,
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
            terms: watch::Sender::new(record.terms.clone()),
            stop: watch::Sender::new(false),
            again: watch::Sender::new(Again::Reconsidered),
            view: Mutex::new(View::of(&record)),
        });
        all.insert(run, watched.clone());
        drop(all);
        let (shared, clock, all) = (self.shared.clone(), self.clock, self.watched.clone());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let run = watched.run.clone();
            let mut instance = Some(Instance::new(shared.clone(), clock, watched.clone(), record, workspace));
            while let Some(led) = instance.take() {
                if let Err(panic) = caught(led.lead()).await {
                    tracing::error!(instance = %run.instance, panic, "supervision has a fault; the instance is taken up again");
                    tokio::time::sleep(AFTER_PANIC).await;
                    instance = shared.on_record(&run).await.map(|record| {
                        *watched.lock() = View::of(&record);
                        Instance::new(shared.clone(), clock, watched.clone(), record, None)
                    });
                }
            }
            shared.ports.release(&run);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(&run);
            if !all.keys().any(|other| other.instance == run.instance) {
                shared.metrics.forget_own(&run.instance);
            }
            drop(all);
            shared.changed.notify_one();
        });
    }

    /// Asks an instance to end and to be forgotten. Asking twice changes nothing.
    pub(crate) fn stop(&self, run: &RunId) {
        if let Some(watched) = self.lock().get(run) {
            watched.stop.send_if_modified(|stop| !std::mem::replace(stop, true));
        }
    }

    /// Gives an instance new terms while it runs.
    pub(crate) fn follow(&self, run: &RunId, terms: Terms) {
        if let Some(watched) = self.lock().get(run) {
            let mut is_asked_otherwise = false;
            watched.terms.send_if_modified(|old| {
                let differs = *old != terms;
                is_asked_otherwise = old.probes != terms.probes;
                *old = terms;
                differs
            });
            if is_asked_otherwise {
                let mut view = watched.lock();
                view.try_as(&Proof::default());
                view.fitness = Fitness::Started;
            }
        }
    }

    /// Starts at once what has failed or waits for its next start, and forgets its earlier ends; answers how many of the
    /// wanted that are.
    pub(crate) fn retry(&self, wanted: impl Fn(&InstanceId) -> bool) -> usize {
        let mut waiting = self.all();
        waiting.retain(|watched| wanted(&watched.run.instance) && watched.view().is_waiting());
        for watched in &waiting {
            watched.again.send_replace(Again::Asked);
        }
        waiting.len()
    }

    /// Tries again at once what waits for something else than its own delay, as when a plugin has come.
    pub(crate) fn reconsider(&self) {
        for watched in self.all() {
            if watched.view().is_stuck {
                watched.again.send_replace(Again::Reconsidered);
            }
        }
    }

    /// Every instance.
    pub(crate) fn all(&self) -> Vec<Arc<Watched>> {
        self.lock().values().cloned().collect()
    }

    /// The ports at which a run is found.
    pub(crate) fn ports(&self, run: &RunId) -> Vec<u16> {
        self.shared.ports.of(run)
    }

    /// How every instance is now, in the order of their runs.
    pub(crate) fn look(&self) -> Vec<Sighting> {
        let sighting = |watched: &Arc<Watched>| Sighting {
            view: watched.view(),
            watched: watched.clone(),
        };
        self.lock().values().map(sighting).collect()
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
