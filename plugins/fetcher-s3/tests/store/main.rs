//! The plugin, through its boundary, against an object store of others: moto, which checks signatures with Amazon's own
//! library. `./test` installs it.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may, in its helpers too")]

mod moto;
mod objects;
mod trickle;
