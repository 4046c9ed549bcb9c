//! `aerolith check`: files, without a daemon.

use std::path::{Path, PathBuf};

use aerolith_api::Document;
use aerolith_model::{Resource, ResourceKind, closest};
use serde_json::{Value, json};

use super::source::{Source, files};
use crate::outcome::{DONE, WRONG, told};
use crate::screen::Screen;

/// Checks every file, also those of folders, and answers the exit code.
pub(crate) fn check(named: &[PathBuf], screen: Screen) -> anyhow::Result<u8> {
    let mut answers = Vec::new();
    let mut valid = true;
    for file in &files(named)? {
        match one(file, screen) {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                valid = false;
                let said = told(&error);
                screen.message(said.trim_end().strip_prefix("error: ").unwrap_or(&said));
                answers.push(json!({ "file": file, "valid": false, "error": error.to_string() }));
            }
        }
    }
    screen.tell(&Value::Array(answers), || {
        if valid { "OK!\n".into() } else { String::new() }
    })?;
    Ok(if valid { DONE } else { WRONG })
}

fn one(file: &Path, screen: Screen) -> anyhow::Result<Value> {
    let source = Source::of(file)?;
    let document = source.document()?;
    let warnings: Vec<String> = document
        .warnings
        .iter()
        .cloned()
        .chain(unfetched(&source, &document))
        .collect();
    for warning in &warnings {
        screen.message(&format!("warning: {warning}"));
    }
    Ok(json!({ "file": source.name, "valid": true, "resources": document.resources.len(), "warnings": warnings }))
}

/// The schemes of addresses that the plugins which come with the runtime fetch.
const SCHEMES: [&str; 4] = ["file", "http", "https", "s3"];

/// Objects that only another's plugin could fetch: that may be so, and may be a slip.
fn unfetched<'a>(source: &'a Source, document: &'a Document) -> impl Iterator<Item = String> {
    let configurations = document.resources.iter().filter_map(Resource::as_configuration);
    let objects = configurations.flat_map(|configuration| configuration.objects().map(move |it| (configuration, it)));
    objects.filter_map(|(configuration, (key, object))| {
        let scheme = object.url.scheme().to_ascii_lowercase();
        if SCHEMES.contains(&&*scheme) {
            return None;
        }
        let name = configuration.name.as_str();
        let place = source.place(ResourceKind::Configuration, name, &format!("data.{key}.url"));
        let near = closest(&scheme, SCHEMES).map_or_else(String::new, |near| format!("; did you mean `{near}:`?"));
        Some(format!(
            "{}: object `{key}` of configuration `{name}`: none of Aerolith's own plugins fetches `{scheme}:` URLs (they \
             fetch {}); a vendor's may{near}",
            place.unwrap_or_else(|| source.name.clone()),
            SCHEMES.join(", "),
        ))
    })
}
