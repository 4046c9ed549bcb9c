//! What an instance started ends with it.

use crate::rig::{Rig, alive, code, pid, signal};
use aerolith_plugin::wire::engine::{Handle, Stop};

fn pid_in(rig: &Rig, name: &str) -> u32 {
    rig.written(name).parse().unwrap()
}

#[test]
fn grandchildren_in_the_session_end_with_the_instance() {
    for rig in Rig::with_groups_and_without() {
        let handle = rig.start(&rig.shell("group", "(sleep 60 & echo $! > child); echo yes > ready; exec sleep 60"));
        let child = pid_in(&rig, "child");
        rig.written("ready");
        assert!(alive(child));
        assert_eq!(rig.stop(&handle, 5000), signal(15));
        assert!(!alive(child));
    }
}

#[test]
fn a_grandchild_that_left_the_session_or_became_a_daemon_ends_too() {
    for rig in Rig::with_groups_and_without() {
        let script = "setsid sh -c 'trap \"\" TERM; echo $$ > left; while :; do sleep 1; done' &
        python3 -c 'import os,time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(\"daemon\",\"w\").write(str(os.getpid())+\"\\n\")
time.sleep(60)'
        echo yes > ready; exec sleep 60";
        let handle = rig.start(&rig.shell("daemon", script));
        rig.written("ready");
        let (left, daemon) = (pid_in(&rig, "left"), pid_in(&rig, "daemon"));
        assert!(alive(left) && alive(daemon));
        assert_eq!(rig.stop(&handle, 5000), signal(15));
        assert!(!alive(left) && !alive(daemon));
    }
}

#[test]
fn a_child_that_cleared_its_environment_ends_by_its_session() {
    for rig in Rig::with_groups_and_without() {
        let handle = rig.start(&rig.shell("bare", "env -i sleep 60 & echo $! > bare; exit 2"));
        let bare = pid_in(&rig, "bare");
        assert_eq!(rig.wait(&handle), code(2));
        assert!(alive(bare), "a crash ends the first process only");
        assert_eq!(rig.stop(&handle, 0), code(2));
        assert!(!alive(bare));
    }
}

#[test]
fn removing_what_has_ended_kills_what_it_left_behind() {
    for rig in Rig::with_groups_and_without() {
        let handle = rig.start(&rig.shell("rest", "setsid sleep 60 & echo $! > rest; exit 0"));
        let rest = pid_in(&rig, "rest");
        assert_eq!(rig.wait(&handle), code(0));
        rig.within(rig.engine.remove(&handle)).unwrap();
        assert!(!alive(rest));
    }
}

#[test]
fn a_mark_without_a_handle_is_enough_to_clear_up() {
    for rig in Rig::with_groups_and_without() {
        let workload = rig.shell("lost", "setsid sleep 60 & echo $! > rest; exit 0");
        let handle = rig.start(&workload);
        let rest = pid_in(&rig, "rest");
        rig.wait(&handle);
        let other = Rig::new();
        let unknown = Handle {
            instance: workload.instance,
            token: workload.token,
            ..Handle::default()
        };
        other.within(other.engine.remove(&unknown)).unwrap();
        assert!(!alive(rest));
    }
}

#[test]
fn stopping_one_instance_touches_no_other() {
    let rig = Rig::new();
    let one = rig.start(&rig.shell("one", "exec sleep 60"));
    let mut second = rig.shell("two", "exec sleep 60");
    second.instance = "shop.web.2".into();
    let two = rig.start(&second);
    assert_eq!(rig.stop(&one, 5000), signal(15));
    assert!(alive(pid(&two)));
    rig.stop(&two, 0);
}

#[test]
fn a_handle_without_a_token_stops_nobody() {
    let rig = Rig::new();
    let handle = Handle {
        instance: "shop.web.1".into(),
        ..Handle::default()
    };
    let error = rig.within(rig.engine.stop(&Stop { handle, grace_ms: 0 })).unwrap_err();
    assert!(error.message.contains("`token`"), "{error}");
}
