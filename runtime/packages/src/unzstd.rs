use std::fs::File;
use std::io::{self, BufReader, Read};

use zstd::stream::read::Decoder;

use crate::Rule;

/// The largest window, as its logarithm: 8 MiB, which RFC 8878 3.1.1.1.2 recommends every decoder to support and which
/// every level of `zstd` up to 19 keeps to. `--ultra` and `--long` ask for up to 2 GiB of memory.
const WINDOW_LOG: u32 = 23;

/// The content of a Zstandard file, one frame or several, read with the memory of one window.
pub(crate) struct Unzstd(Decoder<'static, BufReader<File>>);

impl Unzstd {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let mut decoder = Decoder::new(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(Unzstd(decoder))
    }
}

impl Read for Unzstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            // The library gives its errors as text only.
            if error.to_string().contains("too much memory") {
                io::Error::other(Rule::WindowTooLarge { limit: 1 << WINDOW_LOG })
            } else {
                error
            }
        })
    }
}
