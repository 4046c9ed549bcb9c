//! A data folder on a disk that is full or read-only: what runs goes on running, and the node says what is wrong.

use crate::deployment::texts::{STAY, application, file, object, package, script, service};
use crate::support::node::Node;
use crate::support::package::{platform, zip};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk in memory, mounted until the test ends.
struct Disk(PathBuf);

impl Disk {
    /// Nothing where mounting is not allowed; the test says so then.
    fn mounted(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m,mode=700");
        if mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], at) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: this user may not mount a tmpfs");
        None
    }

    fn remount(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,{how}")], &self.0));
    }

    fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        found.f_bavail * found.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(words: &[&str], at: &Path) -> bool {
    let mount = Command::new("mount").args(words).arg(at).status();
    mount.is_ok_and(|status| status.success())
}

/// Bytes that do not shrink.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33).to_le_bytes()
    };
    (0..bytes.div_ceil(4)).flat_map(|_| next()[..4].to_vec()).collect()
}

/// A package of one zip that holds so many bytes beside a program.
fn large(server: &Server, bytes: usize) -> Value {
    let stay = format!("#!/bin/sh\n{STAY}\n");
    let zip = zip(&[
        ("program.yml", b"entry: run.sh\n"),
        ("run.sh", stay.as_bytes()),
        ("noise", &noise(bytes)),
    ]);
    let url = server.offer("large.zip", zip.clone());
    package("large", &json!({ format!("all-{}", platform()): object(&url, &zip) }))
}

fn shop(package: &str) -> Value {
    application("shop", &[service("web", package, json!({}))])
}

fn reasons(status: &Value) -> Option<String> {
    (status["health"]["status"] == "degraded").then(|| status["health"]["reasons"].to_string())
}

#[test]
fn a_package_that_does_not_fit_is_refused_cleanly_and_the_old_version_runs_on() {
    let (server, mut node) = (Server::start(), Node::new());
    let Some(disk) = Disk::mounted(&node.path("data/packages"), 20) else {
        return;
    };
    node.start();
    node.apply(&file(&[script("small", STAY), shop("small")]));
    let (before, free) = (node.process("shop.web.1"), disk.free());
    node.ask(&file(&[large(&server, 12 << 20), shop("large")]));
    let reason = node.service("shop", "web", "failed");
    assert!(reason.contains("space"), "{reason}");
    assert_eq!(node.process("shop.web.1"), before, "the old version runs on");
    node.until("the node says so", |status| {
        reasons(status).filter(|told| told.contains("space"))
    });
    let lost = free.saturating_sub(disk.free());
    assert!(
        lost < 13 << 20,
        "what could not be used was given back: {lost} bytes are gone"
    );
    disk.remount("size=60m");
    node.until("the new version runs", |status| {
        let web = crate::support::node::service_of(status, "shop", "web")?;
        let instances = web["instances"].as_array()?;
        let is_new = instances.len() == 1 && instances[0]["outdated"] == false;
        (is_new && status["health"]["status"] == "ok").then_some(())
    });
    let now = node.process("shop.web.1");
    assert_ne!(now, before);
}

#[test]
fn a_disk_that_turns_read_only_stops_nothing_and_degrades_the_node_until_it_is_mended() {
    let (server, mut node) = (Server::start(), Node::new());
    let Some(disk) = Disk::mounted(&node.path("data/packages"), 20) else {
        return;
    };
    node.start();
    node.apply(&file(&[script("small", STAY), shop("small")]));
    let before = node.process("shop.web.1");
    disk.remount("ro");
    node.ask(&file(&[large(&server, 1 << 20), shop("large")]));
    let reason = node.service("shop", "web", "failed");
    assert!(reason.contains("Read-only file system"), "{reason}");
    node.until("the node says so", |status| {
        reasons(status).filter(|told| told.contains("Read-only"))
    });
    assert_eq!(node.process("shop.web.1"), before);
    disk.remount("rw");
    node.until("the node is well again", |status| {
        (status["health"]["status"] == "ok").then_some(())
    });
    node.until("the new version runs", |status| {
        let web = crate::support::node::service_of(status, "shop", "web")?;
        (web["state"] == "running").then_some(())
    });
}
