//! What services may ask of the host: nothing that is not allowed by name. Pure; links are followed in `host_paths`.

use std::path::PathBuf;

use aerolith_model::{Application, ServiceName};

use super::asked::{Asked, bare};
use crate::foundation::Settings;

/// What the operator allows services to ask of the host; nothing unless said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadPolicy {
    /// Whether a service may be privileged.
    pub privileged: bool,
    /// Users that a service may run as; `*` is every one but root, who must be named.
    pub users: Vec<String>,
    /// As whom programs run whose service names no user; as the daemon when nobody is named.
    pub default_user: Option<String>,
    /// Powers of root that a service may have beside those that every one keeps, as in capabilities(7) without `CAP_`; `ALL`
    /// is every one.
    pub capabilities: Vec<String>,
    /// Whether programs that a service starts may have more power than it has itself.
    pub privilege_escalation: bool,
    /// Variables of the daemon's environment that a service may ask for, with `*` for any text within a name.
    pub environment: Vec<String>,
    /// Folders of the host that may be shown to services, with all below them.
    pub host_paths: Vec<HostPathRule>,
    /// Devices, with `*` for any text within a name.
    pub devices: Vec<String>,
    /// Whether a container may see the network as the host does. A process always does.
    pub host_network: bool,
    /// Container runtimes.
    pub runtimes: Vec<String>,
    /// Whether an image must be named by its digest.
    pub require_digest: bool,
}

/// A folder of the host that may be shown to services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPathRule {
    /// Absolute.
    pub path: PathBuf,
    /// Whether only by mounts that say `readOnly`.
    pub read_only: bool,
}

/// What a service asks of the host and the node's operator does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// `security.privileged`.
    #[error("it asks to be privileged, which `policy.privileged: true` in aerolith.yml would allow")]
    Privileged,
    /// `security.user`.
    #[error("it asks to run as user `{0}`, which `{0}` in `policy.users` of aerolith.yml would allow")]
    User(String),
    /// `security.capabilities.add`.
    #[error("it asks for the capability `{0}`, which `{0}` in `policy.capabilities` of aerolith.yml would allow")]
    Capability(String),
    /// `security.allowPrivilegeEscalation`.
    #[error(
        "it asks for programs with more power than its own, which `policy.privilegeEscalation: true` in aerolith.yml would \
         allow"
    )]
    Escalation,
    /// `envPassthrough`.
    #[error(
        "it asks for `{0}` of the daemon's environment, which `{0}` in `policy.environment` of aerolith.yml would allow"
    )]
    Environment(String),
    /// A host path that no rule has.
    #[error("it asks for the host path {asked}, which `{path}` in `policy.hostPaths` of aerolith.yml would allow")]
    HostPath {
        /// As it was asked for, and where that leads.
        asked: String,
        /// What would allow it.
        path: String,
    },
    /// A host path that may be read only.
    #[error(
        "it asks for the host path {asked} for writing, and `policy.hostPaths` of aerolith.yml has it with `:ro`: mount it \
         with `readOnly: true`, or take `:ro` away"
    )]
    ReadOnly {
        /// As it was asked for, and where that leads.
        asked: String,
    },
    /// A host path that gives more away than it seems.
    #[error(
        "it asks for the host path {asked}, which shows {what}: only exactly `{path}` in `policy.hostPaths` of aerolith.yml \
         would allow it"
    )]
    Guarded {
        /// As it was asked for, and where that leads.
        asked: String,
        /// What else would be shown.
        what: &'static str,
        /// What would allow it.
        path: String,
    },
    /// A relative host path with `..`.
    #[error("it asks for the host path `{0}`, which climbs: leave `..` away")]
    Climbs(String),
    /// A host path that cannot be followed.
    #[error("the host path `{path}` cannot be followed: {reason}")]
    Unknown {
        /// The path.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A device.
    #[error("it asks for the device `{0}`, which `{0}` in `policy.devices` of aerolith.yml would allow")]
    Device(String),
    /// `hostNetwork`.
    #[error("it asks for the host's network, which `policy.hostNetwork: true` in aerolith.yml would allow")]
    HostNetwork,
    /// `runtime`.
    #[error("it asks for the container runtime `{0}`, which `{0}` in `policy.runtimes` of aerolith.yml would allow")]
    Runtime(String),
    /// An image by tag.
    #[error(
        "its image `{0}` is named by a tag, and `policy.requireDigest` in aerolith.yml asks for a digest: write \
         IMAGE@sha256:DIGEST"
    )]
    NoDigest(String),
}

/// The policy with the places of this node.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) policy: WorkloadPolicy,
    /// Where relative host paths lie.
    pub(super) relative: PathBuf,
    /// The node's own files and folders.
    pub(super) own: Vec<PathBuf>,
}

impl Rules {
    pub(crate) fn of(settings: &Settings, relative: PathBuf) -> Self {
        Self {
            policy: settings.workloads.clone(),
            relative,
            own: [&settings.data, &settings.runtime]
                .into_iter()
                .chain(&settings.own)
                .cloned()
                .collect(),
        }
    }

    /// The services of an application that ask too much as they are written, each with the first thing that it may not have.
    pub(crate) fn refused<'a>(
        &'a self,
        application: &'a Application,
    ) -> impl Iterator<Item = (&'a ServiceName, NotAllowed)> {
        let services = application.services.iter().chain(&application.init_services);
        services.filter_map(|service| {
            let asked = Asked::by(&application.whole(service), &application.volumes);
            Some((&service.name, self.judge(&asked).err()?))
        })
    }

    /// Asks about a service, as it is written.
    ///
    /// # Errors
    /// The first thing that it may not have.
    pub(crate) fn judge(&self, asked: &Asked) -> Result<(), NotAllowed> {
        let policy = &self.policy;
        if asked.privileged && !policy.privileged {
            return Err(NotAllowed::Privileged);
        }
        if asked.host_network && !policy.host_network {
            return Err(NotAllowed::HostNetwork);
        }
        if asked.escalation && !policy.privilege_escalation {
            return Err(NotAllowed::Escalation);
        }
        let capability = asked.capabilities.iter().find(|name| !policy.allows_capability(name));
        let variable = asked.environment.iter().find(|name| !policy.allows_variable(name));
        let user = asked.user.as_ref().filter(|user| !policy.allows_user(user));
        let runtime = asked.runtime.as_ref().filter(|name| !policy.runtimes.contains(name));
        let device = asked.devices.iter().find(|device| !policy.allows_device(device));
        let image = asked.image.as_ref();
        let image = image.filter(|image| policy.require_digest && !has_digest(image));
        let refused = [
            user.cloned().map(NotAllowed::User),
            capability.cloned().map(NotAllowed::Capability),
            variable.cloned().map(NotAllowed::Environment),
            runtime.cloned().map(NotAllowed::Runtime),
            device.cloned().map(NotAllowed::Device),
            image.cloned().map(NotAllowed::NoDigest),
        ];
        if let Some(refused) = refused.into_iter().flatten().next() {
            return Err(refused);
        }
        asked.host_paths.iter().try_for_each(|path| self.judge_host_path(path))
    }
}

impl WorkloadPolicy {
    fn allows_user(&self, user: &str) -> bool {
        let named = |name: &str| self.users.iter().any(|listed| listed == name);
        named(user) || named("*") && !is_root(user)
    }

    fn allows_capability(&self, name: &str) -> bool {
        let named = |name: &str| self.capabilities.iter().any(|listed| bare(listed) == name);
        named(name) || named("ALL")
    }

    fn allows_variable(&self, name: &str) -> bool {
        self.environment.iter().any(|pattern| matches(pattern, name))
    }

    fn allows_device(&self, device: &str) -> bool {
        self.devices.iter().any(|pattern| matches(pattern, device))
    }
}

/// Whether a user, with a group behind a colon or not, is root under any name that needs no look into files.
fn is_root(user: &str) -> bool {
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    name == "root" || name.parse::<u64>() == Ok(0)
}

fn has_digest(image: &str) -> bool {
    let digest = image.rsplit_once("@sha256:").map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a path fits a pattern, in which `*` stands for any text without a `/`.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(rest) = path.strip_prefix(before) else {
        return false;
    };
    let within = rest.find('/').unwrap_or(rest.len());
    (0..=within).any(|at| rest.is_char_boundary(at) && matches(behind, &rest[at..]))
}

#[cfg(test)]
mod tests;
