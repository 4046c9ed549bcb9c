//! What the core costs: planning, deploying, restarting, updating, and memory, each beside its floor and, where there is
//! one, a peer.
//!
//! What is measured takes long enough for the machine to change meanwhile, so contenders take turns, round by round, and
//! the figures are medians. Most of it is black-box: the daemon with its plugins as they ship, and a program that tells
//! its own birth.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench; it fails where it stands and tells people what it measured"
)]

mod births;
mod boot;
mod deploy;
mod floor;
mod many;
mod planning;
mod program;
mod restart;
mod runit;
mod storm;
mod update;

use benches::Daemon;
use births::Births;
use program::Program;
use std::fs;

/// What every figure is measured with.
struct Bench {
    daemon: Daemon,
    program: Program,
    births: Births,
    /// Whether this is to measure, or to try once whether it works.
    full: bool,
    rounds: usize,
}

impl Bench {
    /// A size: this one to measure, a small one to try.
    fn size(&self, full: usize, small: usize) -> usize {
        if self.full { full } else { small }
    }
}

/// What measures one figure, and answers its table.
type Measure = fn(&Bench) -> String;

/// Figures by name: `cargo bench -p benches --bench core -- NAME...` measures these alone.
const FIGURES: [(&str, Measure); 7] = [
    ("planning", planning::measure),
    ("deploy", deploy::measure),
    ("many", many::measure),
    ("boot", boot::measure),
    ("storm", storm::measure),
    ("update", update::measure),
    ("restart", restart::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As Criterion tells measuring from trying once.
    let full = arguments.iter().any(|argument| argument == "--bench");
    let rounds = std::env::var("AEROLITH_CAMPAIGN_SIZE").map_or(5, |rounds| rounds.parse().unwrap());
    let bench = Bench {
        daemon: Daemon::build(&["arch-resolver", "engine-process", "fetcher-file"]),
        program: Program::compile(),
        births: Births::listen(),
        full,
        rounds: if full { rounds } else { 1 },
    };
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut text = String::new();
    for (name, measure) in FIGURES {
        if names.is_empty() || names.iter().any(|asked| *asked == name) {
            let told = measure(&bench);
            print!("{told}");
            text += &told;
        }
    }
    if let Some(path) = std::env::var_os("AEROLITH_CAMPAIGN_REPORT") {
        fs::write(path, text).unwrap();
    }
}
