//! Benches whose contenders take turns, each with its record in `docs/records`.

use crate::campaign::said;
use crate::footprint::cores;
use crate::{cargo, done, root};
use anyhow::{Context as _, Result};
use std::fs;

/// A bench that takes its rounds from outside and tells its figures as Markdown.
pub(crate) struct Measured {
    /// Its name, which is that of its record too.
    name: &'static str,
    title: &'static str,
    /// The rounds when nobody says how many.
    rounds: &'static str,
    /// What one must know to read the figures, and the bars.
    words: &'static str,
}

/// How packages come to a node.
pub(crate) const PACKAGES: Measured = Measured {
    name: "packages",
    title: "From an address to a published tree",
    rounds: "9",
    words: "nginx on loopback; contenders take turns.\n\n\
         The floor is the plainest Rust: SHA-256 while the bytes come, `zip` on every core, no policy, no store, no sync. Ours \
         is the daemon with its plugins as they ship, from the `apply` to the event that tells of the tree: durable, with \
         every file's sum on record. On a disk, compare it with the floor that is synced too.\n\n\
         Bars: B10 ≤ 150 ms for the many files on four cores, at most 1.15 of the floor, RSS ≤ 20 MB; B11 ≤ 5 ms and no byte \
         fetched, which the bench asserts.",
};

/// What planning, deploying, restarting and updating cost, and how much memory.
pub(crate) const CORE: Measured = Measured {
    name: "core",
    title: "What the core costs",
    rounds: "5",
    words: "contenders take turns.\n\n\
         Ours is the daemon with its plugins as they ship; what runs is a program in C that tells its own birth. The floor is \
         the same program spawned by a bare loop that keeps nothing, the peer is Debian's runit. The bars are for four \
         cores: scale them by the floor, where there is one.\n\n\
         | bar | to pass | to lead | Baetyl's master |\n|---|---|---|---|\n\
         | B3 memory per instance, with 1,000 | 25 kB | 10 kB | 112 kB |\n\
         | B4 start to the first answer | 60 ms | 25 ms | 25.9 ms |\n\
         | B5 100 and 1,000 instances up | 150, 2,000 ms | 70, 800 ms | 308 ms for 100 |\n\
         | B6 first restart after kill -9 | 20 ms | 4 ms | 1,003 ms |\n\
         | B7 100 that end at once: CPU; the good one back | 5 %, 50 ms | 1 %, 5 ms | 4.8 %, 3.0 s |\n\
         | B8 CPU with 1,000 at rest | 0.5 % | 0.0 % | – |\n\
         | B12 packages deployed | 20 in 400 ms | 100 in 500 ms | – |\n\
         | B13 update: longest time without an answer | 200 ms | 30 ms | 2.4 ms |",
};

impl Measured {
    /// Runs it in full and writes its record.
    pub(crate) fn run(&self, rounds: Option<&str>) -> Result<()> {
        let (name, rounds) = (self.name, rounds.unwrap_or(self.rounds));
        let _: usize = rounds
            .parse()
            .with_context(|| format!("rounds `{rounds}` is not a number"))?;
        let report = tempfile::NamedTempFile::new()?;
        let mut bench = cargo();
        bench
            .args(["bench", "--package", "benches", "--bench", name])
            .env("AEROLITH_CAMPAIGN_SIZE", rounds)
            .env("AEROLITH_CAMPAIGN_REPORT", report.path());
        done(&mut bench)?;
        let (date, revision) = (
            said("date", &["-u", "+%F"])?,
            said("git", &["describe", "--always", "--dirty"])?,
        );
        let (machine, cores) = (said("uname", &["-sm"])?, cores());
        let record = format!(
            "# {}\n\n`cargo xtask campaign {name} {rounds}` on {date}, revision {revision}, {machine}, {cores} cores; {}\n{}",
            self.title,
            self.words,
            fs::read_to_string(report.path())?
        );
        let folder = root().join("docs/records");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name).with_extension("md"), record)?;
        Ok(())
    }
}
