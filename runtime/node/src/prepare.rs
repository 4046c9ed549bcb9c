//! Does everything that can be done for a version of a service while the old one runs.
//!
//! ```text
//! apps/<application>/<service>/<fingerprint>/tree           its own copy of its package
//! apps/<application>/<service>/<fingerprint>/volumes/<v>    configurations with objects that it mounts
//! apps/<application>/<service>/<fingerprint>/prepared.json  written last: it is prepared
//! ```

mod error;
mod prepared;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aerolith_model::{Name, PackageMode, VolumeSource};
use aerolith_packages::{Blob, Part, Store, StoreError, Tree};
use aerolith_plan::{Goal, RunId, ServiceId};
use aerolith_plugin_wire::engine::{Program, Workload};

use crate::admission::claims;
use crate::blocking::blocking;
use crate::bus::Bus;
use crate::desired::Desired;
use crate::enforcement::is_somebody_else;
use crate::environment::{self, Host};
use crate::fetch::{Downloads, Reporter};
use crate::folders::Folders;
use crate::jobs::Need;
use crate::layout::{MountError, Place, Sources, finish, layout};
use crate::plugins::{self, Plugins};
use crate::policy::Rules;
use crate::program::{self, PackageError};
use crate::time::now_ms;
use crate::workload::{engine_kind, workload};
pub use error::PrepareError;
pub(crate) use prepared::{Prepared, load, remove, tree_of, write};

/// A version of a service that has just been prepared. What it is made of is not cleaned away while this lives.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    pub(crate) prepared: Prepared,
    blobs: Vec<Blob>,
    trees: Vec<Tree>,
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
    pub(crate) async fn prepare(&self, desired: &Desired, id: &ServiceId, need: &Need) -> Result<Fresh, PrepareError> {
        let goal = desired.goal(id).ok_or(PrepareError::Superseded)?;
        if let Some((package, reason)) = desired.unresolved(goal) {
            let (package, reason) = (package.into(), reason.into());
            return Err(PackageError::Unresolved { package, reason }.into());
        }
        let folder = self.folders.version(id, &goal.fingerprint);
        let mut fresh = Fresh::default();
        fresh.prepared.at_ms = now_ms();
        fresh.prepared.renew_claims(claims(desired, goal));
        let reporter = Reporter::new(&self.bus, id);
        self.package(desired, goal, &folder, &mut fresh, (&reporter, need))
            .await?;
        self.volumes(desired, goal, &folder, &mut fresh, (&reporter, need))
            .await?;
        let prepared = &fresh.prepared;
        let places = self.places(desired, goal, prepared)?;
        let kind = engine_kind(goal);
        let engine = plugins::engine(&*self.plugins, &kind).await?;
        let run = RunId {
            instance: id.instance(1),
            fingerprint: goal.fingerprint,
        };
        let workload = workload(&self.folders, &self.host, desired, goal, prepared, &run);
        let (user, features) = (workload.user.as_deref(), desired.engines.get(&kind));
        if let Some(wrong) = features.and_then(|features| is_somebody_else(user, features)) {
            return Err(wrong.into());
        }
        self.try_mounts(places, &workload).await?;
        let done = need.meet(engine.prepare(&workload)).await?;
        done.map_err(|error| PrepareError::Engine { kind, error })?;
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
        (reporter, need): (&Reporter, &Need),
    ) -> Result<(), PrepareError> {
        let Some(name) = &goal.service.program_config else {
            return Ok(());
        };
        let parts = self.parts(desired, name.as_str(), true, (reporter, need)).await?;
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
        (reporter, need): (&Reporter, &Need),
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
            let parts = self.parts(desired, name.as_str(), false, (reporter, need)).await?;
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
        (reporter, need): (&Reporter, &Need),
    ) -> Result<Vec<Part>, PrepareError> {
        let configuration = desired.configuration(name).ok_or(PrepareError::Superseded)?;
        let parts = program::parts(&self.downloads, desired, configuration, is_program, reporter);
        Ok(need.meet(parts).await??)
    }
}

impl Fresh {
    fn keep(&mut self, configuration: &Name, parts: &[Part]) {
        for (key, blob) in program::blobs(parts) {
            self.prepared.add_blob(configuration, key, blob);
            self.blobs.push(blob.clone());
        }
    }

    fn keep_tree(&mut self, tree: Tree) {
        self.prepared.add_tree(&tree);
        self.trees.push(tree);
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
    let is_done = prepared::is_made_of(version, tree);
    if is_done && to.is_dir() {
        return Ok(());
    }
    program::checkout(store, package, tree, to)
}
