//! Long campaigns, each with its record in `docs/records`.

use crate::{cargo, done, root};
use anyhow::{Context as _, Result};
use std::fs;
use std::process::Command;
use std::time::Instant;

/// A test that takes its size and its seed from outside and tells what it did.
pub(crate) struct Campaign {
    /// Its name, which is that of its record too.
    name: &'static str,
    title: &'static str,
    /// The tests, as cargo is asked for them.
    tests: &'static [&'static str],
    /// What the size counts, and how many there are when nobody says how many.
    counts: (&'static str, &'static str),
    /// What it means that nothing failed.
    passed: &'static str,
}

/// Kills the daemon at random points of a deployment.
pub(crate) const KILL: Campaign = Campaign {
    name: "kill",
    title: "The daemon killed at random points of a deployment",
    tests: &[
        "--package=journeys",
        "--test=journeys",
        "--",
        "--exact",
        "deployment::crash::a_daemon_killed_anywhere_in_a_deployment_ends_up_with_each_service_running_once",
    ],
    counts: ("rounds", "300"),
    passed: "after every kill each service ran exactly once, what already ran kept its process, nothing was half made",
};

/// Lets whatever may happen to a node happen at random.
pub(crate) const CHAOS: Campaign = Campaign {
    name: "chaos",
    title: "Whatever happens to a node, at random",
    tests: &[
        "--package=journeys",
        "--test=journeys",
        "--",
        "--exact",
        "chaos::whatever_happens_what_runs_becomes_what_is_desired_and_nothing_else_is_left",
    ],
    counts: ("steps", "400"),
    passed: "at every look what ran was what was desired, with nothing doubled, orphaned or left over",
};

/// Fails the store's disk at every step, by power cuts above all.
pub(crate) const POWER: Campaign = Campaign {
    name: "power",
    title: "Power cuts and disk faults at every step of the package store",
    tests: &[
        "--package=aerolith-packages",
        "--lib",
        "--",
        "faults::power",
        "faults::failing",
    ],
    counts: ("seeds for each step", "10"),
    passed: "what was promised was there, what was there was whole, nothing was left over, all could be done again",
};

impl Campaign {
    /// Runs it and writes its record to `docs/records`, also when it fails.
    pub(crate) fn run(&self, size: Option<&str>, seed: Option<&str>) -> Result<()> {
        let (size, seed) = (
            size.unwrap_or(self.counts.1),
            seed.map_or_else(fresh_seed, |seed| Ok(seed.to_owned()))?,
        );
        for (what, number) in [("size", size), ("seed", &seed)] {
            let _: u64 = number
                .parse()
                .with_context(|| format!("{what} `{number}` is not a number"))?;
        }
        let report = tempfile::NamedTempFile::new()?;
        let mut test = cargo();
        test.arg("test").args(self.tests).arg("--nocapture");
        test.env("AEROLITH_CAMPAIGN_SIZE", size)
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
            folder.join(self.name).with_extension("md"),
            self.record(&facts, (size, &seed), outcome.is_ok(), &told),
        )?;
        outcome
    }

    fn record(&self, facts: &Facts, (size, seed): (&str, &str), passed: bool, told: &str) -> String {
        let outcome = match passed {
            true => format!("passed: {}", self.passed),
            false => "FAILED".to_owned(),
        };
        let mut text = format!(
            "# {}\n\n`cargo xtask campaign {} {size} {seed}`\n\n\
             | | |\n|---|---|\n| date | {} |\n| revision | {} |\n| machine | {} |\n| {} | {size} |\n| seed | {seed} |\n\
             | outcome | {outcome} |\n| duration | {:.1} min |\n",
            self.title, self.name, facts.date, facts.revision, facts.machine, self.counts.0, facts.minutes
        );
        let lines = told.lines().filter_map(|line| line.split_once(": "));
        for (name, value) in lines.filter(|(name, _)| !matches!(*name, "size" | "seed")) {
            text.push_str(&format!("| {name} | {value} |\n"));
        }
        text
    }
}

struct Facts {
    date: String,
    revision: String,
    machine: String,
    minutes: f64,
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
        let text = KILL.record(&facts, ("9", "7"), true, "size: 9\nseed: 7\nkills: 11\n");
        for part in [
            "campaign kill 9 7`",
            "| outcome | passed",
            "| duration | 1.3 min |",
            "| kills | 11 |",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            KILL.record(&facts, ("9", "7"), false, "")
                .contains("| outcome | FAILED |")
        );
        assert!(
            KILL.run(Some("many"), Some("7"))
                .unwrap_err()
                .to_string()
                .contains("`many`")
        );
    }
}
