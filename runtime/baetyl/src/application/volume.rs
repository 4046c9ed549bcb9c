//! Volumes of Baetyl's applications.

use aerolith_model::{
    EmptyDir, HostPath, HostPathType, InvalidVolume, Medium, Name, Quantity, Volume, VolumeName, VolumeSource,
};
use serde::Deserialize;

use crate::view::blank_is_none;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeView {
    name: VolumeName,
    config: Option<Reference>,
    secret: Option<Reference>,
    certificate: Option<Reference>,
    host_path: Option<HostPathView>,
    empty_dir: Option<EmptyDirView>,
}

#[derive(Deserialize)]
struct Reference {
    name: Name,
}

#[derive(Deserialize)]
struct HostPathView {
    path: String,
    #[serde(default, rename = "type")]
    kind: HostPathType,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDirView {
    #[serde(default)]
    medium: Medium,
    #[serde(default, deserialize_with = "blank_is_none")]
    size_limit: Option<Quantity>,
}

impl TryFrom<VolumeView> for Volume {
    type Error = InvalidVolume;

    fn try_from(view: VolumeView) -> Result<Self, InvalidVolume> {
        let mut sources = Vec::new();
        sources.extend(view.config.map(|reference| VolumeSource::Config(reference.name)));
        let secrets = view.secret.into_iter().chain(view.certificate);
        sources.extend(secrets.map(|reference| VolumeSource::Secret(reference.name)));
        let host_path = |HostPathView { path, kind }| VolumeSource::HostPath(HostPath { path, kind });
        sources.extend(view.host_path.map(host_path));
        let empty_dir = |EmptyDirView { medium, size_limit }| VolumeSource::EmptyDir(EmptyDir { medium, size_limit });
        sources.extend(view.empty_dir.map(empty_dir));
        Self::new(view.name, sources)
    }
}
