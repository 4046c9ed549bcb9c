//! `aerolith package` with real plugins: what it says of a package is what a node makes of it.

use crate::deployment::texts::{STAY, application, file, object, package, service};
use crate::support::build::sha256;
use crate::support::node::{Node, Told};
use crate::support::package::{platform, script, zip};
use crate::support::server::Server;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Runs `aerolith package` on a node that is not started; it leaves nothing where it works.
fn package_verb(node: &Node, words: &[&str]) -> Told {
    let folder = node.path("tmp");
    fs::create_dir_all(&folder).unwrap();
    let mut command = node.command(&[&["package"], words, &["--config", "aerolith.yml"]].concat());
    let output = command.env("TMPDIR", &folder).output().unwrap();
    assert_eq!(names(&folder), [""; 0], "{words:?} left something behind");
    Told {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The answer of what must succeed.
fn answer(node: &Node, words: &[&str]) -> Value {
    let told = package_verb(node, &[words, &["-o", "json"]].concat());
    assert_eq!(told.code, 0, "{words:?}: {told:?}");
    serde_json::from_str(&told.out).unwrap()
}

fn refused(node: &Node, words: &[&str]) -> String {
    let told = package_verb(node, words);
    assert_eq!(told.code, 2, "{words:?}: {told:?}");
    told.err
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A zip whose one entry climbs out of wherever it is unpacked.
fn climbing() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("program.yml", "entry: run.sh\n"), ("../../run.sh", "#!/bin/sh\n")] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn what_is_built_is_applied_and_runs() {
    let mut node = Node::new();
    node.file("from/any/program.yml", "entry: bin/run\n");
    node.file("from/any/greeting", "from everywhere");
    node.file(
        &format!("from/{}/bin/run", platform()),
        &format!("#!/bin/sh\ncat \"${{0%/*}}/../greeting\"; echo; {STAY}\n"),
    );
    node.file("from/linux-riscv64/bin/run", "#!/bin/false\n");
    let built = package_verb(
        &node,
        &["build", "from", "--name", "hello", "--version", "1", "--out", "out"],
    );
    assert_eq!((built.code, built.err.contains("warning")), (0, false), "{built:?}");
    assert_eq!(names(&node.path("out")).len(), 4);
    let sound = answer(&node, &["verify", "out/hello.yml"]);
    assert_eq!(
        (&sound[0]["entry"], &sound[0]["files"]),
        (&"bin/run".into(), &3.into()),
        "{sound}"
    );
    node.start();
    node.done(&["apply", "-f", "out/hello.yml"]);
    node.apply(&file(&[application("shop", &[service("web", "hello", json!({}))])]));
    node.wrote("shop/web", "from everywhere");
}

#[test]
fn a_folder_that_no_platform_is_called_like_is_not_built() {
    let node = Node::new();
    node.file("from/linux-amd46/program.yml", "entry: run\n");
    node.file("from/linux-amd46/run", "#!/bin/sh\n");
    let words = ["build", "from", "--name", "hello", "--out", "out"];
    let error = refused(&node, &words);
    assert!(error.contains("`linux-amd46` is no known platform"), "{error}");
    fs::rename(node.path("from/linux-amd46"), node.path("from/linux-amd64")).unwrap();
    node.file("from/linux-x86_64/program.yml", "entry: run\n");
    node.file("from/linux-x86_64/run", "#!/bin/sh\n");
    let error = refused(&node, &words);
    assert!(
        error.contains("linux-amd64.zip, linux-x86_64.zip") && error.contains("one folder for each"),
        "{error}"
    );
    assert_eq!(names(&node.path("out")), [""; 0]);
}

#[test]
fn the_choice_is_explained_for_any_platform() {
    let node = Node::new();
    let objects = [
        "app-linux-amd64.zip",
        "app-linux-arm64.zip",
        "app-linux-arm64-v8.zip",
        "app.zip",
    ];
    let mut data: serde_json::Map<String, Value> = objects
        .map(|key| (key.to_owned(), json!({"url": format!("http://127.0.0.1/{key}")})))
        .into_iter()
        .collect();
    data.insert(
        "all.zip".into(),
        json!({"url": "http://127.0.0.1/all.zip", "platform": "any"}),
    );
    node.file("weather.yml", &package("weather", &data.into()).to_string());
    let choice = answer(&node, &["resolve", "--platform", "linux/arm64/v8", "weather.yml"]);
    assert_eq!(choice[0]["chosen"], json!(["all.zip", "app-linux-arm64-v8.zip"]));
    let told = package_verb(&node, &["resolve", "--platform", "linux/arm64/v8", "weather.yml"]).out;
    for line in [
        "app-linux-arm64-v8.zip  yes    for linux-arm64-v8",
        "app-linux-arm64.zip     no     for linux-arm64, but linux-arm64-v8 comes first",
        "app.zip                 no     names no platform",
        "all.zip                 yes    for any platform",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let choice = answer(&node, &["resolve", "--platform", "linux-arm64", "weather.yml"]);
    assert_eq!(choice[0]["chosen"], json!(["all.zip", "app-linux-arm64.zip"]));
    let nothing = package_verb(&node, &["resolve", "--platform", "linux/riscv64", "weather.yml"]);
    assert!(
        nothing.code == 1 && nothing.err.contains("no object is for linux-riscv64"),
        "{nothing:?}"
    );
    let unknown = refused(&node, &["resolve", "--platform", "linux/z80", "weather.yml"]);
    assert!(unknown.contains("`linux/z80` is no known platform"), "{unknown}");
    let own = answer(&node, &["resolve", "weather.yml"]);
    assert!(platform().starts_with(own[0]["platform"].as_str().unwrap()), "{own}");
}

#[test]
fn baetyls_own_files_are_explained_and_verified_too() {
    let (server, node) = (Server::start(), Node::new());
    let bytes = script("exit 0");
    let url = server.offer("app.zip", bytes.clone());
    let theirs = json!({
        "name": "weather",
        "labels": {"baetyl-config-type": "baetyl-program"},
        "data": [{"key": "app-linux-arm64-v8.zip", "value": {
            "type": "object", "source": "http", "url": url, "unpack": "zip",
            "md5": crate::support::package::md5(&bytes)
        }}]
    });
    node.file("weather.json", &theirs.to_string());
    let choice = answer(&node, &["resolve", "--platform", "linux/arm64/v8", "weather.json"]);
    assert_eq!(choice[0]["chosen"], json!(["app-linux-arm64-v8.zip"]));
    let sound = answer(&node, &["verify", "--platform", "linux/arm64/v8", "weather.json"]);
    assert_eq!(sound[0]["objects"][0]["sha256"], sha256(&bytes));
}

#[test]
fn a_url_is_verified_as_a_node_would_install_it_and_nothing_is_left() {
    let (server, node) = (Server::start(), Node::new());
    let bytes = script("exit 0");
    let url = server.offer("good.zip", bytes.clone());
    let good = package_verb(&node, &["verify", &url, "--sha256", &sha256(&bytes)]);
    assert!(
        good.code == 0 && good.out.starts_with("OK! good.zip: entry run.sh, 2 files"),
        "{good:?}"
    );
    let other = refused(&node, &["verify", &url, "--sha256", &sha256(b"other")]);
    assert!(
        other.contains("sha256 mismatch") && other.contains(&sha256(&bytes)),
        "{other}"
    );
    let hostile = refused(&node, &["verify", &server.offer("bad.zip", climbing())]);
    assert!(
        hostile.contains("entry `../../run.sh`") && hostile.contains("climbs with `..`"),
        "{hostile}"
    );
    let bare = zip(&[("run.sh", b"#!/bin/sh\n")]);
    let bare = refused(&node, &["verify", &server.offer("bare.zip", bare)]);
    assert!(bare.contains("no program.yml"), "{bare}");
    let gone = package_verb(&node, &["verify", &server.url("gone.zip")]);
    assert!(gone.code == 1 && gone.err.contains("404"), "{gone:?}");
    let unknown = package_verb(&node, &["verify", "gopher://127.0.0.1/a.zip"]);
    assert!(unknown.code == 1 && unknown.err.contains("`gopher:`"), "{unknown:?}");
    assert!(!node.path("data").exists());
}

#[test]
fn how_far_a_verification_is_stands_beside_the_answer() {
    let (server, node) = (Server::start(), Node::new());
    let bytes = script("exit 0");
    let url = server.offer("good.zip", bytes.clone());
    node.file(
        "weather.yml",
        &package("weather", &json!({ platform(): object(&url, &bytes) })).to_string(),
    );
    for (target, name, key) in [(&*url, "package", "good.zip"), ("weather.yml", "weather", platform())] {
        let told = package_verb(&node, &["verify", target]);
        assert!(told.code == 0 && told.out.starts_with("OK! "), "{told:?}");
        let lines: Vec<&str> = told.err.lines().collect();
        for (line, stage) in lines.iter().zip(["fetched", "verified", "unpacked"]) {
            assert!(line.starts_with(&format!("{name}: {stage} ")), "{told:?}");
        }
        assert!(lines.len() == 3 && lines[0].contains(key), "{told:?}");
        let told = package_verb(&node, &["verify", target, "-o", "json"]);
        let events: Vec<Value> = told
            .err
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = events.last().unwrap();
        assert_eq!(last["topic"], format!("package/{name}/trial/unpacked"), "{told:?}");
        assert!(last["data"]["bytes"].as_u64().unwrap() > 0, "{told:?}");
    }
}

#[test]
fn a_verification_that_is_interrupted_leaves_nothing() {
    let node = Node::new();
    let folder = node.path("tmp");
    fs::create_dir(&folder).unwrap();
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = Server::start();
        let url = server.offer("slow.zip", vec![7; 1 << 20]);
        server.hold_at(1 << 19);
        let mut command = node.command(&["package", "verify", &url, "--config", "aerolith.yml"]);
        let mut verify = command.env("TMPDIR", &folder).stderr(Stdio::null()).spawn().unwrap();
        assert!(server.until_held(Duration::from_secs(30)));
        kill_process(Pid::from_child(&verify), signal).unwrap();
        let status = verify.wait().unwrap();
        assert_eq!(status.code(), Some(expected), "{status}");
        assert_eq!(names(&folder), [""; 0]);
    }
}

#[test]
fn a_configuration_is_verified_for_every_platform_that_is_asked_for() {
    let (server, node) = (Server::start(), Node::new());
    let (good, bad) = (script("exit 0"), climbing());
    let data = json!({
        "linux-amd64": object(&server.offer("good.zip", good.clone()), &good),
        "linux-arm64": object(&server.offer("bad.zip", bad.clone()), &bad),
    });
    node.file("weather.yml", &package("weather", &data).to_string());
    let sound = answer(&node, &["verify", "--platform", "linux/amd64", "weather.yml"]);
    assert_eq!(
        (&sound[0]["platform"], &sound[0]["entry"]),
        (&"linux-amd64".into(), &"run.sh".into())
    );
    let both = [
        "verify",
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/arm64",
        "weather.yml",
    ];
    let error = refused(&node, &both);
    assert!(
        error.contains("object `linux-arm64`") && error.contains("entry `../../run.sh`"),
        "{error}"
    );
    node.file(
        "aerolith.yml",
        &format!(
            "packages: {{requireDigest: true}}\nplugins: {{folders: [{}]}}\n",
            node.path("plugins").display()
        ),
    );
    let data = json!({ "linux-amd64": {"url": server.url("good.zip"), "unpack": "zip"} });
    node.file("weather.yml", &package("weather", &data).to_string());
    let error = refused(&node, &["verify", "--platform", "linux/amd64", "weather.yml"]);
    assert!(error.contains("`requireDigest`"), "{error}");
}

#[test]
fn a_package_that_is_signed_while_it_is_built_is_verified_by_its_configuration() {
    let node = Node::new();
    node.file("from/program.yml", "entry: run\n");
    node.file("from/run", "#!/bin/sh\n");
    for folder in ["ours", "theirs"] {
        fs::create_dir(node.path(folder)).unwrap();
        node.done(&["package", "keygen", &format!("{folder}.key")]);
        fs::rename(
            node.path(&format!("{folder}.key.pub")),
            node.path(&format!("{folder}/maker.pem")),
        )
        .unwrap();
    }
    let words = ["build", "from", "--name", "hello", "--out", "out", "--key", "ours.key"];
    assert_eq!(package_verb(&node, &words).code, 0);
    let sound = answer(&node, &["verify", "--trust", "ours", "out/hello.yml"]);
    assert_eq!(sound[0]["entry"], "run");
    let error = refused(&node, &["verify", "--trust", "theirs", "out/hello.yml"]);
    assert!(error.contains("`any.zip`") && error.contains("trusted"), "{error}");
}
