//! Each reason for which a program does not start has its own words, before and at the start.

use crate::rig::{Rig, code};
use aerolith_plugin::wire::engine::Workload;
use aerolith_plugin::wire::host::ProcessEvent;
use aerolith_plugin::{Code, Error};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// What `prepare` and `start` say.
fn refused(rig: &Rig, workload: &Workload) -> (Error, Error) {
    (
        rig.within(rig.engine.prepare(workload)).unwrap_err(),
        rig.within(rig.engine.start(workload)).unwrap_err(),
    )
}

fn assert_both(rig: &Rig, workload: &Workload, expected: Code, words: &str) {
    let (prepared, started) = refused(rig, workload);
    for error in [prepared, started] {
        assert!(error.message.contains(words), "{error}");
        assert_eq!((error.code, error.retryable), (expected, false), "{error}");
    }
}

#[test]
fn a_program_that_is_not_there_is_not_found() {
    let rig = Rig::new();
    assert_both(
        &rig,
        &rig.workload("a", "absent"),
        Code::NotFound,
        "absent does not exist",
    );
}

#[test]
fn a_program_without_execute_permission_is_told_so() {
    let rig = Rig::new();
    let path = rig.write("plain", "#!/bin/sh\n");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_both(
        &rig,
        &rig.workload("b", "plain"),
        Code::Invalid,
        "plain has no execute permission",
    );
}

#[test]
fn a_text_without_an_interpreter_is_not_handed_to_a_shell() {
    let rig = Rig::new();
    rig.write("text", "echo hello > ran\n");
    assert_both(
        &rig,
        &rig.workload("c", "text"),
        Code::Invalid,
        "neither an ELF program nor a script",
    );
    assert!(!rig.path("work/ran").exists());
}

#[test]
fn a_program_of_another_machine_names_both() {
    let rig = Rig::new();
    let mut shell = fs::read("/bin/sh").unwrap();
    shell[18..20].copy_from_slice(&8_u16.to_le_bytes());
    rig.write("mips", shell);
    assert_both(
        &rig,
        &rig.workload("d", "mips"),
        Code::Invalid,
        "is for MIPS, this machine is",
    );
}

#[test]
fn a_missing_interpreter_or_loader_is_named_although_the_program_exists() {
    let rig = Rig::new();
    rig.write("script", "#!/no/such/interpreter -x\n");
    assert_both(
        &rig,
        &rig.workload("e", "script"),
        Code::NotFound,
        "interpreter \"/no/such/interpreter\"",
    );
    let mut shell = fs::read("/bin/sh").unwrap();
    let loader = shell.windows(4).position(|w| w == b"/lib").unwrap();
    shell[loader + 1] = b'X';
    rig.write("alien", shell);
    assert_both(
        &rig,
        &rig.workload("f", "alien"),
        Code::NotFound,
        "needs the loader /Xib",
    );
}

#[test]
fn an_interpreter_that_the_search_path_lacks_is_found_out_beforehand() {
    let rig = Rig::new();
    rig.write("env", "#!/usr/bin/env no-such-language\n");
    let error = rig.within(rig.engine.prepare(&rig.workload("g", "env"))).unwrap_err();
    assert!(error.message.contains("no-such-language"), "{error}");
}

#[test]
fn a_program_that_is_being_written_is_busy_and_worth_another_try() {
    let rig = Rig::new();
    let path = rig.write("busy", fs::read("/bin/sh").unwrap());
    let writer = fs::OpenOptions::new().append(true).open(path).unwrap();
    let mut workload = rig.workload("h", "busy");
    workload.arguments = vec!["-c".into(), "exit 6".into()];
    let error = rig.within(rig.engine.start(&workload)).unwrap_err();
    assert!(error.message.contains("text busy") && error.retryable, "{error}");
    drop(writer);
    assert_eq!(rig.wait(&rig.start(&workload)), code(6));
}

#[test]
fn a_missing_directory_is_told_apart_from_a_missing_program() {
    let rig = Rig::new();
    let mut workload = rig.shell("i", "exit 0");
    workload.directory = rig.path("nowhere").display().to_string();
    let error = rig.within(rig.engine.start(&workload)).unwrap_err();
    assert!(error.message.contains("nowhere does not exist"), "{error}");
}

#[test]
fn an_output_file_that_cannot_be_made_is_named_and_nothing_runs() {
    let rig = Rig::new();
    let mut workload = rig.shell("j", "echo yes > ran");
    workload.output = rig.path("nowhere/output").display().to_string();
    let error = rig.within(rig.engine.start(&workload)).unwrap_err();
    assert!(error.message.contains("nowhere/output"), "{error}");
    assert!(rig.host.seen().processes.is_empty());
}

#[test]
fn a_program_outside_of_its_package_is_refused() {
    let rig = Rig::new();
    assert_both(
        &rig,
        &rig.workload("k", "../../../../../../../bin/sh"),
        Code::Invalid,
        "lies outside of its package",
    );
}

#[test]
fn a_workload_with_an_image_is_for_another_engine() {
    let rig = Rig::new();
    let mut workload = rig.workload("l", "none");
    (workload.program, workload.image) = (None, Some("nginx".into()));
    assert_both(&rig, &workload, Code::Invalid, "container engine");
}

#[test]
fn a_token_starts_one_process_only() {
    let rig = Rig::new();
    let workload = rig.shell("m", "exec sleep 60");
    let handle = rig.start(&workload);
    let error = rig.within(rig.engine.start(&workload)).unwrap_err();
    assert!(error.message.contains(&workload.token), "{error}");
    rig.stop(&handle, 0);
}

#[test]
fn a_failed_start_is_over_for_the_core_too() {
    let rig = Rig::new();
    rig.write("script", "#!/no/such/interpreter\n");
    rig.within(rig.engine.start(&rig.workload("n", "script"))).unwrap_err();
    let events: Vec<ProcessEvent> = rig.host.seen().processes.iter().map(|p| p.event).collect();
    assert_eq!(events, [ProcessEvent::Spawning, ProcessEvent::Spawned]);
}
