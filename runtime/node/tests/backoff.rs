//! When what ended is started again, on a clock that nobody waits for.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aerolith_model::ResourceKind;
use aerolith_node::{Node, Phase};
use aerolith_plan::{Fitness, Trial};
use tokio::time::Instant;
use world::*;

const WEB: &str = "shop.web.1";

async fn shop(world: &World, restart: &str) -> Node {
    let node = world.open().await;
    let web = service("web", "pp", &format!(r#","restart":{restart}"#));
    apply(&node, &[&package("pp", "1"), &application("shop", &web)]).await;
    running(&node, WEB).await;
    node
}

/// Ends the instance, and answers after which time it is started again.
async fn again(world: &World) -> f64 {
    let before = world.engine().runs_of(WEB).len();
    let ended = Instant::now();
    world.engine().end(WEB, code(1));
    until_run(world, before + 1).await;
    ended.elapsed().as_secs_f64()
}

async fn until_run(world: &World, number: usize) {
    until(&format!("run {number}"), || {
        (world.engine().runs_of(WEB).len() == number).then_some(())
    })
    .await;
}

/// Within a tenth, and some time of the test's own.
fn near(found: f64, wanted: f64) -> bool {
    found >= wanted * 0.9 && found <= wanted * 1.1 + 0.1
}

#[tokio::test(start_paused = true)]
async fn delays_grow_as_the_service_says_and_begin_anew_after_a_healthy_time() {
    let mut world = World::new();
    world.updates.window = Duration::from_secs(10);
    let node = shop(&world, r#"{"backoff":{"min":"2s","max":"9s","factor":1.5}}"#).await;
    for wanted in [2.0, 3.0, 4.5, 6.75, 9.0, 9.0] {
        let delay = again(&world).await;
        assert!(near(delay, wanted) && delay >= 2.0, "{delay}, not {wanted}");
        running(&node, WEB).await;
    }
    until("it is healthy", || {
        instance_of(&node, WEB).filter(|i| i.fitness == Some(Fitness::Healthy))
    })
    .await;
    let delay = again(&world).await;
    assert!(delay < 0.1, "{delay}");
    running(&node, WEB).await;
    let delay = again(&world).await;
    assert!(near(delay, 2.0), "{delay}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_gives_a_crash_loop_no_fresh_row() {
    let world = World::new();
    let node = shop(&world, r#"{"policy":"on-failure"}"#).await;
    for _ in 0..4 {
        again(&world).await;
        running(&node, WEB).await;
    }
    world.engine().end(WEB, code(1));
    phase(&node, WEB, Phase::Restarting).await;
    let node = world.crash_and_open(node).await;
    let opened = Instant::now();
    until_run(&world, 6).await;
    assert!(
        opened.elapsed() > Duration::from_secs(10),
        "the delay of 16 s goes on: {:?}",
        opened.elapsed()
    );
    running(&node, WEB).await;
    let delay = again(&world).await;
    assert!(near(delay, 32.0), "{delay}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_ends_a_delay_and_the_next_is_the_first_again() {
    let world = World::new();
    let node = shop(&world, "{}").await;
    for _ in 0..6 {
        again(&world).await;
        running(&node, WEB).await;
    }
    world.engine().end(WEB, code(1));
    phase(&node, WEB, Phase::Restarting).await;
    let asked = Instant::now();
    assert!(node.retry(WEB).await.unwrap());
    running(&node, WEB).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    let delay = again(&world).await;
    assert!(near(delay, 1.0), "{delay}");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_last_of_three_restarts_it_has_failed_also_for_a_node_that_comes_back() {
    let world = World::new();
    let node = shop(&world, r#"{"retry":{"max":3}}"#).await;
    for _ in 0..3 {
        again(&world).await;
        running(&node, WEB).await;
    }
    world.engine().end(WEB, code(1));
    let failed = phase(&node, WEB, Phase::Failed).await;
    assert_eq!((failed.restarts, failed.trial), (3, Trial::Failed));
    let node = world.crash_and_open(node).await;
    phase(&node, WEB, Phase::Failed).await;
    assert_eq!(world.engine().runs_of(WEB).len(), 4);
    node.shutdown().await;
}

fn job() -> String {
    let service = service("web", "pp", "");
    format!(r#"{{"kind":"application","name":"shop","workload":"job","services":[{service}]}}"#)
}

/// As the machine's boot leaves it: nothing runs, and nothing is left below the runtime folder.
async fn boot(world: &World, node: Node) -> Node {
    world.crash(node).await;
    for run in world.engine().runs.lock().unwrap().iter() {
        run.exit
            .send_if_modified(|exit| exit.is_none() && exit.replace(code(0)).is_none());
    }
    fs::remove_dir_all(world.path("run")).unwrap();
    world.open().await
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_well_is_not_run_again_by_a_boot_but_when_it_is_deployed_again() {
    let world = World::new();
    let mut node = world.open().await;
    apply(&node, &[&package("pp", "1"), &job()]).await;
    running(&node, WEB).await;
    world.engine().end(WEB, code(1));
    until_run(&world, 2).await;
    running(&node, WEB).await;
    world.engine().end(WEB, code(0));
    assert_eq!(phase(&node, WEB, Phase::Completed).await.trial, Trial::Passed);
    for _ in 0..2 {
        node = boot(&world, node).await;
        until("the state is read", || (node.status().revision > 0).then_some(())).await;
        phase(&node, WEB, Phase::Completed).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.engine().runs_of(WEB).len(), 2);
    }
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("it is gone", || application_of(&node, "shop").is_none().then_some(())).await;
    assert_eq!(fs::read_dir(world.path("data/completed")).unwrap().count(), 0);
    apply(&node, &[&job()]).await;
    until_run(&world, 3).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_did_not_end_well_and_what_is_no_job_run_again_after_a_boot() {
    for (application, exit, ended) in [
        (
            job().replace(r#""job","#, r#""job","jobConfig":{"backoffLimit":0},"#),
            code(1),
            Phase::Failed,
        ),
        (
            application("shop", &service("web", "pp", r#","restart":{"policy":"on-failure"}"#)),
            code(0),
            Phase::Completed,
        ),
    ] {
        let world = World::new();
        let node = world.open().await;
        apply(&node, &[&package("pp", "1"), &application]).await;
        running(&node, WEB).await;
        world.engine().end(WEB, exit);
        phase(&node, WEB, ended).await;
        let node = boot(&world, node).await;
        until_run(&world, 2).await;
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_no_replicas_nothing_runs_and_of_three_each_has_its_own_process_and_folder() {
    let world = World::new();
    let node = world.open().await;
    let of = |replicas: u32| application("shop", &service("web", "pp", &format!(r#","replica":{replicas}"#)));
    apply(&node, &[&package("pp", "1"), &of(0)]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.engine().runs_of(WEB).len(), 0);
    apply(&node, &[&of(3)]).await;
    let mut seen = std::collections::BTreeSet::new();
    for index in 1..=3 {
        let id = format!("shop.web.{index}");
        let pid = running(&node, &id).await.pid;
        let run = world.engine().runs_of(&id).remove(0);
        seen.insert((pid, run.workload.directory));
    }
    assert_eq!(seen.len(), 3);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_is_started_again_though_a_hundred_other_starts_come_to_no_end() {
    const LOOPS: usize = 100;
    let world = World::new();
    let node = world.open().await;
    let loops = service("loop", "pp", &format!(r#","replica":{LOOPS}"#));
    let good = service("good", "pp", "");
    apply(
        &node,
        &[&package("pp", "1"), &application("shop", &format!("{good},{loops}"))],
    )
    .await;
    let engine = world.engine();
    until("all run", || (engine.alive().len() == LOOPS + 1).then_some(())).await;
    *engine.stuck.lock().unwrap() = Some("shop.loop.");
    (1..=LOOPS).for_each(|index| engine.end(&format!("shop.loop.{index}"), code(1)));
    let under_way = || Arc::strong_count(&engine.starting) - 1;
    until("all of them are being started", || (under_way() == LOOPS).then_some(())).await;
    for starts in 2..5 {
        engine.end("shop.good.1", code(1));
        until("the good one runs again", || {
            (engine.runs_of("shop.good.1").len() == starts).then_some(())
        })
        .await;
        assert_eq!(under_way(), LOOPS);
    }
    apply(&node, &[&application("other", &service("web", "pp", ""))]).await;
    until("something new runs too", || {
        engine.alive().contains(&"other.web.1".to_owned()).then_some(())
    })
    .await;
    world.crash(node).await;
}
