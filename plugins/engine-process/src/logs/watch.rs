//! Waits for a file to grow, to be cut or to be replaced (inotify(7)); nothing runs in between.

use crate::readable::readable;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::fs::File;
use std::io;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a file and the folder in which its name stands.
pub(crate) struct Watch {
    events: AsyncFd<OwnedFd>,
    file: i32,
}

impl Watch {
    /// Watches from now on: what was changed before must be looked for once.
    ///
    /// # Errors
    /// When the user has no watches left, or the folder cannot be read.
    pub(crate) fn new(path: &Path, file: &File) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        inotify::add_watch(
            &events,
            folder,
            WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR,
        )?;
        let file = add(&events, file)?;
        Ok(Self {
            events: readable(events)?,
            file,
        })
    }

    /// Watches another file instead.
    ///
    /// # Errors
    /// As [`Watch::new`].
    pub(crate) fn turn_to(&mut self, file: &File) -> io::Result<()> {
        // A file that was deleted has lost its watch already.
        let _ = inotify::remove_watch(self.events.get_ref(), self.file);
        self.file = add(self.events.get_ref(), file)?;
        Ok(())
    }

    /// Ready when something has changed since it was asked last.
    ///
    /// # Errors
    /// When the system fails to read the events.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        self.events
            .async_io(Interest::READABLE, |events| Ok(rustix::io::read(events, &mut buffer)?))
            .await
            .map(|_| ())
    }
}

/// By descriptor, so that it is this very file, whatever its name is by now.
fn add(events: &OwnedFd, file: &File) -> io::Result<i32> {
    Ok(inotify::add_watch(
        events,
        format!("/proc/self/fd/{}", file.as_raw_fd()),
        WatchFlags::MODIFY,
    )?)
}
