//! The next daemon takes over what the last one left: its data, and the processes that go on running meanwhile.

use crate::deployment::texts::{application, file, object, package, script, service};
use crate::support::build::{plugin, root};
use crate::support::node::{Node, SHIPPED, instances};
use crate::support::package::{self as archives, platform};
use crate::support::random::report;
use crate::support::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the nodes of the golden folders were made.
const MADE_IN: &str = "/srv/gate";

/// Copies a folder, with the place where it was made replaced in every file.
fn copy(from: &Path, to: &Path, place: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to, place);
            continue;
        }
        fs::copy(&from, &to).unwrap();
        // The digests in the head are of the files of the state, which name no place.
        if let Ok(text) = fs::read_to_string(&from)
            && text.contains(MADE_IN)
        {
            fs::write(&to, text.replace(MADE_IN, place)).unwrap();
        }
    }
}

/// A process as the engine of that time started it, of which a record tells; it ends with the test.
struct Instance(Child);

impl Instance {
    /// It leads a session of its own, and carries instance and token.
    fn start(workload: &Value) -> Self {
        let mut command = Command::new("setsid");
        command.args(["sleep", "86400"]).env_clear().stdin(Stdio::null());
        for (name, value) in workload["environment"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        let text = |key: &str| workload[key].as_str().unwrap();
        command
            .env("AEROLITH_INSTANCE", text("instance"))
            .env("AEROLITH_TOKEN", text("token"));
        Self(command.spawn().unwrap())
    }

    /// As the engine finds it again: pid, start time and boot.
    fn identity(&self) -> Value {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // Field 22 (proc_pid_stat(5)); the name in parentheses may hold anything.
        let start: u64 = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(19)
            .unwrap()
            .parse()
            .unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        json!({"pid": self.0.id(), "start": start, "boot": boot.trim()})
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts what the records say that it runs, and completes them. One is left as it is when the daemon died between the
/// start and the note of it.
fn revive(records: &Path) -> BTreeMap<String, Instance> {
    let mut revived = BTreeMap::new();
    for entry in fs::read_dir(records).unwrap() {
        let path = entry.unwrap().path();
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if record["life"]["running"].is_null() {
            continue;
        }
        let instance = Instance::start(&record["workload"]);
        match revived.is_empty() {
            true => record["life"] = json!("intended"),
            false => record["life"]["running"]["state"] = instance.identity(),
        }
        fs::write(&path, record.to_string()).unwrap();
        revived.insert(record["id"].as_str().unwrap().to_owned(), instance);
    }
    revived
}

/// Everything under a folder that holds a text.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
            found.push(path);
        }
    }
    found
}

/// The instances that run, with their processes.
fn running(status: &Value) -> BTreeMap<String, u64> {
    let all = instances(status)
        .into_iter()
        .filter(|instance| instance["state"] == "running");
    all.map(|i| (i["id"].as_str().unwrap().to_owned(), i["pid"].as_u64().unwrap_or(0)))
        .collect()
}

#[test]
fn a_daemon_over_the_folder_of_each_earlier_schema_adopts_what_runs() {
    let golden = root().join("tests/golden/state");
    let schemas = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    let schemas: Vec<PathBuf> = schemas.filter(|path| path.is_dir()).collect();
    assert!(!schemas.is_empty());
    for schema in schemas {
        adopts(&schema);
    }
}

fn adopts(schema: &Path) {
    let mut node = Node::new();
    let config = fs::read_to_string(node.path("aerolith.yml")).unwrap();
    node.file("aerolith.yml", &config.replace("nodeName: roof", "nodeName: gate"));
    let place = node.path("").display().to_string().trim_end_matches('/').to_owned();
    copy(&schema.join("data"), &node.path("data"), &place);
    copy(&schema.join("run"), &node.path("run/node"), &place);
    let revived = revive(&node.path("run/node/instances"));
    let wanted: BTreeMap<String, u64> = revived.iter().map(|(id, i)| (id.clone(), i.0.id().into())).collect();
    let before = node.processes();
    assert_eq!(before.len(), wanted.len());
    // The daemon that takes over, and the one after it.
    for _ in 0..2 {
        node.start();
        node.until("all are adopted", |status| (running(status) == wanted).then_some(()));
        assert_eq!(node.processes(), before, "{}", schema.display());
        let shown = instances(&node.status());
        assert!(shown.iter().all(|instance| instance["restarts"] == 0), "{shown:?}");
        assert_eq!(node.instance("migrate.once.1").unwrap()["state"], "completed");
        // `hush-golden`, as JSON files hold bytes.
        assert_eq!(
            holding(&node.path("data/state"), "aHVzaC1nb2xkZW4="),
            Vec::<PathBuf>::new()
        );
        assert_eq!(node.stop(), Some(0));
    }
    node.start();
    for name in ["weather", "camera", "migrate"] {
        node.done(&["delete", "application", name, "--wait"]);
    }
    assert_eq!(node.processes(), [], "{}", node.log());
}

/// What the earlier daemon runs: packages from a server and from texts, replicas, dependencies, a job, and every kind of
/// volume.
fn dozen(server: &Server) -> String {
    let bytes = archives::script("read -r SECRET < etc/cert/key; export SECRET; exec sleep 86400");
    let fetched = object(&server.offer("web.zip", bytes.clone()), &bytes);
    let mut all = vec![
        json!({"kind": "secret", "name": "cert", "stringData": {"key": "hush-canary\n"}}),
        json!({"kind": "configuration", "name": "conf", "data": {"key": "shown\n"}}),
        package("web", &json!({ format!("web-{}", platform()): fetched })),
        script("stay", "exec sleep 86400"),
        script("once", "exit 0"),
    ];
    for number in 0..10 {
        let mounts = json!([{"name": "cert", "mountPath": "/etc/cert"}, {"name": "conf", "mountPath": "/etc/conf"},
            {"name": "kept", "mountPath": "/kept"}, {"name": "tmp", "mountPath": "/tmp"}]);
        let web = json!({"replica": number % 3 + 1, "volumeMounts": mounts, "gracePeriod": "1s"});
        let after = json!({"dependsOn": ["web"], "gracePeriod": "1s", "env": [{"name": "NUMBER", "value": number.to_string()}]});
        let mut app = application(
            &format!("app-{number}"),
            &[service("web", "web", web), service("after", "stay", after)],
        );
        app["volumes"] = json!([{"name": "cert", "secret": {"name": "cert"}}, {"name": "conf", "config": {"name": "conf"}},
            {"name": "kept", "hostPath": {"path": "kept"}}, {"name": "tmp", "emptyDir": {}}]);
        all.push(app);
    }
    let mut job = application("job", &[service("once", "once", json!({}))]);
    job["workload"] = json!("job");
    all.extend([
        job,
        application("none", &[service("stay", "stay", json!({"replica": 0}))]),
    ]);
    file(&all)
}

/// The earlier daemon, or its command line.
fn earlier(node: &Node, words: &[&str]) -> Command {
    let today = node.command(words);
    let program = PathBuf::from(std::env::var_os("AEROLITH_EARLIER").unwrap()).join("aerolith");
    let mut command = Command::new(program);
    command
        .args(words)
        .current_dir(node.path(""))
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in today.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

#[test]
#[ignore = "`cargo xtask campaign upgrade` builds the earlier daemon"]
fn todays_daemon_takes_over_from_an_earlier_one_and_restarts_nothing() {
    let (server, mut node) = (Server::start(), Node::bare());
    let plugins = PathBuf::from(std::env::var_os("AEROLITH_EARLIER").unwrap()).join("plugins");
    let config = fs::read_to_string(node.path("aerolith.yml")).unwrap();
    let folder = node.path("plugins").display().to_string();
    node.file("earlier.yml", &config.replace(&folder, &plugins.display().to_string()));
    node.start_as(earlier(&node, &["run", "--config", "earlier.yml", "--data", "data"]));
    node.file("dozen.yml", &dozen(&server));
    let applied = earlier(&node, &["apply", "-f", "dozen.yml", "--wait", "--timeout", "2m"])
        .output()
        .unwrap();
    assert!(applied.status.success(), "{applied:?}\n{}", node.log());
    let (before, shown) = (node.processes(), running(&node.status()));
    assert_eq!((before.len(), shown.len()), (29, 29));
    assert_ne!(
        holding(&node.path("data/state"), "aHVzaC1jYW5hcnk"),
        Vec::<PathBuf>::new(),
        "it sealed nothing"
    );
    node.kill();
    SHIPPED.iter().for_each(|name| node.ship(&plugin(name)));
    for _ in 0..2 {
        node.start();
        node.until("all are adopted", |status| (running(status) == shown).then_some(()));
        assert_eq!(node.processes(), before);
        let all = instances(&node.status());
        assert!(all.iter().all(|instance| instance["restarts"] == 0), "{all:?}");
        assert_eq!(node.instance("job.once.1").unwrap()["state"], "completed");
        assert_eq!(
            holding(&node.path("data/state"), "aHVzaC1jYW5hcnk"),
            Vec::<PathBuf>::new()
        );
        assert_eq!(node.stop(), Some(0));
    }
    node.start();
    node.done(&["apply", "-f", "dozen.yml", "--wait"]);
    assert_eq!(node.processes(), before, "the same text changes nothing");
    node.apply(&file(&[script("stay", "exec sleep 86401")]));
    node.until("the users of the package are replaced", |status| {
        let now = running(status);
        let is_after = |id: &&String| id.contains(".after.");
        let is_new = |id: &String| now.get(id).is_some_and(|pid| *pid > 0 && *pid != shown[id]);
        shown.keys().filter(is_after).all(is_new).then_some(())
    });
    let now = node.processes();
    let kept = before
        .iter()
        .filter(|process| process.instance().is_some_and(|id| id.contains(".web.")));
    assert!(
        kept.clone().all(|process| now.contains(process)) && now.len() == 29,
        "{now:?}"
    );
    report(&format!(
        "instances kept: {}\ninstances updated afterwards: {}\n",
        before.len(),
        29 - kept.count()
    ));
    for number in 0..10 {
        node.done(&["delete", "application", &format!("app-{number}"), "--wait"]);
    }
    assert_eq!(node.processes(), []);
}
