//! Reading the state back: what cannot be read is set aside and said, never dropped and never guessed.

use std::fs;
use std::path::{Path, PathBuf};

use aerolith_model::{Resource, ResourceKind};
use aerolith_packages::Digest;
use serde::de::DeserializeOwned;

use super::{Damaged, HEAD, Head, ResourceId, State, Version, put_json};
use crate::durable::{self, FileError, On};

const DAMAGED: &str = "damaged";

impl State {
    /// Reads the state, making an empty one where there is none. Errors: what the file system says.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, FileError> {
        durable::folder(&folder, true)?;
        for kind in ResourceKind::ALL {
            durable::folder(&folder.join(kind.as_str()), true)?;
        }
        durable::entries(&folder)?;
        let mut state = Self {
            folder,
            head: Head::default(),
            resources: Default::default(),
            damaged: Vec::new(),
        };
        state.read_head()?;
        state.read_resources()?;
        state.sweep()?;
        Ok(state)
    }

    fn read_head(&mut self) -> Result<(), FileError> {
        let path = self.folder.join(HEAD);
        let reason = match read::<Head>(&path, None)? {
            Read::Whole(head) => {
                self.head = head;
                return Ok(());
            }
            Read::Absent if self.versions()?.is_empty() => return put_json(&path, &self.head),
            Read::Absent => format!("{} is missing", path.display()),
            Read::Damaged(reason) => format!("{reason}; {}", self.aside(&path)?),
        };
        self.rebuild_head()?;
        let reason = format!("{reason}; the newest readable version of each resource is in force");
        self.damaged.push(Damaged { resource: None, reason });
        Ok(())
    }

    /// Without a head, the newest version of each resource that can be read is taken.
    fn rebuild_head(&mut self) -> Result<(), FileError> {
        for (id, revision, path) in self.versions()? {
            match read::<Resource>(&path, None)? {
                Read::Whole(_) => {
                    let sha256 = Digest::of(&fs::read(&path).on("read", &path)?).to_string();
                    self.head.revision = self.head.revision.max(revision);
                    self.head.resources.insert(id, Version { revision, sha256 });
                }
                Read::Absent => {}
                Read::Damaged(reason) => {
                    let reason = format!("{reason}; {}", self.aside(&path)?);
                    self.damaged.push(Damaged {
                        resource: Some(id),
                        reason,
                    });
                }
            }
        }
        put_json(&self.folder.join(HEAD), &self.head)
    }

    /// Every version on disk, older ones first.
    fn versions(&self) -> Result<Vec<(ResourceId, u64, PathBuf)>, FileError> {
        let mut versions = Vec::new();
        for kind in ResourceKind::ALL {
            for path in durable::entries(&self.folder.join(kind.as_str()))? {
                let name = path
                    .file_name()
                    .and_then(|n| n.to_str())
                    .and_then(|n| n.strip_suffix(".json"));
                let parts = name.and_then(|n| n.rsplit_once('@'));
                if let Some((name, Ok(revision))) = parts.map(|(name, revision)| (name, revision.parse())) {
                    versions.push((ResourceId::new(kind, name), revision, path));
                }
            }
        }
        versions.sort_by_key(|(_, revision, _)| *revision);
        Ok(versions)
    }

    fn read_resources(&mut self) -> Result<(), FileError> {
        for (id, version) in self.head.resources.clone() {
            let path = self.path(&id, version.revision);
            let reason = match read::<Resource>(&path, Some(&version.sha256))? {
                Read::Whole(resource) if ResourceId::of(&resource) == id => {
                    self.resources.insert(id, resource);
                    continue;
                }
                Read::Whole(other) => {
                    let held = ResourceId::of(&other);
                    format!(
                        "{} holds {held} instead of {id}; {}",
                        path.display(),
                        self.aside(&path)?
                    )
                }
                Read::Absent => {
                    let aside = self.folder.join(DAMAGED);
                    format!(
                        "{} is missing; damaged files are kept in {}",
                        path.display(),
                        aside.display()
                    )
                }
                Read::Damaged(reason) => format!("{reason}; {}", self.aside(&path)?),
            };
            tracing::error!(resource = %id, reason, "a resource cannot be read");
            self.damaged.push(Damaged {
                resource: Some(id),
                reason,
            });
        }
        Ok(())
    }

    fn aside(&self, path: &Path) -> Result<String, FileError> {
        let to = durable::set_aside(path, &self.folder.join(DAMAGED))?;
        Ok(format!(
            "it is kept as {}; apply the resource again, or delete it",
            to.display()
        ))
    }
}

enum Read<T> {
    Whole(T),
    Absent,
    Damaged(String),
}

fn read<T: DeserializeOwned>(path: &Path, sha256: Option<&str>) -> Result<Read<T>, FileError> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Read::Absent),
        other => other.on("read", path)?,
    };
    let found = Digest::of(&bytes).to_string();
    if let Some(expected) = sha256.filter(|expected| **expected != found) {
        let reason = format!("{} has sha256 {found} instead of {expected}", path.display());
        return Ok(Read::Damaged(reason));
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(value) => Read::Whole(value),
        Err(e) => Read::Damaged(format!("{} cannot be read: {e}", path.display())),
    })
}
