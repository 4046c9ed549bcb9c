//! What is desired, as the journey knows it beside the node, and what must be seen of it.

use super::applications::Application;
use super::packages::{Behaviour, Origin, Package};
use super::sources::Sources;
use super::strangers::Strangers;
use crate::deployment::texts;
use crate::support::package::platform;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const PACKAGES: [&str; 4] = ["pack-0", "pack-1", "pack-2", "pack-3"];
pub(super) const APPLICATIONS: [&str; 5] = ["app-0", "app-1", "app-2", "app-3", "app-4"];
pub(super) const CONFIGURATIONS: [&str; 2] = ["conf-0", "conf-1"];
pub(super) const SECRETS: [&str; 2] = ["secret-0", "secret-1"];

/// Whether an update that fails is undone.
pub(super) const GOES_BACK: bool = true;

/// What must be seen of a service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) replicas: u64,
    /// What each of its processes shows of what it was given.
    pub(super) shown: String,
    /// Processes of each instance.
    pub(super) processes: usize,
    pub(super) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Runs,
    /// It does not, and the status says why.
    Fails,
    /// It waits for one that fails, unless it saw that one while it ran: what nothing is asked of is ready at once.
    Waits,
}

/// What must be seen of an application, by its services.
pub(super) type Picture = BTreeMap<String, Wanted>;

fn is_good(picture: &Picture) -> bool {
    picture.values().all(|wanted| wanted.fate == Fate::Runs)
}

/// What was desired of an application since it was last looked at.
#[derive(Debug, Clone, Default)]
struct Track {
    /// What ran then, if it was good.
    base: Option<Picture>,
    since: Vec<Picture>,
}

/// All that applications use.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) packages: BTreeMap<&'static str, Package>,
    /// Configurations and secrets by name, each with its version.
    pub(super) contents: BTreeMap<&'static str, u64>,
}

/// What is desired.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) used: Used,
    pub(super) applications: BTreeMap<&'static str, Application>,
    /// What applications use that let new versions of it wait.
    pinned: BTreeMap<&'static str, Used>,
    /// What was desired at each revision that is known.
    revisions: BTreeMap<u64, (BTreeMap<&'static str, Application>, Used)>,
    versions: u64,
    tracks: BTreeMap<&'static str, Track>,
    /// Instances were ended by others, which an update may have been taken to be the cause of.
    pub(super) is_disturbed: bool,
}

impl World {
    /// A version that there was not yet.
    pub(super) fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// An application is made or changed, or put back.
    pub(super) fn change(&mut self, name: &'static str, application: Application) {
        if self.applications.get(name) != Some(&application) {
            match application.preserves {
                true => drop(self.pinned.insert(name, self.used.clone())),
                false => drop(self.pinned.remove(name)),
            }
        }
        self.applications.insert(name, application);
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.applications.remove(name);
        self.pinned.remove(name);
    }

    /// What is desired now is that of a revision.
    pub(super) fn remember(&mut self, revision: u64) {
        let now = (self.applications.clone(), self.used.clone());
        self.revisions.insert(revision, now);
    }

    /// Whether it is known what putting back an application from a revision comes to: not where new versions wait.
    pub(super) fn can_put_back(&self, name: &str, revision: u64) -> bool {
        let earlier = self.revisions.get(&revision).and_then(|(all, _)| all.get(name));
        let both = [earlier, self.applications.get(name)];
        both.into_iter()
            .all(|application| application.is_some_and(|it| !it.preserves))
    }

    /// An application is again what it was at a revision, and so is all that it used, for whoever uses it.
    pub(super) fn put_back(&mut self, name: &'static str, revision: u64) {
        let (applications, used) = self.revisions[&revision].clone();
        let application = applications[name].clone();
        let packages = used.packages.into_iter().filter(|(it, _)| application.uses(it));
        self.used.packages.extend(packages);
        let contents = used.contents.into_iter().filter(|(it, _)| application.uses(it));
        self.used.contents.extend(contents);
        self.change(name, application);
    }

    /// Whether an application uses a configuration or a secret, so that it must not go.
    pub(super) fn is_used(&self, content: &str) -> bool {
        self.applications.values().any(|application| application.uses(content))
    }

    /// The instances wanted, by their names.
    pub(super) fn instances(&self) -> Vec<String> {
        let services = self.applications.iter().flat_map(|(name, application)| {
            let services = application.services.iter();
            services
                .flat_map(move |service| (1..=service.replicas).map(move |n| format!("{name}.{}.{n}", service.name)))
        });
        services.collect()
    }

    /// Takes note of what every application has become.
    pub(super) fn note(&mut self) {
        let mut tracks = std::mem::take(&mut self.tracks);
        tracks.retain(|name, _| self.applications.contains_key(name));
        for name in self.applications.keys() {
            let (track, picture) = (tracks.entry(name).or_default(), self.wanted(name));
            if track.since.last().or(track.base.as_ref()) != Some(&picture) {
                track.since.push(picture);
            }
        }
        self.tracks = tracks;
    }

    /// What may be seen of an application: what is desired, if that is good, else what was good before it.
    pub(super) fn alternatives(&self, application: &str) -> Vec<Picture> {
        let (track, wanted) = (&self.tracks[application], self.wanted(application));
        let earlier = track.since.iter().rev().filter(|picture| is_good(picture)).cloned();
        let earlier = earlier.chain(track.base.clone());
        if !GOES_BACK {
            return vec![wanted];
        }
        match (is_good(&wanted), self.is_disturbed) {
            (true, false) => vec![wanted],
            (true, true) => std::iter::once(wanted).chain(earlier).collect(),
            // Whether something was good long enough before this one came is a matter of time.
            (false, _) if track.base.is_none() => earlier.chain([wanted]).collect(),
            (false, _) => earlier.collect(),
        }
    }

    /// An application was seen to be so.
    pub(super) fn seen(&mut self, application: &'static str, picture: Picture) {
        let track = self.tracks.entry(application).or_default();
        let base = is_good(&picture).then_some(picture).or(track.base.take());
        *track = Track {
            base,
            since: Vec::new(),
        };
    }

    /// What must be seen of each service of an application once its update has come out well.
    pub(super) fn wanted(&self, application: &str) -> Picture {
        let used = self.pinned.get(application).unwrap_or(&self.used);
        let application = &self.applications[application];
        let mut wanted = Picture::new();
        for service in &application.services {
            let package = used.packages[service.package];
            let waits = service.depends_on.iter().any(|name| wanted[name].fate != Fate::Runs);
            let fate = match package.behaviour.is_good() {
                _ if service.replicas == 0 => Fate::Runs,
                false => Fate::Fails,
                true if waits => Fate::Waits,
                true => Fate::Runs,
            };
            let content =
                |name: Option<&'static str>| name.map_or("-".into(), |name| format!("{name}:{}", used.contents[name]));
            let shown = format!(
                "{}:{} {} {} {}",
                service.package,
                package.version,
                service.variable,
                content(application.configuration),
                content(application.secret)
            );
            let processes = if package.behaviour == Behaviour::HasFamily {
                2
            } else {
                1
            };
            wanted.insert(
                service.name.clone(),
                Wanted {
                    replicas: service.replicas,
                    shown,
                    processes,
                    fate,
                },
            );
        }
        wanted
    }

    /// Whether a picture is that of the newest version, and good.
    pub(super) fn is_newest(&self, application: &str, picture: &Picture) -> bool {
        is_good(picture) && *picture == self.wanted(application)
    }

    pub(super) fn application_text(&self, name: &str, strangers: &Strangers) -> Value {
        let application = &self.applications[name];
        let mounts: Vec<Value> = [("conf", application.configuration), ("secret", application.secret)]
            .iter()
            .filter_map(|(volume, content)| {
                content.map(|_| json!({"name": volume, "mountPath": format!("/etc/{volume}")}))
            })
            .collect();
        let services: Vec<Value> = application
            .services
            .iter()
            .map(|service| {
                let more = json!({"replica": service.replicas, "dependsOn": service.depends_on, "gracePeriod": "1s",
                    "env": [{"name": "VARIABLE", "value": service.variable.to_string()}], "volumeMounts": mounts});
                texts::service(&service.name, service.package, more)
            })
            .collect();
        let mut text = texts::application(name, &services);
        if application.has_port {
            let port = strangers.port(name);
            text["services"][0]["ports"] = json!([{"containerPort": port.port(), "hostIP": port.ip()}]);
        }
        if let Some(time) = &application.start_at {
            text["startAt"] = json!(time);
        }
        if application.preserves {
            text["preserveUpdates"] = json!(true);
        }
        let configuration = application
            .configuration
            .map(|of| json!({"name": "conf", "config": {"name": of}}));
        let secret = application
            .secret
            .map(|of| json!({"name": "secret", "secret": {"name": of}}));
        text["volumes"] = [configuration, secret].into_iter().flatten().collect();
        text
    }

    pub(super) fn package_text(&self, name: &str, sources: &Sources) -> Value {
        let package = self.used.packages[name];
        if package.origin == Origin::Text {
            return texts::script(name, &package.script(name));
        }
        let mut data = json!({ format!("{name}-{}", platform()): sources.offer(name, package) });
        let theirs = texts::object("https://nowhere.invalid/theirs.zip", b"theirs");
        data[format!("{name}-linux-riscv64")] = theirs;
        texts::package(name, &data)
    }

    pub(super) fn content_text(&self, name: &str) -> Value {
        let value = format!("{name}:{}", self.used.contents[name]);
        match CONFIGURATIONS.contains(&name) {
            true => json!({"kind": "configuration", "name": name, "data": {"key": format!("{value}\n")}}),
            false => json!({"kind": "secret", "name": name, "stringData": {"key": format!("{value}\n")}}),
        }
    }
}
