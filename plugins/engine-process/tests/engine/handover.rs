//! One engine takes over from another in the same daemon.

use crate::rig::{Rig, alive, code, drained, engine, pid, signal};
use aerolith_plugin::wire::engine::{Client, Exit, Fingerprint};
use aerolith_plugin::wire::manifest::{Manifest, Replace};
use aerolith_plugin::wire::stream::channel;
use aerolith_plugin::{Code, Plugin};
use std::fs;

const ENDS_WHEN_TOLD: &str = "mkfifo go; echo yes > ready; read line < go; exit 9";

#[test]
fn a_successor_waits_for_and_stops_what_its_predecessor_started() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("kept", "exec sleep 60"));
    let state = drained(&rig);
    let (_, successor) = engine(&rig.host, &state);
    assert!(alive(pid(&handle)));
    assert!(rig.within(successor.status(&handle)).unwrap().running);
    let stop = aerolith_plugin::wire::engine::Stop {
        handle: handle.clone(),
        grace_ms: 5000,
    };
    let (waited, stopped) = rig.within(async { tokio::join!(successor.wait(&handle), successor.stop(&stop)) });
    assert_eq!((waited.unwrap(), stopped.unwrap()), (signal(15), signal(15)));
}

#[test]
fn an_exit_before_and_an_exit_during_the_handover_are_both_kept() {
    let rig = Rig::new();
    let before = rig.start(&rig.shell("before", "exit 8"));
    let during = rig.start(&rig.shell("during", ENDS_WHEN_TOLD));
    rig.written("ready");
    assert_eq!((rig.wait(&before), rig.stop(&before, 0)), (code(8), code(8)));
    let state = drained(&rig);
    fs::write(rig.path("work/go"), "go\n").unwrap();
    rig.until("the end of the process", || !alive(pid(&during)));
    let (_, successor) = engine(&rig.host, &state);
    let exit = |handle| -> Exit { rig.within(successor.wait(handle)).unwrap() };
    assert_eq!((exit(&before), exit(&during)), (code(8), code(9)));
    rig.within(successor.remove(&during)).unwrap();
    assert!(!fs::exists(format!("/proc/{}", pid(&during))).unwrap());
}

#[test]
fn a_drained_engine_starts_nothing_until_it_takes_back_what_it_left() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("back", "exec sleep 60"));
    let state = drained(&rig);
    let next = rig.shell("next", "exit 1");
    assert_eq!(rig.within(rig.engine.start(&next)).unwrap_err().code, Code::Stopped);
    rig.within(rig.plugin.resume(&state)).unwrap();
    assert_eq!(rig.wait(&rig.start(&next)), code(1));
    assert_eq!(rig.stop(&handle, 5000), signal(15));
}

#[test]
fn a_state_that_is_no_predecessors_is_refused() {
    let rig = Rig::new();
    let made = rig
        .host
        .succeed::<engine_process::ProcessEngine>("engine", "{}", b"nonsense");
    let error = made.err().unwrap();
    assert!(
        error.code == Code::Invalid && error.message.contains("predecessor"),
        "{error}"
    );
}

#[test]
fn dropping_the_engine_ends_no_instance() {
    let rig = Rig::new();
    let (plugin, first) = engine(&rig.host, b"");
    let handle = rig.within(first.start(&rig.shell("lives", "exec sleep 60"))).unwrap();
    drop((plugin, first));
    assert!(alive(pid(&handle)));
    rig.stop(&handle, 0);
}

#[test]
fn the_manifest_asks_for_processes_and_a_handover() {
    let manifest: Manifest = serde_json::from_str(engine_process::AEROLITH_MANIFEST).unwrap();
    assert_eq!(
        (manifest.replace, manifest.permissions),
        (Replace::Handover, vec!["processes".to_owned()])
    );
}

#[test]
fn the_whole_engine_works_through_the_waist() {
    let rig = Rig::new();
    let behind = Client(
        rig.host
            .instance(engine_process::aerolith_root(), "engine", "{}")
            .unwrap(),
    );
    let features = rig.host.block_on(behind.capabilities()).unwrap();
    assert_eq!(
        (&*features.kind, features.survives, features.exec),
        ("process", true, true)
    );
    let (sink, mut items) = channel::<Fingerprint>(1);
    let first = async {
        tokio::select! { done = behind.fingerprint(sink) => panic!("ended: {done:?}"), item = items.next() => item }
    };
    let found = rig.host.block_on(first).unwrap().unwrap();
    assert!(found.ready, "{}", found.message);
    let handle = rig.host.block_on(behind.start(&rig.shell("waist", "exit 3"))).unwrap();
    assert_eq!(rig.host.block_on(behind.wait(&handle)).unwrap(), code(3));
    rig.host.block_on(behind.remove(&handle)).unwrap();
}
