//! `aerolith schema`: JSON Schemas of all files that an operator writes, for editors and for programs that make such files.

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::screen::Screen;
use crate::table::{Cell, Table};

/// Every schema: its name, the files it is for, and its text.
const SCHEMAS: [(&str, &str, &str); 7] = [
    (
        "document",
        "a document of any kind",
        include_str!("../../../../docs/schema/document.json"),
    ),
    (
        "application",
        "a document of kind application",
        include_str!("../../../../docs/schema/application.json"),
    ),
    (
        "configuration",
        "a document of kind configuration",
        include_str!("../../../../docs/schema/configuration.json"),
    ),
    (
        "secret",
        "a document of kind secret",
        include_str!("../../../../docs/schema/secret.json"),
    ),
    (
        "program",
        "program.yml of a package",
        include_str!("../../../../docs/schema/program.json"),
    ),
    (
        "aerolith",
        "aerolith.yml",
        include_str!("../../../../docs/schema/aerolith.json"),
    ),
    (
        "plugin",
        "plugins.d/INSTANCE.yml",
        include_str!("../../../../docs/schema/plugin.json"),
    ),
];

/// The names of the schemas.
pub(crate) fn names() -> [&'static str; 7] {
    SCHEMAS.map(|(name, ..)| name)
}

/// Prints a schema, or says which there are.
pub(crate) fn schema(name: Option<&str>, screen: Screen) -> anyhow::Result<()> {
    let Some(name) = name else {
        return list(screen);
    };
    let known = SCHEMAS.iter().find(|(known, ..)| *known == name);
    let (.., text) = known.ok_or_else(|| anyhow!("no schema `{name}`"))?;
    screen.tell(&serde_json::from_str(text)?, || (*text).to_owned())
}

fn list(screen: Screen) -> anyhow::Result<()> {
    let all = SCHEMAS.map(|(name, file, _)| json!({ "name": name, "file": file }));
    screen.show(&Value::Array(all.to_vec()), || {
        let rows = SCHEMAS.map(|(name, file, _)| [Cell::from(name), Cell::from(file)]);
        Ok(Table::new(["NAME", "FOR"], rows))
    })
}

#[cfg(test)]
mod tests;
