//! The plugin host: verifies files, loads them, and leads each configured instance through its life.
//!
//! It knows no capability's meaning (only `plugin/1` and `host/1`, which are its own), no application and no package. It
//! does not trust a file before it has hashed and inspected it, and never waits for a plugin on the core's own threads.
//!
//! The way of a file: hash, inspect without running ([`inspect`]), content-addressed store ([`store`]), `dlopen` with a
//! layout check in both directions, `create` with a deadline.

mod c;
pub mod child;
mod context;
mod descriptors;
mod host;
pub mod inspect;
mod library;
mod lifecycle;
mod live;
mod loading;
mod make;
mod permissions;
mod records;
mod route;
mod settings;
mod slot;
mod spec;
mod status;
pub mod store;
mod table;
mod tasks;
mod trial;

pub use host::{Core, PluginHost};
pub use library::LoadError;
pub use lifecycle::{Patience, State};
pub use permissions::{Grants, covers};
pub use records::Installed;
pub use settings::Settings;
pub use spec::{Isolation, Source, Spec};
pub use status::Status;
pub use trial::Trial;

use std::path::PathBuf;

/// Who asks the core for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The instance's name.
    pub instance: String,
    /// Its plugin's name.
    pub plugin: String,
}

/// Why the host could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file is no plugin for this host.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// It could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The plugin itself failed.
    #[error("plugin instance `{instance}`: {what}: {error}")]
    Plugin {
        /// Which instance.
        instance: String,
        /// What was asked of it.
        what: &'static str,
        /// What it answered.
        error: aerolith_plugin_wire::Error,
    },
    /// The child process could not be run.
    #[error("plugin instance `{instance}`: child process {program}: {source}")]
    Child {
        /// Which instance.
        instance: String,
        /// Which program.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The host's folder cannot be used.
    #[error("{path}: {source}")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No plugin of that name.
    #[error("no plugin `{name}` is shipped or installed; there are: {known}")]
    NoPlugin {
        /// Which name.
        name: String,
        /// What there is.
        known: String,
    },
    /// No instance of that name.
    #[error("no plugin instance `{name}`; `aerolith plugin list` shows what there is")]
    NoInstance {
        /// Which name.
        name: String,
    },
    /// Two instances of one name.
    #[error("plugin instance `{instance}` is configured twice; the first is of plugin `{plugin}`")]
    Twice {
        /// Which name.
        instance: String,
        /// Whose the first is.
        plugin: String,
    },
    /// Two files of one name.
    #[error("two files carry the plugin name `{name}`: {first} and {second}; remove one")]
    SameName {
        /// Which name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// There is no former file.
    #[error("`{name}` has no former file to go back to")]
    NothingBefore {
        /// Which plugin or instance.
        name: String,
    },
    /// A plugin that is linked in carries no proper manifest.
    #[error("the manifest of a plugin that is linked in: {0}")]
    LinkedManifest(String),
}
