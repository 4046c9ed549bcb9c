//! A node that was told nothing at all: no configuration, no rights, no network.

use super::texts::{application, file, object, package, service};
use crate::support::build::{binary, plugin};
use crate::support::node::{Node, SHIPPED};
use crate::support::package::{platform, script};
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that owns nothing (Debian: `nobody`).
const NOBODY: u32 = 65534;

/// A program run by a user who may nothing, in a name space without any network; as the user of the test and with its
/// network where the test may not do that.
fn confined(program: &Path) -> Command {
    if !is_confined() {
        eprintln!("SKIPPED: only root can take rights and network away; the node runs with those of the test");
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "setpriv", "--clear-groups"]);
    command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--".into()]);
    command.arg(program);
    command
}

fn is_confined() -> bool {
    let tried = Command::new("unshare").args(["--net", "--", "true"]).status();
    rustix::process::geteuid().is_root() && tried.is_ok_and(|status| status.success())
}

/// The program with its plugins beside it, as it is installed, in the node's folder; all of it is the user's.
fn installed(node: &Node) -> PathBuf {
    let program = node.path("bin/aerolith");
    fs::create_dir_all(node.path("bin/plugins")).unwrap();
    fs::copy(binary(), &program).unwrap();
    for file in SHIPPED.map(plugin) {
        fs::copy(&file, node.path("bin/plugins").join(file.file_name().unwrap())).unwrap();
    }
    for folder in ["home", "session"] {
        fs::create_dir(node.path(folder)).unwrap();
        if is_confined() {
            chown(node.path(folder), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    if is_confined() {
        chown(node.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    program
}

#[test]
fn a_program_told_nothing_is_a_working_node_without_any_network() {
    let mut node = Node::bare();
    let (program, folder) = (installed(&node), node.path(""));
    let command = |words: &[&str]| {
        let mut command = confined(&program);
        command.args(words).env_clear().current_dir(&folder);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .env("HOME", folder.join("home"))
            .env("XDG_RUNTIME_DIR", folder.join("session"));
        command
    };
    let done = |words: &[&str]| {
        let output = command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let bytes = script("echo \"by $(id -u) in $PWD\"; exec sleep 86400");
    let zip = folder.join("home/pp.zip");
    fs::write(&zip, &bytes).unwrap();
    let pp = object(&format!("file://{}", zip.display()), &bytes);
    let pp = package("pp", &json!({ format!("pp-{}", platform()): pp }));
    let shop = file(&[pp, application("shop", &[service("web", "pp", json!({}))])]);
    node.file("home/shop.yml", &shop);

    node.start_as(command(&["run"]));
    done(&["apply", "-f", "home/shop.yml", "--wait"]);
    let data = folder.join("home/.local/share/aerolith");
    let place = data.join("instances/shop.web.1");
    let user = if is_confined() {
        NOBODY
    } else {
        rustix::process::geteuid().as_raw()
    };
    let expected = format!("by {user} in {}@", place.display());
    let mut logs = command(&["logs", "-f", "shop"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(logs.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    logs.kill().unwrap();
    logs.wait().unwrap();
    assert!(line.starts_with(&expected), "{line}");
    assert!(done(&["ps"]).contains("running") && done(&["plugin", "list"]).contains("fetcher-file"));
    let before = node.processes();
    assert_eq!(before.len(), 1);
    assert_eq!(node.stop(), Some(0));
    node.start_as(command(&["run"]));
    done(&["apply", "-f", "home/shop.yml", "--wait"]);
    assert_eq!(node.processes(), before);
    done(&["delete", "-f", "home/shop.yml", "--wait"]);
    assert_eq!(node.processes(), []);
}
