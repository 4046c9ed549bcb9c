//! Which objects of a package a machine takes, and that a configuration that is no package is taken whole.

use super::texts::{application, file, object, package, script, service};
use crate::support::node::Node;
use crate::support::package::{self, platform};
use crate::support::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// A node whose machine says that it is this one.
fn machine(platform: &str) -> Node {
    let mut node = Node::new();
    node.file(
        "plugins.d/arch-resolver.yml",
        &format!("config: {{platform: {platform}}}\n"),
    );
    node.start();
    node
}

/// A zip of a script that says what it is for and stays, and of a file that only it brings.
fn offer(server: &Server, key: &str) -> Value {
    let text = format!("#!/bin/sh\necho for {key}; exec sleep 86400\n");
    let zip = package::zip(&[("program.yml", b"entry: run.sh\n"), ("run.sh", text.as_bytes())]);
    object(&server.offer(key, zip.clone()), &zip)
}

/// One service of a package of such zips, and of one more that is for every machine.
fn shop(server: &Server, keys: &[&str]) -> String {
    let mut data: serde_json::Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), offer(server, key))).collect();
    let notes = package::zip(&[("notes.txt", b"for all")]);
    let mut any = object(&server.offer("notes.zip", notes.clone()), &notes);
    any["platform"] = json!("any");
    data.insert("notes.zip".into(), any);
    file(&[
        package("pp", &Value::Object(data)),
        application("shop", &[service("web", "pp", json!({}))]),
    ])
}

fn asked(server: &Server) -> BTreeSet<String> {
    server.asked().into_iter().collect()
}

#[test]
fn a_machine_takes_the_nearest_lower_variant_that_the_package_has_and_what_is_for_all() {
    for (machine_is, keys, taken) in [
        (
            "linux-arm64-v8",
            &["a-linux-arm64.zip", "a-linux-arm-v7.zip"][..],
            "a-linux-arm64.zip",
        ),
        (
            "linux-arm-v7",
            &["a-linux-arm-v5.zip", "a-linux-arm-v6.zip"],
            "a-linux-arm-v6.zip",
        ),
        (
            "linux-arm-v7",
            &["a-linux-arm-v5.zip", "a-linux-arm.zip"],
            "a-linux-arm-v5.zip",
        ),
        (
            "linux-arm-v6",
            &["a-linux-arm-v7.zip", "a-linux-arm.zip"],
            "a-linux-arm.zip",
        ),
    ] {
        let (server, node) = (Server::start(), machine(machine_is));
        node.apply(&shop(&server, keys));
        assert_eq!(node.wrote("shop/web", "for "), [format!("for {taken}")], "{machine_is}");
        assert_eq!(asked(&server), BTreeSet::from([taken.to_owned(), "notes.zip".into()]));
        let version = fs::read_dir(node.path("data/apps/shop/web"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(fs::read(version.path().join("tree/notes.txt")).unwrap(), b"for all");
    }
}

#[test]
fn a_64_bit_machine_never_takes_what_is_for_32_bits_and_a_lower_one_never_what_is_for_a_higher() {
    for (machine_is, offered) in [
        ("linux-arm64-v8", "a-linux-arm-v7.zip"),
        ("linux-arm-v6", "a-linux-arm-v7.zip"),
        ("linux-arm", "a-linux-arm64-v8.zip"),
    ] {
        let (server, node) = (Server::start(), machine(machine_is));
        node.ask(&shop(&server, &[offered]));
        let reason = node.service("shop", "web", "failed");
        assert!(reason.contains(machine_is) && reason.contains(offered), "{reason}");
        assert!(server.asked().is_empty() && node.processes().is_empty());
    }
}

#[test]
fn an_object_for_a_nearer_variant_that_comes_later_replaces_what_ran_and_one_for_another_machine_does_not() {
    let (server, node) = (Server::start(), machine("linux-arm64-v8"));
    node.apply(&shop(&server, &["a-linux-arm64.zip"]));
    let first = node.process("shop.web.1");
    node.apply(&shop(&server, &["a-linux-arm64.zip", "a-linux-amd64.zip"]));
    assert_eq!(node.process("shop.web.1"), first);
    node.apply(&shop(&server, &["a-linux-arm64.zip", "a-linux-arm64-v8.zip"]));
    node.wrote("shop/web", "for a-linux-arm64-v8.zip");
    assert_ne!(node.process("shop.web.1"), first);
    assert!(!asked(&server).contains("a-linux-amd64.zip"));
}

#[test]
fn the_label_alone_makes_a_package_and_without_it_the_same_objects_are_all_fetched_and_mounted() {
    let (server, node) = (Server::start(), Node::started());
    let own = format!("own-{}.zip", platform());
    let keys = [&*own, "other-linux-mips64.zip", "none.zip"];
    let data = |folder: &str| -> Value {
        let objects = keys.map(|key| (key.to_owned(), offer(&server, &format!("{folder}-{key}"))));
        Value::Object(objects.into_iter().collect())
    };
    let mut plain = package("plain", &data("plain"));
    plain.as_object_mut().unwrap().remove("labels");
    for object in plain["data"].as_object_mut().unwrap().values_mut() {
        object.as_object_mut().unwrap().remove("unpack");
    }
    let mut shop = application(
        "shop",
        &[
            service("web", "labelled", json!({})),
            service(
                "all",
                "stay",
                json!({"volumeMounts": [{"name": "plain", "mountPath": "/plain"}]}),
            ),
        ],
    );
    shop["volumes"] = json!([{"name": "plain", "config": {"name": "plain"}}]);
    let stay = script("stay", "ls plain; echo ready; exec sleep 86400");
    node.apply(&file(&[package("labelled", &data("labelled")), plain, stay, shop]));
    node.wrote("shop/web", &format!("for labelled-{own}"));
    let mut lines = node.wrote("shop/all", "ready");
    lines.pop();
    assert_eq!(
        lines.into_iter().collect::<BTreeSet<_>>(),
        keys.map(str::to_owned).into()
    );
    let mut expected: BTreeSet<String> = keys.map(|key| format!("plain-{key}")).into();
    expected.insert(format!("labelled-{own}"));
    assert_eq!(asked(&server), expected);
}

#[test]
fn a_service_of_a_configuration_without_the_label_is_refused() {
    let node = Node::started();
    let mut plain = script("plain", "exec sleep 86400");
    plain.as_object_mut().unwrap().remove("labels");
    let text = file(&[plain, application("shop", &[service("web", "plain", json!({}))])]);
    let told = node.run(&["apply", "-f", &node.file("plain.yml", &text)]);
    assert_ne!(told.code, 0, "{told:?}");
    assert!(
        told.err.contains("plain") && told.err.contains("baetyl-config-type"),
        "{told:?}"
    );
}
