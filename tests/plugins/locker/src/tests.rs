use super::*;
use aerolith_plugin::testing::Host;
use std::path::Path;

fn started(host: &Host, file: &Path, state: &[u8]) -> Result<Locker> {
    let config = format!(r#"{{"file":"{}","tickMs":1}}"#, file.display());
    let locker: Locker = host.succeed("locker-1", &config, state)?;
    host.block_on(locker.start())?;
    Ok(locker)
}

/// Waits until the file has so many lines.
fn lines(host: &Host, file: &Path, at_least: usize) -> Vec<String> {
    host.block_on(async {
        loop {
            let text = std::fs::read_to_string(file).unwrap();
            if text.lines().count() >= at_least {
                return text.lines().map(Into::into).collect();
            }
            tokio::task::yield_now().await;
        }
    })
}

#[test]
fn lines_go_on_over_a_hand_over_and_the_lock_is_never_free() {
    let (host, directory) = (Host::new(), tempfile::tempdir().unwrap());
    let file = directory.path().join("log");
    let first = started(&host, &file, b"").unwrap();
    lines(&host, &file, 3);
    let state = host.block_on(first.drain()).unwrap();
    let drained = lines(&host, &file, 3).len();
    assert_eq!(started(&host, &file, b"").err().unwrap().code, Code::Busy);
    let second = started(&host, &file, &state).unwrap();
    host.block_on(first.stop()).unwrap();
    drop(first);
    assert_eq!(started(&host, &file, b"").err().unwrap().code, Code::Busy);
    let all = lines(&host, &file, drained + 3);
    for (index, line) in all.iter().enumerate() {
        let generation = if index < drained { 1 } else { 2 };
        assert_eq!(line, &format!("{generation} {}", index + 1));
    }
    drop(second);
}

#[test]
fn a_first_that_resumes_goes_on_where_it_was() {
    let (host, directory) = (Host::new(), tempfile::tempdir().unwrap());
    let file = directory.path().join("log");
    let first = started(&host, &file, b"").unwrap();
    let state = host.block_on(first.drain()).unwrap();
    let drained = std::fs::read_to_string(&file).unwrap().lines().count();
    host.block_on(first.resume(&state)).unwrap();
    let all = lines(&host, &file, drained + 2);
    assert!(
        all.iter()
            .enumerate()
            .all(|(index, line)| *line == format!("1 {}", index + 1)),
        "{all:?}"
    );
    assert!(host.seen().descriptors.is_empty());
}

#[test]
fn a_successor_without_the_descriptor_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let state = State {
        generation: 1,
        lines: 4,
    }
    .write()
    .unwrap();
    let error = started(&Host::new(), &directory.path().join("log"), &state)
        .err()
        .unwrap();
    assert_eq!(error.code, Code::NotFound);
    assert!(error.message.contains("locked"), "{error}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = started(&Host::new(), Path::new("/nowhere/log"), b"").err().unwrap();
    assert!(error.message.contains("/nowhere/log"), "{error}");
}
