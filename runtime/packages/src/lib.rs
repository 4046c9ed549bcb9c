//! The package store: bytes come in and are hashed while they arrive, archives are unpacked under a strict
//! policy, finished trees are published in one step and handed out as copies, and what nobody needs is removed.
//!
//! This room knows files and nothing else. It may **not** know the network, what a URL means, plugins,
//! applications, configurations or clocks. All calls block: an asynchronous caller puts them on a blocking thread.
//!
//! ```text
//! <root>/lock                   exclusive while a store is open; holds the owner's pid
//! <root>/new/<n>                a small file on its way to its name; emptied at open
//! <root>/ingest/<k>             what is here of a download that is not whole; k is the SHA-256 of its key
//! <root>/ingest/<k>.json        how many bytes of it are durable, their digest, and by what its place knows them
//! <root>/blobs/sha256/<d>       a whole verified file, read-only, named by its SHA-256
//! <root>/blobs/md5/<m>          the SHA-256 of the blob that was downloaded when this MD5 was expected
//! <root>/trees/.staging-*       a tree being built or removed; whatever is left of a crash is removed at open
//! <root>/trees/<id>             a whole tree, read-only; appears by one rename
//! <root>/sums/<id>              what lies at each path of that tree, files by their SHA-256; without it nobody trusts it
//! <root>/quarantine/<d>         what arrived whole and did not verify, named by the SHA-256 that it really has
//! <root>/quarantine/<d>.json    what was expected, what was found, and from where it came
//! ```
//!
//! The way through: [`Store::ingest`] → [`Ingest::finish`] → [`Blob`] → [`Store::stage`] → [`Staged::publish`] →
//! [`Tree`] → [`Store::checkout`]. Everything that is not finished removes itself when dropped, but for a download that
//! can go on later. Every step that changes the disk goes through one small trait, so that tests cut the power, kill the
//! process and let the disk fail at each of them (`faults`). An open store has made all its names durable.

mod assemble;
mod budget;
mod checkout;
mod clean;
mod compare;
mod digest;
mod disk;
mod download;
mod durable;
mod entry_path;
mod error;
mod file_sum;
mod identity;
mod ingest;
mod layout;
mod lease;
mod limits;
mod links;
mod list;
mod local;
mod lock;
mod md5_index;
mod parallel;
mod part;
mod publish;
mod published;
mod quarantine;
mod restore;
mod resume;
mod slot;
mod space;
mod stage;
mod store;
mod stored;
mod sums;
mod sweep;
mod taken;
mod twins;
mod unpack;
mod untar;
mod unzip;
mod unzstd;
mod verify;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod sandbox;

pub use clean::{Cleaned, KeptParts};
pub use compare::Difference;
pub use digest::{Digest, Md5};
pub use download::{Download, Expected, Validator};
pub use error::{Rule, StoreError};
pub use identity::Identity;
pub use ingest::Ingest;
pub use limits::Limits;
pub use list::Item;
pub use part::{Content, Part, TreeId};
pub use publish::Staged;
pub use published::Published;
pub use store::Store;
pub use stored::{Blob, Stored, Tree};
pub use unpack::{SNIFFED, Unpack, sniff};
