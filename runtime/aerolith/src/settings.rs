//! What a node is to be, before anything of it starts: arguments over configuration over defaults.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aerolith_node::PortRange;
use anyhow::Context as _;

use crate::arguments::Run;
use crate::config::{Config, Level, LogFormat, Packages, Updates, Workloads};
use crate::instances::{InstanceFiles, read_folder};
use crate::outcome::Wrong;
use crate::places::{Places, SOCKET};
use crate::{CHILD, own_places};

/// What a node is to be.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) level: Level,
    pub(crate) format: LogFormat,
    pub(crate) instances: InstanceFiles,
    /// Handles of running instances. It goes with the data where that was said to lie elsewhere: two nodes never share
    /// one.
    pub(crate) of_this_boot: PathBuf,
    node: String,
    /// `aerolith.yml`, and beside it the instances of plugins.
    config: [PathBuf; 2],
    runtime: PathBuf,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) packages: Packages,
    workloads: Workloads,
    ports: PortRange,
    snfile: Option<PathBuf>,
    updates: Updates,
}

impl Settings {
    /// Reads the configuration and makes the folder of the socket.
    pub(crate) fn resolve(run: Run, socket: Option<PathBuf>) -> anyhow::Result<Self> {
        let settings = Self::read(run, socket)?;
        make(&settings.runtime).with_context(|| format!("{}: cannot be made", settings.runtime.display()))?;
        Ok(settings)
    }

    /// Reads the configuration.
    pub(crate) fn read(run: Run, socket: Option<PathBuf>) -> anyhow::Result<Self> {
        let places = own_places()?;
        let path = run.config.clone().unwrap_or_else(|| places.config.clone());
        let config = Config::load(run.config.as_deref(), &places.config)?;
        let config_files = [
            std::path::absolute(&path)?,
            std::path::absolute(path.with_file_name("plugins.d"))?,
        ];
        let instances = read_folder(&config_files[1])?;
        let program = std::env::current_exe().context("this program cannot be found")?;
        let settings = Self::merge(run, socket, config, places, &program)?;
        Ok(Self {
            config: config_files,
            instances,
            ..settings
        })
    }

    /// The same, but everything that is written lies in one folder.
    pub(crate) fn within(self, folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            of_this_boot: folder.join("run"),
            ..self
        }
    }

    fn merge(run: Run, socket: Option<PathBuf>, config: Config, places: Places, program: &Path) -> io::Result<Self> {
        let absolute = |path: PathBuf| std::path::absolute(path);
        let elsewhere = run.data.or(config.data).map(absolute).transpose()?;
        let runtime = config.runtime.clone().unwrap_or(places.runtime);
        let of_this_boot = match (&config.runtime, &elsewhere) {
            (None, Some(data)) => data.join("run"),
            _ => runtime.join("node"),
        };
        let socket = socket.or(config.socket).unwrap_or_else(|| runtime.join(SOCKET));
        Ok(Self {
            data: elsewhere.unwrap_or(places.data),
            of_this_boot,
            socket: absolute(socket)?,
            level: config.log_level,
            format: config.log_format,
            instances: InstanceFiles::new(),
            config: [places.config.clone(), places.config.with_file_name("plugins.d")],
            node: config.node_name.unwrap_or_else(host_name),
            folders: config.plugins.folders.unwrap_or_else(|| shipped(program)),
            runtime,
            packages: config.packages,
            workloads: config.policy,
            ports: config.ports.dynamic,
            snfile: config.snfile,
            updates: config.updates,
        })
    }

    /// Reads the trusted keys and the serial number.
    pub(crate) fn foundation(&self, boot: String) -> Result<aerolith_node::Settings, Wrong> {
        Ok(aerolith_node::Settings {
            boot,
            limits: self.packages.limits(),
            packages: self.packages.policy()?,
            updates: self.updates.settings()?,
            workloads: self.workloads.policy(),
            ports: self.ports,
            serial: self.serial(),
            own: self.own(),
            ..aerolith_node::Settings::new(self.data.clone(), self.of_this_boot.clone(), self.node.clone())
        })
    }

    /// What makes the node what it is besides its data.
    fn own(&self) -> Vec<PathBuf> {
        let all = self.config.iter().chain(&self.folders).chain(&self.packages.trust);
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        all.chain([&self.socket]).map(absolute).collect()
    }

    /// A serial number that cannot be read keeps nothing from running.
    fn serial(&self) -> String {
        let Some(path) = &self.snfile else {
            return String::new();
        };
        match fs::read_to_string(path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the serial number cannot be read; BAETYL_HOST_SN is empty");
                String::new()
            }
        }
    }

    pub(crate) fn host(&self) -> io::Result<aerolith_host::Settings> {
        let helper = (std::env::current_exe()?, vec![CHILD.to_owned()]);
        let settings = aerolith_host::Settings::new(self.data.join("plugins"), helper);
        Ok(aerolith_host::Settings {
            shipped: self.folders.clone(),
            ..settings
        })
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where the plugins that come with a program lie.
fn shipped(program: &Path) -> Vec<PathBuf> {
    let folder = program.parent().unwrap_or(Path::new("/"));
    let mut folders = vec![folder.join("plugins")];
    folders.extend(folder.parent().map(|up| up.join("lib/aerolith/plugins")));
    let system = PathBuf::from("/usr/lib/aerolith/plugins");
    if !folders.contains(&system) {
        folders.push(system);
    }
    folders
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(run: Run, socket: Option<&str>, config: Config) -> Settings {
        let program = Path::new("/usr/bin/aerolith");
        Settings::merge(run, socket.map(Into::into), config, Places::system(), program).unwrap()
    }

    fn asked(data: Option<&str>) -> Run {
        Run {
            config: None,
            data: data.map(Into::into),
        }
    }

    #[test]
    fn without_anything_the_systems_places_are_used() {
        let settings = merged(asked(None), None, Config::default());
        assert_eq!(settings.data, Path::new("/var/lib/aerolith"));
        assert_eq!(settings.socket, Path::new("/run/aerolith/aerolith.sock"));
        assert_eq!(settings.of_this_boot, Path::new("/run/aerolith/node"));
        assert_eq!(
            settings.folders,
            ["/usr/bin/plugins", "/usr/lib/aerolith/plugins"].map(PathBuf::from)
        );
        assert!(!settings.node.is_empty());
    }

    #[test]
    fn an_argument_beats_the_configuration_and_that_the_default() {
        let config = || Config {
            data: Some("/c".into()),
            runtime: Some("/r".into()),
            ..Config::default()
        };
        let settings = merged(asked(None), None, config());
        assert_eq!(
            (settings.data, settings.socket),
            ("/c".into(), "/r/aerolith.sock".into())
        );
        let settings = merged(asked(Some("/a")), Some("/s"), config());
        assert_eq!((settings.data, settings.socket), ("/a".into(), "/s".into()));
    }

    #[test]
    fn what_makes_the_node_what_it_is_is_its_own() {
        let config = Config {
            packages: Packages {
                trust: Some("/etc/keys".into()),
                ..Packages::default()
            },
            ..Config::default()
        };
        let own = merged(asked(None), None, config).own();
        for place in [
            "/etc/aerolith/aerolith.yml",
            "/etc/aerolith/plugins.d",
            "/usr/bin/plugins",
            "/etc/keys",
            "/run/aerolith/aerolith.sock",
        ] {
            assert!(own.contains(&place.into()), "{place}: {own:?}");
        }
    }

    #[test]
    fn two_nodes_with_data_of_their_own_share_no_handles() {
        let settings = merged(asked(Some("/a")), Some("/s"), Config::default());
        assert_eq!(settings.of_this_boot, Path::new("/a/run"));
    }
}
