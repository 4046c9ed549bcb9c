//! A boot without anything: no network, no name service, no right time, and nothing left of what is cleared at a boot.

use super::faketime;
use crate::deployment::texts::{application, file, object, package, script, service};
use crate::support::node::{Node, instances};
use crate::support::package::{self as archives, platform};
use crate::support::processes;
use crate::support::server::Server;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Shows in its environment what it reads from what is mounted.
const READS: &str = "read -r SECRET < etc/cert/key; read -r CONFIGURATION < etc/conf/key\nexport SECRET CONFIGURATION\nexec sleep 86400";

/// Three applications with everything that can come from elsewhere.
fn applications(server: &Server, stick: &Path) -> String {
    let (from_server, from_stick) = (
        archives::script(READS),
        archives::script(&format!("# a stick's\n{READS}")),
    );
    let http = object(&server.offer("web.zip", from_server.clone()), &from_server);
    fs::write(stick, &from_stick).unwrap();
    let local = object(&format!("file://{}", stick.display()), &from_stick);
    let mounts = json!([{"name": "cert", "mountPath": "/etc/cert"}, {"name": "conf", "mountPath": "/etc/conf"}]);
    let with = |more: Value| {
        let mut all = json!({"volumeMounts": mounts, "gracePeriod": "1s"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let of = |name: &str, services: &[Value]| {
        let mut of = application(name, services);
        of["volumes"] =
            json!([{"name": "cert", "secret": {"name": "cert"}}, {"name": "conf", "config": {"name": "conf"}}]);
        of
    };
    file(&[
        json!({"kind": "secret", "name": "cert", "stringData": {"key": "hush\n"}}),
        json!({"kind": "configuration", "name": "conf", "data": {"key": "shown\n"}}),
        package("web", &json!({ format!("web-{}", platform()): http })),
        package("local", &json!({ format!("local-{}", platform()): local })),
        script("text", READS),
        of(
            "one",
            &[
                service("web", "web", with(json!({"replica": 2}))),
                service("after", "text", with(json!({"dependsOn": ["web"]}))),
            ],
        ),
        of(
            "two",
            &[
                service("web", "web", with(json!({}))),
                service("local", "local", with(json!({"replica": 3}))),
            ],
        ),
        of(
            "three",
            &[
                service("local", "local", with(json!({}))),
                service("text", "text", with(json!({"replica": 2}))),
            ],
        ),
    ])
}

const INSTANCES: usize = 10;

/// Waits until all run and show what they were given, and answers how long that took.
fn all_run(node: &Node, began: Instant) -> Duration {
    node.until("all run", |status| {
        let all = instances(status);
        (all.len() == INSTANCES && all.iter().all(|instance| instance["state"] == "running")).then_some(())
    });
    let took = began.elapsed();
    let given = |name: &str, value: &str| {
        let of = |process: &processes::Process| process.environment.get(name).is_some_and(|found| found == value);
        node.processes().iter().filter(|process| of(process)).count()
    };
    // A shell tells nobody that it has become the program.
    while began.elapsed() < took + Duration::from_secs(20) && given("SECRET", "hush") < INSTANCES {
        std::thread::yield_now();
    }
    assert_eq!(
        (given("SECRET", "hush"), given("CONFIGURATION", "shown")),
        (INSTANCES, INSTANCES)
    );
    assert_eq!(node.processes().len(), INSTANCES);
    took
}

/// What gives a command a network of its own in which there is nothing; nothing where that is not allowed, which is said.
fn without_network() -> Vec<&'static str> {
    for words in [vec!["unshare", "--net"], vec!["unshare", "--map-root-user", "--net"]] {
        let tried = Command::new(words[0]).args(&words[1..]).arg("true").status();
        if tried.is_ok_and(|status| status.success()) {
            return words;
        }
    }
    eprintln!("SKIPPED: no network can be taken away here; only the servers are gone");
    Vec::new()
}

/// The daemon behind other words, which execute it in the end.
fn behind(words: &[&str], daemon: &Command) -> Command {
    let Some((first, rest)) = words.split_first() else {
        return renewed(daemon, Command::new(daemon.get_program()));
    };
    let mut command = Command::new(first);
    command.args(rest).arg(daemon.get_program());
    renewed(daemon, command)
}

fn renewed(daemon: &Command, mut command: Command) -> Command {
    command
        .args(daemon.get_args())
        .env_clear()
        .stdin(std::process::Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in daemon.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(daemon.get_current_dir().unwrap());
    command
}

#[test]
fn after_a_boot_without_network_and_with_a_clock_at_1970_everything_runs_from_the_state() {
    let (server, mut node) = (Server::start(), Node::started());
    node.apply(&applications(&server, &node.path("stick.zip")));
    let began = Instant::now();
    all_run(&node, began);
    let asked = server.asked().len();
    // The power goes.
    node.kill();
    processes::end_all(&node.path(""));
    fs::remove_dir_all(node.path("run")).unwrap();
    fs::remove_file(node.path("stick.zip")).unwrap();
    let mut daemon = behind(&without_network(), &node.daemon());
    let (library, clock) = (faketime::library(), node.path("clock"));
    faketime::set(&clock, "@1970-01-01 00:00:20");
    if let Some(library) = &library {
        faketime::follow(&mut daemon, library, &clock);
    }
    let (log, began) = (node.log().len(), Instant::now());
    node.start_as(daemon);
    let ready = began.elapsed();
    let took = all_run(&node, began);
    eprintln!("{INSTANCES} instances after a boot: ready within {ready:?}, all running within {took:?}");
    assert_eq!(server.asked().len(), asked, "nothing is fetched");
    if library.is_some() {
        assert!(
            node.log()[log..].contains("1970-01-01T00:00:2"),
            "the clock is wrong, as meant"
        );
    }
    assert_eq!(node.status()["health"]["status"], "ok", "{}", node.status());
    // And it is a node as any other: it starts again what ends, takes what is new, and takes it down.
    processes::kill(node.process("one.web.2").pid);
    node.until("it is started again", |_| {
        node.instance("one.web.2")
            .filter(|instance| instance["restarts"] == 1 && instance["state"] == "running")
    });
    let text = application(
        "three",
        &[service("text", "text", json!({"replica": 1, "gracePeriod": "1s"}))],
    );
    node.apply(&file(&[script("text", "exec sleep 86401"), text]));
    for name in ["one", "two", "three"] {
        node.done(&["delete", "application", name, "--wait"]);
    }
    assert_eq!(node.processes(), []);
}
