//! Places of the host that volumes show: what must lie there (`hostPath.type`), and what is made where nothing does.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use aerolith_model::{HostPathType, VolumeMount, VolumeName};

use super::{MountError, Shown};
use crate::policy::{HostPath, Rules};

/// A volume of the host as a mount shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostVolume {
    volume: VolumeName,
    /// That of the volume, whatever part of it is shown.
    path: String,
    kind: HostPathType,
    shown: HostPath,
}

/// What is made where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    Folder,
    /// Empty.
    File,
}

/// A place of the host where something else is than a volume asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("volume `{volume}` asks by hostPath.type `{kind}` for {} at `{path}`, and {found}{}", wanted(*.kind), advice(*.kind))]
pub struct WrongHostPath {
    /// The volume.
    pub volume: VolumeName,
    /// What must be there.
    pub kind: HostPathType,
    /// Where.
    pub path: String,
    /// What is there.
    pub found: String,
}

impl HostVolume {
    pub(super) fn new(host: &aerolith_model::HostPath, mount: &VolumeMount) -> Self {
        Self {
            volume: mount.name.clone(),
            path: host.path.clone(),
            kind: host.kind,
            shown: HostPath::shown(&host.path, mount),
        }
    }

    /// The mount as it is made, where the policy allows it and what is there is what is asked for. Blocks.
    pub(super) fn shown(&self, rules: &Rules) -> Result<Shown, MountError> {
        let to = rules.follow(&self.shown)?;
        self.check(&rules.place(&self.path))?;
        let make = self.make();
        Ok(Shown::Link { to, make })
    }

    pub(super) const fn make(&self) -> Option<Make> {
        match self.kind {
            HostPathType::Any | HostPathType::DirectoryOrCreate | HostPathType::Directory => Some(Make::Folder),
            HostPathType::FileOrCreate => Some(Make::File),
            _ => None,
        }
    }

    fn check(&self, path: &Path) -> Result<(), WrongHostPath> {
        let found = match fs::metadata(path) {
            Ok(there) if fits(self.kind, there.file_type()) => return Ok(()),
            Ok(there) => format!("there is {}", called(there.file_type())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.kind {
                HostPathType::Any | HostPathType::DirectoryOrCreate | HostPathType::FileOrCreate => return Ok(()),
                _ => "nothing is there".into(),
            },
            Err(error) => format!("it cannot be looked at: {error}"),
        };
        Err(WrongHostPath {
            volume: self.volume.clone(),
            kind: self.kind,
            path: path.display().to_string(),
            found,
        })
    }
}

fn fits(kind: HostPathType, there: FileType) -> bool {
    match kind {
        HostPathType::Any => true,
        HostPathType::DirectoryOrCreate | HostPathType::Directory => there.is_dir(),
        HostPathType::FileOrCreate | HostPathType::File => there.is_file(),
        HostPathType::Socket => there.is_socket(),
        HostPathType::CharDevice => there.is_char_device(),
        HostPathType::BlockDevice => there.is_block_device(),
    }
}

const fn wanted(kind: HostPathType) -> &'static str {
    match kind {
        HostPathType::Any => "anything",
        HostPathType::DirectoryOrCreate | HostPathType::Directory => "a folder",
        HostPathType::FileOrCreate | HostPathType::File => "a file",
        HostPathType::Socket => "a socket",
        HostPathType::CharDevice => "a character device",
        HostPathType::BlockDevice => "a block device",
    }
}

fn called(there: FileType) -> &'static str {
    match there {
        it if it.is_dir() => "a folder",
        it if it.is_file() => "a file",
        it if it.is_socket() => "a socket",
        it if it.is_char_device() => "a character device",
        it if it.is_block_device() => "a block device",
        _ => "something else",
    }
}

const fn advice(kind: HostPathType) -> &'static str {
    match kind {
        HostPathType::Directory => ": put one there, or have it made by `DirectoryOrCreate`",
        HostPathType::File => ": put one there, or have it made by `FileOrCreate`",
        _ => ": put one there, or ask for another type",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;
    use crate::foundation::Settings;

    #[test]
    fn each_type_takes_what_it_names_and_says_what_else_it_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let rules = rules(dir.path());
        let place = |name: &str| match name {
            "device" => "/dev/null".to_owned(),
            name => at(name).display().to_string(),
        };
        for (kind, fitting) in [
            ("", &["folder", "file", "socket", "device", "absent"][..]),
            ("Directory", &["folder"]),
            ("DirectoryOrCreate", &["folder", "absent"]),
            ("File", &["file"]),
            ("FileOrCreate", &["file", "absent"]),
            ("Socket", &["socket"]),
            ("CharDevice", &["device"]),
            ("BlockDevice", &[]),
        ] {
            for name in ["folder", "file", "socket", "device", "absent"] {
                let shown = volume(&place(name), kind, "").shown(&rules);
                assert_eq!(shown.is_ok(), fitting.contains(&name), "{kind} {name}");
            }
        }
        let told = |name: &str, kind: &str| volume(&place(name), kind, "").shown(&rules).err().unwrap().to_string();
        let path = place("absent");
        assert_eq!(
            told("absent", "Directory"),
            format!(
                "volume `data` asks by hostPath.type `Directory` for a folder at `{path}`, and nothing is there: put one \
                 there, or have it made by `DirectoryOrCreate`"
            )
        );
        assert!(
            told("folder", "Socket").contains("for a socket at")
                && told("folder", "Socket").contains("there is a folder")
        );
    }

    #[test]
    fn the_type_is_of_the_volume_and_a_part_of_it_is_made_as_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let shown = volume(&path, "Directory", r#","subPath":"part""#)
            .shown(&rules(dir.path()))
            .unwrap();
        let (to, make) = (dir.path().join("part"), Some(Make::Folder));
        assert!(shown == Shown::Link { to, make });
    }

    fn volume(path: &str, kind: &str, more: &str) -> HostVolume {
        let host = serde_json::from_str(&format!(r#"{{"path":"{path}","type":"{kind}"}}"#)).unwrap();
        let mount = serde_json::from_str(&format!(r#"{{"name":"data","mountPath":"/data"{more}}}"#)).unwrap();
        HostVolume::new(&host, &mount)
    }

    fn rules(allowed: &Path) -> Rules {
        let mut settings = Settings::new("/data".into(), "/run".into(), "gate".into());
        let allow = |path: PathBuf| crate::policy::HostPathRule { path, read_only: false };
        settings.workloads.host_paths = [allowed.to_owned(), "/dev".into()].map(allow).into();
        Rules::of(&settings, "/data/host".into())
    }
}
