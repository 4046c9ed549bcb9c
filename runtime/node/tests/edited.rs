//! Programs that somebody edits on disk: none is started unnoticed.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aerolith_node::{Edited, Node, PackagePolicy};
use aerolith_packages::Digest;
use world::*;

const RUN: &str = "#!/bin/sh\necho here\n";
const WEB: &str = "shop.web.1";

fn refusing() -> World {
    World {
        policy: PackagePolicy {
            edited: Edited::Refuse,
            ..PackagePolicy::default()
        },
        ..World::new()
    }
}

/// A node that runs one instance of a package of one object and a text.
async fn shop(world: &World, more: &str) -> Node {
    let node = world.open().await;
    world.serve("test://h/run.sh", RUN);
    let digest = Digest::of(RUN.as_bytes());
    let object = format!(r#"{{"url":"test://h/run.sh","sha256":"{digest}"}}"#);
    apply(
        &node,
        &[
            &package_of("pp", &[("x-linux-test", &object)]),
            &application("shop", &service("web", "pp", more)),
        ],
    )
    .await;
    running(&node, WEB).await;
    node
}

/// Where the newest run of the instance has its program.
fn directory(world: &World) -> PathBuf {
    let runs = world.engine().runs_of(WEB);
    let program = runs.last().unwrap().workload.program.clone();
    PathBuf::from(program.unwrap().directory)
}

/// The instance ends, and is waited for until it has been started so many times.
async fn restarted(world: &World, times: usize) {
    world.engine().end(WEB, code(1));
    started(world, times).await;
}

async fn started(world: &World, times: usize) {
    until("it is started again", || {
        (world.engine().runs_of(WEB).len() == times).then_some(())
    })
    .await;
}

async fn warning(node: &Node) -> String {
    let warned = || service_of(node, "shop", "web")?.warnings.first().cloned();
    until("the status warns", warned).await
}

async fn waits(node: &Node) -> String {
    let reason = || instance_of(node, WEB).map(|web| web.reason);
    until("it says why it waits", || {
        reason().filter(|reason| reason.contains("edited"))
    })
    .await
}

/// Replaces a file of the store, where all are read-only.
fn overwrite(path: &Path, text: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path, text).unwrap();
}

fn stored_tree(world: &World) -> PathBuf {
    let trees = fs::read_dir(world.path("data/packages/trees")).unwrap();
    let mut programs = trees.map(|entry| entry.unwrap().path());
    programs
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("program-"))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_edited_entry_and_an_edited_manifest_are_put_back_before_a_restart_and_nothing_else_is_touched() {
    let world = World::new();
    let node = shop(&world, "").await;
    let mut events = node.events("instance/+/restored").unwrap();
    let tree = directory(&world);
    fs::write(tree.join("run.sh"), "#!/bin/sh\nevil\n").unwrap();
    fs::write(tree.join("program.yml"), "entry: evil.sh\n").unwrap();
    fs::write(tree.join("evil.sh"), "its own affair").unwrap();
    restarted(&world, 2).await;
    assert_eq!(fs::read_to_string(tree.join("run.sh")).unwrap(), RUN);
    assert_eq!(fs::read_to_string(tree.join("program.yml")).unwrap(), "entry: run.sh\n");
    assert_eq!(fs::read_to_string(tree.join("evil.sh")).unwrap(), "its own affair");
    let event = events.next().await.unwrap();
    assert_eq!(event.topic, "instance/shop.web.1/restored");
    assert_eq!(event.data["files"][0]["path"], "program.yml");
    assert_eq!(event.data["files"][1]["path"], "run.sh");
    let found = warning(&node).await;
    assert!(
        found.contains(WEB) && found.contains("`run.sh` has other bytes"),
        "{found}"
    );
    restarted(&world, 3).await;
    let node = world.crash_and_open(node).await;
    assert_eq!(warning(&node).await, found, "it is remembered");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn replicas_that_end_together_find_their_common_copy_put_back() {
    let world = World::new();
    let node = shop(&world, r#","replica":8"#).await;
    let replicas = || (1..=8).map(|n| format!("shop.web.{n}"));
    let entry = directory(&world).join("run.sh");
    for replica in replicas() {
        running(&node, &replica).await;
    }
    fs::write(&entry, "evil").unwrap();
    replicas().for_each(|replica| world.engine().end(&replica, code(1)));
    for replica in replicas() {
        until("it is started again", || {
            (world.engine().runs_of(&replica).len() == 2).then_some(())
        })
        .await;
        let restarted = instance_of(&node, &replica).unwrap();
        assert!(!restarted.reason.contains("compared"), "{restarted:?}");
    }
    assert_eq!(fs::read_to_string(&entry).unwrap(), RUN);
    assert_eq!(fs::read_dir(directory(&world)).unwrap().count(), 2);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn where_it_is_to_be_refused_an_edited_program_waits_until_it_is_put_back() {
    let world = refusing();
    let node = shop(&world, "").await;
    let entry = directory(&world).join("run.sh");
    fs::write(&entry, "evil").unwrap();
    world.engine().end(WEB, code(1));
    let reason = waits(&node).await;
    for part in ["`run.sh` has other bytes", "packages.edited"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(world.engine().runs_of(WEB).len(), 1);
    assert_eq!(fs::read_to_string(&entry).unwrap(), "evil");
    fs::write(&entry, RUN).unwrap();
    started(&world, 2).await;
    running(&node, WEB).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_while_the_daemon_was_away_is_put_back_before_the_next_start() {
    let world = World::new();
    let node = shop(&world, "").await;
    world.crash(node).await;
    let entry = directory(&world).join("run.sh");
    fs::write(&entry, "evil").unwrap();
    world.engine().end(WEB, code(1));
    let node = world.open().await;
    started(&world, 2).await;
    assert_eq!(fs::read_to_string(&entry).unwrap(), RUN);
    node.shutdown().await;
}

/// What happens to the store.
type Loss = fn(&World);

#[tokio::test(start_paused = true)]
async fn a_copy_whose_stored_tree_is_lost_too_waits_until_that_is_built_again_and_keeps_its_files() {
    let losses: [(&str, Loss); 3] = [
        ("edited", |world| overwrite(&stored_tree(world).join("run.sh"), "evil")),
        ("gone", |world| fs::remove_dir_all(stored_tree(world)).unwrap()),
        ("gone with its blob", |world| {
            fs::remove_dir_all(stored_tree(world)).unwrap();
            fs::remove_dir_all(world.path("data/packages/blobs/sha256")).unwrap();
            fs::create_dir(world.path("data/packages/blobs/sha256")).unwrap();
        }),
    ];
    for (loss, lose) in losses {
        let world = World::new();
        let node = shop(&world, "").await;
        let tree = directory(&world);
        fs::write(tree.join("mine"), "its own").unwrap();
        fs::write(tree.join("run.sh"), "evil").unwrap();
        lose(&world);
        restarted(&world, 2).await;
        assert_eq!(fs::read_to_string(tree.join("run.sh")).unwrap(), RUN, "{loss}");
        assert_eq!(fs::read_to_string(tree.join("mine")).unwrap(), "its own", "{loss}");
        assert_eq!(
            world.fetched().len(),
            if loss.contains("blob") { 2 } else { 1 },
            "{loss}"
        );
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_gone_is_made_again() {
    let world = World::new();
    let node = shop(&world, "").await;
    let tree = directory(&world);
    fs::remove_dir_all(&tree).unwrap();
    restarted(&world, 2).await;
    assert_eq!(fs::read_to_string(tree.join("run.sh")).unwrap(), RUN);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_package_that_was_edited_is_built_again_and_told_of() {
    let world = World::new();
    let node = shop(&world, r#","packageMode":"shared""#).await;
    let tree = directory(&world);
    assert_eq!(tree, stored_tree(&world));
    overwrite(&tree.join("run.sh"), "evil");
    restarted(&world, 2).await;
    assert_eq!(fs::read_to_string(tree.join("run.sh")).unwrap(), RUN);
    let found = warning(&node).await;
    assert!(found.contains("`run.sh` has other bytes"), "{found}");
    assert_eq!(world.fetched().len(), 1, "it is built from the stored object");
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_stored_package_that_was_edited_is_built_again_for_the_next_application_that_wants_it() {
    for mode in ["copy", "shared"] {
        let world = World::new();
        let node = shop(&world, "").await;
        overwrite(&stored_tree(&world).join("run.sh"), "evil");
        overwrite(&stored_tree(&world).join("program.yml"), "no manifest");
        let mut events = node.events("package/#").unwrap();
        let more = format!(r#","packageMode":"{mode}""#);
        apply(&node, &[&application("cafe", &service("bar", "pp", &more))]).await;
        running(&node, "cafe.bar.1").await;
        let run = world.engine().runs_of("cafe.bar.1").pop().unwrap();
        let directory = PathBuf::from(run.workload.program.unwrap().directory);
        assert_eq!(fs::read_to_string(directory.join("run.sh")).unwrap(), RUN, "{mode}");
        let mut event = events.next().await.unwrap();
        while event.topic != "package/cafe/bar/edited" {
            event = events.next().await.unwrap();
        }
        assert!(
            event.data["reason"]
                .to_string()
                .contains("`program.yml` has other bytes")
        );
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_restarts_again_and_again_does_not_read_the_list_of_its_stored_tree_each_time() {
    let world = World::new();
    let node = shop(&world, "").await;
    let tree = stored_tree(&world);
    let sums = world.path("data/packages/sums").join(tree.file_name().unwrap());
    fs::write(sums, "torn").unwrap();
    fs::write(directory(&world).join("run.sh"), "evil").unwrap();
    restarted(&world, 2).await;
    assert_eq!(fs::read_to_string(directory(&world).join("run.sh")).unwrap(), RUN);
    assert!(tree.exists(), "a list that is read and torn takes its tree with it");
    node.shutdown().await;
}

/// Changes a note of the daemon.
fn rewrite(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut note = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut note);
    fs::write(path, note.to_string()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_instance_of_a_daemon_that_did_not_note_its_tree_is_compared_with_what_was_prepared() {
    for mode in ["copy", "shared"] {
        let world = World::new();
        let node = shop(&world, &format!(r#","packageMode":"{mode}""#)).await;
        let tree = directory(&world);
        world.crash(node).await;
        rewrite(&world.record(WEB), |record| {
            assert!(record["tree"].take().is_string());
        });
        if mode == "copy" {
            rewrite(&tree.with_file_name("prepared.json"), |prepared| {
                assert!(prepared["tree"].take().is_string());
            });
        }
        overwrite(&tree.join("run.sh"), "evil");
        world.engine().end(WEB, code(1));
        let node = world.open().await;
        started(&world, 2).await;
        assert_eq!(fs::read_to_string(tree.join("run.sh")).unwrap(), RUN, "{mode}");
        assert!(warning(&node).await.contains("`run.sh` has other bytes"));
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_of_which_nobody_noted_the_tree_runs_and_the_status_says_so() {
    let world = World::new();
    let node = shop(&world, "").await;
    let prepared = directory(&world).with_file_name("prepared.json");
    world.crash(node).await;
    rewrite(&world.record(WEB), |record| {
        record["tree"].take();
    });
    rewrite(&prepared, |prepared| {
        prepared["tree"].take();
        prepared["trees"] = serde_json::json!([]);
    });
    world.engine().end(WEB, code(1));
    let node = world.open().await;
    started(&world, 2).await;
    assert!(warning(&node).await.contains("not compared with its package"));
    node.shutdown().await;
}
