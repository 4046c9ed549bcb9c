//! Goals: applications flattened into services, with every reference followed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aerolith_model::{
    AppName, Application, Configuration, Invalid, Name, Secret, Service, ServiceName, StartCondition, Strategy, Volume,
    VolumeName, VolumeSource, Workload,
};

use crate::fingerprint::{Fingerprint, Fingerprints, Used};
use crate::id::{RunId, ServiceId, VersionId};
use crate::probe::Probes;
use crate::restart::Rule;

/// What shall run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Goals {
    /// Every application.
    pub applications: BTreeMap<AppName, Target>,
    /// Prepared services that stay though nothing runs them, so that a rollback is quick.
    pub keep: BTreeSet<VersionId>,
}

/// What shall run of one application, and what does if that cannot be had.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// The version to come to.
    pub candidate: Arc<Generation>,
    /// The version that was good before. It runs until the candidate is prepared, and again if that fails. There is none
    /// once the candidate has been found good.
    pub fallback: Option<Arc<Generation>>,
    /// Whether the fallback was never found good itself: it ran when the candidate came, and there is nothing better.
    pub unproven: bool,
    /// Whether the candidate is left alone now: it has failed, or its time has not come.
    pub withheld: bool,
}

impl Target {
    /// Whether every fingerprint of it is known for sure.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        let all = std::iter::once(&self.candidate).chain(&self.fallback);
        all.flat_map(|generation| generation.values())
            .all(|goal| goal.is_resolved)
    }
}

/// The services of one version of an application.
pub type Generation = BTreeMap<ServiceId, Goal>;

/// What shall run of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Whose goal it is.
    pub id: ServiceId,
    /// Changes exactly when instances must be replaced.
    pub fingerprint: Fingerprint,
    /// Whether that is known for sure. It is not while nobody can say which objects of its packages are for this machine.
    pub is_resolved: bool,
    /// The service as written.
    pub service: Service,
    /// How many instances there are, where they run to completion.
    pub job: Option<Job>,
    /// The volumes it mounts, in the order of their names.
    pub volumes: Vec<Volume>,
    /// The services that it waits for before it starts, and until when.
    pub depends_on: BTreeMap<ServiceId, StartCondition>,
    /// What to do when an instance ends.
    pub restart: Rule,
    /// In which order it takes the place of another version.
    pub strategy: Strategy,
    /// How a new instance proves itself.
    pub updates: Updates,
}

/// How many instances of a job there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// So many must end well.
    pub completions: u32,
    /// At most so many run at once.
    pub parallelism: u32,
}

/// How a new instance proves itself, unless its service says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Updates {
    /// It must be ready so long without interruption: of a service, as long as its liveness probe needs to find it out.
    pub window: Duration,
    /// It must have proven itself by then.
    pub deadline: Duration,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            deadline: Duration::from_secs(300),
        }
    }
}

impl Goal {
    /// How many instances there shall be.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.job.map_or(self.service.replica, |job| job.completions)
    }

    /// Whether a run that is of both is asked the same by both while it runs.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        Probes::of(&self.service) == Probes::of(&other.service)
    }

    /// Whether a run is one of those that shall be.
    #[must_use]
    pub fn wants(&self, run: &RunId) -> bool {
        self.id.runs(self.fingerprint, run) && (1..=self.count()).contains(&run.instance.index)
    }
}

/// Why applications cannot be planned for. Nothing is planned then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
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

/// Everything that applications may refer to, by name. Give packages as resolved for this node, that is, with the objects
/// of its platform only: then an object added for another platform changes no fingerprint.
#[derive(Debug, Clone)]
pub struct Library<'a> {
    configurations: BTreeMap<&'a str, &'a Configuration>,
    secrets: BTreeMap<&'a str, &'a Secret>,
    fingerprints: &'a Fingerprints,
}

impl<'a> Library<'a> {
    /// A library of these.
    pub fn new(
        configurations: impl IntoIterator<Item = &'a Configuration>,
        secrets: impl IntoIterator<Item = &'a Secret>,
        fingerprints: &'a Fingerprints,
    ) -> Self {
        let configurations = configurations.into_iter();
        Self {
            configurations: configurations.map(|item| (item.name.as_str(), item)).collect(),
            secrets: secrets.into_iter().map(|item| (item.name.as_str(), item)).collect(),
            fingerprints,
        }
    }

    /// Everything that does not fit in an application, or that it needs and that is not there; each with the field that
    /// says so, such as `services[0].programConfig`.
    #[must_use]
    pub fn faults(&self, application: &Application) -> Vec<(String, PlanError)> {
        if let Err(invalid) = application.validate() {
            return vec![(invalid.path.clone(), Box::new(invalid).into())];
        }
        let services = application.init_services.iter().chain(&application.services);
        let packages = services.filter_map(|service| self.package_fault(application, service));
        self.volume_faults(application).chain(packages).collect()
    }

    /// Flattens an application into goals. Init services come first, one after the other, and all others after them.
    ///
    /// # Errors
    /// [`PlanError`] names who needs what: the first of [`Library::faults`].
    pub fn generation(&self, application: &Application, updates: Updates) -> Result<Generation, PlanError> {
        if let Some((_, error)) = self.faults(application).into_iter().next() {
            return Err(error);
        }
        let mut generation = Generation::new();
        let mut before = None;
        for service in &application.init_services {
            let goal = self.goal(application, service, updates)?;
            let rule = Rule::of_init(service);
            let goal = Goal {
                restart: rule,
                job: None,
                ..goal
            };
            before = Some(add(&mut generation, goal, before.as_ref()));
        }
        for service in &application.services {
            let goal = self.goal(application, service, updates)?;
            add(&mut generation, goal, before.as_ref());
        }
        Ok(generation)
    }

    fn volume_faults(&self, application: &Application) -> impl Iterator<Item = (String, PlanError)> {
        application.volumes.iter().enumerate().filter_map(|(at, volume)| {
            let (field, kind, name, exists) = match &volume.source {
                VolumeSource::Config(name) => (
                    "config",
                    "configuration",
                    name,
                    self.configurations.contains_key(name.as_str()),
                ),
                VolumeSource::Secret(name) => ("secret", "secret", name, self.secrets.contains_key(name.as_str())),
                VolumeSource::HostPath(_) | VolumeSource::EmptyDir(_) => return None,
            };
            let missing = || PlanError::MissingContent {
                application: application.name.clone(),
                volume: volume.name.clone(),
                kind,
                name: name.clone(),
            };
            (!exists).then(|| (format!("volumes[{at}].{field}.name"), missing()))
        })
    }

    fn goal(&self, application: &Application, service: &Service, updates: Updates) -> Result<Goal, PlanError> {
        let service = &*application.whole(service);
        let is_mounted = |volume: &&Volume| service.volume_mounts.iter().any(|mount| mount.name == volume.name);
        let mut volumes: Vec<&Volume> = application.volumes.iter().filter(is_mounted).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut used = Used {
            volumes,
            ..Used::default()
        };
        used.configurations.extend(self.package(service));
        for volume in &used.volumes {
            match &volume.source {
                VolumeSource::Config(name) => used.configurations.extend(self.configurations.get(name.as_str())),
                VolumeSource::Secret(name) => used.secrets.extend(self.secrets.get(name.as_str())),
                VolumeSource::HostPath(_) | VolumeSource::EmptyDir(_) => {}
            }
        }
        let id = id_of(application, service);
        let fingerprint = self
            .fingerprints
            .of(&id, service, &used)
            .map_err(|error| PlanError::NoCanonicalForm {
                application: application.name.clone(),
                service: service.name.clone(),
                reason: error.to_string(),
            })?;
        let depends_on = service.depends_on.iter();
        let depends_on = depends_on.map(|on| (id.sibling(&on.service), on.condition));
        Ok(Goal {
            depends_on: depends_on.collect(),
            id,
            fingerprint,
            is_resolved: true,
            service: service.clone(),
            job: job(application, service),
            volumes: used.volumes.into_iter().cloned().collect(),
            restart: Rule::of(application, service),
            strategy: strategy(service),
            updates: proving(service, updates),
        })
    }

    fn package(&self, service: &Service) -> Option<&'a Configuration> {
        self.configurations
            .get(service.program_config.as_ref()?.as_str())
            .copied()
    }

    fn package_fault(&self, application: &Application, service: &Service) -> Option<(String, PlanError)> {
        let package = service.program_config.clone()?;
        let found = self.package(service);
        if found.is_some_and(Configuration::is_package) {
            return None;
        }
        let path = application.path_of(&service.name).unwrap_or_default() + ".programConfig";
        let (application, service) = (application.name.clone(), service.name.clone());
        let error = match found {
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
        };
        Some((path, error))
    }
}

/// Adds a goal that waits for the last init service, and answers its service.
fn add(generation: &mut Generation, mut goal: Goal, init: Option<&ServiceId>) -> ServiceId {
    let id = goal.id.clone();
    if let Some(init) = init {
        goal.depends_on.insert(init.clone(), StartCondition::Succeeded);
    }
    generation.insert(id.clone(), goal);
    id
}

fn id_of(application: &Application, service: &Service) -> ServiceId {
    ServiceId {
        application: application.name.clone(),
        service: service.name.clone(),
    }
}

fn job(application: &Application, service: &Service) -> Option<Job> {
    if application.workload != Workload::Job {
        return None;
    }
    let config = application.job_config.as_ref();
    let completions = config.and_then(|config| config.completions);
    let completions = completions.map_or(service.replica, NonZeroU32::get);
    let parallelism = config.and_then(|config| config.parallelism);
    Some(Job {
        completions,
        parallelism: parallelism.map_or(completions, NonZeroU32::get),
    })
}

/// While a liveness probe could not have found out yet that an instance does not work, its silence says nothing: the window is
/// as long, but for half of the time that there is to prove itself.
fn proving(service: &Service, node: Updates) -> Updates {
    let update = &service.update;
    let window = update.window.map_or(node.window, |window| window.0);
    let deadline = update.deadline.map_or(node.deadline, |deadline| deadline.0);
    let found_out = Probes::of(service).found_out_after().min(deadline / 2);
    Updates {
        window: window.max(found_out),
        deadline,
    }
}

/// What has a port of the host is not beside another of it, unless it says that its program can share one.
fn strategy(service: &Service) -> Strategy {
    let has_fixed = service.host_ports().next().is_some();
    let fitting = if has_fixed { Strategy::Restart } else { Strategy::Switch };
    service.update.strategy.unwrap_or(fitting)
}

#[cfg(test)]
mod tests;
