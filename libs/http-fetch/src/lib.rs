//! Moves bytes over HTTP for the fetchers: one way to ask, to go on, to be led elsewhere and to give up. It knows nothing
//! of digests, archives, retries, the store, or of what lies behind an address.
//!
//! What is asked ([`ask`]), what an answer means ([`answer`]), where a redirect may lead ([`hop`]), which addresses belong
//! to the machine's own link ([`link`]), how slow is too slow ([`pace`]) and what of an address may be shown ([`address`])
//! is pure; only [`Exchange`] talks to servers.

pub mod address;
pub mod answer;
pub mod ask;
mod clients;
pub mod config;
pub mod credentials;
mod exchange;
pub mod hop;
pub mod link;
pub mod pace;
mod tls;
mod transport;

pub use config::Config;
pub use exchange::{Exchange, Explain};
