//! What happens when instances end, when the daemon dies, and when files are damaged.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::time::Duration;

use aerolith_model::ResourceKind;
use aerolith_node::{Phase, Reason, Summary};
use aerolith_plugin_wire::engine::{Engine, Exit, Handle};
use aerolith_plugin_wire::{Code, Error};
use tokio::time::Instant;
use world::*;

const WEB: &str = "shop.web.1";

async fn shop(world: &World, policy: &str) -> aerolith_node::Node {
    let node = world.open().await;
    let web = service("web", "pp", &format!(r#","restart":{{"policy":"{policy}"}}"#));
    apply(&node, &[&package("pp", "1"), &application("shop", &web)]).await;
    running(&node, "shop.web.1").await;
    node
}

/// Rewrites the record that a daemon left, as one that died elsewhere would have left it.
fn rewrite(world: &World, change: impl FnOnce(&mut serde_json::Value)) {
    let mut record = serde_json::from_slice(&fs::read(world.record(WEB)).unwrap()).unwrap();
    change(&mut record);
    fs::write(world.record(WEB), serde_json::to_vec(&record).unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn on_failure_a_success_is_not_restarted_and_a_failure_is() {
    let world = World::new();
    let node = shop(&world, "on-failure").await;
    let first = running(&node, "shop.web.1").await;
    world.engine().end("shop.web.1", code(1));
    let second = until("it is restarted", || {
        instance_of(&node, "shop.web.1").filter(|i| i.pid.is_some() && i.pid != first.pid)
    })
    .await;
    assert_eq!((second.restarts, second.exit), (1, Some(code(1))));
    let runs = world.engine().runs_of("shop.web.1");
    assert_ne!(runs[0].workload.token, runs[1].workload.token);
    world.engine().end("shop.web.1", code(0));
    let done = phase(&node, "shop.web.1", Phase::Completed).await;
    assert_eq!((done.reason.as_str(), done.pid), ("ended with code 0", None));
    let node = world.crash_and_open(node).await;
    until("the state is read", || (node.status().revision == 1).then_some(())).await;
    assert_eq!(phase(&node, "shop.web.1", Phase::Completed).await.restarts, 1);
    assert_eq!(
        world.engine().runs_of("shop.web.1").len(),
        2,
        "a daemon that comes back does not run it again"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn how_a_job_ended_is_on_record_before_its_engine_forgets_it() {
    let world = World::new();
    let node = shop(&world, "on-failure").await;
    *world.engine().removes_in_silence.lock().unwrap() = true;
    world.engine().end("shop.web.1", code(0));
    let removed = || world.engine().removed.lock().unwrap().len();
    until("the engine forgets it", || (removed() == 1).then_some(())).await;
    world.crash(node).await;
    *world.engine().removes_in_silence.lock().unwrap() = false;
    let node = world.open().await;
    let done = phase(&node, "shop.web.1", Phase::Completed).await;
    assert_eq!((done.reason.as_str(), done.exit), ("ended with code 0", Some(code(0))));
    until("what it left is removed once more", || (removed() == 2).then_some(())).await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1, "it is not run again");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn always_restarts_a_success_and_no_restarts_nothing() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.engine().end("shop.web.1", code(0));
    until("it is restarted", || {
        (world.engine().runs_of("shop.web.1").len() == 2).then_some(())
    })
    .await;
    node.shutdown().await;
    let world = World::new();
    let node = shop(&world, "no").await;
    world.engine().end(
        "shop.web.1",
        Exit {
            signal: Some(9),
            ..Exit::default()
        },
    );
    assert_eq!(
        phase(&node, "shop.web.1", Phase::Failed).await.reason,
        "ended by signal 9"
    );
    assert_eq!(application_of(&node, "shop").unwrap().state, Summary::Failed);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_working_folder_is_kept_over_a_restart_and_fresh_after_a_change() {
    let world = World::new();
    let node = shop(&world, "always").await;
    let written = world.home(WEB).join("written");
    fs::write(&written, "by the program").unwrap();
    world.engine().end("shop.web.1", code(1));
    until("it is restarted", || {
        (world.engine().runs_of("shop.web.1").len() == 2).then_some(())
    })
    .await;
    assert!(written.exists());
    apply(&node, &[&package("pp", "2")]).await;
    until("it is replaced", || {
        (world.engine().runs_of("shop.web.1").len() == 3).then_some(())
    })
    .await;
    assert!(!written.exists());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_comes_back_adopts_what_runs() {
    let world = World::new();
    let node = shop(&world, "always").await;
    let before = running(&node, "shop.web.1").await;
    world.crash(node).await;
    assert_eq!(
        world.engine().alive(),
        ["shop.web.1"],
        "the application outlives the daemon"
    );
    let node = world.open().await;
    let after = running(&node, "shop.web.1").await;
    assert_eq!(
        (after.pid, after.restarts, &after.fingerprint),
        (before.pid, 0, &before.fingerprint)
    );
    until("the state is read", || (node.status().revision == 1).then_some(())).await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    assert!(world.engine().stops.lock().unwrap().is_empty());
    world.engine().end("shop.web.1", code(1));
    until("it is supervised on", || {
        (world.engine().runs_of("shop.web.1").len() == 2).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_without_a_handle_is_found_by_its_token() {
    let world = World::new();
    let node = shop(&world, "always").await;
    let before = running(&node, "shop.web.1").await;
    world.crash(node).await;
    rewrite(&world, |record| record["life"] = "intended".into());
    let node = world.open().await;
    assert_eq!(running(&node, "shop.web.1").await.pid, before.pid);
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_came_to_nothing_is_started_once() {
    let world = World::new();
    let node = shop(&world, "no").await;
    world.crash(node).await;
    world.engine().runs.lock().unwrap().clear();
    rewrite(&world, |record| record["life"] = "intended".into());
    let node = world.open().await;
    assert_eq!(running(&node, "shop.web.1").await.restarts, 0);
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_start_that_came_to_nothing_is_planned_again_by_the_next_daemon() {
    let world = World::new();
    let stranger = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let web = service("web", "pp", &format!(r#","ports":[{{"containerPort":{port}}}]"#));
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &application("shop", &web)]).await;
    until("it waits for its port", || {
        instance_of(&node, WEB).filter(|web| web.reason.contains("is held by"))
    })
    .await;
    until("that is on record", || world.record(WEB).exists().then_some(())).await;
    world.crash(node).await;
    drop(stranger);
    assert!(!world.home(WEB).exists());
    let node = world.open().await;
    running(&node, WEB).await;
    assert!(world.home(WEB).is_dir(), "it is started in a folder");
    node.shutdown().await;
}

/// A shop whose daemon died in a start that only its token names, after the first process of it had ended. Answers the
/// handle by which the rest of it is removed.
async fn half_started(world: &World) -> Handle {
    let node = shop(world, "always").await;
    let token = world.engine().runs_of("shop.web.1")[0].workload.token.clone();
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    rewrite(world, |record| record["life"] = "intended".into());
    let (instance, state) = ("shop.web.1".into(), serde_json::Value::Null);
    Handle { instance, token, state }
}

#[tokio::test(start_paused = true)]
async fn what_an_intent_left_is_removed_by_its_old_token_before_a_new_start() {
    let world = World::new();
    let remains = half_started(&world).await;
    world.engine().refuse("remove", Error::io("the kernel is busy"));
    let node = world.open().await;
    until("removing fails", || {
        instance_of(&node, "shop.web.1").filter(|i| i.reason.contains("kernel is busy"))
    })
    .await;
    assert_eq!(
        world.engine().runs_of("shop.web.1").len(),
        1,
        "nothing is started beside it"
    );
    world.engine().obey();
    running(&node, "shop.web.1").await;
    let removed = world.engine().removed.lock().unwrap().clone();
    assert!(removed.len() >= 2 && removed.iter().all(|seen| *seen == (remains.clone(), 1)));
    let runs = world.engine().runs_of("shop.web.1");
    assert_eq!(runs.len(), 2);
    assert_ne!(runs[1].workload.token, remains.token);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_intent_left_is_removed_before_a_stopped_instance_is_forgotten() {
    let world = World::new();
    let remains = half_started(&world).await;
    world.engine().refuse("remove", Error::io("the kernel is busy"));
    let node = world.open().await;
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("stopping fails", || {
        instance_of(&node, "shop.web.1").filter(|i| i.state == Phase::Stopping && i.reason.contains("kernel is busy"))
    })
    .await;
    assert!(
        world.record(WEB).exists(),
        "it is not forgotten while something of it is left"
    );
    world.engine().removed.lock().unwrap().clear();
    world.engine().obey();
    until("it is forgotten", || (!world.record(WEB).exists()).then_some(())).await;
    assert_eq!(*world.engine().removed.lock().unwrap(), [(remains, 1)]);
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_died_while_nobody_looked_counts_as_a_failure() {
    for (policy, runs) in [("on-failure", 2), ("no", 1)] {
        let world = World::new();
        let node = shop(&world, policy).await;
        world.crash(node).await;
        world.engine().end("shop.web.1", code(0));
        world.engine().forget("shop.web.1");
        let node = world.open().await;
        match runs {
            2 => assert_eq!(running(&node, "shop.web.1").await.restarts, 1),
            _ => assert!(
                phase(&node, "shop.web.1", Phase::Failed)
                    .await
                    .reason
                    .contains("nobody saw")
            ),
        }
        assert_eq!(world.engine().runs_of("shop.web.1").len(), runs);
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn how_it_ended_while_the_node_was_away_is_known_where_the_engine_was_not_away() {
    let world = World::new();
    let node = shop(&world, "on-failure").await;
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    let node = world.open().await;
    let ended = phase(&node, "shop.web.1", Phase::Completed).await;
    assert_eq!((ended.restarts, ended.exit.unwrap().code), (0, Some(0)));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_boot_everything_is_started_anew_in_fresh_folders() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    fs::remove_dir_all(world.path("run")).unwrap();
    let stale = world.home(WEB).join("stale");
    fs::write(&stale, "").unwrap();
    let node = world.open().await;
    assert_eq!(running(&node, "shop.web.1").await.restarts, 0);
    assert!(!stale.exists());
    assert_eq!(
        world.engine().prepared.lock().unwrap().len(),
        1,
        "what is prepared stays prepared"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_torn_record_and_leftovers_are_set_aside_and_the_instance_is_started() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    fs::write(world.record(WEB), "{\"id\":\"sho").unwrap();
    fs::write(world.path("run/instances/~3"), "{").unwrap();
    let node = world.open().await;
    running(&node, "shop.web.1").await;
    assert!(world.of_run("run/instances/damaged", WEB).exists());
    assert!(!world.path("run/instances/~3").exists());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_laid_out_for_an_instance_is_said_of_its_service() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/model.bin", "weights");
    let conf = r#"{"kind":"configuration","name":"conf","data":{"net":{"url":"test://h/model.bin"}}}"#;
    let mounted = r#"{"kind":"application","name":"shop","services":[{"name":"web","programConfig":"pp",
        "volumeMounts":[{"name":"conf","mountPath":"/net","subPath":"net"}]}],
        "volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
    apply(&node, &[&package("pp", "1"), conf, mounted]).await;
    running(&node, "shop.web.1").await;
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    fs::remove_dir_all(world.path("run")).unwrap();
    let version = fs::read_dir(world.path("data/apps/shop/web")).unwrap().next().unwrap();
    let file = version.unwrap().path().join("prepared.json");
    let mut prepared: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let volumes = std::mem::take(&mut prepared["volumes"]);
    prepared["volumes"] = serde_json::json!({});
    assert_ne!(volumes, prepared["volumes"]);
    fs::write(&file, prepared.to_string()).unwrap();
    let node = world.open().await;
    let web = until("it says why", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)
    })
    .await;
    assert!(web.reason.contains("subPath `net`"), "{}", web.reason);
    assert_eq!(web.conditions[0].reason, Reason::PreparationFailed);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn half_prepared_versions_are_removed_and_prepared_again() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    world.engine().end("shop.web.1", code(0));
    fs::remove_dir_all(world.path("run")).unwrap();
    let version = fs::read_dir(world.path("data/apps/shop/web"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::remove_file(version.join("prepared.json")).unwrap();
    fs::write(version.join("tree/run.sh"), "torn").unwrap();
    let node = world.open().await;
    running(&node, "shop.web.1").await;
    assert_eq!(
        fs::read_to_string(version.join("tree/run.sh")).unwrap(),
        "#!/bin/sh\necho 1\n"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_its_engine_nothing_is_started_twice_and_with_it_everything_is_adopted() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    world.away().push("engine/1");
    let node = world.open().await;
    let waiting = until("it is looked for", || {
        instance_of(&node, "shop.web.1").filter(|i| i.state == Phase::Recovering && i.reason.contains("engine"))
    })
    .await;
    assert!(waiting.reason.contains("`process`"), "{}", waiting.reason);
    world.away().clear();
    running(&node, "shop.web.1").await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_supervision_panics_is_taken_up_from_its_record() {
    let world = World::new();
    let node = world.open().await;
    let panic = || Error::new(Code::Panic, "as scripted");
    world.engine().refuse("status", panic());
    let mut adopted = node.events("instance/+/adopted").unwrap();
    let web = service("web", "pp", "");
    apply(&node, &[&package("pp", "1"), &application("shop", &web)]).await;
    adopted.next().await.unwrap();
    let found = running(&node, WEB).await;
    let runs = world.engine().runs_of(WEB);
    assert_eq!(
        (found.pid, runs.len()),
        (Some(runs[0].pid), 1),
        "it is not started beside itself"
    );
    world.engine().end(WEB, code(1));
    until("it is supervised on", || {
        (world.engine().runs_of(WEB).len() == 2).then_some(())
    })
    .await;
    running(&node, WEB).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_replaced_under_a_wait_ends_nothing() {
    let world = World::new();
    let node = shop(&world, "always").await;
    let before = running(&node, "shop.web.1").await;
    let mut events = node.events("instance/+/adopted").unwrap();
    world.engine().lost.send_modify(|times| *times += 1);
    events.next().await.unwrap();
    let after = running(&node, "shop.web.1").await;
    assert_eq!((after.pid, after.restarts), (before.pid, 0));
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_found_by_its_token() {
    let world = World::new();
    world
        .engine()
        .refuse("started", Error::new(Code::Timeout, "no answer in 10 s"));
    let node = world.open().await;
    apply(
        &node,
        &[&package("pp", "1"), &application("shop", &service("web", "pp", ""))],
    )
    .await;
    running(&node, "shop.web.1").await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_before_the_engine_has_stopped_it() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.engine().refuse("stop", Error::io("the kernel is busy"));
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("stopping fails", || {
        instance_of(&node, "shop.web.1").filter(|i| i.state == Phase::Stopping && i.reason.contains("kernel is busy"))
    })
    .await;
    assert!(world.record(WEB).exists() && world.path("data/apps/shop").exists());
    let node = world.crash_and_open(node).await;
    world.engine().obey();
    until("it is stopped", || world.engine().alive().is_empty().then_some(())).await;
    until("it is forgotten", || {
        (!world.record(WEB).exists() && application_of(&node, "shop").is_none()).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_being_stopped_goes_on_as_soon_as_its_engine_is_back() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.away().push("engine/1");
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("it waits for its engine", || {
        instance_of(&node, WEB).filter(|web| web.state == Phase::Stopping && web.conditions[0].next_try_ms.is_some())
    })
    .await;
    // By now it waits for a minute between two tries.
    tokio::time::sleep(Duration::from_secs(300)).await;
    world.away().clear();
    let began = Instant::now();
    come(&node, "engine");
    until("it is stopped", || world.engine().alive().is_empty().then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_application_whose_description_is_damaged_is_held_as_it_runs() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    let file = world.path("data/state/application/shop@1.json");
    fs::write(&file, "{").unwrap();
    let node = world.open().await;
    let held = until("it is held", || {
        application_of(&node, "shop").filter(|a| a.state == Summary::Held)
    })
    .await;
    assert!(held.reason.contains("damaged/shop@1.json"), "{}", held.reason);
    running(&node, "shop.web.1").await;
    apply(
        &node,
        &[
            &package("other", "1"),
            &application("more", &service("web", "other", "")),
        ],
    )
    .await;
    running(&node, "more.web.1").await;
    assert_eq!(world.engine().alive(), ["more.web.1", "shop.web.1"]);
    assert_eq!(node.status().damaged.len(), 1);
    apply(
        &node,
        &[&application(
            "shop",
            &service("web", "pp", r#","restart":{"policy":"always"}"#),
        )],
    )
    .await;
    until("it is held no more", || {
        (node.status().damaged.is_empty()).then_some(())
    })
    .await;
    running(&node, "shop.web.1").await;
    assert_eq!(
        world.engine().runs_of("shop.web.1").len(),
        1,
        "its description is the same, so it runs on"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_package_holds_its_users_and_nobody_else() {
    let world = World::new();
    let node = shop(&world, "always").await;
    world.crash(node).await;
    fs::remove_file(world.path("data/state/configuration/pp@1.json")).unwrap();
    let node = world.open().await;
    let held = until("it is held", || {
        application_of(&node, "shop").filter(|a| a.state == Summary::Held)
    })
    .await;
    assert!(held.reason.contains("`pp`"), "{}", held.reason);
    assert_eq!(running(&node, "shop.web.1").await.restarts, 0);
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_node_on_one_folder_is_refused_by_the_firsts_pid() {
    let world = World::new();
    let node = world.open().await;
    let error = world.foundation().unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    node.shutdown().await;
    drop(node);
    world.open().await.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_comes_is_used_at_once() {
    let world = World::new();
    world.away().extend(["engine/1", "arch/1"]);
    let node = world.open().await;
    world.serve("test://h/run.sh", "#!/bin/sh\n");
    let pp = package_of("pp", &[("x-linux-test", r#"{"url":"test://h/run.sh"}"#)]);
    apply(&node, &[&pp, &application("shop", &service("web", "pp", ""))]).await;
    until("its want is said", || {
        service_of(&node, "shop", "web").filter(|web| web.reason.contains("arch/1"))
    })
    .await;
    world.away().clear();
    come(&node, "arch");
    running(&node, "shop.web.1").await;
    node.shutdown().await;
}

#[tokio::test]
async fn the_scripted_engine_keeps_to_the_rules_of_a_real_one() {
    let world = World::new();
    let missing = Handle {
        token: "none".into(),
        ..Handle::default()
    };
    assert_eq!(world.engine().wait(missing).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_a_fault_ends_is_told_of_and_instances_run_on() {
    let world = World::new();
    let node = world.open().await;
    apply(
        &node,
        &[&package("pp", "1"), &application("shop", &service("web", "pp", ""))],
    )
    .await;
    running(&node, "shop.web.1").await;
    world.plugins.tears.store(true, std::sync::atomic::Ordering::SeqCst);
    come(&node, "arch");
    let why = node.fallen().await;
    assert!(why.contains("panicked") && why.contains("as tested"), "{why}");
    world.plugins.tears.store(false, std::sync::atomic::Ordering::SeqCst);
    let node = world.crash_and_open(node).await;
    running(&node, "shop.web.1").await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}
