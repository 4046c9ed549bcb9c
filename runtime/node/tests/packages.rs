//! What becomes of packages: fetched once, kept as long as they are of use, and told of.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::collections::BTreeSet;
use std::fs;

use aerolith_node::{CleanError, PackagePolicy, PackageState, Summary};
use aerolith_packages::Digest;
use world::*;

const RUN: &str = "#!/bin/sh\necho here\n";
const RUN_MD5: &str = "3b7b83bea16c5e94704c6ecf5f6a9bba";

fn object(url: &str, text: &str) -> String {
    let digest = Digest::of(text.as_bytes());
    format!(r#"{{"url":"{url}","sha256":"{digest}"}}"#)
}

fn shop(package: &str) -> String {
    application("shop", &service("web", package, ""))
}

fn names(world: &World, folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(world.path("data/packages").join(folder)).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_digest_is_warned_of_in_the_status() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    world.serve("test://h/more", "more");
    let known = object("test://h/more", "more");
    let objects = [
        ("x-linux-test", r#"{"url":"test://h/run.sh"}"#),
        ("y-linux-test", &known),
    ];
    apply(&node, &[&package_of("pp", &objects), &shop("pp")]).await;
    running(&node, "shop.web.1").await;
    let warnings = service_of(&node, "shop", "web").unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`x-linux-test`") && warnings[0].contains("sha256"),
        "{warnings:?}"
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_asks_for_digests_refuses_an_object_without_one() {
    let world = World {
        policy: PackagePolicy {
            require_digest: true,
            ..PackagePolicy::default()
        },
        ..World::new()
    };
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    apply(
        &node,
        &[
            &package_of("pp", &[("x-linux-test", r#"{"url":"test://h/run.sh"}"#)]),
            &shop("pp"),
        ],
    )
    .await;
    let reason = until("it is refused", || {
        service_of(&node, "shop", "web")
            .map(|web| web.reason)
            .filter(|reason| !reason.is_empty())
    })
    .await;
    assert!(
        reason.contains("`requireDigest`") && reason.contains("`pp`"),
        "{reason}"
    );
    assert!(world.fetched().is_empty());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_failed_is_fetched_again() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    let (good, late) = (object("test://h/run.sh", RUN), object("test://h/late", "late"));
    apply(
        &node,
        &[
            &package_of("pp", &[("a-linux-test", &good), ("b-linux-test", &late)]),
            &shop("pp"),
        ],
    )
    .await;
    until("it failed twice", || {
        let late = world.fetched().iter().filter(|url| url.ends_with("late")).count();
        (late >= 2).then_some(())
    })
    .await;
    world.serve("test://h/late", "late");
    running(&node, "shop.web.1").await;
    let good = world.fetched().iter().filter(|url| url.ends_with("run.sh")).count();
    assert_eq!(good, 1, "{:?}", world.fetched());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_came_for_a_package_that_cannot_be_had_stays_though_its_md5_alone_is_told() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    let md5 = r#"{"url":"test://h/run.sh","md5":"MD5"}"#.replace("MD5", RUN_MD5);
    let late = object("test://h/late", "late");
    let objects = [("a-linux-test", &*md5), ("b-linux-test", &late)];
    apply(&node, &[&package_of("pp", &objects), &shop("pp")]).await;
    until("it failed", || {
        let web = service_of(&node, "shop", "web")?;
        (web.state == Summary::Failed).then_some(())
    })
    .await;
    for dry_run in [true, false] {
        let cleaned = node.clean_packages(dry_run).await.unwrap();
        assert_eq!(cleaned.removed, []);
    }
    let items = node.packages().await.unwrap();
    let blob = items.iter().find(|item| item.kind == "blob").unwrap();
    assert_eq!(
        (blob.state, &blob.used_by),
        (PackageState::Wanted, &vec!["shop.web".to_owned()])
    );
    node.shutdown().await;
    assert!(matches!(node.clean_packages(false).await, Err(CleanError::Ended)));
    let preview = node.clean_packages(true).await.unwrap();
    assert_eq!(preview.removed, [], "looking waits for nobody");
}

#[tokio::test(start_paused = true)]
async fn one_file_is_fetched_once_for_two_packages_of_two_services() {
    let world = World::new();
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    let one = object("test://h/run.sh", RUN);
    let both = format!("{},{}", service("web", "pp", ""), service("job", "qq", ""));
    apply(
        &node,
        &[
            &package_of("pp", &[("x-linux-test", &one)]),
            &package_of("qq", &[("y-linux-test", &one)]),
            &application("shop", &both),
        ],
    )
    .await;
    running(&node, "shop.web.1").await;
    running(&node, "shop.job.1").await;
    assert_eq!(world.fetched(), ["test://h/run.sh"]);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn after_three_updates_only_the_current_and_the_version_before_are_left() {
    let world = World::new();
    let node = world.open().await;
    for version in 1..=4 {
        let text = format!("{RUN}# {version}");
        let url = format!("test://h/{version}/run.sh");
        world.serve(&url, &text);
        apply(
            &node,
            &[
                &package_of("pp", &[("x-linux-test", &object(&url, &text))]),
                &shop("pp"),
            ],
        )
        .await;
        until("it runs", || {
            let web = service_of(&node, "shop", "web")?;
            let mine = web.instances.first()?.clone();
            (Some(mine.fingerprint) == web.fingerprint && mine.pid.is_some()).then_some(())
        })
        .await;
    }
    let digest = |version: u32| Digest::of(format!("{RUN}# {version}").as_bytes()).to_string();
    let last_two = BTreeSet::from([digest(3), digest(4)]);
    until("the store is clean", || {
        (names(&world, "blobs/sha256") == last_two).then_some(())
    })
    .await;
    let trees = names(&world, "trees");
    let trees = trees.iter().filter(|name| name.starts_with("program-"));
    assert_eq!(trees.count(), 2);
    let versions = fs::read_dir(world.path("data/apps/shop/web")).unwrap().count();
    assert_eq!(versions, 2);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_package_is_told_stage_by_stage() {
    let world = World::new();
    let node = world.open().await;
    let mut events = node.events("package/#").unwrap();
    world.serve("test://h/run.sh", RUN);
    let one = object("test://h/run.sh", RUN);
    apply(&node, &[&package_of("pp", &[("x-linux-test", &one)]), &shop("pp")]).await;
    let mut stages = Vec::new();
    while stages.last().is_none_or(|stage| stage != "published") {
        let event = events.next().await.unwrap();
        let stage = event.topic.strip_prefix("package/shop/web/").unwrap().to_owned();
        if stage == "fetched" {
            assert_eq!(
                (&event.data["object"], &event.data["bytes"]),
                (&"x-linux-test".into(), &RUN.len().into())
            );
        }
        stages.push(stage);
    }
    assert_eq!(stages, ["fetching", "fetched", "verified", "unpacked", "published"]);
    node.shutdown().await;
}

/// One version of a package of a program `run.sh`.
async fn version(world: &World, node: &aerolith_node::Node, text: &str) -> String {
    let url = format!("test://h/{}/run.sh", Digest::of(text.as_bytes()));
    world.serve(&url, text);
    let package = package_of("pp", &[("x-linux-test", &object(&url, text))]);
    let mut events = node.events("app/shop/deployed").unwrap();
    apply(node, &[&package, &shop("pp")]).await;
    events.next().await.unwrap();
    let run = world.engine().runs_of("shop.web.1").pop().unwrap();
    let program = run.workload.program.unwrap();
    fs::read_to_string(std::path::Path::new(&program.directory).join(&program.entry)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_former_version_whose_package_was_removed_by_hand_is_fetched_once_more_when_it_is_gone_back_to() {
    let (world, old, new) = (World::new(), RUN, "#!/bin/sh\necho newer\n");
    let node = world.open().await;
    assert_eq!(version(&world, &node, old).await, old);
    let (trees, blobs) = (names(&world, "trees"), names(&world, "blobs/sha256"));
    assert_eq!(version(&world, &node, new).await, new);
    let packages = world.path("data/packages");
    for tree in &trees {
        let tree = packages.join("trees").join(tree);
        if tree.exists() {
            fs::remove_dir_all(tree).unwrap();
        }
    }
    for blob in &blobs {
        let blob = packages.join("blobs/sha256").join(blob);
        if blob.exists() {
            fs::remove_file(blob).unwrap();
        }
    }
    assert_eq!(world.fetched().len(), 2);
    assert_eq!(version(&world, &node, old).await, old);
    assert_eq!(world.fetched().len(), 3, "{:?}", world.fetched());
    node.shutdown().await;
}
