use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Advice, CWD, RenameFlags};
use rustix::io::Errno;

/// What the store asks of a disk: whatever changes it, makes a change durable, or opens bytes that are to be trusted.
/// All of the store's protocol goes through here, so that a test can let the disk fail or cut its power at any step.
/// Looking (listing a folder, a file's size) is not part of it.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Makes a new file, which must not be there, to be written from its start.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Writing>>;
    /// Opens a file to be written behind its first `length` bytes; what follows them is cut off.
    fn resume(&self, path: &Path, length: u64) -> io::Result<Box<dyn Writing>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<File>;
    /// Makes one folder, which must not be there.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Makes a link, which must not be there.
    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()>;
    /// Sets the mode of a file or folder.
    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Makes a file's bytes, or a folder's list of names, durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or folder another name, in the place of a file that has that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// As `rename`, but a name that is taken is an error.
    fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file or link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes that this process may still write where `path` lies.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// A file that is being written.
pub(crate) trait Writing: Write + Debug + Send {
    /// Cuts the file to its first `length` bytes and goes on behind them.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Sets the file's mode.
    fn set_mode(&mut self, mode: u32) -> io::Result<()>;
    /// Makes the bytes durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Has the disk begin to write the bytes, without waiting, so that a sync later has less to wait for. It promises
    /// nothing: what fails is told by that sync.
    fn begin_sync(&mut self) {}
    /// Takes over all bytes of another file without copying them (`ioctl_ficlone(2)`). Answers `false` where the file
    /// system cannot.
    fn share(&mut self, from: &File) -> io::Result<bool>;
}

/// The disk of this machine.
#[derive(Debug)]
pub(crate) struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Writing>> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(mode);
        Ok(Box::new(options.open(path)?))
    }

    fn resume(&self, path: &Path, length: u64) -> io::Result<Box<dyn Writing>> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.cut(length)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        DirBuilder::new().mode(mode).create(path)
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// File systems that cannot promise it (`renameat2(2)`, EINVAL) get the plain one: the caller has looked before.
    fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
            other => Ok(other?),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(path)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl Writing for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        self.set_permissions(Permissions::from_mode(mode))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    /// `POSIX_FADV_DONTNEED` makes Linux do what `sync_file_range(SYNC_FILE_RANGE_WRITE)` does, and then drop clean pages,
    /// of which there are none yet (`mm/fadvise.c`); tmpfs, which has no disk, ignores it.
    fn begin_sync(&mut self) {
        let _ = rustix::fs::fadvise(&*self, 0, None, Advice::DontNeed);
    }

    fn share(&mut self, from: &File) -> io::Result<bool> {
        match rustix::fs::ioctl_ficlone(&*self, from) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::NOSYS | Errno::PERM) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_to_a_free_name_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let error = OsDisk.rename_to_free(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_taken_up_again_is_cut_and_goes_on_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        OsDisk.create(&path, 0o600).unwrap().write_all(b"abcdef").unwrap();
        OsDisk.create(&path, 0o600).unwrap_err();
        OsDisk.resume(&path, 3).unwrap().write_all(b"xy").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcxy");
    }

    #[test]
    fn the_free_space_is_that_of_where_the_path_lies() {
        assert!(OsDisk.free(Path::new("/")).unwrap() > 0);
        OsDisk.free(Path::new("/absent")).unwrap_err();
    }
}
