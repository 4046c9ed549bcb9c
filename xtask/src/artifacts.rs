//! Runs a build and learns from cargo's own report where its files lie.

use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The executable that a build made.
pub(crate) fn executable(build: &mut Command) -> Result<PathBuf> {
    one(build, |message| message["executable"].as_str().map(PathBuf::from))
}

/// The shared library that a build made.
pub(crate) fn library(build: &mut Command) -> Result<PathBuf> {
    one(build, |message| {
        let files = message["filenames"].as_array()?.iter().filter_map(|file| file.as_str());
        files.filter(|file| file.ends_with(".so")).map(PathBuf::from).next()
    })
}

fn one(build: &mut Command, path: impl Fn(&serde_json::Value) -> Option<PathBuf>) -> Result<PathBuf> {
    let built = build
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    if !built.status.success() {
        bail!("{build:?} ended with {}", built.status);
    }
    let report = String::from_utf8(built.stdout)?;
    let messages = report.lines().filter_map(|line| serde_json::from_str(line).ok());
    // The package itself is built last.
    messages
        .filter_map(|message| path(&message))
        .last()
        .with_context(|| format!("{build:?} reported no such file"))
}
