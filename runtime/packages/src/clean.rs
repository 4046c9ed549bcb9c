use std::fs;
use std::path::{Path, PathBuf};

use crate::error::OnPath;
use crate::store::{names_in, remove};
use crate::{Store, StoreError, Stored};

/// What a [`Store::clean`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What was removed, in order.
    pub removed: Vec<Stored>,
    /// What `keep` did not want but somebody still holds; the next clean takes it.
    pub held: Vec<Stored>,
    /// Bytes of the files that were removed.
    pub bytes: u64,
}

impl Store {
    /// Removes every blob and every tree that `keep` does not want and nobody holds a [`Blob`](crate::Blob) or
    /// [`Tree`](crate::Tree) of. A tree leaves its name by one rename first, so that half a tree is never seen.
    /// Files the store did not name are left alone. Errors: what the file system says; what is removed by then stays so.
    pub fn clean(&self, keep: impl Fn(&Stored) -> bool) -> Result<Cleaned, StoreError> {
        let mut cleaned = Cleaned::default();
        for (stored, path) in self.stored()? {
            if keep(&stored) {
                continue;
            }
            let bytes = size_of_tree(&path)?;
            let away = self.0.staging_path();
            let free = self
                .0
                .leases
                .unless_held(&stored, || fs::rename(&path, &away).on("move out of the store", &path))?;
            if free {
                remove(&away)?;
                cleaned.bytes += bytes;
                cleaned.removed.push(stored);
            } else {
                cleaned.held.push(stored);
            }
        }
        Ok(cleaned)
    }

    /// Everything in the store under a name the store gave, trees first, since they are made from blobs.
    fn stored(&self) -> Result<Vec<(Stored, PathBuf)>, StoreError> {
        let mut found = Vec::new();
        for path in names_in(&self.0.trees())? {
            if let Some(Ok(id)) = name(&path).map(str::parse) {
                found.push((Stored::Tree(id), path));
            }
        }
        for path in names_in(&self.0.blobs())? {
            if let Some(Ok(digest)) = name(&path).map(str::parse) {
                found.push((Stored::Blob(digest), path));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0));
        Ok(found)
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn size_of_tree(root: &Path) -> Result<u64, StoreError> {
    let (mut todo, mut bytes) = (vec![root.to_owned()], 0);
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).on("look at", &path)?;
        if meta.is_dir() {
            todo.extend(names_in(&path)?);
        } else if meta.is_file() {
            bytes += meta.len();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, names, text};
    use crate::{Digest, TreeId};

    fn publish(sandbox: &Sandbox, id: &str, content: &str) -> crate::Tree {
        let staged = sandbox.store().stage(&[text("f", content)]).unwrap();
        staged.publish(id.parse().unwrap()).unwrap()
    }

    #[test]
    fn only_what_nobody_wants_and_nobody_holds_is_removed() {
        let sandbox = Sandbox::new();
        let (wanted, held) = (sandbox.blob(b"wanted"), sandbox.blob(b"held"));
        let kept = *wanted.digest();
        drop(wanted);
        drop(sandbox.blob(b"old"));
        drop(publish(&sandbox, "old", "1234567"));
        let tree = publish(&sandbox, "running", "x");
        let keep = |stored: &Stored| matches!(stored, Stored::Blob(digest) if *digest == kept);
        let cleaned = sandbox.store().clean(keep).unwrap();
        let old: TreeId = "old".parse().unwrap();
        assert_eq!(cleaned.removed, [Stored::Tree(old), Stored::Blob(Digest::of(b"old"))]);
        assert_eq!(
            cleaned.held,
            [Stored::Tree(tree.id().clone()), Stored::Blob(*held.digest())]
        );
        assert_eq!(cleaned.bytes, 10);
        assert!(tree.root().join("f").exists() && held.path().exists());
        drop((tree, held));
        assert_eq!(sandbox.store().clean(keep).unwrap().removed.len(), 2);
        assert_eq!(names(&sandbox.root().join("blobs/sha256")), [kept.to_string()]);
        assert!(names(&sandbox.root().join("trees")).is_empty());
    }

    #[test]
    fn a_file_the_store_did_not_name_is_left_alone() {
        let sandbox = Sandbox::new();
        fs::write(sandbox.root().join("blobs/sha256/README"), "mine").unwrap();
        assert_eq!(sandbox.store().clean(|_| false).unwrap(), Cleaned::default());
        assert!(sandbox.root().join("blobs/sha256/README").exists());
    }
}
