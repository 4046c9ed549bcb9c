use std::collections::BTreeSet;
use std::path::Path;

use crate::checkout::{Copier, copy_tree, partial};
use crate::durable::{parent, remove, sync_dir, sync_tree};
use crate::error::OnPath;
use crate::published::Published;
use crate::sums::{Flaw, Sum, kind_at};
use crate::{Difference, Rule, Store, StoreError, Tree};

impl Store {
    /// Makes a copy at `dest` again what was published, each path by one rename and durable at the end, and answers in
    /// what it differed. A folder that differs comes back with everything that was published in it. What stands in the
    /// place of a folder, or as a folder in the place of a file, is removed with all that is in it. What is new is checked
    /// like a checkout: [`StoreError::RottenTree`] leaves the old.
    pub fn restore(&self, tree: &Tree, published: &Published, dest: &Path) -> Result<Vec<Difference>, StoreError> {
        let mut found = Vec::new();
        for (path, sum) in &published.0 {
            if let Some(difference) = self.difference(dest, path, sum)? {
                self.renew(tree, dest, path, sum)?;
                found.push(difference);
            }
        }
        if !found.is_empty() {
            // Of the whole way, since a restore before this one may have been killed between its renames and this.
            let folders: BTreeSet<_> = published.0.iter().map(|(path, _)| parent(Path::new(path))).collect();
            folders
                .into_iter()
                .try_for_each(|folder| sync_dir(&*self.0.disk, &dest.join(folder)))?;
        }
        Ok(found)
    }

    fn renew(&self, tree: &Tree, dest: &Path, path: &str, sum: &Sum) -> Result<(), StoreError> {
        let (disk, place) = (&*self.0.disk, dest.join(path));
        let Some(partial) = partial(&place) else {
            return Err(StoreError::entry(path, Rule::EmptyName));
        };
        remove(disk, &partial)?;
        let made = match sum {
            Sum::Directory => self.copy_folder(tree, path, &partial),
            Sum::Link { target } => disk.symlink(Path::new(target), &partial).on("make the link", &partial),
            Sum::File(sum) => match Copier::new(disk).file(&tree.root().join(path), &partial, sum) {
                Ok(Some(how)) => Err(self.0.rotten(tree.id(), &Flaw { path: path.into(), how })),
                other => other.and_then(|_| disk.sync(&partial).on("sync", &partial)),
            },
        };
        let renamed = made.and_then(|()| {
            let takes_no_rename = *sum == Sum::Directory || kind_at(&place)? == Some('d');
            if takes_no_rename {
                remove(disk, &place)?;
            }
            disk.rename(&partial, &place).on("rename a restored file to", &place)
        });
        if renamed.is_err() {
            // The next restore of this path removes what cannot be removed now.
            let _ = remove(disk, &partial);
        }
        renamed
    }

    /// Copies a folder of the tree with everything that was published in it.
    fn copy_folder(&self, tree: &Tree, path: &str, to: &Path) -> Result<(), StoreError> {
        let (disk, below) = (&*self.0.disk, self.0.sums(tree.id())?.below(path));
        disk.create_dir(to, 0o700).on("create the folder", to)?;
        match copy_tree(disk, &below, &tree.root().join(path), to)? {
            None => sync_tree(disk, to),
            Some(Flaw { path: within, how }) => {
                let path = format!("{path}/{within}");
                Err(self.0.rotten(tree.id(), &Flaw { path, how }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sandbox::{Sandbox, checked_out, mode, names};

    const PATHS: [&str; 2] = ["program.yml", "run"];

    fn published(sandbox: &Sandbox, tree: &Tree) -> Published {
        sandbox.store().published(tree, &PATHS).unwrap()
    }

    /// Everything of the tree lies in the copy as it was published.
    fn assert_is_whole(tree: &Tree, dest: &Path) {
        assert_eq!(fs::read(dest.join("run")).unwrap(), b"#!/bin/sh");
        assert_eq!(mode(&dest.join("bin/app")), 0o755);
        assert_eq!(names(&dest.join("bin")), names(&tree.root().join("bin")));
        assert_eq!((mode(&dest.join("bin")), mode(&dest.join("bin/other"))), (0o755, 0o644));
        assert_eq!(fs::read(dest.join("bin/other")).unwrap(), b"1");
        assert_eq!(fs::read(dest.join("bin/latest")).unwrap(), b"weights");
    }

    /// Something that is done to a copy.
    type Damage = fn(&Path);

    #[test]
    fn every_kind_of_damage_is_found_and_put_right() {
        let damages: [(&str, &str, Damage); 12] = [
            ("bin/app", "has other bytes", |d| {
                fs::write(d.join("bin/app"), "#!/bin/SH").unwrap();
            }),
            ("bin/app", "has other bytes", |d| {
                fs::write(d.join("bin/app"), "").unwrap();
            }),
            ("program.yml", "has other bytes", |d| {
                fs::write(d.join("program.yml"), "entry: x").unwrap();
            }),
            ("bin/app", "is not executable any more", |d| {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(d.join("bin/app"), fs::Permissions::from_mode(0o644)).unwrap();
            }),
            ("bin/app", "is missing", |d| fs::remove_file(d.join("bin/app")).unwrap()),
            ("bin/app", "has become something else", |d| {
                fs::rename(d.join("bin/app"), d.join("moved")).unwrap();
                symlink("../moved", d.join("bin/app")).unwrap();
            }),
            ("bin/app", "has become something else", |d| {
                fs::remove_file(d.join("bin/app")).unwrap();
                fs::create_dir_all(d.join("bin/app/full")).unwrap();
            }),
            ("run", "leads elsewhere", |d| {
                fs::remove_file(d.join("run")).unwrap();
                symlink("bin/app", d.join("run")).unwrap();
            }),
            ("lib", "is missing", |d| fs::remove_file(d.join("lib")).unwrap()),
            ("program.yml", "has become something else", |d| {
                fs::remove_file(d.join("program.yml")).unwrap();
                std::os::unix::net::UnixListener::bind(d.join("program.yml"))
                    .map(drop)
                    .unwrap();
            }),
            ("bin", "has become something else", |d| {
                fs::rename(d.join("bin"), d.join("moved")).unwrap();
                symlink("moved", d.join("bin")).unwrap();
            }),
            ("bin", "is missing", |d| fs::remove_dir_all(d.join("bin")).unwrap()),
        ];
        for (path, how, damage) in damages {
            let sandbox = Sandbox::new();
            let (tree, dest) = checked_out(&sandbox);
            let (store, published) = (sandbox.store(), published(&sandbox, &tree));
            assert_eq!(store.differs(&published, &dest).unwrap(), []);
            damage(&dest);
            let found = store.differs(&published, &dest).unwrap();
            assert_eq!(found[0], Difference { path: path.into(), how }, "{path} {how}");
            let restored = store.restore(&tree, &published, &dest).unwrap();
            assert_eq!(restored, found[..1], "a folder is put back at once");
            assert_eq!(store.differs(&published, &dest).unwrap(), [], "{path} {how}");
            assert_is_whole(&tree, &dest);
            assert!(
                names(&dest).iter().all(|name| !name.ends_with(".partial")),
                "{path} {how}"
            );
        }
    }

    #[test]
    fn what_an_application_writes_beside_itself_is_no_difference_and_stays() {
        let sandbox = Sandbox::new();
        let (tree, dest) = checked_out(&sandbox);
        fs::write(dest.join("bin/other"), "changed").unwrap();
        fs::write(dest.join("bin/new"), "new").unwrap();
        fs::remove_file(dest.join("bin/app")).unwrap();
        let restored = sandbox.store().restore(&tree, &published(&sandbox, &tree), &dest);
        assert_eq!(restored.unwrap().len(), 1);
        assert_eq!(fs::read(dest.join("bin/other")).unwrap(), b"changed");
        assert_eq!(names(&dest.join("bin")), ["app", "latest", "models", "new", "other"]);
    }

    #[test]
    fn a_folder_that_is_put_back_takes_the_place_of_what_stood_there_and_leaves_what_lies_elsewhere() {
        let sandbox = Sandbox::new();
        let (tree, dest) = checked_out(&sandbox);
        fs::write(dest.join("bin/mine"), "its own").unwrap();
        fs::rename(dest.join("bin"), dest.join("moved")).unwrap();
        symlink("moved", dest.join("bin")).unwrap();
        let restored = sandbox.store().restore(&tree, &published(&sandbox, &tree), &dest);
        assert_eq!(restored.unwrap()[0].to_string(), "`bin` has become something else");
        assert_is_whole(&tree, &dest);
        assert_eq!(fs::read(dest.join("moved/mine")).unwrap(), b"its own");
    }

    #[test]
    fn a_copy_is_never_restored_from_a_tree_that_was_edited() {
        let damages: [(&str, Damage); 2] = [
            ("bin/app", |d| fs::write(d.join("bin/app"), "mine").unwrap()),
            ("bin/other", |d| {
                fs::rename(d.join("bin"), d.join("moved")).unwrap();
                symlink("moved", d.join("bin")).unwrap();
            }),
        ];
        for (path, damage) in damages {
            let sandbox = Sandbox::new();
            let (tree, dest) = checked_out(&sandbox);
            let published = published(&sandbox, &tree);
            sandbox.overwrite(&tree.root().join(path), b"evil");
            damage(&dest);
            let before = (names(&dest), fs::read(dest.join("bin/app")).unwrap());
            let error = sandbox.store().restore(&tree, &published, &dest).unwrap_err();
            assert!(matches!(error, StoreError::RottenTree { .. }), "{error}");
            assert!(
                error.to_string().contains(&format!("`{path}` has other bytes")),
                "{error}"
            );
            assert_eq!((names(&dest), fs::read(dest.join("bin/app")).unwrap()), before);
            assert!(sandbox.store().tree(tree.id()).unwrap().is_none());
        }
    }
}
