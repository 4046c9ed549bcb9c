use super::*;
use crate::tree::Kind;
use aerolith_packages::{Expected, Limits, Part, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

const FORMATS: [Format; 2] = [Format::Zip, Format::TarZst];

/// A thing to pack, and the mode it has on this disk.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, u32),
    Link(&'static str),
    Folder(u32),
}

fn thing() -> impl Strategy<Value = Thing> {
    let mode = prop_oneof![Just(0o600), Just(0o644), Just(0o664), Just(0o700), Just(0o755)];
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        4 => (bytes, mode).prop_map(|(bytes, mode)| Thing::File(bytes, mode)),
        1 => Just(Thing::Link("./somewhere")),
        1 => prop_oneof![Just(0o700), Just(0o777)].prop_map(Thing::Folder),
    ]
}

fn things() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    proptest::collection::btree_map("(d[12]/|d1/e1/|)[a-z]{1,6}( ü)?", thing(), 1..12)
}

/// Makes the things in an order, each with a time of its own.
fn make<'a>(things: impl Iterator<Item = (&'a String, &'a Thing)>, age: u64) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (number, (path, thing)) in things.enumerate() {
        let place = root.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match thing {
            Thing::Folder(mode) => {
                fs::create_dir(&place).unwrap();
                fs::set_permissions(&place, Permissions::from_mode(*mode)).unwrap();
            }
            Thing::Link(target) => symlink(target, &place).unwrap(),
            Thing::File(bytes, mode) => {
                fs::write(&place, bytes).unwrap();
                fs::set_permissions(&place, Permissions::from_mode(*mode)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(age + number as u64);
                fs::File::open(&place).unwrap().set_modified(time).unwrap();
            }
        }
    }
    root
}

fn packed(root: &Path, format: Format) -> Vec<u8> {
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("a");
    format.write(&Tree::of(root).unwrap(), &file).unwrap();
    fs::read(file).unwrap()
}

/// What a node makes of an archive.
fn unpacked(bytes: &[u8], format: Format) -> Vec<(String, Kind, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    fs::write(&file, bytes).unwrap();
    let store = Store::open(folder.path().join("store"), Limits::default()).unwrap();
    let part = Part {
        name: "a".into(),
        content: aerolith_packages::Content::Object {
            blob: store.take(&file, Expected::default()).unwrap(),
            unpack: format.suffix().parse().unwrap(),
            file_name: String::new(),
        },
    };
    let staged = store.stage(&[part]).unwrap();
    all(&Tree::of(staged.path()).unwrap())
}

fn all(tree: &Tree) -> Vec<(String, Kind, Vec<u8>)> {
    let bytes = |path: &str, kind: &Kind| match kind {
        Kind::File { .. } => fs::read(tree.root().join(path)).unwrap(),
        _ => Vec::new(),
    };
    let entries = tree.entries();
    entries
        .map(|(path, kind)| (path.into(), kind.clone(), bytes(path, kind)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_tree_gives_the_same_bytes_whatever_its_order_times_and_modes(things in things()) {
        let plain = |mode: &u32| if mode & 0o111 == 0 { 0o666 } else { 0o711 };
        let other: BTreeMap<_, _> = things.iter().map(|(path, thing)| (path.clone(), match thing {
            Thing::File(bytes, mode) => Thing::File(bytes.clone(), plain(mode)),
            Thing::Folder(_) => Thing::Folder(0o750),
            Thing::Link(target) => Thing::Link(target),
        })).collect();
        let one = make(things.iter(), 1_000_000_000);
        let two = make(other.iter().rev(), 2_000_000_000);
        for format in FORMATS {
            prop_assert_eq!(packed(one.path(), format), packed(two.path(), format));
        }
    }

    #[test]
    fn a_node_unpacks_what_was_packed(things in things()) {
        let root = make(things.iter(), 0);
        let expected = all(&Tree::of(root.path()).unwrap());
        for format in FORMATS {
            prop_assert_eq!(&unpacked(&packed(root.path(), format), format), &expected);
        }
    }
}

#[test]
fn paths_and_targets_longer_than_a_header_arrive_whole() {
    let root = tempfile::tempdir().unwrap();
    let (folder, target) = ([&*"d".repeat(90); 3].join("/"), format!("{}t", "./".repeat(80)));
    fs::create_dir_all(root.path().join(&folder)).unwrap();
    fs::write(root.path().join(&folder).join("file"), "1").unwrap();
    symlink(&target, root.path().join("link")).unwrap();
    symlink(&target, root.path().join(&folder).join("link")).unwrap();
    let expected = all(&Tree::of(root.path()).unwrap());
    for format in FORMATS {
        assert_eq!(unpacked(&packed(root.path(), format), format), expected, "{format:?}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_refused_by_name() {
    for (before, after) in [("12345", "123"), ("123", "12345")] {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("growing");
        fs::write(&file, before).unwrap();
        let tree = Tree::of(root.path()).unwrap();
        fs::write(&file, after).unwrap();
        for format in FORMATS {
            let to = tempfile::tempdir().unwrap();
            let error = format.write(&tree, &to.path().join("a")).unwrap_err().to_string();
            assert!(error.contains("growing: it changed while it was packed"), "{error}");
        }
    }
}
