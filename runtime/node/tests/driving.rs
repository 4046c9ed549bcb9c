//! From an apply to what runs.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aerolith_model::ResourceKind;
use aerolith_node::{InstanceStatus, Phase, Summary};
use aerolith_plugin_wire::Error;
use world::*;

fn shop(more: &str) -> String {
    application("shop", &service("web", "pp", more))
}

/// What another start of an instance would change.
fn life(instance: &InstanceStatus) -> (Option<u32>, u64, u64, String) {
    let InstanceStatus {
        pid,
        since_ms,
        restarts,
        fingerprint,
        ..
    } = instance.clone();
    (pid, since_ms, restarts, fingerprint)
}

#[tokio::test(start_paused = true)]
async fn an_applied_application_runs_its_own_copy_of_its_package_in_its_own_folder() {
    let world = World::new();
    let node = world.open().await;
    let secret = r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#;
    let conf = r#"{"kind":"configuration","name":"conf","data":{"a.yml":"a: 1"}}"#;
    let application = r#"{"kind":"application","name":"shop","version":"7","services":[{"name":"web","programConfig":"pp",
        "replica":2,"args":["-x"],"env":[{"name":"UNIT","value":"C"}],"workingDir":"/srv","volumeMounts":[
        {"name":"cert","mountPath":"/etc/cert"},{"name":"conf","mountPath":"/etc/conf"}]}],
        "volumes":[{"name":"cert","secret":{"name":"cert"}},{"name":"conf","config":{"name":"conf"}}]}"#;
    apply(&node, &[&package("pp", "1"), secret, conf, application]).await;
    let first = running(&node, "shop.web.1").await;
    let second = running(&node, "shop.web.2").await;
    assert!(first.pid.is_some() && first.pid != second.pid);

    let runs = world.engine().runs.lock().unwrap().clone();
    let (one, two) = (&runs[0].workload, &runs[1].workload);
    assert_ne!(
        (&one.directory, &one.token, &one.output),
        (&two.directory, &two.token, &two.output)
    );
    let program = one.program.clone().unwrap();
    let run_sh = std::path::Path::new(&program.directory).join(&program.entry);
    assert_eq!(fs::metadata(&run_sh).unwrap().permissions().mode() & 0o777, 0o755);
    let home = std::path::Path::new(&one.directory).parent().unwrap();
    assert_eq!(std::path::Path::new(&one.directory), home.join("srv"));
    assert!(home.starts_with(world.path("data/instances")));
    assert!(home.join("srv").is_dir());
    assert_eq!(fs::read(home.join("etc/conf/a.yml")).unwrap(), b"a: 1");
    assert_eq!(
        fs::metadata(home.join("etc/cert/key")).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let set = |name: &str| one.environment[name].as_str();
    assert_eq!(
        (set("UNIT"), set("BAETYL_APP_VERSION"), set("OPENEDGE_NODE_NAME")),
        ("C", "7", "gate")
    );
    assert_eq!(one.arguments, ["-x"]);
    let status = application_of(&node, "shop").unwrap();
    assert_eq!((status.state, status.version.as_str()), (Summary::Running, "7"));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_change_is_left_alone_and_what_does_is_replaced() {
    let world = World::new();
    let node = world.open().await;
    let both = |arg: &str| {
        let arg = format!(r#","args":["{arg}"]"#);
        application(
            "shop",
            &format!("{},{}", service("web", "pp", ""), service("job", "pp", &arg)),
        )
    };
    apply(&node, &[&package("pp", "1"), &both("1")]).await;
    let (web, job) = (running(&node, "shop.web.1").await, running(&node, "shop.job.1").await);
    apply(&node, &[&package("pp", "1"), &both("1")]).await;
    assert_eq!(
        node.status().revision,
        1,
        "an apply that changes nothing is no revision"
    );
    apply(&node, &[&both("2")]).await;
    let now = until("the job is replaced", || {
        instance_of(&node, "shop.job.1").filter(|now| now.pid.is_some() && now.pid != job.pid)
    })
    .await;
    assert_ne!(now.fingerprint, job.fingerprint);
    assert_eq!(life(&instance_of(&node, "shop.web.1").unwrap()), life(&web));
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_package_replaces_its_users_and_an_object_for_another_machine_does_not() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/a/run.sh", "#!/bin/sh\n# 1");
    world.serve("test://h/b/run.sh", "#!/bin/sh\n# 2");
    let here = |place: &str| (format!(r#"{{"url":"test://h/{place}/run.sh"}}"#), "x-linux-test");
    let (first, second) = (here("a"), here("b"));
    apply(&node, &[&package_of("pp", &[(first.1, &first.0)]), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    let other = ("x-linux-other", r#"{"url":"test://h/none"}"#);
    apply(&node, &[&package_of("pp", &[(first.1, &first.0), other])]).await;
    until("the revision is in force", || {
        (node.status().revision == 2).then_some(())
    })
    .await;
    assert_eq!(running(&node, "shop.web.1").await, before);
    apply(&node, &[&package_of("pp", &[(second.1, &second.0), other])]).await;
    until("it is replaced", || {
        instance_of(&node, "shop.web.1").filter(|now| now.fingerprint != before.fingerprint)
    })
    .await;
    running(&node, "shop.web.1").await;
    let run = world
        .engine()
        .runs_of("shop.web.1")
        .pop()
        .unwrap()
        .workload
        .program
        .unwrap();
    assert_eq!(
        fs::read_to_string(std::path::Path::new(&run.directory).join(run.entry)).unwrap(),
        "#!/bin/sh\n# 2"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_preparation_that_fails_keeps_the_old_running_says_why_and_is_tried_again() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    let broken = |object: &str| package_of("pp", &[("run.sh-linux-test", object)]);
    let sha256 = "00".repeat(32);
    world.serve("test://h/x/run.sh", "login page");
    let cases = [
        (
            broken(r#"{"url":"test://h/gone"}"#),
            vec!["run.sh-linux-test", "test://h/gone", "404"],
        ),
        (
            broken(&format!(r#"{{"url":"test://h/x/run.sh","sha256":"{sha256}"}}"#)),
            vec!["sha256 mismatch", "login page"],
        ),
        (
            package_of("pp", &[("a-linux-mars", r#"{"url":"test://h/x"}"#)]),
            vec!["`pp`", "linux-test", "a-linux-mars"],
        ),
        (
            package_of("pp", &[("b-linux-test", r#"{"url":"ftp://h/x"}"#)]),
            vec!["`ftp:`", "test"],
        ),
    ];
    for (package, parts) in cases {
        apply(&node, &[&package]).await;
        let reason = until(&format!("{parts:?} is said"), || {
            let found = service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)?;
            parts
                .iter()
                .all(|part| found.reason.contains(part))
                .then_some(found.reason)
        })
        .await;
        assert!(application_of(&node, "shop").unwrap().reason.contains(&reason));
        assert_eq!(life(&instance_of(&node, "shop.web.1").unwrap()), life(&before));
    }
    apply(&node, &[&broken(r#"{"url":"test://h/late/run.sh"}"#)]).await;
    until("it failed", || {
        service_of(&node, "shop", "web").filter(|web| web.reason.contains("late"))
    })
    .await;
    world.serve("test://h/late/run.sh", "#!/bin/sh\n");
    until("it is tried again", || {
        instance_of(&node, "shop.web.1").filter(|i| i.fingerprint != before.fingerprint)
    })
    .await;
    running(&node, "shop.web.1").await;
    assert_eq!(service_of(&node, "shop", "web").unwrap().state, Summary::Running);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_refuses_a_version_keeps_the_old_running() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    world
        .engine()
        .refuse("prepare", Error::invalid("wrong machine: it is for arm64"));
    apply(&node, &[&package("pp", "2")]).await;
    until("it is refused", || {
        service_of(&node, "shop", "web").filter(|web| web.reason.contains("for arm64"))
    })
    .await;
    assert_eq!(life(&instance_of(&node, "shop.web.1").unwrap()), life(&before));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_fit_together_changes_nothing() {
    let world = World::new();
    let node = world.open().await;
    let error = node
        .apply(resources(&[&package("other", "1"), &shop("")]), false)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("`pp`") && error.contains("`shop`"), "{error}");
    assert_eq!(
        (node.list(ResourceKind::Configuration), node.status().revision),
        (vec![], 0)
    );
    let twice = node
        .apply(resources(&[&package("pp", "1"), &package("pp", "2")]), false)
        .await
        .unwrap_err();
    assert!(twice.to_string().contains("configuration/pp"), "{twice}");
    let dry = node
        .apply(resources(&[&package("pp", "1"), &shop("")]), true)
        .await
        .unwrap();
    assert_eq!(
        (dry.revision, dry.steps[0].action, dry.steps[0].subject.as_str()),
        (0, "prepare", "shop.web")
    );
    assert_eq!(
        (node.get(ResourceKind::Application, "shop"), node.status().revision),
        (None, 0)
    );
    assert!(world.engine().prepared.lock().unwrap().is_empty());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_application_is_stopped_with_its_grace_and_leaves_nothing() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop(r#","gracePeriod":"5s""#)]).await;
    running(&node, "shop.web.1").await;
    let error = node
        .delete(ResourceKind::Configuration, "pp")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("configuration/pp") && error.contains("application `shop`"),
        "{error}"
    );
    let error = node.delete(ResourceKind::Secret, "none").await.unwrap_err().to_string();
    assert!(error.contains("secret/none"), "{error}");
    assert_eq!(node.delete(ResourceKind::Application, "shop").await.unwrap(), 2);
    until("it is gone", || application_of(&node, "shop").is_none().then_some(())).await;
    assert_eq!(
        *world.engine().stops.lock().unwrap(),
        [("shop.web.1".to_owned(), 5_000)]
    );
    for folder in ["data/apps/shop", "data/logs/shop"] {
        until(folder, || (!world.path(folder).exists()).then_some(())).await;
    }
    assert!(!world.home("shop.web.1").exists() && !world.record("shop.web.1").exists());
    node.delete(ResourceKind::Configuration, "pp").await.unwrap();
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_starts_after_those_it_depends_on_and_says_what_it_waits_for() {
    let world = World::new();
    let node = world.open().await;
    let services = format!(
        "{},{}",
        service("web", "pp", r#","dependsOn":["db"]"#),
        service("db", "pp", "")
    );
    world.engine().refuse("start", Error::invalid("no port is free"));
    apply(&node, &[&package("pp", "1"), &application("shop", &services)]).await;
    until("it waits", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Waiting && web.reason.contains("db"))
    })
    .await;
    let db = phase(&node, "shop.db.1", Phase::Restarting).await;
    assert!(db.reason.contains("no port is free"), "{}", db.reason);
    world.engine().obey();
    running(&node, "shop.web.1").await;
    let order: Vec<_> = world
        .engine()
        .runs
        .lock()
        .unwrap()
        .iter()
        .map(|run| run.workload.instance.clone())
        .collect();
    assert_eq!(order, ["shop.db.1", "shop.web.1"]);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn more_replicas_start_only_the_difference_and_new_terms_replace_nothing() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let first = running(&node, "shop.web.1").await;
    apply(
        &node,
        &[&shop(r#","replica":3,"gracePeriod":"1s","restart":{"policy":"no"}"#)],
    )
    .await;
    running(&node, "shop.web.3").await;
    running(&node, "shop.web.2").await;
    assert_eq!(instance_of(&node, "shop.web.1").unwrap(), first);
    apply(
        &node,
        &[&shop(r#","replica":1,"gracePeriod":"1s","restart":{"policy":"no"}"#)],
    )
    .await;
    until("two are gone", || {
        (world.engine().alive() == ["shop.web.1"]).then_some(())
    })
    .await;
    assert!(
        world
            .engine()
            .stops
            .lock()
            .unwrap()
            .iter()
            .all(|(_, grace)| *grace == 1_000)
    );
    world.engine().end("shop.web.1", code(1));
    phase(&node, "shop.web.1", Phase::Failed).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_configuration_with_objects_is_mounted_as_downloaded_files() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/model.bin", "weights");
    let conf = r#"{"kind":"configuration","name":"conf","data":{"net":{"url":"test://h/model.bin"},"a.yml":"a"}}"#;
    let application = r#"{"kind":"application","name":"shop","services":[{"name":"web","programConfig":"pp",
        "volumeMounts":[{"name":"conf","mountPath":"/models"}]}],"volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
    apply(&node, &[&package("pp", "1"), conf, application]).await;
    running(&node, "shop.web.1").await;
    let shown = std::path::PathBuf::from(&world.engine().runs_of("shop.web.1")[0].workload.directory).join("models");
    assert_eq!(fs::read(shown.join("net")).unwrap(), b"weights");
    assert_eq!(fs::read(shown.join("a.yml")).unwrap(), b"a");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_told_on_the_bus_and_counted() {
    let world = World::new();
    let node = world.open().await;
    let mut events = node.events("#").unwrap();
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    world.engine().end("shop.web.1", code(3));
    let mut topics = Vec::new();
    while topics
        .iter()
        .filter(|topic| *topic == "instance/shop.web.1/started")
        .count()
        < 2
    {
        topics.push(events.next().await.unwrap().topic);
    }
    for topic in [
        "app/shop/applied",
        "configuration/pp/applied",
        "service/shop.web/prepared",
        "instance/shop.web.1/exited",
    ] {
        assert!(topics.iter().any(|told| told == topic), "{topic} in {topics:?}");
    }
    let text = node.metrics_text();
    for line in [
        r#"aerolith_instance_exits_total{instance_id="shop.web.1"} 1"#,
        r#"aerolith_instance_running{instance_id="shop.web.1"} 1"#,
        r#"aerolith_instance_restarts{instance_id="shop.web.1"} 1"#,
        "aerolith_state_revision 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let json = serde_json::to_value(node.status()).unwrap();
    let instance = &json["applications"][0]["services"][0]["instances"][0];
    assert_eq!(
        (&instance["state"], &instance["exit"]["code"]),
        (&"running".into(), &3.into())
    );
    assert!(instance["sinceMs"].is_u64());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_output_of_an_instance_comes_through_its_engine() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    let mut logs = node.logs("shop.web.1", Some(5), false).await.unwrap();
    let text = String::from_utf8(logs.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        text,
        format!("{} Some(5)\n", world.path("data/logs/shop/web.1.log").display())
    );
    assert_eq!(logs.next().await.unwrap(), None);
    let error = node.logs("shop.web.9", None, false).await.err().unwrap().to_string();
    assert!(
        error.contains("`shop.web.9`") && error.contains("shop.web.1"),
        "{error}"
    );
    node.logs("shop", None, false).await.err().unwrap();
    node.shutdown().await;
}
