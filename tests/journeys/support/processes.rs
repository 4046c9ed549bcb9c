//! The processes that carry a text in their environment, as `/proc` tells them.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A running process, as it was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Process {
    /// `application.service.index`; nothing for a process that is no instance's.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.environment.get("AEROLITH_INSTANCE").map(String::as_str)
    }
}

/// Every process, except this one, in whose environment a path stands.
pub(crate) fn of(folder: &Path) -> Vec<Process> {
    let text = folder.display().to_string();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let others = pids.filter(|pid| *pid != std::process::id());
    others
        .filter_map(read)
        .filter(|process| process.environment.values().any(|value| value.contains(&text)))
        .collect()
}

/// Ends every such process, and those that they begin meanwhile.
pub(crate) fn end_all(folder: &Path) {
    for _ in 0..1_000 {
        let left = of(folder);
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|process| kill(process.pid));
        std::thread::yield_now();
    }
}

/// Kills a process, unless it is gone by now.
pub(crate) fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = kill_process(pid, Signal::KILL);
}

fn read(pid: u32) -> Option<Process> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|entry| entry.split_once('='));
    Some(Process {
        pid,
        environment: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    })
}
