//! What lies where below the data folder and the runtime folder.

use std::path::PathBuf;

use aerolith_plan::{Fingerprint, InstanceId, RunId, ServiceId};

use crate::foundation::Settings;
use crate::record::Record;
use crate::workspace::Home;

/// The places of the node.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    data: PathBuf,
    runtime: PathBuf,
}

impl Folders {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            data: settings.data.clone(),
            runtime: settings.runtime.clone(),
        }
    }

    /// The data folder itself.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The package store.
    pub(crate) fn store(&self) -> PathBuf {
        self.data.join("packages")
    }

    /// What came first for objects without a digest.
    pub(crate) fn pins(&self) -> PathBuf {
        self.data.join("pins.json")
    }

    /// Below it, what is prepared of every application.
    pub(crate) fn applications(&self) -> PathBuf {
        self.data.join("apps")
    }

    /// What is prepared of one version of a service.
    pub(crate) fn version(&self, service: &ServiceId, fingerprint: &Fingerprint) -> PathBuf {
        let application = self.applications().join(service.application.as_str());
        application.join(service.service.as_str()).join(fingerprint.to_string())
    }

    /// Below it, the working folders.
    pub(crate) fn instances(&self) -> PathBuf {
        self.data.join("instances")
    }

    /// The working folder of one run.
    pub(crate) fn instance(&self, run: &RunId) -> PathBuf {
        self.instances().join(run.to_string())
    }

    /// Below it, the secrets that instances mount, in plain text.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.runtime.join("secrets")
    }

    /// Where the files of a new run lie.
    pub(crate) fn home(&self, run: &RunId) -> Home {
        Home {
            folder: self.instance(run),
            secrets: self.secrets().join(run.to_string()),
        }
    }

    /// Where those of a known one do, which an earlier daemon may have named otherwise.
    pub(crate) fn home_of(&self, record: &Record) -> Home {
        Home {
            folder: record.folder(&self.instances()),
            ..self.home(&record.run())
        }
    }

    /// Below it, the output of every application.
    pub(crate) fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// What the runs of one instance write to their standard output and error.
    pub(crate) fn output(&self, id: &InstanceId) -> PathBuf {
        self.logs()
            .join(id.service.application.as_str())
            .join(format!("{}.{}.log", id.service.service, id.index))
    }

    /// Where relative host paths of volumes lie (Baetyl v2: `<lib>/host`).
    pub(crate) fn host(&self) -> PathBuf {
        self.data.join("host")
    }

    /// Which jobs ended well, and so are not run again.
    pub(crate) fn completed(&self) -> PathBuf {
        self.data.join("completed")
    }

    /// How to find each instance again.
    pub(crate) fn records(&self) -> PathBuf {
        self.runtime.join("instances")
    }
}
