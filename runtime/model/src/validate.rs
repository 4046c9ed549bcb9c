//! What no single field can show: whether the parts of an application fit together.

mod fault;
mod ports;
mod service;
mod waits;

pub use fault::Fault;
use service::second;

use crate::application::{Application, Workload};
use crate::hint::closest;
use crate::service::Service;
use crate::text::AppName;
use crate::volume::VolumeSource;

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
        for (at, mount) in service.volume_mounts.iter().enumerate() {
            let path = format!("{path}.volumeMounts[{at}]");
            let (service, volume) = (service.name.clone(), mount.name.clone());
            let Some(known) = self.volumes.iter().find(|known| known.name == volume) else {
                let names = self.volumes.iter().map(|volume| volume.name.as_str());
                let near = closest(volume.as_str(), names).map(str::to_owned);
                return fault_at(format!("{path}.name"), Fault::UnknownVolume { service, volume, near });
            };
            if let (VolumeSource::HostPath(host), Some(_)) = (&known.source, &mount.sub_path) {
                let kind = host.kind;
                if !kind.is_folder() {
                    return fault_at(format!("{path}.subPath"), Fault::PartOfFile { service, volume, kind });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
