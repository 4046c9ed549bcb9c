//! What is kept from an instance, on real processes. Everything here needs root, as the daemon has it.

use crate::rig::{Rig, code};
use aerolith_plugin::wire::engine::{Capabilities, Exec, Files, Sandbox, Shown, SystemCalls, Workload};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Whether the tests run as root; said loudly where they do not.
fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can take powers away and become another user");
    }
    root
}

/// The lines of `/proc/self/status` of a shell that is run in a sandbox.
fn status(rig: &Rig, change: impl FnOnce(&mut Workload)) -> BTreeMap<String, String> {
    let mut workload = rig.shell("status", "cat /proc/self/status > status");
    workload.own = vec![rig.path("work").display().to_string()];
    change(&mut workload);
    let handle = rig.start(&workload);
    assert_eq!(rig.wait(&handle), code(0), "{}", rig.read("output"));
    let text = rig.read("work/status");
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// What a script says in a sandbox.
fn said(rig: &Rig, script: &str, change: impl FnOnce(&mut Workload)) -> String {
    let mut workload = rig.shell("said", &format!("( {script} ) > said 2>&1; echo end >> said"));
    change(&mut workload);
    let handle = rig.start(&workload);
    rig.wait(&handle);
    rig.read("work/said")
}

/// A rig whose folder is open to others.
fn open_rig() -> Rig {
    let rig = Rig::new();
    fs::set_permissions(rig.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    rig
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn root_keeps_five_powers_and_gains_none() {
    if !root() {
        return;
    }
    let status = status(&Rig::new(), |_| {});
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        // CHOWN, KILL, SETGID, SETUID, NET_BIND_SERVICE.
        assert_eq!(
            status[set],
            format!("{:016x}", 1_u64 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10),
            "{set}"
        );
    }
    assert_eq!(
        (&*status["NoNewPrivs"], &*status["Umask"], &*status["Seccomp"]),
        ("1", "0027", "0")
    );
}

#[test]
fn another_user_has_its_groups_and_no_power_but_what_is_added() {
    if !root() {
        return;
    }
    let status = status(&open_rig(), |workload| {
        workload.user = Some("nobody".into());
        workload.sandbox.capabilities.add = names(&["NET_BIND_SERVICE"]);
    });
    assert_eq!(status["Uid"], "65534\t65534\t65534\t65534");
    assert!(
        status["Groups"].split(' ').all(|group| group == "65534"),
        "{}",
        status["Groups"]
    );
    for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], format!("{:016x}", 1_u64 << 10), "{set}");
    }
}

#[test]
fn its_own_folder_belongs_to_its_user_and_what_is_below_too() {
    if !root() {
        return;
    }
    let rig = open_rig();
    fs::create_dir_all(rig.path("work/data")).unwrap();
    let said = said(&rig, "id -u; echo $HOME; touch data/mine && echo written", |workload| {
        workload.user = Some("65534:65534".into());
        workload.own = vec![workload.directory.clone()];
        workload.environment.insert("HOME".into(), "/own".into());
    });
    assert_eq!(said, "65534\n/own\nwritten\nend\n");
    assert_eq!(fs::metadata(rig.path("work/data/mine")).unwrap().uid(), 65534);
}

#[test]
fn a_privileged_one_keeps_everything() {
    if !root() {
        return;
    }
    let status = status(&Rig::new(), |workload| {
        workload.privileged = true;
    });
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert!(own.contains(&format!("CapEff:\t{}", status["CapEff"])));
    assert_eq!(status["NoNewPrivs"], "0");
}

#[test]
fn a_tmp_of_its_own_is_seen_by_nobody_else() {
    if !root() {
        return;
    }
    let mark = format!("/tmp/aerolith-private-{}", std::process::id());
    let rig = Rig::below(env!("CARGO_TARGET_TMPDIR"));
    let said = said(
        &rig,
        &format!("ls /tmp | wc -l; echo x > {mark} && cat {mark}"),
        |workload| {
            workload.sandbox.private_tmp = true;
        },
    );
    assert_eq!(said, "0\nx\nend\n");
    assert!(!fs::exists(mark).unwrap());
}

#[test]
fn a_tmp_of_its_own_that_would_hide_the_program_is_refused() {
    if !root() {
        return;
    }
    let rig = Rig::below("/tmp");
    let mut workload = rig.shell("hidden", "true");
    workload.sandbox.private_tmp = true;
    let error = rig
        .host
        .block_on(rig.engine.prepare(&workload))
        .unwrap_err()
        .to_string();
    assert!(error.contains("privateTmp") && error.contains("/tmp"), "{error}");
}

#[test]
fn a_host_for_reading_can_be_written_nowhere_but_in_its_own_and_shown_folders() {
    let rig = Rig::new();
    for folder in ["shown", "seen"] {
        fs::create_dir(rig.path(folder)).unwrap();
    }
    let shown = |name: &str, read_only| Shown {
        path: rig.path(name).display().to_string(),
        read_only,
    };
    let script = "for at in . ../shown ../seen ..; do touch $at/x 2>/dev/null && echo $at; done; cat /etc/hostname >/dev/null && echo read";
    let shown = vec![shown("shown", false), shown("seen", true)];
    let said = said(&rig, script, |workload| {
        workload.sandbox.read_only_host = true;
        workload.shown = shown;
    });
    assert_eq!(said, ".\n../shown\nread\nend\n");
}

#[test]
fn files_that_are_not_named_cannot_be_opened() {
    let rig = Rig::new();
    for file in ["named", "other"] {
        rig.write(file, file);
    }
    let read = vec![rig.path("named").display().to_string()];
    let said = said(
        &rig,
        "cat ../named ../other /etc/shadow 2>/dev/null; echo; cat /etc/hosts >/dev/null && echo hosts",
        |workload| {
            // Only the program's own file of its package.
            workload.program.as_mut().unwrap().directory = rig.path("bin").display().to_string();
            fs::create_dir(rig.path("bin")).unwrap();
            fs::rename(rig.path("said"), rig.path("bin/said")).unwrap();
            workload.sandbox.files = Some(Files {
                read,
                write: Vec::new(),
            });
        },
    );
    assert_eq!(said, "named\nhosts\nend\n");
}

#[test]
fn a_refused_system_call_fails_and_an_allowed_one_does_not() {
    let unshares = "unshare -U true 2>/dev/null && echo yes || echo no";
    let of = |sandbox: Sandbox| said(&Rig::new(), unshares, |workload| workload.sandbox = sandbox);
    let filtered = |deny: &[&str], allow: &[&str]| Sandbox {
        system_calls: Some(SystemCalls {
            deny: names(deny),
            allow: names(allow),
        }),
        ..Sandbox::default()
    };
    assert_eq!(of(Sandbox::default()), "yes\nend\n");
    assert_eq!(of(filtered(&[], &[])), "no\nend\n");
    assert_eq!(of(filtered(&[], &["unshare"])), "yes\nend\n");
}

#[test]
fn what_nobody_knows_is_refused_before_the_start_with_its_name() {
    let rig = Rig::new();
    let refused = |change: &dyn Fn(&mut Workload)| {
        let mut workload = rig.shell("refused", "true");
        change(&mut workload);
        let error = rig.host.block_on(rig.engine.prepare(&workload)).unwrap_err();
        assert!(!error.retryable, "{error}");
        error.to_string()
    };
    assert!(refused(&|w| w.user = Some("no-such-user".into())).contains("no-such-user"));
    let unknown = Capabilities {
        add: names(&["NO_SUCH"]),
        drop: Vec::new(),
    };
    assert!(refused(&|w| w.sandbox.capabilities = unknown.clone()).contains("NO_SUCH"));
    let unknown = SystemCalls {
        deny: names(&["no_such"]),
        allow: Vec::new(),
    };
    assert!(refused(&|w| w.sandbox.system_calls = Some(unknown.clone())).contains("no_such"));
}

#[test]
fn a_user_that_cannot_reach_its_program_is_told_so() {
    if !root() {
        return;
    }
    let rig = open_rig();
    fs::set_permissions(rig.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    let mut workload = rig.shell("shut", "true");
    workload.user = Some("nobody".into());
    let error = rig.host.block_on(rig.engine.start(&workload)).unwrap_err().to_string();
    assert!(
        error.contains("65534") && error.contains("open to that user"),
        "{error}"
    );
}

#[test]
fn a_command_beside_it_is_who_it_is() {
    if !root() {
        return;
    }
    let rig = open_rig();
    let mut workload = rig.shell("beside", "echo up > up; exec sleep 60");
    workload.user = Some("nobody".into());
    workload.own = vec![workload.directory.clone()];
    let handle = rig.start(&workload);
    rig.written("up");
    let done = rig.within(rig.engine.exec(&Exec {
        handle: handle.clone(),
        command: names(&["sh", "-c", "id -u; grep -E 'CapBnd|NoNewPrivs' /proc/self/status"]),
        timeout_ms: 10_000,
    }));
    let output = String::from_utf8(done.unwrap().output.0).unwrap();
    assert_eq!(output, "65534\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
    rig.stop(&handle, 0);
}
