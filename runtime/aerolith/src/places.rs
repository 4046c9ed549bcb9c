//! Where the daemon keeps things and where its socket is, when nobody says otherwise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders and files of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The configuration, whether it exists or not.
    pub(crate) config: PathBuf,
    /// What must outlive a boot.
    pub(crate) data: PathBuf,
    /// What must not.
    pub(crate) runtime: PathBuf,
}

/// Neither root nor a home to put things.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOME to be an absolute path, found {0}: set HOME, or XDG_DATA_HOME and XDG_CONFIG_HOME")]
pub(crate) struct Homeless(String);

/// Name of the socket in the runtime folder.
pub(crate) const SOCKET: &str = "aerolith.sock";

impl Places {
    /// The system's places for root, those of the XDG Base Directory Specification for anybody else. Without
    /// `XDG_RUNTIME_DIR` the runtime folder lies in the data folder, since nothing else is safe from other users.
    ///
    /// # Errors
    /// [`Homeless`]
    pub(crate) fn find(root: bool, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Homeless> {
        if root {
            return Ok(Self::system());
        }
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = |below: &str| {
            let home = absolute("HOME").ok_or_else(|| {
                Homeless(variable("HOME").map_or_else(|| "none".into(), |found| format!("`{}`", found.display())))
            })?;
            Ok(home.join(below))
        };
        let folder = |name, below| absolute(name).map_or_else(|| home(below), Ok);
        let data = folder("XDG_DATA_HOME", ".local/share")?.join("aerolith");
        let config = folder("XDG_CONFIG_HOME", ".config")?.join("aerolith/aerolith.yml");
        let runtime = absolute("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |run| run.join("aerolith"));
        Ok(Self { config, data, runtime })
    }

    /// Where the system's daemon keeps things.
    pub(crate) fn system() -> Self {
        Self {
            config: "/etc/aerolith/aerolith.yml".into(),
            data: "/var/lib/aerolith".into(),
            runtime: "/run/aerolith".into(),
        }
    }
}

/// Of the sockets that may be the daemon's, the first that is there; the first of all when none is.
pub(crate) fn choose(candidates: [PathBuf; 2], exists: impl Fn(&Path) -> bool) -> PathBuf {
    let [own, system] = candidates;
    if !exists(&own) && exists(&system) { system } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(variables: &[(&str, &str)]) -> Result<Places, Homeless> {
        Places::find(false, |name| {
            variables
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn root_uses_the_systems_places_whatever_the_environment_says() {
        let places = Places::find(true, |_| Some("/elsewhere".into())).unwrap();
        assert_eq!(places, Places::system());
    }

    #[test]
    fn a_user_has_places_of_their_own() {
        let places = user(&[("HOME", "/home/u"), ("XDG_RUNTIME_DIR", "/run/user/7")]).unwrap();
        assert_eq!(places.data, Path::new("/home/u/.local/share/aerolith"));
        assert_eq!(places.runtime, Path::new("/run/user/7/aerolith"));
        assert_eq!(places.config, Path::new("/home/u/.config/aerolith/aerolith.yml"));
        let places = user(&[("HOME", "/home/u"), ("XDG_DATA_HOME", "/data")]).unwrap();
        assert_eq!(
            (places.data, places.runtime),
            ("/data/aerolith".into(), "/data/aerolith/run".into())
        );
    }

    #[test]
    fn a_relative_or_missing_home_is_refused() {
        assert!(user(&[]).unwrap_err().to_string().contains("found none"));
        assert!(user(&[("HOME", "u")]).unwrap_err().to_string().contains("found `u`"));
    }

    #[test]
    fn the_systems_socket_is_taken_only_where_there_is_no_own_one() {
        let both = || [PathBuf::from("own"), PathBuf::from("system")];
        assert_eq!(choose(both(), |_| true), Path::new("own"));
        assert_eq!(choose(both(), |path| path == Path::new("system")), Path::new("system"));
        assert_eq!(choose(both(), |_| false), Path::new("own"));
    }
}
