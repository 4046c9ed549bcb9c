//! One daemon per data folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::durable::{FileError, On};

/// The data folder is held as long as this lives; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held, never read")] File);

/// Why the data folder is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("the data folder {} is in use by {holder}: one daemon per data folder; stop that one or choose another folder", folder.display())]
    Taken {
        /// The data folder.
        folder: PathBuf,
        /// `process PID` as the holder noted it.
        holder: String,
    },
    /// The lock file itself.
    #[error(transparent)]
    File(#[from] FileError),
}

pub(crate) fn lock(folder: &Path) -> Result<Lock, LockError> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .on("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(LockError::Taken {
                folder: folder.to_owned(),
                holder: holder(file),
            });
        }
        Err(error) => return Err(error).on("lock", &path).map_err(LockError::File),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .on("write", &path)?;
    Ok(Lock(file))
}

fn holder(file: File) -> String {
    let mut text = String::new();
    match file
        .take(32)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse::<u32>().ok())
    {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_daemon_is_refused_with_the_firsts_pid_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
        drop(first);
        lock(dir.path()).unwrap();
    }
}
