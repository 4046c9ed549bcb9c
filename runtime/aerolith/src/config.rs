//! `aerolith.yml`: the daemon's own configuration.

mod packages;
mod updates;
mod workloads;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aerolith_model::read_yaml;
use serde::{Deserialize, Deserializer, de};

use crate::outcome::{Wrong, text_of, unreadable};
pub(crate) use packages::{Demand, Packages};
pub(crate) use updates::Updates;
pub(crate) use workloads::{Ports, Workloads};

/// What the file says; a key that is not there leaves the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    /// The node's name; the host's, when absent.
    pub(crate) node_name: Option<String>,
    /// Folder of what must outlive a boot.
    #[serde(deserialize_with = "absolute")]
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) data: Option<PathBuf>,
    /// Folder of what must not.
    #[serde(deserialize_with = "absolute")]
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) runtime: Option<PathBuf>,
    /// The API's socket.
    #[serde(deserialize_with = "absolute")]
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) socket: Option<PathBuf>,
    /// How much is told.
    pub(crate) log_level: Level,
    /// How it is told.
    pub(crate) log_format: LogFormat,
    /// About all plugins.
    pub(crate) plugins: Plugins,
    /// What packages must have, and may cost.
    pub(crate) packages: Packages,
    /// What services may ask of the host.
    pub(crate) policy: Workloads,
    /// Ports that instances are given.
    pub(crate) ports: Ports,
    /// The file that holds the machine's serial number (Baetyl v1).
    #[serde(deserialize_with = "absolute")]
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub(crate) snfile: Option<PathBuf>,
    /// How new instances prove themselves.
    pub(crate) updates: Updates,
}

/// About all plugins; each has a file of its own in `plugins.d`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Plugins {
    /// Folders with plugins that are started without being asked for; the program's own, when absent.
    pub(crate) folders: Option<Vec<PathBuf>>,
}

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = Option::<PathBuf>::deserialize(deserializer)?;
    match path {
        Some(path) if !path.is_absolute() => Err(de::Error::custom(format!(
            "`{}` is not an absolute path",
            path.display()
        ))),
        path => Ok(path),
    }
}

impl Config {
    /// Reads the file that was asked for, or the default one where there is one.
    ///
    /// # Errors
    /// [`Wrong`] when it cannot be read, or with the place of what is wrong in it.
    pub(crate) fn load(asked: Option<&Path>, default: &Path) -> Result<Self, Wrong> {
        let path = asked.unwrap_or(default);
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && asked.is_none() => Ok(Self::default()),
            Err(error) => Err(unreadable(&path.display().to_string(), &error)),
            Ok(bytes) => {
                let name = path.display().to_string();
                Self::read(&name, &text_of(&name, &bytes)?)
            }
        }
    }

    /// Reads a text; one without anything in it is the default.
    pub(crate) fn read(source_name: &str, text: &str) -> Result<Self, Wrong> {
        let nothing = text
            .lines()
            .map(str::trim)
            .all(|line| line.is_empty() || line.starts_with('#'));
        if nothing {
            Ok(Self::default())
        } else {
            Ok(read_yaml(source_name, text)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let wrong = Config::read("a.yml", text).unwrap_err();
        format!("{} | {}", wrong.message, wrong.hint.unwrap_or_default())
    }

    #[test]
    fn every_key_is_read() {
        let text = "nodeName: roof\ndata: /d\nruntime: /r\nsocket: /s\nlogLevel: debug\nlogFormat: json\n\
                    plugins:\n  folders: [/p]\n";
        let config = Config::read("a.yml", text).unwrap();
        assert_eq!(
            (config.data, config.runtime, config.socket),
            (Some("/d".into()), Some("/r".into()), Some("/s".into()))
        );
        assert_eq!((config.log_level, config.log_format), (Level::Debug, LogFormat::Json));
        assert_eq!(
            (config.node_name, config.plugins.folders),
            (Some("roof".into()), Some(vec!["/p".into()]))
        );
    }

    #[test]
    fn a_file_of_comments_and_no_file_at_all_are_the_default() {
        assert_eq!(Config::read("a.yml", "# nothing\n\n").unwrap(), Config::default());
        assert_eq!(
            Config::load(None, Path::new("/nowhere/a.yml")).unwrap(),
            Config::default()
        );
        assert!(Config::load(Some(Path::new("/nowhere/a.yml")), Path::new("/")).is_err());
    }

    #[test]
    fn what_is_wrong_is_located() {
        assert_eq!(
            error("data: /d\nlogLvel: info\n"),
            "a.yml:2:1: unknown key `logLvel` | did you mean `logLevel`?"
        );
        assert!(error("logLevel: loud\n").starts_with("a.yml:1:11: logLevel: unknown value `loud`"));
        assert!(error("runtime: run\n").contains("`run` is not an absolute path"));
        assert!(error("plugins: {folder: [/p]}\n").contains("did you mean `folders`?"));
        assert!(
            error("packages: {signatures: always}\n")
                .starts_with("a.yml:1:24: packages.signatures: unknown value `always`")
        );
        assert!(error("updates: {window: 10}\n").contains("a.yml:1:"));
        assert!(error("updates: {windw: 10s}\n").contains("did you mean `window`?"));
        assert!(error("packages: {trust: keys}\n").contains("`keys` is not an absolute path"));
    }
}
