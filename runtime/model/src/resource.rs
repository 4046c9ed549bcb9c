//! What an operator applies: one of three kinds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::configuration::Configuration;
use crate::secret::Secret;

/// Kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// [`Application`].
    Application,
    /// [`Configuration`].
    Configuration,
    /// [`Secret`].
    Secret,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Application, Self::Configuration, Self::Secret];

    /// The word used for it under `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Configuration => "configuration",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One resource; written with its kind under `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Resource {
    /// What runs.
    Application(Application),
    /// What programs are made of and read.
    Configuration(Configuration),
    /// What programs read and nobody else.
    Secret(Secret),
}

impl Resource {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::Application(_) => ResourceKind::Application,
            Self::Configuration(_) => ResourceKind::Configuration,
            Self::Secret(_) => ResourceKind::Secret,
        }
    }

    /// The application, where it is one.
    #[must_use]
    pub fn as_application(&self) -> Option<&Application> {
        match self {
            Self::Application(application) => Some(application),
            Self::Configuration(_) | Self::Secret(_) => None,
        }
    }

    /// The configuration, where it is one.
    #[must_use]
    pub fn as_configuration(&self) -> Option<&Configuration> {
        match self {
            Self::Configuration(configuration) => Some(configuration),
            Self::Application(_) | Self::Secret(_) => None,
        }
    }

    /// Its name, unique within its kind.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Application(application) => application.name.as_str(),
            Self::Configuration(configuration) => configuration.name.as_str(),
            Self::Secret(secret) => secret.name.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_stands_in_the_stored_form() {
        for kind in ResourceKind::ALL {
            let resource: Resource = serde_json::from_str(&format!(r#"{{"kind":"{kind}","name":"weather"}}"#)).unwrap();
            assert_eq!((resource.kind(), resource.name()), (kind, "weather"));
            let stored = serde_json::to_string(&resource).unwrap();
            assert_eq!(serde_json::from_str::<Resource>(&stored).unwrap(), resource);
        }
    }
}
