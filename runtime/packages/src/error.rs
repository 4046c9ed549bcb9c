mod rule;

use std::io;
use std::path::{Path, PathBuf};

pub use self::rule::Rule;
use crate::{Digest, TreeId};

/// What went wrong in the store. The message names the subject, what was expected, what was found and, where the
/// caller can do something, what. Text taken from archives and downloads is escaped. After an error nothing
/// half-done is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process, or this one, has the store open.
    #[error("the store {} is in use by {holder}; stop that one first", root.display())]
    Locked {
        /// The store's root.
        root: PathBuf,
        /// `process <pid>` as the holder noted it.
        holder: String,
    },
    /// Text that is no digest.
    #[error("`{text}` is no {kind}: expected {digits} hex digits")]
    BadDigest {
        /// `sha256` or `md5`.
        kind: &'static str,
        /// Hex digits of this kind.
        digits: usize,
        /// The text, escaped.
        text: String,
    },
    /// Text that cannot name a tree.
    #[error("`{text}` cannot name a tree: expected 1 to 128 of a-z 0-9 - _ . and no dot in front")]
    BadTreeId {
        /// The text, escaped.
        text: String,
    },
    /// An `unpack` text nobody knows.
    #[error("unpack `{text}` is unknown: expected nothing, `zip`, `tar`, `tgz`, `tar.gz`, `tar.zst`, `tzst` or `auto`")]
    UnknownUnpack {
        /// The text, escaped.
        text: String,
    },
    /// A download that is not what was promised.
    #[error("{what} mismatch: expected {expected}, found {found}; the {size} bytes received begin with \"{head}\"")]
    Mismatch {
        /// `sha256`, `md5` or `size`.
        what: &'static str,
        /// As declared.
        expected: String,
        /// As received.
        found: String,
        /// Bytes received.
        size: u64,
        /// The first 64 bytes, escaped: a login page shows itself here.
        head: String,
    },
    /// A download that says beforehand that it is more than the store takes.
    #[error("a download of {declared} bytes is declared, the store takes {limit}; raise its limit or make it smaller")]
    DeclaredTooLarge {
        /// Bytes declared.
        declared: u64,
        /// The store's limit in bytes.
        limit: u64,
    },
    /// A download that goes on beyond what it may.
    #[error("more than {allowed} bytes arrived, which is {which}; the bytes begin with \"{head}\"")]
    TooLarge {
        /// Bytes allowed.
        allowed: u64,
        /// Whose figure that is: the declared size or the store's limit.
        which: &'static str,
        /// The first 64 bytes, escaped.
        head: String,
    },
    /// A place that announces another size than is declared.
    #[error("{announced} bytes are announced, {declared} are declared; correct the declaration or the place")]
    OtherSize {
        /// Bytes announced by the place.
        announced: u64,
        /// Bytes declared.
        declared: u64,
    },
    /// A place whose bytes are not those any more of which a part is here.
    #[error("the place has other bytes than the {taken} that are here; begin again")]
    Changed {
        /// Bytes taken before.
        taken: u64,
    },
    /// Two downloads under one key at a time.
    #[error("{source_text} is being downloaded already; wait for that download")]
    Busy {
        /// From where, as the caller named it.
        source_text: String,
    },
    /// Too little space for what is to come.
    #[error("{needed} bytes are needed and {free} are free in {}; free some space there or move the store", place.display())]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// The folder that is to take them.
        place: PathBuf,
    },
    /// A download that is finished although a piece of it was refused before.
    #[error("a piece was refused after {size} bytes, so the download is not whole; begin it again")]
    Incomplete {
        /// Bytes taken before.
        size: u64,
    },
    /// A stored blob whose bytes no longer have its digest. It has been removed.
    #[error("the stored blob {expected} has rotten: its bytes now have sha256 {found}; it is removed, fetch it again")]
    Rotten {
        /// The blob's name.
        expected: Digest,
        /// What its bytes have.
        found: Digest,
    },
    /// A stored tree that is not any more what was published. It has been removed.
    #[error("the stored tree {tree} was changed: `{path}` {how}; it is removed, build it again")]
    RottenTree {
        /// The tree.
        tree: TreeId,
        /// The path in it, escaped.
        path: String,
        /// What is wrong with it.
        how: &'static str,
    },
    /// A blob or a tree that was removed from the store by hand.
    #[error("the store has no {0}")]
    Gone(String),
    /// A part breaks a rule; the whole tree is refused.
    #[error("package object `{part}`{}: {rule}", in_entry(entry))]
    Refused {
        /// The variable name of the object or plain entry, escaped.
        part: String,
        /// The entry inside the archive, escaped; empty when the archive as a whole is meant.
        entry: String,
        /// The rule.
        rule: Rule,
    },
    /// A path asked for in a staged tree that cannot be used.
    #[error("`{path}` in the package: {rule}")]
    Entry {
        /// The path as asked for, escaped.
        path: String,
        /// The rule.
        rule: Rule,
    },
    /// A place that must be free for a checkout and is not.
    #[error("cannot check out tree {tree} to {}: the place is taken", dest.display())]
    Taken {
        /// The tree.
        tree: TreeId,
        /// Where it should have gone.
        dest: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn bad_digest(kind: &'static str, digits: usize, text: &str) -> Self {
        StoreError::BadDigest {
            kind,
            digits,
            text: escape(text),
        }
    }

    pub(crate) fn entry(path: &str, rule: Rule) -> Self {
        StoreError::Entry {
            path: escape(path),
            rule,
        }
    }

    /// Whether it is the store's own disk that refuses: full, read-only or broken.
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, StoreError::Io { .. } | StoreError::NoSpace { .. })
    }

    /// Whether the content is at fault: it breaks a rule, or is not what was promised.
    pub fn is_of_the_content(&self) -> bool {
        match self {
            StoreError::Mismatch { .. }
            | StoreError::TooLarge { .. }
            | StoreError::DeclaredTooLarge { .. }
            | StoreError::OtherSize { .. } => true,
            error => error.rule().is_some(),
        }
    }

    /// The broken rule, where a package broke one.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            StoreError::Refused { rule, .. } | StoreError::Entry { rule, .. } => Some(rule),
            _ => None,
        }
    }
}

/// Where in a package something is read from: the part's name and the entry's, for the errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) part: &'a str,
    pub(crate) entry: &'a str,
}

impl<'a> At<'a> {
    pub(crate) fn part(part: &'a str) -> Self {
        At { part, entry: "" }
    }

    pub(crate) fn entry(self, entry: &'a str) -> Self {
        At { entry, ..self }
    }

    pub(crate) fn refuse(self, rule: Rule) -> StoreError {
        StoreError::Refused {
            part: escape(self.part),
            entry: escape(self.entry),
            rule,
        }
    }
}

/// Adds what was tried and where to an I/O error.
pub(crate) trait OnPath<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T, E: Into<io::Error>> OnPath<T> for Result<T, E> {
    fn on(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::Io {
            action,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}

/// Foreign text made fit for a log line, and short enough for one.
pub(crate) fn escape(text: &str) -> String {
    const MOST: usize = 200;
    let mut shown: String = text.escape_debug().take(MOST).collect();
    if shown.len() >= MOST && text.escape_debug().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

/// How a content begins, escaped: 64 bytes of a text, such as a login page, and 8 of anything else.
pub(crate) fn head(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(64)];
    let is_odd = |byte: &&u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    let is_text = bytes.iter().filter(is_odd).count() * 8 <= bytes.len();
    let shown = if is_text { 64 } else { 8 };
    bytes[..bytes.len().min(shown)].escape_ascii().to_string()
}

fn in_entry(entry: &str) -> String {
    if entry.is_empty() {
        String::new()
    } else {
        format!(", entry `{entry}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_archive_the_entry_and_the_rule() {
        let error = At::part("app.zip").entry("../x").refuse(Rule::Climbs);
        assert_eq!(
            error.to_string(),
            "package object `app.zip`, entry `../x`: the path climbs with `..`"
        );
        let error = At::part("app.zip").refuse(Rule::Encrypted);
        assert_eq!(error.to_string(), "package object `app.zip`: it is encrypted");
    }

    #[test]
    fn foreign_names_reach_a_message_escaped_and_cut() {
        let error = At::part("a").entry("x\n\u{1b}[31m").refuse(Rule::Climbs).to_string();
        assert!(error.contains(r"x\n\u{1b}[31m") && !error.contains('\n'), "{error}");
        assert_eq!(escape(&"a".repeat(200)).chars().count(), 200);
        assert_eq!(escape(&"a".repeat(5000)), format!("{}…", "a".repeat(200)));
    }
}
