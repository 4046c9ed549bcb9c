//! What an instance may use at most, on the control groups of this host. Without them, or without the right to make some, a
//! test says so and passes.

use crate::rig::{Rig, alive, code, pid, signal};
use aerolith_plugin::wire::engine::{Exec, Handle, Resources, Workload, enforce};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A rig whose instances are in groups of its own.
pub(crate) struct Grouped {
    pub(crate) rig: Rig,
    pub(crate) parent: String,
}

impl Grouped {
    /// Nothing where this host does not enforce all of these.
    pub(crate) fn enforcing(what: &[&str]) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let parent = format!("aerolith-test-{}-{number}", std::process::id());
        let grouped = Self::below(parent);
        let features = grouped.rig.within(grouped.rig.engine.capabilities()).unwrap();
        let lacks: Vec<_> = what.iter().filter(|name| !features.enforces(name)).collect();
        if lacks.is_empty() && !grouped.folders("").is_empty() {
            return Some(grouped);
        }
        eprintln!("SKIPPED: this host has no control groups for {lacks:?}, or may not make any");
        None
    }

    /// A rig whose engine makes groups below a parent that may be another one's, too.
    pub(crate) fn below(parent: String) -> Self {
        let rig = Rig::configured(&format!(r#"{{"cgroup":"{parent}"}}"#));
        Self { rig, parent }
    }

    /// Where a group is, in each hierarchy that has it.
    pub(crate) fn folders(&self, group: &str) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let of_groups = mounts.lines().filter(|line| line.contains(" - cgroup"));
        let at: BTreeSet<_> = of_groups.filter_map(|line| line.split(' ').nth(4)).collect();
        let folders = at.into_iter().map(|at| Path::new(at).join(&self.parent).join(group));
        folders.filter(|folder| folder.is_dir()).collect()
    }

    /// What the first of these files holds that the instance's groups have.
    fn file(&self, handle: &Handle, names: &[&str]) -> String {
        let folders = self.folders(&group(handle));
        let files = folders
            .iter()
            .flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let text = files.filter_map(|file| fs::read_to_string(file).ok()).next();
        text.unwrap_or_else(|| panic!("none of {names:?} in {folders:?}"))
            .trim()
            .to_owned()
    }

    /// A number by its name in such a file.
    fn count(&self, handle: &Handle, names: &[&str], key: &str) -> u64 {
        let text = self.file(handle, names);
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).parse().unwrap()
    }

    fn unenforced(&self, handle: &Handle) -> Vec<String> {
        self.rig.within(self.rig.engine.status(handle)).unwrap().unenforced
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        for parent in self.folders("") {
            // Another rig may use it, too.
            let _ = fs::remove_dir(parent);
        }
    }
}

pub(crate) fn group(handle: &Handle) -> String {
    format!("{}@{}", handle.instance, handle.token)
}

fn limited(workload: Workload, resources: Resources) -> Workload {
    Workload { resources, ..workload }
}

const EATS: &str = "exec python3 -c 'b = b\"x\" * (300 << 20); import time; time.sleep(60)'";

#[test]
fn four_spinning_processes_share_the_fifth_of_a_processor_that_they_may_use() {
    let Some(host) = Grouped::enforcing(&[enforce::CPU]) else {
        return;
    };
    let spins = "for i in 1 2 3 4; do (while :; do :; done) & done; wait";
    let resources = Resources {
        cpu_millis: Some(200),
        ..Resources::default()
    };
    let handle = host.rig.start(&limited(host.rig.shell("spins", spins), resources));
    let count = |key| host.count(&handle, &["cpu.stat"], key);
    host.rig.until("being held back", || count("nr_throttled") >= 20);
    let usage = || {
        host.rig
            .within(host.rig.engine.stats(&handle))
            .unwrap()
            .cpu_seconds
            .unwrap()
    };
    // In each period of 0.1 s at most 0.02 s; read before the periods, and with the one that is under way.
    let used = usage();
    let allowed = (count("nr_periods") + 1) as f64 * 0.02;
    assert!(used <= allowed * 1.2, "{used} s of {allowed} s");
    assert_eq!(host.rig.stop(&handle, 5000), signal(15));
}

#[test]
fn a_daemon_with_more_descriptors_than_a_program_may_have_starts_it_all_the_same() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.maximum.is_some_and(|hard| hard < 2000) {
        return eprintln!("SKIPPED: this process may not open 2,000 files");
    }
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let _open: Vec<_> = (0..1100).map(|_| null.try_clone().unwrap()).collect();
    let rig = Rig::new();
    let handle = rig.start(&rig.shell("many", "ulimit -n > limit"));
    assert_eq!(rig.wait(&handle), code(0));
    assert_eq!(rig.read("work/limit"), "1024\n");
}

#[test]
fn what_an_instance_uses_is_read_from_its_groups_and_its_processes() {
    let Some(host) = Grouped::enforcing(&[enforce::CPU, enforce::MEMORY]) else {
        return;
    };
    let resources = Resources {
        cpu_millis: Some(200),
        memory_bytes: Some(256 << 20),
        ..Resources::default()
    };
    let script = "python3 -c 'sum(range(3000000))'; setsid sleep 60 & echo yes > ready; exec sleep 60";
    let handle = host.rig.start(&limited(host.rig.shell("uses", script), resources));
    host.rig.written("ready");
    let usage = host.rig.within(host.rig.engine.stats(&handle)).unwrap();
    assert!(
        usage.cpu_seconds.unwrap() > 0.02,
        "what has ended is counted: {usage:?}"
    );
    assert!(
        usage.throttled_seconds.is_some() && usage.memory_bytes.unwrap() > 0,
        "{usage:?}"
    );
    assert!(
        usage.proportional_bytes.unwrap() > 0 && usage.descriptors.unwrap() >= 6,
        "{usage:?}"
    );
    assert_eq!(
        (usage.processes, usage.threads),
        (Some(2), Some(2)),
        "who left the session is counted"
    );
    host.rig.stop(&handle, 0);
}

#[test]
fn what_eats_memory_is_killed_alone_and_reported_as_out_of_memory() {
    let Some(host) = Grouped::enforcing(&[enforce::MEMORY]) else {
        return;
    };
    let resources = Resources {
        memory_bytes: Some(64 << 20),
        swap_bytes: Some(0),
        ..Resources::default()
    };
    let other = host.rig.start(&Workload {
        instance: "shop.web.2".into(),
        ..host.rig.shell("other", "exec sleep 60")
    });
    let handle = host.rig.start(&limited(host.rig.shell("eats", EATS), resources));
    let exit = host.rig.wait(&handle);
    assert!(exit.oom && exit.signal == Some(9), "{exit:?}");
    assert!(alive(pid(&other)));
    host.rig.within(host.rig.engine.remove(&handle)).unwrap();
    assert_eq!(host.folders(&group(&handle)), [""; 0].map(PathBuf::from));
    assert!(!host.rig.stop(&other, 0).oom);
}

#[test]
fn a_helper_that_eats_the_memory_of_its_instance_counts_for_the_whole() {
    let Some(host) = Grouped::enforcing(&[enforce::MEMORY]) else {
        return;
    };
    let resources = Resources {
        memory_bytes: Some(64 << 20),
        ..Resources::default()
    };
    let eats = format!("({EATS})\nexit 3");
    let handle = host.rig.start(&limited(host.rig.shell("helper", &eats), resources));
    let exit = host.rig.wait(&handle);
    assert!(exit.oom && (exit.code, exit.signal) != (Some(0), None), "{exit:?}");
    host.rig.stop(&handle, 0);
}

#[test]
fn a_fork_bomb_is_held_and_ends_with_its_instance() {
    let Some(host) = Grouped::enforcing(&[enforce::PIDS]) else {
        return;
    };
    let resources = Resources {
        pids: Some(30),
        ..Resources::default()
    };
    let bomb = "exec python3 -c 'import os
while True:
    try: os.fork()
    except OSError: pass'";
    let handle = host.rig.start(&limited(host.rig.shell("bomb", bomb), resources));
    host.rig.until("the limit being hit", || {
        host.count(&handle, &["pids.events"], "max") >= 100
    });
    let most: u64 = host.file(&handle, &["pids.current"]).parse().unwrap();
    assert!(most <= 30, "{most}");
    assert_eq!(host.rig.stop(&handle, 0).code, None);
    assert_eq!(
        host.folders(&group(&handle)),
        [""; 0].map(PathBuf::from),
        "whoever is in a group keeps it"
    );
}

#[test]
fn nobody_may_start_endlessly_many_processes_though_nobody_said_a_number() {
    let Some(host) = Grouped::enforcing(&[enforce::PIDS]) else {
        return;
    };
    let handle = host.rig.start(&host.rig.shell("guard", "exec sleep 60"));
    assert_eq!(host.file(&handle, &["pids.max"]), "4915");
    assert_eq!(host.unenforced(&handle), [""; 0]);
    host.rig.stop(&handle, 0);
}

#[test]
fn an_instance_runs_on_its_processors_alone() {
    let allowed = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    };
    let resources = Resources {
        cpus: Some("0".into()),
        ..Resources::default()
    };
    // By a group where there is one, else by affinity.
    for config in ["{}", r#"{"cgroup":false}"#] {
        let rig = Rig::configured(config);
        let handle = rig.start(&limited(
            rig.shell("bound", "echo yes > ready; exec sleep 60"),
            resources.clone(),
        ));
        rig.written("ready");
        assert_eq!(allowed(pid(&handle)), "0", "{config}");
        assert_eq!(rig.within(rig.engine.status(&handle)).unwrap().unenforced, [""; 0]);
        rig.stop(&handle, 0);
    }
}

#[test]
fn processors_that_this_host_has_not_are_told_and_it_runs_all_the_same() {
    let Some(host) = Grouped::enforcing(&[enforce::CPU]) else {
        return;
    };
    let resources = Resources {
        cpus: Some("1000".into()),
        ..Resources::default()
    };
    let handle = host
        .rig
        .start(&limited(host.rig.shell("far", "exec sleep 60"), resources));
    let told = host.unenforced(&handle);
    assert!(
        told.len() == 1 && told[0].starts_with("cpuset 1000 is not enforced: "),
        "{told:?}"
    );
    host.rig.stop(&handle, 0);
    let nonsense = Resources {
        cpus: Some("two".into()),
        ..Resources::default()
    };
    let odd = limited(host.rig.shell("odd", "exit 0"), nonsense);
    let error = host.rig.within(host.rig.engine.start(&odd)).unwrap_err();
    assert!(error.message.contains("\"two\""), "{error}");
}

#[test]
fn as_many_files_as_it_may_open_and_a_thousand_without_a_number() {
    let rig = Rig::new();
    let script = "echo $(ulimit -Sn) $(ulimit -Hn) > files";
    let resources = Resources {
        open_files: Some(64),
        ..Resources::default()
    };
    rig.wait(&rig.start(&limited(rig.shell("few", script), resources)));
    assert_eq!(rig.written("files"), "64 64");
    rig.wait(&rig.start(&rig.shell("usual", script)));
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .maximum
        .unwrap();
    assert_eq!(rig.written("files"), format!("{} {hard}", hard.min(1024)));
}

#[test]
fn a_command_beside_an_instance_is_limited_like_it() {
    let Some(host) = Grouped::enforcing(&[enforce::PIDS]) else {
        return;
    };
    let handle = host.rig.start(&host.rig.shell("beside", "exec sleep 60"));
    let exec = Exec {
        handle: handle.clone(),
        command: vec!["cat".into(), "/proc/self/cgroup".into()],
        timeout_ms: 0,
    };
    let output = host.rig.within(host.rig.engine.exec(&exec)).unwrap().output.0;
    let output = String::from_utf8(output).unwrap();
    let own = format!(":/{}/{}", host.parent, group(&handle));
    assert!(output.lines().any(|line| line.ends_with(&own)), "{output}");
    host.rig.stop(&handle, 0);
}

#[test]
fn without_control_groups_it_runs_and_each_limit_that_is_not_kept_is_told() {
    let rig = Rig::configured(r#"{"cgroup":false}"#);
    let features = rig.within(rig.engine.capabilities()).unwrap();
    let kept = [
        enforce::CPUS,
        enforce::OPEN_FILES,
        enforce::CPU,
        enforce::MEMORY,
        enforce::PIDS,
    ];
    assert_eq!(
        kept.map(|name| features.enforces(name)),
        [true, true, false, false, false]
    );
    let resources = Resources {
        cpu_millis: Some(100),
        memory_bytes: Some(1 << 30),
        pids: Some(50),
        open_files: Some(64),
        ..Resources::default()
    };
    let handle = rig.start(&limited(rig.shell("free", "exec sleep 60"), resources));
    let told = rig.within(rig.engine.status(&handle)).unwrap().unenforced;
    let words: Vec<_> = told.iter().map(|text| text.split(" is not").next().unwrap()).collect();
    assert_eq!(words, ["cpu limit 100m", "memory limit 1 GiB", "pids limit 50"]);
    assert_eq!(rig.stop(&handle, 5000), signal(15));
    assert_eq!(rig.wait(&rig.start(&rig.shell("ends", "exit 4"))), code(4));
}

#[test]
fn without_control_groups_too_what_eats_memory_is_killed_alone_and_reported_so() {
    let rig = Rig::configured(r#"{"cgroup":false}"#);
    let resources = Resources {
        memory_bytes: Some(64 << 20),
        ..Resources::default()
    };
    let other = rig.start(&Workload {
        instance: "shop.web.2".into(),
        ..rig.shell("slim", "exec sleep 60")
    });
    let handle = rig.start(&limited(rig.shell("eats", EATS), resources));
    let told = rig.within(rig.engine.status(&handle)).unwrap().unenforced;
    assert!(
        told.len() == 1 && told[0].ends_with("above its memory limit is killed"),
        "{told:?}"
    );
    let exit = rig.wait(&handle);
    assert!(exit.oom && exit.signal == Some(9), "{exit:?}");
    assert!(alive(pid(&other)));
    assert!(!rig.stop(&other, 0).oom);
}

#[test]
fn a_parent_that_is_none_is_refused() {
    let host = aerolith_plugin::testing::Host::new();
    for (config, words) in [
        (r#"{"cgroup":"../up"}"#, "`../up`"),
        (r#"{"cgroup":"/abs"}"#, "`/abs`"),
        (r#"{"cgroup":""}"#, "``"),
        (r#"{"cgroup":7}"#, "neither the name of a group"),
    ] {
        let refused = host.create::<engine_process::ProcessEngine>("engine", config);
        assert!(refused.err().unwrap().message.contains(words), "{config}");
    }
}
