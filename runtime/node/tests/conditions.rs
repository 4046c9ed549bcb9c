//! Conditions: what is so, why, and since when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is test code")]

mod world;

use aerolith_node::{Aspect, Condition, Node, Outcome, Phase, Reason, Summary, Truth};
use aerolith_plugin_wire::Error;
use aerolith_plugin_wire::engine::Exit;
use world::*;

fn of(conditions: &[Condition], aspect: Aspect) -> Condition {
    conditions
        .iter()
        .find(|condition| condition.aspect == aspect)
        .unwrap()
        .clone()
}

fn of_application(node: &Node, aspect: Aspect) -> Condition {
    of(&application_of(node, "shop").unwrap().conditions, aspect)
}

/// Waits until a condition of the application has this reason.
async fn application_is(node: &Node, aspect: Aspect, reason: Reason) -> Condition {
    until(&format!("{aspect:?} is {reason:?}"), || {
        let shop = application_of(node, "shop")?;
        Some(of(&shop.conditions, aspect)).filter(|condition| condition.reason == reason)
    })
    .await
}

fn shop(more: &str) -> String {
    application("shop", &service("web", "pp", more))
}

fn fetched(url: &str) -> String {
    package_of("pp", &[("run-linux-test.sh", &format!(r#"{{"url":"{url}"}}"#))])
}

#[tokio::test(start_paused = true)]
async fn what_runs_well_is_so_at_every_level() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    let deployed = application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    assert!(deployed.holds() && deployed.since_ms > 0);
    assert_eq!(of_application(&node, Aspect::Available).reason, Reason::Available);
    let web = service_of(&node, "shop", "web").unwrap();
    assert!(web.conditions.iter().all(Condition::holds), "{:?}", web.conditions);
    let healthy = || {
        let instance = instance_of(&node, "shop.web.1")?;
        of(&instance.conditions, Aspect::Healthy).holds().then_some(instance)
    };
    let instance = &until("it is healthy", healthy).await.conditions;
    for aspect in [Aspect::Running, Aspect::Ready, Aspect::Healthy] {
        assert!(of(instance, aspect).holds(), "{aspect:?}");
    }
    let status = node.status();
    for aspect in [Aspect::StateWhole, Aspect::DiskWritable] {
        assert!(of(&status.conditions, aspect).holds(), "{aspect:?}");
    }
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_of_which_no_instance_is_wanted_keeps_its_application_from_nothing() {
    let world = World::new();
    let node = world.open().await;
    let none = service("none", "pp", r#","replica":0"#);
    let both = application("shop", &format!("{},{none}", service("web", "pp", "")));
    apply(&node, &[&package("pp", "1"), &both]).await;
    application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    let none = service_of(&node, "shop", "none").unwrap().conditions;
    for aspect in [Aspect::Prepared, Aspect::Available] {
        assert_eq!(of(&none, aspect).reason, Reason::NoneWanted);
    }
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_trouble_of_an_update_is_not_said_of_the_old_version_that_runs_on() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    apply(&node, &[&fetched("test:absent")]).await;
    let deployed = application_is(&node, Aspect::Deployed, Reason::PreparationFailed).await;
    assert!(
        deployed.status == Truth::False && deployed.message.contains("404"),
        "{deployed:?}"
    );
    assert!(deployed.next_try_ms.unwrap() > deployed.since_ms);
    assert!(of_application(&node, Aspect::Available).holds());
    let now = instance_of(&node, "shop.web.1").unwrap();
    assert_eq!(
        (now.pid, now.state, now.reason.as_str()),
        (before.pid, Phase::Running, "")
    );
    assert!(of(&now.conditions, Aspect::Ready).holds());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_condition_keeps_its_date_from_try_to_try_and_gets_a_new_one_with_a_new_reason() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&fetched("test:absent"), &shop("")]).await;
    let first = application_is(&node, Aspect::Available, Reason::PreparationFailed).await;
    until("it was tried again", || (world.fetched().len() > 2).then_some(())).await;
    let later = application_is(&node, Aspect::Available, Reason::PreparationFailed).await;
    assert!(later.next_try_ms > first.next_try_ms, "{first:?} {later:?}");
    assert_eq!(later.since_ms, first.since_ms);
    apply(&node, &[&package("pp", "1")]).await;
    let well = application_is(&node, Aspect::Available, Reason::Available).await;
    assert!(well.since_ms >= first.since_ms && well.next_try_ms.is_none());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_says_for_what() {
    let world = World::new();
    let node = world.open().await;
    world
        .engine()
        .refuse("start", Error::new(aerolith_plugin_wire::Code::Internal, "no room"));
    let services = format!(
        "{},{},{}",
        service("none", "pp", r#","replica":0"#),
        service("db", "pp", ""),
        service("web", "pp", r#","dependsOn":["db","none"]"#)
    );
    apply(&node, &[&package("pp", "1"), &application("shop", &services)]).await;
    let web = until("web waits and says why", || {
        let web = service_of(&node, "shop", "web").filter(|web| web.state == Summary::Waiting)?;
        web.reason.contains("no room").then_some(web)
    })
    .await;
    let available = of(&web.conditions, Aspect::Available);
    assert_eq!((available.reason, &available.message), (Reason::Waiting, &web.reason));
    assert!(
        web.reason.starts_with("starts when db is ready (0 of 1; shop.db.1: "),
        "{}",
        web.reason
    );
    assert!(
        !web.reason.contains("none"),
        "what is met is not waited for: {}",
        web.reason
    );
    let db = until("db is tried again", || {
        let db = service_of(&node, "shop", "db")?;
        let available = of(&db.conditions, Aspect::Available);
        available.next_try_ms.is_some().then_some(available)
    })
    .await;
    assert!(
        db.reason == Reason::Restarting && db.message.contains("no room"),
        "{db:?}"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_another_part_to_be_prepared_says_so_though_what_it_depends_on_is_ready() {
    let world = World::new();
    let node = world.open().await;
    let of = |replica: u32| {
        let more = format!(r#","dependsOn":["db"],"replica":{replica},"args":["{replica}"]"#);
        let services = [
            service("db", "pp", ""),
            service("web", "pp", &more),
            service("other", "qq", ""),
        ];
        application("shop", &services.join(","))
    };
    apply(&node, &[&package("pp", "1"), &package("qq", "1"), &of(1)]).await;
    running(&node, "shop.web.1").await;
    application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    let absent = package_of("qq", &[("run-linux-test.sh", r#"{"url":"test:absent"}"#)]);
    apply(&node, &[&absent, &of(2)]).await;
    let web = until("it says what it waits for", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Waiting)
    })
    .await;
    assert!(
        web.reason.starts_with("starts once other is prepared"),
        "{}",
        web.reason
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_in_the_place_of_an_update_is_available_whatever_the_update_asks_for() {
    let mut world = World::new();
    world.updates.window = std::time::Duration::from_secs(1);
    let node = world.open().await;
    let before = application(
        "shop",
        &format!("{},{}", service("web", "pp", ""), service("old", "pp", "")),
    );
    apply(&node, &[&package("pp", "1"), &before]).await;
    application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    let web = service("web", "qq", r#","replica":3,"restart":{"policy":"no"}"#);
    let after = application("shop", &format!("{web},{}", service("new", "pp", "")));
    let stands = || {
        assert!(of_application(&node, Aspect::Available).holds());
        let available = |name: &str| of(&service_of(&node, "shop", name).unwrap().conditions, Aspect::Available);
        assert_eq!(available("web").reason, Reason::Available);
        assert_eq!(available("old").reason, Reason::Available);
        assert_eq!(service_of(&node, "shop", "old").unwrap().state, Summary::Running);
        assert_eq!(available("new").reason, Reason::Waiting);
        available("new").message
    };
    let absent = package_of("qq", &[("run-linux-test.sh", r#"{"url":"test:absent"}"#)]);
    apply(&node, &[&absent, &after]).await;
    application_is(&node, Aspect::Deployed, Reason::PreparationFailed).await;
    assert!(stands().starts_with("starts once web is prepared"));
    apply(&node, &[&package("qq", "1")]).await;
    for runs in [1, 2] {
        let third = || (world.engine().runs_of("shop.web.3").len() == runs).then_some(());
        until("the new version is tried", third).await;
        world.engine().end("shop.web.3", code(7));
    }
    application_is(&node, Aspect::Deployed, Reason::RolledBack).await;
    until("the old version runs alone", || {
        (world.engine().alive() == ["shop.old.1", "shop.web.1"]).then_some(())
    })
    .await;
    assert!(stands().starts_with("starts once its application is tried again"));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ended_for_good_fails_its_application_and_not_the_node() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop(r#","restart":{"policy":"no"}"#)]).await;
    running(&node, "shop.web.1").await;
    let exit = Exit {
        code: Some(3),
        ..Exit::default()
    };
    world.engine().end("shop.web.1", exit);
    let failed = application_is(&node, Aspect::Available, Reason::Failed).await;
    assert!(
        failed
            .message
            .contains("web: 0 of 1 ready; shop.web.1: ended with code 3"),
        "{failed:?}"
    );
    assert!(node.status().conditions.iter().all(Condition::holds));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_planned_for_is_held_and_what_is_deleted_is_being_removed() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    world
        .engine()
        .refuse("stop", Error::new(aerolith_plugin_wire::Code::Internal, "busy"));
    node.delete(aerolith_model::ResourceKind::Application, "shop")
        .await
        .unwrap();
    let deployed = application_is(&node, Aspect::Deployed, Reason::Removing).await;
    assert_eq!(deployed.status, Truth::False);
    assert_eq!(application_of(&node, "shop").unwrap().state, Summary::Stopping);
    world.engine().obey();
    until("nothing is left", || {
        application_of(&node, "shop").is_none().then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_of_which_none_is_wanted_is_as_it_should_be_though_nothing_of_it_is_here() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&fetched("test:absent"), &shop(r#","replica":0"#)]).await;
    let deployed = application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    assert!(deployed.holds());
    let web = service_of(&node, "shop", "web").unwrap();
    assert!(web.conditions.iter().all(Condition::holds), "{:?}", web.conditions);
    assert_eq!(of(&web.conditions, Aspect::Prepared).reason, Reason::NoneWanted);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_first_deployment_that_is_given_up_has_failed_and_is_good_only_once_it_has_proven_itself() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop(r#","restart":{"policy":"no"}"#)]).await;
    for _ in 0..2 {
        running(&node, "shop.web.1").await;
        let trying = of_application(&node, Aspect::Deployed);
        assert_eq!(trying.reason, Reason::Progressing, "{trying:?}");
        assert_eq!(node.history("shop").unwrap()[0].outcome, Outcome::Pending);
        world.engine().end("shop.web.1", code(7));
        application_is(&node, Aspect::Deployed, Reason::Failed).await;
        let newest = node.history("shop").unwrap().remove(0);
        assert_eq!((newest.outcome, newest.attempts), (Outcome::Failed, 1));
        assert_eq!(newest.reason, "shop.web.1: ended with code 7");
        // By the name of its service, as by its own.
        assert!(node.retry("shop.web").await.unwrap());
    }
    application_is(&node, Aspect::Deployed, Reason::Deployed).await;
    assert_eq!(node.history("shop").unwrap()[0].outcome, Outcome::Good);
    node.shutdown().await;
}
