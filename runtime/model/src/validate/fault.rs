//! What can be wrong inside an application, and what to do about it.

use crate::order::Cycle;
use crate::port::Protocol;
use crate::text::{EnvName, MountPath, ServiceName, VolumeName};
use crate::volume::HostPathType;

/// What can be wrong inside an application.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two services have one name.
    #[error("two services are called `{0}`")]
    DuplicateService(ServiceName),
    /// Two volumes have one name.
    #[error("two volumes are called `{0}`")]
    DuplicateVolume(VolumeName),
    /// A mount names no volume of the application.
    #[error("service `{service}` mounts volume `{volume}`, which the application does not have")]
    UnknownVolume {
        /// Who mounts.
        service: ServiceName,
        /// What is missing.
        volume: VolumeName,
        /// The likely meaning.
        near: Option<String>,
    },
    /// A part is asked of a volume that has none.
    #[error("service `{service}` mounts a part of volume `{volume}`, whose hostPath.type `{kind}` is no folder")]
    PartOfFile {
        /// Who mounts.
        service: ServiceName,
        /// The volume.
        volume: VolumeName,
        /// What must be there.
        kind: HostPathType,
    },
    /// Two mounts of a service have one path.
    #[error("service `{service}` mounts two volumes at `{path}`")]
    DuplicateMountPath {
        /// Who mounts.
        service: ServiceName,
        /// Where.
        path: MountPath,
    },
    /// Everything is granted and something is kept back.
    #[error(
        "service `{0}` is privileged, which keeps nothing from it: take `privileged` away, or the rest of `security` but `user`"
    )]
    PrivilegedAndKept(ServiceName),
    /// A variable is set twice.
    #[error("service `{service}` sets variable `{variable}` twice")]
    DuplicateVariable {
        /// Who sets.
        service: ServiceName,
        /// What.
        variable: EnvName,
    },
    /// `dependsOn` names no service of the application.
    #[error("service `{service}` depends on `{dependency}`, which is no service of the application")]
    UnknownDependency {
        /// Who waits.
        service: ServiceName,
        /// For whom.
        dependency: ServiceName,
        /// The likely meaning.
        near: Option<String>,
    },
    /// `dependsOn` names a service twice.
    #[error("service `{service}` depends on `{dependency}` twice")]
    DuplicateDependency {
        /// Who waits.
        service: ServiceName,
        /// For whom.
        dependency: ServiceName,
    },
    /// A service waits for an end that never comes.
    #[error("service `{service}` waits until `{dependency}` has succeeded, but that is started again whenever it ends")]
    NeverSucceeds {
        /// Who waits.
        service: ServiceName,
        /// For whom.
        dependency: ServiceName,
    },
    /// Services wait for each other.
    #[error(transparent)]
    Cycle(#[from] Cycle),
    /// Nothing to run.
    #[error("service `{0}` has neither `programConfig` nor `image`, so there is nothing to run")]
    NothingToRun(ServiceName),
    /// Two things to run.
    #[error("service `{0}` has both `programConfig` and `image`: keep one of them")]
    TwoThingsToRun(ServiceName),
    /// A text that must say something is empty.
    #[error("`{field}` of service `{service}` is empty")]
    Empty {
        /// Whose.
        service: ServiceName,
        /// What.
        field: &'static str,
    },
    /// An init service says something that is for services which keep running.
    #[error("init service `{service}` has `{field}`, but init services run once, one after the other")]
    NotOfInit {
        /// Whose.
        service: ServiceName,
        /// What.
        field: &'static str,
    },
    /// `jobConfig` of an application that is no job.
    #[error("`jobConfig` is for `workload: job` alone")]
    NoJob,
    /// A port of the host is declared twice.
    #[error("service `{service}` declares port {port}/{protocol} of the host, which service `{other}` declares too")]
    DuplicatePort {
        /// Who.
        service: ServiceName,
        /// Number on the host.
        port: u16,
        /// Transport.
        protocol: Protocol,
        /// Who did before.
        other: ServiceName,
    },
    /// Several instances would need one port of the host.
    #[error("service `{service}` has {replica} replicas, but only one instance can have port {port} of the host")]
    SharedPort {
        /// Whose.
        service: ServiceName,
        /// Number on the host.
        port: u16,
        /// How many there are.
        replica: u32,
    },
    /// Two versions would need one port of the host.
    #[error(
        "service `{service}` has `update.strategy: switch`, but only one container can have port {port} of the host: old and \
         new cannot be beside each other"
    )]
    SwitchedPort {
        /// Whose.
        service: ServiceName,
        /// Number on the host.
        port: u16,
    },
    /// One bad answer ends an instance, so one good answer is all that can be asked for.
    #[error("`{probe}.successThreshold` of service `{service}` must be 1")]
    Threshold {
        /// Whose.
        service: ServiceName,
        /// Which.
        probe: &'static str,
    },
    /// A container is asked at the port that only programs are given.
    #[error("`{probe}` of service `{service}` asks at port `dynamic`, but only programs are given one, not containers")]
    DynamicPort {
        /// Whose.
        service: ServiceName,
        /// Which.
        probe: &'static str,
    },
    /// A resource that nobody knows.
    #[error("service `{service}` names resource `{name}`, which there is not")]
    UnknownResource {
        /// Whose.
        service: ServiceName,
        /// As written.
        name: String,
    },
    /// Thousandths of a byte.
    #[error("`{name}: {amount}` of service `{service}` is in thousandths of a byte")]
    Thousandths {
        /// Whose.
        service: ServiceName,
        /// Which resource.
        name: String,
        /// As written.
        amount: String,
    },
    /// A limit under which nothing can run.
    #[error("service `{service}` may use no `{name}` at all")]
    NothingLeft {
        /// Whose.
        service: ServiceName,
        /// Which resource.
        name: String,
    },
    /// A share of the disks that there is not.
    #[error("`ioWeight` of service `{service}` is above 10000")]
    IoWeight {
        /// Whose.
        service: ServiceName,
    },
    /// More is needed than allowed.
    #[error("service `{service}` requests more `{name}` than its limit")]
    RequestAboveLimit {
        /// Whose.
        service: ServiceName,
        /// Which resource.
        name: String,
    },
}

impl Fault {
    /// What to do, where it is more than the message says.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownVolume { near: Some(near), .. } | Self::UnknownDependency { near: Some(near), .. } => {
                format!("did you mean `{near}`?")
            }
            Self::UnknownResource { .. } => {
                "known: cpu, memory, swap, pids, openFiles, ephemeral-storage, hugepages-SIZE, and a vendor's, as in \
                 nvidia.com/gpu; `cpuset` and `ioWeight` stand beside `limits`"
                    .into()
            }
            Self::NeverSucceeds { dependency, .. } => format!(
                "give `{dependency}` a restart.policy of `on-failure` or `no`, make it an init service, or wait until it is \
                 `ready`"
            ),
            Self::PartOfFile { .. } => {
                "leave `subPath` away and let hostPath.path name the file, or take `Directory`".into()
            }
            Self::NotOfInit { field, .. } => format!("leave `{field}` away"),
            Self::NoJob => "add `workload: job`, or leave `jobConfig` away".into(),
            Self::DuplicatePort { .. } => "choose another port, or give each a hostIP of its own".into(),
            Self::SharedPort { .. } => {
                "leave hostPort away, so that each instance takes the port in its BAETYL_SERVICE_DYNAMIC_PORT".into()
            }
            Self::SwitchedPort { .. } => {
                "leave `update.strategy` away: the old stops before the new starts then".into()
            }
            Self::DynamicPort { .. } => "name the port inside the container".into(),
            Self::Thousandths { amount, .. } => {
                let digits = amount.trim_end_matches('m');
                format!("did you mean `{digits}Mi` or `{digits}M`?")
            }
            Self::NothingLeft { name, .. } => format!("raise `{name}`, or leave it away for no limit"),
            Self::IoWeight { .. } => "take 1 to 10000; 100 is everybody's".into(),
            Self::RequestAboveLimit { .. } => "lower the request, or raise the limit".into(),
            _ => return None,
        };
        Some(hint)
    }
}
