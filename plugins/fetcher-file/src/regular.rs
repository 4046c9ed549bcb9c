//! One regular file being read.

use crate::state::State;
use aerolith_plugin::{Bytes, Code, Error, Result, Stream};
use rustix::fs::OFlags;
use std::fs::Metadata;
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes of one piece.
pub(crate) const PIECE: usize = 256 * 1024;

/// An open file, and what it was when it was opened.
pub(crate) struct Regular {
    path: PathBuf,
    file: File,
    opened: State,
}

impl Regular {
    /// Opens what was met as a regular file; links are followed.
    pub(crate) async fn open(path: PathBuf) -> Result<Self> {
        Self::open_with(path, OFlags::empty()).await
    }

    /// Opens what was listed as a regular file, not as a link to one.
    pub(crate) async fn open_itself(path: PathBuf) -> Result<Self> {
        Self::open_with(path, OFlags::NOFOLLOW).await
    }

    /// Should it be a pipe by now, the opening does not wait.
    async fn open_with(path: PathBuf, flags: OFlags) -> Result<Self> {
        let flags = (flags | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path).await;
        let file = file.map_err(|e| failed(&path, &e))?;
        let met = file.metadata().await.map_err(|e| failed(&path, &e))?;
        if !met.is_file() {
            return Err(changed(&path));
        }
        let opened = state(&met);
        Ok(Self { path, file, opened })
    }

    pub(crate) fn state(&self) -> State {
        self.opened.clone()
    }

    /// Delivers the bytes from `offset` to the end. Answers how many.
    pub(crate) async fn deliver(mut self, offset: u64, into: &Stream<Bytes>) -> Result<u64> {
        let size = self.opened.size;
        self.file.set_max_buf_size(PIECE);
        self.file
            .seek(SeekFrom::Start(offset))
            .await
            .map_err(|e| failed(&self.path, &e))?;
        let mut left = size - offset;
        while left > 0 {
            let piece = self.piece(left).await?;
            left -= piece.len() as u64;
            into.write_raw(piece).await?;
        }
        let now = self.file.metadata().await.map_err(|e| failed(&self.path, &e))?;
        if state(&now) == self.opened {
            Ok(size - offset)
        } else {
            Err(changed(&self.path))
        }
    }

    async fn piece(&mut self, left: u64) -> Result<Vec<u8>> {
        let length = left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(PIECE));
        (&mut self.file)
            .take(length)
            .read_to_end(&mut piece)
            .await
            .map_err(|e| failed(&self.path, &e))?;
        if piece.is_empty() {
            Err(changed(&self.path))
        } else {
            Ok(piece)
        }
    }
}

/// Size, and time of the last change as an entity tag.
pub(crate) fn state(file: &Metadata) -> State {
    let size = file.len();
    let etag = format!("\"{}.{:09}-{size}\"", file.mtime(), file.mtime_nsec());
    State { size, etag }
}

/// The error of something that is another by now.
pub(crate) fn changed(path: &Path) -> Error {
    Error::io(format!(
        "`{}` changed while it was read; fetch it again once it is complete",
        path.display()
    ))
}

pub(crate) fn failed(path: &Path, e: &std::io::Error) -> Error {
    let code = match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Code::NotFound,
        ErrorKind::PermissionDenied => Code::Denied,
        _ => Code::Io,
    };
    Error::new(code, format!("reading `{}`: {e}", path.display()))
}
