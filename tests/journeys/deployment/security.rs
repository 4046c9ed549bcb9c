//! As whom programs run, and what is kept from them.

use super::texts::{file, script, service};
use crate::support::node::Node;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Whether the tests run as root; said loudly where they do not.
fn root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !root {
        eprintln!("SKIPPED: only root can start programs as somebody else");
    }
    root
}

/// A node that others may pass through, whose operator allows this much.
fn node(policy: &str) -> Node {
    let mut node = Node::new();
    fs::set_permissions(node.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let before = fs::read_to_string(node.path("aerolith.yml")).unwrap();
    node.file("aerolith.yml", &format!("{before}policy: {policy}\n"));
    node.start();
    node
}

/// A program that tells who it is, reads its secret and writes into its folder, and stays.
fn telling() -> Value {
    script(
        "tell",
        "id -u; cat key/pin; echo; touch mine && ls -ln mine | cut -d' ' -f1,3; grep -E 'CapEff|NoNewPrivs' /proc/self/status; echo told; \
         exec sleep 86400",
    )
}

fn applied(node: &Node, security: &Value) -> Vec<String> {
    let web = service(
        "web",
        "tell",
        json!({"security": security, "volumeMounts": [{"name": "key", "mountPath": "key"}]}),
    );
    let shop = json!({"kind": "application", "name": "shop", "services": [web],
        "volumes": [{"name": "key", "secret": {"name": "pin"}}]});
    let pin = json!({"kind": "secret", "name": "pin", "data": {"pin": "MTIzNA=="}});
    node.apply(&file(&[telling(), pin, shop]));
    node.wrote("shop.web.1", "told")
}

#[test]
fn a_program_runs_as_its_user_with_its_folder_and_secrets_and_without_power() {
    if !root() {
        return;
    }
    let node = node("{users: [nobody]}");
    let lines = applied(&node, &json!({"user": "nobody"}));
    let expected = [
        "65534",
        "1234",
        "-rw-r----- 65534",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "told",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn who_names_no_user_runs_as_the_default_of_the_node() {
    if !root() {
        return;
    }
    let node = node("{defaultUser: '65534:65534'}");
    assert_eq!(applied(&node, &json!({}))[..2], ["65534", "1234"]);
}

#[test]
fn what_is_asked_for_beyond_the_policy_is_refused_with_its_key() {
    let node = Node::started();
    for (more, key) in [
        (
            json!({"security": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
            "policy.capabilities",
        ),
        (
            json!({"security": {"allowPrivilegeEscalation": true}}),
            "policy.privilegeEscalation",
        ),
        (json!({"envPassthrough": ["AWS_SECRET"]}), "policy.environment"),
    ] {
        let shop = json!({"kind": "application", "name": "shop", "services": [service("web", "tell", more)]});
        let text = node.file("refused.yml", &file(&[telling(), shop]));
        let told = node.run(&["apply", "-f", &text]);
        assert!(told.code != 0 && told.err.contains(key), "{}", told.err);
    }
}
