//! `aerolith package diff`: in what two packages differ.

use std::path::Path;

use aerolith_builder::{Change, Kind, Side, Tree, compare, identify};
use aerolith_model::ProgramManifest;
use serde_json::{Value, json};

use super::inspect::listed;
use super::mistake::judged;
use super::opened::{Opened, open};
use crate::arguments::package::Diff;
use crate::outcome::{DONE, FAILED};
use crate::screen::Screen;
use crate::table::{Cell, Table};

/// What is compared: a folder as it lies there, or an archive as a node unpacks it.
enum Operand {
    Folder(Tree),
    Archive(Box<Opened>),
}

impl Operand {
    fn of(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder(Tree::of(path).map_err(judged)?));
        }
        let identity = identify(path).map_err(judged)?;
        Ok(Self::Archive(Box::new(open(path, identity)?)))
    }

    fn tree(&self) -> &Tree {
        match self {
            Self::Folder(tree) => tree,
            Self::Archive(opened) => &opened.tree,
        }
    }

    /// What its `program.yml` says, where it has one that can be read.
    fn entry(&self) -> Option<String> {
        let program = match self {
            Self::Folder(tree) => {
                let bytes = std::fs::read(tree.root().join(ProgramManifest::FILE)).ok()?;
                ProgramManifest::read(ProgramManifest::FILE, &bytes).ok()
            }
            Self::Archive(opened) => opened.program.clone(),
        };
        program.map(|program| program.entry().to_owned())
    }
}

/// Compares; answers the exit code as diff(1) does.
pub(super) fn diff(wanted: &Diff, screen: Screen) -> anyhow::Result<u8> {
    let (one, other) = (Operand::of(&wanted.one)?, Operand::of(&wanted.other)?);
    let changes = compare(one.tree(), other.tree()).map_err(judged)?;
    let (was, is) = (one.entry(), other.entry());
    let answer = json!({
        "same": changes.is_empty(),
        "changes": changes.iter().map(changed).collect::<Vec<_>>(),
        "entry": { "was": was, "is": is },
    });
    if changes.is_empty() {
        screen.tell(&answer, || "the same\n".into())?;
        return Ok(DONE);
    }
    screen.show(&answer, || {
        let headings = ["CHANGE", "PATH", "WAS", "IS"];
        let rows = changes.iter().map(row);
        let entry = (was != is).then(|| {
            let said = |entry: &Option<String>| Cell::from(entry.as_deref().unwrap_or("-"));
            [
                Cell::from("entry"),
                Cell::from(ProgramManifest::FILE),
                said(&was),
                said(&is),
            ]
        });
        Ok(Table::new(headings, rows.chain(entry)))
    })?;
    Ok(FAILED)
}

fn word(change: &Change) -> &'static str {
    match (&change.was, &change.is) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    }
}

fn row(change: &Change) -> [Cell; 4] {
    let side = |side: &Option<Side>| Cell::from(&side.as_ref().map_or_else(|| "-".to_owned(), told));
    [
        Cell::from(word(change)),
        Cell::from(&change.path),
        side(&change.was),
        side(&change.is),
    ]
}

/// One side for people: its mode, and what tells it from others of its kind.
fn told(side: &Side) -> String {
    let mode = side.kind.mode();
    match (&side.kind, &side.sha256) {
        (Kind::File { size, .. }, Some(sha256)) => format!("{mode} {size} {}", &sha256.to_string()[..12]),
        (Kind::Link { target }, _) => format!("{mode} -> {target}"),
        _ => mode.to_owned(),
    }
}

fn changed(change: &Change) -> Value {
    let side = |side: &Option<Side>| {
        side.as_ref().map(|side| {
            let mut value = listed(&change.path, &side.kind);
            value["sha256"] = json!(side.sha256);
            value
        })
    };
    json!({ "change": word(change), "path": change.path, "was": side(&change.was), "is": side(&change.is) })
}
