//! An object store that knows its users, as Baetyl's cloud names it: the keys become a secret, and nobody sees them.

use crate::support::moto::{Moto, content};
use crate::support::node::Node;
use crate::support::package::{md5, platform};
use serde_json::json;

const SHOW: &str = "#!/bin/sh\nwc -c < \"${0%/*}/pack%20age.zip\"; echo ready; exec sleep 86400\n";

/// A package of a script and of an object of the store, and an application of it, as Baetyl's cloud shows them.
fn cloud(moto: &Moto, secret: &str) -> String {
    let object = json!({"type": "object", "source": "minio", "endpoint": moto.endpoint, "bucket": "depot",
        "object": "apps/pack age.zip", "ak": moto.access, "sk": secret, "md5": md5(&content())});
    let kv = |text: &str| json!({"type": "kv", "value": text});
    let data = json!([
        {"key": format!("bulk-{}", platform()), "value": object},
        {"key": "program.yml", "value": kv("entry: run.sh\n")},
        {"key": "run.sh", "value": kv(SHOW)},
    ]);
    json!([
        {"name": "pp", "labels": {"baetyl-config-type": "baetyl-program"}, "data": data},
        {"name": "shop", "mode": "native", "type": "container", "services": [
            {"name": "web", "programConfig": "pp", "replica": 1}]},
    ])
    .to_string()
}

/// Neither what the daemon logs nor anything that it answers holds a text.
fn is_silent_about(node: &Node, secret: &str) {
    assert!(!node.log().contains(secret), "{}", node.log());
    assert!(!node.status().to_string().contains(secret));
    for words in [
        &["ps"][..],
        &["get", "configuration", "pp"],
        &["get", "secret", "pp-credentials"],
    ] {
        let shown = node.run(words);
        assert!(!format!("{shown:?}").contains(secret), "{words:?}: {shown:?}");
    }
}

#[test]
fn a_package_of_baetyls_cloud_whose_object_lies_in_a_store_runs_and_its_keys_are_seen_nowhere() {
    let Some(moto) = Moto::guarded() else { return };
    let mut node = Node::new();
    node.file("plugins.d/fetcher-s3.yml", "config: {}\n");
    node.start();
    let name = node.file("cloud.json", &cloud(&moto, &moto.secret));
    node.done(&["apply", "-f", &name, "--wait", "--timeout", "60s"]);
    assert_eq!(node.wrote("shop/web", "ready"), ["5000000", "ready"]);
    is_silent_about(&node, &moto.secret);
    node.kill();
    node.start();
    node.service("shop", "web", "running");
    is_silent_about(&node, &moto.secret);
}

#[test]
fn a_wrong_secret_is_told_of_with_the_stores_answer_and_a_right_one_makes_it_run() {
    let Some(moto) = Moto::guarded() else { return };
    let node = Node::started();
    let wrong = "wr0ngwr0ngwr0ngwr0ng";
    let name = node.file("cloud.json", &cloud(&moto, wrong));
    node.done(&["apply", "-f", &name]);
    let reason = node.service("shop", "web", "failed");
    for part in [
        "403 Forbidden: SignatureDoesNotMatch",
        "depot",
        "pack%20age.zip",
        "`pp`",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    is_silent_about(&node, wrong);
    let name = node.file("cloud.json", &cloud(&moto, &moto.secret));
    node.done(&["apply", "-f", &name, "--wait", "--timeout", "60s"]);
    assert_eq!(node.wrote("shop/web", "ready"), ["5000000", "ready"]);
    is_silent_about(&node, &moto.secret);
}
