use std::io::{self, BufRead, BufReader, Read};

use crc32fast::Hasher;
use flate2::bufread::DeflateDecoder;
use zip::CompressionMethod;

use crate::Rule;

/// Packed bytes read at once.
const PACKED: usize = 1 << 15;

/// The bytes of a zip's entry, which at their end must have the checksum and must have used up the packed ones. The
/// crate's own reader stops where the deflate stream ends; what lies hidden behind it would be another entry for a
/// reader that goes by local headers.
pub(super) struct Content<R: Read> {
    bytes: Bytes<R>,
    packed: u64,
    crc: u32,
    sum: Hasher,
}

enum Bytes<R: Read> {
    Stored(R),
    Deflated(DeflateDecoder<BufReader<R>>),
}

impl<R: Read> Content<R> {
    /// The layout has refused every method but these two.
    pub(super) fn new(method: CompressionMethod, packed: u64, crc: u32, raw: R) -> Self {
        let bytes = match method {
            CompressionMethod::Deflated => {
                let capacity = PACKED.min(packed as usize).max(1);
                Bytes::Deflated(DeflateDecoder::new(BufReader::with_capacity(capacity, raw)))
            }
            _ => Bytes::Stored(raw),
        };
        Content {
            bytes,
            packed,
            crc,
            sum: Hasher::new(),
        }
    }

    /// What must hold at the end.
    fn check(&mut self) -> io::Result<()> {
        let (found, declared) = (self.sum.clone().finalize(), self.crc);
        if found != declared {
            return Err(broken(format!(
                "its checksum is {found:08x}, the directory says {declared:08x}"
            )));
        }
        if let Bytes::Deflated(inflate) = &mut self.bytes {
            let (used, packed) = (inflate.total_in(), self.packed);
            if used != packed || !inflate.get_mut().fill_buf()?.is_empty() {
                return Err(broken(format!(
                    "its compressed content ends after {used} of {packed} bytes"
                )));
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Content<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.bytes {
            Bytes::Stored(raw) => raw.read(into)?,
            Bytes::Deflated(inflate) => inflate.read(into)?,
        };
        self.sum.update(&into[..read]);
        if read == 0 && !into.is_empty() {
            self.check()?;
        }
        Ok(read)
    }
}

fn broken(detail: String) -> io::Error {
    io::Error::other(Rule::Broken { detail })
}
