use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::budget::Budget;
use crate::disk::Disk;
use crate::entry_path::EntryPath;
use crate::error::{At, OnPath, escape};
use crate::links::{self, Kind, Node, Nodes, Written};
use crate::slot::{Fill, Slot};
use crate::twins::Twins;
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
    twins: Option<Twins>,
    names: Vec<&'a str>,
    part: usize,
    sole: &'a str,
}

impl<'a> Stage<'a> {
    /// An empty tree in the empty folder `root`, to be made from the parts with these names. The file at `sole` may
    /// come from one part only; empty, there is no such file.
    pub(crate) fn new(disk: Arc<dyn Disk>, root: PathBuf, limits: Limits, names: Vec<&'a str>, sole: &'a str) -> Self {
        Stage {
            disk,
            root,
            twins: limits.refuse_twins.then(Twins::default),
            budget: Budget::new(limits),
            nodes: Nodes::new(),
            names,
            part: 0,
            sole,
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

    /// A file with the bytes of `content`, within the budget; answers how many there were. One that is there already
    /// must be equal; it is executable when either is.
    pub(crate) fn file(
        &mut self,
        at: At<'_>,
        path: &str,
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<u64, StoreError> {
        let slot = self.slot(at, path, executable)?;
        let budget = &mut self.budget;
        slot.fill(at, content, |of_file, more| budget.bytes(of_file, more))
    }

    /// The place for a file, judged by all but its bytes. Whoever fills it keeps within the budget.
    pub(crate) fn slot(&mut self, at: At<'_>, path: &str, executable: bool) -> Result<Slot, StoreError> {
        let path = self.parse(at, path)?;
        self.parents(at, &path)?;
        self.budget.entry().map_err(|rule| at.refuse(rule))?;
        let place = self.place(&path);
        match self.nodes.get_mut(&path) {
            None => {
                let sum = Written::default();
                let kind = Kind::File {
                    executable,
                    sum: Arc::clone(&sum),
                };
                self.insert(at, path, kind)?;
                Ok(Slot::new(Arc::clone(&self.disk), place, executable, Fill::Write(sum)))
            }
            Some(Node {
                kind: Kind::File { executable: before, .. },
                part,
            }) => {
                *before |= executable;
                let (executable, other) = (*before, escape(self.names[*part]));
                if path.as_str() == self.sole && *part != self.part {
                    return Err(at.refuse(Rule::BroughtTwice { other }));
                }
                Ok(Slot::new(
                    Arc::clone(&self.disk),
                    place,
                    executable,
                    Fill::Compare { other },
                ))
            }
            Some(node) => {
                let rule = Rule::OtherKind {
                    other: escape(self.names[node.part]),
                    was: node.kind.noun(),
                    is: "a file",
                };
                Err(at.refuse(rule))
            }
        }
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
            None => self.insert(at, path, kind),
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
            kind: Kind::File { executable, .. },
            part,
        }) = self.nodes.get(&from)
        else {
            return Err(at.refuse(Rule::HardLinkTarget { target: escape(target) }));
        };
        if *part != self.part {
            return Err(at.refuse(Rule::HardLinkTarget { target: escape(target) }));
        }
        let (executable, place) = (*executable, self.place(&from));
        let mut content = self.disk.open(&place).on("open", &place)?;
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
                self.insert(at, path, Kind::Directory)
            }
        }
    }

    /// Takes a new path into the tree.
    fn insert(&mut self, at: At<'_>, path: EntryPath, kind: Kind) -> Result<(), StoreError> {
        if let Some(other) = self.twins.as_mut().and_then(|twins| twins.add(&path)) {
            let other = escape(other.as_str());
            return Err(at.refuse(Rule::Twin { other }));
        }
        self.nodes.insert(path, Node { kind, part: self.part });
        Ok(())
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

pub(crate) fn set_mode(disk: &dyn Disk, path: &Path, mode: u32) -> Result<(), StoreError> {
    disk.set_mode(path, mode).on("set the mode of", path)
}

#[cfg(test)]
mod tests;
