//! `engine/1`: creates, watches and ends one instance of a service. Restart policy, order and probes are the core's.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an engine is and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    /// `process` takes services with a program package, `container` those with an image.
    pub kind: String,
    /// Whether instances live on while the core and the engine are away.
    pub survives: bool,
    /// Whether `exec` works.
    pub exec: bool,
}

/// How an engine itself is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fingerprint {
    /// Whether it can start anything now.
    pub ready: bool,
    /// Why not, or what it found.
    pub message: String,
    /// Facts by name.
    pub attributes: BTreeMap<String, String>,
}

/// One instance to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Unique on the node, as `shop.web.1`.
    pub instance: String,
    /// Unique for each start; the engine marks what it starts with it, so that it can be found again.
    pub token: String,
    /// The application's name.
    pub application: String,
    /// The service's name.
    pub service: String,
    /// What to run, for a process engine.
    pub program: Option<Program>,
    /// What to run, for a container engine.
    pub image: Option<String>,
    /// Arguments behind the program's name.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Working directory; it exists.
    pub directory: String,
    /// File to which everything written to standard output and error is appended. It outlives the core.
    pub output: String,
}

/// An assembled program package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Absolute path of the tree.
    pub directory: String,
    /// The program, relative to the tree.
    pub entry: String,
}

/// What an engine needs to find an instance again. The core keeps it and never looks into `state`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handle {
    /// As in [`Workload`].
    pub instance: String,
    /// As in [`Workload`].
    pub token: String,
    /// The engine's own.
    pub state: serde_json::Value,
}

/// What to look for after the core or the engine was away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recover {
    /// As in [`Workload`].
    pub instance: String,
    /// As in [`Workload`].
    pub token: String,
    /// Absent when the core died before it learned the handle: then the mark decides.
    pub handle: Option<Handle>,
}

/// Whether an instance was found again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovered {
    /// Absent when it runs no more.
    pub handle: Option<Handle>,
    /// What was found, for people.
    pub reason: String,
}

/// How an instance ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// Exit status, when it exited by itself.
    pub code: Option<i32>,
    /// Signal number, when a signal ended it.
    pub signal: Option<i32>,
    /// It was ended for want of memory.
    pub oom: bool,
    /// It is gone, and nobody can tell how.
    pub unknown: bool,
}

/// How an instance is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Whether it runs.
    pub running: bool,
    /// Process id of its first process, where there is one.
    pub pid: Option<u32>,
    /// Milliseconds since it started, where known.
    pub up_ms: Option<u64>,
}

/// Whom to end, and how patiently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stop {
    /// Whom.
    pub handle: Handle,
    /// Milliseconds between asking and killing.
    pub grace_ms: u64,
}

/// What an instance uses. A reading that is not to be had is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Processor time in seconds since its start.
    pub cpu_seconds: Option<f64>,
    /// Resident memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Threads of all its processes.
    pub threads: Option<u64>,
}

/// Which output is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logs {
    /// As in [`Workload::output`].
    pub output: String,
    /// Only the last so many lines; absent means all.
    pub tail: Option<u64>,
    /// Go on until the call is dropped.
    pub follow: bool,
}

/// A command to run beside an instance, in its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Beside whom.
    pub handle: Handle,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Milliseconds after which it is killed.
    pub timeout_ms: u64,
}

/// What a command did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Executed {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote, cut at 64 KiB.
    pub output: crate::payload::Blob,
}

/// A signal to an instance's first process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signal {
    /// To whom.
    pub handle: Handle,
    /// As in `kill(2)`.
    pub number: i32,
}

crate::capability! {
    "engine/1" stable
    /// Runs instances.
    pub trait Engine {
        /// What it is and can do.
        call capabilities() -> Features;
        /// How it is, now and whenever that changes.
        stream fingerprint() => Fingerprint;
        /// Does everything that can be done before the old version stops: pulls an image, checks a program.
        open prepare(Workload);
        /// Starts an instance.
        call start(Workload) -> Handle;
        /// Finds a running instance again.
        call recover(Recover) -> Recovered;
        /// Waits for the end.
        open wait(Handle) -> Exit;
        /// How it is.
        call status(Handle) -> Status;
        /// Asks it to end, then kills it with everything that it started.
        open stop(Stop) -> Exit;
        /// Removes what is left of it.
        call remove(Handle);
        /// What it uses.
        call stats(Handle) -> Usage;
        /// Delivers its output.
        stream logs(Logs) => raw;
        /// Runs a command beside it.
        open exec(Exec) -> Executed;
        /// Sends it a signal.
        call signal(Signal);
    }
}
