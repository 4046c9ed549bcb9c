//! The real binary: what `aerolith package` does without any plugin.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own, in which every command runs; `tmp` is where it may put what it needs meanwhile.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.file("aerolith.yml", "plugins: {folders: []}\n");
        fs::create_dir(place.path("tmp")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A folder with a program for one platform, and what is for all.
    fn weather(&self) {
        self.file("from/any/program.yml", "entry: bin/app\n");
        self.file("from/linux-amd64/bin/app", "#!/bin/sh\n");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aerolith"));
        command
            .arg("package")
            .args(words)
            .current_dir(self.0.path())
            .env_clear();
        command.env("TMPDIR", self.path("tmp")).stdin(Stdio::null());
        command
    }

    /// Exit code, standard output, standard error of `aerolith package` with some words. It leaves nothing behind.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command(words).output().unwrap();
        assert_eq!(names(&self.path("tmp")), [""; 0], "{words:?}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn build_to(&self, out: &str, more: &[&str]) -> (i32, String, String) {
        let words = "build from --name weather --version 7 --config aerolith.yml --out";
        let words: Vec<&str> = words.split(' ').chain([out]).chain(more.iter().copied()).collect();
        self.run(&words)
    }

    fn build(&self, more: &[&str]) -> (i32, String, String) {
        self.build_to("out", more)
    }

    fn built(&self, out: &str, more: &[&str]) {
        let (code, out, err) = self.build_to(out, more);
        assert_eq!(code, 0, "{out}{err}");
    }

    /// The answer of what must succeed.
    fn json(&self, words: &[&str]) -> Value {
        let (code, out, err) = self.run(&[words, &["-o", "json"]].concat());
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        serde_json::from_str(&out).unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_package_is_built_and_every_verb_takes_it() {
    let place = Place::new();
    place.weather();
    let (code, out, err) = place.build(&[]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("weather-7-linux-amd64.zip") && out.contains("any"),
        "{out}"
    );
    assert!(err.contains("not checked") && err.contains("arch/1"), "{err}");
    assert_eq!(
        names(&place.path("out")),
        ["weather-7-any.zip", "weather-7-linux-amd64.zip", "weather.yml"]
    );
    let archive = place.json(&["inspect", "--files", "out/weather-7-any.zip"]);
    assert_eq!(
        (&archive["kind"], &archive["entry"], &archive["files"]),
        (&"zip".into(), &"bin/app".into(), &1.into())
    );
    assert_eq!(archive["listing"][0]["mode"], "-rw-r--r--");
    let described = place.json(&["inspect", "out/weather.yml"]);
    let object = &described["packages"][0]["objects"][0];
    assert_eq!(
        (&object["sha256"], &object["size"]),
        (&archive["sha256"], &archive["size"])
    );
    assert_eq!(object["platform"], "any");
    assert!(object["url"].as_str().unwrap().starts_with("file:///"), "{object}");
    let (code, _, err) = place.run(&["resolve", "--config", "aerolith.yml", "out/weather.yml"]);
    assert!(
        code == 1 && err.contains("arch/1") && err.contains("looked for plugins in"),
        "{err}"
    );
}

#[test]
fn building_twice_gives_the_same_bytes_and_other_bytes_need_force() {
    let place = Place::new();
    place.weather();
    for format in ["zip", "tar.zst"] {
        place.built("out", &["--format", format]);
        place.built("again", &["--format", format, "--url", "https://example.com"]);
        let archives = names(&place.path("out"))
            .into_iter()
            .filter(|name| name.ends_with(format));
        for name in archives {
            let read = |folder: &str| fs::read(place.path(folder).join(&name)).unwrap();
            assert_eq!(read("out"), read("again"), "{name}");
        }
        fs::remove_file(place.path("out/weather.yml")).unwrap();
        fs::remove_file(place.path("again/weather.yml")).unwrap();
    }
    place.built("out", &[]);
    place.file("from/any/more", "more");
    let (code, _, err) = place.build(&[]);
    assert!(
        code == 2 && err.contains("weather-7-any.zip") && err.contains("--force"),
        "{err}"
    );
    place.built("out", &["--force"]);
    assert_eq!(names(&place.path("out")).len(), 5);
}

#[test]
fn the_next_version_is_built_beside_the_one_before_and_its_configuration_takes_the_place_of_that() {
    let place = Place::new();
    place.weather();
    place.built("out", &[]);
    let (code, _, err) = place.run(&["verify", "out/weather-7-any.zip"]);
    assert!(
        code == 2 && err.contains("hint: an archive is taken for a whole package"),
        "{err}"
    );
    place.file("from/any/more", "more");
    let next = ["build", "from", "--name", "weather", "--version", "8", "--out", "out"];
    let (code, out, err) = place.run(&next);
    assert_eq!(code, 0, "{out}{err}");
    let described = place.json(&["inspect", "out/weather.yml"]);
    let object = &described["packages"][0]["objects"][0];
    assert!(
        object["url"].as_str().unwrap().ends_with("weather-8-any.zip"),
        "{object}"
    );
    assert!(
        place.path("out/weather-7-any.zip").exists(),
        "whoever wants the version before has it"
    );
}

#[test]
fn what_a_node_would_refuse_is_not_built_and_named() {
    let place = Place::new();
    for (file, text, expected) in [
        (
            "any/program.yml",
            "entry: gone\n",
            "program.yml:1:8: entry `gone` leads to no program: there is no such file",
        ),
        (
            "any/program.yml",
            "entry: ../app\n",
            "program.yml:1:8: entry `../app` climbs out of the package",
        ),
        ("linux-amd64/program.yml", "entry: bin/app\n", "exactly one part may"),
        ("any/bin/app", "other", "`any.zip`"),
        ("any/a\\b", "", "backslash"),
        ("README", "", "README: it is no platform's folder"),
    ] {
        let _ = fs::remove_dir_all(place.path("from"));
        place.weather();
        place.file(&format!("from/{file}"), text);
        let (code, out, err) = place.build(&[]);
        assert!(code == 2 && err.contains(expected), "{file}: {out}{err}");
        assert_eq!(names(&place.path("out")), [""; 0]);
    }
    let _ = fs::remove_dir_all(place.path("from"));
    place.weather();
    symlink("../../etc/passwd", place.path("from/any/out")).unwrap();
    let (code, _, err) = place.build(&[]);
    assert!(
        code == 2 && err.contains("entry `out`") && err.contains("leads out of the package"),
        "{err}"
    );
    let _ = fs::remove_dir_all(place.path("from"));
    let (code, _, err) = place.build(&[]);
    assert!(code == 2 && err.contains("from"), "{err}");
}

#[test]
fn a_folder_with_program_yml_is_one_package_for_all() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    place.built("out", &[]);
    assert_eq!(names(&place.path("out")), ["weather-7-any.zip", "weather.yml"]);
    let sound = place.json(&["verify", "--config", "aerolith.yml", "out/weather-7-any.zip"]);
    assert_eq!((&sound[0]["entry"], &sound[0]["files"]), (&"run".into(), &2.into()));
}

#[test]
fn a_file_at_hand_is_held_to_its_digests_and_to_its_kind() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    place.built("out", &[]);
    let file = "out/weather-7-any.zip";
    let of = place.json(&["inspect", file]);
    let size = of["size"].to_string();
    let text = |field: &str| of[field].as_str().unwrap();
    let verify = |more: &[&str]| place.run(&[&["verify", "--config", "aerolith.yml", file], more].concat());
    let (code, out, err) = verify(&["--sha256", text("sha256"), "--md5", text("md5"), "--size", &size]);
    assert!(code == 0 && out.starts_with("OK! "), "{out}{err}");
    for (more, expected) in [
        (["--sha256", &"0".repeat(64)], "sha256 mismatch"),
        (["--md5", &"0".repeat(32)], "md5 mismatch"),
        (["--size", "1"], "1"),
        (["--unpack", "tgz"], "declared tgz but its content is zip"),
    ] {
        let (code, out, err) = verify(&more);
        assert!(code == 2 && err.contains(expected), "{more:?}: {out}{err}");
    }
    let (code, _, err) = verify(&["--platform", "linux-amd64"]);
    assert!(code == 2 && err.contains("--platform"), "{err}");
    place.file("limits.yml", "packages: {maxEntries: 1}\nplugins: {folders: []}\n");
    let (code, _, err) = place.run(&["verify", "--config", "limits.yml", file]);
    assert!(code == 2 && err.contains("a tree may hold 1 entries"), "{err}");
}

#[test]
fn two_packages_are_compared_as_diff_does() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    place.built("out", &[]);
    place.built("packed", &["--format", "tar.zst"]);
    let archives = ["diff", "out/weather-7-any.zip", "packed/weather-7-any.tar.zst"];
    assert_eq!(place.run(&archives).0, 0, "two formats of one content");
    place.file("from/program.yml", "entry: bin/run\n");
    place.file("from/bin/run", "");
    fs::remove_file(place.path("from/run")).unwrap();
    let (code, out, _) = place.run(&["diff", "out/weather-7-any.zip", "from"]);
    assert_eq!(code, 1);
    for line in [
        "added    bin/run",
        "removed  run",
        "changed  program.yml",
        "entry    program.yml  run",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (code, _, err) = place.run(&["diff", "from", "gone.zip"]);
    assert!(code == 2 && err.contains("gone.zip"), "{err}");
    let (code, _, err) = place.run(&["diff", "from", "aerolith.yml"]);
    assert!(code == 2 && err.contains("no zip, tar, tgz or tar.zst"), "{err}");
}

#[test]
fn what_is_signed_while_it_is_built_is_verified_by_who_trusts_the_key() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    for key in ["ours/key.pem", "theirs/key.pem"] {
        fs::create_dir(place.path(key).parent().unwrap()).unwrap();
        let (code, _, err) = place.run(&["keygen", key]);
        assert_eq!(code, 0, "{err}");
        fs::create_dir(place.path(key).with_file_name("trust")).unwrap();
        let public = place.path(&format!("{key}.pub"));
        fs::rename(public, place.path(key).with_file_name("trust").join("maker.pem")).unwrap();
    }
    place.built("out", &["--key", "ours/key.pem"]);
    let text = fs::read_to_string(place.path("out/weather.yml")).unwrap();
    let signature = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("signature: "))
        .unwrap();
    let signature = signature.trim_matches('"');
    let verify = |more: &[&str]| {
        let words = ["verify", "--config", "aerolith.yml", "out/weather-7-any.zip"];
        place.run(&[&words, more].concat())
    };
    let (code, out, err) = verify(&["--signature", signature, "--trust", "ours/trust"]);
    assert!(code == 0 && out.starts_with("OK! "), "{out}{err}");
    for (more, expected) in [
        (&["--signature", signature, "--trust", "theirs/trust"][..], "maker"),
        (&["--trust", "ours/trust"], "no signature"),
        (&["--signature", signature, "--trust", "nowhere"], "nobody is trusted"),
        (&["--signature", signature], "--trust"),
        (&["--signature", "x", "--trust", "ours/trust"], "signature"),
    ] {
        let (code, out, err) = verify(more);
        assert!(code == 2 && err.contains(expected), "{more:?}: {out}{err}");
    }
}

#[test]
fn a_file_is_held_to_the_whole_policy_as_a_url_is() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    place.built("out", &[]);
    place.file(
        "strict.yml",
        "packages: {requireDigest: true}\nplugins: {folders: []}\n",
    );
    let file = "out/weather-7-any.zip";
    let verify = |more: &[&str]| place.run(&[&["verify", "--config", "strict.yml", file], more].concat());
    let (code, out, err) = verify(&[]);
    assert!(code == 2 && err.contains("`requireDigest`"), "{out}{err}");
    let sha256 = place.json(&["inspect", file])["sha256"].as_str().unwrap().to_owned();
    let (code, out, err) = verify(&["--sha256", &sha256]);
    assert!(code == 0 && out.starts_with("OK! weather-7-any.zip: "), "{out}{err}");
}

#[test]
fn a_signature_is_checked_by_whom_the_node_trusts_and_is_no_word_about_a_configuration() {
    let place = Place::new();
    place.file("from/program.yml", "entry: run\n");
    place.file("from/run", "#!/bin/sh\n");
    fs::create_dir(place.path("trust")).unwrap();
    for key in ["ours.key", "theirs.key"] {
        assert_eq!(place.run(&["keygen", key]).0, 0);
    }
    fs::rename(place.path("ours.key.pub"), place.path("trust/ours.pem")).unwrap();
    place.built("out", &[]);
    let trust = place.path("trust").display().to_string();
    place.file(
        "trusting.yml",
        &format!("packages: {{trust: {trust}}}\nplugins: {{folders: []}}\n"),
    );
    let file = "out/weather-7-any.zip";
    for (key, expected) in [("ours.key", 0), ("theirs.key", 2)] {
        let signed = place.json(&["sign", "--key", key, file]);
        let signature = signed[0]["signature"].as_str().unwrap();
        let verify =
            |config: &str, target: &str| place.run(&["verify", "--config", config, target, "--signature", signature]);
        let (code, out, err) = verify("trusting.yml", file);
        assert_eq!(code, expected, "{key}: {out}{err}");
        let (code, _, err) = verify("aerolith.yml", file);
        assert!(
            code == 2 && err.contains("nobody is trusted") && err.contains("--trust"),
            "{err}"
        );
        let (code, out, err) = verify("trusting.yml", "out/weather.yml");
        assert!(code == 2 && err.contains("--signature are for archives"), "{out}{err}");
    }
}

#[test]
fn what_is_secret_in_an_address_is_not_shown() {
    let place = Place::new();
    place.file(
        "weather.yml",
        "\
kind: configuration
name: weather
labels: {baetyl-config-type: baetyl-program}
data:
  a.zip: {url: 'https://maker:canary@h/a.zip?X-Signature=canary#canary', token: canary}
",
    );
    for format in ["table", "json"] {
        let (code, out, err) = place.run(&["inspect", "weather.yml", "-o", format]);
        assert!(code == 0 && out.contains("https://…@h/a.zip?…"), "{out}{err}");
        assert!(!out.contains("canary") && !err.contains("canary"), "{out}{err}");
    }
}

#[test]
fn a_build_that_is_interrupted_leaves_nothing_and_ends_as_a_shell_expects() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let place = Place::new();
        place.file("from/program.yml", "entry: run\n");
        place.file("from/run", "#!/bin/sh\n");
        // Packing so much takes minutes.
        let bulk = fs::File::create(place.path("from/bulk")).unwrap();
        bulk.set_len(64 << 30).unwrap();
        fs::create_dir(place.path("out")).unwrap();
        let words = "build from --name weather --config aerolith.yml --out out";
        let words: Vec<&str> = words.split(' ').collect();
        let mut build = place.command(&words).stderr(Stdio::null()).spawn().unwrap();
        while names(&place.path("out")).is_empty() {
            assert_eq!(build.try_wait().unwrap(), None);
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&build), signal).unwrap();
        assert_eq!(build.wait().unwrap().code(), Some(expected));
        for folder in ["out", "tmp"] {
            assert_eq!(names(&place.path(folder)), [""; 0]);
        }
    }
}
