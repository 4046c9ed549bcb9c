//! What a service waits for before it starts.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::ServiceName;

/// A service of the same application that another one waits for: written as its name, or as `{service, condition}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// Who is waited for.
    pub service: ServiceName,
    /// Until when.
    pub condition: StartCondition,
}

/// Until when a service is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StartCondition {
    /// All of its instances run.
    Started,
    /// All of its instances run, and what asks whether they are ready is content.
    #[default]
    Ready,
    /// All of its instances have ended well.
    Succeeded,
}

impl StartCondition {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Succeeded => "succeeded",
        }
    }
}

impl From<ServiceName> for Dependency {
    fn from(service: ServiceName) -> Self {
        let condition = StartCondition::default();
        Self { service, condition }
    }
}

impl Serialize for Dependency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.condition == StartCondition::default() {
            return self.service.serialize(serializer);
        }
        let mut map = serializer.serialize_struct("Dependency", 2)?;
        map.serialize_field("service", &self.service)?;
        map.serialize_field("condition", &self.condition)?;
        map.end()
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// Who is waited for.
    service: ServiceName,
    /// Until when; `ready` unless said.
    #[serde(default)]
    condition: StartCondition,
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DependencyVisitor)
    }
}

/// Written out because an untagged enum would lose where in the text an error is.
struct DependencyVisitor;

impl<'de> Visitor<'de> for DependencyVisitor {
    type Value = Dependency;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a service, or `{service, condition}`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Dependency, E> {
        let service: ServiceName = text.parse().map_err(E::custom)?;
        Ok(service.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dependency, A::Error> {
        let Written { service, condition } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Dependency { service, condition })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_written_as_they_are_read() {
        for json in [r#""db""#, r#"{"service":"db","condition":"succeeded"}"#] {
            let dependency: Dependency = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&dependency).unwrap(), json);
        }
        let long: Dependency = serde_json::from_str(r#"{"service":"db"}"#).unwrap();
        assert_eq!(long.condition, StartCondition::Ready);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for json in [
            "5",
            r#""DB""#,
            r#"{"service":"db","condition":"soon"}"#,
            r#"{"condition":"ready"}"#,
        ] {
            assert!(serde_json::from_str::<Dependency>(json).is_err(), "{json}");
        }
    }
}
