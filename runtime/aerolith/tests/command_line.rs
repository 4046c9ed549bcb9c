//! The real binary: a daemon without plugins, and the command line that talks to it.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::net::RecvFlags;
use tempfile::TempDir;

const WEATHER: &str = "\
kind: configuration
name: weather-conf
data: {unit: C}
---
kind: secret
name: weather-cert
stringData: {key: hush}
---
kind: application
name: weather
volumes:
  - {name: conf, config: {name: weather-conf}}
  - {name: cert, secret: {name: weather-cert}}
";

/// A folder of its own for everything.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let config = format!(
            "runtime: {0}\nplugins: {{folders: []}}\nnodeName: roof\n",
            place.path("run").display()
        );
        fs::write(place.path("aerolith.yml"), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        name.to_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aerolith"));
        command.args(words).current_dir(self.0.path()).env_clear();
        command
            .env("AEROLITH_SOCKET", self.path("api.sock"))
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        told(&self.command(words).output().unwrap())
    }

    fn daemon(&self) -> Command {
        self.command(&["run", "--config", "aerolith.yml", "--data", "data"])
    }

    /// Starts a daemon, and waits until it says that it is ready.
    fn start(&self) -> Daemon {
        let notify = self.path("notify");
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let log = fs::File::create(self.path("log")).unwrap();
        let daemon = Daemon(self.daemon().env("NOTIFY_SOCKET", &notify).stderr(log).spawn().unwrap());
        let mut said = [0; 64];
        // A wait with a time limit is not taken up again by the kernel when a stopped machine goes on (signal(7)).
        let length = rustix::io::retry_on_intr(|| rustix::net::recv(&ready, &mut said, RecvFlags::empty()));
        let (_, length) = length.unwrap();
        fs::remove_file(notify).unwrap();
        assert_eq!(
            &said[..length],
            b"READY=1",
            "{}",
            fs::read_to_string(self.path("log")).unwrap()
        );
        daemon
    }
}

/// Killed at the latest when the test ends.
struct Daemon(Child);

impl Daemon {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_valid_file_is_ok_and_an_invalid_one_says_where() {
    let place = Place::new();
    let good = place.file("good.yml", WEATHER);
    assert_eq!(place.run(&["check", &good]), (0, "OK!\n".into(), String::new()));
    let bad = place.file("bad.yml", &WEATHER.replace("stringData", "stringDate"));
    let (code, out, err) = place.run(&["check", &good, &bad]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "bad.yml:7:1: unknown key `stringDate`\n  hint: did you mean `stringData`?\n"
    );
    let (code, out, _) = place.run(&["check", &bad, "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer[0]["valid"]), (2, &serde_json::Value::Bool(false)));
}

/// A program of the operator's own: the configuration and a file of `plugins.d`, wrong in each way that a file can be.
#[test]
fn what_is_wrong_in_a_file_of_the_nodes_own_is_said_with_its_place_before_anything_starts() {
    for (file, bytes, words) in [
        (
            "aerolith.yml",
            &b"logLevel: info\nlogLvel: info\n"[..],
            ":2:1: unknown key `logLvel`",
        ),
        (
            "aerolith.yml",
            b"packages:\n  maxEntries: [many]\n",
            ":2:15: packages.maxEntries: ",
        ),
        (
            "aerolith.yml",
            b"nodeName: caf\xe9\n",
            ":1:14: the byte 0xe9 is no UTF-8",
        ),
        (
            "aerolith.yml",
            b"nodeName: a\nnodeName: b\n",
            ":2:1: duplicate key `nodeName`",
        ),
        ("aerolith.yml", b"data: d\n", ":1:7: data: `d` is not an absolute path"),
        ("plugins.d/a.yml", b"enabled: yes!\n", ":1:10: enabled: "),
        ("plugins.d/a.yml", b"enable: true\n", ":1:1: unknown key `enable`"),
        ("plugins.d/a.yml", b"config: \xff\n", ":1:9: the byte 0xff is no UTF-8"),
        ("plugins.d/a.yml", b"config: {a: [}\n", ":1:13: "),
    ] {
        let place = Place::new();
        fs::create_dir(place.path("plugins.d")).unwrap();
        fs::write(place.path(file), bytes).unwrap();
        let (code, _, err) = told(&place.daemon().output().unwrap());
        assert!(code == 2 && err.contains(&format!("{file}{words}")), "{file}: {err}");
        assert!(!place.path("data").exists(), "{file}");
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused_by_name() {
    for file in ["aerolith.yml", "plugins.d/a.yml"] {
        let place = Place::new();
        let _ = fs::remove_file(place.path(file));
        fs::create_dir_all(place.path(file)).unwrap();
        let (code, _, err) = told(&place.daemon().output().unwrap());
        let words = format!("{file}: cannot be read: Is a directory");
        assert!(code == 2 && err.contains(&words), "{err}");
    }
    let place = Place::new();
    let (code, _, err) = place.run(&["run", "--config", "none.yml"]);
    assert!(
        code == 2 && err.contains("none.yml: cannot be read: No such file"),
        "{err}"
    );
}

/// There is nothing by which a file could take in another, so no circle of files either.
#[test]
fn a_file_takes_in_no_other() {
    let place = Place::new();
    place.file("other.yml", "c4nary");
    for include in ["!include other.yml", "!include {path: other.yml}", "{$ref: other.yml}"] {
        let text = format!("kind: configuration\nname: conf\ndata: {{a: {include}}}\n");
        let (_, out, err) = place.run(&["check", &place.file("a.yml", &text), "-o", "json"]);
        assert!(
            !out.contains("c4nary") && !err.contains("c4nary"),
            "{include}: {out} {err}"
        );
    }
}

#[test]
fn a_secret_is_not_shown_where_it_should_not_stand() {
    let place = Place::new();
    for text in [
        "kind: configuration\nname: conf\ndata: {a: {url: 'https://u:c4nary@h h/a?key=c4nary'}}\n",
        "kind: configuration\nname: conf\ndata: {a: {url: 'https://h/a', token: [c4nary]}}\n",
        "kind: secret\nname: pin\ndata: {a: c4nary}\n",
        "kind: secret\nname: pin\nstringData: {a: [c4nary]}\n",
        "kind: secret\nname: pin\nstringData: {a: c4nary}\ndata: {a: YzRuYXJ5}\n",
        r#"[{"name": "pin", "address": "r", "username": "u", "password": ["c4nary"]}]"#,
        r#"[{"name": "conf", "data": [{"key": "a", "value": {"type": "object", "source": "s3", "ak": "c4nary"}}]}]"#,
    ] {
        let (code, out, err) = place.run(&["check", &place.file("a.yml", text)]);
        assert!(code == 2 && err.starts_with("a.yml:"), "{text}: {err}");
        assert!(!out.contains("c4nary") && !err.contains("c4nary"), "{text}: {err}");
    }
}

#[test]
fn folders_several_files_and_standard_input_are_applied_as_one_change() {
    let place = Place::new();
    let _daemon = place.start();
    fs::create_dir(place.path("site")).unwrap();
    place.file("site/b.json", r#"[{"name": "weather", "services": [], "selector": "x", "volumes": [{"name": "conf", "config": {"name": "conf"}}]}]"#);
    place.file(
        "site/a.yml",
        "kind: secret\nname: pin\nstringData: {a: b}\n---\nkind: secret\nname: pin2\n",
    );
    place.file("site/notes.txt", "?");
    let conf = place.file("conf.yaml", "kind: configuration\nname: conf\ndata: {a: b}\n");
    assert_eq!(place.run(&["check", "site", &conf]).1, "OK!\n");
    let (code, out, err) = place.run(&["apply", "-f", "site", "-f", &conf]);
    assert!(code == 0 && out.starts_with("revision 1\n"), "{out} {err}");
    assert!(
        err.contains("site/b.json: kept, but without effect here: selector"),
        "{err}"
    );
    assert!(place.run(&["get", "secrets"]).1.contains("pin2"));
    let (code, out, err) = place.run(&["apply", "-f", "site", "-f", "site/a.yml"]);
    assert!(
        code == 2 && out.is_empty() && err.contains("stands in site/a.yml too"),
        "{err}"
    );
    let mut child = place
        .command(&["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"kind: secret\nname: last\n").unwrap();
    drop(stdin);
    let (code, out, _) = told(&child.wait_with_output().unwrap());
    assert!(code == 0 && out.starts_with("revision 2\n"), "{out}");
    let (code, _, err) = place.run(&["delete", "-f", "site", "-f", &conf]);
    assert!(code == 0, "{err}");
    assert!(!place.run(&["get", "applications"]).1.contains("weather"));
}

#[test]
fn schemas_are_listed_and_printed() {
    let place = Place::new();
    let (code, out, _) = place.run(&["schema"]);
    assert!(
        code == 0 && out.contains("plugin         plugins.d/INSTANCE.yml"),
        "{out}"
    );
    for name in [
        "application",
        "configuration",
        "secret",
        "program",
        "aerolith",
        "plugin",
    ] {
        let (code, out, _) = place.run(&["schema", name]);
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(code == 0 && schema["additionalProperties"] == false, "{name}");
    }
    assert_eq!(place.run(&["schema", "pod"]).0, 2);
}

#[test]
fn wrong_use_and_an_absent_daemon_have_codes_of_their_own() {
    let place = Place::new();
    assert_eq!(place.run(&["fly"]).0, 2);
    // A socket that the environment names need not be given.
    let (code, _, err) = place.run(&["get"]);
    assert!(code == 2 && err.contains("Usage: aerolith get <KIND> [NAME]"), "{err}");
    let (code, _, err) = place.run(&["delete"]);
    assert!(
        code == 2 && err.contains("aerolith delete [OPTIONS] --file <FILE>"),
        "{err}"
    );
    assert_eq!(place.run(&["apply", "-f", "none.yml"]).0, 2);
    assert_eq!(place.run(&["plugin", "check", "aerolith.yml"]).0, 2);
    let (code, _, err) = place.run(&["ps"]);
    assert!(
        code == 3 && err.contains("the daemon cannot be reached at ") && err.contains("hint: start it"),
        "{err}"
    );
    let (code, out, _) = place.run(&["version"]);
    assert!(code == 0 && out.contains("daemon not reached"), "{out}");
}

#[test]
fn the_help_is_what_was_agreed() {
    assert_eq!(
        Place::new().run(&["--help"]),
        (0, include_str!("help.txt").to_owned(), String::new())
    );
}

/// What is offered for the last of some words, one a line.
fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let mut command = place.command(&["--", "aerolith"]);
    command
        .args(words)
        .env("AEROLITH_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n");
    let (code, out, err) = told(
        &command
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .output()
            .unwrap(),
    );
    assert_eq!((code, err.as_str()), (0, ""));
    out.lines().map(str::to_owned).collect()
}

#[test]
fn completions_offer_commands_and_kinds_and_of_a_daemon_that_runs_names_too() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, _) = place.run(&["completions", shell]);
        assert!(code == 0 && script.contains("AEROLITH_COMPLETE"), "{shell}: {script}");
    }
    assert_eq!(offered(&place, &["rol"]), ["rollback"]);
    assert_eq!(offered(&place, &["get", "con"]), ["configurations"]);
    // There is no daemon: that is nothing to speak of.
    assert_eq!(offered(&place, &["get", "configurations", "w"]), <[&str; 0]>::default());
    let _daemon = place.start();
    let file = place.file("all.yml", WEATHER);
    assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    for (words, names) in [
        (&["get", "configurations", "w"][..], "weather-conf"),
        (&["get", "secret", ""], "weather-cert"),
        (&["delete", "app", "wea"], "weather"),
        (&["logs", "wea"], "weather"),
        (&["history", "w"], "weather"),
    ] {
        assert!(
            offered(&place, words).contains(&names.to_owned()),
            "{words:?}: {:?}",
            offered(&place, words)
        );
    }
    assert_eq!(offered(&place, &["get", "configurations", "x"]), <[&str; 0]>::default());
}

#[test]
fn resources_are_applied_shown_and_deleted() {
    let place = Place::new();
    let mut daemon = place.start();
    let file = place.file("weather.yml", WEATHER);
    let (code, out, err) = place.run(&["apply", "-f", &file, "--dry-run"]);
    assert!(
        code == 0 && out.starts_with("nothing changed") && out.contains("weather                     added"),
        "{out}{err}"
    );
    let (code, _, _) = place.run(&["apply", "-f", &file, "--dry-run", "--detailed-exit-code"]);
    assert_eq!(code, 4);
    let (code, out, err) = place.run(&["apply", "-f", &file]);
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (
            0,
            "revision 1\n  added    application/weather\n  added    configuration/weather-conf\n  added    secret/weather-cert\n",
            ""
        )
    );
    let (_, out, _) = place.run(&["apply", "-f", &file]);
    assert_eq!(out, "revision 1\n  nothing to do\n");
    let again = place.run(&["apply", "-f", &file, "--dry-run", "--detailed-exit-code"]);
    assert_eq!(again, (0, "nothing to be done\n".into(), String::new()));
    let (_, out, _) = place.run(&["get", "secrets"]);
    assert_eq!(
        out,
        "NAME          VERSION  KEYS       DESCRIPTION\nweather-cert  -        key (4 B)\n"
    );
    let (_, out, _) = place.run(&["get", "config", "weather-conf", "-o", "yaml"]);
    assert!(
        out.contains("unit: C\n") && out.contains("kind: configuration\n"),
        "{out}"
    );
    let (code, _, err) = place.run(&["delete", "secret", "weather-cert"]);
    assert!(code == 1 && err.contains("is used by application `weather`"), "{err}");
    let (_, out, _) = place.run(&["ps"]);
    assert!(out.contains("weather  running"), "{out}");
    let (code, _, err) = place.run(&["ps", "wether"]);
    assert!(
        code == 1 && err.contains("no application, service or instance `wether`"),
        "{err}"
    );
    let (_, out, _) = place.run(&["delete", "application", "weather", "-o", "json"]);
    let deleted: serde_json::Value = serde_json::from_str(&out).unwrap();
    let removed = serde_json::json!([{"resource": "application/weather", "action": "removed"}]);
    assert_eq!(deleted["resources"], removed);
    assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    let (code, out, err) = place.run(&["delete", "-f", &file]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.starts_with("application `weather` deleted\n") && out.lines().count() == 3,
        "{out}"
    );
    let (code, _, err) = place.run(&["delete", "app", "weather"]);
    assert!(code == 1 && err.contains("there is no application/weather"), "{err}");
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_file_is_made_all_that_is_desired_and_an_empty_one_only_if_that_is_meant() {
    let place = Place::new();
    let _daemon = place.start();
    let file = place.file("weather.yml", WEATHER);
    assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    let one = place.file("one.yml", WEATHER.split("---\n").next().unwrap());
    let (code, out, err) = place.run(&["apply", "-f", &one, "--prune", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    for gone in ["weather              removed", "secret/weather-cert  removed"] {
        assert!(out.contains(gone), "{out}");
    }
    let (code, out, err) = place.run(&["apply", "-f", &one, "--prune"]);
    let expected = "revision 2\n  removed  application/weather\n  removed  secret/weather-cert\n";
    assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""));
    let empty = place.file("empty.yml", "# nothing\n");
    let (code, _, err) = place.run(&["apply", "-f", &empty, "--prune"]);
    assert!(
        code == 2 && err.contains("everything would be deleted") && err.contains("--allow-empty"),
        "{err}"
    );
    assert_eq!(place.run(&["apply", "-f", &empty, "--prune", "--allow-empty"]).0, 0);
    assert_eq!(place.run(&["get", "configs", "-o", "json"]).1, "[]\n");
}

#[test]
fn what_was_deployed_is_shown_and_put_back() {
    let place = Place::new();
    let _daemon = place.start();
    let file = place.file("weather.yml", WEATHER);
    assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    let other = place.file("other.yml", &WEATHER.replace("unit: C", "unit: F"));
    assert_eq!(place.run(&["apply", "-f", &other]).0, 0);
    let (code, out, err) = place.run(&["history", "weather"]);
    assert_eq!(code, 0, "{err}");
    let newest: Vec<&str> = out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((newest[0], newest[4]), ("2", "configuration/weather-conf"), "{out}");
    let (code, out, err) = place.run(&["rollback", "weather", "--to", "1"]);
    assert!(code == 0 && out.starts_with("revision 3\n"), "{out}{err}");
    assert!(
        place
            .run(&["get", "config", "weather-conf", "-o", "yaml"])
            .1
            .contains("unit: C\n")
    );
    let (code, out, _) = place.run(&["retry", "weather"]);
    assert_eq!((code, out.as_str()), (0, "nothing of weather has failed for good\n"));
    for words in [
        &["history", "none"][..],
        &["rollback", "none"],
        &["retry", "none"],
        &["retry", "a/b/1"],
    ] {
        let (code, _, err) = place.run(words);
        assert!(code == 1 && err.contains("there is no application"), "{words:?} {err}");
    }
}

#[test]
fn conditions_are_shown_of_the_node_and_of_one_application() {
    let place = Place::new();
    let _daemon = place.start();
    let file = place.file("weather.yml", WEATHER);
    assert_eq!(place.run(&["apply", "-f", &file, "--wait"]).0, 0);
    let (code, out, err) = place.run(&["status"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        (lines[1][..2].to_vec(), lines[2][..2].to_vec()),
        (vec!["node", "ready"], vec!["weather", "running"])
    );
    assert!(lines.len() == 3 && lines[2].len() == 3, "{out}");
    for all in ["--all", "-v"] {
        let (_, out, _) = place.run(&["status", all]);
        for row in [
            "node     Ready         true  Ready",
            "weather  Deployed      true  Deployed",
        ] {
            assert!(out.contains(row), "{out}");
        }
    }
    let (_, out, _) = place.run(&["status", "weather", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    let deployed = &shown["conditions"][0];
    assert_eq!(
        (&deployed["type"], &deployed["status"]),
        (&"Deployed".into(), &"true".into())
    );
    assert!(deployed["sinceMs"].as_u64().unwrap() > 0);
    let (code, _, err) = place.run(&["status", "none", "-o", "json"]);
    let error: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, &error["error"]["message"]), (1, &"no application `none`".into()));
}

#[test]
fn what_is_applied_is_still_desired_by_the_next_daemon() {
    let place = Place::new();
    let file = place.file("weather.yml", WEATHER);
    let mut daemon = place.start();
    assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    assert_eq!(daemon.end(), Some(0));
    assert!(!place.path("api.sock").exists());
    let _daemon = place.start();
    let (_, out, _) = place.run(&["get", "apps", "-o", "json"]);
    assert!(out.contains("\"weather\""), "{out}");
}

#[test]
fn a_file_that_is_refused_by_the_daemon_is_an_invalid_file() {
    let place = Place::new();
    let _daemon = place.start();
    let file = place.file("app.yml", WEATHER.split("---\n").nth(2).unwrap());
    let shop = "kind: application\nname: shop\nservices: [{name: web, programConfig: none}]\n";
    let other = place.file("shop.yml", shop);
    let (code, _, err) = place.run(&["apply", "-f", &file, "-f", &other]);
    // All that is wrong, each with the file and the place in it.
    for words in [
        "shop.yml:3:39: service `web` of application `shop` runs program package `none`, which does not exist",
        "app.yml:4:33: volume `conf` of application `weather` shows configuration `weather-conf`, which does not exist",
        "app.yml:5:33: volume `cert` of application `weather` shows secret `weather-cert`, which does not exist",
    ] {
        assert!(code == 2 && err.contains(words), "{err}");
    }
}

#[test]
fn what_a_file_says_by_itself_is_judged_without_a_daemon() {
    let place = Place::new();
    let package = "kind: configuration\nname: pp\nlabels: {baetyl-config-type: baetyl-program}\ndata:\n";
    let template = "kind: configuration\nname: cc\ntemplate: true\ndata: {a: '{{ .Foo | upper }}'}\n";
    for (text, told) in [
        (
            format!("{package}  program.yml: 'entrie: run.sh'\n"),
            ":5:16: data.program.yml: ",
        ),
        (template.to_owned(), ":4:11: data.a: "),
        ("name: cc\nversion: v1\n".to_owned(), ":1:1: `kind` is missing"),
    ] {
        let file = place.file("bad.yml", &text);
        let (code, _, err) = place.run(&["check", &file]);
        assert!(code == 2 && err.starts_with(&format!("bad.yml{told}")), "{err}");
    }
    let far = place.file(
        "far.yml",
        &format!("{package}  a-linux-amd64: {{url: 'htp://h/a.zip'}}\n"),
    );
    let (code, out, err) = place.run(&["check", &far]);
    assert_eq!((code, out.as_str()), (0, "OK!\n"));
    let words = "warning: far.yml:5:24: object `a-linux-amd64` of configuration `pp`: none of Aerolith's own plugins fetches \
                 `htp:` URLs (they fetch file, http, https, s3); a vendor's may; did you mean `http:`?";
    assert_eq!(err.trim_end(), words);
}

#[test]
fn events_come_while_they_happen() {
    let place = Place::new();
    let _daemon = place.start();
    let file = place.file("weather.yml", WEATHER);
    let mut listening = place
        .command(&["events", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    // The first that it hears may be what an apply before has led to.
    let heard = std::thread::spawn(move || lines.find_map(|line| applied(&line.unwrap())).unwrap());
    // Nobody tells when the other process listens: change something until it has heard of it.
    while !heard.is_finished() {
        assert_eq!(place.run(&["apply", "-f", &file]).0, 0);
    }
    assert_eq!(heard.join().unwrap(), "app/weather/applied");
    listening.kill().unwrap();
    listening.wait().unwrap();
}

/// The topic of an event, when something was applied.
fn applied(event: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    let topic = event["topic"].as_str().unwrap();
    topic.ends_with("/applied").then(|| topic.to_owned())
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let place = Place::new();
    let first = place.start();
    let (code, _, err) = told(&place.daemon().output().unwrap());
    assert!(code == 1 && err.contains(&first.0.id().to_string()), "{code} {err}");
    assert_eq!(place.run(&["ps"]).0, 0);
    let (code, _, err) = told(
        &place
            .command(&["run", "--config", "aerolith.yml", "--data", "elsewhere"])
            .output()
            .unwrap(),
    );
    assert!(
        code == 1 && err.contains("a daemon is already listening there"),
        "{code} {err}"
    );
}

#[test]
fn a_wrong_configuration_stops_the_start_with_its_place() {
    let place = Place::new();
    place.file("aerolith.yml", "logLvel: info\n");
    let (code, _, err) = told(&place.daemon().output().unwrap());
    assert_eq!(
        (code, err.as_str()),
        (
            2,
            "error: aerolith.yml:1:1: unknown key `logLvel`\n  hint: did you mean `logLevel`?\n"
        )
    );
    place.file("aerolith.yml", "plugins: {folders: []}\n");
    fs::create_dir(place.path("plugins.d")).unwrap();
    place.file("plugins.d/engine.yml", "required: perhaps\n");
    let (code, _, err) = told(&place.daemon().output().unwrap());
    assert!(code == 2 && err.contains("plugins.d/engine.yml:1:11: "), "{err}");
}

#[test]
fn a_required_plugin_that_is_not_there_makes_the_node_ill_and_no_more() {
    let place = Place::new();
    fs::create_dir(place.path("plugins.d")).unwrap();
    place.file("plugins.d/engine.yml", "required: true\n");
    let _daemon = place.start();
    let (code, _, err) = place.run(&["ps"]);
    assert!(
        code == 0 && err.contains("degraded: required plugin instance `engine` is not there: "),
        "{err}"
    );
    let (code, _, err) = place.run(&["plugin", "enable", "engine"]);
    assert!(code == 1 && err.contains("no plugin instance `engine`"), "{err}");
}
