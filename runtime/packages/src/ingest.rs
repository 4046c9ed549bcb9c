use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Writing;
use crate::durable::{remove, sync_dir};
use crate::error::OnPath;
use crate::layout::note_of;
use crate::lease::Lease;
use crate::resume::{self, Known, PartNote, next_note};
use crate::store::Inner;
use crate::stored::FileState;
use crate::taken::Taken;
use crate::{Blob, Digest, Download, Store, StoreError, Stored, Validator};

/// A download under way. Its bytes are hashed while they arrive. Dropped before [`Ingest::finish`], it stays as a part
/// that a later [`Store::ingest`] with the same key goes on with, if its SHA-256 is expected or the place gave a
/// validator; else, and after any error of the disk, nothing of it is left.
#[derive(Debug)]
pub struct Ingest {
    pub(crate) store: Arc<Inner>,
    pub(crate) download: Download,
    pub(crate) path: PathBuf,
    file: Box<dyn Writing>,
    pub(crate) taken: Taken,
    pub(crate) known: Known,
    /// Bytes that the note vouches for.
    noted: u64,
    pub(crate) state: State,
    _lease: Lease,
}

/// What can become of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// All is well.
    Sound,
    /// A piece was refused or the disk failed: what is here is not to be trusted.
    Broken,
    /// Its file has gone elsewhere.
    Gone,
}

impl Store {
    /// Begins to take a download, or goes on with what is here of it: see [`Ingest::offset`]. Errors: a declared size
    /// above the limit, too little space for it, [`StoreError::Busy`], or what the file system says.
    pub fn ingest(&self, download: Download) -> Result<Ingest, StoreError> {
        self.0.admit(download.expected.size)?;
        let key = Digest::of(download.key.as_bytes());
        let Some(lease) = self.0.leases.alone(Stored::Part(key)) else {
            return Err(StoreError::Busy {
                source_text: crate::error::escape(&download.source),
            });
        };
        let (path, disk) = (self.0.layout.part(&key), &*self.0.disk);
        let found = resume::find(disk, &path, &download);
        let (known, taken) = match found {
            Some(found) => found,
            None => {
                remove_part(&self.0, &path)?;
                (Known::default(), Taken::new(download.expected.md5.is_some()))
            }
        };
        self.0
            .room_for_download(download.expected.size.or(known.size), taken.size())?;
        let file = match taken.size() {
            0 => disk.create(&path, 0o600).on("create", &path)?,
            // It may be read-only, when it was whole before and only its renaming failed.
            size => disk
                .set_mode(&path, 0o600)
                .and_then(|()| disk.resume(&path, size))
                .on("go on with", &path)?,
        };
        Ok(Ingest {
            store: Arc::clone(&self.0),
            download,
            path,
            file,
            noted: taken.size(),
            taken,
            known,
            state: State::Sound,
            _lease: lease,
        })
    }
}

impl Ingest {
    /// Bytes taken so far. The next piece is the one behind them.
    pub fn offset(&self) -> u64 {
        self.taken.size()
    }

    /// By what the place knows the bytes that are here; empty when it did not say.
    pub fn validator(&self) -> &Validator {
        &self.known.validator
    }

    /// Bytes still to come, where the size is known. With none, the download is to be finished without asking the place.
    pub fn missing(&self) -> Option<u64> {
        self.size().map(|size| size.saturating_sub(self.taken.size()))
    }

    /// Takes what the place says of the bytes that come next. Errors: [`StoreError::Changed`] when bytes are here and
    /// the place has others now, upon which only [`Ingest::restart`] helps; a size that is not the declared one, is
    /// above the limit or does not fit on the disk.
    pub fn announce(&mut self, validator: Validator, size: Option<u64>) -> Result<(), StoreError> {
        let taken = self.taken.size();
        let other_size = matches!((self.known.size, size), (Some(before), Some(now)) if before != now);
        if taken > 0 && (other_size || self.known.validator.contradicts(&validator)) {
            // Not to be gone on with by a later download either.
            self.state = State::Broken;
            return Err(StoreError::Changed { taken });
        }
        if let (Some(declared), Some(announced)) = (self.download.expected.size, size)
            && declared != announced
        {
            return Err(StoreError::OtherSize { announced, declared });
        }
        self.store.admit(size)?;
        if self.size().is_none() {
            self.store.room_for_download(size, taken)?;
        }
        if !validator.is_empty() {
            self.known.validator = validator;
        }
        self.known.size = size.or(self.known.size);
        Ok(())
    }

    /// Forgets what came so far and what the place said of it.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.state = State::Broken;
        remove(&*self.store.disk, &note_of(&self.path))?;
        self.file.cut(0).on("cut", &self.path)?;
        self.taken = Taken::new(self.download.expected.md5.is_some());
        self.known = Known::default();
        self.noted = 0;
        self.state = State::Sound;
        Ok(())
    }

    /// Takes the next bytes. Errors: [`StoreError::TooLarge`] at the first byte beyond the declared or announced size
    /// or the limit, before anything of the piece is written, or what the file system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let before = std::mem::replace(&mut self.state, State::Broken);
        let (allowed, which) = self.allowed();
        if self.taken.size().saturating_add(bytes.len() as u64) > allowed {
            self.taken.see(bytes);
            return Err(StoreError::TooLarge {
                allowed,
                which,
                head: self.taken.head(),
            });
        }
        self.file.write_all(bytes).on("write", &self.path)?;
        self.taken.add(bytes);
        self.state = before;
        if self.taken.size() >= next_note(self.noted) {
            self.note()?;
        }
        Ok(())
    }

    /// Checks the whole, makes it durable and names it by its digest. A blob that is there already is replaced by
    /// these, equal bytes, which mends a rotten one. Errors: [`StoreError::Mismatch`], after which the bytes are in
    /// quarantine, or what the file system says.
    pub fn finish(mut self) -> Result<Blob, StoreError> {
        let digest = self.verified().inspect_err(|error| self.set_aside(error))?;
        let sealed = self.file.set_mode(0o444).and_then(|()| self.file.sync());
        if sealed.is_err() {
            // What a failed sync leaves on the disk nobody knows.
            self.state = State::Broken;
        }
        sealed.on("make durable", &self.path)?;
        let (store, to) = (Arc::clone(&self.store), self.store.layout.blob(&digest));
        let mut blob = store.hold_blob(digest, || {
            store.disk.rename(&self.path, &to).on("rename a download to", &to)?;
            self.state = State::Gone;
            sync_dir(&*store.disk, &store.layout.blobs())?;
            Ok(self.taken.size())
        })?;
        blob.verified = fs::metadata(&to).ok().map(|meta| FileState::of(&meta));
        if let Some(md5) = self.download.expected.md5 {
            store.index_md5(&md5, &digest);
        }
        Ok(blob)
    }

    /// Gives the download up and removes what is here of it.
    pub fn discard(mut self) {
        self.state = State::Broken;
    }

    /// The number of all bytes, where it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.download.expected.size.or(self.known.size)
    }

    /// The bytes that may come, and whose figure that is.
    fn allowed(&self) -> (u64, &'static str) {
        match (self.download.expected.size, self.known.size) {
            (Some(size), _) => (size, "the declared size"),
            (None, Some(size)) => (size, "the announced size"),
            (None, None) => (self.store.limits.max_download, "the store's limit"),
        }
    }

    /// Notes what is here, so that a crash does not cost it. Not where nothing could be made of it.
    fn note(&mut self) -> Result<(), StoreError> {
        if self.taken.size() == self.noted || !self.known.resumable(&self.download.expected) {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.state, State::Broken);
        self.file.sync().on("sync", &self.path)?;
        let note = PartNote {
            source: self.download.source.clone(),
            expected: self.download.expected.clone(),
            known: self.known.clone(),
            taken: self.taken.size(),
            sha256: self.taken.sha256(),
        };
        self.store.put_note(&self.path, &note)?;
        self.noted = note.taken;
        self.state = before;
        Ok(())
    }
}

impl Drop for Ingest {
    /// An error here is of no use to anyone: what is left then is cleaned away when it is old, or swept by the next
    /// open.
    fn drop(&mut self) {
        let stays = self.state == State::Sound && self.note().is_ok() && self.noted > 0;
        let _ = match self.state {
            State::Gone => remove(&*self.store.disk, &note_of(&self.path)),
            State::Sound if stays => Ok(()),
            State::Sound | State::Broken => remove_part(&self.store, &self.path),
        };
    }
}

/// Removes a part, its note first: without one it is an orphan that the next open sweeps.
pub(crate) fn remove_part(store: &Inner, path: &Path) -> Result<(), StoreError> {
    remove(&*store.disk, &note_of(path))?;
    remove(&*store.disk, path)
}

#[cfg(test)]
mod tests;
