//! What an instance's working folder shows at its mount paths, decided before anything is written. Pure.

mod host;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use aerolith_model::{Entry, Name, Resource, ResourceKind, TemplateError, VolumeMount, VolumeSource, fill_template};
use aerolith_plan::Goal;

use crate::desired::Resources;
use crate::policy::{NotAllowed, Rules};
use crate::state::ResourceId;
use host::HostVolume;
pub(crate) use host::Make;
pub use host::WrongHostPath;

/// Mount paths below which Baetyl shows the package itself; the package is there anyway.
const PACKAGE: &str = "var/lib/baetyl/bin";

/// One mount: where it appears, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<W = What> {
    /// Relative to the instance's folder, without `.` and `..`.
    pub(crate) at: PathBuf,
    /// What is put there.
    pub(crate) what: W,
}

/// What is put at a mount path, as far as it is known before the instance starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A folder with these files.
    Files {
        files: BTreeMap<String, Content>,
        kept: Kept,
    },
    /// One file, with its key.
    File { key: String, content: Content, kept: Kept },
    /// A link to what was prepared.
    Link(PathBuf),
    /// A link to a place of the host.
    Host(HostVolume),
    /// A folder.
    Folder,
}

/// How the files of a mount are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the instance's folder. Baetyl makes them executable, and scripts are kept in configurations.
    Open,
    /// For their owner alone and never on disk: the instance's folder has links to them.
    Secret,
}

impl Kept {
    pub(crate) const fn mode(self) -> u32 {
        match self {
            Self::Open => 0o755,
            Self::Secret => 0o600,
        }
    }
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    /// The configuration that says that its texts are templates.
    template_of: Option<Name>,
}

/// Never shows the content of a file, which may be secret.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.template_of.is_some() {
            "a template"
        } else {
            "a content"
        })
    }
}

/// What is put at a mount path, as it is made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A folder with these files.
    Files {
        files: BTreeMap<String, Vec<u8>>,
        kept: Kept,
    },
    /// One file.
    File { bytes: Vec<u8>, kept: Kept },
    /// A link, and what is made where it leads when nothing is there.
    Link { to: PathBuf, make: Option<Make> },
    /// A folder.
    Folder,
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
    /// A place of the host that may not be shown.
    #[error(transparent)]
    Host(#[from] NotAllowed),
    /// A place of the host where something else is than is asked for.
    #[error(transparent)]
    WrongHostPath(#[from] WrongHostPath),
    /// A template that cannot be filled.
    #[error("entry `{key}` of configuration `{configuration}`, a template: {error}")]
    Template {
        /// The configuration.
        configuration: Name,
        /// Its key.
        key: String,
        /// What is wrong in it.
        error: TemplateError,
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

impl MountError {
    /// Whether the same resources give the same error for ever.
    pub(crate) const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::WholeFolder { .. } | Self::Template { .. } | Self::NoKey { .. } | Self::BelowLink { .. }
        )
    }
}

/// What a layout is made from.
pub(crate) struct Sources<'a> {
    /// Configurations and secrets.
    pub(crate) resources: &'a Resources,
    /// Folders of the volumes that hold downloaded objects.
    pub(crate) downloaded: &'a BTreeMap<String, PathBuf>,
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
    let below_link = |(link, later): (&Place, &Place)| link.what.leaves() && later.at.starts_with(&link.at);
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
    if what.leaves() && at.as_os_str().is_empty() {
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

impl What {
    /// Whether nothing can be mounted below it in the instance's folder.
    const fn leaves(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Host(_) | Self::File { .. })
    }
}

impl Place {
    /// The mount as it is made: with an instance's variables in its templates, and the place of the host that was asked for.
    ///
    /// # Errors
    /// [`MountError::Template`], [`MountError::Host`], [`MountError::WrongHostPath`].
    pub(crate) fn finish(
        &self,
        environment: &BTreeMap<String, String>,
        on_host: impl Fn(&HostVolume) -> Result<Shown, MountError>,
    ) -> Result<Place<Shown>, MountError> {
        let what = match &self.what {
            What::Files { files, kept } => {
                let filled = files
                    .iter()
                    .map(|(key, content)| Ok((key.clone(), content.fill(key, environment)?)));
                let files = filled.collect::<Result<_, MountError>>()?;
                Shown::Files { files, kept: *kept }
            }
            What::File { key, content, kept } => Shown::File {
                bytes: content.fill(key, environment)?,
                kept: *kept,
            },
            What::Link(to) => Shown::Link {
                to: to.clone(),
                make: None,
            },
            What::Host(volume) => on_host(volume)?,
            What::Folder => Shown::Folder,
        };
        let at = self.at.clone();
        Ok(Place { at, what })
    }
}

/// All mounts of an instance, as they are made. Blocks.
///
/// # Errors
/// [`MountError::Template`], [`MountError::Host`], [`MountError::WrongHostPath`].
pub(crate) fn finish(
    places: &[Place],
    environment: &BTreeMap<String, String>,
    rules: &Rules,
) -> Result<Vec<Place<Shown>>, MountError> {
    let on_host = |volume: &HostVolume| volume.shown(rules);
    places.iter().map(|place| place.finish(environment, on_host)).collect()
}

impl Content {
    fn plain(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            template_of: None,
        }
    }

    fn fill(&self, key: &str, environment: &BTreeMap<String, String>) -> Result<Vec<u8>, MountError> {
        let text = std::str::from_utf8(&self.bytes);
        let (Some(configuration), Ok(text)) = (&self.template_of, text) else {
            return Ok(self.bytes.clone());
        };
        let filled = fill_template(text, |name| environment.get(name).map(String::as_str));
        filled.map(String::into_bytes).map_err(|error| MountError::Template {
            configuration: configuration.clone(),
            key: key.to_owned(),
            error,
        })
    }
}

impl Sources<'_> {
    fn what(&self, mount: &VolumeMount, source: &VolumeSource) -> Result<What, MountError> {
        match source {
            VolumeSource::EmptyDir(_) => Ok(What::Folder),
            VolumeSource::HostPath(host) => Ok(What::Host(HostVolume::new(host, mount))),
            VolumeSource::Config(name) => match self.downloaded.get(mount.name.as_str()) {
                Some(folder) => Ok(What::Link(below(folder, mount))),
                None => self.content(mount, ResourceKind::Configuration, name.as_str(), Kept::Open),
            },
            VolumeSource::Secret(name) => self.content(mount, ResourceKind::Secret, name.as_str(), Kept::Secret),
        }
    }

    fn content(&self, mount: &VolumeMount, kind: ResourceKind, name: &str, kept: Kept) -> Result<What, MountError> {
        let id = ResourceId::new(kind, name);
        let files = self
            .resources
            .get(&id)
            .map(|resource| files(resource))
            .ok_or_else(|| MountError::NoContent {
                volume: mount.name.to_string(),
                content: id.to_string(),
            })?;
        let Some(key) = &mount.sub_path else {
            return Ok(What::Files { files, kept });
        };
        let key = relative(key.as_str()).display().to_string();
        match files.get(&key) {
            Some(content) => Ok(What::File {
                content: content.clone(),
                key,
                kept,
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

fn files(resource: &Resource) -> BTreeMap<String, Content> {
    match resource {
        Resource::Application(_) => BTreeMap::new(),
        Resource::Secret(secret) => secret
            .data
            .iter()
            .map(|(key, bytes)| (key.to_string(), Content::plain(&bytes.0)))
            .collect(),
        Resource::Configuration(configuration) => {
            let template_of = configuration.template.then(|| configuration.name.clone());
            let text = |entry: &Entry| match entry {
                Entry::Text(text) => Some(Content {
                    bytes: text.clone().into_bytes(),
                    template_of: template_of.clone(),
                }),
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
