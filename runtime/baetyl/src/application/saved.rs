//! The saved form of an application, in which a package is mounted rather than named.

use std::collections::BTreeMap;

use aerolith_model::{Application, Name, Volume, VolumeName, VolumeSource};

/// Where Baetyl mounts the package of a service when it saves an application.
const PROGRAM_PATH: &str = "/var/lib/baetyl/bin";
/// How it names that volume, before nine random characters.
const PROGRAM_VOLUME: &str = "baetyl-program-config-";

/// Turns the saved form back: a package mounted where Baetyl looks for programs is the service's `programConfig`.
pub(super) fn restore_program_configs(application: &mut Application) {
    let packages: BTreeMap<VolumeName, Name> = application.volumes.iter().filter_map(program_volume).collect();
    let Application {
        init_services,
        services,
        volumes,
        ..
    } = application;
    for service in init_services.iter_mut().chain(services.iter_mut()) {
        let mounts = &service.volume_mounts;
        let at = mounts
            .iter()
            .position(|mount| mount.mount_path.as_str() == PROGRAM_PATH && packages.contains_key(mount.name.as_str()));
        if let (Some(at), None, None) = (at, &service.program_config, &service.image) {
            let mount = service.volume_mounts.remove(at);
            service.program_config = packages.get(&mount.name).cloned();
        }
    }
    let services = || init_services.iter().chain(services.iter());
    let mounted = |name: &VolumeName| {
        let mut mounts = services().flat_map(|service| &service.volume_mounts);
        mounts.any(|mount| mount.name == *name)
    };
    volumes.retain(|volume| !packages.contains_key(&volume.name) || mounted(&volume.name));
}

fn program_volume(volume: &Volume) -> Option<(VolumeName, Name)> {
    match &volume.source {
        VolumeSource::Config(package) if volume.name.as_str().starts_with(PROGRAM_VOLUME) => {
            Some((volume.name.clone(), package.clone()))
        }
        _ => None,
    }
}
