use super::*;
use crate::cgroup::plan;
use aerolith_plugin::wire::engine::Resources;
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};

/// What this host has of one version, below a parent of the test's own; nothing where that cannot tell and kill members.
struct Host(Arc<Cgroups>);

impl Host {
    fn of(version: Version, name: &str) -> Option<Self> {
        let parent = PathBuf::from(format!("aerolith-unit-{}-{name}", std::process::id()));
        let claimed = Cgroups::claim(&parent);
        let (of_it, others): (Vec<_>, Vec<_>) = claimed.hierarchies.into_iter().partition(|h| h.version == version);
        drop(Self(Arc::new(Cgroups::of(others, parent.clone()))));
        let host = Self(Arc::new(Cgroups::of(of_it, parent)));
        if host.0.tracking.is_some() {
            return Some(host);
        }
        eprintln!("SKIPPED: no control groups of version {version:?} that may be used");
        None
    }

    fn group(&self) -> Group {
        let mark = Mark::new("shop.web.1", "t/1").unwrap();
        let plan = plan(&Resources::default(), self.0.controllers());
        let (group, unmet) = Group::make(&self.0, &mark, &plan);
        assert_eq!(unmet, [""; 0]);
        let (made, found) = (group.unwrap(), Group::find(&self.0, &mark).unwrap());
        assert_eq!(made.entered, found.entered);
        made
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for at in 0..self.0.hierarchies.len() {
            // Some may still be in it when the test has failed.
            let _ = remove_tree(&self.0.folder(at));
        }
    }
}

/// A process that forks without end as soon as it is a member.
fn bomb(group: &Group) -> Child {
    let doors: Vec<_> = group
        .folders()
        .map(|folder| format!("echo $$ > {}/cgroup.procs", folder.display()))
        .collect();
    let forks = "import os, time\nfor _ in range(60): os.fork() or time.sleep(60)";
    let script = format!("{}; exec python3 -c '{forks}'", doors.join(" && "));
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn is_killed_whole(version: Version, name: &str) {
    let Some(host) = Host::of(version, name) else { return };
    let group = host.group();
    let mut first = bomb(&group);
    while group.members().len() < 10 {
        std::thread::yield_now();
    }
    assert!(group.remove().is_err_and(|e| e.kind() == ErrorKind::ResourceBusy));
    group.kill().unwrap();
    first.wait().unwrap();
    while !group.members().is_empty() {
        std::thread::yield_now();
    }
    while group.remove().is_err_and(|e| e.kind() == ErrorKind::ResourceBusy) {
        std::thread::yield_now();
    }
    assert!(group.folders().all(|folder| !folder.exists()));
}

#[test]
fn a_group_of_version_one_is_frozen_and_killed_with_whoever_forks_meanwhile() {
    is_killed_whole(Version::One, "one");
}

#[test]
fn a_group_of_version_two_is_killed_with_whoever_forks_meanwhile() {
    is_killed_whole(Version::Two, "two");
}

#[test]
fn without_any_hierarchy_there_is_no_group() {
    let none = Arc::new(Cgroups::none());
    let mark = Mark::new("shop.web.1", "t").unwrap();
    let plan = plan(&Resources::default(), none.controllers());
    let (group, unmet) = Group::make(&none, &mark, &plan);
    assert!(group.is_none() && unmet.is_empty() && Group::find(&none, &mark).is_none());
}

#[test]
fn a_name_is_one_folder_and_no_file_of_the_kernels() {
    let mark = Mark::new("memory.max", "../a/b%").unwrap();
    assert_eq!(&*name(&mark), "memory.max@..%2Fa%2Fb%25");
}
