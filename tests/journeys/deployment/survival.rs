//! What a daemon finds when it comes back: its processes, strangers, another boot, damaged files.

use super::texts::{STAY, application, file, script, service, staying};
use crate::support::build::sha256;
use crate::support::node::{Node, instances};
use crate::support::package::{self, platform};
use crate::support::processes;
use crate::support::server::Server;
use serde_json::{Value, json};
use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

#[test]
fn a_daemon_killed_at_every_tenth_of_a_download_never_takes_the_part_for_the_whole() {
    let (server, mut node) = (Server::start(), Node::started());
    let padding: String = (0..4_000_u32).map(|n| sha256(&n.to_le_bytes())).collect();
    let bytes = package::script(&format!("exec sleep 86400\n# {padding}"));
    let length = bytes.len();
    let object = json!({"url": server.offer("pp.zip", bytes), "unpack": "zip"});
    let pp = super::texts::package("pp", &json!({ format!("pp-{}", platform()): object }));
    node.ask(&file(&[pp, application("shop", &[service("web", "pp", json!({}))])]));
    for tenth in 1..10 {
        server.hold_at(length * tenth / 10);
        if tenth > 1 {
            node.start();
        }
        assert!(server.until_held(Duration::from_secs(30)), "{tenth}: {}", node.log());
        node.kill();
        for folder in ["blobs/sha256", "trees"] {
            assert_eq!(
                fs::read_dir(node.path(&format!("data/packages/{folder}")))
                    .unwrap()
                    .count(),
                0,
                "{tenth}"
            );
        }
        server.release();
        assert_eq!(node.processes(), []);
    }
    node.start();
    node.service("shop", "web", "running");
    assert_eq!(node.processes().len(), 1);
}

#[test]
fn a_hundred_instances_keep_their_processes_when_the_daemon_is_killed() {
    let mut node = Node::started();
    let hundred = service("web", "stay", json!({"replica": 100}));
    node.apply(&file(&[script("stay", STAY), application("shop", &[hundred])]));
    let before = node.processes();
    assert_eq!(before.len(), 100);
    node.kill();
    node.start();
    let shown = node.until("all run", |status| {
        let all = instances(status);
        (all.len() == 100 && all.iter().all(|i| i["state"] == "running")).then_some(all)
    });
    assert_eq!(node.processes(), before);
    assert!(shown.iter().all(|instance| instance["restarts"] == 0));
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(node.processes(), []);
}

/// Changes the record of `shop.web.1` while no daemon runs.
fn forge(node: &Node, change: impl FnOnce(&mut Value)) {
    let path = node.path("run/node/instances");
    let file = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.is_file()).unwrap();
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut record["life"]["running"]["state"]);
    fs::write(&file, record.to_string()).unwrap();
}

/// A process of nobody's, which ends with the test.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_stranger_that_got_the_process_id_is_never_touched() {
    let mut node = Node::started();
    node.apply(&staying("shop"));
    let before = node.process("shop.web.1");
    node.kill();
    processes::kill(before.pid);
    let mut stranger = Stranger(Command::new("sleep").arg("86400").spawn().unwrap());
    forge(&node, |handle| handle["pid"] = json!(stranger.0.id()));
    node.start();
    node.service("shop", "web", "running");
    assert_ne!(node.process("shop.web.1").pid, stranger.0.id());
    node.done(&["delete", "application", "shop", "--wait"]);
    assert_eq!(stranger.0.try_wait().unwrap(), None, "it runs as before");
}

#[test]
fn what_another_boot_left_is_not_looked_for() {
    let mut node = Node::started();
    node.apply(&staying("shop"));
    let before = node.process("shop.web.1");
    node.kill();
    processes::kill(before.pid);
    fs::write(node.path("run/node/boot"), "another boot\n").unwrap();
    node.start();
    node.service("shop", "web", "running");
    let shown = node.instance("shop.web.1").unwrap();
    assert_eq!((&shown["restarts"], &shown["exit"]), (&json!(0), &Value::Null));
    assert_ne!(node.process("shop.web.1").pid, before.pid);
}

/// What happens to a file.
type Damage = fn(&[u8]) -> Vec<u8>;

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let flip = |(at, byte): (usize, &u8)| byte ^ (u8::from(at == 9) << 4);
    bytes.iter().enumerate().map(flip).collect()
}

#[test]
fn damaged_state_is_said_and_kept_and_costs_nobody_else() {
    let mut node = Node::started();
    node.apply(&staying("shop"));
    let before = node.process("shop.web.1");
    let damages: [Damage; 3] = [|_| Vec::new(), |bytes| bytes[..bytes.len() / 2].to_vec(), flipped];
    for damage in damages {
        node.kill();
        let folder = fs::read_dir(node.path("data/state/application")).unwrap();
        let files: Vec<_> = folder
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        for path in files {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, damage(&bytes)).unwrap();
        }
        node.start();
        let told = node.run(&["ps"]);
        assert!(told.code == 0 && told.err.contains("degraded: "), "{told:?}");
        node.apply(&staying("second"));
        assert_eq!(node.process("shop.web.1"), before, "what runs is left as it is");
        node.done(&["delete", "application", "second", "--wait"]);
        node.apply(&staying("shop"));
        assert_eq!(node.process("shop.web.1"), before, "it is whole again, and the same");
    }
}

#[test]
fn a_state_of_a_newer_release_is_refused_by_its_version_and_left_as_it_is() {
    let mut node = Node::started();
    node.apply(&staying("shop"));
    let before = node.process("shop.web.1");
    node.kill();
    let head = node.path("data/state/head.json");
    let whole = fs::read(&head).unwrap();
    let newer = json!({"schema": 99, "writtenBy": "9.0.0"}).to_string();
    fs::write(&head, &newer).unwrap();
    let refused = node.daemon().output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("written by aerolith 9.0.0"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&head).unwrap(), newer);
    fs::write(&head, whole).unwrap();
    node.start();
    assert_eq!(node.process("shop.web.1"), before);
}
