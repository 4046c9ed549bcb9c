use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::durable::{exists, name, names_in, remove};
use crate::ingest::remove_part;
use crate::list::measure;
use crate::store::Inner;
use crate::{Store, StoreError, Stored};

/// What a [`Store::clean`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What was removed, in order.
    pub removed: Vec<Stored>,
    /// What nobody wants but somebody still holds; the next clean takes it.
    pub held: Vec<Stored>,
    /// Bytes of the files that were removed.
    pub bytes: u64,
}

/// Which parts of downloads a [`Store::clean`] leaves. The default leaves none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptParts {
    /// Those that were written to since this time,
    pub since: SystemTime,
    /// of which the newest that have so many bytes together.
    pub bytes: u64,
}

impl Default for KeptParts {
    fn default() -> Self {
        KeptParts {
            since: SystemTime::UNIX_EPOCH,
            bytes: 0,
        }
    }
}

impl Store {
    /// Removes every blob and every tree that `keep` does not want, parts of downloads that nobody came back for, and
    /// what a failure left of building or removing trees; nothing of which somebody holds a [`Blob`](crate::Blob), a
    /// [`Tree`](crate::Tree), an [`Ingest`](crate::Ingest) or a [`Staged`](crate::Staged). `keep` is asked of blobs and
    /// trees only. A tree leaves its name by one rename first, so that half a tree is never seen. What is in quarantine
    /// has its own limits, and files that the store did not name are left alone. Errors: what the file system says;
    /// what is removed by then stays so.
    pub fn clean(&self, parts: &KeptParts, keep: impl Fn(&Stored) -> bool) -> Result<Cleaned, StoreError> {
        let (inner, mut cleaned) = (&*self.0, Cleaned::default());
        for (what, path) in inner.unwanted(parts, keep)? {
            inner.clean_one(what, &path, &mut cleaned)?;
        }
        inner.prune_md5s()?;
        inner.prune_sums()?;
        Ok(cleaned)
    }

    /// What [`Store::clean`] with the same arguments would do at this moment. Nothing is changed.
    pub fn preview_clean(&self, parts: &KeptParts, keep: impl Fn(&Stored) -> bool) -> Result<Cleaned, StoreError> {
        let (inner, mut cleaned) = (&*self.0, Cleaned::default());
        for (what, path) in inner.unwanted(parts, keep)? {
            let Some((bytes, _)) = measure(&path)? else {
                continue;
            };
            let is_free = !inner.leases.holds(&what);
            cleaned.note(what, bytes, is_free);
        }
        Ok(cleaned)
    }
}

impl Cleaned {
    fn note(&mut self, what: Stored, bytes: u64, is_free: bool) {
        if is_free {
            self.bytes += bytes;
            self.removed.push(what);
        } else {
            self.held.push(what);
        }
    }
}

impl Inner {
    /// What a clean is to take, unless somebody holds it.
    fn unwanted(
        &self,
        parts: &KeptParts,
        keep: impl Fn(&Stored) -> bool,
    ) -> Result<Vec<(Stored, PathBuf)>, StoreError> {
        let mut all = self.stored()?;
        let forgotten = forgotten(&all, parts)?;
        all.retain(|(what, path)| match what {
            Stored::Blob(_) | Stored::Tree(_) => !keep(what),
            Stored::Part(_) => forgotten.contains(path),
            Stored::Staging(_) => !self.leases.holds(what),
            Stored::Quarantined(_) => false,
        });
        Ok(all)
    }

    fn clean_one(&self, what: Stored, path: &Path, cleaned: &mut Cleaned) -> Result<(), StoreError> {
        let Some((bytes, _)) = measure(path)? else {
            return Ok(());
        };
        let (_lease, away) = self.staging();
        let is_free = self.leases.unless_held(&what, || match &what {
            Stored::Part(_) => remove_part(self, path),
            Stored::Tree(id) => self.move_tree_out(id, &away),
            Stored::Blob(_) | Stored::Staging(_) | Stored::Quarantined(_) => self.move_out(path, &away),
        })?;
        if is_free {
            remove(&*self.disk, &away)?;
        }
        cleaned.note(what, bytes, is_free);
        Ok(())
    }

    /// Removes the digests of trees that are gone.
    fn prune_sums(&self) -> Result<(), StoreError> {
        for path in names_in(&self.layout.sums())? {
            let Some(Ok(id)) = name(&path).map(str::parse) else {
                continue;
            };
            let tree = self.layout.tree(&id);
            // Under the lock, since a tree that is just being published has its digests before its name.
            self.leases.unless_held(&Stored::Tree(id), || match exists(&tree)? {
                true => Ok(()),
                false => remove(&*self.disk, &path),
            })?;
        }
        Ok(())
    }
}

/// The parts that are too old, or too many bytes with those that are newer.
fn forgotten(all: &[(Stored, PathBuf)], kept: &KeptParts) -> Result<Vec<PathBuf>, StoreError> {
    let mut parts = Vec::new();
    for (_, path) in all.iter().filter(|(what, _)| matches!(what, Stored::Part(_))) {
        if let Some((bytes, modified)) = measure(path)? {
            parts.push((modified, bytes, path));
        }
    }
    parts.sort();
    let (mut total, mut forgotten) = (0_u64, Vec::new());
    for (modified, bytes, path) in parts.into_iter().rev() {
        total = total.saturating_add(bytes);
        if modified < kept.since || total > kept.bytes {
            forgotten.push(path.clone());
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;
    use crate::sandbox::{Sandbox, download, names, text};
    use crate::{Digest, Expected, TreeId};

    fn publish(sandbox: &Sandbox, id: &str, content: &str) -> crate::Tree {
        let staged = sandbox.store().stage(&[text("f", content)]).unwrap();
        staged.publish(id.parse().unwrap()).unwrap()
    }

    fn clean(sandbox: &Sandbox, keep: impl Fn(&Stored) -> bool) -> Cleaned {
        sandbox.store().clean(&KeptParts::default(), keep).unwrap()
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
        let preview = sandbox.store().preview_clean(&KeptParts::default(), keep).unwrap();
        let cleaned = clean(&sandbox, keep);
        assert_eq!(preview, cleaned, "a preview took nothing and says the same");
        let old: TreeId = "old".parse().unwrap();
        assert_eq!(cleaned.removed, [Stored::Tree(old), Stored::Blob(Digest::of(b"old"))]);
        assert_eq!(
            cleaned.held,
            [Stored::Tree(tree.id().clone()), Stored::Blob(*held.digest())]
        );
        assert_eq!(cleaned.bytes, 10);
        assert!(tree.root().join("f").exists() && held.path().exists());
        drop((tree, held));
        assert_eq!(clean(&sandbox, keep).removed.len(), 2);
        assert_eq!(names(&sandbox.root().join("blobs/sha256")), [kept.to_string()]);
        assert_eq!(names(&sandbox.root().join("trees")), [""; 0]);
        assert_eq!(names(&sandbox.root().join("sums")), [""; 0]);
    }

    #[test]
    fn a_file_the_store_did_not_name_is_left_alone() {
        let sandbox = Sandbox::new();
        fs::write(sandbox.root().join("blobs/sha256/README"), "mine").unwrap();
        assert_eq!(clean(&sandbox, |_| false), Cleaned::default());
        assert!(sandbox.root().join("blobs/sha256/README").exists());
    }

    #[test]
    fn a_tree_that_a_failure_left_half_built_is_taken_and_one_being_built_is_not() {
        let sandbox = Sandbox::new();
        let staged = sandbox.store().stage(&[text("f", "x")]).unwrap();
        let left = sandbox.root().join("trees/.staging-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("f"), "123").unwrap();
        let cleaned = clean(&sandbox, |_| false);
        assert_eq!(cleaned.removed, [Stored::Staging(".staging-left".into())]);
        assert_eq!((cleaned.bytes, cleaned.held.len()), (3, 0));
        assert!(staged.path().exists() && !left.exists());
    }

    fn part(sandbox: &Sandbox, key: &str, bytes: &[u8], age: u64) -> crate::Ingest {
        let expected = Expected {
            sha256: Some(Digest::of(b"whole")),
            ..Expected::default()
        };
        let mut ingest = sandbox.store().ingest(download(key, expected.clone())).unwrap();
        ingest.write(bytes).unwrap();
        drop(ingest);
        let ingest = sandbox.store().ingest(download(key, expected)).unwrap();
        let path = sandbox
            .root()
            .join("ingest")
            .join(Digest::of(key.as_bytes()).to_string());
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(then)
            .unwrap();
        ingest
    }

    #[test]
    fn parts_go_when_they_are_old_or_too_much_with_the_newer_ones_but_not_under_way() {
        let sandbox = Sandbox::new();
        for (key, bytes, age) in [("old", 1, 100), ("newest", 5, 1), ("new", 5, 2), ("little", 1, 3)] {
            drop(part(&sandbox, key, &vec![b'x'; bytes], age));
        }
        let held = part(&sandbox, "held", b"x", 100);
        let kept = KeptParts {
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - 10),
            bytes: 9,
        };
        let cleaned = sandbox.store().clean(&kept, |_| true).unwrap();
        let of = |key: &str| Stored::Part(Digest::of(key.as_bytes()));
        let mut removed = [of("old"), of("new"), of("little")];
        removed.sort();
        assert_eq!(cleaned.removed, removed, "what is newest is kept as far as it fits");
        assert_eq!((cleaned.held, cleaned.bytes), (vec![of("held")], 7));
        drop(held);
        assert_eq!(clean(&sandbox, |_| true).removed.len(), 2);
        assert_eq!(names(&sandbox.root().join("ingest")), [""; 0]);
    }
}
