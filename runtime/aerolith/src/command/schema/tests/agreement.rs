use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use super::super::SCHEMAS;
use super::{FULL, read, refusal};

pub(super) fn validator(name: &str) -> Validator {
    let (.., text) = SCHEMAS.into_iter().find(|(known, ..)| *known == name).unwrap();
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

/// Whether the schema refuses a text, and why.
fn refused(name: &str, value: &Value) -> Option<String> {
    let schema = validator(name);
    schema
        .iter_errors(value)
        .next()
        .map(|error| format!("{}: {error}", error.instance_path()))
}

#[test]
fn the_full_texts_are_taken_by_program_and_schema() {
    for (name, text) in FULL {
        assert_eq!(refusal(name, text), None, "{name}");
        assert_eq!(refused(name, &read(text)), None, "{name}");
    }
}

#[test]
fn what_may_be_written_in_two_ways_the_schemas_take_in_both() {
    let application = |service: &str| {
        format!("kind: application\nname: weather\nservices: [{{name: aa, programConfig: aa, {service}}}]\n")
    };
    for service in [
        "ports: [{containerPort: 80, protocol: udp}]",
        "readinessProbe: {httpGet: {port: \"80\", scheme: http}}",
        "resources: {limits: {cpu: 1.5, memory: 1e6}}",
        "image: null",
    ] {
        let text = application(service);
        assert_eq!(refusal("application", &text), None);
        assert_eq!(refused("application", &read(&text)), None, "{service}");
    }
    let object = "kind: configuration\nname: aa\ndata: {a: {url: 'https://h/a', unpack: tar.gz}}\n";
    assert_eq!(refusal("configuration", object), None);
    assert_eq!(refused("configuration", &read(object)), None);
}

/// Every YAML and JSON of the book, of the plugins' and examples' folders and of the fuzzer, each document by itself.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["docs/src", "examples", "plugins", "fuzz/corpus", "README.md"] {
        collect(&root.join(folder), &mut found);
    }
    found
}

fn collect(path: &Path, found: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
        return;
    }
    let Ok(text) = fs::read_to_string(path) else { return };
    let blocks: Vec<&str> = match path.extension().and_then(|ending| ending.to_str()) {
        Some("md") => text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect(),
        Some("yml" | "yaml" | "json") | None => vec![&text],
        _ => return,
    };
    let documents = blocks.into_iter().flat_map(|block| block.split("\n---\n"));
    found.extend(documents.map(|document| (path.to_owned(), document.to_owned())));
}

#[test]
fn what_the_program_takes_of_the_repositorys_texts_the_schemas_take_too() {
    let mut taken = 0;
    for (path, text) in texts() {
        let Ok(value) = aerolith_model::read_yaml::<Value>("text", &text) else {
            continue;
        };
        let kind = value["kind"].as_str().unwrap_or("none").to_owned();
        if path.components().any(|part| part.as_os_str() == "examples") {
            assert_eq!(refusal(&kind, &text), None, "{}", path.display());
        }
        let resource = SCHEMAS.iter().map(|(name, ..)| *name).find(|name| *name == kind);
        let names = match resource {
            Some(name) => vec![name],
            None if value.is_object() => vec!["program", "aerolith", "plugin"],
            None => vec![],
        };
        for name in names.into_iter().filter(|name| refusal(name, &text).is_none()) {
            assert_eq!(refused(name, &value), None, "{}: {name}: {text}", path.display());
            taken += 1;
        }
    }
    assert!(taken > 10, "only {taken} texts were taken");
}
