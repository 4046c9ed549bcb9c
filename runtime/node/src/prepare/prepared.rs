//! What was prepared of each version of a service, in memory and on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aerolith_model::{Key, Name, Sha256};
use aerolith_packages::{Blob, Stored, Tree};
use aerolith_plan::{ServiceId, VersionId};
use aerolith_plugin_wire::engine::Program;
use serde::{Deserialize, Serialize};

use crate::admission::Claim;
use crate::durable::{self, FileError, On, Survives};
use crate::folders::Folders;
use crate::program;

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

impl Prepared {
    pub(super) fn add_blob(&mut self, configuration: &Name, key: &str, blob: &Blob) {
        self.blobs.insert(of(configuration, key), blob.digest().to_string());
    }

    pub(super) fn add_tree(&mut self, tree: &Tree) {
        self.trees.insert(tree.id().to_string());
    }

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

/// Whether a version was prepared with a tree. Blocks.
pub(super) fn is_made_of(version: &Path, tree: &Tree) -> bool {
    read(version).is_some_and(|(_, before)| before.trees.contains(tree.id().as_str()))
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
