//! `aerolith package inspect`: what is in an archive, or which objects a configuration has.

use std::path::Path;

use aerolith_builder::{Kind, Tree, identify};
use aerolith_model::{Configuration, Key, Object, ProgramManifest};
use aerolith_packages::{Identity, Unpack};
use serde_json::{Value, json};

use super::described::{Described, describe};
use super::mistake::judged;
use super::opened::{Opened, open};
use crate::arguments::Format;
use crate::arguments::package::Inspect;
use crate::screen::Screen;
use crate::table::{Cell, Table, maybe};

/// Shows an archive or a configuration, whichever the file is.
pub(super) fn inspect(wanted: &Inspect, screen: Screen) -> anyhow::Result<()> {
    let identity = identify(&wanted.file).map_err(judged)?;
    if identity.kind == Unpack::None {
        return configuration(&describe(&wanted.file, screen)?, &identity, screen);
    }
    archive(&wanted.file, &open(&wanted.file, identity)?, wanted.files, screen)
}

fn archive(file: &Path, opened: &Opened, files: bool, screen: Screen) -> anyhow::Result<()> {
    let Opened { identity, tree, .. } = opened;
    let (count, unpacked) = tree.files();
    let entry = opened.program.as_ref().map(ProgramManifest::entry);
    let mut answer = json!({
        "file": file,
        "kind": identity.kind.to_string(),
        "size": identity.size,
        "sha256": identity.sha256,
        "md5": identity.md5,
        "files": count,
        "unpackedSize": unpacked,
        "entry": entry,
    });
    if files {
        answer["listing"] = tree.entries().map(|(path, kind)| listed(path, kind)).collect();
    }
    screen.show(&answer, || {
        let rows = [
            ("file", file.display().to_string()),
            ("kind", identity.kind.to_string()),
            ("size", identity.size.to_string()),
            ("sha256", identity.sha256.to_string()),
            ("md5", identity.md5.to_string()),
            ("files", count.to_string()),
            ("unpacked size", unpacked.to_string()),
            ("entry", entry.unwrap_or("no program.yml").to_owned()),
        ];
        let rows = rows.map(|(key, value)| [Cell::from(key), Cell::from(&value)]);
        Ok(Table::new(["FIELD", "VALUE"], rows))
    })?;
    if files && screen.format() == Format::Table {
        screen.show(&Value::Null, || Ok(listing(tree)))?;
    }
    Ok(())
}

/// One path, for programs.
pub(super) fn listed(path: &str, kind: &Kind) -> Value {
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
            Kind::Folder => (None, format!("{path}/")),
            Kind::File { size, .. } => (Some(*size), path.to_owned()),
            Kind::Link { target } => (None, format!("{path} -> {target}")),
        };
        [Cell::from(kind.mode()), maybe(size), Cell::from(&path)]
    });
    Table::new(["MODE", "SIZE", "PATH"], rows)
}

fn configuration(described: &Described, identity: &Identity, screen: Screen) -> anyhow::Result<()> {
    let packages: Vec<Value> = described.packages().map(package).collect();
    let answer = json!({ "file": described.name, "sha256": identity.sha256, "packages": packages });
    screen.show(&answer, || {
        let headings = ["PACKAGE", "OBJECT", "UNPACK", "SIZE", "SHA256", "MD5", "URL"];
        let rows = described.packages().flat_map(|package| {
            let objects = package.objects();
            objects.map(move |(key, object)| row(package, key, object))
        });
        Ok(Table::new(headings, rows))
    })
}

fn package(package: &Configuration) -> Value {
    let objects = package.objects().map(|(key, object)| {
        json!({
            "key": key,
            "url": object.url.shown(),
            "sha256": object.sha256,
            "md5": object.md5,
            "size": object.size,
            "unpack": object.unpack,
            "platform": object.platform,
        })
    });
    json!({ "name": package.name, "version": package.version, "objects": objects.collect::<Vec<_>>() })
}

fn row(package: &Configuration, key: &Key, object: &Object) -> [Cell; 7] {
    let unpack = json!(object.unpack)
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    [
        Cell::from(&package.name),
        Cell::from(key),
        maybe(unpack),
        maybe(object.size),
        maybe(object.sha256.as_ref()),
        maybe(object.md5.as_ref()),
        Cell::from(&object.url.shown()),
    ]
}
