//! The node as a whole: what the API and the command line talk to.

mod change;
mod history;
mod logs;
mod packages;
mod resources;
mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use aerolith_model::AppName;
use aerolith_packages::Store;
use aerolith_plan::Fingerprints;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinHandle};

use crate::admission::Admission;
use crate::blocking::blocking;
use crate::bus::{Bus, Events};
use crate::driver::{Board, Driver, Request, Works};
use crate::durable::FileError;
use crate::environment::Host;
use crate::fetch::Downloads;
use crate::folders::Folders;
use crate::foundation::{Foundation, OpenError};
use crate::metrics;
use crate::pins::Pins;
use crate::plugins::Plugins;
use crate::policy::Rules;
use crate::ports::Ports;
use crate::prepare::{self, Preparer};
use crate::record::Records;
use crate::rollout::Rollout;
use crate::status::{Condition, NodeStatus, conditions, status};
use crate::supervise::{Integrity, Lines, Lookups, Phase, Shared, Supervisor};
use crate::topic::BadTopic;
use crate::workspace;

pub use change::{Applied, ChangeError, Misfit, Unfit};
pub use history::{Deployed, RetryError};
pub use logs::{Logs, LogsError};
pub use packages::{PackageItem, PackageState};
pub use resources::Versioned;
pub use steps::PlannedStep;

/// A running node. Clones share it.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    works: Arc<Works>,
    driver: Mutex<Option<Driving>>,
    fallen: watch::Receiver<Option<String>>,
    /// Whether the driver knows what it has to do; it never will if it is gone.
    begun: watch::Receiver<bool>,
}

/// The driver at work, and who waits for its end.
struct Driving {
    driver: AbortHandle,
    end: JoinHandle<()>,
}

impl Driving {
    /// Sets a driver to work; a panic that ends it is told.
    fn begin(driver: Driver) -> (Self, watch::Receiver<Option<String>>) {
        let (fallen, told) = watch::channel(None);
        let driving = tokio::spawn(driver.drive());
        let driver = driving.abort_handle();
        let end = tokio::spawn(async move {
            if let Some(error) = driving.await.err().filter(JoinError::is_panic) {
                fallen.send_replace(Some(error.to_string()));
            }
        });
        (Self { driver, end }, told)
    }
}

impl Node {
    /// Takes up what ran before, and begins to drive towards the desired state. Start the plugins first: an instance
    /// whose engine is not there is looked for again until it is, and never started twice.
    ///
    /// # Errors
    /// The package store or the file system.
    pub async fn open(foundation: Foundation, plugins: Arc<dyn Plugins>) -> Result<Self, OpenError> {
        let (works, requests) = blocking(move || open(&foundation, plugins)).await??;
        let heard = works.foundation.bus().subscribe("plugin/#").map_err(|e| FileError {
            action: "listen to",
            path: "plugin/#".into(),
            source: std::io::Error::other(e),
        })?;
        let (told, begun) = watch::channel(false);
        let (driving, fallen) = Driving::begin(Driver::new(works.clone(), requests, heard, told));
        Ok(Self(Arc::new(Inner {
            works,
            driver: Mutex::new(Some(driving)),
            fallen,
            begun,
        })))
    }

    /// Waits until a fault of the program has ended the node's work, and answers what is known of it. Instances run on; open
    /// the node anew in another process.
    pub async fn fallen(&self) -> String {
        let mut fallen = self.0.fallen.clone();
        let told = fallen
            .wait_for(Option::is_some)
            .await
            .map(|why| why.clone().unwrap_or_default());
        match told {
            Ok(why) => why,
            // It was shut down.
            Err(_) => std::future::pending().await,
        }
    }

    /// How everything is now.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        status(&self.0.works)
    }

    /// Whether the node's state is whole and its disk writable.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        conditions(&self.0.works)
    }

    /// How the update of an application stands.
    #[must_use]
    pub fn rollout(&self, application: &AppName) -> Option<Rollout> {
        self.0.works.board().rollout(application)
    }

    /// What happens from now on: `node/revision`, `node/services`, `app/NAME/…`, `service/APP.SERVICE/…`, `instance/ID/…`, and what plugins tell.
    ///
    /// # Errors
    /// [`BadTopic::Filter`].
    pub fn events(&self, filter: &str) -> Result<Events, BadTopic> {
        self.bus().subscribe(filter)
    }

    /// The node's bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        self.0.works.foundation.bus()
    }

    /// Everything measured, in the Prometheus text format.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let mut text = self.0.works.foundation.metrics().text();
        let status = self.status();
        let (mut up, mut restarts) = (Vec::new(), Vec::new());
        for instance in status
            .applications
            .iter()
            .flat_map(|a| &a.services)
            .flat_map(|s| &s.instances)
        {
            let labels = || vec![("instance_id", instance.id.clone())];
            up.push((labels(), f64::from(u8::from(instance.state == Phase::Running))));
            restarts.push((labels(), instance.restarts as f64));
        }
        metrics::gauge(&mut text, "aerolith_instance_running", &up);
        metrics::gauge(&mut text, "aerolith_instance_restarts", &restarts);
        metrics::gauge(
            &mut text,
            "aerolith_state_revision",
            &[(Vec::new(), status.revision as f64)],
        );
        text
    }

    /// Looks again at what can be done, as after a plugin has come.
    pub fn wake(&self) {
        self.0.works.changed.notify_one();
    }

    /// Ends the node's own work and leaves every instance running. The data folder is free once the last clone of the
    /// node and of its foundation is gone.
    pub async fn shutdown(&self) {
        let driving = self.0.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Driving { driver, end }) = driving {
            driver.abort();
            // It was told to end: how it did is of no interest.
            let _ = end.await;
        }
        self.0.works.supervisor.leave().await;
    }
}

/// Reads everything back from disk. Blocks.
fn open(
    foundation: &Foundation,
    plugins: Arc<dyn Plugins>,
) -> Result<(Arc<Works>, mpsc::Receiver<Request>), OpenError> {
    let _runtime = foundation.0.runtime.enter();
    let settings = &foundation.0.settings;
    let folders = Folders::of(settings);
    let store = Store::open(folders.store(), settings.limits.clone())?;
    let records = Records::new(folders.records(), folders.completed());
    let found = records.load()?;
    let in_use: BTreeSet<_> = found.iter().map(|r| (r.id.service.clone(), r.fingerprint)).collect();
    let prepared = prepare::load(&folders, &in_use)?;
    workspace::clear(&folders, found.iter())?;
    let changed = Arc::new(Notify::new());
    let rules = Arc::new(Rules::of(settings, folders.host()));
    let ports = Arc::new(Ports::new(settings.ports, &found));
    let supervisor = Supervisor::new(Shared {
        plugins: plugins.clone(),
        records,
        folders: folders.clone(),
        integrity: Arc::new(Integrity::new(store.clone(), settings.packages.edited)),
        admission: Admission::default(),
        rules: rules.clone(),
        ports,
        lookups: Lookups::default(),
        lines: Lines::default(),
        bus: foundation.bus().clone(),
        metrics: foundation.metrics().clone(),
        changed: changed.clone(),
    });
    found.into_iter().for_each(|record| supervisor.resume(record));
    let id = fs::read_to_string("/etc/machine-id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default();
    let host = Host {
        node: settings.node.clone(),
        id,
        serial: settings.serial.clone(),
        data: folders.data().display().to_string(),
        default_user: settings.workloads.default_user.clone(),
    };
    let downloads = Downloads::new(
        store.clone(),
        plugins.clone(),
        settings.packages.clone(),
        Pins::open(folders.pins())?,
    );
    let preparer = Preparer {
        store,
        downloads,
        plugins,
        folders,
        host,
        rules,
        bus: foundation.bus().clone(),
    };
    let earlier = prepared.keys().cloned().chain(in_use).collect();
    let key = foundation.state().fingerprint_key();
    let board = Mutex::new(Board {
        prepared,
        ..Board::default()
    });
    let (cleaning, requests) = mpsc::channel(1);
    let works = Works {
        foundation: foundation.clone(),
        fingerprints: Arc::new(Fingerprints::new(key, earlier)),
        preparer,
        supervisor,
        changed,
        cleaning,
        board,
    };
    Ok((Arc::new(works), requests))
}

#[cfg(test)]
mod tests;
