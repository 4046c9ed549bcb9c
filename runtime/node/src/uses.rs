//! What an application uses: one rule for what may be deleted and for what a deployment is made of. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{Application, Configuration, Name, ResourceKind, Service, Volume, VolumeSource};

use crate::desired::{Resources, applications};
use crate::state::ResourceId;

/// The configurations and secrets that an application names, and the secrets that its configurations name for the
/// fetching of their objects; whether they exist or not.
pub(crate) fn uses(application: &Application, resources: &Resources) -> BTreeSet<ResourceId> {
    let mut used: BTreeSet<ResourceId> = named(application).collect();
    let configurations = used.iter().filter_map(|id| resources.get(id)?.as_configuration());
    let credentials: Vec<ResourceId> = configurations.flat_map(credentials).collect();
    used.extend(credentials);
    used
}

/// The applications that use each configuration and secret, by name.
pub(crate) type Users = BTreeMap<ResourceId, BTreeSet<String>>;

/// Who uses what.
pub(crate) fn users(resources: &Resources) -> Users {
    let mut users = Users::new();
    for application in applications(resources) {
        for id in uses(application, resources) {
            users.entry(id).or_default().insert(application.name.to_string());
        }
    }
    users
}

/// The applications that use a resource, each with those of its services that do: a volume that nobody mounts is used by no
/// service.
pub(crate) fn usage(resources: &Resources, id: &ResourceId) -> BTreeMap<String, BTreeSet<String>> {
    let using = applications(resources).filter(|application| uses(application, resources).contains(id));
    using
        .map(|application| (application.name.to_string(), services(application, resources, id)))
        .collect()
}

fn services(application: &Application, resources: &Resources, id: &ResourceId) -> BTreeSet<String> {
    let all = application.services.iter().chain(&application.init_services);
    let using = all.filter(|service| {
        let alone = Application {
            services: vec![(*service).clone()],
            init_services: Vec::new(),
            // What registries ask for is for those that run an image.
            registries: service
                .image
                .iter()
                .flat_map(|_| application.registries.clone())
                .collect(),
            volumes: mounted(application, service),
            ..application.clone()
        };
        uses(&alone, resources).contains(id)
    });
    using.map(|service| service.name.to_string()).collect()
}

fn mounted(application: &Application, service: &Service) -> Vec<Volume> {
    let volumes = application.volumes.iter();
    let is_mounted = |volume: &&Volume| service.volume_mounts.iter().any(|mount| mount.name == volume.name);
    volumes.filter(is_mounted).cloned().collect()
}

fn named(application: &Application) -> impl Iterator<Item = ResourceId> + '_ {
    let shown = application.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Config(name) => Some((ResourceKind::Configuration, name)),
        VolumeSource::Secret(name) => Some((ResourceKind::Secret, name)),
        VolumeSource::HostPath(_) | VolumeSource::EmptyDir(_) => None,
    });
    let services = application.services.iter().chain(&application.init_services);
    let run = services.filter_map(program);
    let registries = application.registries.iter().map(|name| (ResourceKind::Secret, name));
    let all = shown.chain(run).chain(registries);
    all.map(|(kind, name)| ResourceId::new(kind, name.as_str()))
}

fn program(service: &Service) -> Option<(ResourceKind, &Name)> {
    service
        .program_config
        .as_ref()
        .map(|name| (ResourceKind::Configuration, name))
}

fn credentials(configuration: &Configuration) -> impl Iterator<Item = ResourceId> + '_ {
    let named = configuration
        .objects()
        .filter_map(|(_, object)| object.credentials.as_ref());
    named.map(|name| ResourceId::new(ResourceKind::Secret, name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_model::Resource;
    use std::sync::Arc;

    fn resources(all: &[&str]) -> Resources {
        let all = all.iter().map(|json| serde_json::from_str::<Resource>(json).unwrap());
        all.map(|resource| (ResourceId::of(&resource), Arc::new(resource)))
            .collect()
    }

    fn shown(ids: impl IntoIterator<Item = ResourceId>) -> Vec<String> {
        ids.into_iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn everything_that_an_application_names_is_used_and_so_are_the_credentials_of_its_objects() {
        let all = resources(&[
            r#"{"kind":"application","name":"shop","registries":["hub"],
                "services":[{"name":"web","programConfig":"pp"}],"initServices":[{"name":"init","programConfig":"setup"}],
                "volumes":[{"name":"aa","config":{"name":"conf"}},{"name":"bb","secret":{"name":"cert"}},
                    {"name":"cc","hostPath":{"path":"/srv"}},{"name":"dd","emptyDir":{}}]}"#,
            r#"{"kind":"configuration","name":"pp","data":{"a.zip":{"url":"https://h/a.zip","credentials":"login"}}}"#,
            r#"{"kind":"configuration","name":"other","data":{"a.zip":{"url":"https://h/a.zip","credentials":"key"}}}"#,
        ]);
        let users = users(&all);
        assert_eq!(
            shown(users.keys().cloned()),
            [
                "configuration/conf",
                "configuration/pp",
                "configuration/setup",
                "secret/cert",
                "secret/hub",
                "secret/login"
            ]
        );
        assert!(users.values().all(|by| by.iter().eq(["shop"])));
    }

    #[test]
    fn the_services_that_use_something_are_told_apart_from_those_that_do_not() {
        let all = resources(&[
            r#"{"kind":"application","name":"shop","services":[
                {"name":"web","programConfig":"pp","volumeMounts":[{"name":"conf","mountPath":"/c"}]},
                {"name":"db","programConfig":"qq"}],
                "volumes":[{"name":"conf","config":{"name":"conf"}},{"name":"idle","config":{"name":"idle"}}]}"#,
            r#"{"kind":"configuration","name":"pp","data":{"a.zip":{"url":"https://h/a.zip","credentials":"login"}}}"#,
        ]);
        let used = |kind, name: &str| usage(&all, &ResourceId::new(kind, name));
        let by = |services: &[&str]| {
            let services = services.iter().map(|name| (*name).to_owned()).collect();
            BTreeMap::from([("shop".to_owned(), services)])
        };
        assert_eq!(used(ResourceKind::Configuration, "conf"), by(&["web"]));
        assert_eq!(used(ResourceKind::Secret, "login"), by(&["web"]));
        assert_eq!(used(ResourceKind::Configuration, "qq"), by(&["db"]));
        assert_eq!(used(ResourceKind::Configuration, "idle"), by(&[]));
        assert!(used(ResourceKind::Configuration, "none").is_empty());
    }

    #[test]
    fn who_shares_a_configuration_is_named_once_each() {
        let app = |name: &str| {
            format!(
                r#"{{"kind":"application","name":"{name}","services":[{{"name":"aa","programConfig":"pp"}},
                {{"name":"bb","programConfig":"pp"}}]}}"#
            )
        };
        let users = users(&resources(&[&app("one"), &app("two")]));
        let pp = ResourceId::new(ResourceKind::Configuration, "pp");
        assert!(users[&pp].iter().eq(["one", "two"]));
    }
}
