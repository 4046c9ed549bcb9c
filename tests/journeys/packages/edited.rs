//! Packages that somebody edits on disk after they were verified: nothing of that is run unnoticed.

use crate::deployment::texts::{application, file, object, package, service};
use crate::support::node::{Node, instances, service_of};
use crate::support::package::{platform, zip};
use crate::support::processes::{self, Process};
use crate::support::server::Server;
use crate::support::socket::Events;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const RUN: &str = "#!/bin/sh\necho as published\nexec sleep 86400\n";
const EVIL: &str = "#!/bin/sh\necho edited\nexec sleep 86400\n";
const WEB: &str = "shop.web.1";

/// A package of one zip, which is served.
fn program(server: &Server) -> Value {
    let zip = zip(&[("program.yml", b"entry: bin/run.sh\n"), ("bin/run.sh", RUN.as_bytes())]);
    let object = object(&server.offer("pp.zip", zip.clone()), &zip);
    package("pp", &json!({ format!("all-{}", platform()): object }))
}

fn shop(server: &Server, more: Value) -> String {
    file(&[program(server), application("shop", &[service("web", "pp", more)])])
}

fn refusing() -> Node {
    let mut node = Node::new();
    let mut config = fs::File::options()
        .append(true)
        .open(node.path("aerolith.yml"))
        .unwrap();
    config.write_all(b"packages: {edited: refuse}\n").unwrap();
    node.start();
    node
}

/// The only folder in a folder whose name begins so.
fn only(folder: &Path, begins: &str) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut fitting = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(begins));
    let found = fitting.next().unwrap();
    assert_eq!(fitting.next(), None);
    found
}

/// The application's own copy of its package.
fn copy(node: &Node) -> PathBuf {
    only(&node.path("data/apps/shop/web"), "").join("tree")
}

fn stored(node: &Node) -> PathBuf {
    only(&node.path("data/packages/trees"), "program-")
}

/// Writes a file that may be read-only.
fn edit(path: &Path, text: &str) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path, text).unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Waits until the instance runs as another process.
fn replaced(node: &Node, before: &Process) -> Process {
    restarted(node, before);
    node.process(WEB)
}

/// The same of one whose program starts others, so that its process is not the only one.
fn restarted(node: &Node, before: &Process) {
    node.until("it is started again", |status| {
        let web = instances(status).into_iter().find(|instance| instance["id"] == WEB)?;
        let pid = web["pid"].as_u64()?;
        (web["state"] == "running" && pid != u64::from(before.pid)).then_some(())
    });
}

fn warning(node: &Node) -> String {
    node.until("the status warns", |status| {
        let web = service_of(status, "shop", "web")?;
        web["warnings"][0].as_str().map(str::to_owned)
    })
}

/// Waits until the instance says that it waits because of an edited file.
fn refused(node: &Node) -> String {
    node.until("it is refused", |status| {
        let web = service_of(status, "shop", "web")?;
        let reason = web["reason"].as_str()?;
        reason.contains("edited on disk").then(|| reason.to_owned())
    })
}

fn ran_only_what_was_published(node: &Node) {
    let lines = node.wrote("shop/web", "as published");
    assert!(lines.iter().all(|line| line == "as published"), "{lines:?}");
    let log = read(&node.path("data/logs/shop/web.1.log"));
    assert!(!log.contains("edited"), "{log}");
}

#[test]
fn an_edited_entry_is_put_back_before_its_restart_with_an_event_and_a_warning() {
    let (server, node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({})));
    let (before, copy) = (node.process(WEB), copy(&node));
    let mut events = Events::listen(&node.socket(), "instance/+/restored").unwrap();
    edit(&copy.join("bin/run.sh"), EVIL);
    fs::write(copy.join("mine"), "its own").unwrap();
    processes::kill(before.pid);
    replaced(&node, &before);
    assert_eq!(
        (read(&copy.join("bin/run.sh")), read(&copy.join("mine"))),
        (RUN.into(), "its own".into())
    );
    let event = events.next().unwrap();
    assert_eq!(event["topic"], "instance/shop.web.1/restored");
    assert_eq!(
        event["data"]["files"],
        json!([{"path": "bin/run.sh", "how": "has other bytes"}])
    );
    let found = warning(&node);
    assert!(
        found.contains("shop.web.1: edited on disk") && found.contains("`bin/run.sh`"),
        "{found}"
    );
    let shown = node.run(&["ps"]);
    assert!(shown.err.contains("`bin/run.sh`"), "{shown:?}");
    ran_only_what_was_published(&node);
}

#[test]
fn a_manifest_edited_to_name_another_program_is_put_back_and_that_program_never_runs() {
    let (server, node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({})));
    let (before, copy) = (node.process(WEB), copy(&node));
    edit(&copy.join("program.yml"), "entry: bin/evil.sh\n");
    fs::write(copy.join("bin/evil.sh"), EVIL).unwrap();
    processes::kill(before.pid);
    replaced(&node, &before);
    assert_eq!(read(&copy.join("program.yml")), "entry: bin/run.sh\n");
    assert!(warning(&node).contains("`program.yml` has other bytes"));
    ran_only_what_was_published(&node);
}

#[test]
fn where_the_operator_has_edited_programs_refused_one_waits_until_it_is_put_back_by_hand() {
    let (server, node) = (Server::start(), refusing());
    node.apply(&shop(&server, json!({})));
    let (before, entry) = (node.process(WEB), copy(&node).join("bin/run.sh"));
    edit(&entry, EVIL);
    processes::kill(before.pid);
    let reason = refused(&node);
    for part in [
        "`bin/run.sh` has other bytes",
        "put it back",
        "packages.edited: restore",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(node.processes(), []);
    assert_eq!(read(&entry), EVIL, "it is left for whoever looks into it");
    edit(&entry, RUN);
    replaced(&node, &before);
    ran_only_what_was_published(&node);
}

#[test]
fn a_refused_program_runs_again_once_another_version_is_applied() {
    let (server, node) = (Server::start(), refusing());
    node.apply(&shop(&server, json!({})));
    let before = node.process(WEB);
    edit(&copy(&node).join("bin/run.sh"), EVIL);
    processes::kill(before.pid);
    refused(&node);
    node.apply(&shop(&server, json!({"args": ["again"]})));
    assert_eq!(node.processes().len(), 1);
    ran_only_what_was_published(&node);
}

#[test]
fn what_is_edited_while_the_daemon_is_away_is_put_back_when_it_starts_the_program_again() {
    let (server, mut node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({})));
    let (before, entry) = (node.process(WEB), copy(&node).join("bin/run.sh"));
    node.kill();
    edit(&entry, EVIL);
    processes::kill(before.pid);
    node.start();
    replaced(&node, &before);
    assert_eq!(read(&entry), RUN);
    assert!(warning(&node).contains("`bin/run.sh`"));
    ran_only_what_was_published(&node);
}

#[test]
fn a_program_whose_stored_package_was_edited_too_is_restarted_from_a_new_one_without_a_download() {
    let (server, node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({})));
    let (before, copy) = (node.process(WEB), copy(&node));
    edit(&copy.join("bin/run.sh"), EVIL);
    edit(&stored(&node).join("bin/run.sh"), EVIL);
    processes::kill(before.pid);
    replaced(&node, &before);
    assert_eq!(read(&copy.join("bin/run.sh")), RUN);
    assert_eq!(read(&stored(&node).join("bin/run.sh")), RUN);
    assert_eq!(server.asked().len(), 1);
    ran_only_what_was_published(&node);
}

#[test]
fn an_edited_stored_package_is_built_again_for_the_next_application_that_wants_it() {
    let (server, node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({})));
    edit(&stored(&node).join("bin/run.sh"), EVIL);
    let mut events = Events::listen(&node.socket(), "package/cafe/#").unwrap();
    node.apply(&file(&[application("cafe", &[service("bar", "pp", json!({}))])]));
    assert_eq!(node.wrote("cafe/bar", ""), ["as published"]);
    assert_eq!(read(&stored(&node).join("bin/run.sh")), RUN);
    let mut event = events.next().unwrap();
    while event["topic"] != "package/cafe/bar/edited" {
        event = events.next().unwrap();
    }
    assert!(
        event["data"]["reason"]
            .to_string()
            .contains("`bin/run.sh` has other bytes")
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_package_that_is_run_where_the_store_has_it_is_built_again_before_a_restart_when_it_was_edited() {
    let (server, node) = (Server::start(), Node::started());
    node.apply(&shop(&server, json!({"packageMode": "shared"})));
    let before = node.process(WEB);
    let entry = stored(&node).join("bin/run.sh");
    edit(&entry, EVIL);
    processes::kill(before.pid);
    replaced(&node, &before);
    assert_eq!(read(&entry), RUN);
    assert!(warning(&node).contains("`bin/run.sh` has other bytes"));
    assert_eq!(server.asked().len(), 1);
    ran_only_what_was_published(&node);
}

#[test]
fn a_folder_that_was_removed_is_put_back_with_all_that_was_published_in_it() {
    let (server, node) = (Server::start(), Node::started());
    let zip = zip(&[
        ("program.yml", b"entry: bin/run.sh\n"),
        ("bin/run.sh", RUN.as_bytes()),
        ("bin/lib/model.bin", b"weights"),
    ]);
    let object = object(&server.offer("pp.zip", zip.clone()), &zip);
    let package = package("pp", &json!({ format!("all-{}", platform()): object }));
    node.apply(&file(&[
        package,
        application("shop", &[service("web", "pp", json!({}))]),
    ]));
    let (before, copy) = (node.process(WEB), copy(&node));
    fs::write(copy.join("mine"), "its own").unwrap();
    fs::remove_dir_all(copy.join("bin")).unwrap();
    processes::kill(before.pid);
    replaced(&node, &before);
    let found = ["bin/run.sh", "bin/lib/model.bin", "mine"].map(|path| read(&copy.join(path)));
    assert_eq!(found, [RUN, "weights", "its own"]);
    assert!(warning(&node).contains("`bin` is missing"));
    ran_only_what_was_published(&node);
}

/// Appends to a file of its package, makes new files, and says what it found.
const WRITER: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "found: $(cat "$here/data/notes" | tr '\n' ' ')"
echo "by $NAME" >> "$here/data/notes"
mkdir -p "$here/made"
echo "$NAME" > "$here/made/by-$NAME"
echo "wrote as $NAME"
exec sleep 86400
"#;

#[test]
fn what_a_program_writes_beside_itself_stays_its_own_and_the_package_is_the_same_for_the_next_application() {
    let (server, node) = (Server::start(), Node::started());
    let zip = zip(&[
        ("program.yml", b"entry: run.sh\n"),
        ("run.sh", WRITER.as_bytes()),
        ("data/notes", b"published\n"),
    ]);
    let object = object(&server.offer("pp.zip", zip.clone()), &zip);
    let package = package("pp", &json!({ format!("all-{}", platform()): object }));
    let named = |name: &str| json!({"env": [{"name": "NAME", "value": name}]});
    node.apply(&file(&[
        package,
        application("shop", &[service("web", "pp", named("shop"))]),
    ]));
    node.wrote("shop/web", "wrote as shop");
    let (before, copy) = (node.process(WEB), copy(&node));
    assert_eq!(read(&copy.join("data/notes")), "published\nby shop\n");

    node.apply(&file(&[application("cafe", &[service("bar", "pp", named("cafe"))])]));
    let lines = node.wrote("cafe/bar", "wrote as cafe");
    assert_eq!(lines, ["found: published ", "wrote as cafe"]);
    processes::kill(before.pid);
    restarted(&node, &before);
    node.wrote("shop/web", "found: published by shop ");
    let other = only(&node.path("data/apps/cafe/bar"), "").join("tree");
    for (copy, name) in [(&copy, "shop"), (&other, "cafe")] {
        let made: Vec<_> = fs::read_dir(copy.join("made"))
            .unwrap()
            .map(|made| made.unwrap().file_name())
            .collect();
        assert_eq!(made, [format!("by-{name}").as_str()]);
    }

    let stored = stored(&node);
    assert_eq!(read(&stored.join("data/notes")), "published\n");
    assert!(!stored.join("made").exists());
    // The next copy reads and verifies all of the stored tree.
    let mut events = Events::listen(&node.socket(), "+/pub/#").unwrap();
    node.apply(&file(&[application("pub", &[service("tap", "pp", named("pub"))])]));
    assert_eq!(node.wrote("pub/tap", "wrote as pub")[0], "found: published ");
    let topics = std::iter::from_fn(|| events.next().unwrap()["topic"].as_str().map(str::to_owned));
    let topics: Vec<_> = topics.take_while(|topic| topic != "app/pub/running").collect();
    assert!(topics.contains(&"package/pub/tap/reused".into()), "{topics:?}");
    assert!(!topics.contains(&"package/pub/tap/edited".into()), "{topics:?}");
    assert_eq!(server.asked().len(), 1);
}
