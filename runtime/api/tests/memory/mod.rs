//! A node in memory: just enough behaviour for the API to be asked about.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use aerolith_api::{
    Application, Applied, ByteStream, Cleaned, Control, Deployment, Event, EventStream, Failure, Health, Instance,
    Manifest, NodeStatus, Package, Plugin, PluginDetail, Removed, Revision, Service, Usage, Version, Versioned, Wanted,
};
use aerolith_model::{Resource, ResourceKind};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast;

pub(crate) struct Memory {
    resources: Mutex<BTreeMap<(ResourceKind, String), Resource>>,
    packages: Mutex<Vec<Package>>,
    engine: Mutex<&'static str>,
    events: broadcast::Sender<Event>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            resources: Mutex::default(),
            packages: Mutex::new(vec![package("blob", "unused"), package("tree", "used")]),
            engine: Mutex::new("running"),
            events: broadcast::channel(16).0,
        }
    }
}

impl Memory {
    /// How many streams of events there are.
    pub(crate) fn listeners(&self) -> usize {
        self.events.receiver_count()
    }
}

fn package(kind: &str, state: &str) -> Package {
    Package {
        kind: kind.into(),
        name: "00ff".into(),
        bytes: 7,
        state: state.into(),
        ..Package::default()
    }
}

fn versioned(resource: &Resource) -> Versioned {
    Versioned {
        revision: 1,
        resource: resource.clone(),
    }
}

fn known(instance: &str) -> Result<(), Failure> {
    let unknown = || Failure::not_found(format!("no plugin instance `{instance}`"));
    (instance == "engine").then_some(()).ok_or_else(unknown)
}

impl Control for Memory {
    fn version(&self) -> Version {
        Version {
            name: "aerolith".into(),
            version: "1.2.3".into(),
            ..Version::default()
        }
    }

    fn health(&self) -> Health {
        match *self.engine.lock().unwrap() {
            "running" => Health {
                status: "ok".into(),
                reasons: vec![],
            },
            state => Health {
                status: "degraded".into(),
                reasons: vec![format!("plugin `engine` is {state}")],
            },
        }
    }

    async fn status(&self) -> Result<NodeStatus, Failure> {
        let instance = Instance {
            id: "a.b.1".into(),
            index: 1,
            pid: Some(7),
            ..Instance::default()
        };
        let service = Service {
            name: "b".into(),
            instances: vec![instance],
            ..Service::default()
        };
        let application = Application {
            name: "a".into(),
            services: vec![service],
            ..Application::default()
        };
        Ok(NodeStatus {
            revision: 1,
            health: self.health(),
            applications: vec![application],
            ..NodeStatus::default()
        })
    }

    fn metrics_text(&self) -> String {
        "aerolith_up 1\n".into()
    }

    async fn apply(&self, resources: Vec<Resource>, wanted: Wanted) -> Result<Applied, Failure> {
        let Wanted { dry_run, prune } = wanted;
        if prune && !dry_run {
            self.resources.lock().unwrap().clear();
        }
        for resource in resources.into_iter().filter(|_| !dry_run) {
            let topic = format!("app/{}/applied", resource.name());
            let _ = self.events.send(Event {
                topic,
                ..Event::default()
            });
            self.resources
                .lock()
                .unwrap()
                .insert((resource.kind(), resource.name().into()), resource);
        }
        Ok(Applied {
            revision: 1,
            dry_run,
            ..Applied::default()
        })
    }

    async fn delete(&self, kind: ResourceKind, name: &str) -> Result<Applied, Failure> {
        let gone = self.resources.lock().unwrap().remove(&(kind, name.to_owned()));
        gone.map(|_| Applied::default())
            .ok_or_else(|| Failure::not_found(format!("no {kind} `{name}`")))
    }

    async fn list(&self, kind: ResourceKind) -> Result<Vec<Versioned>, Failure> {
        let resources = self.resources.lock().unwrap();
        Ok(resources.values().filter(|r| r.kind() == kind).map(versioned).collect())
    }

    async fn get(&self, kind: ResourceKind, name: &str, revision: Option<u64>) -> Result<Option<Versioned>, Failure> {
        let found = self
            .resources
            .lock()
            .unwrap()
            .get(&(kind, name.to_owned()))
            .map(versioned);
        Ok(found.filter(|found| revision.is_none_or(|revision| revision == found.revision)))
    }

    async fn versions(&self, kind: ResourceKind, name: &str) -> Result<Vec<Revision>, Failure> {
        let is_there = self.resources.lock().unwrap().contains_key(&(kind, name.to_owned()));
        let (revision, current) = (1, true);
        Ok(Vec::from_iter(is_there.then_some(Revision { revision, current })))
    }

    async fn usage(&self, _: ResourceKind, name: &str) -> Result<Vec<Usage>, Failure> {
        let used = Usage {
            application: "weather".into(),
            services: vec!["agent".into()],
        };
        Ok(Vec::from_iter((name == "cert").then_some(used)))
    }

    async fn history(&self, application: &str) -> Result<Vec<Deployment>, Failure> {
        let deployment = Deployment {
            revision: 1,
            outcome: "good".into(),
            ..Deployment::default()
        };
        let unknown = || Failure::not_found(format!("no application `{application}`"));
        (application == "weather")
            .then_some(vec![deployment])
            .ok_or_else(unknown)
    }

    async fn restore(&self, application: &str, to: Option<u64>) -> Result<Applied, Failure> {
        Ok(Applied {
            revision: to.unwrap_or(7),
            applications: vec![application.to_owned()],
            ..Applied::default()
        })
    }

    async fn retry(&self, target: &str) -> Result<bool, Failure> {
        Ok(target == "weather")
    }

    async fn logs(&self, instance: &str, tail: Option<u64>, _follow: bool) -> Result<ByteStream, Failure> {
        if instance != "a.b.1" {
            return Err(Failure::not_found(format!("no instance `{instance}`")));
        }
        let lines = ["one\n", "two\n"].map(|line| Ok(Bytes::from_static(line.as_bytes())));
        let skip = tail.map_or(0, |tail| lines.len().saturating_sub(usize::try_from(tail).unwrap()));
        Ok(Box::pin(stream::iter(lines.into_iter().skip(skip))))
    }

    fn events(&self, filter: &str) -> Result<EventStream, Failure> {
        if filter.ends_with("a#") {
            return Err(Failure::invalid(format!("`{filter}` is no topic filter")));
        }
        let events = self.events.subscribe();
        Ok(Box::pin(stream::unfold(events, |mut events| async {
            Some((events.recv().await.ok()?, events))
        })))
    }

    async fn packages(&self) -> Result<Vec<Package>, Failure> {
        Ok(self.packages.lock().unwrap().clone())
    }

    async fn clean_packages(&self, dry_run: bool) -> Result<Cleaned, Failure> {
        let mut packages = self.packages.lock().unwrap();
        let unused: Vec<Package> = packages.iter().filter(|p| p.state == "unused").cloned().collect();
        if !dry_run {
            packages.retain(|p| p.state != "unused");
        }
        Ok(Cleaned {
            dry_run,
            bytes: unused.iter().map(|p| p.bytes).sum(),
            removed: unused
                .into_iter()
                .map(|Package { kind, name, .. }| Removed { kind, name })
                .collect(),
            ..Cleaned::default()
        })
    }

    fn plugins(&self) -> Vec<Plugin> {
        let state = (*self.engine.lock().unwrap()).into();
        vec![Plugin {
            instance: "engine".into(),
            plugin: "engine-process".into(),
            state,
            ..Plugin::default()
        }]
    }

    fn plugin(&self, instance: &str) -> Result<PluginDetail, Failure> {
        known(instance)?;
        let manifest = Manifest {
            vendor: "Aerolith".into(),
            ..Manifest::default()
        };
        Ok(PluginDetail {
            status: self.plugins().remove(0),
            manifest,
        })
    }

    async fn enable(&self, instance: &str) -> Result<(), Failure> {
        known(instance)?;
        *self.engine.lock().unwrap() = "running";
        Ok(())
    }

    async fn disable(&self, instance: &str) -> Result<(), Failure> {
        known(instance)?;
        *self.engine.lock().unwrap() = "stopped";
        Ok(())
    }

    async fn rollback(&self, name: &str) -> Result<(), Failure> {
        known(name)
    }

    async fn install(&self, _file: &Path) -> Result<String, Failure> {
        Ok("engine-process".into())
    }
}
