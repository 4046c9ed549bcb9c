#[path = "../../tests/world/canary.rs"]
mod canary;
mod crash;
mod damage;
mod deploying;
#[path = "../../tests/world/folder.rs"]
mod folder;
mod golden;
mod killed;
mod random;
mod secrecy;
mod seen;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use folder::copy;
use seen::{differences, seen};

fn resource(json: &str) -> Resource {
    serde_json::from_str(json).unwrap()
}

fn configuration(name: &str, text: &str) -> Resource {
    resource(&format!(
        r#"{{"kind":"configuration","name":"{name}","data":{{"k":"{text}"}}}}"#
    ))
}

fn put(resources: Vec<Resource>) -> Change {
    Change {
        put: resources,
        delete: Vec::new(),
    }
}

fn id(text: &str) -> ResourceId {
    text.to_owned().try_into().unwrap()
}

fn open(dir: &tempfile::TempDir) -> State {
    State::open(dir.path().join("state"), dir.path().join("node.key")).unwrap()
}

fn files(dir: &tempfile::TempDir, kind: &str) -> Vec<String> {
    let paths = durable::entries(&dir.path().join("state").join(kind)).unwrap();
    paths
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_was_committed_is_there_after_a_restart_with_its_revision() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    assert_eq!(
        state
            .commit(put(vec![configuration("aa", "1"), configuration("bb", "1")]))
            .unwrap(),
        1
    );
    assert_eq!(state.commit(put(vec![configuration("aa", "2")])).unwrap(), 2);
    let delete = Change {
        put: Vec::new(),
        delete: vec![id("configuration/bb")],
    };
    assert_eq!(state.commit(delete).unwrap(), 3);
    let again = open(&dir);
    assert_eq!((again.revision(), again.resources()), (3, state.resources()));
    assert_eq!(*again.resources()[&id("configuration/aa")], configuration("aa", "2"));
    assert_eq!(files(&dir, "configuration"), ["aa@2.json"]);
    assert_eq!(again.damaged(), []);
}

#[test]
fn a_change_that_changes_nothing_makes_no_revision() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    state.commit(put(vec![configuration("aa", "1")])).unwrap();
    assert_eq!(state.commit(put(vec![configuration("aa", "1")])).unwrap(), 1);
    let both = Change {
        put: vec![configuration("aa", "1")],
        delete: vec![id("configuration/aa")],
    };
    assert_eq!(state.commit(both).unwrap(), 1, "what is put is not deleted");
}

#[test]
fn everything_there_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let secret = resource(r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#);
    let shop = resource(r#"{"kind":"application","name":"shop"}"#);
    open(&dir)
        .commit(put(vec![secret, shop, configuration("aa", "1")]))
        .unwrap();
    fs::write(dir.path().join("state/configuration/aa@1.json"), "{").unwrap();
    open(&dir);
    let (mut folders, mut found) = (vec![dir.path().join("state")], vec![dir.path().join("node.key")]);
    while let Some(folder) = folders.pop() {
        for path in durable::entries(&folder).unwrap() {
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
        found.push(folder);
    }
    assert_eq!(found.iter().filter(|path| path.is_file()).count(), 6, "{found:?}");
    for path in found {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());
    }
}

#[test]
fn a_crash_before_the_head_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    state.commit(put(vec![configuration("aa", "1")])).unwrap();
    for name in ["aa", "new"] {
        let (_, path, bytes) = state.versions.encode(&configuration(name, "2"), 2).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::write(dir.path().join("state/configuration/~7"), "{\"half").unwrap();
    fs::write(dir.path().join("state/~8"), "{\"half").unwrap();
    let again = open(&dir);
    assert_eq!((again.revision(), again.resources().len()), (1, 1));
    assert_eq!(*again.resources()[&id("configuration/aa")], configuration("aa", "1"));
    assert_eq!(files(&dir, "configuration"), ["aa@1.json"]);
    assert!(!dir.path().join("state/~8").exists());
}

#[test]
fn a_damaged_file_is_kept_and_named_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir)
        .commit(put(vec![configuration("aa", "1"), configuration("bb", "1")]))
        .unwrap();
    let file = dir.path().join("state/configuration/aa@1.json");
    let torn = &fs::read(&file).unwrap()[..20];
    fs::write(&file, torn).unwrap();
    let mut state = open(&dir);
    assert_eq!(state.resources().keys().collect::<Vec<_>>(), [&id("configuration/bb")]);
    let [damaged] = state.damaged() else {
        panic!("{:?}", state.damaged())
    };
    assert_eq!(damaged.resource, Some(id("configuration/aa")));
    let kept = dir.path().join("state/damaged/aa@1.json");
    assert!(
        damaged.reason.contains(&kept.display().to_string()),
        "{}",
        damaged.reason
    );
    assert_eq!(fs::read(kept).unwrap(), torn);
    assert_eq!(open(&dir).damaged().len(), 1, "it stays damaged until somebody acts");
    state.commit(put(vec![configuration("aa", "1")])).unwrap();
    assert_eq!((state.damaged(), open(&dir).damaged()), (&[][..], &[][..]));
}

#[test]
fn a_flipped_bit_in_valid_json_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir).commit(put(vec![configuration("aa", "1")])).unwrap();
    let file = dir.path().join("state/configuration/aa@1.json");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("\"1\"", "\"3\"")).unwrap();
    assert!(open(&dir).damaged()[0].reason.contains("sha256"));
}

#[test]
fn a_damaged_head_is_rebuilt_from_the_newest_versions_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    state
        .commit(put(vec![configuration("aa", "1"), configuration("bb", "1")]))
        .unwrap();
    state.commit(put(vec![configuration("aa", "2")])).unwrap();
    for damage in ["{", ""] {
        fs::write(dir.path().join("state/head.json"), damage).unwrap();
        let again = open(&dir);
        assert_eq!((again.revision(), again.resources()), (2, state.resources()));
        assert!(again.damaged()[0].reason.contains("head.json"));
    }
    fs::remove_file(dir.path().join("state/head.json")).unwrap();
    assert_eq!(open(&dir).resources(), state.resources());
}
