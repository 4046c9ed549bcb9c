//! Fuzzing: libFuzzer on every target of `fuzz/`, each for the same time, and its record.

use crate::campaign::{fresh_seed, said};
use crate::{done, root};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What has LLVM count which edges were taken and which values were compared, as cargo-fuzz has it.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// What came of one target.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    target: String,
    runs: String,
    edges: String,
    passed: bool,
}

/// Fuzzes each target for so many seconds and writes `docs/records/fuzz.md`, also when one fails. What breaks a target
/// lies in `fuzz/artifacts` then; what is found to cover more, in `fuzz/target/corpus`.
pub(crate) fn run(seconds: &str, seed: Option<&str>) -> Result<()> {
    let seed = seed.map_or_else(fresh_seed, |seed| Ok(seed.to_owned()))?;
    for (what, number) in [("seconds", seconds), ("seed", &seed)] {
        let _: u32 = number
            .parse()
            .with_context(|| format!("{what} `{number}` is not a number"))?;
    }
    let programs = build()?;
    let mut outcomes = Vec::new();
    for target in targets()? {
        outcomes.push(fuzz(&programs, &target, seconds, &seed)?);
    }
    let facts = [
        ("date", said("date", &["-u", "+%F"])?),
        ("revision", said("git", &["describe", "--always", "--dirty"])?),
        ("machine", said("uname", &["-sm"])?),
        ("seconds for each", seconds.to_owned()),
        ("seed", seed.clone()),
    ];
    let text = record(
        &format!("cargo xtask campaign fuzz {seconds} {seed}"),
        &facts,
        &outcomes,
    );
    fs::write(root().join("docs/records/fuzz.md"), text)?;
    match outcomes.iter().find(|outcome| !outcome.passed) {
        Some(Outcome { target, .. }) => bail!("`{target}` broke; see fuzz/artifacts"),
        None => Ok(()),
    }
}

/// The targets by their corpora.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the fuzzer's binaries with nightly; answers their folder. A target is named so that nothing that runs while
/// building is measured.
fn build() -> Result<std::path::PathBuf> {
    let version = said("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say for what it builds")?;
    let mut cargo = Command::new("rustup");
    cargo.args([
        "run",
        "nightly",
        "cargo",
        "build",
        "--release",
        "--bins",
        "--target",
        host,
    ]);
    cargo.current_dir(root().join("fuzz")).env("RUSTFLAGS", COVERAGE);
    for inherited in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        cargo.env_remove(inherited);
    }
    done(&mut cargo)?;
    Ok(root().join("fuzz/target").join(host).join("release"))
}

fn fuzz(programs: &Path, target: &str, seconds: &str, seed: &str) -> Result<Outcome> {
    let (found, broken) = (
        root().join("fuzz/target/corpus").join(target),
        root().join("fuzz/artifacts"),
    );
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&broken)?;
    let mut program = Command::new(programs.join(target));
    program.arg(found).arg(root().join("fuzz/corpus").join(target)).args([
        format!("-max_total_time={seconds}"),
        format!("-seed={seed}"),
        format!("-artifact_prefix={}/{target}-", broken.display()),
        "-max_len=8192".into(),
        "-timeout=10".into(),
        "-rss_limit_mb=1024".into(),
        "-print_final_stats=1".into(),
    ]);
    // The archives' targets write files: in memory, where there is such a place.
    if Path::new("/dev/shm").is_dir() {
        program.env("TMPDIR", "/dev/shm");
    }
    let output = program.output().with_context(|| format!("{target} did not start"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{told}");
    }
    let outcome = read(target, &told, output.status.success());
    println!("{target}: {} runs, {} edges", outcome.runs, outcome.edges);
    Ok(outcome)
}

/// Reads what libFuzzer tells.
fn read(target: &str, told: &str, passed: bool) -> Outcome {
    let after = |what: &str| {
        let word = told
            .rsplit_once(what)
            .and_then(|(_, rest)| rest.split_whitespace().next());
        word.unwrap_or("?").to_owned()
    };
    Outcome {
        target: target.to_owned(),
        runs: after("stat::number_of_executed_units:"),
        edges: after(" cov:"),
        passed,
    }
}

fn record(command: &str, facts: &[(&str, String)], outcomes: &[Outcome]) -> String {
    let mut text = format!("# Fuzzing\n\n`{command}`\n\n| | |\n|---|---|\n");
    for (name, value) in facts {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    text.push_str("\n| target | runs | edges covered | outcome |\n|---|---|---|---|\n");
    for outcome in outcomes {
        let passed = if outcome.passed { "held" } else { "BROKE" };
        text.push_str(&format!(
            "| {} | {} | {} | {passed} |\n",
            outcome.target, outcome.runs, outcome.edges
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_of_each_target_how_often_it_ran_and_whether_it_held() {
        let told = "#1 INITED cov: 12 ft: 3\n#99 DONE   cov: 345 ft: 6\nstat::number_of_executed_units: 99\n";
        let outcomes = [read("zip", told, true), read("tar", "it died", false)];
        let text = record("cargo xtask campaign fuzz 1 2", &[("seed", "2".into())], &outcomes);
        for line in [
            "`cargo xtask campaign fuzz 1 2`",
            "| seed | 2 |",
            "| zip | 99 | 345 | held |",
            "| tar | ? | ? | BROKE |",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(run("long", Some("1")).unwrap_err().to_string().contains("`long`"));
    }
}
