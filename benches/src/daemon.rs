//! The daemon with its plugins as they ship, asked over its socket.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aerolith_plugin_testkit::plugins;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// The program and a folder of its plugins, as they ship.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    plugins: TempDir,
}

impl Daemon {
    /// Builds it with these plugins.
    #[must_use]
    pub fn build(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in plugins::build_all(names, crate::PLUGIN).unwrap() {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        Self {
            program: plugins::program("aerolith", crate::DAEMON).unwrap(),
            plugins: folder,
        }
    }
}

/// A running node in a folder. What it runs is stopped with it.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    process: Child,
    /// From its start to the first answer of its API.
    pub answered: Duration,
    /// From its start until it was ready.
    pub ready: Duration,
}

impl Node {
    /// Starts it, or starts it again in a folder where it ran before, and waits until it is ready.
    #[must_use]
    pub fn start(daemon: &Daemon, folder: &Path) -> Self {
        let config = json!({
            "runtime": folder.join("run"),
            "plugins": {"folders": [daemon.plugins.path()]},
            // A port for each of more instances than nodes have by themselves.
            "ports": {"dynamic": "20000-29999"},
        });
        fs::write(folder.join("aerolith.yml"), config.to_string()).unwrap();
        let (notify, socket) = (folder.join("notify"), folder.join("socket"));
        let _ = fs::remove_file(&notify);
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(&daemon.program);
        command
            .args(["run", "--config", "aerolith.yml", "--data", "data"])
            .current_dir(folder);
        command
            .env_clear()
            .env("AEROLITH_SOCKET", &socket)
            .env("NOTIFY_SOCKET", &notify);
        let log = fs::File::create(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let begun = Instant::now();
        let process = command.spawn().unwrap();
        answer(&socket, begun);
        let answered = begun.elapsed();
        let mut said = [0; 64];
        let length = ready.recv(&mut said).unwrap();
        assert_eq!(said.get(..length), Some(&b"READY=1"[..]));
        Self {
            folder: folder.to_owned(),
            process,
            answered,
            ready: begun.elapsed(),
        }
    }

    /// Applies resources as one change, until that is answered.
    pub fn apply(&self, resources: &[Value]) {
        head(&mut self.send(resources));
    }

    /// Sends resources to be applied as one change, and goes on at once; [`head`] waits for the answer.
    #[must_use]
    pub fn send(&self, resources: &[Value]) -> BufReader<UnixStream> {
        let text: Vec<_> = resources.iter().map(Value::to_string).collect();
        self.ask("PUT", "/v1/resources", &text.join("\n---\n"))
    }

    /// What an address answers.
    #[must_use]
    pub fn get(&self, target: &str) -> Value {
        let mut stream = UnixStream::connect(self.folder.join("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut stream = BufReader::new(stream);
        head(&mut stream);
        serde_json::from_reader(stream).unwrap()
    }

    /// Events from now on whose topics a filter takes.
    #[must_use]
    pub fn listen(&self, filter: &str) -> Events {
        let filter = filter.replace('#', "%23").replace('+', "%2B");
        let mut stream = self.ask("GET", &format!("/v1/events?filter={filter}"), "");
        head(&mut stream);
        Events {
            stream,
            log: self.folder.join("log"),
        }
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

    /// The most memory that it had at once, in kB.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.figure("status", "VmHWM:")
    }

    /// Its memory now, with its share of what it has together with others, in kB.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.figure("smaps_rollup", "Pss:")
    }

    fn figure(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The processor's time that it has had.
    #[must_use]
    pub fn work(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap()
    }

    /// Ends the daemon alone. What it runs goes on running.
    pub fn end(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }

    /// Deletes everything, and waits until nothing runs.
    fn clear(&self) {
        head(&mut self.ask("PUT", "/v1/resources?prune=true&allowEmpty=true", ""));
        self.wait_until(<[Value]>::is_empty);
    }

    /// Waits until nothing is being done for any application, and no update of one is on trial.
    pub fn settle(&self) {
        self.wait_until(|applications| applications.iter().all(|application| application["settled"] == true));
    }

    fn wait_until(&self, is_so: impl Fn(&[Value]) -> bool) {
        while !is_so(self.get("/v1/status")["applications"].as_array().unwrap()) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    /// An instance outlives its daemon, so it is stopped first.
    fn drop(&mut self) {
        if !std::thread::panicking() && self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.clear();
        }
        self.end();
    }
}

/// What happens on a node.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<UnixStream>,
    log: PathBuf,
}

impl Events {
    /// The next topic and what is said of it.
    pub fn hear(&mut self) -> (String, Value) {
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            assert!(
                read.is_ok_and(|read| read > 0),
                "{}",
                fs::read_to_string(&self.log).unwrap()
            );
            // Between the lines of events stand the sizes of their chunks.
            if let Ok(mut event @ Value::Object(_)) = serde_json::from_str(&line) {
                return (event["topic"].as_str().unwrap().to_owned(), event["data"].take());
            }
        }
    }
}

/// Waits until the API answers for the first time.
fn answer(socket: &Path, begun: Instant) {
    loop {
        if let Ok(mut stream) = UnixStream::connect(socket) {
            let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            if asked.and_then(|()| stream.read_exact(&mut [0; 12])).is_ok() {
                return;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "the API does not answer");
        std::thread::yield_now();
    }
}

/// Reads the head of an answer that is a good one.
pub fn head(stream: &mut BufReader<UnixStream>) {
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
