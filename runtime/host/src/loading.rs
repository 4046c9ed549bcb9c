//! A mark on disk while a library is being loaded and an instance made: whoever ends the daemon there is known after the
//! restart.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// So many daemons one file may end before it is left alone.
const STRIKES: u32 = 3;

/// The folder of marks: one file for each digest, with the number of times that loading it or making an instance of it did not come to an end.
#[derive(Debug, Clone)]
pub(crate) struct Loading {
    folder: PathBuf,
}

impl Loading {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    /// How often loading this file did not come to an end.
    pub(crate) fn strikes(&self, sha256: &str) -> u32 {
        fs::read_to_string(self.path(sha256))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Whether the file ended too many daemons.
    pub(crate) fn is_out(&self, sha256: &str) -> bool {
        self.strikes(sha256) >= STRIKES
    }

    /// Forgets what a file did.
    pub(crate) fn pardon(&self, sha256: &str) {
        // One that is not there has nothing to forget.
        let _ = fs::remove_file(self.path(sha256));
    }

    /// Puts the mark in place. It goes with the answer, well or not; it stays when the daemon ends before that.
    pub(crate) fn mark(&self, sha256: &str) -> Mark<'_> {
        let strikes = self.strikes(sha256) + 1;
        if let Err(error) = fs::write(self.path(sha256), strikes.to_string()) {
            tracing::warn!(%error, "a crash while loading would not be remembered");
        }
        Mark {
            loading: self,
            sha256: sha256.to_owned(),
        }
    }
}

/// A mark in place.
pub(crate) struct Mark<'a> {
    loading: &'a Loading,
    sha256: String,
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.loading.pardon(&self.sha256);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_never_ends_leaves_its_mark_and_three_are_out() {
        let folder = tempfile::tempdir().unwrap();
        let loading = Loading::open(folder.path()).unwrap();
        for strike in 1..=STRIKES {
            assert!(!loading.is_out("ab"));
            std::mem::forget(loading.mark("ab"));
            assert_eq!(loading.strikes("ab"), strike);
        }
        assert!(loading.is_out("ab") && !loading.is_out("cd"));
        drop(loading.mark("ab"));
        assert!(!loading.is_out("ab"));
    }
}
