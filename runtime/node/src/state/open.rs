//! Reading the state back: what cannot be read is set aside and said, never dropped and never guessed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aerolith_model::ResourceKind;
use aerolith_packages::Digest;

use super::deployments::HISTORY;
use super::head::{self, Found, HEAD};
use super::history::History;
use super::versions::{File, Read, Versions};
use super::{Damaged, Published, ResourceId, Snapshot, State, StateError, Version, checked};
use crate::durable::{self, FileError, On};

const DAMAGED: &str = "damaged";

impl State {
    /// Reads the state, making an empty one where there is none, and bringing an older one to the schema of this release.
    pub(crate) fn open(folder: PathBuf, key: PathBuf) -> Result<Self, StateError> {
        // What must not be opened is found out before anything is changed.
        let found = head::read(&folder)?;
        let mut versions = Versions::new(folder.clone(), key)?;
        durable::folder(&folder, true)?;
        durable::folder(&folder.join(HISTORY), true)?;
        durable::entries(&folder)?;
        versions.prepare()?;
        let mut state = Self {
            folder,
            versions,
            now: Arc::default(),
            published: Published::default(),
            is_settled: true,
        };
        state.read(found)?;
        state.sweep()?;
        state.publish(|_| {});
        Ok(state)
    }

    fn read(&mut self, found: Found) -> Result<(), FileError> {
        let path = self.folder.join(HEAD);
        let reason = match found {
            Found::Current(head) => {
                self.now_mut().head = head;
                self.read_resources(Versions::path)?;
                return self.read_histories();
            }
            Found::First(head) => {
                self.now_mut().head = head;
                self.read_resources(Versions::plain_path)?;
                return self.migrate();
            }
            Found::Absent if self.versions.all()?.is_empty() => return self.head.put(&self.folder),
            Found::Absent => format!("{} is missing", path.display()),
            Found::Damaged(reason) => format!("{reason}; {}", self.aside(&path)?),
        };
        let reason = format!(
            "{reason}; the newest readable version of each resource is in force, also of what was kept for a rollback alone"
        );
        tracing::error!(reason, "the head of the state cannot be read");
        self.now_mut().damaged.push(Damaged { resource: None, reason });
        self.rebuild()
    }

    fn read_resources(&mut self, path: fn(&Versions, &ResourceId, u64) -> PathBuf) -> Result<(), FileError> {
        for (id, version) in self.head.resources.clone() {
            let file = File {
                path: path(&self.versions, &id, version.revision),
                id,
                revision: version.revision,
            };
            self.take(file, Some(&version.sha256))?;
        }
        Ok(())
    }

    /// Takes what is in a file into memory, or says why that cannot be; answers whether it stays where it is.
    fn take(&mut self, file: File, sha256: Option<&str>) -> Result<bool, FileError> {
        let (reason, stays) = match self.versions.load(&file, sha256)? {
            Read::Whole(resource) => {
                self.now_mut().resources.insert(file.id, Arc::from(resource));
                return Ok(true);
            }
            Read::Absent(reason) => {
                let aside = self.folder.join(DAMAGED);
                let reason = format!("{reason}; damaged files are kept in {}", aside.display());
                (reason, false)
            }
            Read::Damaged(reason) => (format!("{reason}; {}", self.aside(&file.path)?), false),
            Read::Locked(reason) => (reason, true),
        };
        tracing::error!(resource = %file.id, reason, "a resource cannot be read");
        let resource = Some(file.id);
        self.now_mut().damaged.push(Damaged { resource, reason });
        Ok(stays)
    }

    /// Without a head, the newest version of each resource that can be read is taken.
    fn rebuild(&mut self) -> Result<(), FileError> {
        for file in self.versions.all()?.into_iter().rev() {
            if self.head.resources.contains_key(&file.id) {
                continue;
            }
            let sha256 = Digest::of(&fs::read(&file.path).on("read", &file.path)?).to_string();
            let (id, revision) = (file.id.clone(), file.revision);
            if self.take(file, None)? {
                let head = &mut self.now_mut().head;
                head.revision = head.revision.max(revision);
                head.resources.insert(id, Version { revision, sha256 });
            }
        }
        if durable::entries(&self.folder.join(HISTORY))?.is_empty() {
            return self.migrate();
        }
        let sealed = self.seal()?;
        durable::put_all(&sealed, 0o600)?;
        self.read_histories()?;
        self.head.put(&self.folder)
    }

    /// To this schema: secrets are sealed, and what is in force was good. The head comes last, and with it what was there
    /// before goes: a crash earlier leaves all of schema 1 as it was, and later all of this one.
    fn migrate(&mut self) -> Result<(), FileError> {
        let mut files = self.seal()?;
        for name in self.applications() {
            let (path, history) = (self.history_path(&name), self.in_force(&name));
            files.push((path.clone(), checked::encode(&history, &path)?));
            self.now_mut().histories.insert(name, history.into());
        }
        durable::put_all(&files, 0o600)?;
        self.head.put(&self.folder)?;
        let revision = self.head.revision;
        tracing::info!(revision, "the state was brought to this release's schema");
        Ok(())
    }

    /// Lets the head name sealed versions of all secrets, and answers their files. The revisions stay.
    fn seal(&mut self) -> Result<Vec<(PathBuf, Vec<u8>)>, FileError> {
        let mut files = Vec::new();
        let Snapshot { head, resources, .. } = Arc::make_mut(&mut self.now);
        let secrets = resources.iter().filter(|(id, _)| id.kind == ResourceKind::Secret);
        for (id, resource) in secrets {
            let Some(version) = head.resources.get_mut(id) else {
                continue;
            };
            if matches!(self.versions.read(id, version)?, Read::Whole(_)) {
                continue;
            }
            let (sealed, path, bytes) = self.versions.encode(resource, version.revision)?;
            *version = sealed;
            files.push((path, bytes));
        }
        Ok(files)
    }

    fn read_histories(&mut self) -> Result<(), FileError> {
        for name in self.applications() {
            let history = match self.read_history(&name)? {
                Ok(history) => history,
                Err(reason) => {
                    let reason = format!("{reason}; what is in force of application `{name}` counts as good");
                    tracing::error!(reason, "a history of deployments cannot be read");
                    self.now_mut().damaged.push(Damaged { resource: None, reason });
                    let history = self.in_force(&name);
                    self.put_history(&name, &history)?;
                    history
                }
            };
            self.now_mut().histories.insert(name, history.into());
        }
        Ok(())
    }

    /// The history of an application, without what was never committed, or what is wrong with it.
    fn read_history(&self, name: &str) -> Result<Result<History, String>, FileError> {
        let path = self.history_path(name);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Err(format!("{} is missing", path.display()))),
            other => other.on("read", &path)?,
        };
        let read = checked::decode::<History>(&bytes).map(|mut history| {
            let is_changed = history.keep_until(self.head.revision);
            history.trim();
            (history, is_changed)
        });
        let id = ResourceId::new(ResourceKind::Application, name);
        let reason = match read {
            Ok((history, is_changed)) if history.is_at(&id, self.head.resources.get(&id)) => {
                if is_changed {
                    self.put_history(name, &history)?;
                }
                return Ok(Ok(history));
            }
            Ok(_) => "does not tell of what is in force".into(),
            Err(reason) => reason,
        };
        Ok(Err(format!("{} {reason}; {}", path.display(), self.kept(&path)?)))
    }

    fn applications(&self) -> Vec<String> {
        let ids = self.head.resources.keys();
        ids.filter(|id| id.kind == ResourceKind::Application)
            .map(|id| id.name.clone())
            .collect()
    }

    /// Removes what nothing names: versions, and histories of applications that are gone.
    pub(super) fn sweep(&self) -> Result<(), FileError> {
        self.versions.sweep(&self.named())?;
        let known: BTreeSet<PathBuf> = self.histories.keys().map(|name| self.history_path(name)).collect();
        for path in durable::entries(&self.folder.join(HISTORY))? {
            if !known.contains(&path) {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }

    fn aside(&self, path: &Path) -> Result<String, FileError> {
        let kept = self.kept(path)?;
        Ok(format!("{kept}; apply the resource again, or delete it"))
    }

    fn kept(&self, path: &Path) -> Result<String, FileError> {
        let to = durable::set_aside(path, &self.folder.join(DAMAGED))?;
        Ok(format!("it is kept as {}", to.display()))
    }
}
