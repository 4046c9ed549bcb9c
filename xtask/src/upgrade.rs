//! Builds the daemon of an earlier commit, lets it run applications, and has today's take over. Writes
//! `docs/records/upgrade.md`.

use crate::artifacts::{executable, library};
use crate::campaign::said;
use crate::plugins::names;
use crate::{cargo, done, root};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The commit that closed issue 4: the first daemon whose data folder has another schema.
pub(crate) const FIRST: &str = "24b7df5";

const TEST: &str = "lasting::upgrade::todays_daemon_takes_over_from_an_earlier_one_and_restarts_nothing";

/// Takes over from the daemon of a revision.
pub(crate) fn run(revision: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("aerolith-upgrade-").tempdir()?;
    let (source, installed) = (folder.path().join("source"), folder.path().join("installed"));
    let commit = said("git", &["rev-parse", "--short", revision])?;
    let git = |words: &[&str]| done(Command::new("git").args(words).arg(&source).current_dir(root()));
    done(
        Command::new("git")
            .args(["worktree", "add", "--detach"])
            .args([&source, Path::new(revision)])
            .current_dir(root()),
    )?;
    let built = build(&source, &installed);
    git(&["worktree", "remove", "--force"])?;
    built?;
    let report = tempfile::NamedTempFile::new()?;
    let mut test = cargo();
    test.args([
        "test",
        "--package=journeys",
        "--test=journeys",
        "--",
        "--exact",
        TEST,
        "--ignored",
        "--nocapture",
    ])
    .env("AEROLITH_EARLIER", &installed)
    .env("AEROLITH_CAMPAIGN_REPORT", report.path());
    let outcome = done(&mut test);
    let told = fs::read_to_string(report.path())?;
    let lines = told.lines().filter_map(|line| line.split_once(": "));
    let rows: String = lines.map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    let found = match outcome {
        Ok(()) => {
            "passed: every process was kept and none doubled, secrets were sealed, an update and a deletion worked"
        }
        Err(_) => "FAILED",
    };
    let record = format!(
        "# Today's daemon takes over from an earlier one\n\n`cargo xtask campaign upgrade {commit}`\n\n\
         | | |\n|---|---|\n| date | {} |\n| from revision | {commit} |\n| to revision | {} |\n| machine | {} |\n\
         | outcome | {found} |\n{rows}",
        said("date", &["-u", "+%F"])?,
        said("git", &["describe", "--always", "--dirty"])?,
        said("uname", &["-sm"])?,
    );
    let folder = root().join("docs/records");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("upgrade.md"), record)?;
    outcome
}

/// Builds the daemon and its plugins from a folder, and puts them as they are installed.
fn build(source: &Path, installed: &Path) -> Result<()> {
    let plugins = installed.join("plugins");
    fs::create_dir_all(&plugins)?;
    let build = |words: &[&str]| {
        let mut build = cargo();
        build.current_dir(source).env("CARGO_TARGET_DIR", source.join("target"));
        build.args(words);
        build
    };
    fs::copy(
        executable(&mut build(&["build", "--package", "aerolith"]))?,
        installed.join("aerolith"),
    )?;
    for name in names(source)? {
        let built = library(&mut build(&["rustc", "--package", &name, "--crate-type", "cdylib"]))?;
        let file = built.file_name().context("a library has a name")?;
        fs::copy(&built, plugins.join(file))?;
    }
    Ok(())
}
