//! Plugin crates are built as an operator would get them, although this test's own build may hold them linked in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aerolith_plugin::wire::manifest::{Entry, MANIFEST_SECTION, MARKER_SECTION, Manifest, Marker};
use aerolith_plugin_testkit::plugins::{build, build_all};
use object::{Object, ObjectSection};
use std::path::Path;

fn section(path: &Path, name: &str) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    object::File::parse(&*bytes)
        .unwrap()
        .section_by_name(name)
        .unwrap()
        .data()
        .unwrap()
        .to_vec()
}

#[test]
fn a_built_plugin_carries_its_manifest_and_is_built_once() {
    let names = ["probe", "listener", "locker"];
    let paths = build_all(&names, "dev").unwrap();
    for (path, name) in paths.iter().zip(names) {
        let manifest: Manifest = serde_json::from_slice(&section(path, MANIFEST_SECTION)).unwrap();
        assert_eq!(manifest.name, name);
        let marker = Marker::read(&section(path, MARKER_SECTION));
        assert_eq!(
            marker,
            Some(Marker {
                entry: Entry::Rust,
                unwinds: true
            })
        );
        assert_eq!(&build(name, "dev").unwrap(), path);
    }
}

#[test]
fn a_crate_without_a_shared_library_is_named() {
    let error = build("aerolith-plugin-wire", "dev").unwrap_err().to_string();
    assert!(
        error.contains("aerolith-plugin-wire") && error.contains("cdylib"),
        "{error}"
    );
}
