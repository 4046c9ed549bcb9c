//! The schemas against the types that they are of, and both against texts that are right and wrong.

mod agreement;
mod mutation;
mod published;

use aerolith_model::{Application, Configuration, ProgramManifest, ResourceKind, Secret};
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

use crate::config::Config;
use crate::instances::{self, InstanceFile};

/// A text that holds every key of its file, by the schema for it. No file of a plugin may hold all.
const FULL: [(&str, &str); 7] = [
    ("application", include_str!("full/application.yml")),
    ("configuration", include_str!("full/configuration.yml")),
    ("secret", include_str!("full/secret.yml")),
    ("program", include_str!("full/program.yml")),
    ("aerolith", include_str!("full/aerolith.yml")),
    ("plugin", include_str!("full/plugin.yml")),
    ("plugin", include_str!("full/plugin-file.yml")),
];

/// The schema of what a file of this name holds, made from its type.
fn made(name: &str) -> Value {
    match name {
        "document" => of_any_kind(),
        "application" => of_kind::<Application>(name),
        "configuration" => of_kind::<Configuration>(name),
        "secret" => of_kind::<Secret>(name),
        "program" => schema_for!(ProgramManifest).to_value(),
        "aerolith" => schema_for!(Config).to_value(),
        "plugin" => schema_for!(InstanceFile).to_value(),
        other => panic!("no schema {other}"),
    }
}

/// A resource in a document says its kind.
fn of_kind<T: JsonSchema>(kind: &str) -> Value {
    let mut schema = schema_for!(T).to_value();
    schema["properties"]["kind"] = json!({ "const": kind, "description": "What the document is." });
    schema["required"].as_array_mut().unwrap().insert(0, "kind".into());
    schema
}

/// The definitions of all kinds are of the same types, so they have one place.
fn of_any_kind() -> Value {
    let mut definitions = serde_json::Map::new();
    let kinds = ResourceKind::ALL.map(|kind| {
        let mut schema = made(kind.as_str());
        let own = schema.as_object_mut().unwrap();
        own.remove("$schema");
        for (name, definition) in own.remove("$defs").unwrap().as_object().unwrap() {
            let known = definitions.insert(name.clone(), definition.clone());
            assert!(
                known.is_none_or(|known| known == *definition),
                "two definitions of {name}"
            );
        }
        schema
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Document",
        "description": "A document of any kind, as a file holds one or several.",
        "oneOf": kinds,
        "$defs": definitions,
    })
}

/// What the program says of a text that is called `file`; nothing of one that it takes.
fn refusal(name: &str, text: &str) -> Option<String> {
    match name {
        "program" => ProgramManifest::parse("file", text)
            .err()
            .map(|error| error.to_string()),
        "aerolith" => Config::read("file", text).err().map(|wrong| wrong.message),
        "plugin" => instances::read("file", text).err().map(|wrong| wrong.message),
        _ => aerolith_model::parse("file", text).err().map(|error| error.to_string()),
    }
}

fn read(text: &str) -> Value {
    aerolith_model::read_yaml("full", text).unwrap()
}
