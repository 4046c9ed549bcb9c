//! Ours: the daemon with its plugins, asked over its socket.

use crate::input::Input;
use aerolith_plugin_testkit::plugins;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// The program and a folder of its plugins, as they ship.
pub(crate) struct Daemon {
    program: PathBuf,
    plugins: TempDir,
}

impl Daemon {
    pub(crate) fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["arch-resolver", "engine-process", "fetcher-http"];
        for file in plugins::build_all(&names, benches::PLUGIN).unwrap() {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        Self {
            program: plugins::program("aerolith", benches::DAEMON).unwrap(),
            plugins: folder,
        }
    }
}

/// A running node in a folder.
pub(crate) struct Node<'a> {
    folder: &'a Path,
    process: Child,
}

/// When a deployment came to what, from its apply on.
#[derive(Default)]
pub(crate) struct Seen {
    fetched: Duration,
    unpacked: Duration,
    pub(crate) published: Duration,
    pub(crate) prepared: Duration,
    pub(crate) started: Duration,
}

impl Seen {
    /// What each stage took.
    pub(crate) fn stages(&self) -> [(&'static str, Duration); 5] {
        [
            ("apply, plan, fetch, verify", self.fetched),
            ("unpack", self.unpacked - self.fetched),
            ("publish", self.published - self.unpacked),
            ("check out", self.prepared - self.published),
            ("start", self.started - self.prepared),
        ]
    }
}

impl<'a> Node<'a> {
    pub(crate) fn start(daemon: &Daemon, folder: &'a Path) -> Self {
        let config = json!({"runtime": folder.join("run"), "plugins": {"folders": [daemon.plugins.path()]}});
        fs::write(folder.join("aerolith.yml"), config.to_string()).unwrap();
        let notify = folder.join("notify");
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(&daemon.program);
        command
            .args(["run", "--config", "aerolith.yml", "--data", "data"])
            .current_dir(folder);
        command
            .env_clear()
            .env("AEROLITH_SOCKET", folder.join("socket"))
            .env("NOTIFY_SOCKET", &notify);
        let log = fs::File::create(folder.join("log")).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = [0; 64];
        let length = ready.recv(&mut said).unwrap();
        assert_eq!(said.get(..length), Some(&b"READY=1"[..]));
        Self { folder, process }
    }

    /// Applies a service whose environment has this number, and waits until it runs.
    pub(crate) fn deploy(&self, input: &Input, url: &str, number: usize) -> Seen {
        let mut events = self.listen();
        let begun = Instant::now();
        let mut answer = self.ask("PUT", "/v1/resources", &resources(input, url, number));
        let mut seen = Seen::default();
        loop {
            let event = self.next(&mut events);
            let now = begun.elapsed();
            match last(&event) {
                "fetched" => seen.fetched = now,
                "unpacked" => seen.unpacked = now,
                "published" => seen.published = now,
                "prepared" => seen.prepared = now,
                "failed" => panic!("{event}"),
                "started" => {
                    seen.started = now;
                    head(&mut answer);
                    return seen;
                }
                _ => {}
            }
        }
    }

    /// Applies what is applied already, until the answer.
    pub(crate) fn apply_again(&self, input: &Input, url: &str, number: usize) -> Duration {
        let begun = Instant::now();
        head(&mut self.ask("PUT", "/v1/resources", &resources(input, url, number)));
        begun.elapsed()
    }

    /// Whether the tree is there with all its files.
    pub(crate) fn check(&self, input: &Input) {
        let mut trees = fs::read_dir(self.folder.join("data/packages/trees")).unwrap();
        let tree = trees.next().unwrap().unwrap().path();
        let found = files(&tree);
        assert_eq!(found, input.files + TEXTS, "{}", tree.display());
    }

    /// The most memory that it had at once, in kB.
    pub(crate) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn listen(&self) -> BufReader<UnixStream> {
        let mut events = self.ask("GET", "/v1/events", "");
        head(&mut events);
        events
    }

    fn next(&self, events: &mut BufReader<UnixStream>) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(events.read_line(&mut line).unwrap(), 0, "{}", self.log());
            // Between the lines of events stand the sizes of their chunks.
            if let Ok(event @ Value::Object(_)) = serde_json::from_str(&line) {
                return event;
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> BufReader<UnixStream> {
        let mut stream = UnixStream::connect(self.folder.join("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        BufReader::new(stream)
    }
}

impl Drop for Node<'_> {
    /// An instance outlives its daemon, so it is stopped first.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut events = self.listen();
            head(&mut self.ask("DELETE", "/v1/applications/bench", ""));
            while last(&self.next(&mut events)) != "stopped" {}
        }
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// Entries of the package that are no objects.
const TEXTS: usize = 2;

fn resources(input: &Input, url: &str, number: usize) -> String {
    let data = json!({
        "program.yml": "entry: run.sh\n",
        "run.sh": "#!/bin/sh\nexec sleep 86400\n",
        "zip": {"url": url, "sha256": input.sha256, "unpack": "zip", "platform": "any"},
    });
    let package = json!({"kind": "configuration", "name": "package", "labels": {"baetyl-config-type": "baetyl-program"}, "data": data});
    let env = json!([{"name": "NUMBER", "value": number.to_string()}]);
    let service = json!({"name": "service", "programConfig": "package", "env": env});
    let application = json!({"kind": "application", "name": "bench", "services": [service]});
    format!("{package}\n---\n{application}")
}

/// Reads the head of an answer that is a good one.
fn head(stream: &mut BufReader<UnixStream>) {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    if !line.contains(" 200 ") {
        let mut rest = [0; 4096];
        let read = stream.read(&mut rest).unwrap();
        panic!("{line}{}", String::from_utf8_lossy(&rest[..read]));
    }
    while line.trim_end() != "" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
}

/// What an event tells: the last part of its topic.
fn last(event: &Value) -> &str {
    event["topic"].as_str().unwrap().rsplit('/').next().unwrap()
}

fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}
