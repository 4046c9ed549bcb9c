use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::budget::Budget;
use crate::disk::Disk;
use crate::entry_path::EntryPath;
use crate::error::{At, OnPath, escape};
use crate::links::{self, Kind, Node, Nodes};
use crate::{Limits, Rule, StoreError};

/// A tree under construction: what is written so far, and what it has cost.
///
/// No link is on the disk before [`Stage::finish`], and the folder is the store's own, so no write can be led astray:
/// a path whose parents are folders in `nodes` has real folders as parents.
pub(crate) struct Stage<'a> {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    pub(crate) budget: Budget,
    nodes: Nodes,
    names: Vec<&'a str>,
    part: usize,
}

impl<'a> Stage<'a> {
    /// An empty tree in the empty folder `root`, to be made from the parts with these names.
    pub(crate) fn new(disk: Arc<dyn Disk>, root: PathBuf, limits: Limits, names: Vec<&'a str>) -> Self {
        Stage {
            disk,
            root,
            budget: Budget::new(limits),
            nodes: Nodes::new(),
            names,
            part: 0,
        }
    }

    /// What comes next belongs to the part with this number, which has `packed` bytes.
    pub(crate) fn begin(&mut self, part: usize, packed: u64) {
        self.part = part;
        self.budget.begin_archive(packed);
    }

    /// A folder, which may be there already.
    pub(crate) fn directory(&mut self, at: At<'_>, path: &str) -> Result<(), StoreError> {
        let path = self.parse(at, path)?;
        self.parents(at, &path)?;
        self.one_directory(at, path)
    }

    /// A file with the bytes of `content`; answers how many there were. One that is there already must be equal; it is
    /// executable when either is.
    pub(crate) fn file(
        &mut self,
        at: At<'_>,
        path: &str,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<u64, StoreError> {
        let path = self.parse(at, path)?;
        self.parents(at, &path)?;
        self.budget.entry().map_err(|rule| at.refuse(rule))?;
        let place = self.place(&path);
        let (size, executable) = match self.nodes.get(&path) {
            None => (self.write(at, &place, content)?, executable),
            Some(Node {
                kind: Kind::File { executable: before },
                part,
            }) => {
                let (before, part) = (*before, *part);
                (self.compare(at, &place, part, content)?, executable || before)
            }
            Some(node) => return Err(at.refuse(self.other_kind(node, "a file"))),
        };
        set_mode(&*self.disk, &place, if executable { 0o555 } else { 0o444 })?;
        let part = self.nodes.get(&path).map_or(self.part, |node| node.part);
        self.nodes.insert(
            path,
            Node {
                kind: Kind::File { executable },
                part,
            },
        );
        Ok(size)
    }

    /// A link. It is made on the disk only when the whole tree is known.
    pub(crate) fn link(&mut self, at: At<'_>, path: &str, target: &str) -> Result<(), StoreError> {
        let path = self.parse(at, path)?;
        self.parents(at, &path)?;
        self.budget.entry().map_err(|rule| at.refuse(rule))?;
        if target.len() > self.budget.limits().max_path {
            return Err(at.refuse(Rule::LinkEscapes { target: escape(target) }));
        }
        let kind = Kind::Link {
            target: target.to_owned(),
        };
        match self.nodes.get(&path) {
            None => {
                self.nodes.insert(path, Node { kind, part: self.part });
                Ok(())
            }
            Some(node) if node.kind == kind => Ok(()),
            Some(
                node @ Node {
                    kind: Kind::Link { .. },
                    ..
                },
            ) => Err(at.refuse(Rule::OtherBytes {
                other: self.brought_by(node),
            })),
            Some(node) => Err(at.refuse(self.other_kind(node, "a link"))),
        }
    }

    /// A hard link to a file of the same archive: delivered as a file of its own with the same bytes, and counted as
    /// one, so that an application that changes one does not change both.
    pub(crate) fn hard_link(&mut self, at: At<'_>, path: &str, target: &str) -> Result<(), StoreError> {
        let from = self.parse(at, target)?;
        let Some(Node {
            kind: Kind::File { executable },
            part,
        }) = self.nodes.get(&from)
        else {
            return Err(at.refuse(Rule::HardLinkTarget { target: escape(target) }));
        };
        if *part != self.part {
            return Err(at.refuse(Rule::HardLinkTarget { target: escape(target) }));
        }
        let (executable, place) = (*executable, self.place(&from));
        let mut content = File::open(&place).on("open", &place)?;
        self.file(at, path, executable, &mut content).map(drop)
    }

    /// Checks and makes the links, and answers the whole tree.
    pub(crate) fn finish(self) -> Result<Nodes, StoreError> {
        if let Some((path, node, rule)) = links::first_bad(&self.nodes) {
            return Err(At::part(self.names[node.part]).entry(path.as_str()).refuse(rule));
        }
        for (path, node) in &self.nodes {
            if let Kind::Link { target } = &node.kind {
                let place = self.place(path);
                self.disk
                    .symlink(Path::new(target), &place)
                    .on("make the link", &place)?;
            }
        }
        Ok(self.nodes)
    }

    fn parse(&self, at: At<'_>, path: &str) -> Result<EntryPath, StoreError> {
        EntryPath::parse(path, self.budget.limits()).map_err(|rule| at.refuse(rule))
    }

    fn place(&self, path: &EntryPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    fn parents(&mut self, at: At<'_>, path: &EntryPath) -> Result<(), StoreError> {
        for above in path.ancestors() {
            match self.nodes.get(&above) {
                Some(Node {
                    kind: Kind::Directory, ..
                }) => {}
                Some(node) => {
                    let (was, other) = (node.kind.noun(), self.brought_by(node));
                    return Err(at.refuse(Rule::Through {
                        through: escape(above.as_str()),
                        other,
                        was,
                    }));
                }
                None => self.one_directory(at, above)?,
            }
        }
        Ok(())
    }

    fn one_directory(&mut self, at: At<'_>, path: EntryPath) -> Result<(), StoreError> {
        self.budget.entry().map_err(|rule| at.refuse(rule))?;
        match self.nodes.get(&path) {
            Some(Node {
                kind: Kind::Directory, ..
            }) => Ok(()),
            Some(node) => Err(at.refuse(self.other_kind(node, "a folder"))),
            None => {
                let place = self.place(&path);
                self.disk.create_dir(&place, 0o755).on("create the folder", &place)?;
                self.nodes.insert(
                    path,
                    Node {
                        kind: Kind::Directory,
                        part: self.part,
                    },
                );
                Ok(())
            }
        }
    }

    fn write(&mut self, at: At<'_>, place: &Path, content: &mut dyn Read) -> Result<u64, StoreError> {
        let mut file = self.disk.create(place, 0o600).on("create", place)?;
        self.pump(at, content, |bytes| {
            file.write_all(bytes).on("write", place).map(|()| true)
        })
    }

    fn compare(&mut self, at: At<'_>, place: &Path, part: usize, content: &mut dyn Read) -> Result<u64, StoreError> {
        let mut there = File::open(place).on("open", place)?;
        let mut before = vec![0; CHUNK];
        let size = self.pump(at, content, |bytes| {
            let before = &mut before[..bytes.len()];
            match there.read_exact(before) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                other => other.on("read", place).map(|()| before == bytes),
            }
        });
        let rule = Rule::OtherBytes {
            other: escape(self.names[part]),
        };
        match size {
            Ok(size) if there.metadata().on("look at", place)?.len() == size => Ok(size),
            Ok(_) => Err(at.refuse(rule)),
            Err(StoreError::Refused {
                rule: Rule::OtherBytes { .. },
                ..
            }) => Err(at.refuse(rule)),
            Err(error) => Err(error),
        }
    }

    /// Moves `content` to `take`, within the budget. `take` answers whether the bytes are as they should be.
    fn pump(
        &mut self,
        at: At<'_>,
        content: &mut dyn Read,
        mut take: impl FnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<u64, StoreError> {
        let (mut chunk, mut size) = (vec![0; CHUNK], 0);
        loop {
            let read = match content.read(&mut chunk) {
                Ok(0) => return Ok(size),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(at.refuse(Rule::Broken {
                        detail: escape(&error.to_string()),
                    }));
                }
            };
            self.budget.bytes(size, read as u64).map_err(|rule| at.refuse(rule))?;
            if !take(&chunk[..read])? {
                return Err(at.refuse(Rule::OtherBytes { other: String::new() }));
            }
            size += read as u64;
        }
    }

    fn other_kind(&self, was: &Node, is: &'static str) -> Rule {
        Rule::OtherKind {
            other: self.brought_by(was),
            was: was.kind.noun(),
            is,
        }
    }

    fn brought_by(&self, node: &Node) -> String {
        escape(self.names[node.part])
    }
}

/// Bytes moved at once.
const CHUNK: usize = 1 << 16;

pub(crate) fn set_mode(disk: &dyn Disk, path: &Path, mode: u32) -> Result<(), StoreError> {
    disk.set_mode(path, mode).on("set the mode of", path)
}

#[cfg(test)]
mod tests;
