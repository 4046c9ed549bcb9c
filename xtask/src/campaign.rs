//! Long campaigns, each with its record in `docs/records`.

use crate::{cargo, done, root};
use anyhow::{Context as _, Result};
use std::fs;
use std::process::Command;
use std::time::Instant;

/// Kills when nobody says how many.
const KILLS: &str = "300";
/// The journey that does it.
const KILL: &str = "deployment::crash::a_daemon_killed_anywhere_in_a_deployment_ends_up_with_each_service_running_once";

/// Kills the daemon at random points of a deployment, and writes `docs/records/kill.md`, also when it fails.
pub(crate) fn kill(size: Option<&str>, seed: Option<&str>) -> Result<()> {
    let (size, seed) = (
        size.unwrap_or(KILLS),
        seed.map_or_else(fresh_seed, |seed| Ok(seed.to_owned()))?,
    );
    for (what, number) in [("size", size), ("seed", &seed)] {
        let _: u64 = number
            .parse()
            .with_context(|| format!("{what} `{number}` is not a number"))?;
    }
    let report = tempfile::NamedTempFile::new()?;
    let mut test = cargo();
    test.args([
        "test",
        "--package",
        "journeys",
        "--test",
        "journeys",
        "--",
        "--exact",
        KILL,
        "--nocapture",
    ])
    .env("AEROLITH_CAMPAIGN_SIZE", size)
    .env("AEROLITH_SEED", &seed)
    .env("AEROLITH_CAMPAIGN_REPORT", report.path());
    let began = Instant::now();
    let outcome = done(&mut test);
    let told = fs::read_to_string(report.path())?;
    let facts = Facts {
        date: said("date", &["-u", "+%F"])?,
        revision: said("git", &["describe", "--always", "--dirty"])?,
        machine: said("uname", &["-sm"])?,
        minutes: began.elapsed().as_secs_f64() / 60.0,
    };
    let folder = root().join("docs/records");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join("kill.md"),
        record(&facts, (size, &seed), outcome.is_ok(), &told),
    )?;
    outcome
}

struct Facts {
    date: String,
    revision: String,
    machine: String,
    minutes: f64,
}

fn record(facts: &Facts, (size, seed): (&str, &str), passed: bool, told: &str) -> String {
    let outcome = if passed {
        "passed: after every kill each service ran exactly once, what already ran kept its process, nothing was half made"
    } else {
        "FAILED"
    };
    let mut text = format!(
        "# The daemon killed at random points of a deployment\n\n`cargo xtask campaign kill {size} {seed}`\n\n\
         | | |\n|---|---|\n| date | {} |\n| revision | {} |\n| machine | {} |\n| rounds | {size} |\n| seed | {seed} |\n\
         | outcome | {outcome} |\n| duration | {:.1} min |\n",
        facts.date, facts.revision, facts.machine, facts.minutes
    );
    let lines = told.lines().filter_map(|line| line.split_once(": "));
    for (name, value) in lines.filter(|(name, _)| !matches!(*name, "size" | "seed")) {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    text
}

/// A seed that nobody has given: the time.
pub(crate) fn fresh_seed() -> Result<String> {
    said("date", &["+%s"])
}

/// What a command says, on one line.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.with_context(|| format!("{program} did not start"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_what_is_needed_to_run_it_again() {
        let facts = Facts {
            date: "2026-01-02".into(),
            revision: "abc".into(),
            machine: "Linux".into(),
            minutes: 1.26,
        };
        let text = record(&facts, ("9", "7"), true, "size: 9\nseed: 7\nkills: 11\n");
        for part in [
            "campaign kill 9 7`",
            "| outcome | passed",
            "| duration | 1.3 min |",
            "| kills | 11 |",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(record(&facts, ("9", "7"), false, "").contains("| outcome | FAILED |"));
        assert!(
            kill(Some("many"), Some("7"))
                .unwrap_err()
                .to_string()
                .contains("`many`")
        );
    }
}
