//! How services and instances are called.

use std::fmt;
use std::str::FromStr;

use aerolith_model::{AppName, ServiceName};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

/// A service of an application, written `app.service`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceId {
    /// The application.
    pub application: AppName,
    /// The service in it.
    pub service: ServiceName,
}

impl ServiceId {
    /// The instance of this service with an index, from 1.
    #[must_use]
    pub fn instance(&self, index: u32) -> InstanceId {
        InstanceId {
            service: self.clone(),
            index,
        }
    }

    /// Whether an instance is one of this service in the version with this fingerprint.
    #[must_use]
    pub fn runs(&self, fingerprint: Fingerprint, run: &RunId) -> bool {
        run.instance.service == *self && run.fingerprint == fingerprint
    }

    /// Another service of the same application.
    #[must_use]
    pub fn sibling(&self, service: &ServiceName) -> Self {
        Self {
            application: self.application.clone(),
            service: service.clone(),
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.application, self.service)
    }
}

/// A service in one version.
pub type VersionId = (ServiceId, Fingerprint);

/// One running copy of a service, written `app.service.index` with the index from 1 (Baetyl v2). An application's name
/// may hold dots, a service's may not, so the text is read from its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId {
    /// Its service.
    pub service: ServiceId,
    /// Its index, from 1.
    pub index: u32,
}

/// An instance in one version of its service. While an update is under way there may be two of an instance: the old and the
/// new beside each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The instance.
    pub instance: InstanceId,
    /// Which version of its service it runs.
    pub fingerprint: Fingerprint,
}

impl fmt::Display for RunId {
    /// `app.service.index@` and the first 12 digits of the fingerprint: short enough for the path of a socket, and no two
    /// versions of a service agree in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:.12}", self.instance, self.fingerprint)
    }
}

/// Text that names no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an instance: expected application.service.index with an index from 1")]
pub struct InvalidInstanceId {
    /// The text as found.
    pub found: String,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.index)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidInstanceId;
    fn from_str(text: &str) -> Result<Self, InvalidInstanceId> {
        read(text).ok_or_else(|| InvalidInstanceId { found: text.to_owned() })
    }
}

fn read(text: &str) -> Option<InstanceId> {
    let (rest, index) = text.rsplit_once('.')?;
    let (application, service) = rest.rsplit_once('.')?;
    let index = index
        .parse()
        .ok()
        .filter(|read: &u32| *read > 0 && read.to_string() == index)?;
    let service = ServiceId {
        application: application.parse().ok()?,
        service: service.parse().ok()?,
    };
    Some(InstanceId { service, index })
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidInstanceId;
    fn try_from(text: String) -> Result<Self, InvalidInstanceId> {
        text.parse()
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_with_dots_reads_back() {
        let id: InstanceId = "com.example.weather.agent.12".parse().unwrap();
        assert_eq!(
            (id.service.application.as_str(), id.service.service.as_str()),
            ("com.example.weather", "agent")
        );
        assert_eq!(
            (id.index, id.to_string().as_str()),
            (12, "com.example.weather.agent.12")
        );
    }

    #[test]
    fn what_names_no_instance_is_refused() {
        for text in [
            "",
            "weather",
            "weather.agent",
            "weather.agent.0",
            "weather.agent.01",
            "weather.agent.+1",
            "a.b.1",
        ] {
            assert!(text.parse::<InstanceId>().is_err(), "{text}");
        }
    }
}
