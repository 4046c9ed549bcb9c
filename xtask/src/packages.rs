//! Measures how packages come to a node beside its floor and its peers, and writes `docs/records/packages.md`.

use crate::campaign::said;
use crate::footprint::cores;
use crate::{cargo, done, root};
use anyhow::{Context as _, Result};
use std::fs;

/// Runs the bench in full, with so many rounds.
pub(crate) fn run(rounds: &str) -> Result<()> {
    let _: usize = rounds
        .parse()
        .with_context(|| format!("rounds `{rounds}` is not a number"))?;
    let report = tempfile::NamedTempFile::new()?;
    let mut bench = cargo();
    bench
        .args(["bench", "--package", "benches", "--bench", "packages"])
        .env("AEROLITH_CAMPAIGN_SIZE", rounds)
        .env("AEROLITH_CAMPAIGN_REPORT", report.path());
    done(&mut bench)?;
    let (date, revision) = (
        said("date", &["-u", "+%F"])?,
        said("git", &["describe", "--always", "--dirty"])?,
    );
    let (machine, cores) = (said("uname", &["-sm"])?, cores());
    let record = format!(
        "# From an address to a published tree\n\n\
         `cargo xtask campaign packages {rounds}` on {date}, revision {revision}, {machine}, {cores} cores. nginx on loopback; \
         contenders take turns.\n\n\
         The floor is the plainest Rust: SHA-256 while the bytes come, `zip` on every core, no policy, no store, no sync. Ours \
         is the daemon with its plugins as they ship, from the `apply` to the event that tells of the tree: durable, with \
         every file's sum on record. On a disk, compare it with the floor that is synced too.\n\n\
         Bars: B10 ≤ 150 ms for the many files on four cores, at most 1.15 of the floor, RSS ≤ 20 MB; B11 ≤ 5 ms and no byte \
         fetched, which the bench asserts.\n{}",
        fs::read_to_string(report.path())?
    );
    let folder = root().join("docs/records");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("packages.md"), record)?;
    Ok(())
}
