//! Deployments through the whole of it: resources in, processes out.

mod alone;
mod crash;
mod packages;
mod plugins;
mod policies;
mod stopping;
mod survival;
pub(crate) mod texts;
mod verbs;
