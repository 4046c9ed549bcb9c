//! Volumes of an application: a name and one source.

use serde::{Deserialize, Serialize};

use crate::text::{Name, VolumeName};

/// A volume that services may mount. Written as Baetyl v2 does: `name` and exactly one of `config`, `secret`,
/// `hostPath`, `emptyDir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawVolume", into = "RawVolume")]
pub struct Volume {
    /// What mounts refer to; unique in the application.
    pub name: VolumeName,
    /// Where the content comes from.
    pub source: VolumeSource,
}

/// Where the content of a volume comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// The entries of a configuration, one file per key.
    Config(Name),
    /// The entries of a secret, one private file per key.
    Secret(Name),
    /// A folder of the host.
    HostPath(String),
    /// An empty folder, fresh for each instance.
    EmptyDir,
}

/// A volume whose source is missing or not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVolume {
    /// No source, or several.
    #[error("volume `{volume}` has {found} sources, but needs exactly one of config, secret, hostPath, emptyDir")]
    Sources {
        /// Its name.
        volume: VolumeName,
        /// How many were given.
        found: usize,
    },
    /// `hostPath.path` is empty.
    #[error("volume `{0}` has an empty hostPath.path: name a folder of the host")]
    EmptyHostPath(VolumeName),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawVolume {
    name: VolumeName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_path: Option<HostPath>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDir>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    name: Name,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HostPath {
    path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyDir {}

impl Volume {
    /// A volume with one of the sources that were written.
    ///
    /// # Errors
    /// [`InvalidVolume`] when there is not exactly one, or it names no folder.
    pub fn new(name: VolumeName, mut sources: Vec<VolumeSource>) -> Result<Self, InvalidVolume> {
        let found = sources.len();
        match sources.pop() {
            Some(VolumeSource::HostPath(path)) if path.is_empty() => Err(InvalidVolume::EmptyHostPath(name)),
            Some(source) if found == 1 => Ok(Self { name, source }),
            _ => Err(InvalidVolume::Sources { volume: name, found }),
        }
    }
}

impl TryFrom<RawVolume> for Volume {
    type Error = InvalidVolume;
    fn try_from(raw: RawVolume) -> Result<Self, InvalidVolume> {
        let mut sources: Vec<VolumeSource> = Vec::new();
        sources.extend(raw.config.map(|reference| VolumeSource::Config(reference.name)));
        sources.extend(raw.secret.map(|reference| VolumeSource::Secret(reference.name)));
        sources.extend(raw.host_path.map(|host| VolumeSource::HostPath(host.path)));
        sources.extend(raw.empty_dir.map(|EmptyDir {}| VolumeSource::EmptyDir));
        Self::new(raw.name, sources)
    }
}

impl From<Volume> for RawVolume {
    fn from(volume: Volume) -> Self {
        let mut raw = Self {
            name: volume.name,
            config: None,
            secret: None,
            host_path: None,
            empty_dir: None,
        };
        match volume.source {
            VolumeSource::Config(name) => raw.config = Some(Reference { name }),
            VolumeSource::Secret(name) => raw.secret = Some(Reference { name }),
            VolumeSource::HostPath(path) => raw.host_path = Some(HostPath { path }),
            VolumeSource::EmptyDir => raw.empty_dir = Some(EmptyDir {}),
        }
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_written_as_it_is_read() {
        for json in [
            r#"{"name":"conf","config":{"name":"weather-conf"}}"#,
            r#"{"name":"cert","secret":{"name":"weather-cert"}}"#,
            r#"{"name":"data","hostPath":{"path":"/srv/data"}}"#,
            r#"{"name":"tmp","emptyDir":{}}"#,
        ] {
            let volume: Volume = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&volume).unwrap(), json);
        }
    }

    #[test]
    fn a_volume_has_exactly_one_source() {
        for (json, part) in [
            (r#"{"name":"conf"}"#, "has 0 sources"),
            (
                r#"{"name":"conf","emptyDir":{},"hostPath":{"path":"/srv"}}"#,
                "has 2 sources",
            ),
            (r#"{"name":"conf","hostPath":{"path":""}}"#, "empty hostPath.path"),
        ] {
            let error = serde_json::from_str::<Volume>(json).unwrap_err().to_string();
            assert!(error.contains("`conf`") && error.contains(part), "{error}");
        }
    }
}
