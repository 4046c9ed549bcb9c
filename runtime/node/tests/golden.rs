//! Data folders of every schema of the state, as daemons wrote them: the newest daemon takes them over, and restarts nothing.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

#[path = "world/folder.rs"]
mod folder;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use aerolith_model::{Resource, ResourceKind};
use aerolith_node::{Foundation, Node, Phase, Settings, Summary};
use folder::copy;
use serde_json::Value;
use tokio::sync::watch;
use world::*;

/// Names the folder in which [`write_a_data_folder`] makes `data` and `run`.
const PLACE: &str = "AEROLITH_GOLDEN_IN";

const CERT: &str = r#"{"kind":"secret","name":"cert","version":"3","labels":{"site":"roof"},
    "stringData":{"client.key":"hush-golden","client.pem":"-----BEGIN-----"}}"#;
const LOGIN: &str = r#"{"kind":"secret","name":"camera-login","description":"of the depot",
    "data":{"username":"Y2Ft","password":"Z29sZGVuLXB3"}}"#;
const CAMERA: &str = r#"{"kind":"application","name":"camera","services":[{"name":"eye","programConfig":"camera"}]}"#;
const MIGRATE: &str = r#"{"kind":"application","name":"migrate","workload":"job","jobConfig":{"backoffLimit":2},
    "services":[{"name":"once","programConfig":"weather-agent","args":["--migrate"]}]}"#;

fn conf(interval: &str) -> String {
    format!(
        r#"{{"kind":"configuration","name":"weather-conf","description":"how often","version":"{interval}",
        "data":{{"agent.yml":"interval: {interval}\n","notes.txt":"ü \"quoted\""}},"extra":{{"system":"true"}}}}"#
    )
}

fn camera() -> String {
    let object = r#"{"url":"test://depot/camera/run.sh","size":19,"credentials":"camera-login","token":"t-golden",
        "headers":{"x-site":"roof"},"metadata":{"build":7}}"#;
    package_of("camera", &[("run-linux-test", object)])
}

fn weather(description: &str) -> String {
    let agent = r#"{"name":"agent","programConfig":"weather-agent","replica":2,"args":["--site","roof"],
        "env":[{"name":"UNIT","value":"C"}],"workingDir":"/srv","ports":[{"containerPort":8080,"hostPort":18080}],
        "volumeMounts":[{"name":"conf","mountPath":"/etc/weather","readOnly":true},
            {"name":"cert","mountPath":"/etc/cert","subPath":"client.key"},
            {"name":"data","mountPath":"/srv/data"},{"name":"tmp","mountPath":"/tmp"}],
        "restart":{"policy":"on-failure","retry":{"max":5},"backoff":{"min":"1s","max":"1m","factor":1.5}},
        "gracePeriod":"5s","packageMode":"shared"}"#;
    let view = r#"{"name":"view","programConfig":"weather-agent","dependsOn":["agent"]}"#;
    format!(
        r#"{{"kind":"application","name":"weather","version":"7","description":"{description}","labels":{{"site":"roof"}},
        "services":[{agent},{view}],"volumes":[{{"name":"conf","config":{{"name":"weather-conf"}}}},
            {{"name":"cert","secret":{{"name":"cert"}}}},{{"name":"data","hostPath":{{"path":"weather"}}}},
            {{"name":"tmp","emptyDir":{{}}}}],"extra":{{"selector":"site=roof"}}}}"#
    )
}

/// How the folders in `tests/golden/state` were made: each by the daemon of its schema, over several revisions.
#[tokio::test(start_paused = true)]
#[ignore = "makes a new golden folder; tests/golden/state/README.md says how"]
async fn write_a_data_folder() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let world = World::new();
    world.serve("test://depot/camera/run.sh", "#!/bin/sh\nsleep 60\n");
    let settings = Settings::new(place.join("data"), place.join("run"), "gate".into());
    let node = Node::open(Foundation::open(settings).unwrap(), world.plugins.clone())
        .await
        .unwrap();
    let agent = package("weather-agent", "1");
    apply(&node, &[&agent, &conf("5m"), CERT, &weather("first")]).await;
    running(&node, "weather.view.1").await;
    apply(&node, &[LOGIN, &camera(), CAMERA, MIGRATE]).await;
    running(&node, "camera.eye.1").await;
    running(&node, "migrate.once.1").await;
    world.engine().end("migrate.once.1", code(0));
    phase(&node, "migrate.once.1", Phase::Completed).await;
    apply(&node, &[r#"{"kind":"configuration","name":"unused","data":{"k":"v"}}"#]).await;
    node.delete(ResourceKind::Configuration, "unused").await.unwrap();
    let before = running(&node, "weather.agent.1").await;
    apply(&node, &[&conf("10m"), &weather("second")]).await;
    until("the agents read the new configuration", || {
        ["weather.agent.1", "weather.agent.2"]
            .iter()
            .all(|id| {
                instance_of(&node, id).is_some_and(|now| now.pid.is_some() && now.fingerprint != before.fingerprint)
            })
            .then_some(())
    })
    .await;
    running(&node, "weather.view.1").await;
    node.shutdown().await;
}

fn golden(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/state/{schema}"))
}

/// The records as they lie in a folder.
fn records(schema: u32) -> Vec<Value> {
    let files = fs::read_dir(golden(schema).join("run/instances")).unwrap();
    files
        .map(|file| serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap())
        .collect()
}

/// A world as a daemon of that schema left it: its folders, and what ran goes on.
fn left(schema: u32) -> World {
    let world = World::new();
    copy(&golden(schema).join("data"), &world.path("data"));
    copy(&golden(schema).join("run"), &world.path("run"));
    let running = records(schema).into_iter().filter_map(|record| {
        let pid = record["life"]["running"]["state"]["pid"].as_u64()?;
        Some(Run {
            workload: serde_json::from_value(record["workload"].clone()).unwrap(),
            pid: u32::try_from(pid).unwrap(),
            exit: watch::Sender::new(None),
        })
    });
    world.engine().runs.lock().unwrap().extend(running);
    world
}

#[tokio::test(start_paused = true)]
async fn what_an_older_daemon_left_running_keeps_its_process_and_everything_applied_is_in_force() {
    for schema in [1, 2] {
        let world = left(schema);
        let node = world.open().await;
        until("the state is read", || (node.status().revision == 5).then_some(())).await;
        assert_eq!(node.status().damaged, []);
        let applied = [package("weather-agent", "1"), camera(), conf("10m"), weather("second")];
        let given: Vec<&str> = applied
            .iter()
            .map(String::as_str)
            .chain([CERT, LOGIN, CAMERA, MIGRATE])
            .collect();
        let in_force = |resource: &Resource| node.get(resource.kind(), resource.name());
        for resource in resources(&given) {
            assert_eq!(in_force(&resource).as_ref(), Some(&resource), "schema {schema}");
        }
        let again = node.apply(resources(&given), false).await.unwrap();
        assert_eq!(again.revision, 5, "all of it was there");

        // Once this runs, the driver has looked at everything.
        apply(&node, &[&application("other", &service("web", "weather-agent", ""))]).await;
        running(&node, "other.web.1").await;
        for record in records(schema) {
            let id = record["id"].as_str().unwrap();
            let (instance, life) = (instance_of(&node, id).unwrap(), &record["life"]);
            assert_eq!(record["fingerprint"], instance.fingerprint, "schema {schema}, {id}");
            if life["ended"].is_object() {
                assert_eq!((instance.state, instance.exit), (Phase::Completed, Some(code(0))));
            } else {
                assert_eq!(instance.state, Phase::Running);
                assert_eq!(instance.pid.map(u64::from), life["running"]["state"]["pid"].as_u64());
            }
        }
        let runs = world.engine().runs.lock().unwrap().len();
        assert_eq!(
            (runs, world.engine().stops.lock().unwrap().len()),
            (5, 0),
            "schema {schema}"
        );
        assert_eq!(application_of(&node, "weather").unwrap().state, Summary::Running);
        node.shutdown().await;
    }
}
