//! What services may use at most, with control groups and without, and what a lost daemon leaves in them.

use super::texts::{STAY, application, file, script, service};
use crate::support::node::{Node, instances, service_of};
use crate::support::processes;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A node whose instances are in groups below a parent of its own; nothing where groups have none of these files here.
fn grouped(name: &str, files: &[&str]) -> Option<(Node, Groups)> {
    let parent = format!("aerolith-journey-{}-{name}", std::process::id());
    let mut node = Node::new();
    node.file(
        "plugins.d/engine-process.yml",
        &format!("plugin: engine-process\nconfig: {{cgroup: {parent}}}\n"),
    );
    node.start();
    let groups = Groups(parent);
    let has = |folder: &PathBuf| files.iter().any(|file| folder.join(file).exists());
    if groups.of("").iter().any(has) {
        return Some((node, groups));
    }
    eprintln!("SKIPPED: this host has no control group with {files:?}, or the daemon may make none");
    None
}

/// The parent of a node's groups, in every hierarchy.
struct Groups(String);

impl Groups {
    /// The groups that are there and begin so; the parents themselves when nothing is said.
    fn of(&self, instance: &str) -> Vec<PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(" - cgroup"));
        let parents = mounts.map(|line| Path::new(line.split(' ').nth(4).unwrap()).join(&self.0));
        let parents: Vec<PathBuf> = parents.filter(|folder| folder.is_dir()).collect();
        if instance.is_empty() {
            return parents;
        }
        let all = parents
            .iter()
            .flat_map(|parent| fs::read_dir(parent).unwrap().flatten());
        let begins = |path: &PathBuf| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&format!("{instance}@"))
        };
        all.map(|entry| entry.path()).filter(begins).collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for parent in self.of("") {
            // Some may still be in it when a test has failed.
            let _ = fs::remove_dir(parent);
        }
    }
}

fn limited(name: &str, package: &str, limits: &Value) -> Value {
    service(name, package, json!({"resources": {"limits": limits}}))
}

/// Whether a process runs no more; whoever adopted it may not have waited for it yet.
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| state.starts_with(['Z', 'X']))
    })
}

#[test]
fn a_service_that_eats_its_memory_is_restarted_alone_and_the_reason_is_told() {
    let Some((node, groups)) = grouped("memory", &["memory.limit_in_bytes", "memory.max"]) else {
        return;
    };
    let eat = script(
        "eat",
        "exec python3 -c 'b = b\"x\" * (300 << 20); import time; time.sleep(86400)'",
    );
    let services = [
        limited("hog", "eat", &json!({"memory": "64Mi"})),
        service("web", "stay", json!({})),
    ];
    node.ask(&file(&[eat, script("stay", STAY), application("shop", &services)]));
    let hog = node.until("the hog is restarted", |status| {
        let hog = instances(status)
            .into_iter()
            .find(|found| found["id"] == "shop.hog.1")?;
        (hog["restarts"].as_u64() >= Some(1) && hog["exit"]["oom"] == true).then_some(hog)
    });
    assert!(
        node.done(&["status", "--all"]).contains("out of memory: limit 64 MiB"),
        "{hog}"
    );
    assert_eq!(node.instance("shop.web.1").unwrap()["restarts"], 0);
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!((groups.of("shop.hog.1"), groups.of("shop.web.1")), (vec![], vec![]));
}

#[test]
fn a_lost_daemons_groups_hold_their_instances_and_those_of_the_dead_are_cleared() {
    let Some((mut node, groups)) = grouped("lost", &["pids.max"]) else {
        return;
    };
    let away = script("away", "setsid env -i /bin/sleep 86400 & echo ready; exec sleep 86400");
    let services = [
        limited("web", "away", &json!({"pids": 50})),
        service("dies", "stay", json!({})),
    ];
    node.apply(&file(&[away, script("stay", STAY), application("shop", &services)]));
    let held = groups.of("shop.web.1");
    let members = || fs::read_to_string(held[0].join("cgroup.procs")).unwrap();
    let (before, dead) = (members(), groups.of("shop.dies.1"));
    assert_eq!(before.lines().count(), 2, "{before}");
    node.kill();
    let dying = node
        .processes()
        .into_iter()
        .find(|process| process.instance() == Some("shop.dies.1"))
        .unwrap();
    processes::kill(dying.pid);
    assert_eq!(
        (members(), dead.iter().all(|group| group.exists())),
        (before.clone(), true)
    );
    node.start();
    node.until("what died is started again", |status| {
        let all = instances(status);
        let again = all.iter().find(|found| found["id"] == "shop.dies.1")?;
        (again["state"] == "running" && again["restarts"] == 1).then_some(())
    });
    assert_eq!(members(), before);
    assert!(dead.iter().all(|group| !group.exists()) && !groups.of("shop.dies.1").is_empty());
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(groups.of("shop.web.1"), [""; 0].map(PathBuf::from));
    assert!(before.lines().all(has_ended), "{before}");
}

#[test]
fn without_control_groups_it_runs_and_each_limit_that_is_not_kept_is_one_warning() {
    let mut node = Node::new();
    node.file(
        "plugins.d/engine-process.yml",
        "plugin: engine-process\nconfig: {cgroup: false}\n",
    );
    node.start();
    let limits = json!({"memory": "256Mi", "cpu": "500m", "openFiles": 64});
    node.apply(&file(&[
        script("stay", STAY),
        application("shop", &[limited("web", "stay", &limits)]),
    ]));
    let status = node.status();
    let web = service_of(&status, "shop", "web").unwrap();
    let warnings: Vec<&str> = web["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let group = "is not enforced: this host has no control group with";
    let cpu = format!("cpu limit 500m {group} `cpu` that the daemon may use");
    let memory = format!("memory limit 256 MiB {group} `memory` that the daemon may use");
    let of = |words: &str| warnings.iter().filter(|warning| warning.starts_with(words)).count();
    assert_eq!(
        (of(&cpu), of(&memory), of("cpu "), of("memory ")),
        (1, 1, 1, 1),
        "{warnings:?}"
    );
    assert_eq!(of("openFiles"), 0, "{warnings:?}");
    let conditions = web["conditions"].as_array().unwrap();
    let enforced = conditions
        .iter()
        .find(|condition| condition["type"] == "Enforced")
        .unwrap();
    assert_eq!(enforced["reason"], "NotEnforced", "{enforced}");
}
