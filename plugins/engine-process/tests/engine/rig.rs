//! What every test needs: a folder, an engine on a host in memory, scripts, and waiting for what must happen.

use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::engine::{Client, Dispatch, Exit, Handle, Program, Stop, Workload};
use aerolith_plugin::{Plugin, Result};
use engine_process::ProcessEngine;
use std::fs;
use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) type Engine = Client<Dispatch<ProcessEngine>>;

pub(crate) struct Rig {
    pub(crate) host: Host,
    pub(crate) plugin: Arc<ProcessEngine>,
    pub(crate) engine: Engine,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::configured("{}")
    }

    /// One whose engine holds instances in control groups, where the host has some, and one whose engine does not.
    pub(crate) fn with_groups_and_without() -> [Self; 2] {
        [Self::new(), Self::configured(r#"{"cgroup":false}"#)]
    }

    /// A rig whose engine has this configuration.
    pub(crate) fn configured(config: &str) -> Self {
        let host = Host::new();
        let plugin: Arc<ProcessEngine> = Arc::new(host.create("engine", config).unwrap());
        let engine = Client(Dispatch(plugin.clone()));
        Self {
            host,
            plugin,
            engine,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A rig with its folder at a place of its own choice.
    pub(crate) fn below(place: &str) -> Self {
        Self {
            folder: tempfile::tempdir_in(place).unwrap(),
            ..Self::new()
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A program in the package of this rig.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A workload that runs a shell script in a folder of its own, `work`.
    pub(crate) fn shell(&self, token: &str, script: &str) -> Workload {
        self.write(token, format!("#!/bin/sh\n{script}\n"));
        self.workload(token, token)
    }

    pub(crate) fn workload(&self, token: &str, entry: &str) -> Workload {
        let work = self.path("work");
        fs::create_dir_all(&work).unwrap();
        let text = |path: &Path| path.display().to_string();
        Workload {
            instance: "shop.web.1".into(),
            token: unique(token),
            program: Some(Program {
                directory: text(self.folder.path()),
                entry: entry.into(),
            }),
            environment: [("PATH".to_owned(), std::env::var("PATH").unwrap())].into(),
            directory: text(&work),
            output: text(&self.path("output")),
            ..Workload::default()
        }
    }

    pub(crate) fn start(&self, workload: &Workload) -> Handle {
        self.host.block_on(self.engine.start(workload)).unwrap()
    }

    pub(crate) fn wait(&self, handle: &Handle) -> Exit {
        self.within(self.engine.wait(handle)).unwrap()
    }

    pub(crate) fn stop(&self, handle: &Handle, grace_ms: u64) -> Exit {
        self.within(self.engine.stop(&Stop {
            handle: handle.clone(),
            grace_ms,
        }))
        .unwrap()
    }

    /// The result of something that must end.
    pub(crate) fn within<F: Future>(&self, future: F) -> F::Output {
        self.host
            .block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("it does not end") })
    }

    /// Waits until a condition holds; the condition is the synchronisation, asking again is how it is seen.
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let asked = poll_fn(|cx| {
            if holds() {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        let waited = self
            .host
            .block_on(async { tokio::time::timeout(DEADLINE, asked).await });
        assert!(waited.is_ok(), "{what} does not happen");
    }

    /// Waits until a file of the working folder holds a line, and answers its text.
    pub(crate) fn written(&self, name: &str) -> String {
        let name = format!("work/{name}");
        self.until(&format!("a line in {name}"), || self.read(&name).ends_with('\n'));
        self.read(&name).trim_end().to_owned()
    }
}

pub(crate) fn engine(host: &Host, state: &[u8]) -> (Arc<ProcessEngine>, Engine) {
    let plugin: Arc<ProcessEngine> = Arc::new(host.succeed("engine", "{}", state).unwrap());
    (plugin.clone(), Client(Dispatch(plugin)))
}

/// A token that no other test or run of them has given: whoever carries it is killed with its instance.
fn unique(token: &str) -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    format!(
        "{token}-{}-{}",
        std::process::id(),
        GIVEN.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn pid(handle: &Handle) -> u32 {
    handle.state["pid"].as_u64().unwrap() as u32
}

/// Whether a process runs; one that has ended and is not waited for does not.
pub(crate) fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|line| !matches!(line.rsplit_once(") ").unwrap().1.as_bytes()[0], b'Z' | b'X'))
}

pub(crate) fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}

pub(crate) fn signal(number: i32) -> Exit {
    Exit {
        signal: Some(number),
        ..Exit::default()
    }
}

pub(crate) fn unknown() -> Exit {
    Exit::unknown()
}

/// What a drain answers.
pub(crate) fn drained(rig: &Rig) -> Vec<u8> {
    let left: Result<Vec<u8>> = rig.host.block_on(rig.plugin.drain());
    left.unwrap()
}
