use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::durable::sync_dir;
use crate::error::{OnPath, head};
use crate::store::{Inner, remove};
use crate::{Blob, Digest, Md5, Store, StoreError};

/// What is known of a download before it arrives. Everything given must hold; nothing given means that whatever
/// arrives is taken under the digest it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The SHA-256 of the bytes.
    pub sha256: Option<Digest>,
    /// The MD5 of the bytes, as Baetyl's objects carry it.
    pub md5: Option<Md5>,
    /// The number of bytes.
    pub size: Option<u64>,
}

/// A download under way. Its bytes are hashed while they arrive; dropped before [`Ingest::finish`] succeeds, its file
/// is removed.
#[derive(Debug)]
pub struct Ingest {
    store: Arc<Inner>,
    expected: Expected,
    path: PathBuf,
    file: File,
    sha256: Sha256,
    md5: Option<md5::Md5>,
    size: u64,
    head: Vec<u8>,
    whole: bool,
}

impl Store {
    /// Begins to take a download. Errors: a declared size above the limit, or what the file system says.
    pub fn ingest(&self, expected: Expected) -> Result<Ingest, StoreError> {
        let most = self.0.limits.max_download;
        if let Some(declared) = expected.size.filter(|size| *size > most) {
            return Err(StoreError::DeclaredTooLarge { declared, limit: most });
        }
        let path = self.0.ingest_path();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .on("create", &path)?;
        Ok(Ingest {
            store: Arc::clone(&self.0),
            md5: expected.md5.map(|_| md5::Md5::new()),
            expected,
            path,
            file,
            sha256: Sha256::new(),
            size: 0,
            head: Vec::new(),
            whole: true,
        })
    }
}

impl Ingest {
    /// Takes the next bytes. Errors: [`StoreError::TooLarge`] at the first byte beyond the declared size or the limit,
    /// before anything of the piece is written, or what the file system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let before = std::mem::replace(&mut self.whole, false);
        let missing = 64_usize.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let (allowed, which) = match self.expected.size {
            Some(size) => (size, "the declared size"),
            None => (self.store.limits.max_download, "the store's limit"),
        };
        if self.size.saturating_add(bytes.len() as u64) > allowed {
            return Err(StoreError::TooLarge {
                allowed,
                which,
                head: head(&self.head),
            });
        }
        self.file.write_all(bytes).on("write", &self.path)?;
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.size += bytes.len() as u64;
        self.whole = before;
        Ok(())
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Checks the whole, makes it durable and names it by its digest. A blob that is there already is replaced by
    /// these, equal bytes, which mends a rotten one. Errors: [`StoreError::Mismatch`], or what the file system says;
    /// the file is gone then.
    pub fn finish(self) -> Result<Blob, StoreError> {
        let digest = self.verified()?;
        self.file
            .set_permissions(Permissions::from_mode(0o444))
            .on("set the mode of", &self.path)?;
        self.file.sync_all().on("sync", &self.path)?;
        self.store.hold_blob(digest, || {
            let to = self.store.blob_path(&digest);
            fs::rename(&self.path, &to).on("rename a download to", &to)?;
            sync_dir(&self.store.blobs())?;
            Ok(self.size)
        })
    }

    fn verified(&self) -> Result<Digest, StoreError> {
        if !self.whole {
            return Err(StoreError::Incomplete { size: self.size });
        }
        let found = Digest::from(self.sha256.clone());
        if let Some(size) = self.expected.size {
            self.check("size", &size, &self.size)?;
        }
        if let Some(sha256) = self.expected.sha256 {
            self.check("sha256", &sha256, &found)?;
        }
        if let (Some(md5), Some(hasher)) = (self.expected.md5, &self.md5) {
            self.check("md5", &md5, &Md5::from(hasher.clone()))?;
        }
        Ok(found)
    }

    fn check<T: PartialEq + ToString>(&self, what: &'static str, expected: &T, found: &T) -> Result<(), StoreError> {
        if expected == found {
            return Ok(());
        }
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(StoreError::Mismatch {
            what,
            expected,
            found,
            size: self.size,
            head: head(&self.head),
        })
    }
}

impl Drop for Ingest {
    /// After a finish the path is free already. An error here is of no use to anyone: the next open sweeps.
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::sandbox::{Sandbox, mode, names};

    const MD5_ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

    fn take(sandbox: &Sandbox, expected: Expected, bytes: &[u8]) -> Result<Blob, StoreError> {
        let mut ingest = sandbox.store().ingest(expected)?;
        bytes.chunks(2).try_for_each(|piece| ingest.write(piece))?;
        ingest.finish()
    }

    fn assert_empty(sandbox: &Sandbox) {
        assert!(names(&sandbox.root().join("ingest")).is_empty());
        assert!(names(&sandbox.root().join("blobs/sha256")).is_empty());
    }

    #[test]
    fn what_holds_in_everything_is_stored_read_only_under_its_digest() {
        let sandbox = Sandbox::new();
        let expected = Expected {
            sha256: Some(Digest::of(b"abc")),
            md5: Some(MD5_ABC.parse().unwrap()),
            size: Some(3),
        };
        let blob = take(&sandbox, expected, b"abc").unwrap();
        assert_eq!((blob.size(), blob.digest()), (3, &Digest::of(b"abc")));
        assert_eq!(fs::read(blob.path()).unwrap(), b"abc");
        assert_eq!(mode(blob.path()), 0o444);
        assert_eq!(
            blob.path(),
            sandbox.root().join("blobs/sha256").join(Digest::of(b"abc").to_string())
        );
        assert!(names(&sandbox.root().join("ingest")).is_empty());
    }

    #[test]
    fn without_any_digest_the_computed_one_is_answered() {
        let sandbox = Sandbox::new();
        let blob = take(&sandbox, Expected::default(), b"").unwrap();
        assert_eq!(blob.digest(), &Digest::of(b""));
    }

    #[test]
    fn a_wrong_sha256_is_refused_even_with_the_right_md5() {
        let sandbox = Sandbox::new();
        let wrong = Digest::of(b"abd");
        let expected = Expected {
            sha256: Some(wrong),
            md5: Some(MD5_ABC.parse().unwrap()),
            size: None,
        };
        let error = take(&sandbox, expected, b"abc").unwrap_err().to_string();
        for needed in ["sha256", &wrong.to_string(), &Digest::of(b"abc").to_string(), "\"abc\""] {
            assert!(error.contains(needed), "{error}");
        }
        assert_empty(&sandbox);
    }

    #[test]
    fn a_wrong_md5_is_refused_even_with_the_right_sha256() {
        let sandbox = Sandbox::new();
        let md5 = Some(MD5_ABC.replace('9', "8").parse().unwrap());
        let expected = Expected {
            sha256: Some(Digest::of(b"abc")),
            md5,
            size: None,
        };
        let error = take(&sandbox, expected, b"abc").unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { what: "md5", .. }), "{error}");
        assert_empty(&sandbox);
    }

    #[test]
    fn a_login_page_shows_itself_in_the_message_escaped_and_cut() {
        let sandbox = Sandbox::new();
        let page = format!("<html>\n\u{1b}{}", "x".repeat(100));
        let expected = Expected {
            sha256: Some(Digest::of(b"")),
            ..Expected::default()
        };
        let error = take(&sandbox, expected, page.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains(r"<html>\n\x1bxxx") && !error.contains(&"x".repeat(57)),
            "{error}"
        );
    }

    #[test]
    fn a_body_beyond_its_declared_size_is_cut_at_once() {
        let sandbox = Sandbox::new();
        let mut ingest = sandbox
            .store()
            .ingest(Expected {
                size: Some(3),
                ..Expected::default()
            })
            .unwrap();
        ingest.write(b"abc").unwrap();
        let error = ingest.write(b"d").unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { allowed: 3, .. }), "{error}");
        assert_eq!((ingest.size(), fs::metadata(&ingest.path).unwrap().len()), (3, 3));
        let error = ingest.finish().unwrap_err();
        assert!(
            matches!(error, StoreError::Incomplete { size: 3 }),
            "what was refused cannot be finished: {error}"
        );
        assert_empty(&sandbox);
    }

    #[test]
    fn a_download_with_a_piece_refused_stays_refused_though_a_later_piece_fits() {
        let sandbox = Sandbox::new();
        let mut ingest = sandbox
            .store()
            .ingest(Expected {
                size: Some(5),
                ..Expected::default()
            })
            .unwrap();
        ingest.write(b"abc").unwrap();
        ingest.write(b"too long").unwrap_err();
        ingest.write(b"de").unwrap();
        assert!(matches!(
            ingest.finish().unwrap_err(),
            StoreError::Incomplete { size: 5 }
        ));
        assert_empty(&sandbox);
    }

    #[test]
    fn a_body_short_of_its_declared_size_is_refused() {
        let sandbox = Sandbox::new();
        let error = take(
            &sandbox,
            Expected {
                size: Some(4),
                ..Expected::default()
            },
            b"abc",
        )
        .unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { what: "size", .. }), "{error}");
        assert_empty(&sandbox);
    }

    #[test]
    fn the_stores_limit_holds_for_declared_and_for_endless_bodies() {
        let sandbox = Sandbox::with(Limits {
            max_download: 3,
            ..Limits::default()
        });
        let error = take(&sandbox, Expected::default(), b"abcd").unwrap_err();
        assert!(error.to_string().contains("the store's limit"), "{error}");
        let declared = Expected {
            size: Some(4),
            ..Expected::default()
        };
        let error = sandbox.store().ingest(declared).unwrap_err();
        assert!(
            matches!(error, StoreError::DeclaredTooLarge { declared: 4, limit: 3 }),
            "{error}"
        );
        take(&sandbox, Expected::default(), b"abc").unwrap();
    }

    #[test]
    fn dropping_an_unfinished_download_leaves_nothing() {
        let sandbox = Sandbox::new();
        let mut ingest = sandbox.store().ingest(Expected::default()).unwrap();
        ingest.write(b"half").unwrap();
        drop(ingest);
        assert_empty(&sandbox);
    }

    #[test]
    fn taking_the_same_bytes_again_mends_a_rotten_blob() {
        let sandbox = Sandbox::new();
        let blob = sandbox.blob(b"abc");
        sandbox.overwrite(blob.path(), b"abx");
        assert_eq!(
            take(&sandbox, Expected::default(), b"abc").unwrap().digest(),
            blob.digest()
        );
        assert_eq!(fs::read(blob.path()).unwrap(), b"abc");
    }
}
