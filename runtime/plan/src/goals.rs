//! Goals: applications flattened into services, with every reference followed.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{
    AppName, Application, Configuration, Invalid, Name, Secret, Service, ServiceName, Volume, VolumeName, VolumeSource,
};

use crate::fingerprint::{Fingerprint, Used};
use crate::id::ServiceId;
use crate::restart::Rule;

/// What shall run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Goals {
    /// Every service of every application.
    pub services: BTreeMap<ServiceId, Goal>,
    /// Prepared services that stay though nothing runs them, so that a rollback is quick.
    pub keep: BTreeSet<(ServiceId, Fingerprint)>,
}

/// What shall run of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Changes exactly when instances must be replaced.
    pub fingerprint: Fingerprint,
    /// The service as written, with its number of instances.
    pub service: Service,
    /// The volumes it mounts, in the order of their names.
    pub volumes: Vec<Volume>,
    /// Services that must run before it starts.
    pub depends_on: BTreeSet<ServiceId>,
    /// What to do when an instance ends.
    pub restart: Rule,
}

/// Why applications cannot be planned for. Nothing is planned then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two applications have one name.
    #[error("two applications are called `{0}`")]
    DuplicateApplication(AppName),
    /// An application's parts do not fit together; circles of dependencies are named here.
    #[error(transparent)]
    Invalid(#[from] Box<Invalid>),
    /// A program package is missing.
    #[error(
        "service `{service}` of application `{application}` runs program package `{package}`, which does not exist: \
         apply the package first"
    )]
    MissingPackage {
        /// The application.
        application: AppName,
        /// Its service.
        service: ServiceName,
        /// What is missing.
        package: Name,
    },
    /// `programConfig` names a configuration without the package label.
    #[error(
        "service `{service}` of application `{application}` runs `{package}`, which is a configuration but no program \
         package: label it `baetyl-config-type: baetyl-program`"
    )]
    NotAPackage {
        /// The application.
        application: AppName,
        /// Its service.
        service: ServiceName,
        /// The configuration.
        package: Name,
    },
    /// A volume's content is missing.
    #[error(
        "volume `{volume}` of application `{application}` shows {kind} `{name}`, which does not exist: apply it first"
    )]
    MissingContent {
        /// The application.
        application: AppName,
        /// Its volume.
        volume: VolumeName,
        /// `configuration` or `secret`.
        kind: &'static str,
        /// What is missing.
        name: Name,
    },
    /// A service cannot be written down, so it has no fingerprint.
    #[error("service `{service}` of application `{application}` has no canonical form: {reason}")]
    NoCanonicalForm {
        /// The application.
        application: AppName,
        /// Its service.
        service: ServiceName,
        /// What the serialiser said.
        reason: String,
    },
}

/// Everything that applications may refer to, by name.
struct Library<'a> {
    configurations: BTreeMap<&'a str, &'a Configuration>,
    secrets: BTreeMap<&'a str, &'a Secret>,
}

/// Flattens applications into goals. Give packages as resolved for this node, that is, with the objects of its platform
/// only: then an object added for another platform changes no fingerprint.
///
/// # Errors
/// [`PlanError`] names who needs what.
pub fn goals<'a>(
    applications: impl IntoIterator<Item = &'a Application>,
    configurations: impl IntoIterator<Item = &'a Configuration>,
    secrets: impl IntoIterator<Item = &'a Secret>,
) -> Result<Goals, PlanError> {
    let library = Library {
        configurations: configurations
            .into_iter()
            .map(|item| (item.name.as_str(), item))
            .collect(),
        secrets: secrets.into_iter().map(|item| (item.name.as_str(), item)).collect(),
    };
    let mut seen = BTreeSet::new();
    let mut services = BTreeMap::new();
    for application in applications {
        if !seen.insert(&application.name) {
            return Err(PlanError::DuplicateApplication(application.name.clone()));
        }
        application.validate().map_err(Box::new)?;
        library.check_volumes(application)?;
        for service in &application.services {
            let id = ServiceId {
                application: application.name.clone(),
                service: service.name.clone(),
            };
            let goal = library.goal(application, service, &id)?;
            services.insert(id, goal);
        }
    }
    Ok(Goals {
        services,
        keep: BTreeSet::new(),
    })
}

impl Library<'_> {
    fn check_volumes(&self, application: &Application) -> Result<(), PlanError> {
        for volume in &application.volumes {
            let (kind, name, exists) = match &volume.source {
                VolumeSource::Config(name) => ("configuration", name, self.configurations.contains_key(name.as_str())),
                VolumeSource::Secret(name) => ("secret", name, self.secrets.contains_key(name.as_str())),
                VolumeSource::HostPath(_) | VolumeSource::EmptyDir(_) => continue,
            };
            if !exists {
                let (application, volume) = (application.name.clone(), volume.name.clone());
                return Err(PlanError::MissingContent {
                    application,
                    volume,
                    kind,
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }

    fn goal(&self, application: &Application, service: &Service, id: &ServiceId) -> Result<Goal, PlanError> {
        let is_mounted = |volume: &&Volume| service.volume_mounts.iter().any(|mount| mount.name == volume.name);
        let mut volumes: Vec<&Volume> = application.volumes.iter().filter(is_mounted).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut used = Used {
            volumes,
            ..Used::default()
        };
        used.configurations.extend(self.package(application, service)?);
        for volume in &used.volumes {
            match &volume.source {
                VolumeSource::Config(name) => used.configurations.extend(self.configurations.get(name.as_str())),
                VolumeSource::Secret(name) => used.secrets.extend(self.secrets.get(name.as_str())),
                VolumeSource::HostPath(_) | VolumeSource::EmptyDir(_) => {}
            }
        }
        let fingerprint = Fingerprint::of(service, &used).map_err(|error| PlanError::NoCanonicalForm {
            application: application.name.clone(),
            service: service.name.clone(),
            reason: error.to_string(),
        })?;
        Ok(Goal {
            fingerprint,
            service: service.clone(),
            volumes: used.volumes.into_iter().cloned().collect(),
            depends_on: service.depends_on.iter().map(|on| id.sibling(&on.service)).collect(),
            restart: Rule::of(application, service),
        })
    }

    fn package(&self, application: &Application, service: &Service) -> Result<Option<&Configuration>, PlanError> {
        let Some(package) = &service.program_config else {
            return Ok(None);
        };
        let found = self.configurations.get(package.as_str()).copied();
        if found.is_some_and(Configuration::is_package) {
            return Ok(found);
        }
        let (application, service) = (application.name.clone(), service.name.clone());
        let package = package.clone();
        Err(match found {
            Some(_) => PlanError::NotAPackage {
                application,
                service,
                package,
            },
            None => PlanError::MissingPackage {
                application,
                service,
                package,
            },
        })
    }
}

#[cfg(test)]
mod tests;
