use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::taken::Taken;

/// A SHA-256 of a file's bytes: the name of a blob. Written and parsed as 64 hex digits, either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// The bytes of the digest itself.
    pub const fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The digest of a whole open file, wherever it was read to, and without moving it.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let mut taken = Taken::new(false);
        taken.add_all(FromStart { file, at: 0 })?;
        Ok(taken.sha256())
    }
}

/// Reads an open file from its start and leaves its own position where it is.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl From<Sha256> for Digest {
    fn from(hasher: Sha256) -> Self {
        Digest(hasher.finalize().into())
    }
}

/// An MD5 of a file's bytes, known only because Baetyl's objects carry one. It is checked when given and names
/// nothing. Written and parsed as 32 hex digits, either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Md5([u8; 16]);

impl From<md5::Md5> for Md5 {
    fn from(hasher: md5::Md5) -> Self {
        Md5(hasher.finalize().into())
    }
}

/// How a digest is written and parsed.
macro_rules! hex_text {
    ($name:ident, $kind:literal, $digits:literal) => {
        impl TryFrom<String> for $name {
            type Error = StoreError;

            fn try_from(text: String) -> Result<Self, StoreError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(text: &str) -> Result<Self, StoreError> {
                parse_hex(text)
                    .map($name)
                    .ok_or_else(|| StoreError::bad_digest($kind, $digits, text))
            }
        }
    };
}

hex_text!(Digest, "sha256", 64);
hex_text!(Md5, "md5", 32);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Seek;

    // FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_reads_what_it_writes_in_either_case() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        assert_eq!(ABC.to_uppercase().parse::<Digest>().unwrap(), Digest::of(b"abc"));
    }

    #[test]
    fn an_md5_reads_what_it_writes() {
        // RFC 1321, appendix A.5.
        let text = "900150983cd24fb0d6963f7d28e17f72";
        let mut hasher = md5::Md5::new();
        hasher.update(b"abc");
        assert_eq!(Md5::from(hasher), text.parse().unwrap());
        assert_eq!(text.parse::<Md5>().unwrap().to_string(), text);
    }

    #[test]
    fn text_that_is_no_digest_is_named_with_the_form_wanted() {
        for text in [
            "",
            "12",
            &ABC[1..],
            &format!("{ABC}0"),
            &ABC.replace('b', "g"),
            &"é".repeat(32),
        ] {
            let message = text.parse::<Digest>().unwrap_err().to_string();
            assert!(message.contains("64 hex digits") && message.contains(text), "{message}");
        }
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes_wherever_it_was_read_to() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), b"abc").unwrap();
        let mut file = File::open(path.path()).unwrap();
        file.seek(io::SeekFrom::End(0)).unwrap();
        assert_eq!(Digest::of_file(&file).unwrap().to_string(), ABC);
        assert_eq!(file.stream_position().unwrap(), 3);
    }
}
