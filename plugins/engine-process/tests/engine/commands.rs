//! Commands beside an instance.

use crate::rig::{Rig, alive, code, signal};
use aerolith_plugin::wire::engine::{Exec, Executed, Handle};
use aerolith_plugin::wire::host::ProcessEvent;
use aerolith_plugin::{Code, Error};

fn exec(rig: &Rig, handle: &Handle, timeout_ms: u64, command: &[&str]) -> Result<Executed, Error> {
    let command = command.iter().map(|c| (*c).to_owned()).collect();
    rig.within(rig.engine.exec(&Exec {
        handle: handle.clone(),
        command,
        timeout_ms,
    }))
}

fn text(executed: &Executed) -> &str {
    std::str::from_utf8(&executed.output.0).unwrap()
}

fn sleeper(rig: &Rig) -> Handle {
    let mut workload = rig.shell("beside", "echo yes > ready; exec sleep 60");
    workload.environment.insert("GREETING".into(), "hello".into());
    let handle = rig.start(&workload);
    rig.written("ready");
    handle
}

#[test]
fn a_command_runs_in_the_instances_environment_and_directory() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let done = exec(
        &rig,
        &handle,
        5000,
        &[
            "sh",
            "-c",
            "echo $GREETING $AEROLITH_INSTANCE; pwd; echo no >&2; exit 4",
        ],
    );
    let done = done.unwrap();
    let expected = format!("hello shop.web.1\n{}\nno\n", rig.path("work").display());
    assert_eq!((text(&done), done.exit.clone()), (&*expected, code(4)));
    rig.until("the command being waited for", || {
        rig.host
            .seen()
            .processes
            .iter()
            .any(|p| p.event == ProcessEvent::Released)
    });
    rig.stop(&handle, 0);
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_its_group_and_keeps_its_output() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let done = exec(
        &rig,
        &handle,
        300,
        &["sh", "-c", "sleep 60 & echo $! > child; echo begun; wait"],
    )
    .unwrap();
    assert_eq!((text(&done), done.exit.clone()), ("begun\n", signal(9)));
    let child: u32 = rig.written("child").parse().unwrap();
    rig.until("the end of the command's child", || !alive(child));
    rig.stop(&handle, 0);
}

#[test]
fn output_is_cut_at_64_kib_and_the_command_still_ends() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let done = exec(&rig, &handle, 0, &["sh", "-c", "head -c 1000000 /dev/zero; exit 2"]).unwrap();
    assert_eq!((done.output.0.len(), done.exit), (64 * 1024, code(2)));
    rig.stop(&handle, 0);
}

#[test]
fn a_child_that_keeps_the_output_open_holds_nobody_up() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let done = exec(&rig, &handle, 0, &["sh", "-c", "sleep 60 & echo $! > kept; echo done"]).unwrap();
    assert_eq!((text(&done), done.exit.clone()), ("done\n", code(0)));
    let kept: u32 = rig.written("kept").parse().unwrap();
    rig.stop(&handle, 0);
    assert!(!alive(kept), "it belongs to the instance");
}

#[test]
fn a_command_whose_caller_goes_away_is_killed() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let command = ["sh", "-c", "echo $$ > dropped; exec sleep 60"]
        .map(String::from)
        .to_vec();
    let request = Exec {
        handle: handle.clone(),
        command,
        timeout_ms: 0,
    };
    rig.within(async {
        let begun = async {
            while !rig.read("work/dropped").ends_with('\n') {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { _ = rig.engine.exec(&request) => panic!("it sleeps"), () = begun => {} }
    });
    let dropped: u32 = rig.written("dropped").parse().unwrap();
    rig.until("the end of the command", || !alive(dropped));
    rig.stop(&handle, 0);
}

#[test]
fn a_command_that_cannot_run_says_why() {
    let rig = Rig::new();
    let handle = sleeper(&rig);
    let error = exec(&rig, &handle, 0, &["no-such-command"]).unwrap_err();
    assert!(
        error.code == Code::NotFound && error.message.contains("no-such-command is in none of"),
        "{error}"
    );
    assert!(
        exec(&rig, &handle, 0, &[])
            .unwrap_err()
            .message
            .contains("command is empty")
    );
    rig.stop(&handle, 0);
    assert!(
        exec(&rig, &handle, 0, &["true"])
            .unwrap_err()
            .message
            .contains("has ended")
    );
}
