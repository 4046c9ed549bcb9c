//! The engine on real processes, asked through the same dispatch that the core's calls take.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what is wrong by failing"
)]

mod commands;
mod faults;
mod handover;
mod leftovers;
mod lifecycle;
mod limits;
mod output;
mod recovery;
mod rig;
mod sandbox;
mod tree;
