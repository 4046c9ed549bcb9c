//! What makes two versions of a service the same thing to run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aerolith_model::{Configuration, Entry, Key, Secret, SecretBytes, Service, Volume};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 over everything that running a service depends on; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// Text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a fingerprint: expected 64 lower-case hexadecimal digits")]
pub struct InvalidFingerprint {
    /// The text as found.
    pub found: String,
}

/// All that a service uses, gathered by its references.
#[derive(Default)]
pub(crate) struct Used<'a> {
    pub(crate) volumes: Vec<&'a Volume>,
    pub(crate) configurations: Vec<&'a Configuration>,
    pub(crate) secrets: Vec<&'a Secret>,
}

/// What is hashed. Replicas, order, restart behaviour, grace, probes and the way of updates are the core's own business while
/// an instance runs, so a change of them alone restarts nothing. Neither do versions, labels, descriptions, download tokens, nor signatures of what has a digest.
#[derive(Serialize)]
struct Content<'a> {
    service: &'a Service,
    volumes: &'a [&'a Volume],
    configurations: Vec<(&'a str, Vec<(&'a Key, Data<'a>)>)>,
    secrets: Vec<(&'a str, &'a BTreeMap<Key, SecretBytes>)>,
    /// The configurations whose texts are templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    templates: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Text(&'a str),
    Object {
        url: Option<&'a str>,
        name: Option<&'a str>,
        sha256: Option<&'a str>,
        md5: Option<&'a str>,
        unpack: aerolith_model::Unpack,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'a aerolith_model::Signature>,
    },
}

impl Fingerprint {
    /// The fingerprint of a service with what it uses.
    pub(crate) fn of(service: &Service, used: &Used<'_>) -> Result<Self, serde_json::Error> {
        let plain = Service::new(service.name.clone());
        let service = Service {
            replica: plain.replica,
            depends_on: plain.depends_on,
            restart: plain.restart,
            grace_period: plain.grace_period,
            update: plain.update,
            startup_probe: plain.startup_probe,
            liveness_probe: plain.liveness_probe,
            readiness_probe: plain.readiness_probe,
            ..service.clone()
        };
        let content = Content {
            service: &service,
            volumes: &used.volumes,
            configurations: used
                .configurations
                .iter()
                .map(|used| (used.name.as_str(), data(used)))
                .collect(),
            secrets: used
                .secrets
                .iter()
                .map(|used| (used.name.as_str(), &used.data))
                .collect(),
            templates: used
                .configurations
                .iter()
                .filter(|used| used.template)
                .map(|used| used.name.as_str())
                .collect(),
        };
        Ok(Self(Sha256::digest(serde_json::to_vec(&content)?).into()))
    }
}

fn data(configuration: &Configuration) -> Vec<(&Key, Data<'_>)> {
    configuration
        .data
        .iter()
        .map(|(key, entry)| (key, entry_data(entry)))
        .collect()
}

fn entry_data(entry: &Entry) -> Data<'_> {
    match entry {
        Entry::Text(text) => Data::Text(text),
        Entry::Object(object) => Data::Object {
            // The same bytes from another place are the same bytes.
            url: object.sha256.is_none().then_some(object.url.as_str()),
            // What is unpacked shows the names in it, not its own.
            name: (!object.unpack.is_archive()).then(|| object.file_name()),
            sha256: object.sha256.as_ref().map(aerolith_model::Sha256::as_str),
            md5: object.md5.as_ref().map(aerolith_model::Md5::as_str),
            unpack: object.unpack,
            // Only where it is the one thing that says which bytes are meant.
            signature: object.signature.as_ref().filter(|_| !object.has_digest()),
        },
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        f.pad(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        read(text.as_bytes())
            .map(Self)
            .ok_or_else(|| InvalidFingerprint { found: text.to_owned() })
    }
}

fn read(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_fingerprint_reads_back(bytes in any::<[u8; 32]>()) {
            let fingerprint = Fingerprint(bytes);
            prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
        }
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for text in ["", "ab", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
