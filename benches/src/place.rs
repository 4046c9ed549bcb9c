//! Where what is measured comes to lie.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Times;

/// A file system to measure on.
#[derive(Debug)]
pub struct Place {
    /// What it is called in tables.
    pub name: &'static str,
    folder: PathBuf,
    /// What is written there survives a power cut.
    pub lasting: bool,
}

impl Place {
    /// In memory.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            name: "tmpfs",
            folder: "/dev/shm".into(),
            lasting: false,
        }
    }

    /// On the disk that holds this folder, which should be the `CARGO_TARGET_TMPDIR` of the bench.
    #[must_use]
    pub fn disk(folder: &str) -> Self {
        Self {
            name: "disk",
            folder: folder.into(),
            lasting: true,
        }
    }

    /// Keeps how long something takes in a folder of its own.
    pub fn measure(&self, times: &mut Times, name: &str, run: impl FnOnce(&Path)) {
        self.with_folder(|folder| {
            let begun = Instant::now();
            run(folder);
            times.add(name, begun.elapsed());
        });
    }

    /// Runs in a folder of its own, of which nothing is left to be written when the next one runs.
    pub fn with_folder<T>(&self, run: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let result = run(folder.path());
        drop(folder);
        if self.lasting {
            rustix::fs::sync();
        }
        result
    }
}
