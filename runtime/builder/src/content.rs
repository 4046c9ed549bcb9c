//! What a file is by its bytes.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aerolith_packages::{SNIFFED, Unpack, sniff};
use sha2::{Digest as _, Sha256};

use crate::tree::{On as _, TreeError};

/// A file by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The archive that its first bytes announce.
    pub kind: Unpack,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: aerolith_packages::Digest,
    /// MD5 of them, as Baetyl gives it.
    pub md5: aerolith_packages::Md5,
}

/// Bytes read at once.
const PIECE: usize = 1 << 16;

impl Content {
    /// Reads a file to its end.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(path: &Path) -> Result<Self, TreeError> {
        let mut file = File::open(path).on(path)?;
        let (mut sha256, mut md5, mut size) = (Sha256::new(), md5::Md5::new(), 0);
        let (mut head, mut piece) = (Vec::with_capacity(SNIFFED), vec![0; PIECE]);
        loop {
            let count = file.read(&mut piece).on(path)?;
            let bytes = &piece[..count];
            if bytes.is_empty() {
                break;
            }
            let missing = SNIFFED - head.len();
            head.extend(bytes.iter().take(missing));
            sha256.update(bytes);
            md5.update(bytes);
            size += count as u64;
        }
        Ok(Self {
            kind: sniff(&head),
            size,
            sha256: sha256.into(),
            md5: md5.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_bytes_and_not_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        std::fs::write(&path, "abc").unwrap();
        let content = Content::of(&path).unwrap();
        assert_eq!((content.kind, content.size), (Unpack::None, 3));
        // FIPS 180-2, appendix B.1, and RFC 1321, appendix A.5.
        assert!(content.sha256.to_string().starts_with("ba7816bf8f01cfea"));
        assert_eq!(content.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        std::fs::write(&path, b"\x1f\x8b\x08").unwrap();
        assert_eq!(Content::of(&path).unwrap().kind, Unpack::TarGz);
    }
}
