//! `aerolith package inspect`: what is in an archive.

use aerolith_builder::{Kind, Tree};
use serde_json::{Value, json};

use super::opened::{Opened, open};
use crate::arguments::package::Inspect;
use crate::screen::Screen;
use crate::table::{Cell, Table};

/// Shows an archive.
pub(super) fn inspect(wanted: &Inspect, screen: Screen) -> anyhow::Result<()> {
    let Opened {
        content, tree, program, ..
    } = &open(&wanted.file)?;
    let (files, unpacked) = tree.files();
    let entry = program.as_ref().map(aerolith_model::ProgramManifest::entry);
    let mut answer = json!({
        "file": wanted.file,
        "kind": content.kind.to_string(),
        "size": content.size,
        "sha256": content.sha256,
        "md5": content.md5,
        "files": files,
        "unpackedSize": unpacked,
        "entry": entry,
    });
    if wanted.files {
        answer["listing"] = tree.entries().map(|(path, kind)| line(path, kind)).collect();
    }
    screen.show(&answer, || {
        let rows = [
            ("file", wanted.file.display().to_string()),
            ("kind", content.kind.to_string()),
            ("size", content.size.to_string()),
            ("sha256", content.sha256.to_string()),
            ("md5", content.md5.to_string()),
            ("files", files.to_string()),
            ("unpacked size", unpacked.to_string()),
            ("entry", entry.unwrap_or("no program.yml").to_owned()),
        ];
        let rows = rows.map(|(key, value)| [Cell::from(key), Cell::from(&value)]);
        Ok(Table::new(["FIELD", "VALUE"], rows))
    })?;
    match answer.get("listing").is_some() && screen.format() == crate::arguments::Format::Table {
        true => screen.show(&Value::Null, || Ok(listing(tree))),
        false => Ok(()),
    }
}

fn line(path: &str, kind: &Kind) -> Value {
    let mut line = json!({ "path": path, "mode": kind.mode() });
    match kind {
        Kind::File { size, .. } => line["size"] = json!(size),
        Kind::Link { target } => line["target"] = json!(target),
        Kind::Folder => {}
    }
    line
}

fn listing(tree: &Tree) -> Table<3> {
    let rows = tree.entries().map(|(path, kind)| {
        let (size, path) = match kind {
            Kind::Folder => (String::new(), format!("{path}/")),
            Kind::File { size, .. } => (size.to_string(), path.to_owned()),
            Kind::Link { target } => (String::new(), format!("{path} -> {target}")),
        };
        [Cell::from(kind.mode()), Cell::from(&size), Cell::from(&path)]
    });
    Table::new(["MODE", "SIZE", "PATH"], rows)
}
