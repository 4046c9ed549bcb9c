//! Delivers an instance's output: what the file holds, then what is appended.

mod tail;
mod watch;

use aerolith_plugin::wire::engine::Logs;
use aerolith_plugin::{Bytes, Code, Error, Result, Stream};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use watch::Watch;

/// Bytes of one item.
const CHUNK: usize = 64 * 1024;

/// Writes the output into the stream; with `follow` until the reader or the call goes away.
///
/// # Errors
/// When there is no such file, it cannot be read or watched, or nobody reads any more.
pub(crate) async fn deliver(request: Logs, into: &Stream<Bytes>) -> Result<()> {
    let path = PathBuf::from(request.output);
    let failed = |e: io::Error| {
        let code = if e.kind() == io::ErrorKind::NotFound {
            Code::NotFound
        } else {
            Code::Io
        };
        Error::new(code, format!("output {}: {e}", path.display()))
    };
    let mut reader = Reader::open(&path, request.tail).map_err(failed)?;
    let mut watch = match request.follow {
        true => Some(Watch::new(&path, &reader.file).map_err(failed)?),
        false => None,
    };
    loop {
        while let Some(chunk) = reader.next().map_err(failed)? {
            into.write_raw(chunk).await?;
        }
        let Some(watch) = &mut watch else { return Ok(()) };
        match reader.successor(&path).map_err(failed)? {
            Some(file) => {
                watch.turn_to(&file).map_err(failed)?;
                reader = Reader { file, position: 0 };
            }
            None => watch.changed().await.map_err(failed)?,
        }
    }
}

/// Reads a file that grows, is cut, or is replaced by another of its name.
struct Reader {
    file: File,
    position: u64,
}

impl Reader {
    fn open(path: &Path, tail: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let position = match tail {
            Some(lines) => tail::start(file.metadata()?.len(), lines, |buffer, at| {
                file.read_exact_at(buffer, at)
            })?,
            None => 0,
        };
        Ok(Self { file, position })
    }

    /// The next bytes, nothing at the end. A file that became shorter was cut: it is read from its beginning.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.file.metadata()?.len() < self.position {
            self.position = 0;
        }
        let mut chunk = vec![0; CHUNK];
        let count = self.file.read_at(&mut chunk, self.position)?;
        chunk.truncate(count);
        self.position += count as u64;
        Ok((count > 0).then_some(chunk))
    }

    /// The file that has taken the name since; nothing while it is this one's, or nobody's.
    fn successor(&self, path: &Path) -> io::Result<Option<File>> {
        let own = self.file.metadata()?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) != (own.dev(), own.ino()) => File::open(path).map(Some),
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(None),
        }
    }
}
