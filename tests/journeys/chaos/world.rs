//! What is desired, as the journey knows it beside the node, and what must be seen of it.

use super::sources::Sources;
use crate::deployment::texts;
use crate::support::package::platform;
use crate::support::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const PACKAGES: [&str; 4] = ["pack-0", "pack-1", "pack-2", "pack-3"];
pub(super) const APPLICATIONS: [&str; 5] = ["app-0", "app-1", "app-2", "app-3", "app-4"];
pub(super) const CONFIGURATIONS: [&str; 2] = ["conf-0", "conf-1"];
pub(super) const SECRETS: [&str; 2] = ["secret-0", "secret-1"];

/// Whether an update that fails is undone.
const GOES_BACK: bool = true;

/// What comes of a package when it is started, if it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Stays,
    /// It stays, and so does a child of its own.
    HasFamily,
    ExitsAtOnce,
    /// Its digest is another's.
    CannotBeHad,
}

impl Behaviour {
    fn any(random: &mut Random) -> Self {
        match random.below(10) {
            0 if GOES_BACK => Self::CannotBeHad,
            0 | 1 => Self::ExitsAtOnce,
            2 | 3 => Self::HasFamily,
            _ => Self::Stays,
        }
    }

    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Stays | Self::HasFamily)
    }
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Text,
    Http,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Package {
    pub(super) version: u64,
    pub(super) behaviour: Behaviour,
    pub(super) origin: Origin,
}

impl Package {
    pub(super) fn any(random: &mut Random, version: u64) -> Self {
        let behaviour = Behaviour::any(random);
        let origins: &[Origin] = match behaviour {
            Behaviour::CannotBeHad => &[Origin::Http, Origin::File],
            _ => &[Origin::Text, Origin::Http, Origin::File],
        };
        let origin = random.pick(origins).unwrap();
        Self {
            version,
            behaviour,
            origin,
        }
    }

    /// What it writes into its environment is what was mounted, so that it can be seen from outside.
    pub(super) fn script(self, name: &str) -> String {
        let rest = match self.behaviour {
            Behaviour::ExitsAtOnce => "exit 7",
            Behaviour::HasFamily => "sleep 86400 & exec sleep 86400",
            Behaviour::Stays | Behaviour::CannotBeHad => "exec sleep 86400",
        };
        format!(
            "export PACKAGE={name}:{} CONFIGURATION=- SECRET=-\n\
             [ -e etc/conf/key ] && read -r CONFIGURATION < etc/conf/key\n\
             [ -e etc/secret/key ] && read -r SECRET < etc/secret/key\n{rest}",
            self.version
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) package: &'static str,
    pub(super) replicas: u64,
    /// Earlier services.
    pub(super) depends_on: Vec<String>,
    pub(super) variable: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Application {
    pub(super) services: Vec<Service>,
    pub(super) configuration: Option<&'static str>,
    pub(super) secret: Option<&'static str>,
}

impl Application {
    pub(super) fn any(random: &mut Random) -> Self {
        let mut services: Vec<Service> = Vec::new();
        for number in 0..=random.below(4) {
            let earlier = services.iter().map(|service| service.name.clone());
            let depends_on = earlier.filter(|_| random.percent(25)).collect();
            services.push(Service {
                name: format!("s{number}"),
                package: random.pick(&PACKAGES).unwrap(),
                replicas: [0, 1, 1, 1, 2, 3][usize::try_from(random.below(6)).unwrap()],
                depends_on,
                variable: random.below(3),
            });
        }
        Self {
            services,
            configuration: random.pick(&CONFIGURATIONS).filter(|_| random.percent(50)),
            secret: random.pick(&SECRETS).filter(|_| random.percent(50)),
        }
    }

    pub(super) fn uses(&self, content: &str) -> bool {
        let mounted = [self.configuration, self.secret];
        mounted.contains(&Some(content)) || self.services.iter().any(|service| service.package == content)
    }
}

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
    /// It waits for one that fails.
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

/// What is desired.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) packages: BTreeMap<&'static str, Package>,
    /// Configurations and secrets by name, each with its version.
    pub(super) contents: BTreeMap<&'static str, u64>,
    pub(super) applications: BTreeMap<&'static str, Application>,
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
        let application = &self.applications[application];
        let mut wanted = Picture::new();
        for service in &application.services {
            let package = self.packages[service.package];
            let waits = service.depends_on.iter().any(|name| wanted[name].fate != Fate::Runs);
            let fate = match package.behaviour.is_good() {
                _ if service.replicas == 0 => Fate::Runs,
                false => Fate::Fails,
                true if waits => Fate::Waits,
                true => Fate::Runs,
            };
            let content =
                |name: Option<&'static str>| name.map_or("-".into(), |name| format!("{name}:{}", self.contents[name]));
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

    pub(super) fn application_text(&self, name: &str) -> Value {
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
        let package = self.packages[name];
        if package.origin == Origin::Text {
            return texts::script(name, &package.script(name));
        }
        texts::package(
            name,
            &json!({ format!("{name}-{}", platform()): sources.offer(name, package) }),
        )
    }

    pub(super) fn content_text(&self, name: &str) -> Value {
        let value = format!("{name}:{}", self.contents[name]);
        match CONFIGURATIONS.contains(&name) {
            true => json!({"kind": "configuration", "name": name, "data": {"key": format!("{value}\n")}}),
            false => json!({"kind": "secret", "name": name, "stringData": {"key": format!("{value}\n")}}),
        }
    }
}
