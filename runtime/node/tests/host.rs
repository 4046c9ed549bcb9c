//! What instances get of the host and may ask of it: ports, templates, the policy, and what an engine does not enforce.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;

use aerolith_model::ResourceKind;
use aerolith_node::{Aspect, ChangeError, HostPathRule, Node, Phase, Reason, Summary, WorkloadPolicy};
use aerolith_plugin_wire::engine::Resources;
use world::*;

const PORT: &str = "BAETYL_SERVICE_DYNAMIC_PORT";

fn shop(more: &str) -> String {
    application("shop", &service("web", "pp", more))
}

/// The port of the newest run of an instance.
fn port(world: &World, instance: &str) -> u16 {
    let run = world.engine().runs_of(instance).pop().unwrap();
    assert_eq!(
        run.workload.environment[PORT],
        run.workload.environment["OPENEDGE_SERVICE_DYNAMIC_PORT"]
    );
    run.workload.environment[PORT].parse().unwrap()
}

/// Waits until `services.yml` says something of a service.
async fn found(world: &World, name: &str, ports: &[u16]) {
    let wanted = format!("\"{name}\":\n  ports: {ports:?}\n");
    until(&format!("services.yml has {wanted}"), || {
        let text = fs::read_to_string(world.path("data/run/services.yml")).unwrap_or_default();
        text.contains(&wanted).then_some(())
    })
    .await;
}

async fn refused(node: &Node, all: &[&str]) -> String {
    let error = node.apply(resources(all), false).await.unwrap_err();
    assert!(matches!(error, ChangeError::Unfit(_)), "{error}");
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn every_instance_has_a_port_of_its_own_and_is_found_by_it_until_it_stops() {
    let world = World::new();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop(r#","replica":3"#)]).await;
    let instances = ["shop.web.1", "shop.web.2", "shop.web.3"];
    for instance in instances {
        running(&node, instance).await;
    }
    let ports = instances.map(|instance| port(&world, instance));
    assert_eq!(BTreeSet::from(ports).len(), 3);
    assert!(ports.iter().all(|port| (50200..=51000).contains(port)));
    found(&world, "web", &ports).await;
    found(&world, "shop.web", &ports).await;
    world.engine().end("shop.web.1", code(1));
    until("it is restarted", || {
        (world.engine().runs_of("shop.web.1").len() == 2).then_some(())
    })
    .await;
    assert_eq!(port(&world, "shop.web.1"), ports[0], "it keeps its port over a restart");
    apply(&node, &[&shop(r#","replica":1"#)]).await;
    found(&world, "web", &ports[..1]).await;
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("nobody is found", || {
        let text = fs::read_to_string(world.path("data/run/services.yml")).unwrap();
        (text == "{}\n").then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_stays_reserved_while_the_daemon_is_away() {
    let mut world = World::new();
    world.ports = "50300-50301".parse().unwrap();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    running(&node, "shop.web.1").await;
    let before = port(&world, "shop.web.1");
    let node = world.crash_and_open(node).await;
    running(&node, "shop.web.1").await;
    found(&world, "web", &[before]).await;
    apply(&node, &[&shop(r#","replica":2"#)]).await;
    running(&node, "shop.web.2").await;
    assert_ne!(port(&world, "shop.web.2"), before);
    // The range is used up: the third waits, and has its turn once one is given back.
    apply(
        &node,
        &[
            &shop(r#","replica":2"#),
            &application("cafe", &service("bar", "pp", "")),
        ],
    )
    .await;
    let waiting = until("it waits for a port", || {
        instance_of(&node, "cafe.bar.1").filter(|instance| instance.reason.contains("no port of 50300-50301 is free"))
    })
    .await;
    assert_eq!(waiting.state, Phase::Restarting);
    apply(&node, &[&shop("")]).await;
    running(&node, "cafe.bar.1").await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_failed_keeps_its_port_for_another_try() {
    let mut world = World::new();
    world.ports = "50310-50311".parse().unwrap();
    let node = world.open().await;
    let shop = shop(r#","restart":{"policy":"no"}"#);
    apply(&node, &[&package("pp", "1"), &shop]).await;
    running(&node, "shop.web.1").await;
    let before = port(&world, "shop.web.1");
    world.engine().end("shop.web.1", code(1));
    phase(&node, "shop.web.1", Phase::Failed).await;
    apply(&node, &[&application("cafe", &service("bar", "pp", r#","replica":2"#))]).await;
    until("one waits for a port", || {
        let waits = |id| instance_of(&node, id).is_some_and(|bar| bar.reason.contains("no port of"));
        (waits("cafe.bar.1") || waits("cafe.bar.2")).then_some(())
    })
    .await;
    node.retry("shop").await.unwrap();
    running(&node, "shop.web.1").await;
    assert_eq!(port(&world, "shop.web.1"), before);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_port_that_a_stranger_took_is_exchanged_also_in_the_files_that_name_it() {
    let mut world = World::new();
    world.ports = "50320-50330".parse().unwrap();
    let node = world.open().await;
    let conf = r#"{"kind":"configuration","name":"conf","template":true,
        "data":{"port":"{{.BAETYL_SERVICE_DYNAMIC_PORT}}"}}"#;
    let shop = r#"{"kind":"application","name":"shop","services":[{"name":"web","programConfig":"pp",
        "volumeMounts":[{"name":"conf","mountPath":"/etc"}]}],"volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
    apply(&node, &[&package("pp", "1"), shop, conf]).await;
    running(&node, "shop.web.1").await;
    let before = port(&world, "shop.web.1");
    let stranger = TcpListener::bind(("127.0.0.1", before)).unwrap();
    world.engine().end("shop.web.1", code(1));
    until("it says who has it", || {
        instance_of(&node, "shop.web.1").filter(|web| web.reason.contains("which it was given, is held by"))
    })
    .await;
    running(&node, "shop.web.1").await;
    let after = port(&world, "shop.web.1");
    assert_ne!(after, before);
    let named = fs::read_to_string(world.home("shop.web.1").join("etc/port")).unwrap();
    assert_eq!(named, after.to_string());
    found(&world, "web", &[after]).await;
    drop(stranger);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_declared_port_is_waited_for_with_the_name_of_who_has_it() {
    let world = World::new();
    let node = world.open().await;
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let number = stranger.local_addr().unwrap().port();
    let shop = shop(&format!(r#","ports":[{{"containerPort":{number}}}]"#));
    apply(&node, &[&package("pp", "1"), &shop]).await;
    let held = format!("port {number} (TCP) is held by pid {} (", std::process::id());
    until("it says who has it", || {
        instance_of(&node, "shop.web.1").filter(|instance| instance.reason.starts_with(&held))
    })
    .await;
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 0);
    drop(stranger);
    running(&node, "shop.web.1").await;
    found(&world, "web", &[port(&world, "shop.web.1"), number]).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn two_applications_with_one_port_are_refused_by_name_and_nothing_has_changed() {
    let world = World::new();
    let node = world.open().await;
    let one = service("web", "pp", r#","ports":[{"hostPort":18080,"containerPort":80}]"#);
    apply(&node, &[&package("pp", "1"), &application("shop", &one)]).await;
    let error = refused(&node, &[&application("cafe", &one)]).await;
    assert!(
        error.contains("`cafe.web`") && error.contains("`shop.web`") && error.contains("port 18080 (TCP)"),
        "{error}"
    );
    assert!(node.get(ResourceKind::Application, "cafe").is_none());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_template_shows_each_instance_its_own_variables() {
    let world = World::new();
    let node = world.open().await;
    let conf = |text: &str| {
        format!(
            r#"{{"kind":"configuration","name":"conf","template":true,"data":{{"a.yml":{}}}}}"#,
            serde_json::to_string(text).unwrap()
        )
    };
    let shop = r#"{"kind":"application","name":"shop","services":[{"name":"web","programConfig":"pp","replica":2,
        "volumeMounts":[{"name":"conf","mountPath":"/etc"}]}],"volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
    apply(
        &node,
        &[
            &package("pp", "1"),
            shop,
            &conf("{{.BAETYL_SERVICE_INSTANCE_NAME}} {{ .BAETYL_SERVICE_DYNAMIC_PORT }}"),
        ],
    )
    .await;
    for (instance, name) in [("shop.web.1", "web"), ("shop.web.2", "web.i1")] {
        running(&node, instance).await;
        let text = fs::read_to_string(world.home(instance).join("etc/a.yml")).unwrap();
        assert_eq!(text, format!("{name} {}", port(&world, instance)));
    }
    // What cannot be filled is told before anything is stopped.
    apply(&node, &[&conf("a\n{{.NOPE}}")]).await;
    let web = until("it cannot be filled", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)
    })
    .await;
    assert!(
        web.reason.contains("entry `a.yml` of configuration `conf`") && web.reason.contains("line 2"),
        "{}",
        web.reason
    );
    assert_eq!(world.engine().alive(), ["shop.web.1", "shop.web.2"]);
    node.shutdown().await;
}

/// An application that is shown a folder of the host.
fn showing(path: &str, more: &str) -> String {
    format!(
        r#"{{"kind":"application","name":"shop","services":[{{"name":"web","programConfig":"pp",
        "volumeMounts":[{{"name":"data","mountPath":"/data"}}]{more}}}],
        "volumes":[{{"name":"data","hostPath":{{"path":"{path}"}}}}]}}"#
    )
}

fn allowing(path: &std::path::Path) -> WorkloadPolicy {
    WorkloadPolicy {
        host_paths: vec![HostPathRule {
            path: path.to_owned(),
            read_only: false,
        }],
        ..WorkloadPolicy::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_refuses_is_not_stored_and_what_it_allows_runs() {
    let mut world = World::new();
    let srv = world.path("srv").display().to_string();
    let node = world.open().await;
    let error = refused(&node, &[&package("pp", "1"), &showing(&srv, "")]).await;
    let told = format!(
        "service `web` of application `shop`: it asks for the host path `{srv}`, which `{srv}` in `policy.hostPaths`"
    );
    assert!(error.starts_with(&told), "{error}");
    assert!(node.list(ResourceKind::Application).is_empty());
    world.crash(node).await;
    world.workloads = allowing(&world.path("srv"));
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &showing(&srv, "")]).await;
    running(&node, "shop.web.1").await;
    fs::write(world.home("shop.web.1").join("data/kept"), "x").unwrap();
    assert!(world.path("srv/kept").exists());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_runs_when_the_policy_becomes_stricter_goes_on_and_is_not_started_again() {
    let mut world = World::new();
    let srv = world.path("srv").display().to_string();
    world.workloads = allowing(&world.path("srv"));
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &showing(&srv, "")]).await;
    let before = running(&node, "shop.web.1").await;
    world.crash(node).await;
    world.workloads = WorkloadPolicy::default();
    let node = world.open().await;
    let held = until("it is held", || {
        application_of(&node, "shop").filter(|shop| shop.state == Summary::Held)
    })
    .await;
    assert!(
        held.reason.contains("service `web`") && held.reason.contains("`policy.hostPaths`"),
        "{}",
        held.reason
    );
    assert_eq!(
        (held.conditions[0].aspect, held.conditions[0].reason),
        (Aspect::Deployed, Reason::Refused)
    );
    assert_eq!(running(&node, "shop.web.1").await.pid, before.pid);
    world.engine().end("shop.web.1", code(1));
    until("it waits", || {
        instance_of(&node, "shop.web.1").filter(|web| web.reason.contains("`policy.hostPaths`"))
    })
    .await;
    assert_eq!(instance_of(&node, "shop.web.1").unwrap().state, Phase::Waiting);
    assert_eq!(world.engine().runs_of("shop.web.1").len(), 1);
    world.crash(node).await;
    world.workloads = allowing(&world.path("srv"));
    let node = world.open().await;
    running(&node, "shop.web.1").await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_another_application_planted_leads_nowhere() {
    let world = World::new();
    fs::create_dir_all(world.path("data/host")).unwrap();
    std::os::unix::fs::symlink("/etc", world.path("data/host/near")).unwrap();
    let node = world.open().await;
    apply(&node, &[&package("pp", "1"), &showing("near", "")]).await;
    let web = until("it is refused", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)
    })
    .await;
    assert!(web.reason.contains("`near`, which leads to `/etc`"), "{}", web.reason);
    assert!(
        web.reason.contains("`policy.hostPaths` of aerolith.yml"),
        "{}",
        web.reason
    );
    let prepared = web.conditions.iter().find(|one| one.aspect == Aspect::Prepared);
    assert_eq!(prepared.unwrap().reason, Reason::Refused);
    // Once it leads where it may, the next look finds that.
    fs::remove_file(world.path("data/host/near")).unwrap();
    running(&node, "shop.web.1").await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_place_of_the_host_is_what_its_type_says_before_anything_stops() {
    let world = World::new();
    let node = world.open().await;
    let showing =
        |kind: &str| showing("near", "").replace(r#""path":"near""#, &format!(r#""path":"near","type":"{kind}""#));
    apply(&node, &[&package("pp", "1"), &showing("FileOrCreate")]).await;
    running(&node, "shop.web.1").await;
    assert_eq!(fs::read(world.path("data/host/near")).unwrap(), b"");
    apply(&node, &[&showing("Directory")]).await;
    let web = until("it is told", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)
    })
    .await;
    assert!(
        web.reason.contains("`Directory` for a folder at") && web.reason.contains("there is a file"),
        "{}",
        web.reason
    );
    assert_eq!(world.engine().alive(), ["shop.web.1"], "the version before runs on");
    fs::remove_file(world.path("data/host/near")).unwrap();
    fs::create_dir(world.path("data/host/near")).unwrap();
    until("the new version runs", || {
        (world.engine().runs_of("shop.web.1").len() == 2).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn limits_of_an_empty_folder_are_told_to_be_none() {
    let world = World::new();
    let node = world.open().await;
    let shop = showing("x", "").replace(
        r#""hostPath":{"path":"x"}"#,
        r#""emptyDir":{"sizeLimit":"64Mi","medium":"Memory"}"#,
    );
    apply(&node, &[&package("pp", "1"), &shop]).await;
    running(&node, "shop.web.1").await;
    let web = service_of(&node, "shop", "web").unwrap();
    let enforced = web
        .conditions
        .iter()
        .find(|one| one.aspect == Aspect::Enforced)
        .unwrap();
    assert_eq!(enforced.reason, Reason::NotEnforced);
    for told in ["sizeLimit 64Mi of volume data", "volume data lies on disk"] {
        assert!(enforced.message.contains(told), "{}", enforced.message);
    }
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_host_network_of_an_application_is_that_of_its_services() {
    let mut world = World::new();
    let shop = |more: &str| {
        format!(r#"{{"kind":"application","name":"shop"{more},"services":[{{"name":"web","programConfig":"pp"}}]}}"#)
    };
    let container =
        r#"{"kind":"application","name":"cafe","hostNetwork":true,"services":[{"name":"bar","image":"i"}]}"#;
    let node = world.open().await;
    let error = refused(&node, &[container]).await;
    assert!(error.contains("`policy.hostNetwork: true` in aerolith.yml"), "{error}");
    apply(&node, &[&package("pp", "1"), &shop("")]).await;
    let before = running(&node, "shop.web.1").await;
    apply(&node, &[&shop(r#","hostNetwork":true"#)]).await;
    until("it is replaced", || {
        instance_of(&node, "shop.web.1").filter(|now| now.fingerprint != before.fingerprint && now.pid.is_some())
    })
    .await;
    assert!(
        world
            .engine()
            .runs_of("shop.web.1")
            .pop()
            .unwrap()
            .workload
            .host_network
    );
    let web = service_of(&node, "shop", "web").unwrap();
    assert!(
        web.conditions.iter().all(|one| one.reason != Reason::NotEnforced),
        "{:?}",
        web.conditions
    );
    world.crash(node).await;
    world.workloads.host_network = true;
    let node = world.open().await;
    apply(&node, &[container]).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_enforces_is_a_warning_and_a_user_that_nobody_takes_on_an_error() {
    let mut world = World::new();
    world.workloads.users = vec!["app".into()];
    let node = world.open().await;
    apply(
        &node,
        &[
            &package("pp", "1"),
            &shop(
                r#","resources":{"limits":{"memory":"256Mi","cpu":"1500m","swap":0,"pids":100,"openFiles":"1k"},
                "cpuset":"0-2,4","ioWeight":50}"#,
            ),
        ],
    )
    .await;
    running(&node, "shop.web.1").await;
    let web = service_of(&node, "shop", "web").unwrap();
    let enforced = web
        .conditions
        .iter()
        .find(|condition| condition.aspect == Aspect::Enforced);
    assert_eq!(enforced.unwrap().reason, Reason::NotEnforced);
    let warnings = web.warnings;
    let told = "memory limit 256Mi is not enforced: the process engine does not limit memory";
    assert!(warnings.iter().any(|warning| warning == told), "{warnings:?}");
    let resources = world.engine().runs_of("shop.web.1")[0].workload.resources.clone();
    let expected = Resources {
        cpu_millis: Some(1500),
        memory_bytes: Some(256 << 20),
        swap_bytes: Some(0),
        pids: Some(100),
        cpus: Some("0-2,4".into()),
        io_weight: Some(50),
        open_files: Some(1000),
        ..Resources::default()
    };
    assert_eq!(resources, expected);
    apply(&node, &[&shop(r#","security":{"user":"app"}"#)]).await;
    let web = until("it is refused", || {
        service_of(&node, "shop", "web").filter(|web| web.state == Summary::Failed)
    })
    .await;
    assert!(
        web.reason.contains("as user `app`") && web.reason.contains("the process engine"),
        "{}",
        web.reason
    );
    assert_eq!(world.engine().alive(), ["shop.web.1"], "the version before runs on");
    node.shutdown().await;
}
