//! An archive unpacked by the node's own rules, into a store that goes with it.

use std::path::Path;

use aerolith_builder::{Content, Tree};
use aerolith_model::ProgramManifest;
use aerolith_node::MANIFEST;
use aerolith_packages::{self as packages, Expected, Limits, Part, Rule, Staged, Store, StoreError, Unpack};
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
    _store: Store,
    _folder: TempDir,
}

/// Unpacks an archive, if the node would.
///
/// # Errors
/// [`Wrong`] when the file is no archive, or one that the node refuses, with the entry and the rule.
pub(super) fn open(file: &Path) -> anyhow::Result<Opened> {
    let wrong = |reason: &dyn std::fmt::Display| Wrong::new(format!("{}: {reason}", file.display()));
    let content = Content::of(file).map_err(|error| Wrong::new(error.to_string()))?;
    if content.kind == Unpack::None {
        return Err(wrong(&"its first bytes are those of no zip, tar, tgz or tar.zst").into());
    }
    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let store = Store::open(folder.path().join("store"), Limits::default())?;
    let blob = store.take(file, Expected::default())?;
    let part = Part {
        name: name(file),
        content: packages::Content::Object {
            blob,
            unpack: content.kind,
            file_name: String::new(),
        },
    };
    let staged = store.stage(&[part]).map_err(refused)?;
    let program = program(&staged)?;
    Ok(Opened {
        content,
        tree: Tree::of(staged.path())?,
        program,
        _staged: staged,
        _store: store,
        _folder: folder,
    })
}

fn program(staged: &Staged) -> anyhow::Result<Option<ProgramManifest>> {
    match staged.read(MANIFEST, aerolith_node::MOST_MANIFEST) {
        Ok(bytes) => Ok(Some(ProgramManifest::read(MANIFEST, &bytes).map_err(Wrong::from)?)),
        Err(StoreError::Entry {
            rule: Rule::Missing, ..
        }) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// What breaks a rule is the file's fault, everything else is not.
fn refused(error: StoreError) -> anyhow::Error {
    match error.rule() {
        Some(_) => Wrong::new(error.to_string()).into(),
        None => error.into(),
    }
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
