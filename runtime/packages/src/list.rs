use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::durable::{name, names_in};
use crate::error::OnPath;
use crate::quarantine::QuarantineNote;
use crate::resume::{PartNote, read_note};
use crate::store::Inner;
use crate::sweep::is_staging;
use crate::{Store, StoreError, Stored};

/// One thing that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is, with its name.
    pub what: Stored,
    /// Bytes of its files.
    pub bytes: u64,
    /// When it was last changed, as the file system says.
    pub modified: SystemTime,
    /// Whether somebody holds it, so that a clean leaves it.
    pub held: bool,
    /// From where a part or a quarantined file comes, as its download said.
    pub source: Option<String>,
    /// Bytes of a part once it is whole, where that is known.
    pub whole: Option<u64>,
    /// Why a file is in quarantine: what was expected and what was found.
    pub refusal: Option<String>,
}

/// What a note says of its file.
#[derive(Default)]
struct Noted {
    source: Option<String>,
    whole: Option<u64>,
    refusal: Option<String>,
}

impl Store {
    /// Everything in the store under a name that the store gave: trees, blobs, parts, what is in quarantine, and trees
    /// being built or removed. What goes away meanwhile is left out. Sums of `bytes` are what the store takes, but for
    /// notes and what the file system needs itself.
    pub fn list(&self) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for (what, path) in self.0.stored()? {
            let Some((bytes, modified)) = measure(&path)? else {
                continue;
            };
            let Noted { source, whole, refusal } = self.0.noted(&what, &path);
            items.push(Item {
                bytes,
                modified,
                held: self.0.leases.holds(&what),
                source,
                whole,
                refusal,
                what,
            });
        }
        Ok(items)
    }
}

impl Inner {
    /// What lies in the store and where: trees first, since they are made from blobs.
    pub(crate) fn stored(&self) -> Result<Vec<(Stored, PathBuf)>, StoreError> {
        let layout = &self.layout;
        let mut found = named(&layout.trees(), |name| name.parse().ok().map(Stored::Tree))?;
        found.extend(named(&layout.blobs(), |name| name.parse().ok().map(Stored::Blob))?);
        found.extend(named(&layout.parts(), |name| name.parse().ok().map(Stored::Part))?);
        found.extend(named(&layout.quarantine(), |name| {
            name.parse().ok().map(Stored::Quarantined)
        })?);
        found.extend(named(&layout.trees(), |name| {
            is_staging(Path::new(name)).then(|| Stored::Staging(name.to_owned()))
        })?);
        Ok(found)
    }

    fn noted(&self, what: &Stored, path: &Path) -> Noted {
        let noted = match what {
            Stored::Part(_) => read_note(&*self.disk, path).map(PartNote::into),
            Stored::Quarantined(_) => read_note(&*self.disk, path).map(QuarantineNote::into),
            Stored::Blob(_) | Stored::Tree(_) | Stored::Staging(_) => None,
        };
        noted.unwrap_or_default()
    }
}

impl From<PartNote> for Noted {
    fn from(note: PartNote) -> Self {
        Self {
            source: Some(note.source),
            whole: note.expected.size.or(note.known.size),
            refusal: None,
        }
    }
}

impl From<QuarantineNote> for Noted {
    fn from(note: QuarantineNote) -> Self {
        Self {
            source: Some(note.source),
            whole: None,
            refusal: Some(note.reason),
        }
    }
}

/// What a folder holds under names that `known` knows, in the order of the names.
fn named(folder: &Path, known: impl Fn(&str) -> Option<Stored>) -> Result<Vec<(Stored, PathBuf)>, StoreError> {
    let paths = names_in(folder)?.into_iter();
    let mut found: Vec<_> = paths.filter_map(|path| Some((known(name(&path)?)?, path))).collect();
    found.sort();
    Ok(found)
}

/// Bytes of all files from `root` on, and when `root` was last changed; none when it is gone.
pub(crate) fn measure(root: &Path) -> Result<Option<(u64, SystemTime)>, StoreError> {
    let (mut todo, mut bytes, mut modified) = (vec![root.to_owned()], 0, None);
    while let Some(path) = todo.pop() {
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.on("look at", &path)?,
        };
        if modified.is_none() && path == root {
            modified = Some(meta.modified().on("look at", &path)?);
        }
        if meta.is_dir() {
            todo.extend(names_in(&path)?);
        } else if meta.is_file() {
            bytes += meta.size();
        }
    }
    Ok(modified.map(|modified| (bytes, modified)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, download, text};
    use crate::{Digest, Expected, TreeId, Validator};

    #[test]
    fn everything_is_listed_with_its_size_its_source_and_whether_it_is_held() {
        let sandbox = Sandbox::new();
        let store = sandbox.store();
        let blob = sandbox.blob(b"blob!");
        let tree: TreeId = "t".parse().unwrap();
        store
            .stage(&[text("f", "1234567")])
            .unwrap()
            .publish(tree.clone())
            .unwrap();
        let expected = Expected {
            sha256: Some(Digest::of(b"whole")),
            ..Expected::default()
        };
        let mut part = store.ingest(download("part", expected.clone())).unwrap();
        part.announce(Validator::default(), Some(5)).unwrap();
        part.write(b"who").unwrap();
        drop(part);
        let mut bad = store.ingest(download("bad", expected)).unwrap();
        bad.write(b"bad").unwrap();
        bad.finish().unwrap_err();
        let staged = store.stage(&[text("f", "12")]).unwrap();
        let name = staged.path().file_name().unwrap().to_str().unwrap().to_owned();
        let listed: Vec<_> = store
            .list()
            .unwrap()
            .into_iter()
            .map(|item| {
                assert!(item.modified.elapsed().is_ok_and(|age| age.as_secs() < 600), "{item:?}");
                (item.what, item.bytes, item.held, item.source, item.whole, item.refusal)
            })
            .collect();
        let source = |key: &str| Some(format!("http://h/{key}"));
        let (wanted, found) = (Digest::of(b"whole"), Digest::of(b"bad"));
        let refusal =
            format!("sha256 mismatch: expected {wanted}, found {found}; the 3 bytes received begin with \"bad\"");
        let part = Stored::Part(Digest::of(b"part"));
        assert_eq!(
            listed,
            [
                (Stored::Tree(tree), 7, false, None, None, None),
                (Stored::Blob(*blob.digest()), 5, true, None, None, None),
                (part, 3, false, source("part"), Some(5), None),
                (Stored::Quarantined(found), 3, false, source("bad"), None, Some(refusal)),
                (Stored::Staging(name), 2, true, None, None, None),
            ]
        );
    }

    #[test]
    fn what_is_listed_has_a_kind_and_a_name_for_people() {
        let digest = Digest::of(b"x");
        let id: TreeId = "t".parse().unwrap();
        assert_eq!(Stored::Part(digest).to_string(), format!("part {digest}"));
        assert_eq!(Stored::Tree(id).to_string(), "tree t");
    }
}
