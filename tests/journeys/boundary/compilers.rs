//! Other compilers and other machines: what one compiler built loads on what another built.

use crate::support::build::{artifact, cargo, executable, plugin, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's compiler, of another version than the one that builds this test (package `rustc-web`).
const OTHER: &str = "/usr/bin/rustc";

fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

fn version(rustc: impl AsRef<std::ffi::OsStr>) -> String {
    run(Command::new(rustc).arg("--version"))
}

/// Whether there is another compiler than ours; says so loudly when not.
fn other_compiler(test: &str) -> bool {
    let ours = version(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    if Path::new(OTHER).exists() && version(OTHER) != ours {
        return true;
    }
    eprintln!("SKIPPED {test}: no other compiler at {OTHER} (Debian package rustc-web)");
    false
}

fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}

fn by_other(name: &str) -> Command {
    let mut cargo = cargo();
    cargo
        .env("RUSTC", OTHER)
        .env_remove("RUSTC_WRAPPER")
        .env("CARGO_TARGET_DIR", target(name));
    cargo.env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

fn library(cargo: &mut Command, package: &str) -> PathBuf {
    let flags = [
        "rustc",
        "-p",
        package,
        "--crate-type",
        "cdylib",
        "--message-format=json-render-diagnostics",
    ];
    artifact(cargo.args(flags), "library")
}

fn runs(said: &str) {
    assert!(
        said.contains("golden 0.1.0 is Running") && said.contains("unknown card refused: true"),
        "{said}"
    );
}

#[test]
fn a_plugin_of_another_compiler_loads_here_and_ours_loads_there() {
    if !other_compiler("a_plugin_of_another_compiler…") {
        return;
    }
    let (our_host, our_plugin) = (executable(&mut cargo(), "golden-host"), plugin("golden"));
    let their_host = executable(&mut by_other("other-compiler"), "golden-host");
    let their_plugin = library(&mut by_other("other-compiler"), "golden");
    runs(&run(Command::new(our_host).arg(their_plugin)));
    runs(&run(Command::new(their_host).arg(our_plugin)));
}

#[test]
fn an_arm64_plugin_is_loaded_by_an_arm64_host_and_refused_here() {
    const TEST: &str = "an_arm64_plugin…";
    let needed = [
        "/usr/bin/qemu-aarch64-static",
        "/usr/bin/aarch64-linux-gnu-gcc",
        "/lib/aarch64-linux-gnu/libc.so.6",
    ];
    if !other_compiler(TEST) {
        return;
    }
    if let Some(missing) = needed.iter().find(|path| !Path::new(path).exists()) {
        eprintln!(
            "SKIPPED {TEST}: no {missing} (Debian packages qemu-user-static, gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, libstd-rust-web-dev:arm64)"
        );
        return;
    }
    let arm = || {
        let mut cargo = by_other("other-compiler");
        cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
        cargo.env("CARGO_BUILD_TARGET", "aarch64-unknown-linux-gnu");
        cargo
    };
    let (host, file) = (executable(&mut arm(), "golden-host"), library(&mut arm(), "golden"));
    runs(&run(Command::new("/usr/bin/qemu-aarch64-static")
        .env_remove("QEMU_LD_PREFIX")
        .arg(host)
        .arg(&file)));
    let ours = executable(&mut cargo(), "golden-host");
    let refused = Command::new(ours).arg(&file).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("found aarch64"), "{said}");
}

/// A vendor's crate stands alone: its own lock file, its own target folder, only the SDK from elsewhere.
#[test]
fn a_plugin_crate_copied_out_of_the_workspace_builds_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let crate_folder = folder.path().join("golden");
    let from = root().join("tests/plugins/golden");
    std::fs::create_dir_all(crate_folder.join("src")).unwrap();
    std::fs::copy(from.join("src/lib.rs"), crate_folder.join("src/lib.rs")).unwrap();
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).unwrap();
    let sdk = root().join("plugin-api/sdk");
    let manifest = manifest.replace("../../../plugin-api/sdk", &sdk.to_string_lossy());
    std::fs::write(crate_folder.join("Cargo.toml"), format!("{manifest}\n[workspace]\n")).unwrap();
    let mut alone = cargo();
    alone
        .current_dir(&crate_folder)
        .env("CARGO_TARGET_DIR", target("alone"));
    let file = artifact(
        alone.args(["build", "--message-format=json-render-diagnostics"]),
        "library",
    );
    assert!(
        crate_folder.join("Cargo.lock").exists(),
        "it has a lock file of its own"
    );
    let host = executable(&mut cargo(), "golden-host");
    runs(&run(Command::new(host).arg(file)));
}

#[test]
fn an_sdk_built_to_abort_on_panic_does_not_compile() {
    let mut aborting = cargo();
    aborting.env("CARGO_TARGET_DIR", target("abort"));
    aborting.args([
        "check",
        "-p",
        "aerolith-plugin",
        "--config",
        "profile.dev.panic=\"abort\"",
    ]);
    let out = aborting.output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        !out.status.success() && said.contains("an Aerolith plugin must unwind"),
        "{said}"
    );
}
