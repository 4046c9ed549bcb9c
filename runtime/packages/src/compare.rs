use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use crate::checkout::{Copier, link_flaw, partial};
use crate::durable::{exists, parent, remove, sync_dir};
use crate::entry_path::EntryPath;
use crate::error::{OnPath, escape};
use crate::file_sum::FileSum;
use crate::sums::{Flaw, Sum, Sums, is_executable, kind_at};
use crate::{Rule, Store, StoreError, Tree};

/// Links that one path may lead through; Linux's own figure (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// In what a copy of a tree differs from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path, relative to the tree's root.
    pub path: String,
    /// What is wrong with it, as the end of a sentence.
    pub how: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", escape(&self.path), self.how)
    }
}

impl Store {
    /// Compares some paths of a copy that [`Store::checkout`] made at `dest` with what was published: the bytes and the
    /// execute bit of files, and on the way to each of them the links that the tree has and the folders, which must be
    /// real ones. The copy alone is read. Errors: [`StoreError::Entry`] for a path that leads to no file of the tree.
    pub fn differs(&self, tree: &Tree, dest: &Path, paths: &[&str]) -> Result<Vec<Difference>, StoreError> {
        let sums = self.0.sums(tree.id())?;
        let mut found = Vec::new();
        for (path, sum) in self.ways(&sums, paths)? {
            found.extend(self.difference(dest, path, sum)?);
        }
        Ok(found)
    }

    /// Compares some paths of the tree itself, for whoever runs it where it lies. Errors: [`StoreError::RottenTree`] for
    /// one that is not what was published, after which the tree is removed.
    pub fn verify_paths(&self, tree: &Tree, paths: &[&str]) -> Result<(), StoreError> {
        match self.differs(tree, tree.root(), paths)?.into_iter().next() {
            Some(Difference { path, how }) => Err(self.0.rotten(tree.id(), &Flaw { path, how })),
            None => Ok(()),
        }
    }

    /// Makes those paths again what was published, each by one rename and durable at the end, and answers in what they
    /// differed. What stands in the place of a folder, or as a folder in the place of a file, is removed with all that
    /// is in it. The new file is checked like a checkout: [`StoreError::RottenTree`] leaves the old one.
    pub fn restore(&self, tree: &Tree, dest: &Path, paths: &[&str]) -> Result<Vec<Difference>, StoreError> {
        let sums = self.0.sums(tree.id())?;
        let (ways, mut found) = (self.ways(&sums, paths)?, Vec::new());
        for (path, sum) in &ways {
            if let Some(difference) = self.difference(dest, path, sum)? {
                self.renew(tree, dest, path, sum)?;
                found.push(difference);
            }
        }
        if !found.is_empty() {
            // Of the whole way, since a restore before this one may have been killed between its renames and this.
            let folders: BTreeSet<_> = ways.iter().map(|(path, _)| parent(Path::new(path))).collect();
            folders
                .into_iter()
                .try_for_each(|folder| sync_dir(&*self.0.disk, &dest.join(folder)))?;
        }
        Ok(found)
    }

    /// All that must be right for these paths to lead where they should, in an order in which it can be put right.
    fn ways<'s>(&self, sums: &'s Sums, paths: &[&str]) -> Result<Vec<(&'s str, &'s Sum)>, StoreError> {
        let mut all = Vec::new();
        for path in paths {
            let refuse = |rule| StoreError::entry(path, rule);
            let asked = EntryPath::parse(path, &self.0.limits).map_err(refuse)?;
            for step in way(sums, asked.as_str()).map_err(refuse)? {
                if !all.contains(&step) {
                    all.push(step);
                }
            }
        }
        Ok(all)
    }

    fn difference(&self, dest: &Path, path: &str, sum: &Sum) -> Result<Option<Difference>, StoreError> {
        let place = dest.join(path);
        let how = match (kind_at(&place)?, sum) {
            (Some('d'), Sum::Directory) => None,
            (Some('l'), Sum::Link { target }) => link_flaw(&place, target)?,
            (Some('f'), Sum::File(sum)) => self.file_flaw(&place, sum)?,
            (None, _) if !exists(&place)? => Some("is missing"),
            _ => Some("has become something else"),
        };
        Ok(how.map(|how| Difference {
            path: path.to_owned(),
            how,
        }))
    }

    fn file_flaw(&self, place: &Path, sum: &FileSum) -> Result<Option<&'static str>, StoreError> {
        let mut file = self.0.disk.open(place).on("open", place)?;
        // A copy may be given more execute bits by its owner, which harms nothing.
        let executable = is_executable(&file).on("look at", place)? && sum.executable;
        let meta = file.metadata().on("look at", place)?;
        if meta.len() != sum.size {
            return Ok(Some("has other bytes"));
        }
        Ok(sum.flaw(&FileSum::of(&mut file, executable).on("read", place)?))
    }

    fn renew(&self, tree: &Tree, dest: &Path, path: &str, sum: &Sum) -> Result<(), StoreError> {
        let (disk, place) = (&*self.0.disk, dest.join(path));
        let Some(partial) = partial(&place) else {
            return Err(StoreError::entry(path, Rule::EmptyName));
        };
        remove(disk, &partial)?;
        let made = match sum {
            Sum::Directory => disk.create_dir(&partial, 0o755).on("create the folder", &partial),
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
}

/// The folders and links on the way to the file at which `path` arrives, and the file. The tree was checked when it was
/// built, so no link leads out of it.
fn way<'s>(sums: &'s Sums, path: &str) -> Result<Vec<(&'s str, &'s Sum)>, Rule> {
    let mut way = Vec::new();
    let mut todo: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
    let (mut here, mut links) = (Vec::<String>::new(), 0);
    while let Some(name) = todo.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." => drop(here.pop()),
            _ => {
                here.push(name);
                let (path, sum) = sums.0.get_key_value(&here.join("/")).ok_or(Rule::Missing)?;
                way.push((path.as_str(), sum));
                if let Sum::Link { target } = sum {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Rule::LinkLoop { target: escape(target) });
                    }
                    here.pop();
                    todo.extend(target.rsplit('/').map(str::to_owned));
                }
            }
        }
    }
    match way.last() {
        Some((_, Sum::File(_))) => Ok(way),
        _ => Err(Rule::NotAFile { kind: "a folder" }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::Unpack;
    use crate::sandbox::{Sandbox, mode, names, object, text, zip};

    fn copy(sandbox: &Sandbox) -> (Tree, PathBuf) {
        let zip = zip(&[
            ("bin/app", b"#!/bin/sh", 0o100_755),
            ("bin/other", b"1", 0o100_644),
            ("lib", b"bin", 0o120_777),
            ("run", b"lib/../lib/app", 0o120_777),
        ]);
        let parts = [
            object(sandbox, "a", &zip, Unpack::Zip),
            text("program.yml", "entry: run"),
        ];
        let staged = sandbox.store().stage(&parts).unwrap();
        let tree = staged.publish("t".parse().unwrap()).unwrap();
        let dest = sandbox.outside("app");
        sandbox.store().checkout(&tree, &dest).unwrap();
        (tree, dest)
    }

    const PATHS: [&str; 2] = ["program.yml", "run"];

    fn is_right(sandbox: &Sandbox, tree: &Tree, dest: &Path) -> bool {
        sandbox.store().differs(tree, dest, &PATHS).unwrap().is_empty()
    }

    /// Something that is done to a copy.
    type Damage = fn(&Path);

    #[test]
    fn every_kind_of_damage_is_found_and_put_right() {
        let damages: [(&str, &str, Damage); 11] = [
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
        ];
        for (path, how, damage) in damages {
            let sandbox = Sandbox::new();
            let (tree, dest) = copy(&sandbox);
            assert!(is_right(&sandbox, &tree, &dest));
            damage(&dest);
            let found = sandbox.store().differs(&tree, &dest, &PATHS).unwrap();
            assert_eq!(found[0], Difference { path: path.into(), how }, "{path} {how}");
            let restored = sandbox.store().restore(&tree, &dest, &PATHS).unwrap();
            assert_eq!(restored[0], found[0]);
            assert!(is_right(&sandbox, &tree, &dest), "{path} {how}");
            assert_eq!(fs::read(dest.join("run")).unwrap(), b"#!/bin/sh");
            assert_eq!(mode(&dest.join("bin/app")), 0o755);
            assert!(
                names(&dest).iter().all(|name| !name.ends_with(".partial")),
                "{path} {how}"
            );
        }
    }

    #[test]
    fn what_an_application_writes_beside_itself_is_no_difference_and_stays() {
        let sandbox = Sandbox::new();
        let (tree, dest) = copy(&sandbox);
        fs::write(dest.join("bin/other"), "changed").unwrap();
        fs::write(dest.join("bin/new"), "new").unwrap();
        fs::remove_file(dest.join("bin/app")).unwrap();
        assert_eq!(sandbox.store().restore(&tree, &dest, &PATHS).unwrap().len(), 1);
        assert_eq!(fs::read(dest.join("bin/other")).unwrap(), b"changed");
        assert_eq!(names(&dest.join("bin")), ["app", "new", "other"]);
    }

    #[test]
    fn a_copy_is_never_restored_from_a_tree_that_was_edited() {
        let sandbox = Sandbox::new();
        let (tree, dest) = copy(&sandbox);
        sandbox.overwrite(&tree.root().join("bin/app"), b"evil");
        fs::write(dest.join("bin/app"), "mine").unwrap();
        let error = sandbox.store().restore(&tree, &dest, &PATHS).unwrap_err();
        assert!(matches!(error, StoreError::RottenTree { .. }), "{error}");
        assert_eq!(fs::read(dest.join("bin/app")).unwrap(), b"mine");
        assert_eq!(names(&dest.join("bin")), ["app", "other"]);
        assert!(sandbox.store().tree(tree.id()).unwrap().is_none());
    }

    #[test]
    fn a_tree_that_is_run_where_it_lies_is_removed_when_a_file_that_counts_was_edited() {
        let sandbox = Sandbox::new();
        let (tree, _) = copy(&sandbox);
        sandbox.overwrite(&tree.root().join("bin/other"), b"2");
        sandbox.store().verify_paths(&tree, &PATHS).unwrap();
        sandbox.overwrite(&tree.root().join("bin/app"), b"evil");
        let error = sandbox.store().verify_paths(&tree, &PATHS).unwrap_err().to_string();
        assert!(error.contains("`bin/app` has other bytes"), "{error}");
        assert!(sandbox.store().tree(tree.id()).unwrap().is_none());
    }

    #[test]
    fn a_path_that_leads_to_no_file_of_the_tree_is_refused() {
        let sandbox = Sandbox::new();
        let (tree, dest) = copy(&sandbox);
        for (path, rule) in [
            ("absent", Rule::Missing),
            ("../x", Rule::Climbs),
            ("bin", Rule::NotAFile { kind: "a folder" }),
            ("lib", Rule::NotAFile { kind: "a folder" }),
        ] {
            let error = sandbox.store().differs(&tree, &dest, &[path]).unwrap_err();
            assert_eq!(error.rule(), Some(&rule), "{path}: {error}");
        }
    }
}
