//! Builds plugin crates and learns where their libraries lie; for tests that load a plugin as an operator would.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// Why a plugin could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The program could not be started.
    #[error("{program} did not start: {source}")]
    Start {
        /// `cargo` or the C compiler.
        program: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed on {subject}:\n{messages}")]
    Failed {
        /// `cargo` or the C compiler.
        program: String,
        /// The package or the source file.
        subject: String,
        /// What it wrote.
        messages: String,
    },
    /// The package has no library of this kind.
    #[error("package {0} has no shared library: expected `crate-type = [\"cdylib\", …]` in its Cargo.toml")]
    NoLibrary(String),
    /// The package has no program.
    #[error("package {0} has no program")]
    NoProgram(String),
}

/// Paths by package and profile.
type Built = BTreeMap<(String, String), PathBuf>;

/// Builds the packages of the workspace that the working directory belongs to, as [`build`] does each; answers the paths
/// in the same order.
///
/// # Errors
/// As [`build`].
pub fn build_all(packages: &[&str], profile: &str) -> Result<Vec<PathBuf>, BuildError> {
    packages.iter().map(|package| build(package, profile)).collect()
}

/// Builds a plugin crate of the workspace that the working directory belongs to, with a profile (`dev`, `release`,
/// `plugin`), and answers the path of its shared library. Each is built once per process; the others wait.
///
/// The build has a target directory of its own, `plugins` in the workspace's: a test that links the same crate in, with
/// its feature `static`, would else overwrite the library with one that exports nothing.
///
/// # Errors
/// [`BuildError`] with what cargo wrote.
pub fn build(package: &str, profile: &str) -> Result<PathBuf, BuildError> {
    static BUILT: Mutex<Built> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (package.to_owned(), profile.to_owned());
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let path = build_now(package, profile)?;
    built.insert(key, path.clone());
    Ok(path)
}

/// Builds a program of the workspace and answers its path.
///
/// # Errors
/// [`BuildError`] with what cargo wrote.
pub fn program(package: &str, profile: &str) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(cargo());
    command.args([
        "build",
        "--quiet",
        "--message-format=json-render-diagnostics",
        "--profile",
        profile,
    ]);
    let output = output(&cargo(), package, command.args(["--package", package]))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
    programs
        .next_back()
        .ok_or_else(|| BuildError::NoProgram(package.into()))
}

/// Compiles a plugin written in C, with the compiler of the variable `CC`, else `cc`.
///
/// # Errors
/// [`BuildError`] with what the compiler wrote; a warning is an error.
pub fn build_c(source: &Path, library: &Path) -> Result<(), BuildError> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut command = Command::new(&compiler);
    command.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]);
    command
        .args(["-fvisibility=hidden", "-Wl,-Bsymbolic", "-o"])
        .arg(library)
        .arg(source);
    output(&compiler, &source.display().to_string(), &mut command).map(|_| ())
}

fn build_now(package: &str, profile: &str) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(cargo());
    command.args([
        "build",
        "--quiet",
        "--message-format=json-render-diagnostics",
        "--package",
        package,
    ]);
    command
        .args(["--profile", profile, "--target-dir"])
        .arg(target_directory()?);
    let output = output(&cargo(), package, &mut command)?;
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .find_map(|line| library(line, package))
        .ok_or_else(|| BuildError::NoLibrary(package.into()))
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

fn target_directory() -> Result<PathBuf, BuildError> {
    if let Some(directory) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(Path::new(&directory).join("plugins"));
    }
    let mut command = Command::new(cargo());
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let output = output(&cargo(), "the workspace", &mut command)?;
    let manifest = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Path::new(&manifest).with_file_name("target").join("plugins"))
}

fn output(program: &str, subject: &str, command: &mut Command) -> Result<Output, BuildError> {
    let started = command.stdin(Stdio::null()).output();
    let output = started.map_err(|source| BuildError::Start {
        program: program.into(),
        source,
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(BuildError::Failed {
        program: program.into(),
        subject: subject.into(),
        messages,
    })
}

/// One line of cargo's report on a build, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    #[serde(default)]
    crate_types: Vec<String>,
}

/// The shared library that a line of the report tells of.
fn library(line: &str, package: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let target = message.target.filter(|_| message.reason == "compiler-artifact")?;
    let ours = target.name == package.replace('-', "_") && target.crate_types.iter().any(|kind| kind == "cdylib");
    message
        .filenames
        .into_iter()
        .find(|name| ours && name.extension().is_some_and(|end| end == "so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w#fetcher-http@0.1.0",
        "target":{"kind":["cdylib","rlib"],"crate_types":["cdylib","rlib"],"name":"fetcher_http"},
        "filenames":["/w/target/debug/libfetcher_http.rlib","/w/target/debug/libfetcher_http.so"],"fresh":true}"#;

    #[test]
    fn the_library_is_told_from_cargos_report() {
        assert_eq!(
            library(LINE, "fetcher-http").unwrap(),
            Path::new("/w/target/debug/libfetcher_http.so")
        );
    }

    #[test]
    fn lines_of_something_else_tell_nothing() {
        assert_eq!(library(LINE, "fetcher"), None);
        assert_eq!(
            library(&LINE.replace("compiler-artifact", "build-finished"), "fetcher-http"),
            None
        );
        assert_eq!(library("warning: something", "fetcher-http"), None);
    }

    #[test]
    fn a_package_that_is_not_there_is_named() {
        let error = build("testkit-no-such-package", "dev").unwrap_err().to_string();
        assert!(error.contains("testkit-no-such-package"), "{error}");
    }

    #[test]
    fn a_c_file_that_is_not_there_is_named() {
        let error = build_c(Path::new("/nowhere/plugin.c"), Path::new("/nowhere/plugin.so"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/plugin.c"), "{error}");
    }
}
