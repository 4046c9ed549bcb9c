//! What must not be left: files of what is gone, files under way, descriptors, threads.

use crate::support::node::{Node, instances};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files below the node's folders that nothing in the status accounts for.
pub(super) fn files(node: &Node, status: &Value) -> Vec<String> {
    let shown: BTreeSet<String> = instances(status)
        .iter()
        .map(|i| i["id"].as_str().unwrap().to_owned())
        .collect();
    let mut left: Vec<String> = Vec::new();
    for folder in ["data/instances", "run/node/instances", "run/node/secrets"] {
        let mut seen = BTreeSet::new();
        // A run is called after its instance and its version: one of each instance is left when all has settled.
        let mut is_left = |name: &String| {
            let instance = name.split('@').next().unwrap_or(name).to_owned();
            !shown.contains(&instance) || !seen.insert(instance)
        };
        let names = names(&node.path(folder)).into_iter();
        left.extend(names.filter(&mut is_left).map(|name| format!("{folder}/{name}")));
    }
    left.extend(versions(node, status));
    left.extend(under_way(&node.path("data")));
    left.extend(under_way(&node.path("run")));
    left.extend(
        names(&node.path("data/packages/ingest"))
            .into_iter()
            .map(|name| format!("ingest/{name}")),
    );
    left
}

/// What is prepared though it is neither wanted nor what was before it.
fn versions(node: &Node, status: &Value) -> Vec<String> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let applications = list(status, "applications");
    let services: BTreeMap<String, BTreeSet<String>> = applications
        .iter()
        .map(|application| {
            (
                name(application),
                list(application, "services").iter().map(name).collect(),
            )
        })
        .collect();
    let mut left = Vec::new();
    let apps = node.path("data/apps");
    for application in names(&apps) {
        for service in names(&apps.join(&application)) {
            let name = format!("{application}/{service}");
            let versions = names(&apps.join(&name));
            // A service may have been one of the version before only.
            let most = services
                .get(&application)
                .map_or(0, |services| 1 + usize::from(services.contains(&service)));
            if versions.len() > most {
                left.push(format!("apps/{name}: {versions:?}"));
            }
        }
    }
    left
}

/// Files whose writing has not come to its end.
fn under_way(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.file_name().unwrap().to_string_lossy().starts_with('~') {
                found.push(path.display().to_string());
            } else if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    found
}

/// Open descriptors and threads of a process.
pub(super) fn held(pid: u32) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
    (count("fd"), count("task"))
}

/// What a process holds while nothing happens: the least within the time in which idle threads go.
pub(super) fn idle(pid: u32) -> (usize, usize) {
    let until = Instant::now() + Duration::from_secs(3);
    let mut least = held(pid);
    while Instant::now() < until {
        let (descriptors, threads) = held(pid);
        least = (least.0.min(descriptors), least.1.min(threads));
        std::thread::park_timeout(Duration::from_millis(20));
    }
    least
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries(folder).iter().map(name).collect();
    names.sort();
    names
}
