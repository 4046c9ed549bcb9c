use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{name, names_in};
use crate::entry_path::EntryPath;
use crate::error::OnPath;
use crate::file_sum::FileSum;
use crate::links::{Kind, Nodes};
use crate::store::Inner;
use crate::{StoreError, TreeId};

/// What lies at each path of a published tree, as it was when it was published.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums(pub(crate) BTreeMap<String, Sum>);

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sum {
    Directory,
    Link { target: String },
    File(FileSum),
}

/// What is wrong at a path of a tree.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) path: String,
    pub(crate) how: &'static str,
}

/// A look at one path of a tree: answers what is wrong with it.
type Look<'a> = dyn FnMut(&str, &Sum) -> Result<Option<&'static str>, StoreError> + 'a;

impl Sums {
    /// Of a tree that has just been built: what was to be written, hashed on its way to the disk and not read again. What
    /// the disk made of it is seen by whoever takes the tree, since a checkout and a look hash all that they read.
    pub(crate) fn of(nodes: &Nodes) -> io::Result<Self> {
        let sums = nodes.iter().map(|(path, node)| {
            let sum = match &node.kind {
                Kind::Directory => Sum::Directory,
                Kind::Link { target } => Sum::Link { target: target.clone() },
                Kind::File { executable, sum } => {
                    Sum::File(sum.get().ok_or_else(|| never_written(path))?.with_mode(*executable))
                }
            };
            Ok((path.as_str().to_owned(), sum))
        });
        sums.collect::<io::Result<_>>().map(Sums)
    }

    /// What lies below a folder, by its path from there.
    pub(crate) fn below(self, folder: &str) -> Self {
        let inside = |path: String| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        let below = self.0.into_iter().filter_map(|(path, sum)| Some((inside(path)?, sum)));
        Sums(below.collect())
    }

    /// Walks through the tree at `root` as it is now, folders before what is in them, and looks at each path with the
    /// sum it should have. Answers the first flaw: what `look` finds, another kind, a path too many or one too few.
    pub(crate) fn walk(&self, root: &Path, look: &mut Look<'_>) -> Result<Option<Flaw>, StoreError> {
        let (mut folders, mut seen) = (vec![PathBuf::new()], 0);
        while let Some(folder) = folders.pop() {
            for place in names_in(&root.join(&folder))? {
                let path = folder.join(place.file_name().unwrap_or_default());
                let flaw = |how| {
                    let path = path.to_string_lossy().into_owned();
                    Ok(Some(Flaw { path, how }))
                };
                let Some((text, sum)) = name(&place)
                    .and(path.to_str())
                    .and_then(|text| self.0.get(text).map(|sum| (text, sum)))
                else {
                    return flaw("was not published");
                };
                let how = match kind_at(&place)? == Some(sum.kind()) {
                    true => look(text, sum)?,
                    false => Some("has become something else"),
                };
                if let Some(how) = how {
                    return flaw(how);
                }
                seen += 1;
                if *sum == Sum::Directory {
                    folders.push(path);
                }
            }
        }
        if seen == self.0.len() {
            return Ok(None);
        }
        let is_missing = |path: &&String| fs::symlink_metadata(root.join(path)).is_err();
        let path = self.0.keys().find(is_missing).cloned().unwrap_or_default();
        let how = "is missing";
        Ok(Some(Flaw { path, how }))
    }
}

/// A slot that nobody filled, nor failed to: no archive does that.
fn never_written(path: &EntryPath) -> io::Error {
    io::Error::other(format!("`{}` was never written", path.as_str()))
}

impl Sum {
    pub(crate) fn kind(&self) -> char {
        match self {
            Sum::Directory => 'd',
            Sum::Link { .. } => 'l',
            Sum::File(_) => 'f',
        }
    }
}

/// The kind of what lies at a place, in the letters of [`Sum::kind`]; none for what no tree holds, or nothing.
pub(crate) fn kind_at(place: &Path) -> Result<Option<char>, StoreError> {
    let meta = match fs::symlink_metadata(place) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other.on("look at", place)?,
    };
    let kinds = [(meta.is_dir(), 'd'), (meta.is_symlink(), 'l'), (meta.is_file(), 'f')];
    Ok(kinds.into_iter().find_map(|(is, kind)| is.then_some(kind)))
}

/// Whether somebody may execute an open file.
pub(crate) fn is_executable(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o111 != 0)
}

impl Inner {
    /// The sums of a published tree. A tree without readable ones is rotten.
    pub(crate) fn sums(&self, id: &TreeId) -> Result<Sums, StoreError> {
        let path = self.layout.sums_of(id);
        let mut bytes = Vec::new();
        let read = self.disk.open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Gone(format!("tree {id}")));
            }
            other => other.on("read", &path)?,
        };
        match serde_json::from_slice(&bytes) {
            Ok(sums) => Ok(sums),
            Err(_) => Err(self.rotten(
                id,
                &Flaw {
                    path: String::new(),
                    how: "has no readable list of digests",
                },
            )),
        }
    }

    /// Takes a tree that is not what was published out of the store. The error that says so.
    pub(crate) fn rotten(&self, id: &TreeId, flaw: &Flaw) -> StoreError {
        match self.withdraw(id) {
            Err(error) => error,
            Ok(()) => StoreError::RottenTree {
                tree: id.clone(),
                path: crate::error::escape(&flaw.path),
                how: flaw.how,
            },
        }
    }
}
