//! What an instance's working folder shows at its mount paths, decided before anything is written. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use aerolith_model::{Entry, Resource, ResourceKind, VolumeMount, VolumeSource};
use aerolith_plan::Goal;

use crate::state::ResourceId;

/// Mount paths below which Baetyl shows the package itself; the package is there anyway.
const PACKAGE: &str = "var/lib/baetyl/bin";

/// One mount: where it appears, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Relative to the instance's folder, without `.` and `..`.
    pub(crate) at: PathBuf,
    /// What is put there.
    pub(crate) what: What,
}

/// What is put at a mount path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A folder with these files.
    Files {
        files: BTreeMap<String, Vec<u8>>,
        mode: u32,
    },
    /// One file.
    File { bytes: Vec<u8>, mode: u32 },
    /// A link to a place of the host.
    Link { to: PathBuf, make: bool },
    /// A folder.
    Folder,
}

/// Never shows the content of a file, which may be secret.
impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { files, mode } => write!(f, "{} files with mode {mode:o}", files.len()),
            Self::File { mode, .. } => write!(f, "a file with mode {mode:o}"),
            Self::Link { to, .. } => write!(f, "a link to {}", to.display()),
            Self::Folder => f.write_str("a folder"),
        }
    }
}

/// A mount that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// A volume shown as the instance's whole folder.
    #[error("volume `{volume}` is mounted at `{path}`, which is the instance's own folder: mount it below")]
    WholeFolder {
        /// The volume.
        volume: String,
        /// The mount path.
        path: String,
    },
    /// A host path that leaves the folder of relative host paths.
    #[error("volume `{volume}`: relative host path `{path}` climbs out: leave `..` away or give an absolute path")]
    Climbs {
        /// The volume.
        volume: String,
        /// The host path.
        path: String,
    },
    /// `subPath` names a key that is not there.
    #[error("volume `{volume}`: subPath `{key}` is no key of its content; there are: {known}")]
    NoKey {
        /// The volume.
        volume: String,
        /// The `subPath`.
        key: String,
        /// The keys.
        known: String,
    },
    /// The content is gone: goals and state do not fit together.
    #[error("volume `{volume}` shows {content}, which is not there: apply it")]
    NoContent {
        /// The volume.
        volume: String,
        /// The resource.
        content: String,
    },
    /// Two mounts at one path, or one below another's link.
    #[error(
        "mount path `{path}` lies on or below `{other}`, another mount that leaves the instance's folder: part them"
    )]
    BelowLink {
        /// The later one.
        path: String,
        /// The link.
        other: String,
    },
}

/// What a layout is made from.
pub(crate) struct Sources<'a> {
    /// Configurations and secrets.
    pub(crate) resources: &'a BTreeMap<ResourceId, Resource>,
    /// Folders of the volumes that hold downloaded objects.
    pub(crate) downloaded: &'a BTreeMap<String, PathBuf>,
    /// Where relative host paths lie.
    pub(crate) host: &'a Path,
}

/// The places of an instance, parents before what lies below them (Baetyl v2, native mode).
pub(crate) fn layout(goal: &Goal, sources: &Sources<'_>) -> Result<Vec<Place>, MountError> {
    let mut places = Vec::new();
    for mount in &goal.service.volume_mounts {
        let at = relative(mount.mount_path.as_str());
        let Some(volume) = goal.volumes.iter().find(|volume| volume.name == mount.name) else {
            continue;
        };
        if at != Path::new(PACKAGE) {
            let what = sources.what(mount, &volume.source)?;
            places.push(placed(mount, at, what)?);
        }
    }
    places.sort_by(|a, b| a.at.cmp(&b.at));
    let below_link = |(link, later): (&Place, &Place)| {
        matches!(link.what, What::Link { .. } | What::File { .. }) && later.at.starts_with(&link.at)
    };
    let pairs = places
        .iter()
        .enumerate()
        .flat_map(|(n, place)| places[n + 1..].iter().map(move |later| (place, later)));
    match pairs.into_iter().find(|pair| below_link(*pair)) {
        Some((link, later)) => Err(MountError::BelowLink {
            path: format!("/{}", later.at.display()),
            other: format!("/{}", link.at.display()),
        }),
        None => Ok(places),
    }
}

fn placed(mount: &VolumeMount, at: PathBuf, what: What) -> Result<Place, MountError> {
    let leaves = matches!(what, What::Link { .. } | What::File { .. });
    if leaves && at.as_os_str().is_empty() {
        let (volume, path) = (mount.name.to_string(), mount.mount_path.to_string());
        return Err(MountError::WholeFolder { volume, path });
    }
    Ok(Place { at, what })
}

/// A mount path inside the instance's folder. `..` cannot be in it; it would be left out.
pub(crate) fn relative(path: &str) -> PathBuf {
    Path::new(path)
        .components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .collect()
}

impl Sources<'_> {
    fn what(&self, mount: &VolumeMount, source: &VolumeSource) -> Result<What, MountError> {
        match source {
            VolumeSource::EmptyDir(_) => Ok(What::Folder),
            VolumeSource::HostPath(host) => self.host_path(mount, &host.path),
            VolumeSource::Config(name) => match self.downloaded.get(mount.name.as_str()) {
                Some(folder) => Ok(What::Link {
                    to: below(folder, mount),
                    make: false,
                }),
                // Baetyl makes them executable, and scripts are kept in configurations.
                None => self.content(mount, ResourceKind::Configuration, name.as_str(), 0o755),
            },
            VolumeSource::Secret(name) => self.content(mount, ResourceKind::Secret, name.as_str(), 0o600),
        }
    }

    fn host_path(&self, mount: &VolumeMount, path: &str) -> Result<What, MountError> {
        let climbs = Path::new(path).components().any(|c| c == Component::ParentDir);
        if climbs && !path.starts_with('/') {
            return Err(MountError::Climbs {
                volume: mount.name.to_string(),
                path: path.to_owned(),
            });
        }
        // Joining an absolute path gives that path.
        Ok(What::Link {
            to: below(&self.host.join(path), mount),
            make: true,
        })
    }

    fn content(&self, mount: &VolumeMount, kind: ResourceKind, name: &str, mode: u32) -> Result<What, MountError> {
        let id = ResourceId::new(kind, name);
        let files = self
            .resources
            .get(&id)
            .map(files)
            .ok_or_else(|| MountError::NoContent {
                volume: mount.name.to_string(),
                content: id.to_string(),
            })?;
        let Some(key) = &mount.sub_path else {
            return Ok(What::Files { files, mode });
        };
        let key = relative(key.as_str()).display().to_string();
        match files.get(&key) {
            Some(bytes) => Ok(What::File {
                bytes: bytes.clone(),
                mode,
            }),
            None => Err(MountError::NoKey {
                volume: mount.name.to_string(),
                key,
                known: files.into_keys().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

fn below(folder: &Path, mount: &VolumeMount) -> PathBuf {
    mount
        .sub_path
        .as_ref()
        .map_or_else(|| folder.to_owned(), |part| folder.join(relative(part.as_str())))
}

fn files(resource: &Resource) -> BTreeMap<String, Vec<u8>> {
    match resource {
        Resource::Application(_) => BTreeMap::new(),
        Resource::Secret(secret) => secret
            .data
            .iter()
            .map(|(key, bytes)| (key.to_string(), bytes.0.clone()))
            .collect(),
        Resource::Configuration(configuration) => {
            let text = |entry: &Entry| match entry {
                Entry::Text(text) => Some(text.clone().into_bytes()),
                Entry::Object(_) => None,
            };
            configuration
                .data
                .iter()
                .filter_map(|(key, entry)| Some((key.to_string(), text(entry)?)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
