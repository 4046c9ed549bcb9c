//! What no single field can show: references inside an application.

use std::collections::{BTreeMap, BTreeSet};

use crate::application::Application;
use crate::hint::closest;
use crate::order::{Cycle, start_order};
use crate::service::Service;
use crate::text::{AppName, EnvName, MountPath, ServiceName, VolumeName};

/// An application whose parts do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("application `{application}`: {fault}")]
pub struct Invalid {
    /// Its name.
    pub application: AppName,
    /// Index of the service at fault, where it is one.
    pub service: Option<usize>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong inside an application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two services have one name.
    #[error("two services are called `{0}`")]
    DuplicateService(ServiceName),
    /// Two volumes have one name.
    #[error("two volumes are called `{0}`")]
    DuplicateVolume(VolumeName),
    /// A mount names no volume of the application.
    #[error("service `{service}` mounts volume `{volume}`, which the application does not have")]
    UnknownVolume {
        /// Who mounts.
        service: ServiceName,
        /// What is missing.
        volume: VolumeName,
        /// The likely meaning.
        near: Option<String>,
    },
    /// Two mounts of a service have one path.
    #[error("service `{service}` mounts two volumes at `{path}`")]
    DuplicateMountPath {
        /// Who mounts.
        service: ServiceName,
        /// Where.
        path: MountPath,
    },
    /// A variable is set twice.
    #[error("service `{service}` sets variable `{variable}` twice")]
    DuplicateVariable {
        /// Who sets.
        service: ServiceName,
        /// What.
        variable: EnvName,
    },
    /// `dependsOn` names no service of the application.
    #[error("service `{service}` depends on `{dependency}`, which is no service of the application")]
    UnknownDependency {
        /// Who waits.
        service: ServiceName,
        /// For whom.
        dependency: ServiceName,
        /// The likely meaning.
        near: Option<String>,
    },
    /// Services wait for each other.
    #[error(transparent)]
    Cycle(#[from] Cycle),
    /// Nothing to run.
    #[error("service `{0}` has neither `programConfig` nor `image`, so there is nothing to run")]
    NothingToRun(ServiceName),
    /// Two things to run.
    #[error("service `{0}` has both `programConfig` and `image`: keep one of them")]
    TwoThingsToRun(ServiceName),
}

impl Fault {
    /// What to do, where it is more than the message says.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownVolume { near: Some(near), .. } | Self::UnknownDependency { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`?"))
            }
            _ => None,
        }
    }
}

impl Application {
    /// Checks what no single field can show: unique names, mounts and dependencies that name something, no circle of
    /// dependencies, and exactly one thing to run per service.
    ///
    /// # Errors
    /// The first [`Fault`], with the index of its service.
    pub fn validate(&self) -> Result<(), Invalid> {
        let invalid = |service, fault| Invalid {
            application: self.name.clone(),
            service,
            fault,
        };
        if let Some(volume) = duplicate(self.volumes.iter().map(|volume| &volume.name)) {
            return Err(invalid(None, Fault::DuplicateVolume(volume.clone())));
        }
        for (index, service) in self.services.iter().enumerate() {
            self.check(index, service)
                .map_err(|fault| invalid(Some(index), fault))?;
        }
        let depends_on: BTreeMap<_, _> = self
            .services
            .iter()
            .map(|service| {
                (
                    service.name.as_str(),
                    service
                        .depends_on
                        .iter()
                        .map(|dependency| dependency.service.as_str())
                        .collect(),
                )
            })
            .collect();
        match start_order(&depends_on) {
            Ok(_) => Ok(()),
            Err(cycle) => Err(invalid(self.index_of(cycle.members.first()), cycle.into())),
        }
    }

    fn index_of(&self, name: Option<&String>) -> Option<usize> {
        self.services
            .iter()
            .position(|service| name.is_some_and(|name| service.name.as_str() == name))
    }

    fn check(&self, index: usize, service: &Service) -> Result<(), Fault> {
        let name = || service.name.clone();
        if self.services[..index]
            .iter()
            .any(|earlier| earlier.name == service.name)
        {
            return Err(Fault::DuplicateService(name()));
        }
        match (&service.program_config, &service.image) {
            (None, None) => return Err(Fault::NothingToRun(name())),
            (Some(_), Some(_)) => return Err(Fault::TwoThingsToRun(name())),
            _ => {}
        }
        if let Some(variable) = duplicate(service.env.iter().map(|variable| &variable.name)) {
            return Err(Fault::DuplicateVariable {
                service: name(),
                variable: variable.clone(),
            });
        }
        if let Some(path) = duplicate(service.volume_mounts.iter().map(|mount| &mount.mount_path)) {
            return Err(Fault::DuplicateMountPath {
                service: name(),
                path: path.clone(),
            });
        }
        self.check_references(service)
    }

    fn check_references(&self, service: &Service) -> Result<(), Fault> {
        let volumes: BTreeSet<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
        let services: BTreeSet<&str> = self.services.iter().map(|service| service.name.as_str()).collect();
        let near = |name: &str, known: &BTreeSet<&str>| closest(name, known.iter().copied()).map(str::to_owned);
        let name = || service.name.clone();
        if let Some(mount) = service
            .volume_mounts
            .iter()
            .find(|mount| !volumes.contains(mount.name.as_str()))
        {
            let near = near(mount.name.as_str(), &volumes);
            return Err(Fault::UnknownVolume {
                service: name(),
                volume: mount.name.clone(),
                near,
            });
        }
        if let Some(dependency) = service
            .depends_on
            .iter()
            .map(|dependency| &dependency.service)
            .find(|other| !services.contains(other.as_str()))
        {
            let near = near(dependency.as_str(), &services);
            return Err(Fault::UnknownDependency {
                service: name(),
                dependency: dependency.clone(),
                near,
            });
        }
        Ok(())
    }
}

fn duplicate<'a, T: Ord>(mut items: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let mut seen = BTreeSet::new();
    items.find(|item| !seen.insert(*item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(services: &str) -> Application {
        let volumes = r#"[{"name":"conf","emptyDir":{}}]"#;
        serde_json::from_str(&format!(
            r#"{{"name":"weather","services":[{services}],"volumes":{volumes}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn parts_that_fit_are_accepted() {
        let services = r#"{"name":"agent","image":"a","dependsOn":["db"],
            "volumeMounts":[{"name":"conf","mountPath":"/a"},{"name":"conf","mountPath":"/b"}]},
            {"name":"db","programConfig":"db"}"#;
        assert_eq!(application(services).validate(), Ok(()));
    }

    #[test]
    fn each_fault_is_found_with_its_service() {
        let cases = [
            (
                r#"{"name":"db","image":"a"},{"name":"db","image":"a"}"#,
                1,
                "two services are called `db`",
            ),
            (r#"{"name":"db"}"#, 0, "neither `programConfig` nor `image`"),
            (
                r#"{"name":"db","image":"a","programConfig":"db"}"#,
                0,
                "both `programConfig` and `image`",
            ),
            (
                r#"{"name":"db","image":"a","env":[{"name":"A"},{"name":"A"}]}"#,
                0,
                "variable `A` twice",
            ),
            (
                r#"{"name":"db","image":"a","volumeMounts":[{"name":"cnf","mountPath":"/a"}]}"#,
                0,
                "volume `cnf`",
            ),
            (
                r#"{"name":"db","image":"a",
                "volumeMounts":[{"name":"conf","mountPath":"/a"},{"name":"conf","mountPath":"/a"}]}"#,
                0,
                "two volumes at `/a`",
            ),
            (
                r#"{"name":"aa","image":"a"},{"name":"db","image":"a","dependsOn":["ab"]}"#,
                1,
                "depends on `ab`",
            ),
            (
                r#"{"name":"aa","image":"a","dependsOn":["bb"]},{"name":"bb","image":"a","dependsOn":["aa"]}"#,
                0,
                "aa -> bb -> aa",
            ),
        ];
        for (services, index, part) in cases {
            let invalid = application(services).validate().unwrap_err();
            assert_eq!(invalid.service, Some(index), "{invalid}");
            assert!(
                invalid.to_string().contains(part) && invalid.to_string().contains("`weather`"),
                "{invalid}"
            );
        }
    }

    #[test]
    fn two_volumes_of_one_name_are_refused() {
        let mut weather = application(r#"{"name":"db","image":"a"}"#);
        weather.volumes.push(weather.volumes[0].clone());
        assert!(
            weather
                .validate()
                .unwrap_err()
                .to_string()
                .contains("two volumes are called `conf`")
        );
    }

    #[test]
    fn a_slip_is_met_with_the_likely_name() {
        let services = r#"{"name":"db","image":"a","volumeMounts":[{"name":"cnf","mountPath":"/a"}]}"#;
        let fault = application(services).validate().unwrap_err().fault;
        assert_eq!(fault.hint().unwrap(), "did you mean `conf`?");
    }
}
