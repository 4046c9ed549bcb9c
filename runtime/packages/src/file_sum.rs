//! What the store notes of a file of its trees, and compares with nothing but its own notes.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use crate::taken::each_piece;

/// A file by its bytes. By BLAKE3, not by the SHA-256 of downloads: nobody else has to know it, and it costs a fourth of
/// the time where the processor knows SHA-256 and far less where it does not, such as on a Raspberry Pi 4. It is taken
/// whenever a package is unpacked, copied, looked through or started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileSum {
    #[serde(with = "hex")]
    blake3: blake3::Hash,
    pub(crate) size: u64,
    pub(crate) executable: bool,
}

/// The sum of bytes that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Summing {
    hasher: blake3::Hasher,
    size: u64,
}

impl Summing {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(crate) fn end(&self, executable: bool) -> FileSum {
        FileSum {
            blake3: self.hasher.finalize(),
            size: self.size,
            executable,
        }
    }
}

impl FileSum {
    /// Of an open file.
    pub(crate) fn of(file: &mut File, executable: bool) -> io::Result<Self> {
        let mut summing = Summing::default();
        each_piece(file, |bytes| {
            summing.add(bytes);
            Ok(())
        })?;
        Ok(summing.end(executable))
    }

    /// The same bytes, executable or not.
    pub(crate) fn with_mode(&self, executable: bool) -> Self {
        FileSum {
            executable,
            ..self.clone()
        }
    }

    /// What distinguishes a file from this one.
    pub(crate) fn flaw(&self, found: &FileSum) -> Option<&'static str> {
        if (self.blake3, self.size) != (found.blake3, found.size) {
            Some("has other bytes")
        } else if self.executable && !found.executable {
            Some("is not executable any more")
        } else if self.executable == found.executable {
            None
        } else {
            Some("has become executable")
        }
    }
}

/// A hash as 64 hexadecimal digits.
mod hex {
    use blake3::Hash;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        hash.to_hex().as_str().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        Hash::from_hex(text.as_bytes()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_in_whatever_pieces_the_bytes_come_and_reads_back() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut pieces = Summing::default();
        bytes.chunks(777).for_each(|piece| pieces.add(piece));
        let mut whole = Summing::default();
        whole.add(&bytes);
        assert_eq!(pieces.end(true), whole.end(true));
        let text = serde_json::to_string(&whole.end(true)).unwrap();
        assert_eq!(serde_json::from_str::<FileSum>(&text).unwrap(), whole.end(true));
        let torn = text.replacen(&text[11..15], "zz", 1);
        assert!(serde_json::from_str::<FileSum>(&torn).is_err(), "{torn}");
    }

    #[test]
    fn the_hash_is_blake3() {
        // Of nothing, as the test vectors of the BLAKE3 team have it.
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(Summing::default().end(false).blake3.to_hex().as_str(), empty);
    }
}
