//! What a change of the desired state would do, application by application and service by service. Pure. Of what differs
//! only the names are told, never a value: one may be secret.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aerolith_model::{AppName, Entry, Object, ResourceKind, Strategy, VolumeSource};
use aerolith_plan::{Goal, ServiceId};
use serde::Serialize;

use crate::desired::{Desired, Resources};
use crate::state::ResourceId;
use fields::{differing, without};

/// What would become of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationChange {
    /// Its name.
    pub name: String,
    /// What would become of it as a whole.
    pub action: Action,
    /// Its own fields that differ; those of its services stand there.
    pub changes: Vec<String>,
    /// Its services, those that stay as they are too.
    pub services: Vec<ServiceChange>,
}

/// What would become of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceChange {
    /// Its name.
    pub name: String,
    /// What would become of it.
    pub action: Action,
    /// Of one that is updated, how its instances would be replaced.
    pub strategy: Option<Strategy>,
    /// Instances before and after.
    pub replicas: (u32, u32),
    /// What differs: `image`, `env.UNIT`, `package weather-agent: object x`.
    pub changes: Vec<String>,
    /// The objects that would be fetched, as far as it is known that they are not here.
    pub fetches: Vec<String>,
}

/// What would become of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Nothing.
    Unchanged,
    /// It is described otherwise, and its instances run on.
    Adjusted,
    /// It gets more instances, or fewer; the others run on.
    Scaled,
    /// Its instances are replaced; of an application: something of it is otherwise.
    Updated,
    /// It comes.
    Added,
    /// It goes.
    Removed,
}

/// What would become of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Which.
    pub resource: ResourceId,
    /// `added`, `updated` or `removed`.
    pub action: Action,
}

/// The resources that differ.
pub(crate) fn resources(before: &Resources, after: &Resources) -> Vec<ResourceChange> {
    let ids: BTreeSet<&ResourceId> = before.keys().chain(after.keys()).collect();
    let change = |id: &ResourceId| {
        let action = match (before.get(id), after.get(id)) {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            (Some(before), Some(after)) if Arc::ptr_eq(before, after) || before == after => return None,
            _ => Action::Updated,
        };
        Some(ResourceChange {
            resource: id.clone(),
            action,
        })
    };
    ids.into_iter().filter_map(change).collect()
}

/// What would become of every application that differs, and of those named. What an application uses that stays as it is
/// deployed makes no difference to it.
pub(crate) fn difference(
    before: &Desired,
    after: &Desired,
    named: &[String],
    stays: &dyn Fn(&AppName) -> bool,
    is_here: &dyn Fn(&Object) -> bool,
) -> Vec<ApplicationChange> {
    let sides = Sides {
        before,
        after,
        stays,
        is_here,
    };
    let all = before.resources.keys().chain(after.resources.keys());
    let names: BTreeSet<&str> = all
        .filter(|id| id.kind == ResourceKind::Application)
        .map(|id| id.name.as_str())
        .collect();
    let changes = names.into_iter().map(|name| sides.application(name));
    changes
        .filter(|change| change.action != Action::Unchanged || named.contains(&change.name))
        .collect()
}

struct Sides<'a> {
    before: &'a Desired,
    after: &'a Desired,
    stays: &'a dyn Fn(&AppName) -> bool,
    is_here: &'a dyn Fn(&Object) -> bool,
}

impl Sides<'_> {
    fn application(&self, name: &str) -> ApplicationChange {
        let (old, new) = (self.before.application(name), self.after.application(name));
        let (were, are) = (services(self.before, name), services(self.after, name));
        let ids: BTreeSet<&ServiceId> = were.keys().chain(are.keys()).copied().collect();
        let services: Vec<ServiceChange> = ids
            .into_iter()
            .map(|id| self.service(id, were.get(id).copied(), are.get(id).copied()))
            .collect();
        // What stands in services is told there; a volume that nobody mounts restarts nobody.
        let own = |application| without(application, &["services", "initServices"]);
        let changes = match (old, new) {
            (Some(old), Some(new)) => differing(&own(old), &own(new)),
            _ => Vec::new(),
        };
        let stays = services.iter().all(|service| service.action == Action::Unchanged) && changes.is_empty();
        let action = match (old, new) {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            _ if stays => Action::Unchanged,
            _ => Action::Updated,
        };
        ApplicationChange {
            name: name.to_owned(),
            action,
            changes,
            services,
        }
    }

    fn service(&self, id: &ServiceId, old: Option<&Goal>, new: Option<&Goal>) -> ServiceChange {
        let replicas = |goal: Option<&Goal>| goal.map_or(0, Goal::count);
        let changes = match (old, new) {
            (Some(old), Some(new)) if !(self.stays)(&id.application) => self.changes(old, new),
            _ => Vec::new(),
        };
        let action = match (old, new) {
            (None, _) => Action::Added,
            (_, None) => Action::Removed,
            (Some(old), Some(new)) if old.fingerprint != new.fingerprint => Action::Updated,
            _ if replicas(old) != replicas(new) => Action::Scaled,
            _ if changes.is_empty() => Action::Unchanged,
            _ => Action::Adjusted,
        };
        let is_new = matches!(action, Action::Added | Action::Updated);
        ServiceChange {
            name: id.service.to_string(),
            action,
            strategy: new.filter(|_| action == Action::Updated).map(|goal| goal.strategy),
            replicas: (replicas(old), replicas(new)),
            changes,
            fetches: new.filter(|_| is_new).map(|new| self.fetches(new)).unwrap_or_default(),
        }
    }

    fn changes(&self, old: &Goal, new: &Goal) -> Vec<String> {
        let mut changes = differing(&without(&old.service, &[]), &without(&new.service, &[]));
        let (olds, news) = (contents(self.before, old), contents(self.after, new));
        let keys: BTreeSet<&(String, String)> = olds.keys().chain(news.keys()).collect();
        let content = keys.into_iter().filter(|key| olds.get(key) != news.get(key));
        changes.extend(content.map(|(of, key)| format!("{of}: {key}")));
        let volumes = |goal: &Goal| -> BTreeMap<String, VolumeSource> {
            let volumes = goal.volumes.iter();
            volumes
                .map(|volume| (volume.name.to_string(), volume.source.clone()))
                .collect()
        };
        let (olds, news) = (volumes(old), volumes(new));
        let names: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
        let other = names.into_iter().filter(|name| olds.get(*name) != news.get(*name));
        changes.extend(other.map(|name| format!("volume {name}")));
        changes
    }

    fn fetches(&self, goal: &Goal) -> Vec<String> {
        let objects = self.after.used_by(goal).flat_map(|(configuration, _)| {
            let objects = configuration.objects();
            objects.map(move |(key, object)| (format!("{} of {}", key, configuration.name), object))
        });
        objects
            .filter(|(_, object)| !(self.is_here)(object))
            .map(|(name, _)| name)
            .collect()
    }
}

fn services<'a>(desired: &'a Desired, application: &str) -> BTreeMap<&'a ServiceId, &'a Goal> {
    let all = desired.wanted();
    all.filter(|(id, _)| id.application.as_str() == application).collect()
}

/// A part of what a service is made of.
#[derive(PartialEq)]
enum Content<'a> {
    Entry(&'a Entry),
    Secret(&'a [u8]),
}

/// What is in the configurations and secrets that a service uses: by what they are to it, and by key.
fn contents<'a>(desired: &'a Desired, goal: &'a Goal) -> BTreeMap<(String, String), Content<'a>> {
    let mut contents = BTreeMap::new();
    for (configuration, is_program) in desired.used_by(goal) {
        let kind = if is_program { "package" } else { "configuration" };
        for (key, entry) in &configuration.data {
            let what = match entry {
                Entry::Object(_) => format!("object {key}"),
                Entry::Text(_) => key.to_string(),
            };
            contents.insert((format!("{kind} {}", configuration.name), what), Content::Entry(entry));
        }
    }
    for volume in &goal.volumes {
        let VolumeSource::Secret(name) = &volume.source else {
            continue;
        };
        if let Some(secret) = desired.secret(name.as_str()) {
            let data = secret.data.iter();
            contents.extend(
                data.map(|(key, bytes)| ((format!("secret {name}"), key.to_string()), Content::Secret(&bytes.0))),
            );
        }
    }
    contents
}

#[cfg(test)]
mod tests;
