//! What is desired, as planning and executing need it: resources with packages resolved for this machine, and goals.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::{
    AppName, Application, Configuration, Key, Object as ModelObject, Resource, ResourceKind, Secret, SecretBytes,
    Strategy, VolumeSource,
};
use aerolith_plan::{Generation, Goal, Library, PlanError, ServiceId, Updates};
use aerolith_plugin_wire::Error;
use aerolith_plugin_wire::arch::{Choice, Object, Objects};
use aerolith_plugin_wire::engine::Features;

use crate::pins::Pinned;
use crate::plugins::{self, NoProvider, Plugins, Resolver};
use crate::policy::Rules;
use crate::prepare::VersionId;
use crate::state::{Damaged, ResourceId};
use crate::workload::engine_kind;

pub(crate) type Resources = BTreeMap<ResourceId, Resource>;

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
    pub(crate) held: BTreeMap<String, String>,
    /// What the engines can do, by their kinds.
    pub(crate) engines: BTreeMap<String, Features>,
}

impl Desired {
    /// Resolves and plans for a state. Nothing fails as a whole: what cannot be planned for is held, with its reason.
    pub(crate) async fn of(given: Given, damaged: &[Damaged], known: Known<'_>, plugins: &dyn Plugins) -> Self {
        let Given {
            revision,
            versions,
            mut resources,
            updates,
        } = given;
        let unresolved = resolve(&mut resources, &versions, known, plugins).await;
        let (mut generations, failures) = each(&resources, updates);
        let goals = generations.values_mut().flat_map(|generation| generation.values_mut());
        goals.for_each(|goal| suit(goal, &unresolved, known.engines));
        let generations = generations.into_iter();
        let failures = failures.into_iter().map(|(name, error)| (name, error.to_string()));
        Self {
            revision,
            held: held(damaged).chain(failures).collect(),
            versions,
            resources,
            unresolved,
            generations: generations.map(|(name, goals)| (name, Arc::new(goals))).collect(),
            engines: known.engines.clone(),
        }
    }

    /// Why nobody can say what a service is made of, where that is so.
    pub(crate) fn unresolved(&self, goal: &Goal) -> Option<(&str, &str)> {
        let mut packages = packages(goal).filter_map(|name| self.unresolved.get_key_value(name));
        packages.next().map(|(name, reason)| (name.as_str(), reason.as_str()))
    }

    /// Whether it is known what of an application's packages is for this machine.
    pub(crate) fn is_resolved(&self, application: &AppName) -> bool {
        let generation = self.generations.get(application);
        generation.is_none_or(|generation| generation.values().all(|goal| goal.is_resolved))
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
                held.or_insert_with(|| format!("service `{service}`: {error}"));
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

/// What is known already, so that nobody is asked for it.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// What was resolved in these is taken from there, where it is the same version.
    pub(crate) desired: &'a [&'a Desired],
    /// Whether it may be another by now: then it is taken only where nobody answers.
    pub(crate) is_old: bool,
    /// What the engines can do, by their kinds.
    pub(crate) engines: &'a BTreeMap<String, Features>,
}

impl Known<'_> {
    fn resolved(&self, id: &ResourceId, version: Option<&u64>) -> Option<&Configuration> {
        self.desired.iter().find_map(|known| known.resolved(id, version))
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
}

fn held(damaged: &[Damaged]) -> impl Iterator<Item = (String, String)> {
    damaged.iter().filter_map(|damage| {
        let id = damage.resource.as_ref()?;
        let is_application = id.kind == ResourceKind::Application;
        is_application.then(|| (id.name.clone(), damage.reason.clone()))
    })
}

/// What shall run of every application that can be planned for, and the errors of the others.
pub(crate) fn each(
    resources: &Resources,
    updates: Updates,
) -> (BTreeMap<AppName, Generation>, BTreeMap<String, PlanError>) {
    let (mut all, mut failures) = (BTreeMap::new(), BTreeMap::new());
    let parts = Parts::of(resources);
    let library = Library::new(parts.configurations, parts.secrets);
    for application in &parts.applications {
        match library.generation(application, updates) {
            Ok(generation) => drop(all.insert(application.name.clone(), generation)),
            Err(error) => drop(failures.insert(application.name.to_string(), error)),
        }
    }
    (all, failures)
}

/// Says of a goal what plugins say. Where its engine hands no sockets over, what asks for it is restarted, and warned of.
pub(crate) fn suit(goal: &mut Goal, unresolved: &BTreeMap<String, String>, engines: &BTreeMap<String, Features>) {
    let is_unresolved = packages(goal).any(|name| unresolved.contains_key(name));
    goal.is_resolved = !is_unresolved;
    let hands_over = engines.get(&engine_kind(goal)).is_some_and(|engine| engine.handover);
    if goal.strategy == Strategy::Handover && !hands_over {
        goal.strategy = Strategy::Restart;
    }
}

/// The configurations that a service runs or mounts.
fn packages(goal: &Goal) -> impl Iterator<Item = &str> {
    let mounted = goal.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Config(name) => Some(name.as_str()),
        _ => None,
    });
    let run = goal.service.program_config.iter().map(|name| name.as_str());
    run.chain(mounted)
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
    known: Known<'_>,
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
        let resolved = known.resolved(id, versions.get(id));
        if let Some(resolved) = resolved.filter(|_| !known.is_old) {
            *package = resolved.clone();
            continue;
        }
        match (ask(&resolver, package).await, resolved) {
            (Ok(choice), _) => narrow(package, &choice),
            (Err(refusal), Some(resolved)) if refusal.is_passing => *package = resolved.clone(),
            (Err(refusal), _) => drop(unresolved.insert(package.name.to_string(), refusal.reason)),
        }
    }
    unresolved
}

/// Why a resolver does not say what is for this machine, and whether it may in a moment.
struct Refusal {
    reason: String,
    is_passing: bool,
}

async fn ask(resolver: &Result<Resolver, NoProvider>, package: &Configuration) -> Result<Choice, Refusal> {
    let resolver = resolver.as_ref().map_err(|error| Refusal {
        reason: error.to_string(),
        is_passing: true,
    })?;
    choose(resolver, package, None).await.map_err(|error| Refusal {
        is_passing: error.retryable,
        reason: error.to_string(),
    })
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
