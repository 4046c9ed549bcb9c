//! A machine with a disk that fails when it is told to, whose power can be cut.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use power::{Model, Node};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::disk::{Disk, OsDisk, Writing};

/// Bytes that a name costs on a disk that can be full.
const EACH: u64 = 512;

/// What is wrong with a disk. Steps are counted from 1, beginning when the fault is set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// This step fails with EIO, and no other.
    Once(u64),
    /// Nothing happens any more from this change on.
    Off(u64),
    /// So many bytes fit on it, though it says that more are free.
    Full(u64),
    /// It says that so many bytes are free.
    Free(u64),
}

/// What a sync does. One that does too little is there to see whether the tests notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    Works,
    /// It makes files durable, but not the names in folders.
    FilesOnly,
    Lies,
}

/// Whether a file can take over the bytes of another. The machine copies them, in one step that is never refused for want of space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Works,
    Unknown,
}

/// A disk that keeps what is written to it in a real folder, and in a model that knows what of it is durable.
#[derive(Debug)]
pub(crate) struct Machine {
    dir: TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    model: Model,
    fault: Fault,
    steps: u64,
    sync: Sync,
    sharing: Sharing,
    /// Whether something was refused because the disk is full.
    was_full: bool,
}

/// A folder in memory, where there is a place for that.
pub(crate) fn in_memory() -> TempDir {
    let shm = Some(Path::new("/dev/shm")).filter(|shm| shm.is_dir());
    tempfile::tempdir_in(shm.unwrap_or(&std::env::temp_dir())).unwrap()
}

impl Machine {
    /// A new one with an empty folder `outside`, beside which a store may be made.
    pub(crate) fn new(sharing: Sharing) -> Arc<Self> {
        let machine = Self::with(Model::new(), Sync::Works, sharing);
        machine.create_dir(&machine.path().join("outside"), 0o755).unwrap();
        machine.twin(Sync::Works)
    }

    fn with(model: Model, sync: Sync, sharing: Sharing) -> Arc<Self> {
        let dir = in_memory();
        model.build(dir.path());
        let state = State {
            model,
            fault: Fault::None,
            steps: 0,
            sync,
            sharing,
            was_full: false,
        };
        Arc::new(Machine {
            dir,
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// The root of its file system.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn set(&self, fault: Fault) {
        let mut state = self.state();
        (state.fault, state.steps, state.was_full) = (fault, 0, false);
    }

    /// Whether the fault has shown itself.
    pub(crate) fn failed(&self) -> bool {
        let state = self.state();
        match state.fault {
            Fault::Once(at) | Fault::Off(at) => state.steps >= at,
            Fault::Full(_) => state.was_full,
            Fault::None | Fault::Free(_) => false,
        }
    }

    /// Makes everything that it has in an empty folder.
    pub(crate) fn copy_to(&self, folder: &Path) {
        self.state().model.build(folder);
    }

    /// Bytes that are in use.
    pub(crate) fn used(&self) -> u64 {
        self.state().model.used(EACH)
    }

    /// Another machine in the same state, all of it durable.
    pub(crate) fn twin(&self, sync: Sync) -> Arc<Self> {
        let (mut model, sharing) = {
            let state = self.state();
            (state.model.clone(), state.sharing)
        };
        model.settle();
        Self::with(model, sync, sharing)
    }

    /// A machine that has what a power cut now may leave of this one.
    pub(crate) fn after_cut(&self, random: &mut Rng) -> Arc<Self> {
        let state = self.state();
        Self::with(state.model.after_cut(random), state.sync, state.sharing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn inside<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.path()).unwrap()
    }

    /// Takes one step on the real folder and, when that is done, in the model.
    fn step<T>(
        &self,
        room: u64,
        real: impl FnOnce() -> io::Result<T>,
        model: impl FnOnce(&mut State),
    ) -> io::Result<T> {
        let mut state = self.state();
        state.change()?;
        state.takes(room)?;
        let done = real()?;
        model(&mut state);
        Ok(done)
    }

    fn pen(&self, file: Box<dyn Writing>, path: &Path, at: u64) -> Box<dyn Writing> {
        Box::new(Pen {
            file,
            state: Arc::clone(&self.state),
            node: self.state().model.at(self.inside(path)),
            at: usize::try_from(at).unwrap(),
        })
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        self.steps += 1;
        match self.fault {
            Fault::Once(at) if self.steps == at => Err(Errno::IO.into()),
            Fault::Off(at) if self.steps >= at => Err(Errno::IO.into()),
            _ => Ok(()),
        }
    }

    /// Reading changes nothing, so cutting the power before it is cutting it before the next change.
    fn look(&mut self) -> io::Result<()> {
        match self.fault {
            Fault::Off(at) if self.steps + 1 < at => Ok(()),
            _ => self.change(),
        }
    }

    /// Refuses more bytes than there is room for.
    fn takes(&mut self, bytes: u64) -> io::Result<()> {
        self.was_full |= bytes > self.room();
        if bytes > self.room() {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        match self.fault {
            Fault::Full(bytes) => bytes.saturating_sub(self.model.used(EACH)),
            _ => u64::MAX,
        }
    }

    fn sync(&mut self, node: usize) {
        match self.sync {
            Sync::Lies => {}
            Sync::FilesOnly if self.model.is_folder(node) => {}
            Sync::Works | Sync::FilesOnly => self.model.sync(node),
        }
    }
}

impl Disk for Machine {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn Writing>> {
        let file = self.step(
            EACH,
            || OsDisk.create(path, mode),
            |state| state.model.add(self.inside(path), Node::file(mode)),
        )?;
        Ok(self.pen(file, path, 0))
    }

    fn resume(&self, path: &Path, length: u64) -> io::Result<Box<dyn Writing>> {
        let bytes = usize::try_from(length).unwrap();
        let file = self.step(
            0,
            || OsDisk.resume(path, length),
            |state| state.model.cut(state.model.at(self.inside(path)), bytes),
        )?;
        Ok(self.pen(file, path, length))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.state().look()?;
        OsDisk.open(path)
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step(
            EACH,
            || OsDisk.create_dir(path, mode),
            |state| state.model.add(self.inside(path), Node::folder(mode)),
        )
    }

    fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let link = Node::Link(target.to_owned());
        self.step(
            EACH,
            || OsDisk.symlink(target, path),
            |state| state.model.add(self.inside(path), link),
        )
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.set_mode(path, mode),
            |state| state.model.set_mode(state.model.at(self.inside(path)), mode),
        )
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.open(path),
            |state| state.sync(state.model.at(self.inside(path))),
        )
        .map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.rename(from, to),
            |state| state.model.rename(self.inside(from), self.inside(to)),
        )
    }

    fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.rename_to_free(from, to),
            |state| state.model.rename(self.inside(from), self.inside(to)),
        )
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.remove_file(path),
            |state| state.model.remove(self.inside(path)),
        )
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step(
            0,
            || OsDisk.remove_dir(path),
            |state| state.model.remove(self.inside(path)),
        )
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        match self.state().fault {
            Fault::Free(bytes) => Ok(bytes),
            _ => Ok(u64::MAX),
        }
    }
}

/// A file of the machine that is being written.
#[derive(Debug)]
struct Pen {
    file: Box<dyn Writing>,
    state: Arc<Mutex<State>>,
    node: usize,
    at: usize,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.change()?;
        state.takes(bytes.len().min(1) as u64)?;
        let room = usize::try_from(state.room()).unwrap();
        let written = self.file.write(&bytes[..bytes.len().min(room)])?;
        state.model.write(self.node, self.at, &bytes[..written]);
        self.at += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing for Pen {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        self.file.cut(length)?;
        self.at = usize::try_from(length).unwrap();
        state.model.cut(self.node, self.at);
        Ok(())
    }

    fn set_mode(&mut self, mode: u32) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        self.file.set_mode(mode)?;
        state.model.set_mode(self.node, mode);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.change()?;
        state.sync(self.node);
        Ok(())
    }

    fn share(&mut self, from: &File) -> io::Result<bool> {
        let mut state = lock(&self.state);
        if state.sharing == Sharing::Unknown {
            return Ok(false);
        }
        state.change()?;
        let mut bytes = vec![0; usize::try_from(from.metadata()?.len()).unwrap()];
        from.read_exact_at(&mut bytes, 0)?;
        self.file.write_all(&bytes)?;
        state.model.write(self.node, 0, &bytes);
        Ok(true)
    }
}
