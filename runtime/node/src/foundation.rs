//! What is there before any plugin is: the data folder and its lock, the state, the bus, the metrics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerolith_model::{Resource, ResourceKind};
use aerolith_plan::Updates;
use aerolith_plugin_wire::host::Dispatch;

use crate::blocking::LostThread;
use crate::bus::Bus;
use crate::durable::{self, FileError};
use crate::kv::Kv;
use crate::lock::{Lock, LockError, lock};
use crate::metrics::Metrics;
use crate::policy::{PackagePolicy, WorkloadPolicy};
use crate::ports::PortRange;
use crate::processes::Processes;
use crate::services::Services;
use crate::state::{Published, ResourceId, Snapshot, State, StateError};

/// Where the node keeps things, and what it is called.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What must outlive a boot: state, packages, checkouts, working folders, logs, the plugins' own data.
    pub data: PathBuf,
    /// What must not outlive a boot, as below `/run`: how to find running instances again.
    pub runtime: PathBuf,
    /// What this boot of the machine is called; another boot has another name.
    pub boot: String,
    /// Other files and folders that make the node what it is, none of which a service is shown: its configuration, its
    /// socket, its plugins, the keys that it trusts.
    pub own: Vec<PathBuf>,
    /// The node's name, given to instances as `BAETYL_NODE_NAME`.
    pub node: String,
    /// What the package store accepts.
    pub limits: aerolith_packages::Limits,
    /// What packages must have to be taken.
    pub packages: PackagePolicy,
    /// What services may ask of the host.
    pub workloads: WorkloadPolicy,
    /// Ports that instances are given as `BAETYL_SERVICE_DYNAMIC_PORT`.
    pub ports: PortRange,
    /// The machine's serial number, given to instances as `BAETYL_HOST_SN`.
    pub serial: String,
    /// How new instances prove themselves, where their service does not say.
    pub updates: Updates,
}

impl Settings {
    /// Those of a node of which nothing is said but where it keeps things and what it is called.
    #[must_use]
    pub fn new(data: PathBuf, runtime: PathBuf, node: String) -> Self {
        Self {
            data,
            runtime,
            boot: String::new(),
            own: Vec::new(),
            node,
            limits: aerolith_packages::Limits::default(),
            packages: PackagePolicy::default(),
            workloads: WorkloadPolicy::default(),
            ports: PortRange::default(),
            serial: String::new(),
            updates: Updates::default(),
        }
    }
}

/// Why the node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has the data folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// A thread was lost.
    #[error(transparent)]
    Thread(#[from] LostThread),
    /// The package store.
    #[error(transparent)]
    Store(#[from] aerolith_packages::StoreError),
}

/// The part of a node that plugins need before they can start. Clones share it; the lock on the data folder is given
/// back with the last of them.
#[derive(Debug, Clone)]
pub struct Foundation(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    state: Mutex<State>,
    published: Published,
    pub(crate) bus: Bus,
    pub(crate) metrics: Metrics,
    pub(crate) kv: Kv,
    pub(crate) processes: Processes,
    pub(crate) runtime: tokio::runtime::Handle,
    _lock: Lock,
}

impl Foundation {
    /// Opens the data folder. Call it inside a tokio runtime; it blocks on files for a moment.
    ///
    /// # Errors
    /// [`OpenError::Lock`] with the other's pid when a daemon has the folder already; what the file system says.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        durable::folder(&settings.data, false)?;
        let lock = lock(&settings.data)?;
        // Services that run as somebody else reach their secrets through it.
        durable::passage(&settings.runtime)?;
        let state = State::open(settings.data.join("state"), settings.data.join("node.key"))?;
        let kv = Kv::new(settings.data.join("kv"));
        let runtime = tokio::runtime::Handle::current();
        let (bus, metrics, processes) = (Bus::default(), Metrics::default(), Processes::default());
        let (published, state) = (state.published(), Mutex::new(state));
        Ok(Self(Arc::new(Inner {
            settings,
            state,
            published,
            bus,
            metrics,
            kv,
            processes,
            runtime,
            _lock: lock,
        })))
    }

    /// `host/1` for one plugin instance. What a plugin may do is the plugin host's business, as are `failed` and
    /// `config`.
    #[must_use]
    pub fn services(&self, plugin: &str, instance: &str) -> Dispatch<Services> {
        Dispatch(Arc::new(Services {
            foundation: self.clone(),
            plugin: plugin.into(),
            instance: instance.into(),
        }))
    }

    /// The node's bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// The node's metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The processes that plugins answer for.
    #[must_use]
    pub fn processes(&self) -> &Processes {
        &self.0.processes
    }

    /// The desired state as it is now; nobody who asks waits for a disk.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.0.published.newest()
    }

    /// For who changes the state or reads its files. Blocks while somebody else does. A panic elsewhere leaves it whole: it
    /// changes in memory only after its head has on disk.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let state = self.snapshot();
        let Resource::Secret(found) = &**state.resources().get(&ResourceId::new(ResourceKind::Secret, name))? else {
            return None;
        };
        let data = found.data.iter();
        Some(data.map(|(key, bytes)| (key.to_string(), bytes.0.clone())).collect())
    }
}
