//! Where the values of secrets get to: the runtime folder while somebody who mounts them runs, and nowhere else.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

#[path = "world/canary.rs"]
mod canary;
#[path = "world/folder.rs"]
mod folder;
mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aerolith_model::ResourceKind;
use aerolith_plugin_wire::Error;
use canary::{CANARY, Log, shows};
use world::*;

/// The files below a folder that show it; no link is followed.
fn showing(folder: &Path) -> Vec<PathBuf> {
    let mut files = folder::below(folder);
    files.retain(|file| !file.is_symlink() && fs::read(file).is_ok_and(|bytes| shows(&bytes)));
    files.sort();
    files
}

#[tokio::test(start_paused = true)]
async fn no_disk_log_status_or_event_has_a_secret_while_who_mounts_it_runs() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.subscriber()).unwrap();
    let world = World::new();
    let node = world.open().await;
    let mut events = node.events("#").unwrap();
    let secret = format!(r#"{{"kind":"secret","name":"cert","stringData":{{"token":"{CANARY}"}}}}"#);
    let object = r#"{"url":"test://h/run.sh","credentials":"cert"}"#;
    world.serve("test://h/run.sh", "#!/bin/sh\n");
    let mounts = r#","volumeMounts":[{"name":"cert","mountPath":"/etc/cert"},
        {"name":"cert","mountPath":"/one","subPath":"token","readOnly":true}]"#;
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
    let home = world.home("shop.web.1");
    let secrets = world.path("run/secrets").join(home.file_name().unwrap());
    for at in ["etc/cert/token", "one"] {
        assert_eq!(fs::read_to_string(home.join(at)).unwrap(), CANARY);
    }
    assert_eq!(
        showing(world.dir.path()),
        [secrets.join("etc/cert/token"), secrets.join("one")]
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&secrets), mode(&secrets.join("one"))), (0o700, 0o600));

    let mut told = format!("{:?}{}", node.status(), node.metrics_text());
    told.push_str(&format!("{:?}", node.list(ResourceKind::Secret)));
    node.delete(ResourceKind::Application, "shop").await.unwrap();
    until("it is gone", || application_of(&node, "shop").is_none().then_some(())).await;
    node.delete(ResourceKind::Secret, "cert").await.unwrap();
    until("its folders are gone", || {
        (showing(world.dir.path()).is_empty() && !secrets.exists()).then_some(())
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
