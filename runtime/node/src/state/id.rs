//! How a resource is called.

use std::fmt;

use aerolith_model::{Resource, ResourceKind};
use serde::{Deserialize, Serialize};

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name, unique within the kind.
    pub name: String,
}

impl ResourceId {
    /// The id of the resource of this kind and name.
    #[must_use]
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// The id of a resource.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        Self {
            kind: resource.kind(),
            name: resource.name().to_owned(),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ResourceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| format!("`{text}` is no KIND/NAME"))?;
        let known = ResourceKind::ALL.into_iter().find(|k| k.as_str() == kind);
        let kind = known.ok_or_else(|| format!("`{kind}` is no kind of resource"))?;
        if name.contains(['/', '\0']) {
            return Err(format!("`{name}` is no name of a resource"));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}
