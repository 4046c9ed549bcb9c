use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::SCHEMAS;
use super::made;

/// `cargo xtask schema` runs this to write what is published.
const WRITE: &str = "AEROLITH_WRITE_SCHEMAS";

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for (name, _, text) in SCHEMAS {
        let made = made(name);
        if std::env::var_os(WRITE).is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schema/{name}.json"));
            fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        } else {
            let published: Value = serde_json::from_str(text).unwrap();
            assert!(
                made == published,
                "docs/schema/{name}.json is not of the type: run `cargo xtask schema`"
            );
        }
    }
}
