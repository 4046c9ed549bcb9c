//! Old plugins on the new host, new plugins on the old host: for every minor of the API that there was.

use crate::support::build::{cargo, executable, plugin, root};
use std::path::Path;
use std::process::Command;

fn drive(host: &Path, plugin: &Path) -> String {
    let out = Command::new(host).arg(plugin).output().unwrap();
    assert!(
        out.status.success(),
        "{} with {}: {}",
        host.display(),
        plugin.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

fn expect_all(said: &str) {
    for part in [
        "golden 0.1.0 is Running",
        "model G1",
        "1 sample",
        "unknown card refused: true",
        "metrics 1",
    ] {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
}

#[test]
fn every_golden_plugin_runs_on_this_host_and_this_plugin_on_every_golden_host() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED every_golden_plugin…: the golden files are for x86-64");
        return;
    }
    let (new_host, new_plugin) = (executable(&mut cargo(), "golden-host"), plugin("golden"));
    let mut minors = 0;
    for folder in std::fs::read_dir(root().join("tests/golden")).unwrap() {
        let folder = folder.unwrap().path();
        let (old_host, old_plugin) = (folder.join("golden-host"), folder.join("libgolden.so"));
        if !old_plugin.exists() {
            continue;
        }
        minors += 1;
        expect_all(&drive(&new_host, &old_plugin));
        expect_all(&drive(&old_host, &new_plugin));
        expect_all(&drive(&old_host, &old_plugin));
    }
    assert!(minors > 0, "no golden files were found");
    expect_all(&drive(&new_host, &new_plugin));
}
