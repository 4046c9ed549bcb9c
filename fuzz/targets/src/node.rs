use std::fs;
use std::path::Path;

use aerolith_node::{Foundation, OpenError, Settings, StateError, fuzzing};

/// A text with places for variables: filled as a whole, and what is put in is put in once; or refused with its line.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match fuzzing::template(text) {
        Ok(filled) if !text.contains("{{") => assert_eq!(filled, text),
        Ok(filled) => assert!(filled.len() <= text.len(), "{filled}"),
        Err(error) => assert!(error.to_string().starts_with("line "), "{error}"),
    }
}

/// A record of an instance: what is read is what was written.
pub(crate) fn record(data: &[u8]) {
    if let Some(written) = fuzzing::record(data) {
        assert_eq!(
            fuzzing::record(&written),
            Some(written),
            "it changes when it is read again"
        );
    }
}

/// The head of a state, beside a configuration and a secret as the first schema has them: whatever it says, the state is
/// opened with what can be read, and again; or it is of a newer schema.
pub(crate) fn state(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    // Where there is memory for it: everything is synced.
    let shm = Some(Path::new("/dev/shm")).filter(|shm| shm.is_dir());
    let dir = tempfile::tempdir_in(shm.unwrap_or(&std::env::temp_dir())).expect("a folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join("data/state").join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    put(
        "configuration/aa@1.json",
        br#"{"kind":"configuration","name":"aa","data":{"k":"1"}}"#,
    );
    put(
        "secret/bb@1.json",
        br#"{"kind":"secret","name":"bb","data":{"k":"aHVzaA=="}}"#,
    );
    put("head.json", data);
    for _ in 0..2 {
        let settings = Settings::new(dir.path().join("data"), dir.path().join("run"), "gate".into());
        match Foundation::open(settings) {
            Ok(_) | Err(OpenError::State(StateError::Newer { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
