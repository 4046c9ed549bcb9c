//! Real processes that hang, start slowly or crash without end, and what the daemon makes of them.

use super::texts::{STAY, application, file, script, service};
use crate::support::node::{Node, instances};
use crate::support::processes;
use crate::support::socket::Events;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, sockopt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// Answers every request on a port of the loopback; SIGUSR1 makes it close the port and stay.
const SERVE: &str = r#"exec perl -MIO::Socket::INET -e '
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], Listen => 16, ReuseAddr => 1,
  ReusePort => 1) or die $!;
$SIG{USR1} = sub { close $s; sleep 86400 };
while (my $c = $s->accept) { sysread $c, my $r, 4096; print $c "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"; close $c }
' "$1""#;

/// A port that nobody is given by chance while it is held; who asks for it by number and shares it has it (`SO_REUSEPORT`).
pub(super) struct Held {
    pub(super) number: u16,
    _socket: OwnedFd,
}

impl Held {
    pub(super) fn port() -> Self {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseport(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddrV4::try_from(getsockname(&socket).unwrap()).unwrap();
        let number = address.port();
        Self {
            number,
            _socket: socket,
        }
    }
}

/// A probe that asks every second.
fn probe(check: &str, what: &Value, threshold: u32) -> Value {
    json!({check: what, "periodSeconds": 1, "failureThreshold": threshold})
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Waits until an instance has shown how far it has proven itself.
fn fitness(node: &Node, id: &str, wanted: &[&str]) -> Value {
    node.until(&format!("{id} is {wanted:?}"), |status| {
        let found = instances(status).into_iter().find(|found| found["id"] == id)?;
        wanted.contains(&found["fitness"].as_str()?).then_some(found)
    })
}

#[test]
fn each_kind_of_liveness_probe_restarts_a_service_that_hangs() {
    let node = Node::started();
    let held = [Held::port(), Held::port()];
    let [http, tcp] = [held[0].number, held[1].number];
    let live = |probe: Value, argument: u16, package: &str, name: &str| {
        let more = json!({"livenessProbe": probe, "args": [argument.to_string()], "gracePeriod": "1s"});
        service(name, package, more)
    };
    let services = [
        live(probe("httpGet", &json!({"port": http}), 3), http, "serve", "http"),
        live(probe("tcpSocket", &json!({"port": tcp}), 3), tcp, "serve", "tcp"),
        live(
            probe("exec", &json!({"command": ["test", "-e", "alive"]}), 3),
            0,
            "touch",
            "exec",
        ),
    ];
    let touch = script("touch", "touch alive; exec sleep 86400");
    node.apply(&file(&[script("serve", SERVE), touch, application("shop", &services)]));
    for name in ["http", "tcp", "exec"] {
        node.until(&format!("{name} was asked"), |status| {
            let all = instances(status);
            let found = all.iter().find(|i| i["service"] == name)?;
            (found["answered"].is_u64() && found["reason"] == "").then_some(())
        });
    }
    let pid = |name: &str| node.process(&format!("shop.{name}.1")).pid;
    let before = ["http", "tcp", "exec"].map(pid);
    let mut unfit = Events::listen(&node.socket(), "instance/+/unfit").unwrap();
    // A stopped process keeps its port, and answers nothing.
    signal(before[0], Signal::STOP);
    signal(before[1], Signal::USR1);
    fs::remove_file(format!("/proc/{}/cwd/alive", before[2])).unwrap();
    let mut reasons = [(); 3].map(|()| unfit.next().unwrap()["data"]["reason"].as_str().unwrap().to_owned());
    reasons.sort();
    let (parts, row) = (
        [
            "GET / gave no answer within 1 s",
            "`test …` ended with code 1",
            "refused",
        ],
        "3 times in a row",
    );
    for part in parts {
        let said = reasons
            .iter()
            .any(|reason| reason.contains(part) && reason.ends_with(row));
        assert!(said, "{part}: {reasons:?}");
    }
    for (name, before) in ["http", "tcp", "exec"].into_iter().zip(before) {
        let again = node.until(&format!("{name} runs again"), |status| {
            let found = instances(status).into_iter().find(|i| i["service"] == name)?;
            (found["state"] == "running" && found["pid"] != before).then_some(found)
        });
        assert_eq!(again["restarts"], 1, "{again}");
    }
}

#[test]
fn a_slow_starter_is_left_alone_and_readiness_shows() {
    let node = Node::started();
    let exists = |name: &str| json!({"command": ["test", "-e", name]});
    let probes = json!({
        "startupProbe": probe("exec", &exists("up"), 60),
        "livenessProbe": probe("exec", &exists("up"), 1),
        "readinessProbe": probe("exec", &exists("open"), 1),
    });
    let slow = script("slow", "sleep 4; touch up; exec sleep 86400");
    node.ask(&file(&[slow, application("shop", &[service("web", "slow", probes)])]));
    node.service("shop", "web", "running");
    let before = node.instance("shop.web.1").unwrap()["pid"].clone();
    node.until("it has started and is not ready", |status| {
        let reason = instances(status).first()?["reason"].as_str()?.to_owned();
        reason.starts_with("readiness probe: ").then_some(())
    });
    let open = format!("/proc/{before}/cwd/open");
    fs::write(&open, "").unwrap();
    fitness(&node, "shop.web.1", &["ready", "healthy"]);
    fs::remove_file(&open).unwrap();
    let shown = fitness(&node, "shop.web.1", &["started"]);
    assert_eq!((&shown["restarts"], &shown["state"]), (&json!(0), &json!("running")));
    assert_eq!(shown["pid"], before);
}

/// Waits for an event, and lets others pass.
fn heard(events: &mut Events, what: &str, is_it: impl Fn(&Value) -> bool) {
    loop {
        let event = events.next().unwrap();
        let is_such = event["topic"].as_str().is_some_and(|topic| topic.ends_with(what));
        if is_such && is_it(&event["data"]) {
            return;
        }
    }
}

#[test]
fn a_hundred_crash_loops_do_not_hold_up_a_good_service() {
    let node = Node::started();
    let services = [
        service("good", "stay", json!({"update": {"window": "10s"}})),
        service("loop", "ends", json!({"replica": 100})),
    ];
    let mut events = Events::listen(&node.socket(), "instance/shop.good.1/+").unwrap();
    node.ask(&file(&[
        script("stay", STAY),
        script("ends", "exit 1"),
        application("shop", &services),
    ]));
    heard(&mut events, "started", |_| true);
    for _ in 0..2 {
        // Who has been healthy for long is started again at once; how soon that is, is measured by `benches/core`.
        heard(&mut events, "fitness", |data| data["fitness"] == "healthy");
        processes::kill(node.process("shop.good.1").pid);
        heard(&mut events, "started", |_| true);
    }
    assert_eq!(node.instance("shop.good.1").unwrap()["restarts"], 2);
    let restarts = instances(&node.status())
        .iter()
        .filter(|i| i["service"] == "loop" && i["restarts"].as_u64() > Some(1))
        .count();
    assert_eq!(restarts, 100, "all of them go on");
}

#[test]
fn a_job_that_ended_well_is_not_run_again_after_a_boot() {
    let mut node = Node::started();
    let mut job = application("count", &[service("main", "once", json!({}))]);
    job["workload"] = "job".into();
    node.apply(&file(&[script("once", "echo counted"), job]));
    node.service("count", "main", "completed");
    node.kill();
    fs::write(node.path("run/node/boot"), "another boot\n").unwrap();
    node.start();
    node.service("count", "main", "completed");
    let written = fs::read_to_string(node.path("data/logs/count/main.1.log")).unwrap();
    assert_eq!(written, "counted\n", "once");
    assert_eq!(node.processes(), []);
}
