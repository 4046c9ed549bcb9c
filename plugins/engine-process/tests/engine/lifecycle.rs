//! Start, watch, end of one process.

use crate::rig::{Rig, alive, code, pid, signal, unknown};
use aerolith_plugin::wire::engine::{Handle, Signal};
use aerolith_plugin::wire::host::{Process, ProcessEvent};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Ends with 7 when a line is written into the pipe `work/go`.
const ENDS_WHEN_TOLD: &str = "mkfifo go; echo yes > ready; read line < go; exit 7";

#[test]
fn an_exit_code_is_reported_to_everybody_who_waits_until_the_instance_is_removed() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("code", ENDS_WHEN_TOLD));
    rig.written("ready");
    let go = async { fs::write(rig.path("work/go"), "go\n") };
    let (one, two, told) = rig.within(async { tokio::join!(rig.engine.wait(&handle), rig.engine.wait(&handle), go) });
    told.unwrap();
    assert_eq!((one.unwrap(), two.unwrap()), (code(7), code(7)));
    assert_eq!(rig.wait(&handle), code(7));
    assert_eq!(
        rig.stop(&handle, 0),
        code(7),
        "stopping what has ended answers its exit"
    );
    rig.within(rig.engine.remove(&handle)).unwrap();
    assert_eq!((rig.wait(&handle), rig.stop(&handle, 0)), (unknown(), unknown()));
}

#[test]
fn a_signal_that_ends_an_instance_is_reported() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("signal", "kill -SEGV $$"));
    assert_eq!(rig.wait(&handle), signal(11));
}

#[test]
fn an_instance_may_do_its_last_work_when_asked_to_end() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell(
        "graceful",
        "trap 'echo bye > last; exit 3' TERM; echo yes > ready; while :; do sleep 0.05; done",
    ));
    rig.written("ready");
    assert_eq!(rig.stop(&handle, 10_000), code(3));
    assert_eq!(rig.written("last"), "bye");
}

#[test]
fn a_stubborn_instance_is_killed_after_the_grace_and_not_before() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell(
        "stubborn",
        "trap '' TERM; echo yes > ready; while :; do sleep 0.05; done",
    ));
    rig.written("ready");
    let begun = Instant::now();
    assert_eq!(rig.stop(&handle, 300), signal(9));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(
        begun.elapsed() < Duration::from_millis(1300),
        "killed after {:?}",
        begun.elapsed()
    );
    assert!(!alive(pid(&handle)));
}

#[test]
fn a_stopped_process_still_takes_the_request_to_end() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell(
        "frozen",
        "trap 'exit 4' TERM; echo yes > ready; while :; do sleep 0.05; done",
    ));
    rig.written("ready");
    rig.within(rig.engine.signal(&Signal {
        handle: handle.clone(),
        number: 19,
    }))
    .unwrap();
    assert_eq!(rig.stop(&handle, 10_000), code(4));
}

#[test]
fn directory_environment_arguments_and_session_are_exactly_as_given() {
    let rig = Rig::new();
    let report = "import os,sys,json;json.dump([os.getcwd(),dict(os.environ),sys.argv,\
        os.getsid(0)==os.getpid()==os.getpgid(0),sorted(os.listdir('/proc/self/fd')),os.readlink('/proc/self/fd/0')],sys.stdout);print()";
    let mut workload = rig.workload("exact", "script");
    rig.write("script", format!("#!{}\n{report}\n", which("python3")));
    workload.arguments = vec!["one".into(), "two words".into(), String::new()];
    workload.environment = [("GREETING".to_owned(), "hello = you".to_owned())].into();
    // A duplicate is not closed by an execution: a careless library may leave one.
    let _left_open = rustix::io::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    let handle = rig.start(&workload);
    assert_eq!(rig.wait(&handle), code(0));
    let (cwd, mut environment, arguments, leads, descriptors, input): Report =
        serde_json::from_str(&rig.read("output")).unwrap();
    assert_eq!(cwd, workload.directory);
    let mut expected = workload.environment.clone();
    expected.insert("AEROLITH_INSTANCE".into(), workload.instance.clone());
    expected.insert("AEROLITH_TOKEN".into(), workload.token.clone());
    expected.extend(environment.get("LC_CTYPE").map(|c| ("LC_CTYPE".to_owned(), c.clone())));
    // What every program expects, as the daemon has it.
    for name in ["PATH", "HOME", "LANG", "TZ"] {
        assert!(environment.remove(name).is_some() || name == "TZ", "{name}");
    }
    assert_eq!(environment, expected);
    assert_eq!(arguments[0], rig.path("script").display().to_string());
    assert_eq!(arguments[1..], workload.arguments);
    assert!(leads, "it leads a session and a group");
    // Number 3 is the listing of the folder itself.
    assert_eq!(
        (descriptors, &*input),
        (BTreeSet::from(["0", "1", "2", "3"].map(String::from)), "/dev/null")
    );
}

type Report = (
    String,
    std::collections::BTreeMap<String, String>,
    Vec<String>,
    bool,
    BTreeSet<String>,
    String,
);

fn which(name: &str) -> String {
    let found = std::process::Command::new(name)
        .args(["-c", "import sys;print(sys.executable)"])
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

#[test]
fn argument_zero_of_a_native_program_is_the_path_of_its_entry() {
    let rig = Rig::new();
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), rig.path("native")).unwrap();
    let mut workload = rig.workload("zero", "native");
    workload.arguments = vec!["-c".into(), "echo $0".into()];
    assert_eq!(rig.wait(&rig.start(&workload)), code(0));
    assert_eq!(rig.read("output").trim_end(), rig.path("native").display().to_string());
}

#[test]
fn output_of_both_kinds_is_appended_to_a_file_of_the_owner_and_the_group() {
    let rig = Rig::new();
    for token in ["first", "second"] {
        let handle = rig.start(&rig.shell(token, &format!("echo {token} out; echo {token} err >&2")));
        assert_eq!(rig.wait(&handle), code(0));
    }
    assert_eq!(rig.read("output"), "first out\nfirst err\nsecond out\nsecond err\n");
    let mode = fs::metadata(rig.path("output")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "{mode:o}");
}

#[test]
fn the_core_hears_of_each_process_before_and_after() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("told", "exit 0"));
    rig.wait(&handle);
    rig.within(rig.engine.remove(&handle)).unwrap();
    let event = |pid, event| Process { pid, event };
    let expected = [
        event(0, ProcessEvent::Spawning),
        event(pid(&handle), ProcessEvent::Registered),
        event(0, ProcessEvent::Spawned),
        event(pid(&handle), ProcessEvent::Released),
    ];
    assert_eq!(rig.host.seen().processes, expected);
}

#[test]
fn status_and_usage_are_those_of_the_whole_session() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("usage", "sleep 60 & echo yes > ready; wait"));
    rig.written("ready");
    let status = rig.within(rig.engine.status(&handle)).unwrap();
    assert_eq!((status.running, status.pid), (true, Some(pid(&handle))));
    assert!(status.up_ms.unwrap() < 60_000);
    let usage = rig.within(rig.engine.stats(&handle)).unwrap();
    assert_eq!(usage.threads, Some(2));
    assert!(usage.memory_bytes.unwrap() > 0 && usage.cpu_seconds.unwrap() < 60.0);
    rig.stop(&handle, 0);
    assert!(!rig.within(rig.engine.status(&handle)).unwrap().running);
    let error = rig.within(rig.engine.stats(&handle)).unwrap_err();
    assert!(error.message.contains("shop.web.1 has ended"), "{error}");
}

#[test]
fn a_running_instance_is_not_removed() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("kept", "exec sleep 60"));
    let error = rig.within(rig.engine.remove(&handle)).unwrap_err();
    assert!(error.message.contains("stop it before"), "{error}");
    assert!(alive(pid(&handle)));
    rig.stop(&handle, 0);
    rig.within(rig.engine.remove(&handle)).unwrap();
    assert!(
        !fs::exists(format!("/proc/{}", pid(&handle))).unwrap(),
        "nothing waits for it any more"
    );
}

#[test]
fn a_signal_goes_to_the_first_process_and_a_wrong_number_to_nobody() {
    let rig = Rig::new();
    let handle = rig.start(&rig.shell(
        "usr1",
        "trap 'exit 5' USR1; echo yes > ready; while :; do sleep 0.05; done",
    ));
    rig.written("ready");
    let send = |handle: &Handle, number| {
        rig.within(rig.engine.signal(&Signal {
            handle: handle.clone(),
            number,
        }))
    };
    assert!(send(&handle, 0).is_err() && send(&handle, 99).is_err());
    send(&handle, 10).unwrap();
    assert_eq!(rig.wait(&handle), code(5));
    assert!(send(&handle, 10).unwrap_err().message.contains("has ended"));
}
