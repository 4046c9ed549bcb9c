//! A world for tests: plugins linked in and scripted, which outlive the node as real engines' processes do.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is test code")]

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aerolith_model::Resource;
use aerolith_node::{
    ApplicationStatus, Foundation, InstanceStatus, Node, OpenError, PackagePolicy, Plugins, PortRange, ServiceStatus,
    Settings, Updates, WorkloadPolicy,
};
use aerolith_plugin_wire::engine::{
    self, Engine, Exec, Executed, Exit, Features, Fingerprint, Handle, Logs, Recover, Recovered, Signal, Status, Stop,
    Usage, Workload,
};
use aerolith_plugin_wire::fetcher::{self, Fetch, Fetched, Head, PackageFetcher, Schemes, write_head};
use aerolith_plugin_wire::payload::Blob;
use aerolith_plugin_wire::{Bytes, Code, Error, Result, Service, Stream, arch};
use tokio::sync::watch;

/// One run of an instance, as the engine knows it.
#[derive(Clone)]
pub struct Run {
    pub workload: Workload,
    pub pid: u32,
    pub exit: watch::Sender<Option<Exit>>,
}

impl Run {
    pub fn is_alive(&self) -> bool {
        self.exit.borrow().is_none()
    }
}

/// An engine that runs nothing and remembers everything.
#[derive(Default)]
pub struct Scripted {
    pub runs: Mutex<Vec<Run>>,
    pub prepared: Mutex<Vec<Workload>>,
    pub stops: Mutex<Vec<(String, u64)>>,
    /// What was removed, each with the runs that there were until then.
    pub removed: Mutex<Vec<(Handle, usize)>>,
    /// By method, what it answers instead; what is said to panic does so, once, in the task of whoever asks.
    pub refuses: Mutex<BTreeMap<&'static str, Error>>,
    /// Whose start never comes to its end: instances of which the name begins so.
    pub stuck: Mutex<Option<&'static str>>,
    /// The starts that are under way.
    pub starting: Arc<()>,
    /// Whether what is removed is gone and the answer does not come.
    pub removes_in_silence: Mutex<bool>,
    /// Told to whoever waits for an end: the engine is replaced.
    pub lost: watch::Sender<u32>,
    /// Whether it hands sockets over.
    pub hands_over: std::sync::atomic::AtomicBool,
    /// By command, with which code it ends; any other hangs.
    pub commands: Mutex<BTreeMap<String, i32>>,
    /// The commands that were run, and how many run now.
    pub asked: Mutex<Vec<String>>,
    pub asking: Arc<()>,
}

impl Scripted {
    /// Every run, alive or not, of an instance.
    pub fn runs_of(&self, instance: &str) -> Vec<Run> {
        self.runs
            .lock()
            .unwrap()
            .iter()
            .filter(|run| run.workload.instance == instance)
            .cloned()
            .collect()
    }

    pub fn alive(&self) -> Vec<String> {
        let runs = self.runs.lock().unwrap();
        let mut alive: Vec<_> = runs
            .iter()
            .filter(|r| r.is_alive())
            .map(|r| r.workload.instance.clone())
            .collect();
        alive.sort();
        alive
    }

    /// Lets the newest run of an instance end.
    pub fn end(&self, instance: &str, exit: Exit) {
        self.runs_of(instance).last().unwrap().exit.send_replace(Some(exit));
    }

    /// Forgets all runs of an instance, as an engine does that began anew; they can still be counted.
    pub fn forget(&self, instance: &str) {
        let mut runs = self.runs.lock().unwrap();
        let mine = runs.iter_mut().filter(|run| run.workload.instance == instance);
        mine.for_each(|run| run.workload.token.clear());
    }

    /// From now on a command ends with a code.
    pub fn says(&self, command: &str, code: i32) {
        self.commands.lock().unwrap().insert(command.into(), code);
    }

    /// From now on a command hangs.
    pub fn hangs(&self, command: &str) {
        self.commands.lock().unwrap().remove(command);
    }

    pub fn refuse(&self, method: &'static str, error: Error) {
        self.refuses.lock().unwrap().insert(method, error);
    }

    pub fn obey(&self) {
        self.refuses.lock().unwrap().clear();
    }

    fn asked(&self, method: &'static str) -> Result<()> {
        let mut refuses = self.refuses.lock().unwrap();
        let refused = refuses.get(method).cloned();
        if refused.as_ref().is_some_and(|error| error.code == Code::Panic) {
            refuses.remove(method);
            drop(refuses);
            panic!("as scripted");
        }
        refused.map_or(Ok(()), Err)
    }

    fn by_token(&self, token: &str) -> Option<Run> {
        self.runs
            .lock()
            .unwrap()
            .iter()
            .find(|run| run.workload.token == token)
            .cloned()
    }

    fn add(&self, workload: Workload) -> Handle {
        let mut runs = self.runs.lock().unwrap();
        let pid = 1000 + u32::try_from(runs.len()).unwrap();
        let (instance, token) = (workload.instance.clone(), workload.token.clone());
        runs.push(Run {
            workload,
            pid,
            exit: watch::Sender::new(None),
        });
        Handle {
            instance,
            token,
            state: serde_json::json!({ "pid": pid }),
        }
    }
}

impl Engine for Scripted {
    async fn capabilities(&self) -> Result<Features> {
        Ok(Features {
            kind: "process".into(),
            survives: true,
            handover: self.hands_over.load(std::sync::atomic::Ordering::SeqCst),
            ..Features::default()
        })
    }

    async fn fingerprint(&self, _: Stream<Fingerprint>) -> Result<()> {
        std::future::pending().await
    }

    async fn prepare(&self, request: Workload) -> Result<()> {
        self.asked("prepare")?;
        self.prepared.lock().unwrap().push(request);
        Ok(())
    }

    async fn start(&self, request: Workload) -> Result<Handle> {
        self.asked("start")?;
        let stuck = *self.stuck.lock().unwrap();
        if stuck.is_some_and(|stuck| request.instance.starts_with(stuck)) {
            let _under_way = self.starting.clone();
            return std::future::pending().await;
        }
        let handle = self.add(request);
        self.asked("started")?;
        Ok(handle)
    }

    async fn recover(&self, request: Recover) -> Result<Recovered> {
        self.asked("recover")?;
        let alive = self.by_token(&request.token).filter(Run::is_alive);
        let handle = alive.map(|run| Handle {
            instance: request.instance,
            token: request.token,
            state: serde_json::json!({ "pid": run.pid }),
        });
        Ok(Recovered {
            handle,
            reason: "as scripted".into(),
        })
    }

    async fn wait(&self, request: Handle) -> Result<Exit> {
        let run = self
            .by_token(&request.token)
            .ok_or_else(|| Error::not_found("no such run"))?;
        let mut lost = self.lost.subscribe();
        let mut exit = run.exit.subscribe();
        tokio::select! {
            exit = exit.wait_for(Option::is_some) => Ok(exit.unwrap().clone().unwrap()),
            _ = lost.changed() => Err(Error::new(Code::Unavailable, "the engine is replaced")),
        }
    }

    async fn status(&self, request: Handle) -> Result<Status> {
        self.asked("status")?;
        let run = self
            .by_token(&request.token)
            .ok_or_else(|| Error::not_found("no such run"))?;
        Ok(Status {
            running: run.is_alive(),
            pid: Some(run.pid),
            up_ms: Some(0),
            ..Status::default()
        })
    }

    async fn stop(&self, request: Stop) -> Result<Exit> {
        self.asked("stop")?;
        self.stops
            .lock()
            .unwrap()
            .push((request.handle.instance.clone(), request.grace_ms));
        let exit = Exit {
            signal: Some(15),
            ..Exit::default()
        };
        if let Some(run) = self.by_token(&request.handle.token) {
            run.exit
                .send_if_modified(|old| old.is_none() && old.replace(exit.clone()).is_none());
        }
        Ok(exit)
    }

    async fn remove(&self, request: Handle) -> Result<()> {
        let runs = self.runs.lock().unwrap().len();
        self.removed.lock().unwrap().push((request.clone(), runs));
        self.asked("remove")?;
        if *self.removes_in_silence.lock().unwrap() {
            self.forget(&request.instance);
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn stats(&self, _: Handle) -> Result<Usage> {
        Ok(Usage::default())
    }

    async fn logs(&self, request: Logs, into: Stream<Bytes>) -> Result<()> {
        into.write_raw(format!("{} {:?}\n", request.output, request.tail).into_bytes())
            .await
    }

    async fn exec(&self, request: Exec) -> Result<Executed> {
        let _under_way = self.asking.clone();
        let command = request.command.join(" ");
        let code = self.commands.lock().unwrap().get(&command).copied();
        self.asked.lock().unwrap().push(command);
        match code {
            Some(code) => Ok(Executed {
                exit: Exit {
                    code: Some(code),
                    ..Exit::default()
                },
                output: Blob(b"as\nscripted".to_vec()),
            }),
            None => std::future::pending().await,
        }
    }

    async fn signal(&self, _: Signal) -> Result<()> {
        Err(Error::unimplemented("signal"))
    }
}

/// Serves what the test puts there, under `test:`.
#[derive(Default)]
pub struct Files {
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    pub fetched: Mutex<Vec<String>>,
    /// What never comes, and for how many that is waited for now.
    pub hangs: Mutex<Vec<String>>,
    pub hanging: Arc<()>,
}

impl PackageFetcher for Files {
    async fn schemes(&self) -> Result<Schemes> {
        Ok(Schemes {
            schemes: vec!["test".into()],
        })
    }

    async fn fetch(&self, request: Fetch, into: Stream<Bytes>) -> Result<Fetched> {
        self.fetched.lock().unwrap().push(request.url.clone());
        let bytes = self.files.lock().unwrap().get(&request.url).cloned();
        if self.hangs.lock().unwrap().contains(&request.url) {
            let _under_way = self.hanging.clone();
            std::future::pending::<()>().await;
        }
        let bytes = bytes.ok_or_else(|| Error::not_found("the server answered 404 Not Found"))?;
        write_head(&into, &Head::default()).await?;
        let size = bytes.len() as u64;
        into.write_raw(bytes).await?;
        Ok(Fetched { bytes: size })
    }
}

/// A machine called `linux-test`: an object is for it when its key says so.
pub struct Machine;

impl arch::ArchResolver for Machine {
    async fn platform(&self) -> Result<arch::Platform> {
        Ok(arch::Platform {
            name: "linux-test".into(),
            chain: vec!["linux-test".into()],
            reason: String::new(),
        })
    }

    async fn resolve(&self, request: arch::Objects) -> Result<arch::Choice> {
        let names: Vec<String> = request.objects.into_iter().map(|object| object.name).collect();
        let chosen: Vec<String> = names
            .iter()
            .filter(|name| name.contains("linux-test"))
            .cloned()
            .collect();
        if chosen.is_empty() {
            return Err(Error::not_found(format!(
                "nothing for linux-test among {}",
                names.join(", ")
            )));
        }
        Ok(arch::Choice {
            platform: "linux-test".into(),
            chosen,
            ..arch::Choice::default()
        })
    }
}

/// The plugins of a world; one can be taken away and put back.
#[derive(Default)]
pub struct Linked {
    /// Whether who asks for one is torn down.
    pub tears: std::sync::atomic::AtomicBool,
    pub engine: Arc<Scripted>,
    pub files: Arc<Files>,
    pub away: Mutex<Vec<&'static str>>,
}

impl Plugins for Linked {
    fn providers(&self, capability: &str) -> Vec<Arc<dyn Service>> {
        assert!(!self.tears.load(std::sync::atomic::Ordering::SeqCst), "as tested");
        if self.away.lock().unwrap().contains(&capability) {
            return Vec::new();
        }
        match capability {
            "engine/1" => vec![Arc::new(engine::Dispatch(self.engine.clone()))],
            "fetcher/1" => vec![Arc::new(fetcher::Dispatch(self.files.clone()))],
            "arch/1" => vec![Arc::new(arch::Dispatch(Arc::new(Machine)))],
            _ => Vec::new(),
        }
    }
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub plugins: Arc<Linked>,
    pub policy: PackagePolicy,
    pub workloads: WorkloadPolicy,
    pub ports: PortRange,
    pub updates: Updates,
    /// How often the machine was booted anew.
    pub boots: AtomicU32,
}

impl World {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            plugins: Arc::default(),
            policy: PackagePolicy::default(),
            workloads: WorkloadPolicy::default(),
            ports: PortRange::default(),
            updates: Updates {
                window: Duration::from_millis(5),
                deadline: Duration::from_secs(300),
            },
            boots: AtomicU32::new(0),
        }
    }

    pub fn engine(&self) -> &Scripted {
        &self.plugins.engine
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// What lies there of the one run of an instance, or where it would lie.
    pub fn of_run(&self, folder: &str, instance: &str) -> PathBuf {
        let begin = format!("{instance}@");
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let found = entries.map(|entry| entry.path()).find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(&begin)
        });
        found.unwrap_or_else(|| self.path(folder).join(begin))
    }

    /// The working folder of the one run of an instance.
    pub fn home(&self, instance: &str) -> PathBuf {
        self.of_run("data/instances", instance)
    }

    /// The record of the one run of an instance.
    pub fn record(&self, instance: &str) -> PathBuf {
        self.of_run("run/instances", instance)
    }

    pub fn away(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.plugins.away.lock().unwrap()
    }

    pub fn serve(&self, url: &str, bytes: &str) {
        self.plugins
            .files
            .files
            .lock()
            .unwrap()
            .insert(url.into(), bytes.into());
    }

    /// The URLs that were fetched, in their order.
    pub fn fetched(&self) -> Vec<String> {
        self.plugins.files.fetched.lock().unwrap().clone()
    }

    pub fn foundation(&self) -> std::result::Result<Foundation, OpenError> {
        Foundation::open(Settings {
            packages: self.policy.clone(),
            updates: self.updates,
            workloads: self.workloads.clone(),
            ports: self.ports,
            boot: format!("boot {}", self.boots.load(Ordering::Relaxed)),
            ..Settings::new(self.path("data"), self.path("run"), "gate".into())
        })
    }

    pub async fn open(&self) -> Node {
        Node::open(self.free().await, self.plugins.clone()).await.unwrap()
    }

    /// What a node that has gone was doing on a thread may hold the folder for a moment.
    async fn free(&self) -> Foundation {
        for _ in 0..100_000 {
            match self.foundation() {
                Err(OpenError::Lock(_)) => tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap(),
                opened => return opened.unwrap(),
            }
        }
        self.foundation().unwrap()
    }

    /// What a crash of the daemon does to it: everything stops where it is.
    pub async fn crash(&self, node: Node) {
        node.shutdown().await;
    }

    pub async fn crash_and_open(&self, node: Node) -> Node {
        self.crash(node).await;
        self.open().await
    }
}

/// Resources from JSON.
pub fn resources(all: &[&str]) -> Vec<Resource> {
    all.iter().map(|json| serde_json::from_str(json).unwrap()).collect()
}

/// Tells the node that a plugin has come.
pub fn come(node: &Node, plugin: &str) {
    let event = aerolith_plugin_wire::host::Event {
        topic: format!("plugin/{plugin}/running"),
        data: serde_json::json!({}),
    };
    node.bus().publish(&event).unwrap();
}

/// A package whose program prints a text.
pub fn package(name: &str, text: &str) -> String {
    format!(
        r##"{{"kind":"configuration","name":"{name}","labels":{{"baetyl-config-type":"baetyl-program"}},
        "data":{{"program.yml":"entry: run.sh\n","run.sh":"#!/bin/sh\necho {text}\n"}}}}"##
    )
}

/// A package of one object for each of the given keys.
pub fn package_of(name: &str, objects: &[(&str, &str)]) -> String {
    let objects: Vec<String> = objects
        .iter()
        .map(|(key, object)| format!(r#""{key}":{object}"#))
        .collect();
    format!(
        r#"{{"kind":"configuration","name":"{name}","labels":{{"baetyl-config-type":"baetyl-program"}},
        "data":{{"program.yml":"entry: run.sh\n",{}}}}}"#,
        objects.join(",")
    )
}

/// An application of the given services.
pub fn application(name: &str, services: &str) -> String {
    format!(r#"{{"kind":"application","name":"{name}","services":[{services}]}}"#)
}

/// A service that runs a package, with more fields.
pub fn service(name: &str, package: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","programConfig":"{package}"{more}}}"#)
}

/// What a reboot does: nothing runs, and the runtime folder is empty.
pub async fn reboot(world: &World, node: Node) -> Node {
    world.crash(node).await;
    for run in world.engine().runs.lock().unwrap().iter() {
        run.exit.send_replace(Some(code(137)));
    }
    // A write that was going on when it died may come to its end meanwhile.
    until("the runtime folder is gone", || {
        let removed = fs::remove_dir_all(world.path("run"));
        let is_filled = |error: &std::io::Error| error.kind() == ErrorKind::DirectoryNotEmpty;
        (!removed.as_ref().is_err_and(is_filled)).then(|| removed.unwrap())
    })
    .await;
    world.boots.fetch_add(1, Ordering::Relaxed);
    world.open().await
}

pub async fn apply(node: &Node, all: &[&str]) {
    let applied = node.apply(resources(all), false).await.unwrap();
    // The driver may be looking at what was desired before.
    until("it is desired", || {
        (node.status().revision >= applied.revision).then_some(())
    })
    .await;
}

/// Waits until something holds; what it looks at is not told by events alone.
pub async fn until<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    for tries in 0..20_000 {
        if let Some(found) = holds() {
            return found;
        }
        // On a clock that nobody waits for, that is more than ten minutes.
        let pause = if tries < 5_000 { 2 } else { 50 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    panic!("never: {what}");
}

pub fn application_of(node: &Node, name: &str) -> Option<ApplicationStatus> {
    node.status()
        .applications
        .into_iter()
        .find(|application| application.name == name)
}

pub fn service_of(node: &Node, application: &str, service: &str) -> Option<ServiceStatus> {
    application_of(node, application)?
        .services
        .into_iter()
        .find(|found| found.name == service)
}

pub fn instance_of(node: &Node, id: &str) -> Option<InstanceStatus> {
    let status = node.status();
    let services = status
        .applications
        .into_iter()
        .flat_map(|application| application.services);
    services
        .flat_map(|service| service.instances)
        .find(|instance| instance.id == id)
}

pub async fn phase(node: &Node, id: &str, phase: aerolith_node::Phase) -> InstanceStatus {
    until(&format!("{id} is {phase:?}"), || {
        instance_of(node, id).filter(|instance| instance.state == phase)
    })
    .await
}

pub async fn running(node: &Node, id: &str) -> InstanceStatus {
    phase(node, id, aerolith_node::Phase::Running).await
}

pub fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}
