//! What no single field can show: whether the parts of an application fit together.

mod fault;
mod ports;
mod service;
mod waits;

use std::collections::BTreeSet;

pub use fault::Fault;
use service::second;

use crate::application::{Application, Workload};
use crate::hint::closest;
use crate::service::Service;
use crate::text::AppName;

/// An application whose parts do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("application `{application}`: {fault}")]
pub struct Invalid {
    /// Its name.
    pub application: AppName,
    /// The field at fault, such as `services[0].dependsOn[1]`.
    pub path: String,
    /// What is wrong.
    pub fault: Box<Fault>,
}

/// A fault and the field where it stands, or nothing wrong.
type Checked = Result<(), (String, Fault)>;

fn fault_at(path: impl Into<String>, fault: Fault) -> Checked {
    Err((path.into(), fault))
}

impl Application {
    /// Checks what no single field can show: unique names and ports, mounts and dependencies that name something, no
    /// circle of dependencies, exactly one thing to run per service, and that each service is asked for what it can give.
    ///
    /// # Errors
    /// The first [`Fault`], with the field where it stands.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.check().map_err(|(path, fault)| Invalid {
            application: self.name.clone(),
            path,
            fault: Box::new(fault),
        })
    }

    fn check(&self) -> Checked {
        if self.job_config.is_some() && self.workload != Workload::Job {
            return fault_at("jobConfig", Fault::NoJob);
        }
        if let Some(at) = second(self.volumes.iter().map(|volume| &volume.name)) {
            return fault_at(
                format!("volumes[{at}].name"),
                Fault::DuplicateVolume(self.volumes[at].name.clone()),
            );
        }
        self.check_names()?;
        let lists = [("initServices", &self.init_services), ("services", &self.services)];
        for (list, services) in lists {
            for (index, service) in services.iter().enumerate() {
                let path = format!("{list}[{index}]");
                service::check(&path, service)?;
                self.check_mounts(&path, service)?;
            }
        }
        for (index, service) in self.init_services.iter().enumerate() {
            service::check_init(&format!("initServices[{index}]"), service)?;
        }
        ports::check(self)?;
        waits::check(self)
    }

    /// Init services and others have one space of names, since instances of both are called by them.
    fn check_names(&self) -> Checked {
        let names = self.init_services.iter().chain(&self.services);
        let Some(at) = second(names.map(|service| &service.name)) else {
            return Ok(());
        };
        let (path, service) = match at.checked_sub(self.init_services.len()) {
            Some(at) => (format!("services[{at}].name"), &self.services[at]),
            None => (format!("initServices[{at}].name"), &self.init_services[at]),
        };
        fault_at(path, Fault::DuplicateService(service.name.clone()))
    }

    fn check_mounts(&self, path: &str, service: &Service) -> Checked {
        let volumes: BTreeSet<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
        let mounts = &service.volume_mounts;
        let Some(at) = mounts.iter().position(|mount| !volumes.contains(mount.name.as_str())) else {
            return Ok(());
        };
        let volume = mounts[at].name.clone();
        let near = closest(volume.as_str(), volumes).map(str::to_owned);
        let service = service.name.clone();
        fault_at(
            format!("{path}.volumeMounts[{at}].name"),
            Fault::UnknownVolume { service, volume, near },
        )
    }
}

#[cfg(test)]
mod tests;
