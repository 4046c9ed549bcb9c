//! The content-addressed store of plugin files: verified first, then copied to `<sha256>.so`, never rewritten.

use crate::inspect::{Inspected, Refusal, inspect};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Largest file that is taken for a plugin, in bytes.
pub const MAX_SIZE: u64 = 256 << 20;

/// Why a file did not get into the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read, or the store not written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder, a link, a pipe, a device.
    #[error("{path}: expected a regular file, found {found}")]
    NotRegular {
        /// Which file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Somebody else could change it.
    #[error(
        "{path}: expected an owner of root or uid {expected}, found uid {found}: `chown` it, or copy it as yourself"
    )]
    Owner {
        /// Which file.
        path: PathBuf,
        /// The daemon's user.
        expected: u32,
        /// Its owner.
        found: u32,
    },
    /// Everybody can change it.
    #[error("{path}: expected a file that only its owner can write, found mode {mode:o}: `chmod go-w` it")]
    Writable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Too large.
    #[error("{path}: expected at most {MAX_SIZE} bytes, found {found}")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
    },
    /// Not the bytes that were promised.
    #[error("{path}: expected sha256 {expected}, found {found}")]
    Digest {
        /// Which file.
        path: PathBuf,
        /// As promised.
        expected: String,
        /// As it is.
        found: String,
    },
    /// The bytes are no plugin for this host.
    #[error("{path}: {refusal}")]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
}

/// A verified file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Of its bytes, lower-case hex.
    pub sha256: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it says of itself.
    pub inspected: Inspected,
}

/// A folder of verified files.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store, making its folder.
    ///
    /// # Errors
    /// [`StoreError::Io`]
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(|e| io_at(folder, e))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Verifies a file without copying it; the path of the answer is the file's own.
    ///
    /// # Errors
    /// [`StoreError`], always naming the file.
    pub fn check(&self, path: &Path) -> Result<Stored, StoreError> {
        Ok(verify(path, None)?.0)
    }

    /// Verifies a file and copies it in; one that is there already is used as it is.
    ///
    /// # Errors
    /// [`StoreError`], always naming the file.
    pub fn add(&self, path: &Path, sha256: Option<&str>) -> Result<Stored, StoreError> {
        let (verified, bytes) = verify(path, sha256)?;
        let stored = self.folder.join(format!("{}.so", verified.sha256));
        let intact = || path == stored || verify(&stored, Some(&verified.sha256)).is_ok();
        if !(stored.exists() && intact()) {
            publish(&self.folder, &stored, &bytes).map_err(|e| io_at(&stored, e))?;
        }
        Ok(Stored {
            path: stored,
            ..verified
        })
    }

    /// A file of the store by its digest, verified anew: what was changed on disk is refused.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn get(&self, sha256: &str) -> Result<Stored, StoreError> {
        self.add(&self.folder.join(format!("{sha256}.so")), Some(sha256))
    }
}

fn verify(path: &Path, sha256: Option<&str>) -> Result<(Stored, Vec<u8>), StoreError> {
    let bytes = read(path)?;
    let found = hex(&Sha256::digest(&bytes));
    if let Some(expected) = sha256.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
        return Err(StoreError::Digest {
            path: path.into(),
            expected: expected.into(),
            found,
        });
    }
    let inspected = inspect(&bytes).map_err(|refusal| StoreError::Refused {
        path: path.into(),
        refusal,
    })?;
    Ok((
        Stored {
            sha256: found,
            path: path.into(),
            inspected,
        },
        bytes,
    ))
}

fn io_at(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.into(),
        source,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
        rustix::io::Errno::LOOP => StoreError::NotRegular {
            path: path.into(),
            found: "a symbolic link",
        },
        e => io_at(path, e.into()),
    })?;
    let mut file = File::from(file);
    let meta = file.metadata().map_err(|e| io_at(path, e))?;
    check(path, &meta)?;
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    (&mut file)
        .take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .map_err(|e| io_at(path, e))?;
    Ok(bytes)
}

fn check(path: &Path, meta: &fs::Metadata) -> Result<(), StoreError> {
    if !meta.is_file() {
        let found = if meta.is_dir() {
            "a folder"
        } else {
            "a pipe, socket or device"
        };
        return Err(StoreError::NotRegular {
            path: path.into(),
            found,
        });
    }
    let expected = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != expected {
        return Err(StoreError::Owner {
            path: path.into(),
            expected,
            found: meta.uid(),
        });
    }
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::Writable {
            path: path.into(),
            mode,
        });
    }
    if meta.len() > MAX_SIZE {
        return Err(StoreError::TooLarge {
            path: path.into(),
            found: meta.len(),
        });
    }
    Ok(())
}

fn publish(folder: &Path, stored: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    staged.write_all(bytes)?;
    staged.as_file().set_permissions(fs::Permissions::from_mode(0o444))?;
    staged.as_file().sync_all()?;
    staged.persist(stored).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        (folder, store)
    }

    fn refused(store: &Store, path: &Path) -> String {
        let message = store.add(path, None).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message} names no file");
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let (folder, store) = store();
        assert!(refused(&store, folder.path()).contains("a folder"));
        let link = folder.path().join("link.so");
        std::os::unix::fs::symlink("/bin/true", &link).unwrap();
        assert!(refused(&store, &link).contains("a symbolic link"));
        assert!(refused(&store, Path::new("/dev/null")).contains("device"));
        assert!(refused(&store, &folder.path().join("absent.so")).contains("No such file"));
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let (folder, store) = store();
        let path = folder.path().join("fifo.so");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(refused(&store, &path).contains("a pipe"));
    }

    #[test]
    fn a_file_that_others_can_write_is_refused() {
        let (folder, store) = store();
        let path = folder.path().join("open.so");
        fs::write(&path, b"x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(refused(&store, &path).contains("mode 666"));
    }

    #[test]
    fn a_file_of_a_stranger_is_refused() {
        let (folder, store) = store();
        let path = folder.path().join("theirs.so");
        fs::write(&path, b"x").unwrap();
        if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
            eprintln!("SKIPPED a_file_of_a_stranger_is_refused: only root can give a file away");
            return;
        }
        assert!(refused(&store, &path).contains("found uid 12345"));
    }

    #[test]
    fn other_bytes_than_promised_are_refused_before_they_are_looked_at() {
        let (folder, store) = store();
        let path = folder.path().join("other.so");
        fs::write(&path, b"x").unwrap();
        let message = store.add(&path, Some("00ff")).unwrap_err().to_string();
        assert!(message.contains("expected sha256 00ff"), "{message}");
    }

    #[test]
    fn nothing_of_a_refused_file_is_left_in_the_store() {
        let (folder, store) = store();
        let path = folder.path().join("text.so");
        fs::write(&path, b"no library").unwrap();
        refused(&store, &path);
        assert_eq!(fs::read_dir(folder.path().join("store")).unwrap().count(), 0);
    }
}
