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

#[test]
fn what_the_program_refuses_of_whole_services_and_secrets_the_schemas_refuse_too() {
    let service = |fields: &str| format!("services: [{{name: aa, {fields}}}]");
    let init = |fields: &str| format!("initServices: [{{name: aa, image: i, {fields}}}]");
    for fields in [
        service("programConfig: pp, image: i"),
        service("replica: 2"),
        service("image: ''"),
        service("image: null"),
        service("image: i, restart: {backoff: {factor: 0.5}}"),
        service("image: i, readinessProbe: {}"),
        service("image: i, readinessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}"),
        service("image: i, readinessProbe: {exec: {command: []}}"),
        service("image: i, livenessProbe: {exec: {command: [a]}, successThreshold: 2}"),
        init("replica: 2"),
        init("update: {strategy: switch}"),
        init("readinessProbe: {exec: {command: [a]}}"),
        "jobConfig: {backoffLimit: 1}".to_owned(),
        "volumes: [{name: aa}]".to_owned(),
        "volumes: [{name: aa, emptyDir: {}, config: {name: aa}}]".to_owned(),
    ] {
        refused_by_both("application", &fields);
    }
    for fields in [
        "labels: {secret-type: other}",
        "labels: {secret-type: registry}, data: {address: ''}",
    ] {
        refused_by_both("secret", &fields.replace(", data", "\ndata"));
    }
    for entry in ["", "/bin/sh", "C:/x", "../x", "a/../x", "bin/", "bin/.", "."] {
        let text = format!("entry: '{entry}'\n");
        assert!(
            refusal("program", &text).is_some() && refused("program", &read(&text)).is_some(),
            "{entry}"
        );
    }
}

/// By the schema of its kind, and by that of any document.
fn refused_by_both(kind: &str, fields: &str) {
    let text = format!("kind: {kind}\nname: weather\n{fields}\n");
    assert!(refusal(kind, &text).is_some(), "{text}");
    for schema in [kind, "document"] {
        assert!(refused(schema, &read(&text)).is_some(), "{schema}: {text}");
    }
}

#[test]
fn any_document_has_one_schema_which_goes_by_its_kind() {
    for (name, text) in FULL.into_iter().filter(|(_, text)| read(text)["kind"].is_string()) {
        assert_eq!(refused("document", &read(text)), None, "{name}");
    }
    for wrong in [
        "name: aa",
        "kind: pod\nname: aa",
        "kind: secret\nname: aa\nservices: []",
    ] {
        assert!(refused("document", &read(wrong)).is_some(), "{wrong}");
    }
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
            let document = aerolith_api::read("file", &text);
            assert!(document.is_ok(), "{}: {document:?}", path.display());
        }
        let resource = SCHEMAS.iter().map(|(name, ..)| *name).find(|name| *name == kind);
        let names = match resource {
            Some(name) => vec![name, "document"],
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

/// The example runs a package of texts, so that nothing is to be fetched for it.
#[test]
fn the_sample_of_baetyls_json_loads_and_is_the_one_in_the_book() {
    let sample = include_str!("../../../../../../examples/baetyl/lamp.json");
    let document = aerolith_api::read("lamp.json", sample).unwrap();
    let names: Vec<_> = document
        .resources
        .iter()
        .map(|r| format!("{}/{}", r.kind(), r.name()))
        .collect();
    assert_eq!(names, ["configuration/lamp-program", "application/lamp"]);
    let application = document.resources[1].as_application().unwrap();
    assert_eq!(
        application.services[0].program_config.as_ref().unwrap().as_str(),
        "lamp-program"
    );
    assert!(
        document.warnings.len() == 1 && document.warnings[0].contains("selector"),
        "{:?}",
        document.warnings
    );
    assert!(include_str!("../../../../../../docs/src/packages-and-applications.md").contains(sample));
}
