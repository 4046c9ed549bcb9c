//! One daemon per data folder.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::durable::{FileError, On};

/// The data folder is held as long as this lives; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held, never read")] File);

/// How long a daemon that was killed may take until the system has taken everything from it.
const LAST_BREATH: Duration = Duration::from_secs(2);

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
    let began = Instant::now();
    while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(error).on("lock", &path).map_err(LockError::File);
        }
        let pid = holder(&path);
        if !pid.is_some_and(is_dying) || began.elapsed() > LAST_BREATH {
            let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            return Err(LockError::Taken {
                folder: folder.to_owned(),
                holder,
            });
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .on("write", &path)?;
    Ok(Lock(file))
}

/// The process that noted itself as the holder.
fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether a process has been killed and only its end is still to come: its last thread is a zombie, or it is gone.
fn is_dying(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('Z' | 'X' | 'x'))
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
