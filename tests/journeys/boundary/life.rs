//! Lives of instances: failures stay with whom they belong to, and nothing outlives its instance.

use crate::support::build::plugin;
use crate::support::core::House;
use aerolith_host::{Isolation, State};
use aerolith_plugin_wire::{Code, accel};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_marks_its_instance_failed_with_its_text_and_restarts_it_and_everything_else_runs_on() {
    let house = House::new();
    house
        .start(
            "bad",
            &plugin("probe"),
            Isolation::None,
            json!({"panicIn": "fingerprint"}),
        )
        .await
        .unwrap();
    house
        .start("good", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    let error = house.monitor("bad").fingerprint().await.unwrap_err();
    assert_eq!(error.code, Code::Panic);
    let failed = house.core.state("bad", State::Failed, 0).await;
    assert!(failed.message.contains(&error.message), "{}", failed.message);
    assert_eq!(house.monitor("good").fingerprint().await.unwrap().cards.len(), 2);
    house.core.state("bad", State::Running, 1).await;
    assert_eq!(
        house
            .monitor("bad")
            .stats(&accel::Select::default())
            .await
            .unwrap()
            .samples
            .len(),
        2
    );
    assert_eq!((house.status("bad").restarts, house.status("good").restarts), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_spawned_task_fails_the_instance_too() {
    let house = House::new();
    house
        .start("task", &plugin("probe"), Isolation::None, json!({"panicIn": "task"}))
        .await
        .unwrap();
    house.core.state("task", State::Failed, 0).await;
    house.core.state("task", State::Running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_failures_end_in_quarantine_and_an_operator_ends_that() {
    let house = House::with(|settings| settings.patience.failures = 3);
    let config = json!({"panicIn": "start"});
    house
        .start("bad", &plugin("probe"), Isolation::None, config)
        .await
        .unwrap_err();
    let quarantined = house.core.state("bad", State::Quarantined, 0).await;
    assert!(
        quarantined.message.contains("aerolith plugin enable"),
        "{}",
        quarantined.message
    );
    assert_eq!(house.status("bad").restarts, 2);
    assert!(house.host.is_healthy(), "it is not required");
    house.host.reload("bad", json!({})).await.unwrap();
    house.host.enable("bad").await.unwrap();
    assert_eq!(house.status("bad").state, State::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_instance_that_fails_makes_the_node_unhealthy_and_nothing_more() {
    let house = House::new();
    let source = aerolith_host::Source::File(plugin("probe"));
    let spec = aerolith_host::Spec {
        required: true,
        config: json!({"panicIn": "create"}),
        ..aerolith_host::Spec::new("r", source)
    };
    house.host.start(spec).await.unwrap_err();
    assert!(!house.host.is_healthy());
    house
        .start("good", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_stopped_instance_runs_afterwards() {
    for isolation in [Isolation::None, Isolation::Process] {
        let house = House::new();
        let ticks = |house: &House, of: &str| {
            let told = house.core.told.lock().unwrap();
            told.events.iter().filter(|(instance, _)| instance == of).count()
        };
        house
            .start("t", &plugin("probe"), isolation, json!({"tickMs": 1}))
            .await
            .unwrap();
        house.core.event("probe/tick", 20).await;
        house.host.remove("t").await.unwrap();
        let at_stop = ticks(&house, "t");
        // Twenty of its intervals, measured by another instance's ticks rather than by a clock.
        house
            .start("clock", &plugin("probe"), Isolation::None, json!({"tickMs": 1}))
            .await
            .unwrap();
        let passed = |told: &crate::support::core::Told| {
            (told.events.iter().filter(|(i, _)| i == "clock").count() > 20).then_some(())
        };
        house.core.until("ticks of the clock", passed).await;
        assert_eq!(ticks(&house, "t"), at_stop, "{isolation:?}");
        house.host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_ends_at_its_deadline_and_with_its_instance() {
    let house = House::with(|settings| settings.call = Duration::from_millis(200));
    house
        .start("h", &plugin("probe"), Isolation::None, json!({"hangIn": "fingerprint"}))
        .await
        .unwrap();
    let error = house.monitor("h").fingerprint().await.unwrap_err();
    assert_eq!(error.code, Code::Timeout);
    assert!(
        error.message.contains("accel/1.fingerprint") && error.retryable,
        "{error}"
    );
    house.host.remove("h").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_drop_or_a_hang_in_stop_does_not_hold_up_the_host() {
    let house = House::with(|settings| settings.stop = Duration::from_millis(200));
    house
        .start("d", &plugin("probe"), Isolation::None, json!({"panicIn": "drop"}))
        .await
        .unwrap();
    house
        .start("s", &plugin("probe"), Isolation::None, json!({"hangIn": "stop"}))
        .await
        .unwrap();
    house.host.shutdown().await;
    assert_eq!(house.status("d").state, State::Stopped);
    assert_eq!(house.status("s").state, State::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_switched_off_stays_off_over_a_restart_of_the_host() {
    let house = House::new();
    house
        .start("p", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    house.host.disable("p").await.unwrap();
    assert_eq!(
        house.monitor("p").fingerprint().await.unwrap_err().code,
        Code::Unavailable
    );
    house.host.remove("p").await.unwrap();
    house
        .start("p", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    assert_eq!(house.status("p").state, State::Stopped);
    house.host.enable("p").await.unwrap();
    assert_eq!(house.status("p").state, State::Running);
}
