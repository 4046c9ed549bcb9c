use std::path::Path;

use crate::StoreError;
use crate::error::OnPath;
use crate::store::Inner;

impl Inner {
    /// Refuses what needs more space than there is, a tenth of it kept in reserve. What is in quarantine gives way
    /// first, the oldest before the others.
    pub(crate) fn room_for(&self, bytes: u64, place: &Path) -> Result<(), StoreError> {
        let needed = bytes.saturating_add(bytes / 10);
        loop {
            let free = self.disk.free(place).on("ask for the free space of", place)?;
            if needed <= free {
                return Ok(());
            }
            if !self.drop_oldest_quarantined()? {
                return Err(StoreError::NoSpace {
                    needed,
                    free,
                    place: place.to_owned(),
                });
            }
        }
    }

    /// Refuses what is larger than the store takes.
    pub(crate) fn admit(&self, size: Option<u64>) -> Result<(), StoreError> {
        let limit = self.limits.max_download;
        match size.filter(|size| *size > limit) {
            Some(declared) => Err(StoreError::DeclaredTooLarge { declared, limit }),
            None => Ok(()),
        }
    }

    /// Refuses what the disk cannot take: the bytes still to come, and those that are unpacked from all of them.
    pub(crate) fn room_for_download(&self, size: Option<u64>, here: u64) -> Result<(), StoreError> {
        let Some(size) = size else { return Ok(()) };
        self.room_for(size.saturating_sub(here).saturating_add(size), &self.layout.parts())
    }
}
