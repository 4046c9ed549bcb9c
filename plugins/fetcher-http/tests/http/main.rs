//! The plugin, through its boundary, against real servers, well-behaved and not.
#![allow(clippy::unwrap_used, reason = "a test may, in its helpers too")]

mod plain;
mod redirects;
mod server;
mod tls;
