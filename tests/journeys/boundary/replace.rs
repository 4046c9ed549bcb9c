//! Replacement while everything runs: beside, by hand-over, with a successor that fails, and back again.

use crate::support::build::{plugin, sha256};
use crate::support::core::House;
use aerolith_host::{Isolation, Source, State};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The same plugin as another file: bytes behind the end change the digest and nothing else.
fn other_file(house: &House, name: &str) -> PathBuf {
    house.changed(&plugin(name), &format!("{name}-other.so"), |bytes| {
        bytes.extend_from_slice(b"another build");
    })
}

async fn port(house: &House) -> u16 {
    let ready = house.core.event("listener/ready", 0).await;
    u16::try_from(ready.data["port"].as_u64().unwrap()).unwrap()
}

async fn ask(port: u16) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut line = String::new();
    socket.read_to_string(&mut line).await?;
    Ok(line.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_starts_the_new_one_before_the_old_one_stops() {
    let house = House::new();
    house
        .start("p", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    let monitor = house.monitor("p");
    let file = other_file(&house, "probe");
    house.host.replace("p", &Source::File(file.clone())).await.unwrap();
    assert_eq!(house.status("p").sha256, sha256(&fs::read(file).unwrap()));
    // A handle from before goes on to the new one.
    assert_eq!(monitor.fingerprint().await.unwrap().cards.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_does_not_start_leaves_the_old_one_running() {
    let house = House::new();
    house
        .start("p", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    let before = house.status("p").sha256;
    let bad = house.changed(&plugin("probe"), "cut.so", |bytes| bytes.truncate(1000));
    house.host.replace("p", &Source::File(bad)).await.unwrap_err();
    assert_eq!(
        (house.status("p").sha256, house.status("p").state),
        (before, State::Running)
    );
    house.monitor("p").fingerprint().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_refused_while_a_listening_socket_is_handed_over() {
    for isolation in [Isolation::None, Isolation::Process] {
        hand_over_a_socket(isolation).await;
    }
}

async fn hand_over_a_socket(isolation: Isolation) {
    let house = House::new();
    house
        .start("l", &plugin("listener"), isolation, json!({}))
        .await
        .unwrap();
    let port = port(&house).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, asked) = (stop.clone(), asked.clone());
            tokio::spawn(async move {
                let mut generations = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    generations.push(ask(port).await.expect("no connection may be refused or cut"));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                generations
            })
        })
        .collect();
    let files = [other_file(&house, "listener"), plugin("listener")];
    for (n, file) in files.iter().cycle().take(6).enumerate() {
        house.host.replace("l", &Source::File(file.clone())).await.unwrap();
        let now = ask(port).await.unwrap();
        assert!(
            now.starts_with(&format!("{} ", n + 2)),
            "generation {now} after {n} replacements"
        );
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let answers = client.await.unwrap();
        assert!(answers.iter().all(|line| !line.is_empty()), "a connection was cut");
    }
    assert!(asked.load(Ordering::Relaxed) > 0);
    house.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_one_takes_its_socket_back_when_its_successor_fails() {
    for place in ["create", "start"] {
        let house = House::new();
        house
            .start("l", &plugin("listener"), Isolation::None, json!({}))
            .await
            .unwrap();
        let port = port(&house).await;
        // It cannot reload: the host replaces it by itself with the new configuration, which fails.
        let error = house.host.reload("l", json!({"failIn": place})).await.unwrap_err();
        assert!(error.to_string().contains("told to fail"), "{error}");
        let status = house.status("l");
        assert_eq!(status.state, State::Running);
        assert!(status.message.contains("the successor failed"), "{}", status.message);
        assert!(
            ask(port).await.unwrap().starts_with("1 "),
            "the first generation answers again"
        );
        // And the next hand-over works as if nothing had been.
        house
            .host
            .replace("l", &Source::File(other_file(&house, "listener")))
            .await
            .unwrap();
        assert!(ask(port).await.unwrap().starts_with("2 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusively_locked_file_is_handed_over_without_a_moment_unlocked() {
    let house = House::new();
    let log = house.folder.path().join("locked");
    let config = json!({"file": log, "tickMs": 1});
    house
        .start("k", &plugin("locker"), Isolation::None, config.clone())
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let thief = {
        let (stop, log) = (stop.clone(), log.clone());
        tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                let file = fs::File::open(&log).unwrap();
                let got = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
                assert!(got.is_err(), "the lock was free for a moment");
                std::thread::yield_now();
            }
        })
    };
    for file in [
        other_file(&house, "locker"),
        plugin("locker"),
        other_file(&house, "locker"),
    ] {
        house.host.replace("k", &Source::File(file)).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    thief.await.unwrap();
    house.host.remove("k").await.unwrap();
    let text = fs::read_to_string(log).unwrap();
    let numbers: Vec<u64> = text
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "lost or doubled lines: {numbers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_plugin_replaces_the_running_one_and_a_rollback_puts_it_back() {
    let house = House::with(|settings| settings.shipped = vec![plugin("probe").parent().unwrap().to_owned()]);
    let folder = house.folder.path().join("shipped");
    fs::create_dir_all(&folder).unwrap();
    house
        .start("probe", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    let (first, second) = (house.status("probe").sha256, other_file(&house, "probe"));
    let stored = house.host.install(&second).await.unwrap();
    assert_eq!(house.status("probe").sha256, stored.sha256);
    house.host.rollback("probe").await.unwrap();
    assert_eq!(house.status("probe").sha256, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_start_in_place_of_a_failed_one_leaves_it_failed_and_tried_again() {
    let house = House::with(|settings| settings.patience.failures = 100);
    let config = json!({"panicIn": "start"});
    house
        .start("p", &plugin("probe"), Isolation::None, config)
        .await
        .unwrap_err();
    house
        .host
        .replace("p", &Source::File(other_file(&house, "probe")))
        .await
        .unwrap_err();
    let restarts = house.status("p").restarts;
    let before = house.core.told.lock().unwrap().statuses.len();
    house
        .core
        .until("another try", |told| {
            told.statuses[before..]
                .iter()
                .find(|s| s.restarts > restarts)
                .map(|_| ())
        })
        .await;
}
