//! The plugin, through its boundary, against real servers, well-behaved and not.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may, in its helpers too")]

mod credentials;
mod hostile;
mod nginx;
mod plain;
mod proxies;
mod redirects;
mod server;
mod tls;
