//! Temporary folders. They go with the program, also when a signal ends it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io, thread};

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// Those that are there.
static ALL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A folder of its own for as long as it is held.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Where the system has such folders.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// In a folder, for what is to be moved to another place in it.
    pub(crate) fn within(folder: &Path) -> anyhow::Result<Self> {
        let mut all = all();
        let made = tempfile::Builder::new().prefix(".aerolith-").tempdir_in(folder);
        let made = made.with_context(|| format!("{}: no temporary folder can be made in it", folder.display()))?;
        let path = made.keep();
        all.insert(path.clone());
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut all = all();
        if let Err(error) = remove(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "a temporary folder is left");
        }
        all.remove(&self.0);
    }
}

fn all() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT and SIGTERM end the program as they would anyway, with the exit code that a shell gives for them,
/// but without leaving anything.
pub(crate) fn end_with_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = move || {
        let signal = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
            }
        });
        end(128 + signal.as_raw_value())
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

/// Nobody makes another folder meanwhile.
fn end(code: i32) -> ! {
    let all = all();
    for folder in all.iter() {
        if let Err(error) = remove(folder) {
            tracing::warn!(folder = %folder.display(), %error, "a temporary folder is left");
        }
    }
    std::process::exit(code)
}

/// Removes a folder in which others may still write, until it is seen to be gone: they fail at what they write to next.
fn remove(folder: &Path) -> io::Result<()> {
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_while_somebody_writes_in_it() {
        let around = tempfile::tempdir().unwrap();
        let scratch = Scratch::within(around.path()).unwrap();
        let folder = scratch.path().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        let write = move |number: usize| fs::write(folder.join(number.to_string()), "1");
        write(0).unwrap();
        let writer = thread::spawn(move || (1..).find_map(|number| write(number).err()));
        drop(scratch);
        assert_eq!(writer.join().unwrap().unwrap().kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(around.path()).unwrap().count(), 0);
    }
}
