//! A plugin in a process of its own: what it does to itself it does to nobody else.

use crate::support::build::plugin;
use crate::support::core::House;
use aerolith_host::{Isolation, Source, Spec, State};
use aerolith_plugin_wire::Code;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_segfault_in_the_child_restarts_the_child_only() {
    let house = House::new();
    house
        .start(
            "crash",
            &plugin("probe"),
            Isolation::Process,
            json!({"crashIn": "fingerprint"}),
        )
        .await
        .unwrap();
    house
        .start("good", &plugin("probe"), Isolation::Process, json!({}))
        .await
        .unwrap();
    let (crashing, good) = (house.status("crash").pid.unwrap(), house.status("good").pid.unwrap());
    let error = house.monitor("crash").fingerprint().await.unwrap_err();
    assert!(matches!(error.code, Code::Unavailable | Code::Stopped), "{error:?}");
    let failed = house.core.state("crash", State::Failed, 0).await;
    assert!(failed.message.contains("signal 11"), "{}", failed.message);
    let again = house.core.state("crash", State::Running, 1).await;
    assert_ne!(house.status("crash").pid, Some(crashing), "{again:?}");
    assert_eq!(house.status("good").pid, Some(good));
    house.monitor("good").fingerprint().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_of_the_child_is_named() {
    let house = House::new();
    house
        .start(
            "exit",
            &plugin("probe"),
            Isolation::Process,
            json!({"exitIn": "fingerprint"}),
        )
        .await
        .unwrap();
    house.monitor("exit").fingerprint().await.unwrap_err();
    let failed = house.core.state("exit", State::Failed, 0).await;
    assert!(failed.message.contains("status 77"), "{}", failed.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_takes_more_memory_than_it_may_ends_alone() {
    let house = House::new();
    let config = json!({"allocate": 1u64 << 30});
    let source = Source::File(plugin("probe"));
    let spec = Spec {
        config,
        isolation: Isolation::Process,
        memory: Some(512 << 20),
        ..Spec::new("greedy", source)
    };
    house.host.start(spec).await.unwrap();
    house.monitor("greedy").fingerprint().await.unwrap_err();
    house.core.state("greedy", State::Failed, 0).await;
    house.core.state("greedy", State::Running, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_ends_with_its_instance() {
    let house = House::new();
    house
        .start("p", &plugin("probe"), Isolation::Process, json!({"tickMs": 1}))
        .await
        .unwrap();
    house.core.event("probe/tick", 3).await;
    let pid = rustix::process::Pid::from_raw(i32::try_from(house.status("p").pid.unwrap()).unwrap()).unwrap();
    let child = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK).unwrap();
    house.host.remove("p").await.unwrap();
    // Not a moment later: a successor may begin as soon as the host says that it is gone.
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [rustix::event::PollFd::new(&child, rustix::event::PollFlags::IN)];
    assert_eq!(
        rustix::event::poll(&mut watched, Some(&now)),
        Ok(1),
        "the child runs on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_child_asks_of_the_core_is_answered_and_bounded_as_in_the_daemon() {
    let house = House::new();
    let config = json!({"kv": "starts", "publish": "probe/hello", "subscribe": "test/#", "log": "from the child"});
    house
        .start("p", &plugin("probe"), Isolation::Process, config)
        .await
        .unwrap();
    house.core.event("probe/hello", 0).await;
    house.core.event("subscribed", 0).await;
    house.core.publish("test/question");
    let heard = house.core.event("probe/heard", 0).await;
    assert_eq!(heard.data["topic"], "test/question");
    assert!(
        house
            .core
            .told
            .lock()
            .unwrap()
            .kv
            .contains_key(&("p".into(), "starts".into()))
    );
    house
        .start(
            "q",
            &plugin("probe"),
            Isolation::Process,
            json!({"publish": "other/topic"}),
        )
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_child_is_an_error_with_its_text() {
    let house = House::new();
    house
        .start(
            "p",
            &plugin("probe"),
            Isolation::Process,
            json!({"panicIn": "fingerprint"}),
        )
        .await
        .unwrap();
    let error = house.monitor("p").fingerprint().await.unwrap_err();
    assert_eq!(error.code, Code::Panic);
    house.core.state("p", State::Failed, 0).await;
    house.core.state("p", State::Running, 1).await;
}
