use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::durable::{name, names_in, sync_dir};
use crate::error::OnPath;
use crate::ingest::remove_part;
use crate::store::Inner;
use crate::taken::Taken;
use crate::{Digest, Download, Expected, StoreError};

/// Why a file is in quarantine, for whoever looks into it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QuarantineNote {
    pub(crate) source: String,
    pub(crate) reason: String,
    expected: Expected,
    found: Expected,
    /// The first bytes, escaped.
    begins: String,
}

impl Inner {
    /// Keeps what did not verify under the digest that it really has, with a note. The oldest others make room.
    pub(crate) fn quarantine(
        &self,
        part: &Path,
        download: &Download,
        taken: &Taken,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        let digest = taken.sha256();
        let note = QuarantineNote {
            source: download.source.clone(),
            reason: error.to_string(),
            expected: download.expected.clone(),
            found: Expected {
                sha256: Some(digest),
                md5: taken.md5(),
                size: Some(taken.size()),
            },
            begins: taken.head(),
        };
        let (files, bytes) = (self.limits.quarantine_files, self.limits.quarantine_bytes);
        if files == 0 || taken.size() > bytes {
            return remove_part(self, part);
        }
        self.shrink_quarantine(files - 1, bytes - taken.size())?;
        let to = self.layout.quarantined(&digest);
        self.disk.set_mode(part, 0o400).on("set the mode of", part)?;
        self.disk.sync(part).on("sync", part)?;
        self.put_note(&to, &note)?;
        self.disk.rename(part, &to).on("rename to the quarantine as", &to)?;
        sync_dir(&*self.disk, &self.layout.quarantine())
    }

    /// Removes the oldest files in quarantine until so many, with so many bytes, are left at most.
    pub(crate) fn shrink_quarantine(&self, files: usize, bytes: u64) -> Result<(), StoreError> {
        let mut all = self.in_quarantine()?;
        all.sort();
        let mut left = (all.len(), all.iter().map(|(_, _, size)| size).sum::<u64>());
        for (_, path, size) in &all {
            if left.0 <= files && left.1 <= bytes {
                break;
            }
            remove_part(self, path)?;
            left = (left.0 - 1, left.1 - size);
        }
        Ok(())
    }

    /// Removes the oldest file in quarantine; answers whether there was one.
    pub(crate) fn drop_oldest_quarantined(&self) -> Result<bool, StoreError> {
        let Some((_, path, _)) = self.in_quarantine()?.into_iter().min() else {
            return Ok(false);
        };
        remove_part(self, &path).map(|()| true)
    }

    fn in_quarantine(&self) -> Result<Vec<(SystemTime, PathBuf, u64)>, StoreError> {
        let mut all = Vec::new();
        for path in names_in(&self.layout.quarantine())? {
            if name(&path).is_some_and(|name| name.parse::<Digest>().is_ok()) {
                let meta = fs::symlink_metadata(&path).on("look at", &path)?;
                all.push((meta.modified().on("look at", &path)?, path, meta.len()));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use crate::Limits;
    use crate::sandbox::{Sandbox, download, names};

    static SECONDS: AtomicU64 = AtomicU64::new(1);

    /// Takes a download that is not what was promised, each a second later by its file's time: some clocks of file systems
    /// are slower than this test.
    fn refuse(sandbox: &Sandbox, key: &str, bytes: &[u8]) {
        let wrong = Expected {
            sha256: Some(Digest::of(b"promised")),
            ..Expected::default()
        };
        let mut ingest = sandbox.store().ingest(download(key, wrong)).unwrap();
        ingest.write(bytes).unwrap();
        assert!(matches!(ingest.finish(), Err(StoreError::Mismatch { .. })));
        let second = Duration::from_secs(SECONDS.fetch_add(1, Ordering::Relaxed));
        let path = sandbox.root().join("quarantine").join(Digest::of(bytes).to_string());
        if let Ok(file) = fs::File::open(path) {
            file.set_modified(SystemTime::UNIX_EPOCH + second).unwrap();
        }
    }

    /// The files in quarantine; each has its note.
    fn kept(sandbox: &Sandbox) -> Vec<String> {
        let mut all = names(&sandbox.root().join("quarantine"));
        let notes: Vec<_> = all.extract_if(.., |name| name.ends_with(".json")).collect();
        let noted: Vec<_> = all.iter().map(|name| format!("{name}.json")).collect();
        assert_eq!(notes, noted);
        all
    }

    fn digests(bytes: &[&[u8]]) -> Vec<String> {
        let mut names: Vec<_> = bytes.iter().map(|bytes| Digest::of(bytes).to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_did_not_verify_lies_in_quarantine_with_its_reason_and_the_oldest_goes_first() {
        let sandbox = Sandbox::with(Limits {
            quarantine_files: 2,
            ..Limits::default()
        });
        for (key, bytes) in [("a", b"one"), ("b", b"two"), ("c", b"six")] {
            refuse(&sandbox, key, bytes);
        }
        assert_eq!(kept(&sandbox), digests(&[b"two", b"six"]));
        let last = sandbox.root().join("quarantine").join(Digest::of(b"six").to_string());
        assert_eq!(fs::read(&last).unwrap(), b"six");
        let note = fs::read_to_string(last.with_extension("json")).unwrap();
        assert!(
            note.contains("http://h/c") && note.contains("sha256 mismatch"),
            "{note}"
        );
        assert!(sandbox.store().blob(&Digest::of(b"six")).unwrap().is_none());
    }

    #[test]
    fn the_oldest_go_until_the_newest_fits_and_what_can_never_fit_is_not_kept() {
        let sandbox = Sandbox::with(Limits {
            quarantine_bytes: 10,
            ..Limits::default()
        });
        for bytes in [b"1234".as_slice(), b"abcd", b"xy", b"seven b"] {
            refuse(&sandbox, "k", bytes);
        }
        assert_eq!(kept(&sandbox), digests(&[b"xy", b"seven b"]));
        refuse(&sandbox, "k", b"eleven byte");
        assert_eq!(
            kept(&sandbox),
            digests(&[b"xy", b"seven b"]),
            "it is no reason to drop others"
        );
        assert_eq!(names(&sandbox.root().join("ingest")), [""; 0]);
    }

    #[test]
    fn a_store_that_keeps_nothing_in_quarantine_removes_it_at_once() {
        let sandbox = Sandbox::with(Limits {
            quarantine_files: 0,
            ..Limits::default()
        });
        refuse(&sandbox, "k", b"one");
        assert_eq!(kept(&sandbox), [""; 0]);
        assert_eq!(names(&sandbox.root().join("ingest")), [""; 0]);
    }
}
