//! What a disk has of a file system, and what it may have of it when its power is cut. Stores that promise to survive that
//! are tested with it: they do the same in a folder of this machine, and what is left after the cut is built in another.
//!
//! They rely on this, as ext4, XFS and Btrfs grant it, and on nothing more:
//!
//! - The sync of a file makes its bytes, its length and its mode durable; the sync of a folder its names and its mode.
//!   The sync of a file does not make its name durable, nor that of a folder the bytes of what is in it.
//! - A change of the names of one folder, a rename within it included, is there as a whole or not at all.
//! - Changes of one folder that concern the same name or the same file come to the disk in their order.
//!
//! Of everything else that was not synced anything may be there: changes of different names in any order and choice,
//! of a rename from one folder to another either half, so that a file has both names or none, any mode that was set,
//! and of a file any length up to the longest, each block of it old, new, zeros or garbage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// Bytes that a disk writes as a whole.
const BLOCK: usize = 512;

/// A file system. Its folders name their files by number; the first is the root.
#[derive(Debug, Clone)]
pub struct Model(Vec<Node>);

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum Node {
    /// A folder.
    Folder(Folder),
    /// A file.
    File(Contents),
    /// A link to a path.
    Link(PathBuf),
}

type Names = BTreeMap<OsString, usize>;

/// A change of one folder's names: what each of them leads to behind it.
type Change = Vec<(OsString, Option<usize>)>;

/// The names of a folder, those that are durable, and the changes between.
#[derive(Debug, Clone)]
pub struct Folder {
    names: Names,
    durable: Names,
    pending: Vec<Change>,
    modes: Modes,
}

/// The bytes of a file, and those that are durable.
#[derive(Debug, Clone)]
pub struct Contents {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes at the beginning that were not touched since they were durable.
    sound: usize,
    modes: Modes,
}

/// The durable mode and those set since.
#[derive(Debug, Clone)]
struct Modes(Vec<u32>);

impl Modes {
    fn last(&self) -> u32 {
        *self.0.last().unwrap()
    }

    fn settle(&mut self) {
        self.0 = vec![self.last()];
    }
}

impl Node {
    /// A new empty folder.
    pub fn folder(mode: u32) -> Self {
        let names = Names::new();
        Node::Folder(Folder {
            durable: names.clone(),
            names,
            pending: Vec::new(),
            modes: Modes(vec![mode]),
        })
    }

    /// A new empty file.
    pub fn file(mode: u32) -> Self {
        Node::File(Contents {
            bytes: Vec::new(),
            durable: Vec::new(),
            sound: 0,
            modes: Modes(vec![mode]),
        })
    }

    fn settle(&mut self) {
        match self {
            Node::Folder(folder) => {
                folder.durable = folder.names.clone();
                folder.pending.clear();
                folder.modes.settle();
            }
            Node::File(file) => {
                file.durable = file.bytes.clone();
                file.sound = file.bytes.len();
                file.modes.settle();
            }
            Node::Link(_) => {}
        }
    }

    fn after_cut(&self, random: &mut Rng) -> Self {
        let mut left = self.clone();
        match &mut left {
            Node::Folder(folder) => {
                folder.names = folder.after_cut(random);
                folder.modes = Modes(vec![pick(&folder.modes.0, random)]);
            }
            Node::File(file) => {
                file.bytes = file.after_cut(random);
                file.modes = Modes(vec![pick(&file.modes.0, random)]);
            }
            Node::Link(_) => {}
        }
        left.settle();
        left
    }
}

impl Folder {
    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    /// The durable names with some of the pending changes: none, all, the first of them, or any that need no other.
    fn after_cut(&self, random: &mut Rng) -> Names {
        let mut names = self.durable.clone();
        let (how, first) = (random.u8(..4), random.usize(..=self.pending.len()));
        let mut missing: Vec<&Change> = Vec::new();
        for (number, change) in self.pending.iter().enumerate() {
            let comes = match how {
                0 => false,
                1 => true,
                2 => number < first,
                _ => random.bool(),
            };
            let waits = missing.iter().any(|before| concern_the_same(before, change));
            if comes && !waits {
                apply(&mut names, change);
            } else {
                missing.push(change);
            }
        }
        names
    }
}

impl Contents {
    fn after_cut(&self, random: &mut Rng) -> Vec<u8> {
        let longest = self.bytes.len().max(self.durable.len());
        let lengths = [self.bytes.len(), self.durable.len(), random.usize(..=longest)];
        let length = pick(&lengths, random).max(self.sound);
        let mut left = self.durable[..self.sound].to_vec();
        while left.len() < length {
            let block = left.len()..length.min((left.len() / BLOCK + 1) * BLOCK);
            let of = |bytes: &[u8]| {
                let end = block.end.min(bytes.len());
                let mut of = bytes.get(block.start..end).unwrap_or_default().to_vec();
                of.resize(block.len(), 0);
                of
            };
            let bytes: Vec<u8> = match random.u8(..8) {
                0 => of(&[]),
                1 => std::iter::repeat_with(|| random.u8(..)).take(block.len()).collect(),
                2 | 3 => of(&self.durable),
                _ => of(&self.bytes),
            };
            left.extend(bytes);
        }
        left
    }
}

fn apply(names: &mut Names, change: &Change) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}

fn concern_the_same(one: &Change, other: &Change) -> bool {
    let same =
        |a: &(OsString, Option<usize>), b: &(OsString, Option<usize>)| a.0 == b.0 || (a.1.is_some() && a.1 == b.1);
    one.iter().any(|a| other.iter().any(|b| same(a, b)))
}

impl Model {
    /// A file system that has an empty root.
    pub fn new() -> Self {
        Model(vec![Node::folder(0o700)])
    }

    /// What lies in a folder of this machine, all of it durable. Of links it knows nothing.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let mut model = Self::new();
        model.take(root, Path::new(""));
        model.settle();
        model
    }

    fn take(&mut self, root: &Path, below: &Path) {
        for entry in fs::read_dir(root.join(below)).unwrap() {
            let entry = entry.unwrap();
            let (path, meta) = (below.join(entry.file_name()), entry.metadata().unwrap());
            let mode = meta.permissions().mode() & 0o7777;
            if meta.is_dir() {
                self.add(&path, Node::folder(mode));
                self.take(root, &path);
            } else {
                self.add(&path, Node::file(mode));
                self.write(self.at(&path), 0, &fs::read(entry.path()).unwrap());
            }
        }
    }

    /// The number of what lies at a path, which leads through no link.
    pub fn at(&self, path: &Path) -> usize {
        path.components().fold(0, |folder, name| {
            let Node::Folder(folder) = &self.0[folder] else {
                panic!("{} leads through no folder", path.display());
            };
            folder.names[name.as_os_str()]
        })
    }

    /// Whether something lies at a path, of which all but the end does.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        let (folder, name) = split(path);
        match &self.0[self.at(folder)] {
            Node::Folder(folder) => folder.names.contains_key(&name),
            Node::File(_) | Node::Link(_) => false,
        }
    }

    fn change(&mut self, folder: &Path, change: Change) {
        let folder = self.at(folder);
        let Node::Folder(folder) = &mut self.0[folder] else {
            panic!("only a folder has names");
        };
        folder.change(change);
    }

    fn contents(&mut self, file: usize) -> &mut Contents {
        match &mut self.0[file] {
            Node::File(contents) => contents,
            _ => panic!("only a file has bytes"),
        }
    }

    /// Takes something new in.
    pub fn add(&mut self, path: &Path, node: Node) {
        let (folder, name) = split(path);
        self.change(folder, vec![(name, Some(self.0.len()))]);
        self.0.push(node);
    }

    /// Writes bytes into a file.
    pub fn write(&mut self, file: usize, at: usize, bytes: &[u8]) {
        let file = self.contents(file);
        let within = bytes.len().min(file.bytes.len() - at);
        file.bytes[at..at + within].copy_from_slice(&bytes[..within]);
        file.bytes.extend_from_slice(&bytes[within..]);
        file.sound = file.sound.min(at);
    }

    /// Cuts a file, or makes it longer with zeros.
    pub fn cut(&mut self, file: usize, length: usize) {
        let file = self.contents(file);
        file.bytes.resize(length, 0);
        file.sound = file.sound.min(length);
    }

    /// Sets the mode of a file or folder.
    pub fn set_mode(&mut self, node: usize, mode: u32) {
        match &mut self.0[node] {
            Node::Folder(Folder { modes, .. }) | Node::File(Contents { modes, .. }) => modes.0.push(mode),
            Node::Link(_) => panic!("a link has no mode"),
        }
    }

    /// Gives a file or folder another name, in the place of whatever has that.
    pub fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.at(from);
        let ((old, from), (new, to)) = (split(from), split(to));
        if old == new {
            self.change(old, vec![(from, None), (to, Some(node))]);
        } else {
            assert!(!matches!(self.0[node], Node::Folder(_)), "no folder is moved so");
            self.change(old, vec![(from, None)]);
            self.change(new, vec![(to, Some(node))]);
        }
    }

    /// Takes a name away.
    pub fn remove(&mut self, path: &Path) {
        let (folder, name) = split(path);
        self.change(folder, vec![(name, None)]);
    }

    /// Makes the bytes of a file durable, or the names of a folder.
    pub fn sync(&mut self, node: usize) {
        self.0[node].settle();
    }

    /// Whether it is a folder.
    pub fn is_folder(&self, node: usize) -> bool {
        matches!(self.0[node], Node::Folder(_))
    }

    /// Makes everything durable.
    pub fn settle(&mut self) {
        self.0.iter_mut().for_each(Node::settle);
    }

    /// What the disk may have when its power is cut now.
    pub fn after_cut(&self, random: &mut Rng) -> Self {
        Model(self.0.iter().map(|node| node.after_cut(random)).collect())
    }

    /// Bytes of everything that has a name, with so many for each name.
    pub fn used(&self, each: u64) -> u64 {
        let (mut todo, mut used) = (vec![0], 0);
        while let Some(node) = todo.pop() {
            used += each;
            match &self.0[node] {
                Node::Folder(folder) => todo.extend(folder.names.values()),
                Node::File(file) => used += file.bytes.len() as u64,
                Node::Link(_) => {}
            }
        }
        used
    }

    /// Makes all of it in an empty folder of this machine.
    pub fn build(&self, root: &Path) {
        let (mut todo, mut built) = (vec![(0, root.to_owned())], HashMap::<usize, PathBuf>::new());
        while let Some((number, path)) = todo.pop() {
            match &self.0[number] {
                Node::Folder(folder) => {
                    if number != 0 {
                        fs::create_dir(&path).unwrap();
                    }
                    set_mode(&path, folder.modes.last());
                    todo.extend(folder.names.iter().map(|(name, node)| (*node, path.join(name))));
                }
                Node::Link(target) => symlink(target, &path).unwrap(),
                Node::File(_) if built.contains_key(&number) => fs::hard_link(&built[&number], &path).unwrap(),
                Node::File(file) => {
                    fs::write(&path, &file.bytes).unwrap();
                    set_mode(&path, file.modes.last());
                    built.insert(number, path);
                }
            }
        }
    }
}

fn pick<T: Copy>(from: &[T], random: &mut Rng) -> T {
    *random.choice(from).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn split(path: &Path) -> (&Path, OsString) {
    let name = path.file_name().map(OsStr::to_owned);
    (path.parent().unwrap(), name.unwrap())
}
