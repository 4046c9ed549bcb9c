use std::io::{self, Read};

use md5::Digest as _;

use crate::taken::{Taken, each_piece};
use crate::{Digest, Md5, SNIFFED, Unpack, sniff};

/// What a file is by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The archive that its first bytes announce.
    pub kind: Unpack,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: Digest,
    /// MD5 of them, as Baetyl gives it.
    pub md5: Md5,
}

impl Identity {
    /// Reads to the end.
    pub fn of(from: impl Read) -> io::Result<Self> {
        let (mut taken, mut md5, mut head) = (Taken::new(false), md5::Md5::new(), Vec::new());
        each_piece(from, |bytes| {
            taken.add(bytes);
            md5.update(bytes);
            head.extend(bytes.iter().take(SNIFFED - head.len()));
            Ok(())
        })?;
        Ok(Self {
            kind: sniff(&head),
            size: taken.size(),
            sha256: taken.sha256(),
            md5: md5.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_bytes() {
        let of = |bytes: &[u8]| Identity::of(bytes).unwrap();
        let abc = of(b"abc");
        assert_eq!((abc.kind, abc.size), (Unpack::None, 3));
        // FIPS 180-2, appendix B.1, and RFC 1321, appendix A.5.
        assert!(abc.sha256.to_string().starts_with("ba7816bf8f01cfea"));
        assert_eq!(abc.md5.to_string(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(of(b"\x1f\x8b\x08").kind, Unpack::TarGz);
        // A tar's mark stands at the end of what is looked at, and more follows.
        let tar = crate::sandbox::tar(&[("f", &[7; 4 * SNIFFED], b'0', 0o644)]);
        assert_eq!((of(&tar).kind, of(&tar).size), (Unpack::Tar, tar.len() as u64));
    }
}
