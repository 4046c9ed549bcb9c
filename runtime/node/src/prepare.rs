//! Does everything that can be done for a version of a service while the old one runs.
//!
//! ```text
//! apps/<application>/<service>/<fingerprint>/tree           its own copy of its package
//! apps/<application>/<service>/<fingerprint>/volumes/<v>    configurations with objects that it mounts
//! apps/<application>/<service>/<fingerprint>/prepared.json  written last: it is prepared
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aerolith_model::{Key, Name, PackageMode, Sha256, VolumeSource};
use aerolith_packages::{Blob, Part, Store, StoreError, Stored, Tree};
use aerolith_plan::{Fingerprint, Goal, RunId, ServiceId};
use aerolith_plugin_wire::engine::{Program, Workload};
use serde::{Deserialize, Serialize};

use crate::admission::{Claim, claims};
use crate::bus::Bus;
use crate::desired::Desired;
use crate::durable::{self, FileError, On, Survives};
use crate::enforcement::{WrongUser, is_somebody_else};
use crate::environment::{self, Host};
use crate::fetch::{Downloads, FetchError, Reporter};
use crate::folders::Folders;
use crate::layout::{MountError, Place, Sources, finish, layout};
use crate::plugins::{self, NoProvider, Plugins};
use crate::policy::Rules;
use crate::program::{self, PackageError};
use crate::time::now_ms;
use crate::workload::{engine_kind, workload};

/// A version of a service.
pub(crate) type VersionId = (ServiceId, Fingerprint);

const DONE: &str = "prepared.json";

/// What was prepared of one version of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// Its program, when it runs a package.
    pub(crate) program: Option<Program>,
    /// The stored tree of its program.
    pub(crate) tree: Option<String>,
    /// Folders of the volumes that hold downloaded objects.
    pub(crate) volumes: BTreeMap<String, PathBuf>,
    /// Trees and blobs of the store that it is made of.
    trees: BTreeSet<String>,
    /// By `<configuration>/<key>`.
    blobs: BTreeMap<String, String>,
    /// What speaks for what it is made of, where that is known.
    #[serde(default)]
    claims: Option<Vec<Claim>>,
    /// Milliseconds since 1970: which of two is the later.
    pub(crate) at_ms: u64,
}

/// A version of a service that has just been prepared. What it is made of is not cleaned away while this lives.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    pub(crate) prepared: Prepared,
    blobs: Vec<Blob>,
    trees: Vec<Tree>,
}

/// Why a version of a service cannot be started yet. The one before it goes on running.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Its package or a volume's objects.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Its mounts.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// No engine.
    #[error(transparent)]
    NoEngine(#[from] NoProvider),
    /// The engine refused it.
    #[error("the {kind} engine refuses it: {error}")]
    Engine {
        /// The engine's kind.
        kind: String,
        /// What it answered.
        error: aerolith_plugin_wire::Error,
    },
    /// Its engine would run it as somebody else.
    #[error(transparent)]
    User(#[from] WrongUser),
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is desired no more.
    #[error("it is desired no more")]
    Superseded,
    /// A thread was lost.
    #[error("the thread that works on files ended early: {0}")]
    Thread(String),
    /// The preparation ended without a result: a fault of the program.
    #[error("preparing it ended early: {0}")]
    Lost(String),
}

impl PrepareError {
    /// Whether its package breaks a rule, rather than that something could not be done with it.
    #[must_use]
    pub fn is_of_the_package(&self) -> bool {
        matches!(self, Self::Package(error) if error.is_of_the_package())
    }

    /// Whether it is what the node's policy does not take.
    pub(crate) fn is_of_the_policy(&self) -> bool {
        match self {
            Self::Package(PackageError::Forbidden { .. }) => true,
            Self::Package(PackageError::Object { error, .. }) => matches!(**error, FetchError::Forbidden { .. }),
            _ => false,
        }
    }

    /// Whether it is this node's own disk that refuses: full, read-only or broken.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Package(PackageError::Store { error, .. }) => error.is_of_the_disk(),
            Self::Package(PackageError::Object { error, .. }) => error.is_of_the_disk(),
            _ => false,
        }
    }

    /// How long the place asked to be left alone.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Package(PackageError::Object { error, .. }) => error.wait(),
            _ => None,
        }
    }
}

/// Prepares versions of services.
pub(crate) struct Preparer {
    pub(crate) store: Store,
    pub(crate) downloads: Downloads,
    pub(crate) plugins: Arc<dyn Plugins>,
    pub(crate) folders: Folders,
    pub(crate) host: Host,
    pub(crate) rules: Arc<Rules>,
    pub(crate) bus: Bus,
}

impl Preparer {
    /// Fetches, verifies, unpacks, publishes, checks out, and asks the engine. What was done stays done for the next
    /// try when a later step fails.
    pub(crate) async fn prepare(&self, desired: &Desired, id: &ServiceId) -> Result<Fresh, PrepareError> {
        let goal = desired.goal(id).ok_or(PrepareError::Superseded)?;
        let folder = self.folders.version(id, &goal.fingerprint);
        let mut fresh = Fresh::default();
        fresh.prepared.at_ms = now_ms();
        fresh.prepared.claims = Some(claims(desired, goal));
        let reporter = Reporter::new(&self.bus, id);
        self.package(desired, goal, &folder, &mut fresh, &reporter).await?;
        self.volumes(desired, goal, &folder, &mut fresh, &reporter).await?;
        let prepared = &fresh.prepared;
        let places = self.places(desired, goal, prepared)?;
        let kind = engine_kind(goal);
        let engine = plugins::engine(&*self.plugins, &kind).await?;
        let user = goal.service.security.user.as_deref();
        let features = desired.engines.get(&kind);
        if let Some(wrong) = features.and_then(|features| is_somebody_else(user, features)) {
            return Err(wrong.into());
        }
        let run = RunId {
            instance: id.instance(1),
            fingerprint: goal.fingerprint,
        };
        let workload = workload(&self.folders, &self.host, desired, goal, prepared, &run);
        self.try_mounts(places, &workload).await?;
        engine
            .prepare(&workload)
            .await
            .map_err(|error| PrepareError::Engine { kind, error })?;
        let done = prepared.clone();
        blocking(move || write(&folder, &done)).await??;
        Ok(fresh)
    }

    /// What an instance of a prepared version shows at its mount paths.
    pub(crate) fn places(&self, desired: &Desired, goal: &Goal, prepared: &Prepared) -> Result<Vec<Place>, MountError> {
        let (resources, downloaded) = (&desired.resources, &prepared.volumes);
        layout(goal, &Sources { resources, downloaded })
    }

    /// Whether an instance could be shown its mounts, which is for each to find out when it starts: templates that cannot be
    /// filled are told before the old version stops.
    async fn try_mounts(&self, places: Vec<Place>, workload: &Workload) -> Result<(), PrepareError> {
        let (rules, mut environment) = (self.rules.clone(), workload.environment.clone());
        environment::set_port(&mut environment, 0);
        blocking(move || finish(&places, &environment, &rules).map(drop)).await??;
        Ok(())
    }

    async fn package(
        &self,
        desired: &Desired,
        goal: &Goal,
        folder: &Path,
        fresh: &mut Fresh,
        reporter: &Reporter,
    ) -> Result<(), PrepareError> {
        let Some(name) = &goal.service.program_config else {
            return Ok(());
        };
        let parts = self.parts(desired, name.as_str(), true, reporter).await?;
        fresh.keep(name, &parts);
        let reporter = reporter.clone();
        let (store, package) = (self.store.clone(), name.to_string());
        let own_copy = goal.service.package_mode == PackageMode::Copy;
        let version = folder.to_owned();
        let (tree, directory, entry) = blocking(move || {
            let laid = || lay(&store, &package, &parts, own_copy.then_some(&version), &reporter);
            match laid() {
                // Edited in the store, where nobody writes: what it was made of is there still.
                Err(PackageError::Store { error, .. }) if matches!(*error, StoreError::RottenTree { .. }) => {
                    tracing::warn!(package, %error, "a stored package was edited on disk; it is built again");
                    reporter.edited(&package, &error.to_string());
                    laid()
                }
                laid => laid,
            }
        })
        .await??;
        fresh.prepared.tree = Some(tree.id().to_string());
        fresh.keep_tree(tree);
        fresh.prepared.program = Some(Program {
            directory: directory.display().to_string(),
            entry,
        });
        Ok(())
    }

    async fn volumes(
        &self,
        desired: &Desired,
        goal: &Goal,
        folder: &Path,
        fresh: &mut Fresh,
        reporter: &Reporter,
    ) -> Result<(), PrepareError> {
        for volume in &goal.volumes {
            let VolumeSource::Config(name) = &volume.source else {
                continue;
            };
            let downloads = desired
                .configuration(name.as_str())
                .is_some_and(|c| c.objects().next().is_some());
            if !downloads {
                continue;
            }
            let parts = self.parts(desired, name.as_str(), false, reporter).await?;
            fresh.keep(name, &parts);
            let to = folder.join("volumes").join(volume.name.as_str());
            let (store, name, version, place) = (self.store.clone(), name.to_string(), folder.to_owned(), to.clone());
            let reporter = reporter.clone();
            let tree = blocking(move || {
                let tree = program::volume(&store, &name, &parts, &reporter)?;
                copy(&store, &name, &tree, &version, &place).map(|()| tree)
            })
            .await??;
            fresh.keep_tree(tree);
            fresh.prepared.volumes.insert(volume.name.to_string(), to);
        }
        Ok(())
    }

    async fn parts(
        &self,
        desired: &Desired,
        name: &str,
        is_program: bool,
        reporter: &Reporter,
    ) -> Result<Vec<Part>, PrepareError> {
        if let Some(reason) = desired.unresolved.get(name) {
            return Err(PackageError::Unresolved {
                package: name.into(),
                reason: reason.clone(),
            }
            .into());
        }
        let configuration = desired.configuration(name).ok_or(PrepareError::Superseded)?;
        Ok(program::parts(&self.downloads, desired, configuration, is_program, reporter).await?)
    }
}

impl Fresh {
    fn keep(&mut self, configuration: &Name, parts: &[Part]) {
        for (key, blob) in program::blobs(parts) {
            let digest = blob.digest().to_string();
            self.prepared.blobs.insert(of(configuration, key), digest);
            self.blobs.push(blob.clone());
        }
    }

    fn keep_tree(&mut self, tree: Tree) {
        self.prepared.trees.insert(tree.id().to_string());
        self.trees.push(tree);
    }
}

impl Prepared {
    /// The digest of what an object turned out to be.
    pub(crate) fn digest(&self, configuration: &Name, key: &Key) -> Option<Sha256> {
        self.blobs.get(&of(configuration, key.as_str()))?.parse().ok()
    }

    /// What speaks for what it is made of, where that is known.
    pub(crate) fn claims(&self) -> Option<&[Claim]> {
        self.claims.as_deref()
    }

    /// Answers whether they are others than before.
    pub(crate) fn renew_claims(&mut self, claims: Vec<Claim>) -> bool {
        let claims = Some(claims);
        let differ = self.claims != claims;
        self.claims = claims;
        differ
    }

    /// Whether it is made of something that the store has.
    pub(crate) fn uses(&self, stored: &Stored) -> bool {
        match stored {
            Stored::Blob(digest) => {
                let digest = digest.to_string();
                self.blobs.values().any(|blob| *blob == digest)
            }
            Stored::Tree(id) => self.trees.contains(id.as_str()),
            Stored::Part(_) | Stored::Quarantined(_) | Stored::Staging(_) => false,
        }
    }
}

/// Publishes a program's tree, and answers where instances run it: in the folder of their version, or where the store has
/// it. Blocks.
fn lay(
    store: &Store,
    package: &str,
    parts: &[Part],
    version: Option<&PathBuf>,
    reporter: &Reporter,
) -> Result<(Tree, PathBuf, String), PackageError> {
    let (tree, entry) = program::program(store, package, parts, reporter)?;
    let Some(version) = version else {
        program::verify(store, package, &tree)?;
        return Ok((tree.clone(), tree.root().to_owned(), entry));
    };
    let to = version.join("tree");
    copy(store, package, &tree, version, &to)?;
    Ok((tree, to, entry))
}

/// Gives a version its own copy of a tree. One that an earlier preparation of it finished stays as it is, since instances
/// may run from it. Blocks.
fn copy(store: &Store, package: &str, tree: &Tree, version: &Path, to: &Path) -> Result<(), PackageError> {
    let is_done = read(version).is_some_and(|(_, before)| before.trees.contains(tree.id().as_str()));
    if is_done && to.is_dir() {
        return Ok(());
    }
    program::checkout(store, package, tree, to)
}

fn of(configuration: &Name, key: &str) -> String {
    format!("{configuration}/{key}")
}

/// Writes down what was prepared. Blocks.
pub(crate) fn write(folder: &Path, prepared: &Prepared) -> Result<(), FileError> {
    durable::folder(folder, false)?;
    let path = folder.join(DONE);
    let bytes = serde_json::to_vec(prepared).on("encode", &path)?;
    durable::put(&path, &bytes, 0o600, Survives::PowerCut)
}

/// Everything that is prepared, as found on disk; what is half prepared and not in use is removed. Blocks.
pub(crate) fn load(
    folders: &Folders,
    in_use: &BTreeSet<VersionId>,
) -> Result<BTreeMap<VersionId, Prepared>, FileError> {
    let is_in_use = |version: &Path| in_use.iter().any(|id| folders.version(&id.0, &id.1) == version);
    let mut all = BTreeMap::new();
    for application in durable::entries(&folders.applications())? {
        for service in durable::entries(&application)? {
            for version in durable::entries(&service)? {
                match read(&version) {
                    Some((id, prepared)) if folders.version(&id.0, &id.1) == version => drop(all.insert(id, prepared)),
                    _ if is_in_use(&version) => {}
                    _ => durable::remove(&version)?,
                }
            }
        }
    }
    Ok(all)
}

fn read(version: &Path) -> Option<(VersionId, Prepared)> {
    let name = |path: Option<&Path>| path?.file_name()?.to_str().map(str::to_owned);
    let service = version.parent();
    let application = service.and_then(Path::parent);
    let id = ServiceId {
        application: name(application)?.parse().ok()?,
        service: name(service)?.parse().ok()?,
    };
    let mut prepared: Prepared = serde_json::from_slice(&fs::read(version.join(DONE)).ok()?).ok()?;
    if prepared.tree.is_none() {
        // An older daemon noted it among the others only.
        prepared.tree = prepared.trees.iter().find(|tree| program::is_program(tree)).cloned();
    }
    Some(((id, name(Some(version))?.parse().ok()?), prepared))
}

/// The stored tree of a program that lies at `directory`: in the folder of a version, or in the store itself. Blocks.
pub(crate) fn tree_of(directory: &Path) -> Option<String> {
    let name = directory.file_name()?.to_str()?;
    if program::is_program(name) {
        return Some(name.to_owned());
    }
    let (_, prepared) = read(directory.parent()?)?;
    prepared.tree
}

/// Removes what was prepared of a version: first what says that it is. Blocks.
pub(crate) fn remove(folders: &Folders, (service, fingerprint): &VersionId) -> Result<(), FileError> {
    let folder = folders.version(service, fingerprint);
    durable::remove(&folder.join(DONE))?;
    durable::remove(&folder)?;
    // Only empty folders go.
    let _ = folder.parent().map(fs::remove_dir);
    let _ = folder.parent().and_then(Path::parent).map(fs::remove_dir);
    Ok(())
}

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(step: impl FnOnce() -> T + Send + 'static) -> Result<T, PrepareError> {
    tokio::task::spawn_blocking(step)
        .await
        .map_err(|e| PrepareError::Thread(e.to_string()))
}
