use std::fs::{File, OpenOptions};
use std::io::{Read, Write};

use rustix::fs::FlockOperation;

use crate::StoreError;
use crate::error::{OnPath, escape};
use crate::layout::Layout;

/// Takes the root's lock and notes who holds it. The system gives it back when the process ends, however it ends.
pub(crate) fn take(layout: &Layout) -> Result<File, StoreError> {
    let path = layout.lock();
    let mut writing = OpenOptions::new();
    let writing = writing.write(true).create(true).truncate(false).open(&path);
    let mut note = writing.on("open", &path)?;
    // Held for reading only, so that the store never keeps its disk from being remounted.
    let file = File::open(&path).on("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            file.take(32).read_to_string(&mut pid).on("read", &path)?;
            let holder = match pid.trim() {
                "" => "another process".to_owned(),
                pid => format!("process {}", escape(pid)),
            };
            return Err(StoreError::Locked {
                root: layout.root().to_owned(),
                holder,
            });
        }
        Err(error) => return Err(error).on("lock", &path),
    }
    note.set_len(0)
        .and_then(|()| writeln!(note, "{}", std::process::id()))
        .on("write", &path)?;
    Ok(file)
}
