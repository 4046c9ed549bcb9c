//! Registries of images that an application names.

use std::fmt;

use aerolith_model::Name;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A registry, written as the name of its secret or as the cloud shows it, with that name and more. What more there is stands
/// in the secret and may be secret, so it is not kept here.
pub(super) struct RegistryView {
    pub(super) name: Name,
}

#[derive(Deserialize)]
struct Shown {
    name: Name,
    #[serde(default, rename = "address")]
    _address: Value,
    #[serde(default, rename = "username")]
    _username: Value,
    #[serde(default, rename = "password")]
    _password: Value,
}

impl<'de> Deserialize<'de> for RegistryView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegistryVisitor)
    }
}

/// Written out because an untagged enum would lose where in the text an error is.
struct RegistryVisitor;

impl<'de> Visitor<'de> for RegistryVisitor {
    type Value = RegistryView;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a registry, or a registry with its `name`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RegistryView, E> {
        let name = text.parse().map_err(E::custom)?;
        Ok(RegistryView { name })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RegistryView, A::Error> {
        let Shown { name, .. } = Shown::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RegistryView { name })
    }
}
