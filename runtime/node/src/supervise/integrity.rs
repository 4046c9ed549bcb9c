//! Before each start: whether what is about to run is what was published. An application may write in its own copy of its
//! package, and so may whoever else can; its `program.yml` and its entry are compared with the store, all else is its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aerolith_packages::{Difference, Published, Store, StoreError, Tree, TreeId};
use aerolith_plugin_wire::engine::Program;
use serde_json::json;

use super::life::Instance;
use crate::blocking::blocking;
use crate::policy::Edited;
use crate::prepare;
use crate::program::MANIFEST;
use aerolith_plan::VersionId;

/// Compares programs with the store, as the operator wants it.
///
/// Every look reads both files anew, which takes about as long as reading them: some milliseconds for 10 MB. To remember
/// inode, size, mtime and ctime of the last sound state would be cheaper and prove less. What is written through a mapping
/// that was there before (mmap(2)) may change the times only later, and ctime goes back with the clock. What they should be
/// is read from the store once for each instance, as long as the daemon runs: the list of a tree of 50,000 files has 10 MB.
pub(crate) struct Integrity {
    store: Store,
    policy: Edited,
    /// Held while something is put back: instances of one version share their copy.
    restoring: Mutex<()>,
    /// The versions whose stored tree turned out to be gone or damaged.
    lost: Mutex<BTreeSet<VersionId>>,
}

/// What was published of an instance's program, once it was read.
pub(super) type Known = Arc<OnceLock<Published>>;

/// Why an instance may not be started as it is.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error(
        "edited on disk, in {}: {}; put it back as it was published, apply other content, or set `packages.edited: restore` \
         in aerolith.yml", .place.display(), list(.found)
    )]
    Edited { place: PathBuf, found: Vec<Difference> },
    /// It is prepared again.
    #[error("edited on disk: {0}; it waits until its package is prepared again")]
    Lost(String),
    #[error("it cannot be compared with its package: {0}")]
    Store(StoreError),
}

impl Integrity {
    pub(crate) fn new(store: Store, policy: Edited) -> Self {
        Self {
            store,
            policy,
            restoring: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// The versions that must be prepared again since the last call.
    pub(crate) fn take_lost(&self) -> BTreeSet<VersionId> {
        std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers what was put back. Blocks.
    fn check(
        &self,
        version: VersionId,
        tree: &str,
        program: &Program,
        known: &OnceLock<Published>,
    ) -> Result<Vec<Difference>, Unsound> {
        let checked = self.compare(tree, program, known).map_err(|error| match error {
            Unsound::Store(error @ (StoreError::RottenTree { .. } | StoreError::Gone(_))) => {
                Unsound::Lost(error.to_string())
            }
            error => error,
        });
        if matches!(checked, Err(Unsound::Lost(_))) {
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(version);
        }
        checked
    }

    fn compare(&self, tree: &str, program: &Program, known: &OnceLock<Published>) -> Result<Vec<Difference>, Unsound> {
        let id: TreeId = tree.parse().map_err(Unsound::Store)?;
        let place = Path::new(&program.directory);
        let stored = self.store.tree(&id).map_err(Unsound::Store)?;
        let stored = stored.ok_or_else(|| Unsound::Lost(format!("the stored tree {id} is gone")))?;
        let published = self.published(&stored, program, known).map_err(Unsound::Store)?;
        match self.policy {
            Edited::Refuse => match self.store.differs(published, place).map_err(Unsound::Store)? {
                found if found.is_empty() => Ok(found),
                found => Err(Unsound::Edited {
                    place: place.to_owned(),
                    found,
                }),
            },
            Edited::Restore if place.is_dir() => self.restore(&stored, published, place).map_err(Unsound::Store),
            Edited::Restore => Err(Unsound::Lost(format!("`{}` is missing", place.display()))),
        }
    }

    fn published<'k>(
        &self,
        stored: &Tree,
        program: &Program,
        known: &'k OnceLock<Published>,
    ) -> Result<&'k Published, StoreError> {
        if let Some(published) = known.get() {
            return Ok(published);
        }
        let published = self.store.published(stored, &[MANIFEST, &program.entry])?;
        Ok(known.get_or_init(|| published))
    }

    fn restore(&self, stored: &Tree, published: &Published, place: &Path) -> Result<Vec<Difference>, StoreError> {
        if place == stored.root() {
            return self.store.verify_paths(stored, published).map(|()| Vec::new());
        }
        if self.store.differs(published, place)?.is_empty() {
            return Ok(Vec::new());
        }
        let _alone = self.restoring.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.restore(stored, published, place)
    }
}

impl Instance {
    /// Nothing is started that is not what was published.
    pub(super) async fn check(&mut self) -> Result<(), String> {
        let Some(program) = self.record.workload.program.clone() else {
            return Ok(());
        };
        let Some(tree) = self.tree(&program).await? else {
            self.found("its program is not compared with its package: nobody noted which that is".into());
            return Ok(());
        };
        let (integrity, version, known) = (self.shared.integrity.clone(), self.version(), self.known.clone());
        let checked = blocking(move || integrity.check(version, &tree, &program, &known)).await?;
        match checked {
            Ok(restored) if restored.is_empty() => Ok(()),
            Ok(restored) => {
                self.found(format!(
                    "edited on disk and put back before a start: {}",
                    list(&restored)
                ));
                let files = restored
                    .iter()
                    .map(|found| json!({"path": found.path, "how": found.how}));
                self.tell("restored", &json!({"files": files.collect::<Vec<_>>()}));
                Ok(())
            }
            Err(unsound) => {
                if let Unsound::Lost(_) = unsound {
                    self.found(unsound.to_string());
                    self.shared.changed.notify_one();
                }
                Err(unsound.to_string())
            }
        }
    }

    /// The stored tree of the program. A record of a daemon that did not note it gets it from what was prepared.
    async fn tree(&mut self, program: &Program) -> Result<Option<String>, String> {
        if self.record.tree.is_none() {
            let directory = PathBuf::from(&program.directory);
            self.record.tree = blocking(move || prepare::tree_of(&directory)).await?;
        }
        Ok(self.record.tree.clone())
    }

    /// The status warns of it for as long as this version of the instance is there.
    fn found(&mut self, warning: String) {
        tracing::warn!(instance = %self.record.id, warning, "a program was edited");
        self.record.edited = Some(warning);
    }
}

fn list(found: &[Difference]) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.join(", ")
}
