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
