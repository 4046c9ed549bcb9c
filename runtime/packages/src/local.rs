use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::OnPath;
use crate::{Blob, Download, Expected, Store, StoreError};

/// Bytes of a file read at once.
const PIECE: usize = 1 << 16;

impl Store {
    /// Takes a file that this machine has already, as if it had been downloaded: a copy of it, with all that is expected
    /// of it checked. Errors: as those of [`Store::ingest`](crate::Store::ingest) and
    /// [`Ingest::finish`](crate::Ingest::finish), or that the file cannot be read. Nothing of it is kept then, but for
    /// what is in quarantine.
    pub fn take(&self, file: &Path, expected: Expected) -> Result<Blob, StoreError> {
        let source = file.display().to_string();
        let download = Download {
            key: source.clone(),
            source,
            expected,
        };
        let mut from = File::open(file).on("open", file)?;
        let mut ingest = self.ingest(download)?;
        let mut piece = vec![0; PIECE];
        loop {
            match from.read(&mut piece).on("read", file) {
                Ok(0) => return ingest.finish(),
                Ok(count) => ingest.write(&piece[..count])?,
                Err(error) => {
                    ingest.discard();
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::sandbox::Sandbox;

    #[test]
    fn a_file_at_hand_is_held_to_what_is_expected_of_it() {
        let sandbox = Sandbox::new();
        let store = sandbox.store();
        let file = tempfile::NamedTempFile::new().unwrap();
        let content = vec![7; PIECE + 1];
        std::fs::write(file.path(), &content).unwrap();
        let blob = store.take(file.path(), Expected::default()).unwrap();
        assert_eq!(
            (blob.size(), *blob.digest()),
            (content.len() as u64, Digest::of(&content))
        );
        assert_eq!(std::fs::read(blob.path()).unwrap(), content);
        let other = Expected {
            sha256: Some(Digest::of(b"other")),
            ..Expected::default()
        };
        let error = store.take(file.path(), other).unwrap_err();
        assert!(matches!(error, StoreError::Mismatch { what: "sha256", .. }), "{error}");
        let error = store
            .take(Path::new("/nowhere/a.zip"), Expected::default())
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/a.zip"), "{error}");
    }
}
