//! Secrets: named maps of bytes that are never shown.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::text::{Key, Name};

/// A named, versioned map of secret bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawSecret")]
pub struct Secret {
    /// Unique among secrets.
    pub name: Name,
    /// Opaque version text; empty where nobody gave one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What it is for, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Facts about it that nothing is chosen by, kept and returned.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Bytes by key, written as base64.
    pub data: BTreeMap<Key, SecretBytes>,
    /// Fields of another system that were kept unread, by their path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// Label that says what a secret is for (Baetyl v2).
pub const SECRET_TYPE_LABEL: &str = "secret-type";

/// What a secret is for, by its label [`SECRET_TYPE_LABEL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretType {
    /// What a registry of images asks for: `address`, `username`, `password`.
    Registry,
    /// Entries that programs read.
    Config,
    /// A certificate that the cloud made.
    Certificate,
    /// A certificate that somebody brought.
    CustomCertificate,
}

impl SecretType {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("registry", Self::Registry),
        ("config", Self::Config),
        ("certificate", Self::Certificate),
        ("custom-certificate", Self::CustomCertificate),
    ];

    /// What a secret of this type must hold.
    pub(crate) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Registry => &["address", "username", "password"],
            _ => &[],
        }
    }
}

impl Secret {
    /// What it is for, where its label says so.
    ///
    /// # Errors
    /// A label with another value than the four.
    pub fn kind(&self) -> Result<Option<SecretType>, InvalidSecret> {
        let Some(found) = self.labels.get(SECRET_TYPE_LABEL) else {
            return Ok(None);
        };
        let known = SecretType::ALL.into_iter().find(|(word, _)| word == found);
        match known {
            Some((_, kind)) => Ok(Some(kind)),
            None => Err(InvalidSecret::Type(found.clone())),
        }
    }

    /// Checks that its type is known and that it holds what that type needs.
    ///
    /// # Errors
    /// [`InvalidSecret`] says which label or key is wrong.
    pub fn validate(&self) -> Result<(), InvalidSecret> {
        let needed = self.kind()?.map_or(&[][..], SecretType::keys);
        match needed.iter().find(|key| !self.data.contains_key(**key)) {
            Some(key) => Err(InvalidSecret::Missing(key)),
            None => Ok(()),
        }
    }
}

/// Bytes of a secret: written as base64, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretBytes(pub Vec<u8>);

/// Why a secret is refused; the message never holds what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// A value under `data` is no base64.
    #[error("a value under `data` is not base64: encode it, or write it as plain text under `stringData`")]
    NotBase64,
    /// A key stands under both maps.
    #[error("key `{0}` stands under both `data` and `stringData`: keep one of them")]
    KeyTwice(Key),
    /// A type that there is not.
    #[error("label `secret-type` is `{0}`: expected registry, config, certificate or custom-certificate")]
    Type(String),
    /// A registry's secret without something that the registry asks for.
    #[error("a secret of type registry needs address, username and password: `{0}` is missing")]
    Missing(&'static str),
}

impl InvalidSecret {
    /// The field at fault.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self {
            Self::Type(_) => "labels.secret-type",
            Self::NotBase64 | Self::KeyTwice(_) | Self::Missing(_) => "data",
        }
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

impl TryFrom<String> for SecretBytes {
    type Error = InvalidSecret;
    fn try_from(text: String) -> Result<Self, InvalidSecret> {
        STANDARD.decode(text).map(Self).map_err(|_| InvalidSecret::NotBase64)
    }
}

impl From<SecretBytes> for String {
    fn from(value: SecretBytes) -> Self {
        STANDARD.encode(value.0)
    }
}

/// As an operator may write it: `data` in base64, `stringData` in plain text.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::secret))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSecret {
    /// Unique among secrets.
    name: Name,
    /// Opaque version text.
    #[serde(default)]
    version: String,
    /// What it is for, in words.
    #[serde(default)]
    description: String,
    /// Labels; `secret-type` says what it is for.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Facts about it, kept and returned.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Bytes by key, in base64.
    #[serde(default)]
    data: BTreeMap<Key, SecretBytes>,
    /// Plain text by key.
    #[serde(default)]
    string_data: BTreeMap<Key, String>,
    /// Fields of another system that were kept unread.
    #[serde(default)]
    extra: BTreeMap<String, serde_json::Value>,
}

impl TryFrom<RawSecret> for Secret {
    type Error = InvalidSecret;
    fn try_from(raw: RawSecret) -> Result<Self, InvalidSecret> {
        let RawSecret {
            name,
            version,
            description,
            labels,
            annotations,
            mut data,
            string_data,
            extra,
        } = raw;
        for (key, text) in string_data {
            if data.contains_key(&key) {
                return Err(InvalidSecret::KeyTwice(key));
            }
            data.insert(key, SecretBytes(text.into_bytes()));
        }
        Ok(Self {
            name,
            version,
            description,
            labels,
            annotations,
            data,
            extra,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_and_base64_give_the_same_bytes() {
        let plain: Secret = serde_json::from_str(r#"{"name":"cert","stringData":{"key":"hush"}}"#).unwrap();
        let coded: Secret = serde_json::from_str(r#"{"name":"cert","data":{"key":"aHVzaA=="}}"#).unwrap();
        assert_eq!(plain, coded);
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"name":"cert","data":{"key":"aHVzaA=="}}"#
        );
    }

    #[test]
    fn nothing_secret_is_shown_in_debug_or_errors() {
        let secret: Secret = serde_json::from_str(r#"{"name":"cert","stringData":{"key":"hush"}}"#).unwrap();
        let shown = format!("{secret:?}");
        assert!(
            !shown.contains("hush") && !shown.contains("104") && !shown.contains("aHVzaA"),
            "{shown}"
        );
        let error = serde_json::from_str::<Secret>(r#"{"name":"cert","data":{"key":"hush!"}}"#).unwrap_err();
        assert!(
            error.to_string().contains("stringData") && !error.to_string().contains("hush"),
            "{error}"
        );
    }

    #[test]
    fn the_label_says_what_a_secret_is_for_and_must_hold() {
        let validated = |json: &str| serde_json::from_str::<Secret>(json).unwrap().validate();
        let registry = |more: &str| {
            let data = format!(r#""stringData":{{"address":"r.example.net","username":"u"{more}}}"#);
            validated(&format!(
                r#"{{"name":"reg","labels":{{"secret-type":"registry"}},{data}}}"#
            ))
        };
        assert_eq!(registry(r#","password":"p""#), Ok(()));
        assert_eq!(registry(""), Err(InvalidSecret::Missing("password")));
        assert_eq!(
            validated(r#"{"name":"cert","labels":{"secret-type":"certificate"}}"#),
            Ok(())
        );
        let unknown = validated(r#"{"name":"cert","labels":{"secret-type":"cert"}}"#);
        assert!(unknown.unwrap_err().to_string().contains("`cert`"));
    }

    #[test]
    fn a_key_under_both_maps_is_refused() {
        let text = r#"{"name":"cert","data":{"key":"aHVzaA=="},"stringData":{"key":"hush"}}"#;
        assert!(
            serde_json::from_str::<Secret>(text)
                .unwrap_err()
                .to_string()
                .contains("`key`")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_survive_being_stored(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stored = serde_json::to_string(&SecretBytes(bytes.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<SecretBytes>(&stored).unwrap().0, bytes);
        }
    }
}
