//! The project's own chores, so that every machine does them alike: `cargo xtask`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod artifacts;
mod campaign;
mod demo;
mod footprint;
mod fuzz;
mod measured;
mod plugins;
mod stages;
mod upgrade;

use anyhow::{Result, bail};
use campaign::{CHAOS, Campaign, KILL, POWER};
use measured::{CORE, PACKAGES};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

const HELP: &str = "\
cargo xtask COMMAND [--offline]

With --offline nothing is asked of a registry: whatever is missing of the dependencies is an error.

  test [STAGE...]      format, lint, test, docs: all that CI does, or the stages named
  demo                 build everything, run a node and deploy an application of two services
  campaign chaos [SIZE] [SEED]
                       SIZE (400) things happen to a node at random; record in docs/records/chaos.md
  campaign core [ROUNDS]
                       plan, deploy, restart, update and memory beside floor and peer in ROUNDS (5); record in
                       docs/records/core.md
  campaign footprint [STARTS]
                       disk, start and memory of an idle node, into docs/records/footprint.md
  campaign kill [SIZE] [SEED]
                       kill the daemon at SIZE (300) random points of deployments; record in docs/records/kill.md
  campaign power [SEEDS] [SEED]
                       cut the power at every step of the package store, with SEEDS (10) outcomes each, and fail its
                       disk there; record in docs/records/power.md
  campaign fuzz [SECONDS] [SEED]
                       fuzz every target of fuzz/ for SECONDS (60) with nightly; record in docs/records/fuzz.md
  campaign packages [ROUNDS]
                       fetch, verify, unpack beside floor and peers in ROUNDS (9); record in docs/records/packages.md
  schema               write docs/schema anew from the types
  campaign upgrade [REV]
                       build the daemon of REV (24b7df5) and take over from it; record in docs/records/upgrade.md
  plugins [--out DIR]  build every plugin for shipping, each alone, as lib<name>.so in DIR (default target/shipped)
  release [--out DIR]  the stripped binary with its plugins beside it, as they are installed (default target/dist)
";

/// Whether cargo may ask no registry, in whatever chore.
static OFFLINE: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let (offline, words): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word == "--offline");
    OFFLINE.store(!offline.is_empty(), Ordering::Relaxed);
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["test", stages @ ..] => stages::run(stages),
        ["demo"] => demo::run(),
        ["campaign", "chaos", numbers @ ..] if numbers.len() <= 2 => campaign(&CHAOS, numbers),
        ["campaign", "kill", numbers @ ..] if numbers.len() <= 2 => campaign(&KILL, numbers),
        ["campaign", "power", numbers @ ..] if numbers.len() <= 2 => campaign(&POWER, numbers),
        ["campaign", "fuzz"] => fuzz::run("60", None),
        ["campaign", "fuzz", seconds] => fuzz::run(seconds, None),
        ["campaign", "fuzz", seconds, seed] => fuzz::run(seconds, Some(seed)),
        ["campaign", "footprint"] => footprint::run(11),
        ["campaign", "footprint", starts] => footprint::run(starts.parse()?),
        ["campaign", "core", rounds @ ..] if rounds.len() <= 1 => CORE.run(rounds.first().copied()),
        ["campaign", "packages", rounds @ ..] if rounds.len() <= 1 => PACKAGES.run(rounds.first().copied()),
        ["schema"] => schema(),
        ["campaign", "upgrade"] => upgrade::run(upgrade::FIRST),
        ["campaign", "upgrade", revision] => upgrade::run(revision),
        ["plugins"] => plugins::ship(&root().join("target/shipped")).map(drop),
        ["plugins", "--out", folder] => plugins::ship(Path::new(folder)).map(drop),
        ["release"] => plugins::release(&root().join("target/dist")).map(drop),
        ["release", "--out", folder] => plugins::release(Path::new(folder)).map(drop),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no such chore: {}\n\n{HELP}", other.join(" ")),
    }
}

fn campaign(campaign: &Campaign, numbers: &[&str]) -> Result<()> {
    campaign.run(numbers.first().copied(), numbers.get(1).copied())
}

/// Has the test that compares the published schemas with the types write them.
fn schema() -> Result<()> {
    let test = ["test", "-p", "aerolith", "--bin", "aerolith", "published_schemas"];
    done(cargo().args(test).env("AEROLITH_WRITE_SCHEMAS", "1"))
}

/// The workspace's root.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A cargo command in the workspace.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    if OFFLINE.load(Ordering::Relaxed) {
        cargo.env("CARGO_NET_OFFLINE", "true");
    }
    cargo
}

/// Runs a command to its end.
fn done(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        bail!("{command:?} ended with {status}")
    }
}
