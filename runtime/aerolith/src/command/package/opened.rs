//! An archive unpacked by the node's own rules, into a store that goes with it.

use std::path::Path;

use aerolith_builder::Tree;
use aerolith_model::ProgramManifest;
use aerolith_packages::{Content, Expected, Identity, Limits, Part, Rule, Staged, Store, StoreError, Unpack};

use super::mistake::judged;
use crate::outcome::Wrong;
use crate::scratch::Scratch;

/// An archive and what is in it.
pub(super) struct Opened {
    pub(super) identity: Identity,
    pub(super) tree: Tree,
    pub(super) program: Option<ProgramManifest>,
    // In the order in which they go.
    _staged: Staged,
    _store: Store,
    _folder: Scratch,
}

/// Unpacks an archive, if the node would.
///
/// # Errors
/// [`Wrong`] when the file is no archive, or one that the node refuses, with the entry and the rule.
pub(super) fn open(file: &Path, identity: Identity) -> anyhow::Result<Opened> {
    if identity.kind == Unpack::None {
        let message = format!(
            "{}: its first bytes are those of no zip, tar, tgz or tar.zst",
            file.display()
        );
        return Err(Wrong::new(message).into());
    }
    let folder = Scratch::new()?;
    let store = Store::open(folder.path().join("store"), Limits::default())?;
    let file_name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let part = Part {
        name: file_name.clone(),
        content: Content::Object {
            blob: store.take(file, Expected::default()).map_err(judged)?,
            unpack: identity.kind,
            file_name,
        },
    };
    let staged = store.stage(&[part]).map_err(judged)?;
    Ok(Opened {
        identity,
        tree: Tree::of(staged.path())?,
        program: program(&staged)?,
        _staged: staged,
        _store: store,
        _folder: folder,
    })
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
        Err(error) => Err(judged(error)),
    }
}
