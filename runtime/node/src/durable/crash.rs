//! A disk that fails at a chosen step, once or from then on, as at the end of the process; one that hangs; and one of which
//! is known what it has if the power is cut then.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use power::{Model, Node};
use tokio::sync::oneshot;

use super::Change;

thread_local! {
    /// Steps that still work, and how many of those after them fail.
    static ARMED: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    /// What the disk below a folder has.
    static DISK: RefCell<Option<Disk>> = const { RefCell::new(None) };
}

/// The folders below which a sync is to hang, on whichever thread.
static HANGS: Mutex<Vec<Hang>> = Mutex::new(Vec::new());
/// So long a sync hangs: a test that waits for it fails, and does not hang too.
const LONGEST: Duration = Duration::from_secs(20);

struct Hang {
    folder: PathBuf,
    begun: oneshot::Sender<()>,
    end: Receiver<()>,
}

struct Disk {
    root: PathBuf,
    model: Model,
    syncs: Syncs,
}

/// What is made durable. A disk that does too little is there to see whether the tests notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    Work,
    /// Those of files, but not those of the names in folders.
    OfFilesAlone,
    Lie,
}

/// Lets this thread's next steps work, and then so many fail.
pub(crate) fn after(works: usize, fails: usize) {
    ARMED.set(Some((works, fails)));
}

/// Lets every step work again, and answers whether one failed.
pub(crate) fn disarm(fails: usize) -> bool {
    ARMED.take().is_some_and(|(works, left)| works == 0 && left < fails)
}

/// Lets the next sync below a folder hang, which is told, until the other end is dropped.
pub(crate) fn hang(folder: &Path) -> (oneshot::Receiver<()>, Sender<()>) {
    let ((begun, told), (release, end)) = (oneshot::channel(), channel());
    let folder = folder.to_owned();
    HANGS.lock().unwrap().push(Hang { folder, begun, end });
    (told, release)
}

fn maybe_hang(path: &Path) {
    let hang = {
        let mut all = HANGS.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|hang| path.starts_with(&hang.folder));
        at.map(|at| all.remove(at))
    };
    if let Some(Hang { begun, end, .. }) = hang {
        // Who hangs it may be gone.
        let _ = begun.send(());
        let _ = end.recv_timeout(LONGEST);
    }
}

/// Keeps account of what is durable of a folder, in which everything is now.
pub(crate) fn watch(folder: &Path, syncs: Syncs) {
    let (root, model) = (folder.to_owned(), Model::of(folder));
    DISK.set(Some(Disk { root, model, syncs }));
}

/// What there is of the folder since.
pub(crate) fn watched() -> Model {
    DISK.take().unwrap().model
}

pub(super) fn step<T>(change: Change<'_>, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if let Change::Sync(path) = change {
        maybe_hang(path);
    }
    let (armed, result) = match ARMED.get() {
        Some((0, fails)) if fails > 0 => (Some((0, fails - 1)), Err(io::Error::other("the disk is gone"))),
        Some((works, fails)) if works > 0 => (Some((works - 1, fails)), Ok(())),
        armed => (armed, Ok(())),
    };
    ARMED.set(armed);
    let made = result.and_then(|()| make())?;
    DISK.with_borrow_mut(|disk| {
        if let Some(disk) = disk {
            disk.note(change);
        }
    });
    Ok(made)
}

impl Disk {
    fn note(&mut self, change: Change<'_>) {
        let (root, model) = (&self.root, &mut self.model);
        let within = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
        match change {
            Change::Create(path, mode) => model.add(&within(path), Node::file(mode)),
            Change::Write(path, bytes) => model.write(model.at(&within(path)), 0, bytes),
            Change::Sync(path) => {
                let node = model.at(&within(path));
                let is_done = match self.syncs {
                    Syncs::Work => true,
                    Syncs::OfFilesAlone => !model.is_folder(node),
                    Syncs::Lie => false,
                };
                if is_done {
                    model.sync(node);
                }
            }
            Change::Rename(from, to) => model.rename(&within(from), &within(to)),
            Change::Remove(path) => model.remove(&within(path)),
            Change::Folder(path) => make_folders(model, &within(path)),
        }
    }
}

fn make_folders(model: &mut Model, path: &Path) {
    let mut made = PathBuf::new();
    for name in path {
        made.push(name);
        if !model.has(&made) {
            model.add(&made, Node::folder(0o700));
        }
    }
}
