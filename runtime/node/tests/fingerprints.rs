//! What a version of a service is called, over whole nodes: by its content, and by a key of the node's own.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;

use aerolith_node::{Applied, Node};
use world::*;

const PLAIN: &str = "shop.web.1";
const SECRET: &str = "shop.db.1";

fn documents(password: &str) -> [String; 3] {
    let services = [
        service("web", "pp", ""),
        service("db", "pp", r#","volumeMounts":[{"name":"cert","mountPath":"/c"}]"#),
    ];
    let shop = format!(
        r#"{{"kind":"application","name":"shop","services":[{}],"volumes":[{{"name":"cert","secret":{{"name":"cert"}}}}]}}"#,
        services.join(",")
    );
    let cert = format!(r#"{{"kind":"secret","name":"cert","stringData":{{"password":"{password}"}}}}"#);
    [package("pp", "1"), cert, shop]
}

/// Applies the documents, and answers what that did once all of it runs.
async fn applied(world: &World, node: &Node, password: &str) -> Applied {
    let all = documents(password);
    let all = resources(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let runs = world.engine().runs_of(SECRET).len();
    let applied = node.apply(all, false).await.unwrap();
    until("the newest runs alone", || {
        let is_alone = world.engine().alive() == [SECRET, PLAIN];
        (is_alone && world.engine().runs_of(SECRET).len() > runs).then_some(())
    })
    .await;
    applied
}

/// By which names the versions go that run: the one without a secret, and the one with.
async fn fingerprints(node: &Node) -> [String; 2] {
    [
        running(node, PLAIN).await.fingerprint,
        running(node, SECRET).await.fingerprint,
    ]
}

#[tokio::test(start_paused = true)]
async fn two_nodes_decide_alike_and_only_the_same_key_makes_the_same_names_of_secrets() {
    let (one, other, twin) = (World::new(), World::new(), World::new());
    let mut nodes = vec![(&one, one.open().await), (&other, other.open().await)];
    fs::create_dir_all(twin.path("data")).unwrap();
    fs::copy(one.path("data/node.key"), twin.path("data/node.key")).unwrap();
    nodes.push((&twin, twin.open().await));
    let mut earlier: Vec<[String; 2]> = Vec::new();
    for password in ["hush", "quiet"] {
        let (mut decisions, mut names) = (Vec::new(), Vec::new());
        for (world, node) in &nodes {
            decisions.push(applied(world, node, password).await);
            names.push(fingerprints(node).await);
        }
        assert!(
            decisions.iter().all(|decision| *decision == decisions[0]),
            "{decisions:?}"
        );
        assert!(!decisions[0].steps.is_empty());
        let [one, other, twin] = &names[..] else {
            panic!("{names:?}")
        };
        assert_eq!((one, &one[0]), (twin, &other[0]));
        assert_ne!(
            one[1], other[1],
            "with a key of its own, nobody can try out what the secret is"
        );
        for (before, now) in earlier.iter().zip(&names) {
            assert_eq!((&before[0], before[1] == now[1]), (&now[0], false));
        }
        earlier = names;
    }
    for (world, node) in nodes {
        let counts = [PLAIN, SECRET].map(|id| world.engine().runs_of(id).len());
        assert_eq!(counts, [1, 2], "only what has the secret is replaced");
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_on_its_folder_calls_everything_as_before_and_replaces_nothing() {
    let world = World::new();
    let node = world.open().await;
    let revision = applied(&world, &node, "hush").await.revision;
    let before = fingerprints(&node).await;
    let node = world.crash_and_open(node).await;
    assert_eq!(fingerprints(&node).await, before);
    let all = documents("hush");
    let again = node
        .apply(resources(&all.iter().map(String::as_str).collect::<Vec<_>>()), false)
        .await
        .unwrap();
    assert_eq!((again.revision, again.steps), (revision, Vec::new()));
    assert_eq!([PLAIN, SECRET].map(|id| world.engine().runs_of(id).len()), [1, 1]);
    let node = reboot(&world, node).await;
    until("all of it is started anew", || {
        (world.engine().alive() == [SECRET, PLAIN]).then_some(())
    })
    .await;
    assert_eq!(fingerprints(&node).await, before);
    node.shutdown().await;
}
