//! Hears when programs are born, from themselves.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Birth {
    pub(crate) name: String,
    pub(crate) pid: i32,
    pub(crate) at: Instant,
}

pub(crate) struct Births {
    folder: TempDir,
    heard: Receiver<Birth>,
}

impl Births {
    pub(crate) fn listen() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let socket = UnixDatagram::bind(folder.path().join("births")).unwrap();
        let (tell, heard) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 128];
            while let Ok(length) = socket.recv(&mut bytes) {
                let at = Instant::now();
                let text = String::from_utf8_lossy(&bytes[..length]);
                let (name, pid) = text.split_once(' ').unwrap();
                let (name, pid) = (name.to_owned(), pid.parse().unwrap());
                if tell.send(Birth { name, pid, at }).is_err() {
                    break;
                }
            }
        });
        Self { folder, heard }
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::join(self.folder.path(), "births")
    }

    pub(crate) fn next(&self) -> Birth {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    /// The next birth of this name.
    pub(crate) fn of(&self, name: &str) -> Birth {
        loop {
            let birth = self.next();
            if birth.name == name {
                return birth;
            }
        }
    }

    /// So many births, by name, and when the last one was.
    pub(crate) fn all(&self, count: usize) -> (BTreeMap<String, i32>, Instant) {
        let births: Vec<_> = (0..count).map(|_| self.next()).collect();
        let last = births.iter().map(|birth| birth.at).max().unwrap_or_else(Instant::now);
        (births.into_iter().map(|birth| (birth.name, birth.pid)).collect(), last)
    }

    /// How many are born until then.
    pub(crate) fn count_until(&self, end: Instant) -> usize {
        let mut count = 0;
        loop {
            match self.heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => count += 1,
                Err(RecvTimeoutError::Timeout) => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
