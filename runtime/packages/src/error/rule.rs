use std::io;

use super::escape;

/// The rule that a package breaks. Names in it are escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's message is its documentation")]
pub enum Rule {
    #[error("the name is empty or names the folder itself")]
    EmptyName,
    #[error("the name is not UTF-8")]
    NotUtf8,
    #[error("the name holds a NUL")]
    NulInName,
    #[error("the name holds a backslash")]
    Backslash,
    #[error("the path is absolute; it must be relative")]
    Absolute,
    #[error("the path begins with a drive letter")]
    Drive,
    #[error("the path climbs with `..`")]
    Climbs,
    #[error("a name has {found} bytes; file systems take 255")]
    NameTooLong { found: usize },
    #[error("the path has {found} bytes, the limit is {limit}")]
    PathTooLong { found: usize, limit: usize },
    #[error("the path is {found} names deep, the limit is {limit}")]
    TooDeep { found: usize, limit: usize },
    #[error("a tree may hold {limit} entries, this is one more")]
    TooManyEntries { limit: u64 },
    #[error("the file goes beyond the {limit} bytes a file may have")]
    FileTooLarge { limit: u64 },
    #[error("the tree goes beyond the {limit} bytes it may have")]
    TreeTooLarge { limit: u64 },
    #[error("the archive unpacks to more than {allowance} bytes, {ratio} times its size: a bomb")]
    RatioTooHigh { allowance: u64, ratio: u64 },
    #[error("`{other}` brings the same file with other bytes")]
    OtherBytes { other: String },
    #[error("`{other}` brings the same name as {was}, this is {is}")]
    OtherKind {
        other: String,
        was: &'static str,
        is: &'static str,
    },
    #[error("the path leads through `{through}`, which `{other}` brings as {was}")]
    Through {
        through: String,
        other: String,
        was: &'static str,
    },
    #[error("two parts have this name; names must be unique in a package")]
    DuplicatePart,
    #[error("the link to `{target}` leads out of the package")]
    LinkEscapes { target: String },
    #[error("the link to `{target}` never arrives")]
    LinkLoop { target: String },
    #[error("the hard link's target `{target}` is no file that came before it in the same archive")]
    HardLinkTarget { target: String },
    #[error("it is {kind}; only files, folders and links are unpacked")]
    Special { kind: &'static str },
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is declared {declared} but its content is {found}; it begins with \"{head}\"")]
    WrongKind {
        declared: &'static str,
        found: &'static str,
        head: String,
    },
    #[error("the archive cannot be read as {declared}: {detail}; it begins with \"{head}\"")]
    Unreadable {
        declared: &'static str,
        detail: String,
        head: String,
    },
    #[error("the content is broken: {detail}")]
    Broken { detail: String },
    #[error("the header says {declared} bytes, there are {found}")]
    LyingSize { declared: u64, found: u64 },
    #[error("bytes follow after the archive's end")]
    TrailingBytes,
    #[error("the archive ends before its end mark")]
    NoEndMark,
    #[error("headers go beyond {limit} bytes between two entries")]
    HeadersTooLarge { limit: u64 },
    #[error("there is no such file")]
    Missing,
    #[error("it is {kind}, a file is needed")]
    NotAFile { kind: &'static str },
    #[error("its local header and the directory disagree about the {field}: {local} there, {directory} here")]
    Conflict {
        field: &'static str,
        local: String,
        directory: String,
    },
    #[error("bytes {from} to {to} belong to no entry of the archive's directory")]
    Unlisted { from: u64, to: u64 },
    #[error("a local entry at byte {at} is missing from the archive's directory")]
    Ghost { at: u64 },
    #[error("{count} bytes stand before the archive's first entry; a package has nothing there")]
    LeadingBytes { count: u64 },
    #[error("its bytes overlap those of `{other}`")]
    Overlap { other: String },
    #[error("the archive's directory names it twice")]
    NamedTwice,
    #[error("records of a second archive lie at byte {at}, in the comment")]
    SecondArchive { at: u64 },
    #[error("the archive's end says {declared} for the {what} of its directory, found {found}")]
    LyingDirectory {
        what: &'static str,
        declared: u64,
        found: u64,
    },
    #[error("its compression method {method} is not supported: stored (0) and deflated (8) are")]
    Method { method: u16 },
    #[error("it has two names, `{one}` and `{other}`")]
    TwoNames { one: String, other: String },
    #[error("it is a sparse file; pack it again without holes")]
    Sparse,
    #[error("it wants a window of more than {limit} bytes; compress it without `--long` and `--ultra`")]
    WindowTooLarge { limit: u64 },
    #[error("there is no tar archive in the {outer}: its content begins with \"{head}\"")]
    NoTarInside { outer: &'static str, head: String },
    #[error("`{other}` is the same name where case and the form of Unicode do not count")]
    Twin { other: String },
    #[error("`{other}` brings it too, and exactly one part may")]
    BroughtTwice { other: String },
}

impl Rule {
    /// What made the reading of a content fail: the rule that a reader of ours put into the error, or that the content
    /// is broken.
    pub(crate) fn behind(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Rule::Broken {
            detail: escape(&error.to_string()),
        })
    }
}
