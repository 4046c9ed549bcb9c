//! `function/1`: loads functions and invokes them. Not yet proven by a plugin.

use serde::{Deserialize, Serialize};

/// A function to load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// By this name it is invoked.
    pub name: String,
    /// `module.function`, as in Baetyl.
    pub handler: String,
    /// Absolute path of the code.
    pub directory: String,
}

/// A function by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Name {
    /// As in [`Load`].
    pub name: String,
}

crate::capability! {
    "function/1" unstable
    /// Runs functions of one language.
    pub trait FunctionRuntime {
        /// Loads a function.
        open load(Load);
        /// Invokes one: a [`crate::frame::Frame`] whose topic is the function's name in, the result's bytes out.
        open invoke(raw) -> raw;
        /// Forgets a function.
        call unload(Name);
    }
}
