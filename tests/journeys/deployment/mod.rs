//! Deployments through the whole of it: resources in, processes out.

mod alone;
mod changes;
mod crash;
mod dependencies;
mod limits;
mod packages;
mod platforms;
mod plugins;
mod policies;
mod ports;
mod probes;
mod resolving;
mod security;
mod stopping;
mod survival;
pub(crate) mod texts;
mod updates;
mod verbs;
