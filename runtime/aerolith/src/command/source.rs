//! Files that the operator names.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::outcome::Wrong;

/// What errors call a file, and its text; `-` is standard input.
pub(super) fn text(file: &Path) -> Result<(String, String), Wrong> {
    let name = if is_stdin(file) {
        "<stdin>".to_owned()
    } else {
        file.display().to_string()
    };
    let read = if is_stdin(file) {
        stdin()
    } else {
        fs::read_to_string(file)
    };
    read.map(|text| (name.clone(), text))
        .map_err(|error| Wrong::new(format!("{name}: cannot be read: {error}")))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}
