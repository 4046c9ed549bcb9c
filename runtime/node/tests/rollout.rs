//! Updates: what comes of a new version, and what runs until that is known.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aerolith_model::ResourceKind;
use aerolith_node::{Action, Condition, Events, Node, Outcome, Phase, Reason, Summary};
use aerolith_plan::Fitness;
use aerolith_plugin_wire::{Code, Error};
use serde_json::Value;
use world::*;

const WEB: &str = "shop.web.1";
/// Longer than the time between two attempts.
const PAUSE: Duration = Duration::from_secs(11);

fn shop(more: &str) -> String {
    application("shop", &service("web", "pp", more))
}

/// A world in which a new instance must be ready for a while.
fn watchful() -> World {
    let mut world = World::new();
    world.updates.window = Duration::from_secs(1);
    world
}

/// A node on which the first version has been found good.
async fn settled(world: &World, more: &str) -> Node {
    let node = world.open().await;
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "1"), &shop(more)]).await;
    events.next().await.unwrap();
    node
}

async fn told(events: &mut Events, topic: &str) -> Value {
    loop {
        let event = events.next().await.unwrap();
        // Each topic has data of one kind.
        let is_of_attempt = event.data.get("attempts").is_some();
        assert_eq!(
            is_of_attempt,
            ["app/shop/takenback", "app/shop/rolledback"].contains(&&*event.topic),
            "{event:?}"
        );
        if event.topic == topic {
            return event.data;
        }
    }
}

fn alive(world: &World) -> Vec<u32> {
    let runs = world.engine().runs_of(WEB);
    runs.iter().filter(|run| run.is_alive()).map(|run| run.pid).collect()
}

/// Waits for the newest run of the service to be this one of all, and lets it end badly.
async fn fail(world: &World, nth: usize) {
    until("a new one is started", || {
        (world.engine().runs_of(WEB).len() == nth).then_some(())
    })
    .await;
    world.engine().end(WEB, code(1));
}

#[tokio::test(start_paused = true)]
async fn the_new_runs_beside_the_old_until_it_has_been_ready_for_its_window() {
    let world = watchful();
    let node = settled(&world, "").await;
    let old = alive(&world);
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    let both = until("both run", || (alive(&world).len() == 2).then(|| alive(&world))).await;
    assert_eq!(both[0], old[0]);
    assert_eq!(events.next().await.unwrap().data["revision"], 2);
    until("the old one is stopped", || (alive(&world) == both[1..]).then_some(())).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_twice_is_not_tried_again_until_somebody_asks_for_it_however_often_it_is_applied() {
    let world = watchful();
    let node = settled(&world, r#","restart":{"policy":"no"}"#).await;
    let old = alive(&world);
    let mut events = node.events("app/shop/#").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    for attempt in 1..=2 {
        fail(&world, 1 + attempt).await;
        let data = told(&mut events, "app/shop/takenback").await;
        assert_eq!(
            (data["revision"].as_u64(), data["attempts"].as_u64()),
            (Some(2), Some(attempt as u64))
        );
        assert!(data["reason"].as_str().unwrap().starts_with("shop.web.1: "), "{data}");
        assert_eq!(alive(&world), old, "the old one was never stopped");
        tokio::time::sleep(PAUSE).await;
    }
    told(&mut events, "app/shop/rolledback").await;
    tokio::time::sleep(10 * PAUSE).await;
    let node = world.crash_and_open(node).await;
    tokio::time::sleep(10 * PAUSE).await;
    let same = node.apply(resources(&[&package("pp", "2")]), false).await.unwrap();
    assert_eq!((same.revision, &*same.failed), (2, &["shop".to_owned()][..]));
    tokio::time::sleep(10 * PAUSE).await;
    assert_eq!((alive(&world), world.engine().runs_of(WEB).len()), (old.clone(), 3));

    assert!(node.retry("shop").await.unwrap());
    fail(&world, 4).await;
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "3")]).await;
    assert_eq!(events.next().await.unwrap().data["revision"], 3);
    until("the old one is replaced", || {
        (alive(&world).len() == 1 && alive(&world) != old).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_a_fixed_port_is_never_there_twice_and_the_old_is_started_again() {
    let world = watchful();
    let node = settled(
        &world,
        r#","ports":[{"containerPort":80,"hostPort":8080}],"restart":{"policy":"no"}"#,
    )
    .await;
    let old = alive(&world);
    let mut events = node.events("app/shop/#").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    until("the new one is started", || {
        (world.engine().runs_of(WEB).len() == 2).then_some(())
    })
    .await;
    assert_eq!(alive(&world).len(), 1);
    assert_ne!(alive(&world), old);
    world.engine().end(WEB, code(1));
    told(&mut events, "app/shop/takenback").await;
    until("the old version is started again", || {
        (world.engine().runs_of(WEB).len() == 3).then_some(())
    })
    .await;
    let programs: Vec<_> = world
        .engine()
        .runs_of(WEB)
        .into_iter()
        .map(|run| run.workload.program)
        .collect();
    assert_eq!((alive(&world).len(), &programs[2]), (1, &programs[0]));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_third_version_goes_back_to_the_first_when_the_second_was_never_found_good() {
    let world = watchful();
    let node = settled(&world, r#","restart":{"policy":"no"}"#).await;
    let old = alive(&world);
    let mut events = node.events("app/shop/#").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    until("the second runs", || (alive(&world).len() == 2).then_some(())).await;
    apply(&node, &[&package("pp", "3")]).await;
    fail(&world, 3).await;
    assert_eq!(told(&mut events, "app/shop/takenback").await["revision"], 3);
    until("only the first runs", || (alive(&world) == old).then_some(())).await;
    node.shutdown().await;
}

/// A node on which a first version runs of which nobody knows yet if it is any good.
async fn unproven(world: &mut World) -> Node {
    world.updates.window = Duration::from_secs(60);
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop(r#","restart":{"policy":"no"}"#)]).await;
    until("it runs", || {
        instance_of(&node, WEB).filter(|web| web.state == Phase::Running)
    })
    .await;
    node
}

#[tokio::test(start_paused = true)]
async fn a_second_version_goes_back_to_a_first_that_ran_though_nobody_had_waited_until_it_was_good() {
    let mut world = World::new();
    let node = unproven(&mut world).await;
    let first = alive(&world);
    let mut events = node.events("app/shop/#").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    for attempt in 1..=2 {
        fail(&world, 1 + attempt).await;
        let data = told(&mut events, "app/shop/takenback").await;
        assert_eq!(data["attempts"], attempt);
        assert_eq!(alive(&world), first, "the first was never stopped");
        tokio::time::sleep(PAUSE).await;
    }
    told(&mut events, "app/shop/rolledback").await;
    let node = world.crash_and_open(node).await;
    tokio::time::sleep(10 * PAUSE).await;
    assert_eq!((alive(&world), world.engine().runs_of(WEB).len()), (first, 3));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_version_that_ran_runs_until_the_second_has_proven_itself() {
    let mut world = World::new();
    let node = unproven(&mut world).await;
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    let both = until("both run", || (alive(&world).len() == 2).then(|| alive(&world))).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(alive(&world), both);
    assert_eq!(events.next().await.unwrap().data["revision"], 2);
    until("the first is stopped", || (alive(&world) == both[1..]).then_some(())).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_version_that_ran_is_what_to_go_back_to_when_the_second_comes_as_soon_as_the_daemon_is_back() {
    for is_found in [true, false] {
        let mut world = World::new();
        let node = unproven(&mut world).await;
        let first = alive(&world);
        if !is_found {
            let error = Error::new(Code::Unavailable, "the engine looks for it still");
            world.engine().refuse("recover", error);
        }
        let node = world.crash_and_open(node).await;
        let mut events = node.events("app/shop/#").unwrap();
        apply(&node, &[&package("pp", "2")]).await;
        let rollout = node.rollout(&"shop".parse().unwrap()).unwrap();
        assert_eq!((rollout.revision, rollout.fallback), (2, Some(1)), "found: {is_found}");
        world.engine().obey();
        fail(&world, 2).await;
        told(&mut events, "app/shop/takenback").await;
        assert_eq!(alive(&world), first, "the first was never stopped");
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_version_that_never_ran_is_nothing_to_go_back_to() {
    let world = watchful();
    let node = world.open().await;
    let gone = package_of("pp", &[("run.sh-linux-test", r#"{"url":"test://h/gone/run.sh"}"#)]);
    apply(&node, &[&gone, &shop("")]).await;
    apply(&node, &[&package("pp", "2")]).await;
    for nth in 1..=4 {
        fail(&world, nth).await;
    }
    let history = node.history("shop").unwrap();
    assert_eq!((history[0].outcome, history[0].attempts), (Outcome::Pending, 0));
    let mut events = node.events("app/shop/deployed").unwrap();
    assert_eq!(
        events.next().await.unwrap().data["revision"],
        2,
        "it is restarted for as long as it takes"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_application_that_is_deleted_while_it_is_updated_leaves_nothing() {
    let world = watchful();
    let node = settled(&world, "").await;
    apply(&node, &[&package("pp", "2")]).await;
    until("both run", || (alive(&world).len() == 2).then_some(())).await;
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("it is gone", || application_of(&node, "shop").is_none().then_some(())).await;
    assert!(alive(&world).is_empty());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_at_any_moment_of_an_update_ends_it() {
    for moment in [0, 1, 5, 20, 100, 400, 501, 510] {
        let world = watchful();
        let node = settled(&world, "").await;
        let old = alive(&world);
        apply(&node, &[&package("pp", "2")]).await;
        tokio::time::sleep(Duration::from_millis(2 * moment)).await;
        assert!(!alive(&world).is_empty());
        let node = world.crash_and_open(node).await;
        until("only the new one runs", || {
            let alive = alive(&world);
            (alive.len() == 1 && alive != old).then_some(())
        })
        .await;
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_once_in_an_update_ends_it_and_twice_takes_it_back() {
    for cuts in [1, 2] {
        let world = watchful();
        let mut node = settled(&world, "").await;
        apply(&node, &[&package("pp", "2")]).await;
        for cut in 1..=cuts {
            // After a cut the old is not started where the new can be.
            let runs = |pid: &Vec<u32>| pid.len() == if cut == 1 { 2 } else { 1 };
            until("the new one runs", || Some(alive(&world)).filter(runs)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            node = reboot(&world, node).await;
        }
        tokio::time::sleep(PAUSE).await;
        let running = until("one runs", || {
            let mut runs = world.engine().runs_of(WEB);
            runs.retain(Run::is_alive);
            (runs.len() == 1).then(|| runs.remove(0))
        })
        .await;
        let program = running.workload.program.unwrap();
        let text = fs::read_to_string(std::path::Path::new(&program.directory).join(program.entry)).unwrap();
        assert_eq!(text.contains("echo 2"), cuts == 1, "after {cuts}: {text}");
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_reboot_the_good_version_runs_where_the_new_one_cannot_be_had() {
    let world = watchful();
    let node = settled(&world, "").await;
    apply(
        &node,
        &[&package_of(
            "pp",
            &[("run.sh-linux-test", r#"{"url":"test://h/gone/run.sh"}"#)],
        )],
    )
    .await;
    until("it fails", || {
        service_of(&node, "shop", "web").filter(|web| web.reason.contains("404"))
    })
    .await;
    let node = reboot(&world, node).await;
    let first = world.engine().runs_of(WEB)[0].workload.program.clone();
    let now = until("it runs", || {
        world.engine().runs_of(WEB).into_iter().find(Run::is_alive)
    })
    .await;
    assert_eq!(now.workload.program, first);
    world.serve("test://h/gone/run.sh", "#!/bin/sh\n");
    until("the new one takes its place", || {
        let runs = world.engine().runs_of(WEB);
        (alive(&world).len() == 1 && runs.last().unwrap().is_alive() && runs.last().unwrap().workload.program != first)
            .then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_update_may_go_back_to_is_not_cleaned_and_is_fetched_anew_when_somebody_takes_it() {
    let world = watchful();
    let node = world.open().await;
    world.serve("test://h/1/run.sh", "#!/bin/sh\n# 1");
    let version = |place: &str| {
        package_of(
            "pp",
            &[("run.sh-linux-test", &format!(r#"{{"url":"test://h/{place}/run.sh"}}"#))],
        )
    };
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&version("1"), &shop("")]).await;
    events.next().await.unwrap();
    apply(&node, &[&version("gone")]).await;
    until("it fails", || {
        service_of(&node, "shop", "web").filter(|web| web.reason.contains("404"))
    })
    .await;
    node.clean_packages(false).await.unwrap();
    let node = reboot(&world, node).await;
    until("the old one runs", || (alive(&world).len() == 1).then_some(())).await;
    let fetched = |url: &str| world.fetched().iter().filter(|fetched| *fetched == url).count();
    assert_eq!(fetched("test://h/1/run.sh"), 1, "it was there still");
    world.crash(node).await;
    for folder in ["data/apps", "data/packages"] {
        fs::remove_dir_all(world.path(folder)).unwrap();
    }
    let node = reboot(&world, world.open().await).await;
    until("the old one runs again", || (alive(&world).len() == 1).then_some(())).await;
    assert_eq!(fetched("test://h/1/run.sh"), 2);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_back_is_tried_again_with_growing_pauses() {
    let world = watchful();
    let node = world.open().await;
    let version = |place: &str| {
        let object = format!(r#"{{"url":"test://h/{place}/run.sh"}}"#);
        package_of("pp", &[("run.sh-linux-test", &object)])
    };
    world.serve("test://h/1/run.sh", "#!/bin/sh");
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&version("1"), &shop("")]).await;
    events.next().await.unwrap();
    apply(&node, &[&version("gone")]).await;
    world.crash(node).await;
    world.engine().end(WEB, code(137));
    for folder in ["data/apps", "data/packages", "run"] {
        fs::remove_dir_all(world.path(folder)).unwrap();
    }
    world.plugins.files.files.lock().unwrap().clear();
    let node = world.open().await;
    let tries = || {
        let fetched = world.fetched();
        fetched.iter().filter(|url| *url == "test://h/1/run.sh").count()
    };
    let before = tries();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let made = tries() - before;
    assert!((2..=8).contains(&made), "{made} tries in a minute");
    world.serve("test://h/1/run.sh", "#!/bin/sh");
    until("it is put back", || (alive(&world).len() == 1).then_some(())).await;
    node.shutdown().await;
}

fn written(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap();
    let whole = time::OffsetDateTime::from_unix_timestamp_nanos(i128::try_from(seconds.as_nanos()).unwrap()).unwrap();
    whole.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test(start_paused = true)]
async fn before_its_time_nothing_of_a_version_is_deployed_and_the_one_before_runs() {
    let world = watchful();
    let node = settled(&world, "").await;
    let old = alive(&world);
    let begin = SystemTime::now() + Duration::from_millis(1500);
    let later = |args: &str| {
        let web = service("web", "pp", args);
        let start_at = written(begin);
        format!(r#"{{"kind":"application","name":"shop","startAt":"{start_at}","services":[{web}]}}"#)
    };
    let text = later(r#","args":["-x"]"#);
    let preview = node.apply(resources(&[&text]), true).await.unwrap();
    assert_eq!(preview.steps, [], "nothing is done before");
    apply(&node, &[&text]).await;
    let web = service_of(&node, "shop", "web").unwrap();
    assert_eq!(
        (web.state, web.conditions[0].reason),
        (Summary::Running, Reason::Scheduled)
    );
    assert!(
        web.conditions[1].holds() && web.conditions[0].next_try_ms.is_some(),
        "{web:?}"
    );
    while SystemTime::now() < begin - Duration::from_millis(100) {
        assert_eq!(alive(&world), old);
        assert_eq!(world.engine().prepared.lock().unwrap().len(), 1, "nothing is prepared");
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    while alive(&world).contains(&old[0]) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.engine().runs_of(WEB).last().unwrap().workload.arguments, ["-x"]);
    assert!(SystemTime::now() >= begin);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_version_that_waits_for_its_time_says_so_and_is_not_settled() {
    let world = World::new();
    let node = world.open().await;
    let start_at = written(SystemTime::now() + Duration::from_secs(3_600));
    let web = service("web", "pp", "");
    let later = format!(r#"{{"kind":"application","name":"shop","startAt":"{start_at}","services":[{web}]}}"#);
    let preview = node
        .apply(resources(&[&package("pp", "1"), &later]), true)
        .await
        .unwrap();
    assert_eq!(preview.steps, []);
    apply(&node, &[&package("pp", "1"), &later]).await;
    let shop = until("its time is known", || {
        application_of(&node, "shop").filter(|shop| !shop.settled)
    })
    .await;
    let web = &shop.services[0];
    assert_eq!(
        (web.state, web.reason.as_str()),
        (Summary::Waiting, "it waits for the time of its startAt")
    );
    assert!(
        web.conditions[..2].iter().all(|it| it.reason == Reason::Scheduled),
        "{web:?}"
    );
    assert_eq!(shop.conditions[0].reason, Reason::Scheduled);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_application_may_keep_its_configuration_until_it_is_itself_changed() {
    let world = watchful();
    let node = world.open().await;
    let application = |version: &str| {
        let web = service("web", "pp", "");
        format!(
            r#"{{"kind":"application","name":"shop","version":"{version}","preserveUpdates":true,"services":[{web}]}}"#
        )
    };
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "1"), &application("1")]).await;
    events.next().await.unwrap();
    let old = alive(&world);
    let preview = node.apply(resources(&[&package("pp", "2")]), true).await.unwrap();
    let shop = preview.changes.iter().find(|change| change.name == "shop").unwrap();
    assert_eq!(
        (&*preview.steps, shop.action),
        (&[][..], Action::Unchanged),
        "{preview:?}"
    );
    apply(&node, &[&package("pp", "2")]).await;
    let node = world.crash_and_open(node).await;
    tokio::time::sleep(PAUSE).await;
    assert_eq!((alive(&world), world.engine().runs_of(WEB).len()), (old, 1));
    let shop = application_of(&node, "shop").unwrap();
    assert!(shop.settled && shop.state == Summary::Running, "{shop:?}");
    assert!(shop.conditions.iter().all(Condition::holds), "{shop:?}");
    let preview = node.apply(resources(&[&application("2")]), true).await.unwrap();
    let web = &preview.changes[0].services[0];
    assert_eq!((web.action, preview.steps.len()), (Action::Updated, 1), "{preview:?}");
    apply(&node, &[&application("2")]).await;
    until("it is replaced", || {
        (alive(&world).len() == 1 && world.engine().runs_of(WEB).len() == 2).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_at_most_so_many_at_once_and_init_services_come_first() {
    let world = World::new();
    let node = world.open().await;
    let sum = service("sum", "pp", "");
    let init = service("init", "pp", "");
    let job = format!(
        r#"{{"kind":"application","name":"shop","workload":"job","jobConfig":{{"completions":3,"parallelism":2}},
        "initServices":[{init}],"services":[{sum}]}}"#
    );
    apply(&node, &[&package("pp", "1"), &job]).await;
    let engine = world.engine();
    until("the init service runs alone", || {
        (engine.alive() == ["shop.init.1"]).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(engine.alive(), ["shop.init.1"]);
    engine.end("shop.init.1", code(0));
    until("two run", || {
        (engine.alive() == ["shop.sum.1", "shop.sum.2"]).then_some(())
    })
    .await;
    engine.end("shop.sum.1", code(0));
    until("the third runs", || {
        (engine.alive() == ["shop.sum.2", "shop.sum.3"]).then_some(())
    })
    .await;
    for instance in ["shop.sum.2", "shop.sum.3"] {
        engine.end(instance, code(0));
    }
    tokio::time::sleep(PAUSE).await;
    assert!(engine.alive().is_empty());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_hands_its_sockets_over_is_there_with_its_successor_where_the_engine_can_and_is_restarted_where_it_cannot()
{
    for hands_over in [true, false] {
        let world = watchful();
        world.engine().hands_over.store(hands_over, Ordering::SeqCst);
        let node = settled(&world, r#","update":{"strategy":"handover"}"#).await;
        let old = alive(&world);
        let warnings = service_of(&node, "shop", "web").unwrap().warnings;
        let lacks = warnings
            .iter()
            .any(|warning| warning.contains("cannot hand sockets over"));
        assert_eq!(lacks, !hands_over, "{warnings:?}");
        let mut events = node.events("app/shop/deployed").unwrap();
        apply(&node, &[&package("pp", "2")]).await;
        until("the new one is started", || {
            (world.engine().runs_of(WEB).len() == 2).then_some(())
        })
        .await;
        assert_eq!(alive(&world).contains(&old[0]), hands_over);
        events.next().await.unwrap();
        until("the new one runs alone", || {
            (alive(&world).len() == 1 && alive(&world) != old).then_some(())
        })
        .await;
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_in_a_handover_stops_nothing() {
    let world = watchful();
    world.engine().hands_over.store(true, Ordering::SeqCst);
    let node = settled(&world, r#","update":{"strategy":"handover"}"#).await;
    apply(&node, &[&package("pp", "2")]).await;
    until("both run", || (alive(&world).len() == 2).then_some(())).await;
    world.away().push("engine/1");
    come(&node, "arch");
    let mut events = node.events("app/shop/deployed").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(alive(&world).len(), 2);
    world.away().clear();
    come(&node, "arch");
    events.next().await.unwrap();
    until("the new one runs alone", || (alive(&world).len() == 1).then_some(())).await;
    node.shutdown().await;
}

/// What the disk took of the newest deployment.
fn outcome(node: &Node) -> (Outcome, u32) {
    let history = node.history("shop").unwrap();
    (history[0].outcome, history[0].attempts)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_on_disk_counts_all_the_same_and_is_kept_when_that_is_put_right() {
    let world = watchful();
    let node = settled(&world, r#","restart":{"policy":"no"}"#).await;
    let old = alive(&world);
    let mut events = node.events("app/shop/#").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    until("both run", || (alive(&world).len() == 2).then_some(())).await;
    let (file, aside) = (world.path("data/state/history/shop.json"), world.path("aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir_all(file.join("in-the-way")).unwrap();
    for nth in 2..=3 {
        fail(&world, nth).await;
        told(&mut events, "app/shop/takenback").await;
    }
    assert_eq!(told(&mut events, "app/shop/rolledback").await["attempts"], 2);
    tokio::time::sleep(100 * PAUSE).await;
    assert_eq!((alive(&world), world.engine().runs_of(WEB).len()), (old, 3));
    assert_eq!(outcome(&node), (Outcome::Pending, 0));
    fs::remove_dir_all(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    until("it is kept", || (outcome(&node) == (Outcome::Failed, 2)).then_some(())).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_good_and_cannot_be_kept_runs_and_is_kept_when_the_disk_is_put_right() {
    let world = watchful();
    let node = settled(&world, "").await;
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&package("pp", "2")]).await;
    until("both run", || (alive(&world).len() == 2).then_some(())).await;
    let (file, aside) = (world.path("data/state/history/shop.json"), world.path("aside"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir_all(file.join("in-the-way")).unwrap();
    tokio::time::sleep(10 * PAUSE).await;
    assert_eq!((outcome(&node).0, alive(&world).len()), (Outcome::Pending, 1));
    fs::remove_dir_all(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    assert_eq!(events.next().await.unwrap().data["revision"], 2);
    assert_eq!(outcome(&node).0, Outcome::Good);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_something_of_this_machine_loses_no_attempt_and_is_tried_until_that_is_there() {
    let mut world = watchful();
    world.updates.deadline = Duration::from_secs(20);
    let node = settled(&world, r#","update":{"strategy":"restart"}"#).await;
    let held = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let mut events = node.events("app/shop/#").unwrap();
    let more = format!(r#","update":{{"strategy":"restart"}},"ports":[{{"containerPort":{port},"hostPort":{port}}}]"#);
    apply(&node, &[&shop(&more)]).await;
    for _ in 0..4 {
        let data = told(&mut events, "app/shop/takenback").await;
        assert_eq!(data["attempts"], 0, "{data}");
        assert!(data["reason"].as_str().unwrap().contains(&port.to_string()), "{data}");
        until("the old version runs", || (alive(&world).len() == 1).then_some(())).await;
    }
    assert_eq!(outcome(&node), (Outcome::Pending, 0));
    drop(held);
    until("it is good", || (outcome(&node).0 == Outcome::Good).then_some(())).await;
    node.shutdown().await;
}

/// On a clock that goes by itself: a paused one waits for the thread that writes what never comes.
#[tokio::test]
async fn what_is_fetched_for_a_version_that_nobody_wants_any_more_is_given_up() {
    let world = World::new();
    let node = settled(&world, "").await;
    let version = |place: &str| {
        let object = format!(r#"{{"url":"test://h/{place}/run.sh"}}"#);
        package_of("pp", &[("run.sh-linux-test", &object)])
    };
    let files = &world.plugins.files;
    files.hangs.lock().unwrap().push("test://h/2/run.sh".into());
    world.serve("test://h/3/run.sh", "#!/bin/sh");
    apply(&node, &[&version("2")]).await;
    until("it hangs", || (Arc::strong_count(&files.hanging) > 1).then_some(())).await;
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&version("3")]).await;
    until("it is given up", || {
        (Arc::strong_count(&files.hanging) == 1).then_some(())
    })
    .await;
    assert_eq!(events.next().await.unwrap().data["revision"], 3);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_otherwise_must_prove_itself_anew_and_else_is_asked_as_before() {
    let mut world = watchful();
    world.updates.deadline = Duration::from_secs(20);
    let asked =
        |command: &str| format!(r#","readinessProbe":{{"exec":{{"command":["{command}"]}},"periodSeconds":1}}"#);
    for (command, code) in [("well", 0), ("ill", 1)] {
        world.engine().commands.lock().unwrap().insert(command.into(), code);
    }
    let node = settled(&world, &asked("well")).await;
    let mut events = node.events("app/shop/+").unwrap();
    apply(&node, &[&shop(&asked("ill"))]).await;
    until("it is not ready", || {
        let web = service_of(&node, "shop", "web")?;
        web.instances
            .iter()
            .all(|one| one.fitness == Some(Fitness::Started))
            .then_some(())
    })
    .await;
    assert_eq!(told(&mut events, "app/shop/takenback").await["attempts"], 1);
    until("it is asked as before", || {
        let web = service_of(&node, "shop", "web")?;
        web.instances
            .iter()
            .all(|one| one.fitness >= Some(Fitness::Ready))
            .then_some(())
    })
    .await;
    let reason = told(&mut events, "app/shop/rolledback").await["reason"].to_string();
    assert!(reason.contains("shop.web.1"), "{reason}");
    assert_eq!(
        world.engine().runs_of("shop.web.1").len(),
        1,
        "nothing was started for it"
    );
    let mut good = node.events("app/shop/deployed").unwrap();
    apply(&node, &[&shop(&asked("well"))]).await;
    good.next().await.unwrap();
    node.shutdown().await;
}
