use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Writing};
use crate::durable::{exists, parent, remove, sync_dir, sync_tree};
use crate::error::OnPath;
use crate::file_sum::{FileSum, Summing};
use crate::parallel::{for_each, threads_for};
use crate::publish::StagingDir;
use crate::sums::{Flaw, Sum, Sums, is_executable};
use crate::taken::each_piece;
use crate::{Store, StoreError, Tree};

impl Store {
    /// Gives an application its own copy of a tree at `dest`, which must not exist while its parent must: the same
    /// files, folders and links, executable where the tree's are, and writable by their owner. Bytes are shared by
    /// reflink where the file system can (`ioctl_ficlone(2)`), else copied, and hashed on the way: a tree that is not
    /// what was published is [`StoreError::RottenTree`], and is removed. The copy is built beside `dest` as
    /// `.<name>.partial`, made durable and then renamed, so `dest` is whole or absent; a partial left by a crash is
    /// removed by the next checkout to the same place. One checkout at a time per `dest`.
    pub fn checkout(&self, tree: &Tree, dest: &Path) -> Result<(), StoreError> {
        let taken = || StoreError::Taken {
            tree: tree.id().clone(),
            dest: dest.to_owned(),
        };
        let disk = &self.0.disk;
        let partial = partial(dest)
            .filter(|_| !exists(dest).unwrap_or(true))
            .ok_or_else(taken)?;
        remove(&**disk, &partial)?;
        let sums = self.0.sums(tree.id())?;
        let copy = StagingDir::at(disk, partial)?;
        if let Some(flaw) = copy_tree(&**disk, &sums, tree.root(), copy.path())? {
            return Err(self.0.rotten(tree.id(), &flaw));
        }
        sync_tree(&**disk, copy.path())?;
        match disk.rename_to_free(copy.path(), dest) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                return Err(taken());
            }
            other => other.on("rename a checkout to", dest)?,
        }
        sync_dir(&**disk, parent(dest))
    }

    /// Whether a tree is still what was published, for whoever runs it where it lies: every file is read. Errors:
    /// [`StoreError::RottenTree`], after which it is removed.
    pub fn verify(&self, tree: &Tree) -> Result<(), StoreError> {
        let (disk, sums) = (&*self.0.disk, self.0.sums(tree.id())?);
        let flaw = sums.walk(tree.root(), &mut |path, sum| {
            let place = tree.root().join(path);
            match sum {
                Sum::Directory => Ok(None),
                Sum::Link { target } => link_flaw(&place, target),
                Sum::File(sum) => {
                    let mut file = disk.open(&place).on("open", &place)?;
                    let executable = is_executable(&file).on("look at", &place)?;
                    let found = FileSum::of(&mut file, executable).on("read", &place)?;
                    Ok(sum.flaw(&found))
                }
            }
        })?;
        flaw.map_or(Ok(()), |flaw| Err(self.0.rotten(tree.id(), &flaw)))
    }
}

/// Where something is built that is to be at `dest`.
pub(crate) fn partial(dest: &Path) -> Option<PathBuf> {
    let mut partial = OsString::from(".");
    partial.push(dest.file_name()?);
    partial.push(".partial");
    Some(dest.with_file_name(partial))
}

/// What distinguishes a link from one to `target`.
pub(crate) fn link_flaw(link: &Path, target: &str) -> Result<Option<&'static str>, StoreError> {
    let found = std::fs::read_link(link).on("read the link", link)?;
    Ok((found != Path::new(target)).then_some("leads elsewhere"))
}

/// Copies the tree at `from` into the folder `to`, as long as it is what `sums` say: folders and links first, then the
/// files, many of them on several threads. Follows no link.
pub(crate) fn copy_tree(disk: &dyn Disk, sums: &Sums, from: &Path, to: &Path) -> Result<Option<Flaw>, StoreError> {
    let mut files = Vec::new();
    disk.set_mode(to, 0o755).on("set the mode of", to)?;
    let flaw = sums.walk(from, &mut |path, sum| {
        let (source, copy) = (from.join(path), to.join(path));
        match sum {
            Sum::Directory => {
                disk.create_dir(&copy, 0o755).on("create the folder", &copy)?;
                disk.set_mode(&copy, 0o755).on("set the mode of", &copy)?;
                Ok(None)
            }
            Sum::Link { target } => {
                disk.symlink(Path::new(target), &copy).on("make the link", &copy)?;
                link_flaw(&source, target)
            }
            Sum::File(sum) => {
                files.push((path.to_owned(), sum.clone()));
                Ok(None)
            }
        }
    })?;
    if flaw.is_some() {
        return Ok(flaw);
    }
    let copied = for_each(
        threads_for(files.len()),
        &files,
        || Copier::new(disk),
        |copier, (path, sum)| match copier.file(&from.join(path), &to.join(path), sum) {
            Ok(None) => Ok(()),
            Ok(Some(how)) => Err(Ok(Flaw {
                path: path.clone(),
                how,
            })),
            Err(error) => Err(Err(error)),
        },
    );
    copied.map_or_else(|end| end.map(Some), |()| Ok(None))
}

/// Copies files, by reflink until the file system says that it cannot.
pub(crate) struct Copier<'a> {
    disk: &'a dyn Disk,
    can_share: bool,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(disk: &'a dyn Disk) -> Self {
        Copier { disk, can_share: true }
    }

    /// Copies one file and answers in what it differs from what it should be.
    pub(crate) fn file(
        &mut self,
        source: &Path,
        copy: &Path,
        sum: &FileSum,
    ) -> Result<Option<&'static str>, StoreError> {
        let mut from = self.disk.open(source).on("open", source)?;
        let executable = is_executable(&from).on("look at", source)?;
        let mode = from.metadata().on("look at", source)?.permissions().mode() & 0o777 | 0o200;
        let mut to = self.disk.create(copy, 0o600).on("create", copy)?;
        let found = if self.share(&mut *to, &from).on("share with", copy)? {
            FileSum::of(&mut from, executable).on("read", source)?
        } else {
            let mut summing = Summing::default();
            let copied = each_piece(&mut from, |bytes| {
                summing.add(bytes);
                to.write_all(bytes)
            });
            copied.on("copy to", copy)?;
            summing.end(executable)
        };
        to.set_mode(mode).on("set the mode of", copy)?;
        to.begin_sync();
        Ok(sum.flaw(&found))
    }

    fn share(&mut self, to: &mut dyn Writing, from: &File) -> io::Result<bool> {
        self.can_share = self.can_share && to.share(from)?;
        Ok(self.can_share)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Unpack;
    use crate::sandbox::{Sandbox, mode, names, object, text, zip};

    fn tree(sandbox: &Sandbox) -> Tree {
        let zip = zip(&[
            ("bin/app", b"#!", 0o100_755),
            ("l", b"bin/app", 0o120_777),
            ("empty/", b"", 0o040_755),
        ]);
        let parts = [object(sandbox, "a", &zip, Unpack::Zip), text("notes.txt", "n")];
        sandbox
            .store()
            .stage(&parts)
            .unwrap()
            .publish("t".parse().unwrap())
            .unwrap()
    }

    #[test]
    fn a_checkout_is_the_same_tree_and_writable_and_the_store_stays_as_it_was() {
        let sandbox = Sandbox::new();
        let (tree, dest) = (tree(&sandbox), sandbox.outside("app"));
        sandbox.store().checkout(&tree, &dest).unwrap();
        assert_eq!(names(&dest), ["bin", "empty", "l", "notes.txt"]);
        assert_eq!(fs::read_link(dest.join("l")).unwrap(), Path::new("bin/app"));
        assert_eq!(
            (mode(&dest.join("bin/app")), mode(&dest.join("notes.txt"))),
            (0o755, 0o644)
        );
        fs::write(dest.join("notes.txt"), "changed").unwrap();
        assert_eq!(fs::read(tree.root().join("notes.txt")).unwrap(), b"n");
        assert_eq!(mode(&tree.root().join("notes.txt")), 0o444);
    }

    #[test]
    fn a_taken_place_is_refused_and_untouched() {
        let sandbox = Sandbox::new();
        let (tree, dest) = (tree(&sandbox), sandbox.outside("app"));
        fs::create_dir(&dest).unwrap();
        let error = sandbox.store().checkout(&tree, &dest).unwrap_err();
        assert!(matches!(error, StoreError::Taken { .. }), "{error}");
        assert_eq!(names(&dest), [""; 0]);
        assert_eq!(names(dest.parent().unwrap()), ["app"]);
    }

    #[test]
    fn a_partial_left_by_a_crash_gives_way_to_the_next_checkout() {
        let sandbox = Sandbox::new();
        let (tree, dest) = (tree(&sandbox), sandbox.outside("app"));
        fs::create_dir(dest.with_file_name(".app.partial")).unwrap();
        fs::write(dest.with_file_name(".app.partial").join("half"), "x").unwrap();
        sandbox.store().checkout(&tree, &dest).unwrap();
        assert_eq!(names(dest.parent().unwrap()), ["app"]);
        assert!(!dest.join("half").exists());
    }

    /// Something that is done to a published tree.
    type Damage = fn(&Sandbox, &Path);

    #[test]
    fn a_tree_edited_on_disk_is_noticed_by_a_checkout_and_by_a_look_and_built_again() {
        let damages: [(&str, Damage); 8] = [
            ("`bin/app` has other bytes", |s, t| {
                s.overwrite(&t.join("bin/app"), b"#?");
            }),
            ("`notes.txt` has become executable", |_, t| {
                fs::set_permissions(t.join("notes.txt"), fs::Permissions::from_mode(0o555)).unwrap();
            }),
            ("`bin/app` is not executable any more", |_, t| {
                fs::set_permissions(t.join("bin/app"), fs::Permissions::from_mode(0o444)).unwrap();
            }),
            ("`l` leads elsewhere", |_, t| {
                fs::remove_file(t.join("l")).unwrap();
                symlink("notes.txt", t.join("l")).unwrap();
            }),
            ("`bin/app` is missing", |_, t| {
                fs::remove_file(t.join("bin/app")).unwrap();
            }),
            ("`empty` is missing", |_, t| fs::remove_dir(t.join("empty")).unwrap()),
            ("`empty/more` was not published", |_, t| {
                fs::write(t.join("empty/more"), "").unwrap();
            }),
            ("`notes.txt` has become something else", |_, t| {
                fs::remove_file(t.join("notes.txt")).unwrap();
                symlink("bin/app", t.join("notes.txt")).unwrap();
            }),
        ];
        for (how, damage) in damages {
            type Look = fn(&Sandbox, &Tree) -> Result<(), StoreError>;
            let looks: [Look; 2] = [
                |sandbox, tree| sandbox.store().verify(tree),
                |sandbox, tree| sandbox.store().checkout(tree, &sandbox.outside("app")),
            ];
            for look in looks {
                let sandbox = Sandbox::new();
                let first = tree(&sandbox);
                look(&sandbox, &first).unwrap();
                let _ = fs::remove_dir_all(sandbox.outside("app"));
                damage(&sandbox, first.root());
                let error = look(&sandbox, &first).unwrap_err().to_string();
                assert!(
                    error.contains(how) && error.contains("build it again"),
                    "{how}: {error}"
                );
                assert_eq!(names(&sandbox.outside("")), [""; 0], "{how}");
                for folder in ["trees", "sums"] {
                    assert_eq!(names(&sandbox.root().join(folder)), [""; 0], "{how}");
                }
                look(&sandbox, &tree(&sandbox)).unwrap();
            }
        }
    }

    #[test]
    fn a_tree_whose_list_of_digests_is_torn_is_rotten() {
        let sandbox = Sandbox::new();
        let tree = tree(&sandbox);
        fs::write(sandbox.root().join("sums/t"), "{\"bin\":").unwrap();
        let error = sandbox.store().verify(&tree).unwrap_err();
        assert!(error.to_string().contains("no readable list of digests"), "{error}");
        assert!(sandbox.store().tree(tree.id()).unwrap().is_none());
    }
}
