//! Packages for several platforms while nobody can say which of their objects are for this machine.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::time::Duration;

use aerolith_node::Node;
use world::*;

const WEB: &str = "shop.web.1";
const LONG: Duration = Duration::from_secs(1200);

/// A version of a package with objects for two machines, of which this is one.
fn version(world: &World, number: u32) -> String {
    let url = |machine: &str| format!("test://h/{number}-{machine}/run.sh");
    world.serve(&url("linux-test"), &format!("#!/bin/sh\n# {number}"));
    let object = |machine: &str| format!(r#"{{"url":"{}"}}"#, url(machine));
    let (ours, theirs) = (object("linux-test"), object("other"));
    package_of("pp", &[("run.sh-linux-test", &ours), ("run.sh-other", &theirs)])
}

fn shop(strategy: &str) -> String {
    let more = format!(r#","update":{{"strategy":"{strategy}"}},"restart":{{"policy":"no"}}"#);
    application("shop", &service("web", "pp", &more))
}

async fn deploy(node: &Node, all: &[&str]) {
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(node, all).await;
    events.next().await.unwrap();
}

async fn settled(world: &World, strategy: &str) -> Node {
    let node = world.open().await;
    deploy(&node, &[&version(world, 1), &shop(strategy)]).await;
    node
}

fn fetched(world: &World, number: u32) -> usize {
    let url = format!("test://h/{number}-linux-test/run.sh");
    world.fetched().iter().filter(|fetched| **fetched == url).count()
}

fn alive(world: &World) -> Vec<u32> {
    let runs = world.engine().runs_of(WEB);
    runs.iter().filter(|run| run.is_alive()).map(|run| run.pid).collect()
}

/// What the newest run was made of.
fn text(world: &World) -> String {
    let program = world.engine().runs_of(WEB).pop().unwrap().workload.program.unwrap();
    std::fs::read_to_string(std::path::Path::new(&program.directory).join(program.entry)).unwrap()
}

async fn want_is_said(node: &Node) {
    until("the want is said", || {
        service_of(node, "shop", "web").filter(|web| web.reason.contains("arch/1"))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_without_the_resolver_removes_and_stops_nothing() {
    for reboots in [false, true] {
        let world = World::new();
        let node = settled(&world, "restart").await;
        let before = alive(&world);
        world.away().push("arch/1");
        let node = match reboots {
            true => reboot(&world, node).await,
            false => world.crash_and_open(node).await,
        };
        want_is_said(&node).await;
        tokio::time::sleep(LONG).await;
        node.clean_packages(false).await.unwrap();
        assert_eq!(alive(&world), if reboots { vec![] } else { before.clone() });
        assert!(text(&world).contains("# 1"), "its tree is there");
        world.away().clear();
        until("it runs", || (alive(&world).len() == 1).then_some(())).await;
        tokio::time::sleep(LONG).await;
        assert_eq!(world.engine().runs_of(WEB).len(), if reboots { 2 } else { 1 });
        assert_eq!(fetched(&world, 1), 1, "everything was there");
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_without_the_resolver_waits_for_it_and_what_was_good_runs() {
    for strategy in ["switch", "restart"] {
        let world = World::new();
        let node = settled(&world, strategy).await;
        let before = alive(&world);
        world.away().push("arch/1");
        apply(&node, &[&version(&world, 2)]).await;
        want_is_said(&node).await;
        come(&node, "arch");
        tokio::time::sleep(LONG).await;
        assert_eq!(alive(&world), before, "{strategy}");
        world.engine().end(WEB, code(1));
        tokio::time::sleep(LONG).await;
        let mut events = node.events("app/shop/deployed").unwrap();
        world.away().clear();
        come(&node, "arch");
        events.next().await.unwrap();
        until("the new one runs alone", || (alive(&world).len() == 1).then_some(())).await;
        assert!(text(&world).contains("# 2"));
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_without_the_resolver_and_is_bad_is_rolled_back() {
    let mut world = World::new();
    world.updates.window = Duration::from_secs(1);
    let node = settled(&world, "switch").await;
    let before = alive(&world);
    world.away().push("arch/1");
    apply(&node, &[&version(&world, 2)]).await;
    want_is_said(&node).await;
    come(&node, "arch");
    let mut events = node.events("app/shop/rolledback").unwrap();
    world.away().clear();
    come(&node, "arch");
    for nth in 2..=3 {
        until("a new one is started", || {
            (world.engine().runs_of(WEB).len() == nth).then_some(())
        })
        .await;
        world.engine().end(WEB, code(1));
    }
    events.next().await.unwrap();
    assert_eq!(alive(&world), before);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_without_the_resolver_keeps_what_it_goes_back_to() {
    let world = World::new();
    let node = settled(&world, "restart").await;
    deploy(&node, &[&version(&world, 2)]).await;
    until("the new one runs alone", || (alive(&world).len() == 1).then_some(())).await;
    let before = alive(&world);
    let node = world.crash_and_open(node).await;
    deployed(&node).await;
    world.away().push("arch/1");
    let node = world.crash_and_open(node).await;
    want_is_said(&node).await;
    node.rollback("shop", None).await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(alive(&world), before);
    world.away().clear();
    until("the old version runs", || {
        (alive(&world).len() == 1 && alive(&world) != before).then_some(())
    })
    .await;
    assert!(text(&world).contains("# 1"));
    assert_eq!((fetched(&world, 1), fetched(&world, 2)), (1, 1));
    node.shutdown().await;
}

async fn deployed(node: &Node) {
    until("it is deployed", || {
        application_of(node, "shop").filter(|shop| shop.settled)
    })
    .await;
}
