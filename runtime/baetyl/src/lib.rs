//! Baetyl's formats turned into the model: the views of its cloud API, the stored form of its configurations, and the
//! `values` of its desire messages, as JSON or YAML.
//!
//! Known fields are checked strictly; any other is kept in the resource's `extra` and named in one warning. This room
//! is pure and may not know files, networks, plugins, nor our own YAML.

mod application;
mod configuration;
mod envelope;
mod error;
mod import;
mod platform;
mod secret;
mod store;
mod view;

pub use error::{ImportError, Problem, UnusedField, Warning};
pub use import::{Import, import, is_baetyl};
