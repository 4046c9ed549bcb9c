use std::time::{Duration, Instant};

use aerolith_model::{Resource, ResourceKind};
use aerolith_plugin_wire::Service;

use super::*;
use crate::durable::crash::hang;
use crate::foundation::Settings;

/// No plugin is there.
struct Nobody;

impl Plugins for Nobody {
    fn providers(&self, _: &str) -> Vec<Arc<dyn Service>> {
        Vec::new()
    }
}

fn configuration(text: &str) -> Resource {
    let json = format!(r#"{{"kind":"configuration","name":"conf","data":{{"k":"{text}"}}}}"#);
    serde_json::from_str(&json).unwrap()
}

fn shop() -> Resource {
    let json = r#"{"kind":"application","name":"shop","volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
    serde_json::from_str(json).unwrap()
}

/// All that is read of the state, by the revision that each of it tells of.
async fn read(node: &Node) -> Vec<u64> {
    let status = node.status();
    assert_eq!(
        (node.conditions(), node.usage(ResourceKind::Configuration, "conf").len()),
        (status.conditions, 1)
    );
    assert!(node.metrics_text().contains("aerolith_state_revision"));
    let listed = node.versioned(ResourceKind::Configuration);
    let version = node.version(ResourceKind::Configuration, "conf", None).await.unwrap();
    assert_eq!(
        (&listed[0], node.get(ResourceKind::Configuration, "conf")),
        (&version, Some(version.resource.clone()))
    );
    vec![
        version.revision,
        node.revision(ResourceKind::Configuration, "conf").unwrap(),
        node.revisions(ResourceKind::Configuration, "conf")[0],
        node.history("shop").unwrap()[0].revision,
    ]
}

#[tokio::test]
async fn who_reads_waits_for_no_disk_and_sees_a_change_once_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let settings = Settings::new(data.clone(), dir.path().join("run"), "n".into());
    let node = Node::open(Foundation::open(settings).unwrap(), Arc::new(Nobody))
        .await
        .unwrap();
    node.apply(vec![configuration("1"), shop()], false).await.unwrap();
    for file in ["configuration", "history", ""] {
        let (hangs, release) = hang(&data.join("state").join(file));
        let before = read(&node).await;
        let changing = tokio::spawn({
            let (node, text) = (node.clone(), format!("{file}."));
            async move { node.apply(vec![configuration(&text)], false).await.unwrap().revision }
        });
        hangs.await.unwrap();
        let begun = Instant::now();
        assert_eq!(read(&node).await, before, "{file}");
        assert!(begun.elapsed() < Duration::from_secs(10) && !changing.is_finished());
        drop(release);
        let revision = changing.await.unwrap();
        assert_eq!((read(&node).await, before), (vec![revision; 4], vec![revision - 1; 4]));
    }
    node.shutdown().await;
}
