//! Plugin to plugin by `call` and the bus only, bounded by manifest and grants.

use crate::support::build::plugin;
use crate::support::core::House;
use aerolith_host::{Grants, Isolation, Source, Spec};
use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::accel::Select;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_calls_another_through_the_core() {
    let house = House::new();
    house
        .start(
            "p",
            &plugin("probe"),
            Isolation::None,
            json!({"callOther": "arch/1.platform"}),
        )
        .await
        .unwrap();
    let error = house.monitor("p").stats(&Select::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable, "nobody provides it yet: {error}");
    house
        .start("arch", &plugin("arch-resolver"), Isolation::None, json!({}))
        .await
        .unwrap();
    assert_eq!(
        house
            .monitor("p")
            .stats(&Select::default())
            .await
            .unwrap()
            .samples
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_manifest_does_not_ask_for_is_denied() {
    let house = House::new();
    house
        .start(
            "p",
            &plugin("probe"),
            Isolation::None,
            json!({"callOther": "engine/1.capabilities"}),
        )
        .await
        .unwrap();
    let error = house.monitor("p").stats(&Select::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Denied);
    assert!(error.message.contains("call engine/1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_a_permission_away() {
    let house = House::new();
    house
        .start("arch", &plugin("arch-resolver"), Isolation::None, json!({}))
        .await
        .unwrap();
    let source = Source::File(plugin("probe"));
    let config = json!({"callOther": "arch/1.platform"});
    let grants = Grants::Only(vec!["kv".into()]);
    house
        .host
        .start(Spec {
            config,
            grants,
            ..Spec::new("p", source)
        })
        .await
        .unwrap();
    let error = house.monitor("p").stats(&Select::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_outside_the_permitted_topics_is_denied() {
    let house = House::new();
    let error = house
        .start("p", &plugin("probe"), Isolation::None, json!({"publish": "app/x"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("publish app/x"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_only_who_subscribed_to_them() {
    let house = House::new();
    house
        .start("p", &plugin("probe"), Isolation::None, json!({"subscribe": "test/#"}))
        .await
        .unwrap();
    house.core.event("subscribed", 0).await;
    house.core.publish("elsewhere/a");
    house.core.publish("test/b");
    let heard = house.core.event("probe/heard", 0).await;
    assert_eq!(heard.data["topic"], "test/b");
}

/// Row #110: any two plugins of one capability, chosen by configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_the_same_capability_takes_anothers_place_by_configuration_alone() {
    let house = House::new();
    house
        .start("monitor", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    let kinds = |cards: aerolith_plugin_wire::accel::Cards| cards.cards[0].id.clone();
    assert_eq!(
        kinds(house.monitor("monitor").fingerprint().await.unwrap()),
        "sn:probe-0"
    );
    house.host.remove("monitor").await.unwrap();
    house
        .start("monitor", &plugin("golden"), Isolation::None, json!({}))
        .await
        .unwrap();
    assert_eq!(
        kinds(house.monitor("monitor").fingerprint().await.unwrap()),
        "sn:golden"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_another_instance_is_nobodys_to_call() {
    let house = House::new();
    house
        .start(
            "p",
            &plugin("probe"),
            Isolation::None,
            json!({"callOther": "plugin/1.stop"}),
        )
        .await
        .unwrap();
    let error = house.monitor("p").stats(&Select::default()).await.unwrap_err();
    assert_eq!(error.code, Code::Denied);
}
