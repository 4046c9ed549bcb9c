//! Updates: what a client of a service sees of a new version, and what is left when it is no good.

use super::probes::Held;
use super::texts::{STAY, application, file, script, service};
use crate::support::node::Node;
use crate::support::socket::Events;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// An application of one service in a version of its program.
fn shop(body: &str, more: Value) -> String {
    file(&[script("web", body), application("shop", &[service("web", "web", more)])])
}

fn deployed(node: &Node, ask: impl FnOnce(&Node)) {
    let mut events = Events::listen(&node.socket(), "app/shop/deployed").unwrap();
    ask(node);
    events.next().unwrap();
}

#[test]
fn a_bad_version_is_taken_back_while_the_old_process_runs_on_and_a_good_one_goes_through() {
    let node = Node::started();
    deployed(&node, |node| node.apply(&shop(STAY, json!({}))));
    let old = node.process("shop.web.1").pid;
    let mut events = Events::listen(&node.socket(), "app/shop/rolledback").unwrap();
    let bad = node.file("bad.yml", &shop("echo broken; exit 3", json!({})));
    let told = node.run(&["apply", "-f", &bad, "--wait", "--timeout", "60s"]);
    let why = "nothing more is tried: shop was rolled back: revision 2 failed 2 of 2 times: shop.web.1: ";
    assert!(told.code == 1 && told.err.contains(why), "{told:?}");
    let data = events.next().unwrap()["data"].clone();
    assert_eq!((&data["revision"], &data["attempts"]), (&json!(2), &json!(2)));
    assert!(data["reason"].as_str().unwrap().contains("shop.web.1"), "{data}");
    node.until("only the old one is left", |_| {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        (pids == [old]).then_some(())
    });
    deployed(&node, |node| node.ask(&shop("echo third; exec sleep 86400", json!({}))));
    node.until("only the third is left", |_| {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        (pids.len() == 1 && pids != [old]).then_some(())
    });
    node.wrote("shop/web", "third");
}

#[test]
fn a_switch_has_no_moment_without_a_process() {
    let node = Node::started();
    deployed(&node, |node| node.apply(&shop(STAY, json!({}))));
    let old = node.process("shop.web.1").pid;
    node.ask(&shop("echo second; exec sleep 86400", json!({})));
    let began = Instant::now();
    loop {
        let pids: Vec<u32> = node.processes().iter().map(|process| process.pid).collect();
        assert!(!pids.is_empty(), "nothing runs after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(60), "{}", node.log());
        if !pids.contains(&old) {
            break;
        }
    }
}

#[test]
fn a_restart_leaves_less_than_two_seconds_without_a_process() {
    let node = Node::started();
    let note = node.path("note");
    let update = json!({"args": [note], "update": {"strategy": "restart"}});
    let body = |name: &str| {
        format!(
            "echo \"{name} began $(date +%s%N)\" >> \"$1\"\n\
             trap 'echo \"{name} ended $(date +%s%N)\" >> \"$1\"; exit 0' TERM\n\
             while :; do sleep 86400 & wait $!; done"
        )
    };
    deployed(&node, |node| node.apply(&shop(&body("old"), update.clone())));
    deployed(&node, |node| node.ask(&shop(&body("new"), update)));
    let note = fs::read_to_string(note).unwrap();
    let at = |what: &str| -> u128 {
        let line = note.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap_or_else(|| panic!("no `{what}` in {note}")).parse().unwrap()
    };
    let (ended, began) = (at("old ended "), at("new began "));
    assert!(ended <= began, "both ran: {note}");
    assert!(
        Duration::from_nanos(u64::try_from(began - ended).unwrap()) < Duration::from_secs(2),
        "{note}"
    );
}

/// Answers every request on a port of the loopback with an error.
const UNWELL: &str = r#"exec perl -MIO::Socket::INET -e '
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], Listen => 16, ReuseAddr => 1,
  ReusePort => 1) or die $!;
while (my $c = $s->accept) { sysread $c, my $r, 4096; print $c "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"; close $c }
' "$1""#;
const KINDS: [&str; 3] = ["liveness", "readiness", "startup"];
/// How long a new version has to be healthy.
const DEADLINE: Duration = Duration::from_secs(6);

/// A service that starts and is found unwell by a probe of a kind.
fn unwell(kind: &str, strategy: &str, port: u16) -> Value {
    let probe = json!({"httpGet": {"port": port}, "periodSeconds": 1, "failureThreshold": 2});
    // What nobody asks whether it is ready must live for so long.
    let update = json!({"strategy": strategy, "window": "5s", "deadline": format!("{}s", DEADLINE.as_secs())});
    let probe_of = format!("{kind}Probe");
    service(
        "web",
        "unwell",
        json!({"args": [port.to_string()], probe_of: probe, "update": update}),
    )
}

/// The condition of a type that an application has.
fn condition(status: &Value, application: &str, of: &str) -> Option<Value> {
    let named = |list: &Value, key: &str, name: &str| list.as_array()?.iter().find(|it| it[key] == name).cloned();
    let application = named(&status["applications"], "name", application)?;
    named(&application["conditions"], "type", of)
}

/// Applies applications that stay, one to each kind of probe, and answers the process of each.
fn staying_of_each_kind(node: &Node) -> BTreeMap<&'static str, u32> {
    let stays = |kind: &str| application(kind, &[service("web", "stay", json!({}))]);
    let mut deployed = Events::listen(&node.socket(), "app/+/deployed").unwrap();
    let mut all = vec![script("stay", STAY), script("unwell", UNWELL)];
    all.extend(KINDS.map(stays));
    node.apply(&file(&all));
    KINDS.iter().for_each(|_| drop(deployed.next().unwrap()));
    let pid = |kind: &str| node.process(&format!("{kind}.web.1")).pid;
    KINDS.map(|kind| (kind, pid(kind))).into()
}

/// Waits until each has been rolled back; answers how long after its first start each was found to be no good.
fn rolled_back(events: &mut Events) -> BTreeMap<String, Duration> {
    let (mut began, mut took, mut back) = (BTreeMap::new(), BTreeMap::new(), 0);
    while back < KINDS.len() {
        let event = events.next().unwrap();
        let topic: Vec<&str> = event["topic"].as_str().unwrap().split('/').collect();
        match (topic[0], topic[2], &event["data"]["attempts"]) {
            ("instance", "started", _) => {
                let kind = topic[1].split('.').next().unwrap();
                began.entry(kind.to_owned()).or_insert_with(Instant::now);
            }
            ("app", "takenback", attempts) if attempts == 1 => {
                took.insert(topic[1].to_owned(), began[topic[1]].elapsed());
            }
            ("app", "rolledback", attempts) if attempts == 2 => back += 1,
            _ => {}
        }
    }
    took
}

#[test]
fn a_version_that_fails_its_probe_is_taken_back_in_time_says_which_and_is_not_tried_a_third_time() {
    let mut node = Node::started();
    let before = staying_of_each_kind(&node);
    let mut events = Events::listen(&node.socket(), "+/+/+").unwrap();
    let mut starts = Events::listen(&node.socket(), "instance/+/started").unwrap();
    let held = KINDS.map(|kind| (kind, Held::port()));
    let bad = held
        .each_ref()
        .map(|(kind, held)| application(kind, &[unwell(kind, "switch", held.number)]));
    node.ask(&file(&bad));
    for (kind, took) in rolled_back(&mut events) {
        assert!(took < 2 * DEADLINE, "{kind}: {took:?}");
    }
    for _ in 0..2 {
        node.until("nothing more is done", |status| {
            let all = status["applications"].as_array()?;
            all.iter()
                .all(|application| application["settled"] == true)
                .then_some(())
        });
        for (kind, pid) in &before {
            assert_eq!(
                node.process(&format!("{kind}.web.1")).pid,
                *pid,
                "{kind}: the old one runs as before"
            );
            let deployed = condition(&node.status(), kind, "Deployed").unwrap();
            assert_eq!(
                (&deployed["status"], &deployed["reason"]),
                (&json!("false"), &json!("RolledBack"))
            );
            let message = deployed["message"].as_str().unwrap();
            for part in [
                "revision 2 failed 2 of 2 times",
                "web.1",
                "probe: GET / was answered 500",
                "revision 1 runs",
            ] {
                assert!(message.contains(part), "{kind}: no `{part}` in {message}");
            }
            assert!(message.contains(&format!("{kind} probe")), "{message}");
        }
        // It stays so after a restart of the daemon.
        node.kill();
        node.start();
    }
    let mut tried = 0;
    starts = starts.patient_for(Duration::from_millis(100)).unwrap();
    while starts.next().is_ok() {
        tried += 1;
    }
    assert_eq!(tried, 2 * KINDS.len(), "each was started twice");
}

#[test]
fn where_two_cannot_be_beside_each_other_the_old_runs_again_within_the_deadline_of_the_new() {
    let node = Node::started();
    let before = staying_of_each_kind(&node);
    let mut events = Events::listen(&node.socket(), "app/+/+").unwrap();
    let mut starts = Events::listen(&node.socket(), "instance/readiness.web.1/started").unwrap();
    let held = Held::port();
    let bad = unwell("readiness", "restart", held.number);
    node.ask(&file(&[application("readiness", &[bad])]));
    starts.next().unwrap();
    let began = Instant::now();
    starts.next().unwrap();
    assert!(began.elapsed() < 2 * DEADLINE, "{:?}", began.elapsed());
    loop {
        let event = events.next().unwrap();
        if event["topic"] == "app/readiness/rolledback" && event["data"]["attempts"] == 2 {
            break;
        }
    }
    // The new one may be running still when it is told to be no good.
    let runs = node.until("what runs is the old one", |_| {
        let all = node.processes();
        let mut of_it = all.iter().filter(|one| one.instance() == Some("readiness.web.1"));
        let is_old = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it.starts_with(b"sleep"));
        of_it.next().map(|one| one.pid).filter(is_old)
    });
    assert_ne!(runs, before["readiness"], "it was stopped meanwhile");
    for kind in ["liveness", "startup"] {
        assert_eq!(node.process(&format!("{kind}.web.1")).pid, before[kind]);
    }
}
