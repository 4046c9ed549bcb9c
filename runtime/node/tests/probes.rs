//! What follows from the answers to probes, on a clock that nobody waits for.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use aerolith_node::{Node, Phase};
use aerolith_plan::{Fitness, Trial};
use tokio::time::Instant;
use world::*;

const WEB: &str = "shop.web.1";

/// The one service of a shop, with more fields.
async fn offer(node: &Node, more: &str) {
    let web = service("web", "pp", more);
    apply(node, &[&package("pp", "1"), &application("shop", &web)]).await;
}

fn probe(kind: &str, more: &str) -> String {
    format!(r#","{kind}Probe":{{"exec":{{"command":["{kind}"]}}{more}}}"#)
}

async fn fitness(node: &Node, fitness: Fitness) -> aerolith_node::InstanceStatus {
    until(&format!("it is {fitness:?}"), || {
        instance_of(node, WEB).filter(|i| i.fitness == Some(fitness))
    })
    .await
}

/// Lets time pass, in which everything happens that is due.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_is_stopped_with_its_grace_and_restarted_after_the_threshold() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("liveness", 0);
    offer(
        &node,
        &(probe("liveness", r#","periodSeconds":2,"failureThreshold":3"#) + r#","gracePeriod":"7s""#),
    )
    .await;
    fitness(&node, Fitness::Healthy).await;
    assert_eq!(instance_of(&node, WEB).unwrap().trial, Trial::Passed);
    let (began, mut unfit) = (Instant::now(), node.events("instance/+/unfit").unwrap());
    world.engine().says("liveness", 1);
    let again = until("it is restarted", || {
        instance_of(&node, WEB).filter(|i| i.restarts == 1)
    })
    .await;
    let took = began.elapsed();
    assert!(
        took > Duration::from_secs(4) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert_eq!(*world.engine().stops.lock().unwrap(), [(WEB.to_owned(), 7_000)]);
    let reason = "liveness probe: `liveness` ended with code 1: as scripted, 3 times in a row";
    assert_eq!(unfit.next().await.unwrap().data["reason"], reason);
    assert_eq!(again.trial, Trial::Passed, "once passed it stays passed");
    world.engine().says("liveness", 0);
    running(&node, WEB).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn probes_that_never_are_content_use_up_the_restarts_and_an_operator_gives_new_ones() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("startup", 1);
    let startup = probe("startup", r#","periodSeconds":20,"failureThreshold":2"#);
    offer(&node, &(startup + r#","restart":{"retry":{"max":2}}"#)).await;
    let failed = phase(&node, WEB, Phase::Failed).await;
    assert_eq!((failed.restarts, failed.trial), (2, Trial::Failed));
    assert!(failed.reason.contains("startup probe"), "{}", failed.reason);
    assert!(failed.trial_reason.contains("startup probe"), "{}", failed.trial_reason);
    assert_eq!(world.engine().runs_of(WEB).len(), 3);
    world.engine().says("startup", 0);
    assert!(node.retry("other").await.is_err());
    assert!(node.retry(WEB).await.unwrap());
    fitness(&node, Fitness::Ready).await;
    assert_eq!(world.engine().runs_of(WEB).len(), 4);
    assert!(!node.retry(WEB).await.unwrap(), "what runs is left alone");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_starter_is_not_ended_while_its_startup_probe_has_patience() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("startup", 1);
    world.engine().says("liveness", 1);
    let probes = probe("startup", r#","failureThreshold":30"#) + &probe("liveness", r#","failureThreshold":1"#);
    offer(&node, &probes).await;
    running(&node, WEB).await;
    pass(280).await;
    let slow = instance_of(&node, WEB).unwrap();
    assert_eq!((slow.restarts, slow.fitness), (0, Some(Fitness::Started)));
    assert!(slow.reason.starts_with("startup probe: "), "{}", slow.reason);
    assert!(!world.engine().asked.lock().unwrap().contains(&"liveness".to_owned()));
    world.engine().says("startup", 0);
    world.engine().says("liveness", 0);
    let ready = fitness(&node, Fitness::Ready).await;
    assert_eq!((ready.restarts, ready.reason.as_str()), (0, ""));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn readiness_shows_and_ends_nothing() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("readiness", 1);
    offer(&node, &probe("readiness", r#","periodSeconds":2,"failureThreshold":2"#)).await;
    running(&node, WEB).await;
    pass(60).await;
    assert_eq!(instance_of(&node, WEB).unwrap().fitness, Some(Fitness::Started));
    for _ in 0..3 {
        world.engine().says("readiness", 0);
        assert!(fitness(&node, Fitness::Ready).await.answered_ms.is_some());
        fitness(&node, Fitness::Healthy).await;
        world.engine().says("readiness", 1);
        fitness(&node, Fitness::Started).await;
    }
    assert_eq!(world.engine().runs_of(WEB).len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_hangs_is_given_up_in_time_and_never_asked_twice_at_once() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("readiness", 0);
    offer(
        &node,
        &probe(
            "readiness",
            r#","periodSeconds":1,"timeoutSeconds":30,"failureThreshold":2"#,
        ),
    )
    .await;
    fitness(&node, Fitness::Ready).await;
    world.engine().hangs("readiness");
    // An old answer counts for three periods.
    fitness(&node, Fitness::Started).await;
    let before = world.engine().asked.lock().unwrap().len();
    for _ in 0..100 {
        pass(1).await;
        assert!(Arc::strong_count(&world.engine().asking) <= 2, "one at a time");
    }
    let asked = world.engine().asked.lock().unwrap().len() - before;
    assert!((2..=4).contains(&asked), "{asked} in 100 s");
    assert!(
        instance_of(&node, WEB)
            .unwrap()
            .reason
            .contains("no answer about `readiness` within 30 s")
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn other_probes_are_followed_while_it_runs() {
    let world = World::new();
    let node = world.open().await;
    offer(&node, "").await;
    let before = fitness(&node, Fitness::Healthy).await;
    world.engine().says("readiness", 1);
    offer(&node, &probe("readiness", "")).await;
    fitness(&node, Fitness::Started).await;
    offer(&node, "").await;
    let after = fitness(&node, Fitness::Healthy).await;
    assert_eq!((before.pid, after.restarts), (after.pid, 0));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_asks_again_and_restarts_nothing() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("startup", 0);
    world.engine().says("readiness", 0);
    offer(
        &node,
        &(probe("startup", r#","failureThreshold":1"#) + &probe("readiness", "")),
    )
    .await;
    let before = fitness(&node, Fitness::Healthy).await;
    world.engine().says("startup", 1);
    world.engine().hangs("readiness");
    let node = world.crash_and_open(node).await;
    let found = running(&node, WEB).await;
    pass(100).await;
    let waiting = instance_of(&node, WEB).unwrap();
    assert_eq!((waiting.pid, waiting.fitness), (before.pid, Some(Fitness::Started)));
    assert_eq!(waiting.trial, Trial::Passed, "it has proven itself before");
    world.engine().says("readiness", 0);
    let after = fitness(&node, Fitness::Ready).await;
    assert_eq!((found.pid, after.pid, after.restarts), (before.pid, before.pid, 0));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_healthy_by_its_deadline_has_failed_and_runs_on() {
    let world = World::new();
    let node = world.open().await;
    world.engine().says("readiness", 1);
    offer(
        &node,
        &(probe("readiness", "") + r#","update":{"window":"5s","deadline":"1m"}"#),
    )
    .await;
    running(&node, WEB).await;
    pass(55).await;
    assert_eq!(instance_of(&node, WEB).unwrap().trial, Trial::Ongoing);
    let failed = until("its trial is over", || {
        instance_of(&node, WEB).filter(|i| i.trial == Trial::Failed)
    })
    .await;
    assert_eq!(
        (failed.state, failed.trial_reason.as_str()),
        (Phase::Running, "it was not healthy within 60 s")
    );
    let node = world.crash_and_open(node).await;
    assert_eq!(running(&node, WEB).await.trial, Trial::Failed, "it stays so");
    node.shutdown().await;
}
