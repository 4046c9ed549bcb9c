//! The engine on real processes, asked through the same dispatch that the core's calls take.

mod commands;
mod faults;
mod handover;
mod lifecycle;
mod output;
mod recovery;
mod rig;
mod tree;
