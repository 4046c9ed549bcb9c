//! `aerolith check`: files, without a daemon.

use std::path::{Path, PathBuf};

use aerolith_api::read;
use serde_json::{Value, json};

use super::source::{files, text};
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
    let (name, text) = text(file)?;
    let document = read(&name, &text)?;
    for warning in &document.warnings {
        screen.message(&format!("warning: {warning}"));
    }
    Ok(json!({ "file": name, "valid": true, "resources": document.resources.len(), "warnings": document.warnings }))
}
