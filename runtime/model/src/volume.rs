//! Volumes of an application: a name and one source.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Quantity;
use crate::text::{Name, VolumeName};

/// A volume that services may mount. Written as Baetyl v2 does: `name` and exactly one of `config`, `secret`,
/// `certificate`, `hostPath`, `emptyDir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The entries of a secret, one private file per key. May be written as `certificate` where it is one, as Baetyl's cloud
    /// shows it.
    Secret(Name),
    /// A folder or file of the host.
    HostPath(HostPath),
    /// An empty folder, fresh for each instance.
    EmptyDir(EmptyDir),
}

/// A folder or file of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostPath {
    /// Where it lies: absolute, or below the node's folder for such.
    pub path: String,
    /// What must be there, or is made.
    #[serde(default, rename = "type", skip_serializing_if = "crate::service::is_default")]
    pub kind: HostPathType,
}

/// What must lie at a path of the host (Kubernetes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HostPathType {
    /// Whatever is there; a folder is made where nothing is.
    #[default]
    #[serde(rename = "")]
    Any,
    /// A folder, made where nothing is.
    DirectoryOrCreate,
    /// A folder.
    Directory,
    /// A file, made empty where nothing is.
    FileOrCreate,
    /// A file.
    File,
    /// A Unix socket.
    Socket,
    /// A device that is read and written in characters.
    CharDevice,
    /// A device that is read and written in blocks.
    BlockDevice,
}

impl HostPathType {
    /// Whether what is there may have parts.
    #[must_use]
    pub const fn is_folder(self) -> bool {
        matches!(self, Self::Any | Self::DirectoryOrCreate | Self::Directory)
    }
}

impl fmt::Display for HostPathType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "",
            Self::DirectoryOrCreate => "DirectoryOrCreate",
            Self::Directory => "Directory",
            Self::FileOrCreate => "FileOrCreate",
            Self::File => "File",
            Self::Socket => "Socket",
            Self::CharDevice => "CharDevice",
            Self::BlockDevice => "BlockDevice",
        })
    }
}

/// An empty folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct EmptyDir {
    /// On what it lies.
    #[serde(skip_serializing_if = "crate::service::is_default")]
    pub medium: Medium,
    /// Bytes that may lie in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
}

/// On what an empty folder lies (Kubernetes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Medium {
    /// On the disk that the instance's folder lies on.
    #[default]
    #[serde(rename = "")]
    Disk,
    /// In memory.
    Memory,
}

/// A volume whose source is missing or not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVolume {
    /// No source, or several.
    #[error(
        "volume `{volume}` has {found} sources, but needs exactly one of config, secret, certificate, hostPath, emptyDir"
    )]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::exactly_one(&["config", "secret", "certificate", "hostPath", "emptyDir"])))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawVolume {
    /// What mounts refer to; unique in the application.
    name: VolumeName,
    /// The entries of a configuration, one file per key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Reference>,
    /// The entries of a secret, one private file per key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Reference>,
    /// A secret of type certificate.
    #[serde(default, skip_serializing)]
    certificate: Option<Reference>,
    /// A folder or file of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_path: Option<HostPath>,
    /// An empty folder, fresh for each instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDir>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Reference {
    name: Name,
}

impl Volume {
    /// A volume with one of the sources that were written.
    ///
    /// # Errors
    /// [`InvalidVolume`] when there is not exactly one, or it names no folder.
    pub fn new(name: VolumeName, mut sources: Vec<VolumeSource>) -> Result<Self, InvalidVolume> {
        let found = sources.len();
        match sources.pop() {
            Some(VolumeSource::HostPath(host)) if host.path.is_empty() => Err(InvalidVolume::EmptyHostPath(name)),
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
        let secrets = raw.secret.into_iter().chain(raw.certificate);
        sources.extend(secrets.map(|reference| VolumeSource::Secret(reference.name)));
        sources.extend(raw.host_path.map(VolumeSource::HostPath));
        sources.extend(raw.empty_dir.map(VolumeSource::EmptyDir));
        Self::new(raw.name, sources)
    }
}

impl From<Volume> for RawVolume {
    fn from(volume: Volume) -> Self {
        let mut raw = Self {
            name: volume.name,
            config: None,
            secret: None,
            certificate: None,
            host_path: None,
            empty_dir: None,
        };
        match volume.source {
            VolumeSource::Config(name) => raw.config = Some(Reference { name }),
            VolumeSource::Secret(name) => raw.secret = Some(Reference { name }),
            VolumeSource::HostPath(host) => raw.host_path = Some(host),
            VolumeSource::EmptyDir(folder) => raw.empty_dir = Some(folder),
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
            r#"{"name":"sock","hostPath":{"path":"/run/x.sock","type":"Socket"}}"#,
            r#"{"name":"tmp","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}}"#,
        ] {
            let volume: Volume = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&volume).unwrap(), json);
        }
    }

    #[test]
    fn each_type_of_a_host_path_is_shown_as_it_is_written() {
        for name in [
            "",
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ] {
            let kind: HostPathType = serde_json::from_str(&format!("{name:?}")).unwrap();
            assert_eq!(kind.to_string(), name);
        }
    }

    #[test]
    fn a_certificate_is_a_secret() {
        let volume: Volume = serde_json::from_str(r#"{"name":"cert","certificate":{"name":"web-cert"}}"#).unwrap();
        assert_eq!(volume.source, VolumeSource::Secret("web-cert".parse().unwrap()));
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
            (
                r#"{"name":"conf","secret":{"name":"aa"},"certificate":{"name":"aa"}}"#,
                "has 2 sources",
            ),
        ] {
            let error = serde_json::from_str::<Volume>(json).unwrap_err().to_string();
            assert!(error.contains("`conf`") && error.contains(part), "{error}");
        }
    }
}
