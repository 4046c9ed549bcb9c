use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::seen::in_memory;
use super::*;

/// One of everything, with a deployment that was good and a candidate.
fn small() -> tempfile::TempDir {
    let dir = in_memory();
    let mut state = open(&dir);
    let shop = r#"{"kind":"application","name":"shop","volumes":[{"name":"conf","config":{"name":"conf"}},
        {"name":"cert","secret":{"name":"cert"}}]}"#;
    let cert = r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#;
    let all = vec![configuration("conf", "1"), resource(cert), resource(shop)];
    state.commit(put(all)).unwrap();
    state.succeeded("shop", 1).unwrap();
    state.commit(put(vec![configuration("conf", "2")])).unwrap();
    dir
}

/// Writes a file of a copy, opens that twice, and answers the first with the second's damage.
fn opened(whole: &tempfile::TempDir, file: &str, bytes: &[u8]) -> (State, Vec<Damaged>, tempfile::TempDir) {
    let dir = in_memory();
    copy(whole.path(), dir.path());
    fs::write(dir.path().join(file), bytes).unwrap();
    let state = open(&dir);
    let again = open(&dir).damaged().to_vec();
    (state, again, dir)
}

/// What is made of a file: all of its beginnings, and itself with one bit of each byte flipped.
fn damages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flipped = (0..bytes.len()).map(|at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        flipped
    });
    let torn = (0..bytes.len()).step_by(7).map(|length| bytes[..length].to_vec());
    torn.chain(flipped).collect()
}

fn keeps(dir: &tempfile::TempDir, bytes: &[u8]) -> bool {
    let kept = durable::entries(&dir.path().join("state/damaged")).unwrap();
    kept.iter().any(|path| fs::read(path).unwrap() == bytes)
}

#[test]
fn a_damaged_head_is_kept_and_everything_stays_in_force_with_its_history() {
    let whole = small();
    let before = open(&whole);
    let bytes = fs::read(whole.path().join("state/head.json")).unwrap();
    for damaged in damages(&bytes) {
        let text = String::from_utf8_lossy(&damaged);
        let (state, again, dir) = opened(&whole, "state/head.json", &damaged);
        assert_eq!((state.revision(), state.resources()), (2, before.resources()), "{text}");
        assert_eq!(state.history("shop"), before.history("shop"), "{text}");
        assert!(state.damaged().len() == 1 && keeps(&dir, &damaged), "{text}");
        assert_eq!(again, [], "{text}");
    }
}

#[test]
fn a_damaged_history_is_kept_and_what_is_in_force_counts_as_good() {
    let whole = small();
    let before = open(&whole);
    let file = "state/history/shop.json";
    for damaged in damages(&fs::read(whole.path().join(file)).unwrap()) {
        let text = String::from_utf8_lossy(&damaged);
        let (state, again, dir) = opened(&whole, file, &damaged);
        assert_eq!((state.revision(), state.resources()), (2, before.resources()), "{text}");
        let [now] = state.history("shop") else {
            panic!("{:?} of {text}", state.history("shop"))
        };
        assert_eq!(
            (now.outcome, &now.parts),
            (Outcome::Good, &before.history("shop")[0].parts)
        );
        let [said] = state.damaged() else {
            panic!("{:?} of {text}", state.damaged())
        };
        assert!(
            said.resource.is_none() && said.reason.contains("application `shop`"),
            "{said:?}"
        );
        assert!(keeps(&dir, &damaged) && again.is_empty(), "{text}");
    }
}

#[test]
fn a_damaged_version_is_kept_and_holds_its_resource_alone() {
    let whole = small();
    let before = open(&whole);
    for (file, held) in [
        ("state/application/shop@1.json", "application/shop"),
        ("state/configuration/conf@2.json", "configuration/conf"),
        ("state/secret/cert@1.sealed", "secret/cert"),
    ] {
        for damaged in damages(&fs::read(whole.path().join(file)).unwrap()) {
            let (state, again, dir) = opened(&whole, file, &damaged);
            assert_eq!(state.damaged()[0].resource, Some(id(held)));
            assert_eq!(
                (state.damaged().len(), again.len()),
                (1, 1),
                "it stays so until somebody acts"
            );
            assert_eq!(state.resources().len(), before.resources().len() - 1);
            assert_eq!(state.history("shop"), before.history("shop"));
            assert!(keeps(&dir, &damaged));
        }
    }
    let (state, _, _dir) = opened(&whole, "state/configuration/conf@1.json", b"{}");
    assert_eq!((state.damaged(), state.resources()), (&[][..], before.resources()));
    let error = state.parts(state.fallback("shop").unwrap()).unwrap_err();
    assert!(
        error.contains("conf@1.json has sha256"),
        "an older version is missed when it is wanted: {error}"
    );
}

#[test]
fn a_missing_history_is_said_and_what_is_in_force_counts_as_good() {
    let dir = small();
    fs::remove_file(dir.path().join("state/history/shop.json")).unwrap();
    let state = open(&dir);
    assert_eq!(state.history("shop").len(), 1);
    assert_eq!(state.wanted("shop"), state.fallback("shop"));
    assert!(
        state.damaged()[0].reason.contains("shop.json is missing"),
        "{:?}",
        state.damaged()
    );
}

#[test]
fn without_its_key_secrets_are_held_nothing_is_overwritten_and_with_it_all_is_well() {
    let dir = small();
    let before = open(&dir);
    let (key, sealed) = (
        dir.path().join("node.key"),
        dir.path().join("state/secret/cert@1.sealed"),
    );
    let (right, bytes) = (fs::read(&key).unwrap(), fs::read(&sealed).unwrap());
    for wrong in [None, Some([7; 32])] {
        match wrong {
            None => fs::remove_file(&key).unwrap(),
            Some(wrong) => fs::write(&key, wrong).unwrap(),
        }
        for _ in 0..2 {
            let state = open(&dir);
            let [damaged] = state.damaged() else {
                panic!("{:?}", state.damaged())
            };
            assert_eq!(damaged.resource, Some(id("secret/cert")));
            assert!(damaged.reason.contains("node.key") && damaged.reason.contains("put the right key back"));
            assert_eq!(state.resources().len(), before.resources().len() - 1);
        }
        assert_eq!(fs::read(&sealed).unwrap(), bytes);
        assert_eq!(key.exists(), wrong.is_some());
        // Nor by a lost head.
        fs::remove_file(dir.path().join("state/head.json")).unwrap();
        assert_eq!(open(&dir).damaged().len(), 2);
        assert_eq!(fs::read(&sealed).unwrap(), bytes);
    }
    fs::write(&key, right).unwrap();
    let state = open(&dir);
    assert_eq!((state.damaged(), state.resources()), (&[][..], before.resources()));
}

#[test]
fn no_new_secret_is_stored_while_the_key_of_the_others_is_missing_and_everything_else_is() {
    let dir = small();
    fs::remove_file(dir.path().join("node.key")).unwrap();
    let mut state = open(&dir);
    let other = resource(r#"{"kind":"secret","name":"other","stringData":{"key":"hush"}}"#);
    let error = state.commit(put(vec![other.clone()])).unwrap_err().to_string();
    assert!(error.contains("node.key is missing: put the right key back"), "{error}");
    assert_eq!(state.commit(put(vec![configuration("conf", "3")])).unwrap(), 3);
    let change = Change {
        put: Vec::new(),
        delete: vec![id("secret/cert"), id("application/shop")],
    };
    state.commit(change).unwrap();
    state.commit(put(vec![other.clone()])).unwrap();
    assert_eq!(
        *open(&dir).resources()[&id("secret/other")],
        other,
        "a new key seals nothing but new secrets"
    );
}

fn refused(dir: &Path) -> String {
    let error = State::open(dir.join("state"), dir.join("node.key")).unwrap_err();
    error.to_string()
}

/// Every file with its bytes and mode.
pub(super) fn all(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        if path.is_dir() {
            found.extend(all(&path));
            found.insert(path, (Vec::new(), mode));
        } else {
            found.insert(path.clone(), (fs::read(path).unwrap(), mode));
        }
    }
    found
}

#[test]
fn a_newer_schema_and_a_key_that_is_none_are_refused_and_nothing_is_changed() {
    let dir = small();
    let head = dir.path().join("state/head.json");
    fs::write(dir.path().join("state/~1"), "half").unwrap();
    let written = fs::read(&head).unwrap();
    let newer = serde_json::json!({"schema": 3, "writtenBy": "9.1.0", "parts": []});
    for bytes in [checked::encode(&newer, &head).unwrap(), newer.to_string().into_bytes()] {
        fs::write(&head, bytes).unwrap();
        let before = all(dir.path());
        let error = refused(dir.path());
        let ours = env!("CARGO_PKG_VERSION");
        assert!(error.contains("is of schema 3, written by aerolith 9.1.0"), "{error}");
        assert!(
            error.contains(&format!("this is aerolith {ours}, which reads up to schema 2")),
            "{error}"
        );
        assert_eq!(all(dir.path()), before);
    }
    fs::write(&head, written).unwrap();
    fs::write(dir.path().join("node.key"), [7; 31]).unwrap();
    let before = all(dir.path());
    assert!(refused(dir.path()).contains("node.key has 31 bytes instead of 32"));
    assert_eq!(all(dir.path()), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_happens_to_any_file_the_state_opens(
        number in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        put_there in prop::collection::vec(any::<u8>(), 0..5),
        cut in any::<bool>(),
    ) {
        let dir = in_memory();
        copy(&golden::folder(1).join("data/state"), &dir.path().join("state"));
        let from_first = number.index(2) == 0;
        if !from_first {
            open(&dir);
        }
        let files: Vec<PathBuf> = all(&dir.path().join("state")).into_keys().filter(|path| path.is_file()).collect();
        let file = &files[number.index(files.len())];
        let mut bytes = fs::read(file).unwrap();
        let at = at.index(bytes.len());
        let end = if cut { bytes.len() } else { (at + put_there.len()).min(bytes.len()) };
        bytes.splice(at..end, put_there);
        fs::write(file, bytes).unwrap();
        let first = open(&dir);
        let again = open(&dir);
        prop_assert_eq!(first.resources(), again.resources());
        prop_assert_eq!(first.revision(), again.revision());
    }
}
