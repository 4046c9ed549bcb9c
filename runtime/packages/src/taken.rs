use std::fmt;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::{Digest, Md5, error};

/// Bytes moved at once; on the stack, since most files of a package are small.
const CHUNK: usize = 1 << 15;

/// Bytes of a download that its errors show.
const HEAD: usize = 64;

/// What is known of the bytes of a download that are here: hashed as they come.
#[derive(Clone)]
pub(crate) struct Taken {
    sha256: Sha256,
    md5: Option<md5::Md5>,
    size: u64,
    head: Vec<u8>,
}

impl Taken {
    /// Nothing yet. The MD5 is computed only where somebody asks for it.
    pub(crate) fn new(with_md5: bool) -> Self {
        Taken {
            sha256: Sha256::new(),
            md5: with_md5.then(md5::Md5::new),
            size: 0,
            head: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.see(bytes);
        self.sha256.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Keeps the first bytes for the errors, also of a piece that is refused.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
    }

    /// Reads to the end and adds what is read.
    pub(crate) fn add_all(&mut self, from: impl Read) -> io::Result<()> {
        each_piece(from, |bytes| {
            self.add(bytes);
            Ok(())
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn sha256(&self) -> Digest {
        self.sha256.clone().into()
    }

    pub(crate) fn md5(&self) -> Option<Md5> {
        self.md5.clone().map(Md5::from)
    }

    /// The first bytes, escaped.
    pub(crate) fn head(&self) -> String {
        error::head(&self.head)
    }
}

/// Reads to the end and hands each piece on.
pub(crate) fn each_piece(mut from: impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&chunk[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
