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
    /// What it holds an instance to, and gives it, of all that a [`Workload`] may ask: names of [`enforce`].
    pub enforces: Vec<String>,
    /// Whether a new instance can take over the sockets of an old one.
    pub handover: bool,
}

impl Features {
    /// Whether it holds an instance to something.
    #[must_use]
    pub fn enforces(&self, what: &str) -> bool {
        self.enforces.iter().any(|name| name == what)
    }
}

/// What an engine may enforce. What stands in no [`Features::enforces`] is asked in vain.
pub mod enforce {
    /// `Resources::cpu_millis`.
    pub const CPU: &str = "cpu";
    /// `Resources::memory_bytes`.
    pub const MEMORY: &str = "memory";
    /// `Resources::swap_bytes`.
    pub const SWAP: &str = "swap";
    /// `Resources::pids`.
    pub const PIDS: &str = "pids";
    /// `Resources::cpus`.
    pub const CPUS: &str = "cpus";
    /// `Resources::io_weight`.
    pub const IO_WEIGHT: &str = "ioWeight";
    /// `Resources::open_files`.
    pub const OPEN_FILES: &str = "openFiles";
    /// `Sandbox::capabilities`.
    pub const CAPABILITIES: &str = "capabilities";
    /// `Sandbox::escalates`.
    pub const ESCALATION: &str = "escalation";
    /// `Sandbox::files`.
    pub const FILES: &str = "files";
    /// `Sandbox::system_calls`.
    pub const SYSTEM_CALLS: &str = "systemCalls";
    /// `Sandbox::private_tmp`.
    pub const PRIVATE_TMP: &str = "privateTmp";
    /// `Sandbox::read_only_host`.
    pub const READ_ONLY_HOST: &str = "readOnlyHost";
    /// `Workload::user`.
    pub const USER: &str = "user";
    /// `Workload::privileged`.
    pub const PRIVILEGED: &str = "privileged";
    /// `Workload::host_network`.
    pub const HOST_NETWORK: &str = "hostNetwork";
    /// `Workload::hostname`.
    pub const HOSTNAME: &str = "hostname";
    /// `Workload::devices`.
    pub const DEVICES: &str = "devices";
    /// `Workload::runtime`.
    pub const RUNTIME: &str = "runtime";
    /// That what is mounted for reading only cannot be written.
    pub const READ_ONLY: &str = "readOnly";
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
    /// What it may use at most.
    pub resources: Resources,
    /// What is kept from it.
    pub sandbox: Sandbox,
    /// Folders that are its own: they belong to the user that it runs as.
    pub own: Vec<String>,
    /// Places of the host that are shown to it.
    pub shown: Vec<Shown>,
    /// Names of variables that it is given as the engine itself has them, unless `environment` has them.
    pub passed_environment: Vec<String>,
    /// Whether it tells how it is over a socket (sd_notify(3)). No engine listens yet.
    pub notifies: Option<Notifies>,
    /// Sockets that it is given open (sd_listen_fds(3)), in this order. No engine passes any yet.
    pub sockets: Vec<Socket>,
    /// Of whom it takes these sockets over, while that one runs: the run that it replaces.
    pub successor_of: Option<Handle>,
    /// Name or number of the user that it runs as; the engine's own choice when absent.
    pub user: Option<String>,
    /// Whether nothing of the host is kept from it.
    pub privileged: bool,
    /// Whether it sees the network as the host does, for an engine that could give it another.
    pub host_network: bool,
    /// Its host name, for an engine that could give it one of its own.
    pub hostname: Option<String>,
    /// Ports that it opens.
    pub ports: Vec<Port>,
    /// Devices of the host that it is given.
    pub devices: Vec<Device>,
    /// Container runtime, such as `nvidia`; the engine's own choice when absent.
    pub runtime: Option<String>,
    /// When its image is pulled.
    pub pull: Pull,
}

/// What an instance may use at most. What is absent has no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Thousandths of a processor.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Bytes of swap, beside the memory.
    pub swap_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processors that it may run on, as the kernel lists them: `0-3,6`.
    pub cpus: Option<String>,
    /// Its share of the disks when they are busy, from 1 to 10,000; 100 is everybody's.
    pub io_weight: Option<u64>,
    /// Descriptors open in one process.
    pub open_files: Option<u64>,
    /// Everything else by name, such as `nvidia.com/gpu`, in whole units.
    pub others: BTreeMap<String, u64>,
}

/// What is kept from an instance. The default is the least that an ordinary program needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// Powers of root beside the engine's own choice, as in capabilities(7) without `CAP_`; `ALL` is every one.
    pub capabilities: Capabilities,
    /// Whether a program that it starts may have more power than it has itself (setuid).
    pub escalates: bool,
    /// The files that it may open; every one that its user may when absent.
    pub files: Option<Files>,
    /// The system calls that it may make; every one when absent.
    pub system_calls: Option<SystemCalls>,
    /// Whether it has a `/tmp` and `/var/tmp` of its own, which end with it.
    pub private_tmp: bool,
    /// Whether it can write to nothing of the host but its own folders and what is shown to it for writing.
    pub read_only_host: bool,
}

/// Powers of root that an instance has more and less than others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Those that it has too.
    pub add: Vec<String>,
    /// Those that are taken from it; what is in both is added.
    pub drop: Vec<String>,
}

/// Files that an instance may open, each with all below it. Its package, its own folders, what is shown to it and what every
/// program needs (libraries, name service, certificates, `/dev/null`) need no word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    /// Absolute paths for reading and executing.
    pub read: Vec<String>,
    /// Absolute paths for writing, too.
    pub write: Vec<String>,
}

/// System calls that an instance may make. One that it may not make fails with EPERM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemCalls {
    /// Refused though the engine's own list allows them: names as in syscalls(2).
    pub deny: Vec<String>,
    /// Allowed though the engine's own list refuses them.
    pub allow: Vec<String>,
}

/// How an instance tells how it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notifies {
    /// Milliseconds within which it is to say that it lives, again and again; it is told by `WATCHDOG_USEC`.
    pub watchdog_ms: Option<u64>,
}

/// What an instance said of itself (sd_notify(3)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notice {
    /// It has started (`READY=1`).
    pub ready: bool,
    /// It reads its configuration anew and is not ready until it says so (`RELOADING=1`).
    pub reloading: bool,
    /// It ends (`STOPPING=1`).
    pub stopping: bool,
    /// It lives (`WATCHDOG=1`).
    pub alive: bool,
    /// It asks to be ended (`WATCHDOG=trigger`).
    pub trouble: bool,
    /// How it is, for people (`STATUS=`).
    pub status: Option<String>,
}

/// A place of the host that is shown to an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Absolute path on the host.
    pub path: String,
    /// Whether it may not be written to.
    pub read_only: bool,
}

/// A socket that listens, or a datagram socket that is bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Socket {
    /// Told in `LISTEN_FDNAMES`.
    pub name: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Where it is bound, as `127.0.0.1:80` or `[::]:80`.
    pub address: String,
}

/// A port that an instance opens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Inside the instance.
    pub inside: u16,
    /// On the host; absent when it is none there.
    pub host: Option<u16>,
    /// Address on the host; every one when absent.
    pub address: Option<String>,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A device of the host, at the same path inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Its path.
    pub path: String,
    /// What may be done with it: some of `r`, `w` and `m` (make nodes); everything when empty.
    pub policy: String,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pull {
    /// When it is not there.
    #[default]
    IfNotPresent,
    /// Before each preparation.
    Always,
    /// Never: it must be there.
    Never,
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

impl Exit {
    /// The end of something of which nobody can tell how it ended.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            unknown: true,
            ..Self::default()
        }
    }
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
    /// What of its workload could not be applied, and why; each for people, and beginning with the word that they ask for it by:
    /// `memory limit 64 MiB is not enforced: …`.
    pub unenforced: Vec<String>,
    /// Network address that reaches it from the host, where it has one of its own.
    pub address: Option<String>,
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
    /// Its own part of memory that is shared, in bytes (PSS).
    pub proportional_bytes: Option<u64>,
    /// Bytes read from disks since its start.
    pub read_bytes: Option<u64>,
    /// Bytes written to disks since its start.
    pub written_bytes: Option<u64>,
    /// Processes.
    pub processes: Option<u64>,
    /// Threads of all its processes.
    pub threads: Option<u64>,
    /// Open descriptors of all its processes.
    pub descriptors: Option<u64>,
    /// Seconds that it was held back by its processor limit.
    pub throttled_seconds: Option<f64>,
    /// Part of the last ten seconds in which something of it waited for a processor, from 0 to 1 (PSI).
    pub cpu_pressure: Option<f64>,
    /// The same for memory.
    pub memory_pressure: Option<f64>,
    /// The same for disks.
    pub io_pressure: Option<f64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_side_does_not_say_takes_its_default() {
        let features: Features = serde_json::from_str(r#"{"kind":"process","survives":true,"exec":true}"#).unwrap();
        assert!(!features.enforces(enforce::MEMORY) && !features.handover);
        let workload: Workload = serde_json::from_str(r#"{"instance":"shop.web.1","output":"/o"}"#).unwrap();
        assert_eq!(
            (workload.pull, workload.resources),
            (Pull::IfNotPresent, Resources::default())
        );
        assert_eq!(serde_json::from_str::<Status>("{}").unwrap().address, None);
    }

    #[test]
    fn all_that_a_workload_asks_crosses_whole() {
        let workload = Workload {
            resources: Resources {
                cpu_millis: Some(1500),
                memory_bytes: Some(1 << 28),
                swap_bytes: Some(0),
                pids: Some(100),
                cpus: Some("0-3,6".into()),
                io_weight: Some(50),
                open_files: Some(256),
                others: [("nvidia.com/gpu".to_owned(), 1)].into(),
            },
            sandbox: Sandbox {
                system_calls: Some(SystemCalls::default()),
                ..Sandbox::default()
            },
            user: Some("app".into()),
            ports: vec![Port {
                inside: 80,
                host: Some(8080),
                address: Some("127.0.0.1".into()),
                protocol: "tcp".into(),
            }],
            devices: vec![Device {
                path: "/dev/video0".into(),
                policy: "rw".into(),
            }],
            pull: Pull::Never,
            ..Workload::default()
        };
        let bytes = serde_json::to_vec(&workload).unwrap();
        assert_eq!(serde_json::from_slice::<Workload>(&bytes).unwrap(), workload);
    }
}
