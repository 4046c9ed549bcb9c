//! `arch/1`: which objects of a package are for this machine, and why.

use serde::{Deserialize, Serialize};

/// What a machine calls itself (Baetyl's platform string, `os-arch[-variant]`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// Such as `linux-arm64-v8`.
    pub name: String,
    /// What else runs here, best first, the name itself included.
    pub chain: Vec<String>,
    /// From what it was told.
    pub reason: String,
}

/// The objects of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objects {
    /// In any order.
    pub objects: Vec<Object>,
    /// Resolve for this platform instead of the machine's own.
    pub platform: Option<String>,
}

/// One object, as far as its platform goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Object {
    /// The variable name, whose text names the platform.
    pub name: String,
    /// Said outright: a platform, or `any`.
    pub platform: Option<String>,
}

/// Which objects to take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// The platform of the chain for which the package has something.
    pub platform: String,
    /// Names of the objects to take, sorted.
    pub chosen: Vec<String>,
    /// One line for people: how it came to this.
    pub reason: String,
    /// The others, each with its reason.
    pub passed_over: Vec<PassedOver>,
}

/// An object that is not for this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassedOver {
    /// The variable name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

crate::capability! {
    "arch/1" stable
    /// Knows the machine's platform and chooses objects by it.
    pub trait ArchResolver {
        /// What this machine is.
        call platform() -> Platform;
        /// Which objects are for it. `NotFound` names the platform and every name offered.
        call resolve(Objects) -> Choice;
    }
}
