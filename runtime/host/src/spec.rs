//! What the operator wants of an instance, and what it is made of.

use crate::permissions::Grants;
use crate::store::Stored;
use aerolith_plugin_abi::Root_Ref;
use aerolith_plugin_wire::manifest::Manifest;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One instance as the operator configures it.
#[derive(Clone)]
pub struct Spec {
    /// Its name, unique on the node.
    pub instance: String,
    /// Where its code comes from.
    pub source: Source,
    /// Its configuration, JSON.
    pub config: serde_json::Value,
    /// Where its code runs.
    pub isolation: Isolation,
    /// Bytes of address space at most, with [`Isolation::Process`].
    pub memory: Option<u64>,
    /// Whether the node's health depends on it.
    pub required: bool,
    /// What it may do of what its manifest asks for.
    pub grants: Grants,
}

impl Spec {
    /// An instance with an empty configuration in this process.
    pub fn new(instance: impl Into<String>, source: Source) -> Self {
        Self {
            instance: instance.into(),
            source,
            config: serde_json::Value::Object(serde_json::Map::new()),
            isolation: Isolation::default(),
            memory: None,
            required: false,
            grants: Grants::default(),
        }
    }
}

/// Where an instance's code comes from.
#[derive(Clone)]
pub enum Source {
    /// An installed or shipped plugin, by the name in its manifest.
    Named(String),
    /// A file.
    File(PathBuf),
    /// Linked into this program.
    Linked(Root_Ref),
}

/// Where an instance's code runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// In the daemon: fast, and trusted like the daemon itself.
    #[default]
    None,
    /// In a child process: a crash of it ends nobody else.
    Process,
}

/// The code of an instance: verified, and ready to be made from.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) code: Code,
}

#[derive(Clone)]
pub(crate) enum Code {
    Stored(Box<Stored>),
    Linked(Root_Ref),
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.manifest == other.manifest && self.sha256() == other.sha256()
    }
}

impl From<Stored> for Image {
    fn from(stored: Stored) -> Self {
        Self {
            manifest: stored.inspected.manifest.clone(),
            code: Code::Stored(Box::new(stored)),
        }
    }
}

impl Image {
    pub(crate) fn sha256(&self) -> &str {
        match &self.code {
            Code::Stored(stored) => &stored.sha256,
            Code::Linked(_) => "",
        }
    }

    pub(crate) fn provides(&self) -> Vec<String> {
        self.manifest.provides.keys().cloned().collect()
    }

    pub(crate) const fn isolation(&self, spec: &Spec) -> &'static str {
        match (&self.code, spec.isolation) {
            (Code::Linked(_), _) => "linked",
            (Code::Stored(_), Isolation::None) => "library",
            (Code::Stored(_), Isolation::Process) => "process",
        }
    }
}
