//! `engine/1` for native processes: creates, watches and ends one instance at a time.
//!
//! It may not know restart policy, back-off, order or probes, nor what an application is: those are the core's. An instance
//! is a process that leads a session of its own; its identity is pid, start time and boot, never a bare pid; and all that it
//! starts carries its mark in the environment and, where the host has control groups, lies in a group of its own.

mod cgroup;
mod confine;
mod engine;
mod environment;
mod error;
mod exec;
mod format;
mod instance;
mod launch;
mod logs;
mod plugin;
mod proc;
mod process;
mod program;
mod readable;
mod recover;
mod registry;
mod sandbox;
mod spawn;
mod step;
mod stop;
mod usage;
mod watch;

pub use plugin::{Config, ProcessEngine};

aerolith_plugin::export_plugin! {
    plugin: ProcessEngine,
    name: "engine-process",
    vendor: "Aerolith",
    provides: [engine],
    replace: handover,
    permissions: ["processes"],
    workers: 1,
}
