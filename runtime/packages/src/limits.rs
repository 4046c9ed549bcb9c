/// What one download and one tree may cost. Every figure is enforced against the bytes that really arrive or are
/// really written; what a header claims is never trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one download. Default 4 GiB.
    pub max_download: u64,
    /// Bytes of all files of one tree together. Default 16 GiB.
    pub max_unpacked_total: u64,
    /// Bytes of one file of a tree. Default 4 GiB.
    pub max_file: u64,
    /// Files, folders and links of one tree, folders that are only implied included. Default 200 000.
    pub max_entries: u64,
    /// Bytes that one byte of an archive may become. Default 1000, about the most that deflate can reach honestly.
    pub max_ratio: u64,
    /// Bytes an archive may always unpack to, whatever its ratio, so that small compressible files pass.
    /// Default 64 MiB.
    pub ratio_floor: u64,
    /// Names in one path. Default 64.
    pub max_depth: usize,
    /// Bytes of one path inside a tree. Default 1024, which leaves room below Linux's 4096 for where the tree lies.
    pub max_path: usize,
    /// Downloads that did not verify and are kept in quarantine. Default 8.
    pub quarantine_files: usize,
    /// Bytes of all of them together. Default 256 MiB.
    pub quarantine_bytes: u64,
    /// Whether two paths that differ only in case or in the form of Unicode are refused, because the tree lies where
    /// they would be one file. Default: on macOS and Windows only; elsewhere both are unpacked.
    pub refuse_twins: bool,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Limits {
            max_download: 4 * GIB,
            max_unpacked_total: 16 * GIB,
            max_file: 4 * GIB,
            max_entries: 200_000,
            max_ratio: 1000,
            ratio_floor: 64 << 20,
            max_depth: 64,
            max_path: 1024,
            quarantine_files: 8,
            quarantine_bytes: 256 << 20,
            refuse_twins: cfg!(any(target_os = "macos", windows)),
        }
    }
}
