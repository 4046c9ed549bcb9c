use crate::ingest::{Ingest, State};
use crate::{Digest, Expected, StoreError};

impl Ingest {
    /// Checks what is here against everything that is known of it; answers the digest it has.
    pub(crate) fn verified(&self) -> Result<Digest, StoreError> {
        let (taken, Expected { sha256, md5, .. }) = (&self.taken, &self.download.expected);
        if self.state != State::Sound {
            return Err(StoreError::Incomplete { size: taken.size() });
        }
        let found = taken.sha256();
        self.check("size", self.size().as_ref(), &taken.size())?;
        self.check("sha256", sha256.as_ref(), &found)?;
        if let Some(found) = taken.md5() {
            self.check("md5", md5.as_ref(), &found)?;
        }
        Ok(found)
    }

    fn check<T: PartialEq + ToString>(
        &self,
        what: &'static str,
        expected: Option<&T>,
        found: &T,
    ) -> Result<(), StoreError> {
        match expected.filter(|expected| *expected != found) {
            None => Ok(()),
            Some(expected) => Err(StoreError::Mismatch {
                what,
                expected: expected.to_string(),
                found: found.to_string(),
                size: self.taken.size(),
                head: self.taken.head(),
            }),
        }
    }

    /// Puts what did not verify into quarantine, where somebody may look at it. What cannot be put there is removed.
    pub(crate) fn set_aside(&mut self, error: &StoreError) {
        if self.state == State::Sound
            && self
                .store
                .quarantine(&self.path, &self.download, &self.taken, error)
                .is_ok()
        {
            self.state = State::Gone;
        } else {
            self.state = State::Broken;
        }
    }
}
