//! The book's word is kept: every proof that its tables name is a test, and every link leads somewhere.

use crate::support::build::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const COMPATIBILITY: &str = "docs/src/compatibility.md";
const FAULTS: &str = "docs/src/faults.md";

/// One row of a table: its number, its state, and the tests that it names.
#[derive(Debug, PartialEq)]
struct Row {
    number: usize,
    state: String,
    proofs: Vec<String>,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [number, _, state, proofs] = cells[..] else {
        return None;
    };
    Some(Row {
        number: number.trim().parse().ok()?,
        state: state.trim().to_owned(),
        proofs: proofs
            .split_whitespace()
            .map(|name| name.trim_matches('`').to_owned())
            .collect(),
    })
}

fn rows(path: &str) -> Vec<Row> {
    read(path).lines().filter_map(row).collect()
}

/// Whether a text defines a function of this name with an attribute that makes it a test.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let opens = format!("fn {name}(");
    let defined = lines.iter().position(|line| line.contains(&opens));
    defined.is_some_and(|at| {
        let above = lines[..at]
            .iter()
            .rev()
            .take_while(|line| !line.is_empty() && **line != "}");
        above
            .into_iter()
            .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// What is wrong with one proof, if anything.
fn broken(proof: &str) -> Option<String> {
    let Some((file, name)) = proof.split_once("::") else {
        return Some(format!("`{proof}` is not written FILE::TEST"));
    };
    let Ok(text) = std::fs::read_to_string(root().join(file)) else {
        return Some(format!("{proof}: there is no file {file}"));
    };
    (!is_test(&text, name)).then(|| format!("{proof}: {file} has no such test"))
}

fn faults_of(row: &Row, states: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = row.proofs.iter().filter_map(|proof| broken(proof)).collect();
    if !states.contains(&row.state.as_str()) {
        found.push(format!("state `{}` is none of {states:?}", row.state));
    }
    if ["yes", "partly"].contains(&row.state.as_str()) == row.proofs.is_empty() {
        found.push(format!("state `{}` with {} proofs", row.state, row.proofs.len()));
    }
    found
}

fn assert_table(path: &str, count: usize, states: &[&str]) {
    let rows = rows(path);
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(
        numbers,
        (1..=count).collect::<Vec<_>>(),
        "{path}: each row once, in order"
    );
    let wrong = rows.iter().flat_map(|row| {
        let faults = faults_of(row, states);
        faults
            .into_iter()
            .map(|fault| format!("{path} row {}: {fault}", row.number))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The texts that people read, relative to the root.
fn texts() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(PathBuf::from)
        .to_vec();
    for folder in ["docs/src", "plugins", "plugin-api/c", "tests/golden"] {
        gather(Path::new(folder), &mut found);
    }
    found
}

fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap().flatten() {
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            into.push(path);
        }
    }
}

/// The targets of links to files, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !is_code && !fence
    });
    let targets = prose.flat_map(|line| {
        line.split("](")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(')')?.0))
    });
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.map(|target| target.split('#').next().unwrap_or(target)).collect()
}

#[test]
fn every_row_of_the_compatibility_table_has_a_state_and_real_proofs() {
    assert_table(COMPATIBILITY, 250, &["yes", "partly", "no", "cloud"]);
}

#[test]
fn every_fault_has_a_state_and_real_proofs() {
    assert_table(FAULTS, 84, &["yes", "partly", "no"]);
}

#[test]
fn every_link_between_the_texts_leads_to_a_file() {
    let dead = texts().into_iter().flat_map(|path| {
        let text = read(&path.to_string_lossy());
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let dead = links(&text)
            .into_iter()
            .filter(|link| !root().join(&folder).join(link).exists());
        dead.map(|link| format!("{}: {link}", path.display()))
            .collect::<Vec<_>>()
    });
    let dead: Vec<String> = dead.collect();
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_page_of_the_book_stands_in_its_summary_once() {
    let summary = read("docs/src/SUMMARY.md");
    let listed = links(&summary);
    let once: BTreeSet<PathBuf> = listed.iter().map(|page| Path::new("docs/src").join(page)).collect();
    assert_eq!(once.len(), listed.len(), "{listed:?}");
    let mut pages = Vec::new();
    gather(Path::new("docs/src"), &mut pages);
    pages.retain(|page| !page.ends_with("SUMMARY.md"));
    assert_eq!(once, pages.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn a_proof_that_is_none_is_found_out() {
    let here = "tests/journeys/proofs.rs";
    assert_eq!(broken(&format!("{here}::a_proof_that_is_none_is_found_out")), None);
    for (proof, part) in [
        ("tests/journeys/proofs.rs", "not written"),
        ("tests/none.rs::a", "no file"),
        ("tests/journeys/proofs.rs::row", "no such test"),
        ("tests/journeys/proofs.rs::a_proof", "no such test"),
    ] {
        assert!(broken(proof).unwrap().contains(part), "{proof}");
    }
    let states = ["yes", "no"];
    let told = |line: &str| faults_of(&row(line).unwrap(), &states).join("; ");
    assert_eq!(told("| 1 | a | no |  |"), "");
    assert!(told("| 1 | a | yes |  |").contains("0 proofs"));
    assert!(told("| 1 | a | maybe |  |").contains("`maybe` is none of"));
    assert_eq!(row("| N | feature | state | proof |"), None);
    assert_eq!(links("a [b](c.md#d) [e](https://f)\n```\n[g](h.md)\n```\n"), ["c.md"]);
}
