//! The files that cargo built: plugins and the one binary. Paths come from cargo's own report, never from guessing.

use sha2::Digest as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The library of a plugin crate of the workspace, as a vendor would build it alone.
pub(crate) fn plugin(package: &str) -> PathBuf {
    aerolith_plugin_testkit::plugins::build(package, "dev").unwrap()
}

/// The monitor in C.
pub(crate) fn c_monitor() -> PathBuf {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libmonitor.so");
        aerolith_plugin_testkit::plugins::build_c(&root().join("plugin-api/c/monitor.c"), &library).unwrap();
        (folder, library)
    });
    built.1.clone()
}

/// The one binary.
pub(crate) fn binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| executable(&mut cargo(), "aerolith")).clone()
}

/// A cargo command in the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Builds a package with this command and answers its executable.
pub(crate) fn executable(cargo: &mut Command, package: &str) -> PathBuf {
    artifact(
        cargo.args(["build", "-p", package, "--message-format=json-render-diagnostics"]),
        "executable",
    )
}

/// Runs a cargo command and answers a path of its last artifact that has one.
pub(crate) fn artifact(cargo: &mut Command, what: &str) -> PathBuf {
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    let mut found = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        if what == "executable" {
            return Some(PathBuf::from(message["executable"].as_str()?));
        }
        let files = message["filenames"].as_array()?.iter().filter_map(|f| f.as_str());
        files.filter(|f| f.ends_with(".so")).map(PathBuf::from).next()
    });
    found.next_back().expect("cargo's report names the artifact")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
