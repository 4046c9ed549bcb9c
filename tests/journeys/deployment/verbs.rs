//! The command line against a daemon that really runs something.

use super::texts::{STAY, application, file, script, service, staying};
use crate::support::build::plugin;
use crate::support::node::{Node, SHIPPED};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

#[test]
fn a_file_is_checked_without_a_daemon_and_without_one_nothing_else_goes() {
    let node = Node::bare();
    let good = node.file("good.yml", &staying("shop"));
    assert_eq!(node.done(&["check", &good]), "OK!\n");
    let bad = node.file(
        "bad.yml",
        "kind: application\nname: shop\nservices:\n  - name: web\n    replicas: 1\n",
    );
    let told = node.run(&["check", &bad]);
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert!(
        told.err.starts_with("bad.yml:5:5: ") && told.err.contains("`replicas`"),
        "{}",
        told.err
    );
    for words in [
        &["ps"][..],
        &["apply", "-f", &good, "--wait"],
        &["delete", "-f", &good, "--wait"],
        &["logs", "shop"],
    ] {
        let told = node.run(words);
        assert!(
            told.code == 3 && told.err.contains("the daemon cannot be reached"),
            "{words:?} {told:?}"
        );
    }
    assert!(node.done(&["version"]).contains("daemon not reached"));
    assert!(node.done(&["completions", "bash"]).contains("AEROLITH_COMPLETE"));
}

#[test]
fn an_application_is_previewed_applied_shown_guarded_and_deleted() {
    let node = Node::started();
    let name = node.file("shop.yml", &staying("shop"));
    let preview = node.done(&["apply", "-f", &name, "--dry-run"]);
    assert!(
        preview.starts_with("nothing changed") && preview.contains("shop.web            added"),
        "{preview}"
    );
    assert_eq!(node.done(&["get", "applications", "-o", "json"]).trim(), "[]");
    assert!(node.done(&["apply", "-f", &name, "--wait"]).starts_with("revision 1\n"));
    let pid = node.process("shop.web.1").pid;
    let shown = node.done(&["ps"]);
    let row: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["shop.web.1", "running", &pid.to_string()]);
    assert!(
        node.done(&["get", "application", "shop", "-o", "yaml"])
            .contains("name: shop\n")
    );
    let json: Value = serde_json::from_str(&node.done(&["get", "application", "shop", "-o", "json"])).unwrap();
    assert_eq!(json["services"][0]["programConfig"], "stay");
    assert!(
        node.done(&["get", "configurations"])
            .contains("stay  -        program.yml, run.sh")
    );
    let told = node.run(&["delete", "configuration", "stay"]);
    assert!(
        told.code == 1 && told.err.contains("is used by application `shop`"),
        "{told:?}"
    );
    assert_eq!(
        node.process("shop.web.1").pid,
        pid,
        "a refused deletion changes nothing"
    );
    node.done(&["delete", "-f", &name, "--wait"]);
    assert_eq!(
        (
            node.processes().len(),
            node.status()["applications"].as_array().unwrap().len()
        ),
        (0, 0)
    );
}

#[test]
fn output_is_shown_as_it_stands_and_followed_while_it_comes() {
    let node = Node::started();
    let body = "echo one; echo two >&2; read line < \"$1\"; echo \"$line\"; exec sleep 86400";
    let fifo = node.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let web = service("web", "talks", json!({"args": [fifo]}));
    node.apply(&file(&[script("talks", body), application("shop", &[web])]));
    node.wrote("shop", "two");
    assert_eq!(node.done(&["logs", "shop/web/1"]), "one\ntwo\n");
    assert_eq!(node.done(&["logs", "shop", "--tail", "1"]), "two\n");
    let mut logs = node
        .command(&["logs", "-f", "shop/web"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(
        [lines.next(), lines.next()],
        ["one", "two"].map(|line| Some(line.to_owned()))
    );
    std::fs::write(fifo, "three\n").unwrap();
    assert_eq!(lines.next().unwrap(), "three");
    logs.kill().unwrap();
    logs.wait().unwrap();
    let told = node.run(&["logs", "none"]);
    assert!(told.code == 1 && told.err.contains("`none`"), "{told:?}");
}

#[test]
fn whoever_stops_reading_has_seen_enough_and_a_daemon_that_hangs_up_has_done_nothing() {
    let node = Node::bare();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let told = node
        .command(&["schema", "application"])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(told.code(), Some(0));
    let listener = UnixListener::bind(node.socket()).unwrap();
    // Each hangs up before, within or after the request, as chance has it.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let good = node.file("good.yml", &staying("shop"));
    for _ in 0..20 {
        assert_eq!(node.run(&["apply", "-f", &good]).code, 1);
    }
}

#[test]
fn events_tell_the_course_of_a_deployment() {
    let node = Node::started();
    let mut told = node
        .command(&["events", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(told.stdout.take().unwrap()).lines();
    let topics = lines.map(|line| {
        serde_json::from_str::<Value>(&line.unwrap()).unwrap()["topic"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    let heard = std::thread::spawn(move || {
        let wanted = [
            "app/shop/applied",
            "service/shop.web/prepared",
            "instance/shop.web.1/started",
            "app/shop/running",
            "instance/shop.web.1/stopped",
            "app/shop/gone",
        ];
        let mut topics = topics.skip_while(|topic| topic != wanted[0]);
        wanted
            .into_iter()
            .all(|wanted| topics.any(|topic| topic == wanted) || wanted == "app/shop/applied")
    });
    // Nobody tells when the other process listens: deploy until it has heard of a whole deployment.
    while !heard.is_finished() {
        node.apply(&staying("shop"));
        node.done(&["delete", "application", "shop", "--wait"]);
    }
    assert!(heard.join().unwrap());
    told.kill().unwrap();
    told.wait().unwrap();
}

#[test]
fn who_waits_is_told_why_it_does_not_come() {
    let mut node = Node::new();
    let config = std::fs::read_to_string(node.path("aerolith.yml")).unwrap();
    node.file("aerolith.yml", &format!("{config}packages: {{requireDigest: true}}\n"));
    node.start();
    let waits = |name: &str, digest: &str, more: &[&str]| {
        let object =
            format!("{{\"url\": \"file:///nowhere/a.zip\", \"unpack\": \"zip\", \"platform\": \"any\"{digest}}}");
        let object: Value = serde_json::from_str(&object).unwrap();
        let data = super::texts::package("gone", &json!({"a": object}));
        let text = file(&[data, application(name, &[service("web", "gone", json!({}))])]);
        let file = node.file("waits.yml", &text);
        node.run(&[&["apply", "-f", &file, "--wait"], more].concat())
    };
    // What the policy refuses never comes by itself: nobody waits five minutes for it.
    let told = waits("shop", "", &[]);
    let expected = "nothing more is tried: shop is refused: web: entry `a` of `gone`";
    assert!(
        told.code == 1 && told.err.contains(expected) && told.err.contains("requireDigest"),
        "{told:?}"
    );
    let digest = format!(", \"sha256\": \"{}\"", "0".repeat(64));
    let told = waits("shop", &digest, &["--timeout", "1s"]);
    assert!(
        told.code == 1 && told.err.contains("not done within 1s: shop.web is "),
        "{told:?}"
    );
    let shown = node.run(&["ps"]);
    assert!(shown.err.contains("not deployed as wanted: shop;"), "{shown:?}");
    node.done(&["delete", "application", "shop", "--wait"]);
}

#[test]
fn plugins_are_listed_inspected_checked_installed_switched_and_rolled_back() {
    let node = Node::started();
    let list = |key: &str| -> Vec<Value> {
        let all: Vec<Value> = serde_json::from_str(&node.done(&["plugin", "list", "-o", "json"])).unwrap();
        all.into_iter().map(|plugin| plugin[key].clone()).collect()
    };
    assert_eq!(list("instance"), SHIPPED);
    assert!(list("state").iter().all(|state| state == "running"));
    assert!(node.done(&["plugin", "inspect", "fetcher-http"]).contains("fetcher/1"));
    let file = node.path("other.so");
    let bytes = [
        std::fs::read(plugin("fetcher-http")).unwrap(),
        b"another build".to_vec(),
    ]
    .concat();
    std::fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap();
    assert!(node.done(&["plugin", "check", file]).starts_with("OK! fetcher-http "));
    let before = list("sha256");
    node.done(&["plugin", "install", file]);
    assert!(list("sha256")[..3] == before[..3] && list("sha256")[3] != before[3]);
    node.done(&["plugin", "rollback", "fetcher-http"]);
    assert_eq!(list("sha256"), before);
    node.done(&["plugin", "disable", "fetcher-http"]);
    assert_eq!(list("state")[3], "stopped");
    node.done(&["plugin", "enable", "fetcher-http"]);
    assert_eq!(list("state")[3], "running");
}

#[test]
fn a_second_daemon_is_refused_at_once_by_the_name_of_the_first() {
    let node = Node::started();
    node.apply(&staying("shop"));
    let second = node.daemon().output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&node.pid().to_string()), "{said}");
    assert_eq!(node.service("shop", "web", "running"), "");
}

#[test]
fn a_daemon_that_ends_leaves_applications_running_and_the_next_one_takes_them_up() {
    let mut node = Node::started();
    let two = service("two", "stay", json!({"replica": 2}));
    node.apply(&file(&[
        script("stay", STAY),
        application("shop", &[service("one", "stay", json!({})), two]),
    ]));
    let before = node.processes();
    assert_eq!(before.len(), 3);
    assert_eq!(node.stop(), Some(0));
    assert_eq!(node.processes(), before);
    node.start();
    for name in ["one", "two"] {
        node.service("shop", name, "running");
    }
    assert_eq!(node.processes(), before);
    let shown = node.until("all have their pids", |status| {
        let all = crate::support::node::instances(status);
        all.iter().all(|instance| instance["pid"].is_u64()).then_some(all)
    });
    let pids = |instance: &Value| u32::try_from(instance["pid"].as_u64().unwrap()).unwrap();
    assert_eq!(
        shown.iter().map(pids).collect::<Vec<_>>(),
        before.iter().map(|p| p.pid).collect::<Vec<_>>()
    );
    assert!(shown.iter().all(|instance| instance["restarts"] == 0), "{shown:?}");
    // Those that were taken up are watched as before.
    crate::support::processes::kill(before[0].pid);
    let again = node.until("it is started again", |status| {
        let one = crate::support::node::instances(status)
            .into_iter()
            .find(|i| i["id"] == "shop.one.1")?;
        (one["restarts"] == 1 && one["state"] == "running").then_some(one)
    });
    assert_ne!(again["pid"], before[0].pid);
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(node.processes(), []);
}
