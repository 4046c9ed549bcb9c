//! What is desired, as planning and executing need it: resources with packages resolved for this machine, and goals.

mod resolving;

use std::collections::BTreeMap;
use std::sync::Arc;

use aerolith_model::{
    AppName, Application, Configuration, Key, Object as ModelObject, Resource, ResourceKind, Secret, SecretBytes,
    Strategy, VolumeSource,
};
use aerolith_plan::{Fingerprints, Generation, Goal, Library, ServiceId, Updates, VersionId};
use aerolith_plugin_wire::engine::Features;

use crate::pins::Pinned;
use crate::plugins::Plugins;
use crate::policy::Rules;
use crate::state::{Damaged, ResourceId};
use crate::uses::uses;
use crate::workload::engine_kind;

use resolving::resolve;
pub(crate) use resolving::{choose, narrow};

/// Whoever has the same one has the same version of it.
pub(crate) type Resources = BTreeMap<ResourceId, Arc<Resource>>;

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
    /// How new instances prove themselves, where their service does not say.
    pub(crate) updates: Updates,
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
    /// was planned before from the very same resources is taken from there.
    pub(crate) async fn of(given: Given, damaged: &[Damaged], known: Known<'_>, plugins: &dyn Plugins) -> Self {
        let Given {
            revision,
            versions,
            mut resources,
            updates,
            fingerprints,
        } = given;
        let unresolved = resolve(&mut resources, &versions, known, plugins).await;
        let (generations, failures) = generations(&resources, updates, (&fingerprints, &unresolved), known);
        let failures = failures
            .into_iter()
            .map(|(name, reason)| (name, Held::unusable(reason.to_string())));
        Self {
            revision,
            held: held(damaged).chain(failures).collect(),
            versions,
            resources,
            unresolved,
            generations,
            updates,
            engines: known.engines.clone(),
        }
    }

    /// Why nobody can say what a service is made of, where that is so.
    pub(crate) fn unresolved(&self, goal: &Goal) -> Option<(&str, &str)> {
        let mut packages = names_used(goal).filter_map(|(name, _)| self.unresolved.get_key_value(name));
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
        for application in applications(&self.resources) {
            if let Some((service, error)) = rules.refused(application).next() {
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
        application(&self.resources, name)
    }

    pub(crate) fn configuration(&self, name: &str) -> Option<&Configuration> {
        let id = ResourceId::new(ResourceKind::Configuration, name);
        self.resources.get(&id)?.as_configuration()
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&Secret> {
        let id = ResourceId::new(ResourceKind::Secret, name);
        as_secret(self.resources.get(&id)?)
    }

    /// What shall run of an application that is made of the very same here as there.
    fn planned(&self, application: &Application, resources: &Resources, updates: Updates) -> Option<&Arc<Generation>> {
        let is_same = |id: &ResourceId| match (self.resources.get(id), resources.get(id)) {
            (Some(here), Some(there)) => Arc::ptr_eq(here, there),
            (None, None) => true,
            _ => false,
        };
        let own = ResourceId::new(ResourceKind::Application, application.name.as_str());
        let is_made_of_the_same =
            self.updates == updates && is_same(&own) && uses(application, resources).iter().all(is_same);
        self.generations.get(&application.name).filter(|_| is_made_of_the_same)
    }

    /// A package as it was resolved, if it is there in this version.
    fn resolved(&self, id: &ResourceId, version: Option<&u64>) -> Option<&Arc<Resource>> {
        let is_same = version.is_some() && self.versions.get(id) == version;
        let is_resolved = !self.unresolved.contains_key(&id.name);
        self.resources.get(id).filter(|_| is_same && is_resolved)
    }

    /// The configurations that a service is made of, and whether it runs or mounts each.
    pub(crate) fn used_by<'a>(&'a self, goal: &'a Goal) -> impl Iterator<Item = (&'a Configuration, bool)> {
        names_used(goal).filter_map(|(name, is_program)| Some((self.configuration(name)?, is_program)))
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
        let configurations = self
            .resources
            .values()
            .filter_map(|resource| resource.as_configuration());
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
        let Some(secret) = self.secret(name.as_str()) else {
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
    /// What was resolved or planned in these is taken from there, where it is the same.
    pub(crate) desired: &'a [&'a Desired],
    /// Whether it may be another by now: then it is taken only where nobody answers.
    pub(crate) is_old: bool,
    /// What the engines can do, by their kinds.
    pub(crate) engines: &'a BTreeMap<String, Features>,
}

impl Known<'_> {
    fn resolved(&self, id: &ResourceId, version: Option<&u64>) -> Option<&Arc<Resource>> {
        self.desired.iter().find_map(|known| known.resolved(id, version))
    }

    fn planned(&self, application: &Application, resources: &Resources, updates: Updates) -> Option<&Arc<Generation>> {
        let mut suited = self.desired.iter().filter(|known| known.engines == *self.engines);
        suited.find_map(|known| known.planned(application, resources, updates))
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

/// What shall run of every application that can be planned for, and why nothing of the others.
fn generations(
    resources: &Resources,
    updates: Updates,
    (fingerprints, unresolved): (&Fingerprints, &BTreeMap<String, String>),
    known: Known<'_>,
) -> (BTreeMap<AppName, Arc<Generation>>, BTreeMap<String, String>) {
    let (mut all, mut failures) = (BTreeMap::new(), BTreeMap::new());
    let library = library(resources, fingerprints);
    for application in applications(resources) {
        let planned = match known.planned(application, resources, updates) {
            Some(planned) => Ok(planned.clone()),
            None => library.generation(application, updates).map(|mut generation| {
                let goals = generation.values_mut();
                goals.for_each(|goal| suit(goal, unresolved, known.engines));
                Arc::new(generation)
            }),
        };
        match planned {
            Ok(generation) => drop(all.insert(application.name.clone(), generation)),
            Err(error) => drop(failures.insert(application.name.to_string(), error.to_string())),
        }
    }
    (all, failures)
}

/// What shall run where everything is resolved and nothing is known.
#[cfg(test)]
pub(crate) fn anew(
    resources: &Resources,
    fingerprints: &Fingerprints,
) -> (BTreeMap<AppName, Arc<Generation>>, BTreeMap<String, String>) {
    let known = Known {
        desired: &[],
        is_old: false,
        engines: &BTreeMap::new(),
    };
    generations(resources, Updates::default(), (fingerprints, &BTreeMap::new()), known)
}

/// Says of a goal what plugins say. Where its engine hands no sockets over, what asks for it is restarted, and warned of.
fn suit(goal: &mut Goal, unresolved: &BTreeMap<String, String>, engines: &BTreeMap<String, Features>) {
    let is_unresolved = names_used(goal).any(|(name, _)| unresolved.contains_key(name));
    goal.is_resolved = !is_unresolved;
    let hands_over = engines.get(&engine_kind(goal)).is_some_and(|engine| engine.handover);
    if goal.strategy == Strategy::Handover && !hands_over {
        goal.strategy = Strategy::Restart;
    }
}

/// The configurations that a service is made of by their names, and whether it runs or mounts each.
fn names_used(goal: &Goal) -> impl Iterator<Item = (&str, bool)> {
    let mounted = goal.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Config(name) => Some((name.as_str(), false)),
        _ => None,
    });
    let run = goal.service.program_config.iter().map(|name| (name.as_str(), true));
    run.chain(mounted)
}

/// Whether a service is updated in another way than it asks for.
pub(crate) fn lacks_handover(goal: &Goal) -> bool {
    goal.service.update.strategy == Some(Strategy::Handover) && goal.strategy != Strategy::Handover
}

/// Everything that applications refer to.
pub(crate) fn library<'a>(resources: &'a Resources, fingerprints: &'a Fingerprints) -> Library<'a> {
    let secrets = resources.values().filter_map(|resource| as_secret(resource));
    let configurations = resources.values().filter_map(|resource| resource.as_configuration());
    Library::new(configurations, secrets, fingerprints)
}

pub(crate) fn application<'a>(resources: &'a Resources, name: &str) -> Option<&'a Application> {
    let id = ResourceId::new(ResourceKind::Application, name);
    resources.get(&id)?.as_application()
}

pub(crate) fn applications(resources: &Resources) -> impl Iterator<Item = &Application> {
    resources.values().filter_map(|resource| resource.as_application())
}

fn as_secret(resource: &Resource) -> Option<&Secret> {
    match resource {
        Resource::Secret(secret) => Some(secret),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (ResourceId, Arc<Resource>) {
        let resource: Resource = serde_json::from_str(json).unwrap();
        (ResourceId::of(&resource), Arc::new(resource))
    }

    fn planned(resources: &Resources, updates: Updates, known: &Desired) -> BTreeMap<AppName, Arc<Generation>> {
        let known = Known {
            desired: &[known],
            is_old: false,
            engines: &known.engines,
        };
        let (generations, failures) =
            generations(resources, updates, (&Fingerprints::default(), &BTreeMap::new()), known);
        assert_eq!(failures, BTreeMap::new());
        generations
    }

    #[test]
    fn only_what_is_made_of_something_else_is_planned_anew() {
        let shop = r#"{"kind":"application","name":"shop","services":[{"name":"web","image":"i",
            "volumeMounts":[{"name":"conf","mountPath":"/c"}]}],"volumes":[{"name":"conf","config":{"name":"conf"}}]}"#;
        let cafe = r#"{"kind":"application","name":"cafe","services":[{"name":"web","image":"i"}]}"#;
        let conf = |text: &str| {
            of(&format!(
                r#"{{"kind":"configuration","name":"conf","data":{{"a":"{text}"}}}}"#
            ))
        };
        let resources = Resources::from([of(shop), of(cafe), conf("1")]);
        let updates = Updates::default();
        let known = Desired {
            generations: planned(&resources, updates, &Desired::default()),
            resources: resources.clone(),
            ..Desired::default()
        };
        let is_known = |generations: &BTreeMap<AppName, Arc<Generation>>| -> Vec<bool> {
            let all = generations.iter();
            all.map(|(name, one)| Arc::ptr_eq(one, &known.generations[name]))
                .collect()
        };
        assert_eq!(is_known(&planned(&resources, updates, &known)), [true, true]);
        let mut changed = resources.clone();
        changed.extend([conf("2")]);
        assert_eq!(is_known(&planned(&changed, updates, &known)), [true, false]);
        let slow = Updates {
            window: updates.window * 2,
            ..updates
        };
        assert_eq!(is_known(&planned(&resources, slow, &known)), [false, false]);
    }
}
