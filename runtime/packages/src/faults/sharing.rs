//! Copies that share the bytes of the store's files until one of them is written to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::machine::{Fault, Machine, Sharing};
use super::mounted::Mounted;
use super::scenarios::noise;
use super::trial::world;
use crate::{Content, Digest, Download, Part, Store, StoreError, Tree, Unpack};

const SIZE: usize = 1 << 20;

/// A tree of one large file, `f`.
fn large(store: &Store) -> Tree {
    let mut ingest = store.ingest(Download::default()).unwrap();
    ingest.write(&noise(1, SIZE)).unwrap();
    let content = Content::Object {
        blob: ingest.finish().unwrap(),
        unpack: Unpack::None,
        file_name: "f".into(),
    };
    let name = "a".into();
    let staged = store.stage(&[Part { name, content }]).unwrap();
    staged.publish("large".parse().unwrap()).unwrap()
}

/// The copy is whole, and a change of it is none of the tree; a tree that was changed is not copied any more.
fn assert_apart(store: &Store, tree: &Tree, copy: &Path) {
    let (stored, file) = (tree.root().join("f"), copy.join("f"));
    assert_eq!(Digest::of(&fs::read(&file).unwrap()), Digest::of(&noise(1, SIZE)));
    fs::write(&file, "its own").unwrap();
    store.verify(tree).unwrap();
    fs::set_permissions(&stored, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&stored, vec![0; SIZE]).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"its own");
    let error = store.checkout(tree, &copy.with_file_name("other")).unwrap_err();
    assert!(matches!(error, StoreError::RottenTree { .. }), "{error}");
    assert!(!copy.with_file_name("other").exists());
}

#[test]
fn a_copy_that_shares_its_bytes_takes_no_space_for_them_and_goes_its_own_way() {
    for (sharing, fits) in [(Sharing::Works, true), (Sharing::Unknown, false)] {
        let machine = Machine::new(sharing);
        let store = world(&machine).open().unwrap();
        let (tree, copy) = (large(&store), machine.path().join("outside/copy"));
        machine.set(Fault::Full(machine.used() + (SIZE / 2) as u64));
        assert_eq!(store.checkout(&tree, &copy).is_ok(), fits, "{sharing:?}");
        machine.set(Fault::None);
        if fits {
            assert_apart(&store, &tree, &copy);
        }
    }
}

#[test]
fn on_btrfs_a_copy_shares_its_bytes_with_the_store_and_goes_its_own_way() {
    let Some(disk) = Mounted::btrfs() else { return };
    let store = disk.open().unwrap();
    let (tree, copy) = (large(&store), disk.at.join("copy"));
    let free = disk.free();
    store.checkout(&tree, &copy).unwrap();
    let taken = free.saturating_sub(disk.free());
    assert!(taken < SIZE as u64 / 2, "{taken} bytes were taken");
    assert_apart(&store, &tree, &copy);
}
