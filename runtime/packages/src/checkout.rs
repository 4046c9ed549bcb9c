use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::durable::{sync_dir, sync_tree};
use crate::error::OnPath;
use crate::publish::StagingDir;
use crate::store::remove;
use crate::{Store, StoreError, Tree};

impl Store {
    /// Gives an application its own copy of a tree at `dest`, which must not exist while its parent must: the same
    /// files, folders and links, executable where the tree's are, and writable by their owner. Bytes are shared by
    /// reflink where the file system can (`ioctl_ficlone(2)`), else copied. The copy is built beside `dest` as
    /// `.<name>.partial`, made durable and then renamed, so `dest` is whole or absent; a partial left by a crash is
    /// removed by the next checkout to the same place. One checkout at a time per `dest`.
    pub fn checkout(&self, tree: &Tree, dest: &Path) -> Result<(), StoreError> {
        let taken = || StoreError::Taken {
            tree: tree.id().clone(),
            dest: dest.to_owned(),
        };
        let Some(name) = dest.file_name() else {
            return Err(taken());
        };
        if fs::symlink_metadata(dest).is_ok() {
            return Err(taken());
        }
        let mut partial = OsString::from(".");
        partial.push(name);
        partial.push(".partial");
        let partial = dest.with_file_name(partial);
        remove(&partial)?;
        let copy = StagingDir::create(partial)?;
        copy_tree(tree.root(), copy.path())?;
        sync_tree(copy.path())?;
        match rename_to_free(copy.path(), dest) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(taken()),
            other => other.on("rename a checkout to", dest)?,
        }
        sync_dir(parent(dest))
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A rename that replaces nothing. File systems that cannot promise it (`renameat2(2)`, EINVAL) get the plain one;
/// the caller has looked before.
fn rename_to_free(from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(from, to),
        other => other,
    }
}

/// Copies what lies below `from` into the folder `to`. Follows no link.
fn copy_tree(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut cloner = Cloner { can_clone: true };
    let mut folders: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::set_permissions(&to, Permissions::from_mode(0o755)).on("set the mode of", &to)?;
        for entry in fs::read_dir(&from).on("list", &from)? {
            let entry = entry.on("list", &from)?;
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().on("look at", &source)?;
            if kind.is_dir() {
                fs::create_dir(&copy).on("create the folder", &copy)?;
                folders.push((source, copy));
            } else if kind.is_symlink() {
                let target = fs::read_link(&source).on("read the link", &source)?;
                symlink(target, &copy).on("make the link", &copy)?;
            } else {
                cloner.file(&source, &copy)?;
            }
        }
    }
    Ok(())
}

/// Copies files, by reflink until the file system says that it cannot.
struct Cloner {
    can_clone: bool,
}

impl Cloner {
    fn file(&mut self, source: &Path, copy: &Path) -> Result<(), StoreError> {
        let mut from = File::open(source).on("open", source)?;
        let mode = from.metadata().on("look at", source)?.permissions().mode() & 0o777 | 0o200;
        let mut options = OpenOptions::new();
        let mut to = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(copy)
            .on("create", copy)?;
        if !(self.can_clone && self.clone_bytes(&to, &from).on("clone to", copy)?) {
            io::copy(&mut from, &mut to).on("copy to", copy)?;
        }
        to.set_permissions(Permissions::from_mode(mode))
            .on("set the mode of", copy)
    }

    fn clone_bytes(&mut self, to: &File, from: &File) -> Result<bool, Errno> {
        match rustix::fs::ioctl_ficlone(to, from) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => {
                self.can_clone = false;
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn the_rename_itself_replaces_nothing() {
        let sandbox = Sandbox::new();
        let (from, to) = (sandbox.outside("from"), sandbox.outside("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        assert_eq!(rename_to_free(&from, &to), Err(Errno::EXIST));
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
}
