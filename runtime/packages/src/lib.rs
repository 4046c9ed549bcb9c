//! The package store: bytes come in and are hashed while they arrive, archives are unpacked under a strict
//! policy, finished trees are published in one step and handed out as copies, and what nobody needs is removed.
//!
//! This room knows files and nothing else. It may **not** know the network, what a URL means, plugins,
//! applications, configurations or clocks. All calls block: an asynchronous caller puts them on a blocking thread.
//!
//! ```text
//! <root>/lock              exclusive while a store is open; holds the owner's pid
//! <root>/ingest/<n>        a download under way; whatever is left of a crash is removed at open
//! <root>/blobs/sha256/<d>  a whole verified file, read-only, named by its SHA-256
//! <root>/trees/.staging-*  a tree being built or removed; whatever is left of a crash is removed at open
//! <root>/trees/<id>        a whole tree, read-only; appears by one rename
//! ```
//!
//! The way through: [`Store::ingest`] → [`Ingest::finish`] → [`Blob`] → [`Store::stage`] → [`Staged::publish`] →
//! [`Tree`] → [`Store::checkout`]. Everything that is not finished removes itself when dropped.

mod assemble;
mod budget;
mod checkout;
mod clean;
mod digest;
mod durable;
mod entry_path;
mod error;
mod ingest;
mod lease;
mod limits;
mod links;
mod part;
mod publish;
mod slot;
mod stage;
mod store;
mod twins;
mod unpack;
mod untar;
mod unzip;
mod unzstd;

#[cfg(test)]
mod sandbox;

pub use clean::Cleaned;
pub use digest::{Digest, Md5};
pub use error::{Rule, StoreError};
pub use ingest::{Expected, Ingest};
pub use limits::Limits;
pub use part::{Content, Part, TreeId};
pub use publish::Staged;
pub use store::{Blob, Store, Stored, Tree};
pub use unpack::Unpack;
