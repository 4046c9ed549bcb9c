//! One regular file being read. Opening and reading run on the runtime's blocking threads.

use aerolith_plugin::wire::fetcher::{Fetch, Head, Validator};
use aerolith_plugin::{Bytes, Code, Error, Result, Stream};
use std::fs::Metadata;
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes of one piece.
pub(crate) const PIECE: usize = 256 * 1024;

/// An open file, and what it was when it was opened.
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    size: u64,
    validator: Validator,
}

impl Source {
    /// Opens a regular file; links are followed. Anything else is refused before it is opened, for opening a device or
    /// a pipe may do something or wait.
    pub(crate) async fn open(path: PathBuf) -> Result<Self> {
        let met = fs::metadata(&path).await.map_err(|e| failed(&path, &e))?;
        if !met.is_file() {
            let found = if met.is_dir() {
                "a directory"
            } else {
                "a device, pipe or socket"
            };
            return Err(Error::invalid(format!(
                "`{}` is {found}: expected a regular file",
                path.display()
            )));
        }
        let file = File::open(&path).await.map_err(|e| failed(&path, &e))?;
        let opened = file.metadata().await.map_err(|e| failed(&path, &e))?;
        Ok(Self {
            path,
            file,
            size: opened.len(),
            validator: validator(&opened),
        })
    }

    /// Goes on behind the bytes already here if the file can still be the one that they came from.
    pub(crate) fn head(&self, request: &Fetch) -> Head {
        let same = request.validator == Validator::default() || request.validator == self.validator;
        let offset = if same && request.offset <= self.size {
            request.offset
        } else {
            0
        };
        Head {
            offset,
            size: Some(self.size),
            validator: self.validator.clone(),
            ..Head::default()
        }
    }

    /// Delivers the bytes from `offset` to the end. Answers how many.
    pub(crate) async fn deliver(mut self, offset: u64, into: &Stream<Bytes>) -> Result<u64> {
        self.file.set_max_buf_size(PIECE);
        self.file
            .seek(SeekFrom::Start(offset))
            .await
            .map_err(|e| failed(&self.path, &e))?;
        let mut left = self.size - offset;
        while left > 0 {
            let piece = self.piece(left).await?;
            left -= piece.len() as u64;
            into.write_raw(piece).await?;
        }
        self.unchanged().await?;
        Ok(self.size - offset)
    }

    async fn piece(&mut self, left: u64) -> Result<Vec<u8>> {
        let length = left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(PIECE);
        (&mut self.file)
            .take(length)
            .read_to_end(&mut piece)
            .await
            .map_err(|e| failed(&self.path, &e))?;
        if piece.is_empty() {
            Err(self.changed())
        } else {
            Ok(piece)
        }
    }

    async fn unchanged(&self) -> Result<()> {
        let now = self.file.metadata().await.map_err(|e| failed(&self.path, &e))?;
        if validator(&now) == self.validator {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    fn changed(&self) -> Error {
        Error::io(format!(
            "`{}` changed while it was read; fetch it again once it is complete",
            self.path.display()
        ))
    }
}

/// Time of the last change and size, as an entity tag.
fn validator(file: &Metadata) -> Validator {
    let etag = format!("\"{}.{:09}-{}\"", file.mtime(), file.mtime_nsec(), file.len());
    Validator {
        etag: Some(etag),
        last_modified: None,
    }
}

fn failed(path: &std::path::Path, e: &std::io::Error) -> Error {
    let code = match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Code::NotFound,
        ErrorKind::PermissionDenied => Code::Denied,
        _ => Code::Io,
    };
    Error::new(code, format!("reading `{}`: {e}", path.display()))
}
