//! Configurations: named maps of text and downloadable objects. One with the package label is a program package.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::signature::Signature;
use crate::text::{Key, Md5, Name, Sha256, Url};

/// Label that says what kind of configuration one is (Baetyl v2).
pub const PACKAGE_LABEL: &str = "baetyl-config-type";
/// Value of [`PACKAGE_LABEL`] that makes a configuration a program package (Baetyl v2).
pub const PACKAGE_LABEL_VALUE: &str = "baetyl-program";

/// A named, versioned map of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Unique among configurations.
    pub name: Name,
    /// Opaque version text; empty where nobody gave one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Labels; see [`PACKAGE_LABEL`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether `{{.NAME}}` in its texts stands for a variable of the instance that mounts it (ours; Baetyl always does so).
    #[serde(default, skip_serializing_if = "crate::service::is_default")]
    pub template: bool,
    /// Entries by key.
    #[serde(default)]
    pub data: BTreeMap<Key, Entry>,
    /// Fields of another system that were kept unread, by their path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Configuration {
    /// Whether this is a program package, that is, labelled `baetyl-config-type: baetyl-program` (Baetyl v2).
    #[must_use]
    pub fn is_package(&self) -> bool {
        self.labels
            .get(PACKAGE_LABEL)
            .is_some_and(|value| value == PACKAGE_LABEL_VALUE)
    }

    /// The downloadable entries, in the order of their keys.
    pub fn objects(&self) -> impl Iterator<Item = (&Key, &Object)> {
        self.data.iter().filter_map(|(key, entry)| match entry {
            Entry::Object(object) => Some((key, object.as_ref())),
            Entry::Text(_) => None,
        })
    }
}

/// Value of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// Content as it stands.
    Text(String),
    /// Something to download.
    Object(Box<Object>),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// Written out because an untagged enum would lose where in the text an error is.
struct EntryVisitor;

impl<'de> de::Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text (in quotes where it looks like a number or true/false) or an object with `url`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Entry, E> {
        Ok(Entry::Text(text))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        Object::deserialize(MapAccessDeserializer::new(map)).map(|object| Entry::Object(Box::new(object)))
    }
}

/// Something to download, verify and perhaps unpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Where it lies.
    pub url: Url,
    /// Digest to check first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Digest that Baetyl gives; accepted, weaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
    /// Exact size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Sent as `x-bce-security-token` (Baetyl v2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Sent with the request where the protocol has headers (ours).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Secret with what the fetcher proves itself by, such as `username` and `password`, or `token` (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Name>,
    /// Detached signature of its bytes' SHA-256 (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// How to unpack it.
    #[serde(default, skip_serializing_if = "Unpack::is_none")]
    pub unpack: Unpack,
    /// `any` when it belongs to every platform; otherwise the key says to which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ObjectPlatform>,
    /// Opaque facts, kept and returned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl Object {
    /// An object with nothing known of it but where it lies.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            url,
            sha256: None,
            md5: None,
            size: None,
            token: None,
            headers: BTreeMap::new(),
            credentials: None,
            signature: None,
            unpack: Unpack::None,
            platform: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Whether a digest of its bytes is told.
    #[must_use]
    pub const fn has_digest(&self) -> bool {
        self.sha256.is_some() || self.md5.is_some()
    }

    /// The last part of its address, without query and fragment; empty where the address ends with a slash.
    #[must_use]
    pub fn file_name(&self) -> &str {
        let path = self.url.as_str().split(['?', '#']).next().unwrap_or_default();
        path.rsplit(['/', ':']).next().unwrap_or_default()
    }
}

/// A download token; it is stored, but never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// How an object is unpacked; the first four are Baetyl v2's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::also(&["tar.gz", "tzst"])))]
pub enum Unpack {
    /// Left as it is.
    #[default]
    #[serde(rename = "")]
    None,
    /// A zip archive.
    #[serde(rename = "zip")]
    Zip,
    /// A tar archive.
    #[serde(rename = "tar")]
    Tar,
    /// A tar archive compressed with gzip.
    #[serde(rename = "tgz", alias = "tar.gz")]
    Tgz,
    /// A tar archive compressed with zstd (ours).
    #[serde(rename = "tar.zst", alias = "tzst")]
    TarZst,
    /// Whatever its first bytes announce, never by its name (ours).
    #[serde(rename = "auto")]
    Auto,
}

impl Unpack {
    /// Whether it is an archive for certain, so that nothing of its own name is seen once it is unpacked.
    #[must_use]
    pub const fn is_archive(self) -> bool {
        !matches!(self, Self::None | Self::Auto)
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Platform mark of an object. Which platform an object is for is read from its key alone, as in Baetyl v2; the one
/// mark there is lifts that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ObjectPlatform {
    /// For every platform.
    Any,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Configuration {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_label_makes_a_package() {
        assert!(read(r#"{"name":"weather","labels":{"baetyl-config-type":"baetyl-program"}}"#).is_package());
        assert!(!read(r#"{"name":"weather","labels":{"baetyl-config-type":"other"}}"#).is_package());
        assert!(!read(r#"{"name":"weather"}"#).is_package());
    }

    #[test]
    fn text_and_objects_are_written_as_they_are_read() {
        let json = concat!(
            r#"{"name":"weather","data":{"a.zip":{"url":"https://h/a.zip","md5":"0123456789abcdef0123456789abcdef","#,
            r#""size":7,"unpack":"zip","platform":"any","metadata":{"n":1}},"notes.txt":"hi"}}"#
        );
        let configuration = read(json);
        assert_eq!(
            configuration.objects().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
            ["a.zip"]
        );
        assert_eq!(serde_json::to_string(&configuration).unwrap(), json);
    }

    #[test]
    fn a_value_that_is_neither_text_nor_object_is_refused() {
        let error = serde_json::from_str::<Entry>("5").unwrap_err().to_string();
        assert!(error.contains("in quotes"), "{error}");
        assert!(serde_json::from_str::<Entry>(r#"{"sha256":"x"}"#).is_err());
        assert!(serde_json::from_str::<Entry>(r#"{"url":"https://h/a","unpack":"rar"}"#).is_err());
    }

    #[test]
    fn a_token_is_never_shown() {
        let entry: Entry = serde_json::from_str(r#"{"url":"https://h/a","token":"hush"}"#).unwrap();
        assert!(!format!("{entry:?}").contains("hush"));
    }
}
