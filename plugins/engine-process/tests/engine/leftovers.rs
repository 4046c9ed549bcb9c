//! What is left in control groups: members that did everything to get away, groups of the dead, instances of a lost daemon.

use crate::limits::{Grouped, group};
use crate::rig::{Rig, alive, pid, signal};
use aerolith_plugin::wire::engine::{Handle, Recover};
use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;

const NONE: [PathBuf; 0] = [];

/// A daemon as those are that want to be nobody's: forked twice, in a session of its own, without environment, deaf to
/// everything that can be ignored, in another directory.
const ESCAPES: &str = "python3 -c 'import os, signal, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for s in range(1, 32):
    try: signal.signal(s, signal.SIG_IGN)
    except OSError: pass
here = os.getcwd()
os.chdir(\"/\")
open(here + \"/away\", \"w\").write(str(os.getpid()) + \"\\n\")
os.execve(\"/bin/sleep\", [\"sleep\", \"60\"], {})'";

fn number(rig: &Rig, name: &str) -> u32 {
    rig.written(name).parse().unwrap()
}

#[test]
fn nobody_gets_away_who_forked_twice_and_threw_session_and_environment_off() {
    let Some(host) = Grouped::enforcing(&[]) else { return };
    let rig = &host.rig;
    let script = format!("{ESCAPES}\nnohup env -i setsid sleep 60 > /dev/null & echo $! > nohup; exec sleep 60");
    let handle = rig.start(&rig.shell("escapes", &script));
    let (away, nohup) = (number(rig, "away"), number(rig, "nohup"));
    assert!(alive(away) && alive(nohup));
    assert_eq!(rig.stop(&handle, 5000), signal(15));
    assert!(!alive(away) && !alive(nohup));
    assert_eq!(host.folders(&group(&handle)), NONE);
}

#[test]
fn who_got_away_from_an_instance_that_ended_by_itself_goes_with_its_removal() {
    let Some(host) = Grouped::enforcing(&[]) else { return };
    let rig = &host.rig;
    let handle = rig.start(&rig.shell("crashes", &format!("{ESCAPES}\nexit 1")));
    let away = number(rig, "away");
    rig.wait(&handle);
    assert!(alive(away));
    rig.within(rig.engine.remove(&handle)).unwrap();
    assert!(!alive(away));
    assert_eq!(host.folders(&group(&handle)), NONE);
}

#[test]
fn a_lost_daemons_instance_is_found_by_its_group_though_it_has_neither_handle_nor_environment() {
    let Some(host) = Grouped::enforcing(&[]) else { return };
    let rig = &host.rig;
    let workload = rig.shell("cleared", &format!("{ESCAPES}\nexec env -i /bin/sleep 60"));
    let handle = rig.start(&workload);
    let away = number(rig, "away");
    let cleared = format!("/proc/{}/environ", pid(&handle));
    rig.until("the environment being thrown off", || {
        std::fs::read(&cleared).is_ok_and(|bytes| bytes.is_empty())
    });
    let later = Grouped::below(host.parent.clone());
    let asked = Recover {
        instance: workload.instance,
        token: workload.token,
        handle: None,
    };
    let found = later.rig.within(later.rig.engine.recover(&asked)).unwrap();
    assert_eq!(found.handle.as_ref().map(pid), Some(pid(&handle)), "{}", found.reason);
    assert_eq!(later.rig.stop(&handle, 5000), signal(15));
    assert!(!alive(away));
    assert_eq!(host.folders(&group(&handle)), NONE);
}

#[test]
fn groups_of_the_dead_go_when_nobody_else_uses_their_parent_and_those_of_the_living_stay() {
    let Some(host) = Grouped::enforcing(&[]) else { return };
    let start = |instance: &str, token: &str| -> Handle {
        let workload = host.rig.shell(token, "exec sleep 60");
        host.rig.start(&aerolith_plugin::wire::engine::Workload {
            instance: instance.into(),
            ..workload
        })
    };
    let (dead, living) = (start("shop.web.1", "dead"), start("shop.web.2", "living"));
    let process = Pid::from_raw(pid(&dead) as i32).unwrap();
    kill_process(process, Signal::KILL).unwrap();
    host.rig.wait(&dead);
    // Another daemon that uses the parent, too, leaves the groups of this one alone.
    let beside = Grouped::below(host.parent.clone());
    assert!(!host.folders(&group(&dead)).is_empty());
    drop(beside);
    // The daemon is lost: its engine is gone, and nobody stopped anything.
    let parent = host.parent.clone();
    drop(host);
    let later = Grouped::below(parent);
    assert_eq!(later.folders(&group(&dead)), NONE);
    assert!(alive(pid(&living)) && !later.folders(&group(&living)).is_empty());
    assert_eq!(later.rig.stop(&living, 5000), signal(15));
}
