//! Changes of the desired state as a whole: what they would do, only what is given, going back, trying again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is test code")]

mod world;

use std::time::Duration;

use aerolith_model::ResourceKind;
use aerolith_node::{Action, ChangeError, Outcome, Phase, RetryError};
use aerolith_plugin_wire::engine::Exit;
use world::*;

fn shop(more: &str) -> String {
    application("shop", &service("web", "pp", more))
}

fn names(node: &aerolith_node::Node, kind: ResourceKind) -> Vec<String> {
    node.list(kind)
        .iter()
        .map(|resource| resource.name().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_would_become_of_each_service_and_changes_nothing() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    let other = shop(r#","replica":2,"args":["-v"]"#);
    let planned = node
        .apply(resources(&[&package("pp", "2"), &other]), true)
        .await
        .unwrap();
    let web = &planned.changes[0].services[0];
    assert_eq!(
        (planned.changes[0].action, web.action, web.replicas),
        (Action::Updated, Action::Updated, (1, 2))
    );
    assert_eq!(web.changes, ["args", "replica", "package pp: run.sh"]);
    assert_eq!((planned.revision, node.status().revision), (1, 1));
    assert_eq!(instance_of(&node, "shop.web.1").unwrap().pid, before.pid);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_is_given_is_left_in_one_revision_and_what_is_still_needed_is_guarded() {
    let world = World::new();
    let node = world.open().await;
    let secret = r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#;
    let other = application("other", &service("job", "pp", ""));
    apply(
        &node,
        &[&package("pp", "1"), &package("unused", "1"), secret, &shop(""), &other],
    )
    .await;
    running(&node, "other.job.1").await;
    let shop = shop("");
    let refused = node.replace(resources(&[&shop]), false).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("configuration/pp is used by application `shop`"),
        "{refused}"
    );
    let given = [package("pp", "1"), shop];
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let planned = node.replace(resources(&given), true).await.unwrap();
    let told: Vec<_> = planned
        .resources
        .iter()
        .map(|change| (change.resource.to_string(), change.action))
        .collect();
    let gone = ["application/other", "configuration/unused", "secret/cert"];
    assert_eq!(told, gone.map(|name| (name.to_owned(), Action::Removed)));
    assert_eq!(planned.changes[0].services[0].action, Action::Removed);
    assert_eq!(node.list(ResourceKind::Application).len(), 2);
    let done = node.replace(resources(&given), false).await.unwrap();
    assert_eq!((done.revision, &done.resources), (2, &planned.resources));
    assert_eq!(names(&node, ResourceKind::Application), ["shop"]);
    assert_eq!(names(&node, ResourceKind::Configuration), ["pp"]);
    assert!(names(&node, ResourceKind::Secret).is_empty());
    until("the other is gone", || {
        application_of(&node, "other").is_none().then_some(())
    })
    .await;
    running(&node, "shop.web.1").await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_earlier_deployment_is_put_back_in_force_as_a_new_revision() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    apply(&node, &[&package("pp", "2")]).await;
    let history = node.history("shop").unwrap();
    let changed: Vec<String> = history[0].changed.iter().map(ToString::to_string).collect();
    assert_eq!(
        (history.len(), history[0].revision, changed),
        (2, 2, vec!["configuration/pp".to_owned()])
    );
    let back = node.rollback("shop", Some(1)).await.unwrap();
    assert_eq!((back.revision, back.applications), (3, vec!["shop".to_owned()]));
    let pp = node.get(ResourceKind::Configuration, "pp").unwrap();
    assert_eq!(pp, resources(&[&package("pp", "1")])[0]);
    assert_eq!(node.history("shop").unwrap()[0].revision, 3);
    let none = node.rollback("shop", Some(9)).await.unwrap_err();
    assert!(
        matches!(none, ChangeError::Rollback(_)) && none.to_string().contains("3, 2, 1"),
        "{none}"
    );
    assert!(matches!(
        node.rollback("none", None).await,
        Err(ChangeError::Rollback(_))
    ));
    assert_eq!(node.history("none"), None);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_and_an_apply_go_on_though_nobody_waits_for_their_end() {
    let world = World::new();
    let node = world.open().await;
    let shop = shop(r#","restart":{"policy":"no"}"#);
    apply(&node, &[&package("pp", "1"), &shop]).await;
    running(&node, "shop.web.1").await;
    world.engine().end("shop.web.1", code(1));
    phase(&node, "shop.web.1", Phase::Failed).await;
    tokio::select! {
        biased;
        _ = node.retry("shop") => {}
        () = std::future::ready(()) => {}
    }
    running(&node, "shop.web.1").await;
    tokio::select! {
        biased;
        _ = node.apply(resources(&[&package("pp", "2")]), false) => {}
        () = std::future::ready(()) => {}
    }
    until("the new one is started", || {
        (world.engine().runs_of("shop.web.1").len() == 3).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_good_is_tried_again_when_somebody_asks_or_changes_it_and_not_by_the_same_content() {
    let world = World::new();
    let node = world.open().await;
    let changed = shop(r#","restart":{"policy":"no"},"update":{"window":"1s"}"#);
    let shop = shop(r#","restart":{"policy":"no"}"#);
    apply(&node, &[&package("pp", "1"), &shop]).await;
    running(&node, "shop.web.1").await;
    assert!(!node.retry("shop").await.unwrap(), "nothing has failed");
    for round in 0..3_usize {
        let exit = Exit {
            code: Some(1),
            ..Exit::default()
        };
        world.engine().end("shop.web.1", exit);
        until("it failed", || {
            instance_of(&node, "shop.web.1").filter(|web| web.state == Phase::Failed)
        })
        .await;
        let same = node.apply(resources(&[&shop]), false).await.unwrap();
        assert_eq!((same.revision, &*same.failed), (1, &["shop".to_owned()][..]));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(instance_of(&node, "shop.web.1").unwrap().state, Phase::Failed);
        let deployed = &node.status().applications[0].conditions[0];
        assert!(
            deployed.message.ends_with("; `aerolith retry shop` tries it again"),
            "{deployed:?}"
        );
        match round {
            0 => assert!(node.retry("shop").await.unwrap()),
            1 => assert!(node.retry("shop.web.1").await.unwrap()),
            _ => apply(&node, &[&changed]).await,
        }
        until("it runs anew", || {
            (world.engine().runs_of("shop.web.1").len() == round + 2).then_some(())
        })
        .await;
        running(&node, "shop.web.1").await;
    }
    assert_eq!(node.status().revision, 2);
    assert!(matches!(node.retry("none").await, Err(RetryError::NotFound(_))));
    assert_ne!(node.history("shop").unwrap()[0].outcome, Outcome::Failed);
    node.shutdown().await;
}
