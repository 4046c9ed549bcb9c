//! The processes that carry a text in their environment, as `/proc` tells them.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a process may be about to execute another program.
const EXECUTING: Duration = Duration::from_secs(2);

/// A running process, as it was executed.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) environment: BTreeMap<String, String>,
}

/// The same process of the same start, whatever it has executed since: a shell gives its successor more variables.
impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        let token = |process: &Self| process.environment.get("AEROLITH_TOKEN").cloned();
        self.pid == other.pid && token(self) == token(other)
    }
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
    let until = Instant::now() + EXECUTING;
    others
        .filter_map(|pid| read(pid, until))
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

fn read(pid: u32, until: Instant) -> Option<Process> {
    let bytes = environ(pid, until)?;
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|entry| entry.split_once('='));
    Some(Process {
        pid,
        environment: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    })
}

/// A process that is just executing shows no environment for a moment, or part of one: it is read until two readings are
/// alike. Kernel threads and those that have ended show neither an environment nor a program; one that shows none for long
/// was given none.
fn environ(pid: u32, until: Instant) -> Option<Vec<u8>> {
    let mut before = Vec::new();
    loop {
        let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
        if !bytes.is_empty() && bytes == before {
            return Some(bytes);
        }
        if bytes.is_empty() {
            fs::read_link(format!("/proc/{pid}/exe"))
                .ok()
                .filter(|_| Instant::now() < until)?;
            std::thread::yield_now();
        }
        before = bytes;
    }
}
