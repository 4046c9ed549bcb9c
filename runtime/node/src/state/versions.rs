//! The files of versions: one for each version of a resource, never rewritten; those of secrets are sealed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aerolith_model::{Resource, ResourceKind};
use aerolith_packages::Digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::seal::NodeKey;
use super::{ResourceId, StateError, to_json};
use crate::durable::{self, FileError, On};

const PLAIN: &str = "json";
const SEALED: &str = "sealed";

/// One version of a resource: the revision that made it, and the digest of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) revision: u64,
    pub(crate) sha256: String,
}

/// One file of a version.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) id: ResourceId,
    pub(super) revision: u64,
    pub(super) path: PathBuf,
}

/// What there is of a version.
pub(super) enum Read {
    Whole(Box<Resource>),
    Absent(String),
    Damaged(String),
    /// It is whole, but the key is missing or another one.
    Locked(String),
}

/// All files of versions, and the key of those that are sealed.
#[derive(Debug)]
pub(super) struct Versions {
    folder: PathBuf,
    key_path: PathBuf,
    key: Option<NodeKey>,
}

impl Versions {
    /// Reads the key, and changes nothing.
    pub(super) fn new(folder: PathBuf, key_path: PathBuf) -> Result<Self, StateError> {
        let key = NodeKey::read(&key_path)?;
        Ok(Self { folder, key_path, key })
    }

    /// Makes the folders, and the key where none is missing.
    pub(super) fn prepare(&mut self) -> Result<(), FileError> {
        for kind in ResourceKind::ALL {
            durable::folder(&self.folder.join(kind.as_str()), true)?;
        }
        if self.key.is_none() && !self.all()?.iter().any(File::is_sealed) {
            self.key = Some(NodeKey::make(&self.key_path)?);
        }
        Ok(())
    }

    pub(super) fn fingerprint_key(&self) -> Option<[u8; 32]> {
        self.key.as_ref().map(NodeKey::for_fingerprints)
    }

    pub(super) fn path(&self, id: &ResourceId, revision: u64) -> PathBuf {
        let is_secret = id.kind == ResourceKind::Secret;
        self.path_as(id, revision, if is_secret { SEALED } else { PLAIN })
    }

    /// Where schema 1 has it.
    pub(super) fn plain_path(&self, id: &ResourceId, revision: u64) -> PathBuf {
        self.path_as(id, revision, PLAIN)
    }

    fn path_as(&self, id: &ResourceId, revision: u64, form: &str) -> PathBuf {
        let folder = self.folder.join(id.kind.as_str());
        folder.join(format!("{}@{revision}.{form}", id.name))
    }

    /// The version that a resource becomes at a revision, with its file, which is not written yet.
    pub(super) fn encode(
        &mut self,
        resource: &Resource,
        revision: u64,
    ) -> Result<(Version, PathBuf, Vec<u8>), FileError> {
        let id = ResourceId::of(resource);
        let path = self.path(&id, revision);
        let mut bytes = to_json(resource, &path)?;
        if id.kind == ResourceKind::Secret {
            let plain = Zeroizing::new(bytes);
            bytes = self.key()?.seal(&plain, &name(&id, revision)).on("seal", &path)?;
        }
        let sha256 = Digest::of(&bytes).to_string();
        Ok((Version { revision, sha256 }, path, bytes))
    }

    fn key(&mut self) -> Result<&NodeKey, FileError> {
        if self.key.is_none() {
            self.prepare()?;
        }
        let missing = || io::Error::other(format!("{}: {LOST}", missing(&self.key_path)));
        self.key
            .as_ref()
            .ok_or_else(missing)
            .on("seal a secret with", &self.key_path)
    }

    /// Reads the version that a digest is known of.
    pub(super) fn read(&self, id: &ResourceId, version: &Version) -> Result<Read, FileError> {
        let file = File {
            id: id.clone(),
            revision: version.revision,
            path: self.path(id, version.revision),
        };
        self.load(&file, Some(&version.sha256))
    }

    /// Reads a file of a version, and checks all that can be checked of it.
    pub(super) fn load(&self, file: &File, sha256: Option<&str>) -> Result<Read, FileError> {
        let path = file.path.display();
        let bytes = match fs::read(&file.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Read::Absent(format!("{path} is missing"))),
            other => Zeroizing::new(other.on("read", &file.path)?),
        };
        let found = Digest::of(&bytes).to_string();
        if let Some(expected) = sha256.filter(|expected| *expected != found) {
            return Ok(Read::Damaged(format!(
                "{path} has sha256 {found} instead of {expected}"
            )));
        }
        let plain = match (&self.key, file.is_sealed()) {
            (_, false) => bytes,
            (None, true) => return Ok(Read::Locked(format!("{}: {LOST}", missing(&self.key_path)))),
            (Some(key), true) => match key.open(&bytes, &name(&file.id, file.revision)) {
                Some(plain) => plain,
                None => {
                    return Ok(Read::Locked(format!(
                        "{path} is not sealed with {}: {LOST}",
                        self.key_path.display()
                    )));
                }
            },
        };
        Ok(match serde_json::from_slice::<Resource>(&plain) {
            Ok(resource) if ResourceId::of(&resource) == file.id => Read::Whole(Box::new(resource)),
            Ok(other) => Read::Damaged(format!(
                "{path} holds {} instead of {}",
                ResourceId::of(&other),
                file.id
            )),
            // What it says of a secret may quote it.
            Err(_) if file.is_sealed() => Read::Damaged(format!("{path} cannot be read")),
            Err(e) => Read::Damaged(format!("{path} cannot be read: {e}")),
        })
    }

    /// Every file of a version, older ones first.
    pub(super) fn all(&self) -> Result<Vec<File>, FileError> {
        let mut files = Vec::new();
        for kind in ResourceKind::ALL {
            let paths = durable::entries(&self.folder.join(kind.as_str()))?;
            files.extend(paths.into_iter().filter_map(|path| File::at(kind, path)));
        }
        files.sort_by_key(|file| file.revision);
        Ok(files)
    }

    /// Removes every file that is of none of these versions.
    pub(super) fn sweep(&self, named: &HashSet<(&ResourceId, u64)>) -> Result<(), FileError> {
        let stays = |file: &File| {
            let is_as_it_should = file.is_sealed() == (file.id.kind == ResourceKind::Secret);
            is_as_it_should && named.contains(&(&file.id, file.revision))
        };
        for kind in ResourceKind::ALL {
            for path in durable::entries(&self.folder.join(kind.as_str()))? {
                if !File::at(kind, path.clone()).is_some_and(|file| stays(&file)) {
                    durable::remove(&path)?;
                }
            }
        }
        Ok(())
    }
}

impl File {
    fn at(kind: ResourceKind, path: PathBuf) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let (name, revision) = stem.rsplit_once('@')?;
        let (id, revision) = (ResourceId::new(kind, name), revision.parse().ok()?);
        let form = path.extension()?;
        (form == PLAIN || form == SEALED).then_some(())?;
        Some(Self { id, revision, path })
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.path.extension().is_some_and(|form| form == SEALED)
    }
}

const LOST: &str = "put the right key back and start again; if it is lost for ever, put 32 random bytes in its place, start \
                    again, and apply the secrets again";

fn missing(key: &Path) -> String {
    format!("the node's key {} is missing", key.display())
}

/// What a sealed version is sealed for.
fn name(id: &ResourceId, revision: u64) -> String {
    format!("{id}@{revision}")
}
