//! Journeys with the real binary, real plugin files and real servers. One test binary, one module to a subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests, all of it"
)]

mod boundary;
mod chaos;
mod deployment;
mod fetching;
mod lasting;
mod packages;
mod proofs;
mod support;
