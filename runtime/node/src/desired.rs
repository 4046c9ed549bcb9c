//! What is desired, as planning and executing need it: resources with packages resolved for this machine, and goals.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::{
    AppName, Application, Configuration, Key, Object as ModelObject, Resource, ResourceKind, Secret, SecretBytes,
    Strategy, VolumeSource,
};
use aerolith_plan::{Fingerprints, Generation, Goal, Library, PlanError, ServiceId, Updates, VersionId};
use aerolith_plugin_wire::Error;
use aerolith_plugin_wire::arch::{Choice, Object, Objects};
use aerolith_plugin_wire::engine::Features;

use crate::pins::Pinned;
use crate::plugins::{self, Plugins, Resolver};
use crate::policy::Rules;
use crate::state::{Damaged, ResourceId};

pub(crate) type Resources = BTreeMap<ResourceId, Resource>;

/// Why an application is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) reason: String,
    /// Whether the node's policy does not take it, rather than that it cannot be used.
    pub(crate) is_refused: bool,
}

/// Resources that belong together: one revision of the desired state, or what one deployment of an application was made of.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    pub(crate) revision: u64,
    /// The revision at which each resource came to be as it is.
    pub(crate) versions: BTreeMap<ResourceId, u64>,
    /// Packages hold only the objects that are for this machine, unless they are in `unresolved`.
    pub(crate) resources: Resources,
    /// Packages of which nobody could say what is for this machine, with the reason.
    pub(crate) unresolved: BTreeMap<String, String>,
    /// What shall run of every application.
    pub(crate) generations: BTreeMap<AppName, Arc<Generation>>,
    /// Applications that are left as they are, with the reason.
    pub(crate) held: BTreeMap<String, Held>,
    /// What the engines can do, by their kinds.
    pub(crate) engines: BTreeMap<String, Features>,
}

impl Held {
    fn unusable(reason: String) -> Self {
        let is_refused = false;
        Self { reason, is_refused }
    }
}

impl Desired {
    /// Resolves and plans for a state. Nothing fails as a whole: what cannot be planned for is held, with its reason. What
    /// was resolved in `known`, and is the same version here, is not asked for again, nor what engines can do.
    pub(crate) async fn of(given: Given, damaged: &[Damaged], known: &Self, plugins: &dyn Plugins) -> Self {
        let Given {
            revision,
            versions,
            mut resources,
            updates,
            fingerprints,
        } = given;
        let unresolved = resolve(&mut resources, &versions, known, plugins).await;
        let (generations, failures) = each(&resources, updates, &fingerprints);
        let failures = failures
            .into_iter()
            .map(|(name, error)| (name, Held::unusable(error.to_string())));
        Self {
            revision,
            held: held(damaged).chain(failures).collect(),
            versions,
            resources,
            unresolved,
            generations,
            engines: known.engines.clone(),
        }
    }

    /// Asks the engines anew what they can do.
    pub(crate) async fn ask_engines(mut self, plugins: &dyn Plugins) -> Self {
        self.engines = plugins::features(plugins).await;
        self
    }

    /// What shall run of every service.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&ServiceId, &Goal)> {
        self.generations.values().flat_map(|generation| generation.iter())
    }

    /// What shall run of a service.
    pub(crate) fn goal(&self, service: &ServiceId) -> Option<&Goal> {
        self.generations.get(&service.application)?.get(service)
    }

    /// Holds the applications that ask more of the host than the policy allows now.
    pub(crate) fn hold_refused(mut self, rules: &Rules) -> Self {
        for application in self.resources.values().filter_map(Resource::as_application) {
            if let Err((service, error)) = rules.admit(application) {
                let held = self.held.entry(application.name.to_string());
                held.or_insert_with(|| Held {
                    reason: format!("service `{service}`: {error}"),
                    is_refused: true,
                });
            }
        }
        self
    }

    /// Whether this version of a service is the one that is to run.
    pub(crate) fn wants(&self, (service, fingerprint): &VersionId) -> bool {
        self.goal(service).is_some_and(|goal| goal.fingerprint == *fingerprint)
    }

    pub(crate) fn application(&self, name: &str) -> Option<&Application> {
        let id = ResourceId::new(ResourceKind::Application, name);
        self.resources.get(&id)?.as_application()
    }

    pub(crate) fn configuration(&self, name: &str) -> Option<&Configuration> {
        let id = ResourceId::new(ResourceKind::Configuration, name);
        match self.resources.get(&id) {
            Some(Resource::Configuration(configuration)) => Some(configuration),
            _ => None,
        }
    }

    /// A package as it was resolved, if it is there in this version.
    fn resolved(&self, id: &ResourceId, version: Option<&u64>) -> Option<&Configuration> {
        let is_same = version.is_some() && self.versions.get(id) == version;
        let is_resolved = !self.unresolved.contains_key(&id.name);
        self.configuration(&id.name).filter(|_| is_same && is_resolved)
    }

    /// The configurations that a service is made of, and whether it runs or mounts each.
    pub(crate) fn used_by<'a>(&'a self, goal: &'a Goal) -> impl Iterator<Item = (&'a Configuration, bool)> {
        let mounted = goal.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Config(name) => Some((name, false)),
            _ => None,
        });
        let run = goal.service.program_config.iter().map(|name| (name, true));
        let used = run.chain(mounted);
        used.filter_map(|(name, is_program)| Some((self.configuration(name.as_str())?, is_program)))
    }

    /// Whether something that a service is made of, or is fetched with, is another version than it was. That may be so of
    /// one fingerprint: new credentials and signatures make the same content.
    pub(crate) fn differs(&self, before: &Self, goal: &Goal) -> bool {
        let mut used = self.used_by(goal).flat_map(|(configuration, _)| {
            let secrets = configuration
                .objects()
                .filter_map(|(_, object)| object.credentials.as_ref());
            let secrets = secrets.map(|name| ResourceId::new(ResourceKind::Secret, name.as_str()));
            secrets.chain([ResourceId::new(
                ResourceKind::Configuration,
                configuration.name.as_str(),
            )])
        });
        used.any(|id| self.versions.get(&id) != before.versions.get(&id))
    }

    /// An object of a configuration in the version that is desired.
    pub(crate) fn pinned<'a>(
        &self,
        configuration: &'a Configuration,
        key: &'a Key,
        object: &'a ModelObject,
    ) -> Pinned<'a> {
        let id = ResourceId::new(ResourceKind::Configuration, configuration.name.as_str());
        Pinned {
            configuration: configuration.name.as_str(),
            revision: self.versions.get(&id).copied().unwrap_or_default(),
            object: key.as_str(),
            url: object.url.as_str(),
        }
    }

    /// Every object of every configuration.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (Pinned<'_>, &ModelObject)> {
        let configurations = self.resources.values().filter_map(|resource| match resource {
            Resource::Configuration(configuration) => Some(configuration),
            _ => None,
        });
        configurations.flat_map(move |configuration| {
            let objects = configuration.objects();
            objects.map(move |(key, object)| (self.pinned(configuration, key, object), object))
        })
    }

    /// What a fetcher proves itself by for an object: the entries of the secret that it names.
    pub(crate) fn credentials(&self, object: &ModelObject) -> Result<BTreeMap<String, String>, String> {
        let Some(name) = &object.credentials else {
            return Ok(BTreeMap::new());
        };
        let id = ResourceId::new(ResourceKind::Secret, name.as_str());
        let Some(Resource::Secret(secret)) = self.resources.get(&id) else {
            return Err(format!(
                "its credentials are the secret `{name}`, which does not exist: apply it"
            ));
        };
        let text = |(key, bytes): (&Key, &SecretBytes)| match String::from_utf8(bytes.0.clone()) {
            Ok(text) => Ok((key.to_string(), text)),
            Err(_) => Err(format!(
                "entry `{key}` of the secret `{name}` is no text, which credentials must be"
            )),
        };
        secret.data.iter().map(text).collect()
    }
}

/// What a desired state is made from.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) revision: u64,
    pub(crate) versions: BTreeMap<ResourceId, u64>,
    pub(crate) resources: Resources,
    /// How new instances prove themselves, where their service does not say.
    pub(crate) updates: Updates,
    pub(crate) fingerprints: Arc<Fingerprints>,
}

fn held(damaged: &[Damaged]) -> impl Iterator<Item = (String, Held)> {
    damaged.iter().filter_map(|damage| {
        let id = damage.resource.as_ref()?;
        let is_application = id.kind == ResourceKind::Application;
        is_application.then(|| (id.name.clone(), Held::unusable(damage.reason.clone())))
    })
}

/// What shall run of every application that can be planned for, and the errors of the others.
pub(crate) fn each(
    resources: &Resources,
    updates: Updates,
    fingerprints: &Fingerprints,
) -> (BTreeMap<AppName, Arc<Generation>>, BTreeMap<String, PlanError>) {
    let (mut all, mut failures) = (BTreeMap::new(), BTreeMap::new());
    let parts = Parts::of(resources);
    let library = Library::new(parts.configurations, parts.secrets, fingerprints);
    for application in &parts.applications {
        match library.generation(application, updates) {
            Ok(mut generation) => {
                generation.values_mut().for_each(without_handover);
                all.insert(application.name.clone(), Arc::new(generation));
            }
            Err(error) => drop(failures.insert(application.name.to_string(), error)),
        }
    }
    (all, failures)
}

/// No engine hands sockets over yet: what asks for it is restarted, and warned of.
fn without_handover(goal: &mut Goal) {
    if goal.strategy == Strategy::Handover {
        goal.strategy = Strategy::Restart;
    }
}

/// Whether a service is updated in another way than it asks for.
pub(crate) fn lacks_handover(goal: &Goal) -> bool {
    goal.service.update.strategy == Some(Strategy::Handover) && goal.strategy != Strategy::Handover
}

#[derive(Default)]
struct Parts<'a> {
    applications: Vec<&'a Application>,
    configurations: Vec<&'a Configuration>,
    secrets: Vec<&'a Secret>,
}

impl<'a> Parts<'a> {
    fn of(resources: &'a Resources) -> Self {
        let mut parts = Self::default();
        for resource in resources.values() {
            match resource {
                Resource::Application(application) => parts.applications.push(application),
                Resource::Configuration(configuration) => parts.configurations.push(configuration),
                Resource::Secret(secret) => parts.secrets.push(secret),
            }
        }
        parts
    }
}

/// Takes from every package the objects that are not for this machine, and answers of which nobody could say it.
async fn resolve(
    resources: &mut Resources,
    versions: &BTreeMap<ResourceId, u64>,
    known: &Desired,
    plugins: &dyn Plugins,
) -> BTreeMap<String, String> {
    let resolver = plugins::resolver(plugins);
    let mut unresolved = BTreeMap::new();
    for (id, resource) in resources {
        let Resource::Configuration(package) = resource else {
            continue;
        };
        if !package.is_package() || package.objects().next().is_none() {
            continue;
        }
        if let Some(resolved) = known.resolved(id, versions.get(id)) {
            *package = resolved.clone();
            continue;
        }
        let resolved = match &resolver {
            Ok(resolver) => choose(resolver, package, None).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match resolved {
            Ok(choice) => narrow(package, &choice),
            Err(reason) => drop(unresolved.insert(package.name.to_string(), reason)),
        }
    }
    unresolved
}

/// Asks which objects of a package are for a platform, or for this machine's own.
pub(crate) async fn choose(
    resolver: &Resolver,
    package: &Configuration,
    platform: Option<&str>,
) -> Result<Choice, Error> {
    let objects = package.objects().map(|(key, object)| Object {
        name: key.to_string(),
        platform: object.platform.map(|_| "any".to_owned()),
    });
    let objects = Objects {
        objects: objects.collect(),
        platform: platform.map(str::to_owned),
    };
    let choice = resolver.resolve(&objects).await?;
    tracing::debug!(package = %package.name, platform = choice.platform, reason = choice.reason, "resolved");
    Ok(choice)
}

/// Takes from a package the objects that were not chosen.
pub(crate) fn narrow(package: &mut Configuration, choice: &Choice) {
    package.data.retain(|key, entry| {
        matches!(entry, aerolith_model::Entry::Text(_)) || choice.chosen.iter().any(|name| name == key.as_str())
    });
}
