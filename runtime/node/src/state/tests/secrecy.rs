use super::canary::{CANARY, Log, shows};
use super::folder::below;
use super::*;

/// The files below a folder that show it.
fn showing(folder: &Path) -> Vec<PathBuf> {
    let mut files = below(folder);
    files.retain(|file| shows(&fs::read(file).unwrap()));
    files
}

#[test]
fn a_secret_is_neither_on_disk_nor_in_a_log_nor_shown_whatever_is_done_with_it() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.subscriber());
    let dir = tempfile::tempdir().unwrap();
    let mut shown = String::new();
    let mut look = |state: &State, when: &str| {
        assert_eq!(showing(dir.path()), Vec::<PathBuf>::new(), "{when}");
        shown.push_str(&format!("{state:?} {:?}", state.rollback("shop", Some(1))));
    };
    let cert = resource(&format!(
        r#"{{"kind":"secret","name":"cert","stringData":{{"key":"{CANARY}"}}}}"#
    ));
    assert!(
        shows(serde_json::to_string(&cert).unwrap().as_bytes()),
        "the canary is no canary"
    );
    let mounted = r#","volumes":[{"name":"cert","secret":{"name":"cert"}}]"#;
    let shop = |more: &str| resource(&format!(r#"{{"kind":"application","name":"shop"{more}}}"#));

    let mut state = open(&dir);
    state.commit(put(vec![cert.clone(), shop(mounted)])).unwrap();
    look(&state, "it is committed");
    state.succeeded("shop", 1).unwrap();
    state.commit(put(vec![shop("")])).unwrap();
    let delete = Change {
        put: Vec::new(),
        delete: vec![ResourceId::of(&cert)],
    };
    state.commit(delete).unwrap();
    look(&state, "it is deleted, and kept for a rollback");
    let mut state = open(&dir);
    let change = state.rollback("shop", None).unwrap();
    state.commit(change).unwrap();
    assert_eq!(*state.resources()[&ResourceId::of(&cert)], cert);
    look(&state, "it is rolled back");

    // What was sealed is no secret in another form, either: damaged, of another key, without any.
    let key = dir.path().join("node.key");
    fs::write(dir.path().join("state/head.json"), "{").unwrap();
    look(&open(&dir), "the head is lost");
    fs::write(&key, [1; 32]).unwrap();
    look(&open(&dir), "the key is another");
    fs::remove_file(&key).unwrap();
    look(&open(&dir), "the key is lost");
    fs::write(&key, [1; 32]).unwrap();
    let mut state = open(&dir);
    state.commit(put(vec![cert])).unwrap();
    let sealed = files(&dir, "secret").pop().unwrap();
    fs::write(dir.path().join("state/secret").join(sealed), "{").unwrap();
    look(&open(&dir), "it is damaged");

    let log = log.0.lock().unwrap();
    assert!(
        String::from_utf8_lossy(&log).contains("cannot be read"),
        "nothing was logged"
    );
    assert!(!shows(&log) && !shows(shown.as_bytes()));
}

#[test]
fn what_the_first_schema_had_in_plain_text_is_gone_once_it_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    copy(&golden::folder(1).join("data/state"), &dir.path().join("state"));
    let finds = |text: &str| {
        let files = ["secret/cert@1.json", "secret/cert@1.sealed"].map(|file| dir.path().join("state").join(file));
        files
            .into_iter()
            .any(|file| fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)))
    };
    let coded = "aHVzaC1nb2xkZW4=";
    assert!(finds(coded));
    open(&dir);
    assert!(!finds(coded) && !finds("hush-golden"));
}
