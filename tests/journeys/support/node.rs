//! A node in a folder of its own: the real daemon with real plugin files, its command line, and all its processes.

use super::build::{binary, plugin};
use super::processes::{self, Process};
use super::socket::{self, Events, PATIENCE};
use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The plugins that come with the program.
pub(crate) const SHIPPED: [&str; 5] = [
    "arch-resolver",
    "engine-process",
    "fetcher-file",
    "fetcher-http",
    "fetcher-s3",
];

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A node. When it goes, every process goes that carries its folder in its environment.
pub(crate) struct Node {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Node {
    /// One without plugins, not started.
    pub(crate) fn bare() -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
            daemon: None,
        };
        fs::create_dir(node.path("plugins")).unwrap();
        let places = format!(
            "nodeName: roof\nruntime: {}\nplugins: {{folders: [{}]}}\nupdates: {{window: 100ms}}\n",
            node.path("run").display(),
            node.path("plugins").display()
        );
        node.file("aerolith.yml", &places);
        node
    }

    /// One with the plugins that come with the program, not started.
    pub(crate) fn new() -> Self {
        let node = Self::bare();
        for name in SHIPPED {
            node.ship(&plugin(name));
        }
        node
    }

    pub(crate) fn started() -> Self {
        let mut node = Self::new();
        node.start();
        node
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Puts a plugin's file into the folder that the configuration names.
    pub(crate) fn ship(&self, file: &Path) {
        let to = self.path("plugins").join(file.file_name().unwrap());
        fs::copy(file, to).unwrap();
    }

    /// Writes a file into the node's folder, and answers its name.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        name.to_owned()
    }

    /// A command of the one binary in a clean environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).current_dir(self.folder.path()).env_clear();
        command.env("AEROLITH_SOCKET", self.socket()).stdin(Stdio::null());
        command
    }

    /// The daemon, as it is started.
    pub(crate) fn daemon(&self) -> Command {
        self.command(&["run", "--config", "aerolith.yml", "--data", "data"])
    }

    /// Starts the daemon, and waits until it says that it is ready.
    pub(crate) fn start(&mut self) {
        let daemon = self.daemon();
        self.start_as(daemon);
    }

    /// Starts it with another command.
    pub(crate) fn start_as(&mut self, mut daemon: Command) {
        let notify = self.path("notify");
        // An earlier one was not taken away if the daemon was killed.
        let _ = fs::remove_file(&notify);
        let ready = UnixDatagram::bind(&notify).unwrap();
        // The daemon may be another user's.
        fs::set_permissions(&notify, fs::Permissions::from_mode(0o777)).unwrap();
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        self.spawn(daemon.env("NOTIFY_SOCKET", &notify));
        let mut said = [0; 64];
        // A wait with a time limit is not taken up again by the kernel when a stopped machine goes on (signal(7)).
        let length = rustix::io::retry_on_intr(|| rustix::net::recv(&ready, &mut said, RecvFlags::empty()));
        assert!(
            matches!(length, Ok((_, length)) if said.get(..length) == Some(b"READY=1")),
            "the daemon is not ready: {}",
            self.log()
        );
    }

    /// Starts a daemon and waits for nothing.
    pub(crate) fn spawn(&mut self, daemon: &mut Command) {
        let mut log = fs::File::options();
        let log = log.create(true).append(true).open(self.path("log")).unwrap();
        self.daemon = Some(daemon.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// What the daemons have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// Kills the daemon, and nothing else.
    pub(crate) fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Asks the daemon to end, and waits for its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().unwrap();
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        daemon.wait().unwrap().code()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Told {
        let output = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Told {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Runs what must succeed, and answers its output.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let told = self.run(words);
        assert_eq!(told.code, 0, "{words:?}: {}{}\n{}", told.out, told.err, self.log());
        told.out
    }

    /// Applies a text, and waits until it runs.
    pub(crate) fn apply(&self, text: &str) {
        let file = self.file("applied.yml", text);
        self.done(&["apply", "-f", &file, "--wait", "--timeout", "60s"]);
    }

    /// Applies a text, and waits for nothing.
    pub(crate) fn ask(&self, text: &str) {
        let file = self.file("applied.yml", text);
        self.done(&["apply", "-f", &file]);
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("api.sock")
    }

    pub(crate) fn status(&self) -> Value {
        socket::get(&self.socket(), "/v1/status").unwrap()
    }

    /// Looks at the status until it gives an answer: now, and after everything that happens.
    pub(crate) fn until<T>(&self, what: &str, mut seen: impl FnMut(&Value) -> Option<T>) -> T {
        let mut events = Events::listen(&self.socket(), "#").unwrap();
        loop {
            let status = self.status();
            if let Some(found) = seen(&status) {
                return found;
            }
            if let Err(error) = events.next() {
                panic!("never: {what}: {error}: {status:#}\n{}", self.log());
            }
        }
    }

    /// Waits until a service has a state, and answers its reason.
    pub(crate) fn service(&self, application: &str, service: &str, state: &str) -> String {
        self.until(&format!("{application}/{service} {state}"), |status| {
            let found = service_of(status, application, service)?;
            (found["state"] == state).then(|| found["reason"].as_str().unwrap().to_owned())
        })
    }

    /// An instance as `ps` shows it.
    pub(crate) fn instance(&self, id: &str) -> Option<Value> {
        instances(&self.status()).into_iter().find(|found| found["id"] == id)
    }

    /// Waits until an instance writes a line that holds a text, and answers all lines up to it.
    pub(crate) fn wrote(&self, target: &str, text: &str) -> Vec<String> {
        let mut logs = self.command(&["logs", "-f", target]);
        let mut logs = logs.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = Vec::new();
        let mut written = BufReader::new(logs.stdout.take().unwrap()).lines().map(Result::unwrap);
        let found = written.by_ref().find(|line| {
            lines.push(line.clone());
            line.contains(text)
        });
        // Where the output has ended it has ended by itself.
        let _ = logs.kill();
        logs.wait().unwrap();
        assert!(found.is_some(), "`{target}` ended without `{text}`: {lines:?}");
        lines
    }

    /// The processes of instances, sorted by instance.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut all = processes::of(self.folder.path());
        all.retain(|process| process.instance().is_some());
        all.sort_by(|a, b| a.instance().cmp(&b.instance()));
        all
    }

    /// The one process of an instance.
    pub(crate) fn process(&self, instance: &str) -> Process {
        let mut all = self.processes();
        all.retain(|process| process.instance() == Some(instance));
        assert_eq!(all.len(), 1, "{instance}: {all:?}\n{}", self.log());
        all.remove(0)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        processes::end_all(self.folder.path());
    }
}

/// A service in a status.
pub(crate) fn service_of<'a>(status: &'a Value, application: &str, service: &str) -> Option<&'a Value> {
    let named = |list: &'a Value, name: &str| list.as_array()?.iter().find(|item| item["name"] == name);
    named(&named(&status["applications"], application)?["services"], service)
}

/// All instances in a status.
pub(crate) fn instances(status: &Value) -> Vec<Value> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let services = list(status, "applications")
        .into_iter()
        .flat_map(|a| list(&a, "services"));
    services.flat_map(|service| list(&service, "instances")).collect()
}
