//! The demo: a node, an application of two services from program packages, both reached on loopback.
//!
//! One service comes from a single zip over HTTP, the other from a split package whose second zip holds Debian's
//! redis-server as it is.

mod node;
mod package;
mod server;

use crate::artifacts::executable;
use crate::{cargo, plugins, root};
use anyhow::{Context as _, Result, bail};
pub(crate) use node::Node;
use package::{Entry, zip};
use serde_json::json;
use server::Server;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a service may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run() -> Result<()> {
    let redis = find("redis-server").context("the demo needs redis-server (Debian package redis-server)")?;
    step("building the daemon and its plugins, each as it ships");
    let aerolith = plugins::release(&root().join("target/dist"))?;
    let greeter = executable(cargo().args(["build", "--release", "--package", "greeter"]))?;
    let folder = tempfile::Builder::new().prefix("aerolith-demo-").tempdir()?;
    let (http, port) = (free_port()?, free_port()?);

    step("making two program packages: one zip, and a split one with redis-server untouched");
    let packages = Packages::make(folder.path(), &greeter, &redis)?;
    let server = Server::start(packages.folder.clone())?;
    fs::write(folder.path().join("packages.json"), packages.configurations(&server)?)?;
    fs::write(folder.path().join("shop.yml"), application(http, port))?;

    step("starting a node");
    let mut node = Node::start(&aerolith, folder.path())?;
    step("deploying");
    node.client(&["apply", "-f", "packages.json"])?;
    node.client(&["apply", "-f", "shop.yml", "--wait"])?;

    let greeting = answer(http, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").context("the greeter")?;
    let pong = answer(port, b"PING\r\nQUIT\r\n").context("redis-server")?;
    println!(
        "\nhttp://127.0.0.1:{http}/  ->  {}",
        greeting.lines().last().unwrap_or_default()
    );
    println!(
        "redis PING 127.0.0.1:{port}  ->  {}",
        pong.lines().next().unwrap_or_default()
    );
    if !greeting.contains("I am greeter") || !pong.starts_with("+PONG") {
        bail!("the services answered something else");
    }
    println!();
    node.client(&["ps"])?;
    node.client(&["plugin", "list"])?;
    println!("\nA person would type next (with the node of an installed aerolith):");
    for next in [
        "aerolith ps",
        "aerolith logs -f shop/greeter",
        "aerolith events",
        "aerolith get application shop -o yaml",
    ] {
        println!("  {next}");
    }
    step("cleaning up");
    node.client(&["delete", "application", "shop", "--wait"])?;
    node.stop()
}

fn step(what: &str) {
    println!("\n== {what}");
}

struct Packages {
    folder: PathBuf,
}

impl Packages {
    fn make(folder: &Path, greeter: &Path, redis: &Path) -> Result<Self> {
        let folder = folder.join("packages");
        fs::create_dir_all(&folder)?;
        let text = |name: &'static str, text: &str| Entry {
            name,
            bytes: text.as_bytes().to_vec(),
            executable: false,
        };
        let program = |name: &'static str, path: &Path| -> Result<Entry> {
            Ok(Entry {
                name,
                bytes: fs::read(path).with_context(|| path.display().to_string())?,
                executable: true,
            })
        };
        let single = [
            text("program.yml", "entry: \"bin/greeter\"\n"),
            program("bin/greeter", greeter)?,
            text("bin/greeting.txt", "Good day from the edge."),
        ];
        zip(&folder.join("greeter.zip"), &single)?;
        zip(
            &folder.join("redis-program.zip"),
            &[text("program.yml", "entry: \"usr/bin/redis-server\"\n")],
        )?;
        zip(
            &folder.join("redis-server.zip"),
            &[program("usr/bin/redis-server", redis)?],
        )?;
        Ok(Self { folder })
    }

    /// The packages as Baetyl's cloud shows them.
    fn configurations(&self, server: &Server) -> Result<String> {
        let platform = format!("{}-{}", std::env::consts::OS, architecture());
        let object = |file: &str, url: String| -> Result<serde_json::Value> {
            let sha256 = package::sha256(&fs::read(self.folder.join(file))?);
            let value = json!({"type": "object", "source": "http", "url": url, "sha256": sha256, "unpack": "zip"});
            Ok(json!({"key": format!("{file}-{platform}"), "value": value}))
        };
        let (http, files) = (server.address(), self.folder.display());
        let package = |name: &str, data: Vec<serde_json::Value>| json!({"name": name, "labels": {"baetyl-config-type": "baetyl-program"}, "data": data});
        let all = [
            package(
                "greeter-program",
                vec![object("greeter.zip", format!("http://{http}/greeter.zip"))?],
            ),
            package(
                "redis-program",
                vec![
                    object("redis-program.zip", format!("file://{files}/redis-program.zip"))?,
                    object("redis-server.zip", format!("file://{files}/redis-server.zip"))?,
                ],
            ),
        ];
        Ok(serde_json::to_string_pretty(&all)?)
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64-v8",
        other => other,
    }
}

fn application(http: u16, redis: u16) -> String {
    format!(
        "kind: application\nname: shop\nservices:\n  - name: greeter\n    programConfig: greeter-program\n    \
         args: [\"--port\", \"{http}\"]\n  - name: redis\n    programConfig: redis-program\n    \
         args: [\"--port\", \"{redis}\", \"--bind\", \"127.0.0.1\", \"--save\", \"\"]\n    dependsOn: [greeter]\n"
    )
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())?;
    found.canonicalize().ok()
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// What a service answers, once it does.
fn answer(port: u16, question: &[u8]) -> Result<String> {
    let began = Instant::now();
    let mut socket = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => break socket,
            Err(error) if began.elapsed() > PATIENCE => return Err(error).context(format!("port {port}")),
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    };
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(question)?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
