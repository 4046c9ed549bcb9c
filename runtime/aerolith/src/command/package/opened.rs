//! An archive unpacked by the node's own rules, into a store that goes with it.

use std::path::Path;

use aerolith_builder::{Content, Tree};
use aerolith_model::ProgramManifest;
use aerolith_packages::{self as packages, Blob, Expected, Limits, Part, Rule, Staged, Store, StoreError, Unpack};
use anyhow::Context as _;
use tempfile::TempDir;

use crate::outcome::Wrong;

/// An archive and what is in it.
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) tree: Tree,
    pub(super) program: Option<ProgramManifest>,
    // In the order in which they go.
    _staged: Staged,
    _scratch: Scratch,
}

/// A store for as long as it is held.
pub(super) struct Scratch {
    pub(super) store: Store,
    _folder: TempDir,
}

impl Scratch {
    pub(super) fn open(limits: Limits) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
        let store = Store::open(folder.path().join("store"), limits)?;
        Ok(Self { store, _folder: folder })
    }
}

/// Unpacks an archive, if the node would.
///
/// # Errors
/// [`Wrong`] when the file is no archive, or one that the node refuses, with the entry and the rule.
pub(super) fn open(file: &Path, content: Content) -> anyhow::Result<Opened> {
    if content.kind == Unpack::None {
        let message = format!(
            "{}: its first bytes are those of no zip, tar, tgz or tar.zst",
            file.display()
        );
        return Err(Wrong::new(message).into());
    }
    let scratch = Scratch::open(Limits::default())?;
    let blob = scratch.store.take(file, Expected::default()).map_err(refused)?;
    let staged = scratch
        .store
        .stage(&[part(file, blob, content.kind)])
        .map_err(refused)?;
    Ok(Opened {
        content,
        tree: Tree::of(staged.path())?,
        program: program(&staged)?,
        _staged: staged,
        _scratch: scratch,
    })
}

/// Looks at a file's bytes.
pub(super) fn content(file: &Path) -> Result<Content, Wrong> {
    Content::of(file).map_err(|error| Wrong::new(error.to_string()))
}

/// An archive as the only part of a package.
pub(super) fn part(file: &Path, blob: Blob, unpack: Unpack) -> Part {
    let file_name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Part {
        name: file_name.clone(),
        content: packages::Content::Object {
            blob,
            unpack,
            file_name,
        },
    }
}

fn program(staged: &Staged) -> anyhow::Result<Option<ProgramManifest>> {
    match staged.read(ProgramManifest::FILE, ProgramManifest::MOST_BYTES) {
        Ok(bytes) => {
            let read = ProgramManifest::read(ProgramManifest::FILE, &bytes);
            Ok(Some(read.map_err(Wrong::from)?))
        }
        Err(StoreError::Entry {
            rule: Rule::Missing, ..
        }) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// What is the file's fault is the operator's, everything else is not.
pub(super) fn refused(error: StoreError) -> anyhow::Error {
    if error.is_of_the_content() {
        Wrong::new(error.to_string()).into()
    } else {
        error.into()
    }
}
