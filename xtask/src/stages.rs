//! What CI does, stage by stage, each with its seconds.

use crate::{cargo, done};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Instant;

type Stage = (&'static str, fn() -> Result<()>);

const STAGES: &[Stage] = &[
    ("format", || done(cargo().args(["fmt", "--all", "--check"]))),
    ("lint", || {
        done(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("test", || done(cargo().args(["test", "--workspace", "--no-fail-fast"]))),
    ("benches", || {
        done(cargo().args(["test", "--package", "benches", "--benches"]))
    }),
    ("docs", || {
        done(
            cargo()
                .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    }),
    ("licences", licences),
];

/// Runs the stages named, or all; prints how long each took, also when one fails.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|(stage, _)| stage != *name)) {
        let known: Vec<&str> = STAGES.iter().map(|(stage, _)| *stage).collect();
        bail!("no stage `{unknown}`; there are: {}", known.join(", "));
    }
    let (mut table, mut failed) = (Vec::new(), Vec::new());
    for (name, stage) in STAGES
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name))
    {
        println!("== {name}");
        let began = Instant::now();
        let ended = stage();
        table.push(format!("{name:<10} {:>6.0} s", began.elapsed().as_secs_f64()));
        if let Err(error) = ended {
            eprintln!("{name}: {error:#}");
            failed.push(*name);
        }
    }
    println!("\n{}", table.join("\n"));
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed: {}", failed.join(", "))
    }
}

fn licences() -> Result<()> {
    let present = Command::new("cargo-deny")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !present {
        eprintln!("SKIPPED licences: cargo-deny is not installed (`cargo install cargo-deny`)");
        return Ok(());
    }
    done(cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}
