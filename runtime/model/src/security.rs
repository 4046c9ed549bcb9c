//! As whom a service runs, and what is kept from it.

use serde::{Deserialize, Serialize};

use crate::service::is_default;
use crate::text::{AbsolutePath, CapabilityName, SystemCallName};

/// As whom a service runs, and what it may do there. Without a word, a program keeps a handful of root's powers when it
/// starts as root, none otherwise, and gains none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Security {
    /// Whether nothing is kept from it (Baetyl v2).
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// Name or number of the user that it runs as, with a group behind a colon or not (ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub user: Option<String>,
    /// Powers of root that it has more and less than others (Kubernetes).
    #[serde(skip_serializing_if = "is_default")]
    pub capabilities: Capabilities,
    /// Whether a program that it starts may have more power than it has itself, as `sudo` has (Kubernetes; `false` here).
    #[serde(skip_serializing_if = "is_default")]
    pub allow_privilege_escalation: bool,
    /// Whether it has a `/tmp` and `/var/tmp` of its own, in memory, which end with it (systemd's `PrivateTmp`).
    #[serde(skip_serializing_if = "is_default")]
    pub private_tmp: bool,
    /// Whether it can write to nothing of the host but its own folder and what it mounts for writing (systemd's
    /// `ProtectSystem=strict`).
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_host: bool,
    /// The only files of the host that it may open (ours); every one that its user may unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// Keeps it from system calls that no ordinary service needs (ours); it may make every one unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_calls: Option<SystemCalls>,
}

/// Powers of root, as in capabilities(7); `ALL` is every one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Those that it has too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<CapabilityName>,
    /// Those that are taken from it; what is in both is added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<CapabilityName>,
}

/// Files of the host, each with all below it. What every program needs (libraries, name service, certificates), the service's
/// package, its folder and what it mounts need no word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// For reading and executing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<AbsolutePath>,
    /// For writing, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<AbsolutePath>,
}

/// System calls by name, as in syscalls(2). One that is refused fails with EPERM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SystemCalls {
    /// Refused beside the engine's own list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<SystemCallName>,
    /// Allowed though the engine's own list refuses them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<SystemCallName>,
}
