//! Delivery of output.

use crate::rig::{Rig, code};
use aerolith_plugin::wire::engine::Logs;
use aerolith_plugin::wire::stream::{Items, channel};
use aerolith_plugin::{Bytes, Code};
use std::fs::{self, OpenOptions};
use std::io::Write;

fn request(rig: &Rig, tail: Option<u64>, follow: bool) -> Logs {
    Logs {
        output: rig.path("output").display().to_string(),
        tail,
        follow,
    }
}

fn append(rig: &Rig, text: &str) {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(rig.path("output"))
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

async fn all(mut items: Items<Bytes>) -> String {
    let mut text = Vec::new();
    while let Some(item) = items.next_raw().await.unwrap() {
        text.extend_from_slice(&item);
    }
    String::from_utf8(text).unwrap()
}

fn delivered(rig: &Rig, tail: Option<u64>) -> String {
    let (sink, items) = channel(4);
    let request = request(rig, tail, false);
    let (done, text) = rig.within(async { tokio::join!(rig.engine.logs(&request, sink), all(items)) });
    done.unwrap();
    text
}

/// Follows the output through steps: what is done to the file, and what must arrive before the next.
fn followed(rig: &Rig, tail: Option<u64>, steps: &[(&dyn Fn(), &str)]) {
    let (sink, mut items) = channel::<Bytes>(4);
    let request = request(rig, tail, true);
    let reading = async {
        for (act, expected) in steps {
            act();
            let mut seen = Vec::new();
            while seen.len() < expected.len() {
                seen.extend_from_slice(&items.next_raw().await.unwrap().unwrap());
            }
            assert_eq!(std::str::from_utf8(&seen).unwrap(), *expected);
        }
    };
    rig.within(async {
        tokio::select! { done = rig.engine.logs(&request, sink) => panic!("ended: {done:?}"), () = reading => {} }
    });
}

#[test]
fn all_output_or_its_last_lines_are_delivered() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("lines", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done"));
    assert_eq!(rig.wait(&handle), code(0));
    assert_eq!(delivered(&rig, None), rig.read("output"));
    assert_eq!(delivered(&rig, Some(2)), "line 298\nline 299\n");
    assert_eq!(delivered(&rig, Some(0)), "");
}

#[test]
fn output_of_many_chunks_arrives_whole() {
    let rig = Rig::new();
    append(&rig, &"0123456789abcde\n".repeat(40_000));
    assert_eq!(delivered(&rig, None), rig.read("output"));
}

#[test]
fn following_delivers_what_a_running_instance_writes() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("speaks", "mkfifo go; echo one; read line < go; echo two; exec sleep 60"));
    let go = rig.path("work/go");
    rig.until("the first line", || rig.read("output").ends_with('\n'));
    followed(
        &rig,
        None,
        &[(&|| (), "one\n"), (&|| fs::write(&go, "go\n").unwrap(), "two\n")],
    );
    rig.stop(&handle, 0);
}

#[test]
fn following_goes_on_after_the_file_was_cut() {
    let rig = Rig::new();
    append(&rig, "old\nlast\n");
    let cut = || {
        fs::write(rig.path("output"), "").unwrap();
        append(&rig, "new\n");
    };
    followed(
        &rig,
        Some(1),
        &[
            (&|| (), "last\n"),
            (&|| append(&rig, "more\n"), "more\n"),
            (&cut, "new\n"),
        ],
    );
}

#[test]
fn following_turns_to_the_new_file_when_the_old_one_was_renamed() {
    let rig = Rig::new();
    append(&rig, "old\n");
    let rename = || {
        append(&rig, "end\n");
        fs::rename(rig.path("output"), rig.path("output.1")).unwrap();
        append(&rig, "new\n");
    };
    followed(
        &rig,
        None,
        &[
            (&|| (), "old\n"),
            (&rename, "end\nnew\n"),
            (&|| append(&rig, "more\n"), "more\n"),
        ],
    );
}

#[test]
fn output_that_is_not_there_is_not_found() {
    let rig = Rig::new();
    let error = rig
        .within(rig.engine.logs(&request(&rig, None, true), channel::<Bytes>(1).0))
        .unwrap_err();
    assert!(
        error.code == Code::NotFound && error.message.contains("output"),
        "{error}"
    );
}
