//! JSON payloads of serde types.

use crate::{Code, Error, Result};
use aerolith_plugin_abi::Bytes;
use base64::Engine as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a value.
///
/// # Errors
/// [`Code::Internal`] when the type cannot be written as JSON: a fault of the program.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|e| Error::new(Code::Internal, format!("{} as JSON: {e}", std::any::type_name::<T>())))
}

/// The value of bytes; nothing at all reads as `null`, then as an empty object.
///
/// # Errors
/// [`Code::Invalid`] with the type, what was expected and the column.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.is_empty() {
        return serde_json::from_slice(b"null").or_else(|_| parse(b"{}"));
    }
    parse(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        let name = std::any::type_name::<T>();
        Error::invalid(format!("no valid {}: {e}", name.rsplit("::").next().unwrap_or(name)))
    })
}

/// Bytes inside JSON, as base64 (RFC 4648, section 4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> serde::Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        base64::engine::general_purpose::STANDARD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}
