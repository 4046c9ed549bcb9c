//! Where the values of secrets get to: the working folders of those who mount them, and nowhere else.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aerolith_model::ResourceKind;
use aerolith_plugin_wire::Error;
use world::*;

const CANARY: &str = "canary-in-the-mine-4711";
/// The same as it is written in JSON.
const CODED: &str = "Y2FuYXJ5LWluLXRoZS1taW5lLTQ3MTE=";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shows(bytes: &[u8]) -> bool {
    [CANARY, CODED].into_iter().any(|canary| {
        let canary = canary.as_bytes();
        bytes.windows(canary.len()).any(|window| window == canary)
    })
}

/// The files below a folder that show it.
fn showing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(showing(&path));
        } else if fs::read(&path).is_ok_and(|bytes| shows(&bytes)) {
            found.push(path);
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn only_who_mounts_a_secret_has_it_on_disk_and_no_log_status_or_event_tells_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::new();
    let node = world.open().await;
    let mut events = node.events("#").unwrap();
    let secret = format!(r#"{{"kind":"secret","name":"cert","stringData":{{"token":"{CANARY}"}}}}"#);
    let object = r#"{"url":"test://h/run.sh","credentials":"cert"}"#;
    world.serve("test://h/run.sh", "#!/bin/sh\n");
    let mounts = r#","volumeMounts":[{"name":"cert","mountPath":"/etc/cert"}]"#;
    let shop = format!(
        r#"{{"kind":"application","name":"shop","services":[{}],"volumes":[{{"name":"cert","secret":{{"name":"cert"}}}}]}}"#,
        service("web", "pp", mounts)
    );
    world.engine().refuse("start", Error::io("no"));
    apply(&node, &[&secret, &package_of("pp", &[("x-linux-test", object)]), &shop]).await;
    until("a start was refused", || {
        instance_of(&node, "shop.web.1").filter(|instance| !instance.reason.is_empty())
    })
    .await;
    world.engine().obey();
    running(&node, "shop.web.1").await;
    let mounted = world.path("data/instances/shop.web.1/etc/cert/token");
    assert_eq!(fs::read_to_string(&mounted).unwrap(), CANARY);
    assert_eq!(showing(world.dir.path()), [mounted]);

    let mut told = format!("{:?}{}", node.status(), node.metrics_text());
    told.push_str(&format!("{:?}", node.list(ResourceKind::Secret)));
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("it is gone", || application_of(&node, "shop").is_none().then_some(())).await;
    node.delete(ResourceKind::Secret, "cert").await.unwrap();
    until("its folder is gone", || {
        showing(world.dir.path()).is_empty().then_some(())
    })
    .await;
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::from_secs(1), events.next()).await {
        told.push_str(&format!("{event:?}"));
    }
    assert!(told.contains("deleted"), "{told}");
    node.shutdown().await;
    let log = log.0.lock().unwrap();
    assert!(!log.is_empty() && !shows(&log) && !shows(told.as_bytes()));
}
