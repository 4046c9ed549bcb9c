//! The vocabulary of Aerolith as types: applications, configurations, secrets and program manifests, how they are
//! written in our own YAML, and what makes them valid.
//!
//! Everything here is pure: text in, values or an error with line and column out. This room may not know files,
//! networks, clocks, plugins, platforms, or how any other system writes the same things.
//!
//! Field names are those of Baetyl v2, of Baetyl v1 where v2 has none, and camelCase for what is ours.

mod application;
mod configuration;
mod content;
mod dependency;
mod documents;
mod duration;
mod hint;
mod limits;
mod order;
mod parse;
mod places;
mod port;
mod probe;
mod program;
mod resource;
mod restart;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod security;
mod service;
mod signature;
mod template;
mod text;
mod timestamp;
mod update;
mod validate;
mod volume;
mod wording;
mod yaml;

pub use application::{Application, DEFAULT_BACKOFF_LIMIT, JobConfig, JobRestartPolicy, Workload};
pub use configuration::{
    Configuration, Entry, Object, ObjectPlatform, PACKAGE_LABEL, PACKAGE_LABEL_VALUE, Token, Unpack,
};
pub use content::{ContentFault, InvalidContent};
pub use dependency::{Dependency, StartCondition};
pub use duration::{GoDuration, InvalidDuration};
pub use hint::closest;
pub use limits::{InvalidQuantity, Quantity, Resources};
pub use order::{Cycle, start_order};
pub use parse::parse;
pub use places::{locate, locate_in};
pub use port::{HostPort, Port, Protocol};
pub use probe::{Check, ExecAction, HttpGet, HttpHeader, InvalidProbe, Probe, ProbePort, Scheme, TcpSocket};
pub use program::ProgramManifest;
pub use resource::{Resource, ResourceKind};
pub use restart::{Backoff, InvalidRestart, Restart, RestartPolicy, Retry};
pub use secret::{InvalidSecret, SECRET_TYPE_LABEL, Secret, SecretBytes, SecretType};
pub use security::{Capabilities, Files, Security, SystemCalls};
pub use service::{DEFAULT_GRACE_PERIOD, Device, EnvVar, ImagePullPolicy, PackageMode, Service, VolumeMount};
pub use signature::Signature;
pub use template::{TemplateError, fill_template};
pub use text::{
    AbsolutePath, AppName, CUT, CapabilityName, CpuList, DevicePolicy, EnvName, Hostname, InvalidText, Key, Md5,
    MountPath, Name, ServiceName, Sha256, SystemCallName, Url, VolumeName,
};
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use update::{InvalidUpdate, Strategy, Update};
pub use validate::{Fault, Invalid};
pub use volume::{EmptyDir, HostPath, HostPathType, InvalidVolume, Medium, Volume, VolumeSource};
pub use wording::reworded;
pub use yaml::{ParseError, read_yaml, utf8};
