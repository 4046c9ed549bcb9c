//! From packages over HTTP to programs that answer, and what is refused on the way.

use super::texts::{application, file, object, package, script, service};
use crate::support::build::{cargo, executable, sha256};
use crate::support::node::Node;
use crate::support::package::{self, md5, platform, zip};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const MANIFEST: (&str, &[u8]) = ("program.yml", b"entry: bin/greeter\n");

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn greeter() -> Vec<u8> {
    fs::read(executable(&mut cargo(), "greeter")).unwrap()
}

/// What a greeter says, once it has said that it listens.
fn greeting(node: &Node, target: &str, port: u16) -> String {
    node.wrote(target, "greeting on");
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.lines().last().unwrap().to_owned()
}

/// The zips of a greeter: all in one, the manifest alone, the rest alone.
fn zips(server: &Server) -> [(String, Vec<u8>); 3] {
    let program = greeter();
    let files: [(&str, &[u8]); 2] = [("bin/greeter", &program), ("bin/greeting.txt", b"Hello!")];
    let whole = zip(&[&[MANIFEST][..], &files].concat());
    [
        ("whole.zip", whole),
        ("manifest.zip", zip(&[MANIFEST])),
        ("rest.zip", zip(&files)),
    ]
    .map(|(name, bytes)| (server.offer(name, bytes.clone()), bytes))
}

#[test]
fn services_of_one_application_run_from_one_zip_and_from_two_in_either_order() {
    let (server, node) = (Server::start(), Node::started());
    let [whole, manifest, rest] = zips(&server).map(|(url, bytes)| object(&url, &bytes));
    let key = |first: &str| format!("{first}-{}", platform());
    let ports = [free_port(), free_port(), free_port()];
    let run = |name: &str, port: u16| service(name, name, json!({"args": ["--port", port.to_string()]}));
    node.apply(&file(&[
        package("single", &json!({ key("all"): whole })),
        package("split", &json!({ key("a"): manifest.clone(), key("b"): rest.clone() })),
        package("turned", &json!({ key("a"): rest, key("b"): manifest })),
        application(
            "shop",
            &[run("single", ports[0]), run("split", ports[1]), run("turned", ports[2])],
        ),
    ]));
    for (name, port) in ["single", "split", "turned"].into_iter().zip(ports) {
        assert_eq!(
            greeting(&node, &format!("shop/{name}"), port),
            format!("Hello! I am {name}.")
        );
    }
    assert_eq!(
        server.asked().len(),
        3,
        "each zip is downloaded once: {:?}",
        server.asked()
    );
}

#[test]
fn the_files_of_baetyls_cloud_run_as_they_are() {
    let (server, node) = (Server::start(), Node::started());
    let value = |(url, bytes): &(String, Vec<u8>)| json!({"type": "object", "source": "http", "url": url, "md5": md5(bytes), "unpack": "zip"});
    let [_, manifest, rest] = zips(&server);
    let port = free_port();
    let data = json!([
        {"key": format!("program-{}", platform()), "value": value(&rest)},
        {"key": format!("yml-{}", platform()), "value": value(&manifest)},
        {"key": "program-other-linux-mips64", "value": {"type": "object", "source": "http", "url": server.url("none"), "unpack": "zip"}},
    ]);
    let all = json!([
        {"name": "greeter-program", "labels": {"baetyl-config-type": "baetyl-program"}, "data": data},
        {"name": "greeting", "mode": "native", "type": "container", "selector": "site=roof", "services": [
            {"name": "greeter", "programConfig": "greeter-program", "replica": 1, "args": ["--port", port.to_string()]}]},
    ]);
    let name = node.file("cloud.json", &all.to_string());
    node.done(&["apply", "-f", &name, "--wait"]);
    assert_eq!(greeting(&node, "greeting/greeter", port), "Hello! I am greeter.");
    assert!(
        !server.asked().contains(&"none".to_owned()),
        "what is for another machine is not downloaded"
    );
}

/// Applies one service of a package of one object, and answers why it does not run.
fn refused(node: &Node, object: &Value) -> String {
    let data = json!({ format!("all-{}", platform()): object });
    let shop = application("shop", &[service("web", "pp", json!({}))]);
    node.ask(&file(&[package("pp", &data), shop]));
    let reason = node.service("shop", "web", "failed");
    assert!(node.processes().is_empty());
    let trees = fs::read_dir(node.path("data/packages/trees")).unwrap();
    assert_eq!(trees.count(), 0, "nothing is unpacked");
    reason
}

#[test]
fn what_is_not_as_promised_is_neither_unpacked_nor_started() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = package::script("exec sleep 86400");
    let url = server.offer("pp.zip", bytes.clone());
    let (right, wrong) = (md5(&bytes), "0".repeat(32));
    let reason = refused(&node, &json!({"url": url, "md5": wrong, "unpack": "zip"}));
    assert!(
        reason.contains("md5 mismatch") && reason.contains(&right) && reason.contains(&url),
        "{reason}"
    );
    node.done(&["delete", "application", "shop", "--wait"]);
    let other = sha256(b"something else");
    let reason = refused(
        &node,
        &json!({"url": url, "md5": right, "sha256": other, "unpack": "zip"}),
    );
    assert!(
        reason.contains("sha256 mismatch") && reason.contains(&other),
        "{reason}"
    );
    assert!(node.done(&["ps"]).contains("sha256 mismatch"));
}

#[test]
fn a_package_that_the_server_does_not_have_is_named_with_the_servers_answer() {
    let (server, node) = (Server::start(), Node::started());
    let reason = refused(&node, &json!({"url": server.url("gone.zip"), "unpack": "zip"}));
    assert!(
        reason.contains(&server.url("gone.zip")) && reason.contains("404"),
        "{reason}"
    );
}

#[test]
fn a_package_without_anything_for_this_machine_names_the_machine_and_every_key() {
    let node = Node::started();
    let object = json!({"url": "http://127.0.0.1:1/x", "unpack": "zip"});
    let data = json!({"x-windows-amd64.zip": object.clone(), "y-darwin-amd64.zip": object});
    node.ask(&file(&[
        package("pp", &data),
        application("shop", &[service("web", "pp", json!({}))]),
    ]));
    let reason = node.service("shop", "web", "failed");
    for part in [platform(), "x-windows-amd64.zip", "y-darwin-amd64.zip", "`pp`"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
}

const SHOW: &str = r#"echo "in $PWD"
echo "unit $UNIT"
echo "app $BAETYL_APP_NAME $BAETYL_SERVICE_NAME"
for argument in "$@"; do echo "got <$argument>"; done
cat etc/shown/note.txt
echo own > mine
echo ready
exec sleep 86400"#;

#[test]
fn a_program_gets_its_folder_environment_arguments_and_volumes_as_given() {
    let mut node = Node::started();
    let more = json!({"replica": 2, "args": ["a b", "", "$HOME", "ü"], "env": [{"name": "UNIT", "value": "°C  x"}],
        "volumeMounts": [{"name": "note", "mountPath": "/etc/shown"}]});
    let mut shop = application("shop", &[service("web", "pp", more)]);
    shop["volumes"] = json!([{"name": "note", "config": {"name": "conf"}}]);
    let note = json!({"kind": "configuration", "name": "conf", "data": {"note.txt": "mounted\n"}});
    node.apply(&file(&[script("pp", SHOW), note, shop]));
    let folders: Vec<String> = [1, 2]
        .map(|n| node.path(&format!("data/instances/shop.web.{n}")).display().to_string())
        .into();
    for (n, folder) in (1..).zip(&folders) {
        let lines = node.wrote(&format!("shop/web/{n}"), "ready");
        // Behind the instance stands which version it runs.
        let place = lines[0].trim_start_matches("in ");
        assert!(place.starts_with(&format!("{folder}@")), "{place}");
        let expected = [
            &*format!("in {place}"),
            "unit °C  x",
            "app shop web",
            "got <a b>",
            "got <>",
            "got <$HOME>",
            "got <ü>",
            "mounted",
            "ready",
        ];
        assert_eq!(lines, expected);
        assert_eq!(fs::read_to_string(format!("{place}/mine")).unwrap(), "own\n");
    }
    node.done(&["delete", "application", "shop", "--wait"]);
    assert!(
        folders.iter().all(|folder| !fs::exists(folder).unwrap()),
        "an instance's folder goes with it"
    );
    assert!(node.processes().is_empty());
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn an_entry_with_spaces_and_without_its_execute_bit_runs() {
    let (server, node) = (Server::start(), Node::started());
    let program = b"# no first line of a script\n".as_slice();
    let script = b"#!/bin/sh\necho \"as $0\"; exec sleep 86400\n".as_slice();
    let bytes = zip(&[
        ("program.yml", b"entry: \"my bin/the program.sh\"\n"),
        ("my bin/the program.sh", script),
        ("my bin/other", program),
    ]);
    let data = json!({ format!("pp-{}", platform()): object(&server.offer("pp.zip", bytes.clone()), &bytes) });
    node.apply(&file(&[
        package("pp", &data),
        application("shop", &[service("web", "pp", json!({}))]),
    ]));
    let lines = node.wrote("shop/web", "as ");
    assert!(lines[0].ends_with("/my bin/the program.sh"), "{lines:?}");
}
