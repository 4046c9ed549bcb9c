//! From an address to a published tree: B10 and B11. The plainest Rust that does it is the floor, shell lines are the
//! peers, and ours is the daemon with its plugins as they ship, from the apply to the event that tells of the tree.
//!
//! Each takes long enough for the machine to change meanwhile, so all take turns, round by round, and the figures are
//! medians; Criterion would measure one after the other.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench; it fails where it stands and tells people what it measured"
)]

mod floor;
mod input;
mod nginx;
mod node;
mod peer;
mod report;

use benches::{Daemon, Node, Place, Times};
use input::Input;
use nginx::Nginx;
use report::Compared;
use std::fs;

fn main() {
    // As Criterion tells measuring from trying once.
    let full = std::env::args().any(|argument| argument == "--bench");
    let rounds = std::env::var("AEROLITH_CAMPAIGN_SIZE").map_or(9, |rounds| rounds.parse().unwrap());
    let rounds = if full { rounds } else { 1 };
    let served = tempfile::tempdir_in("/dev/shm").unwrap();
    let inputs = input::all(served.path(), full);
    let Some(server) = Nginx::start(served.path()) else {
        return;
    };
    let daemon = Daemon::build(&["arch-resolver", "engine-process", "fetcher-http"]);
    let mut text = String::new();
    for place in [Place::memory(), Place::disk(env!("CARGO_TARGET_TMPDIR"))] {
        for input in &inputs {
            let compared = compare(&place, input, &server, &daemon, rounds);
            text += &compared.table(&format!("{}, on {}", input.name, place.name));
        }
    }
    for input in &inputs {
        let before = server.bytes();
        let (title, times) = (
            format!("{}, here already", input.name),
            again(input, &server, &daemon, rounds),
        );
        text += &times.table(&title);
        let fetched = server.bytes() - before;
        assert_eq!(fetched, input.bytes, "it is fetched once, and not again");
    }
    print!("{text}");
    if let Some(path) = std::env::var_os("AEROLITH_CAMPAIGN_REPORT") {
        fs::write(path, text).unwrap();
    }
}

/// All contenders in turn, each with a folder of its own.
fn compare(place: &Place, input: &Input, server: &Nginx, daemon: &Daemon, rounds: usize) -> Compared {
    let url = server.url(input);
    let mut compared = Compared::default();
    for _ in 0..rounds {
        let times = &mut compared.contenders;
        place.measure(times, "floor", |folder| floor::deploy(&url, input, folder));
        if place.lasting {
            place.measure(times, "floor, then `syncfs`", |folder| {
                floor::deploy(&url, input, folder);
                rustix::fs::syncfs(fs::File::open(folder).unwrap()).unwrap();
            });
        }
        for line in peer::LINES.iter().filter(|line| line.is_here()) {
            place.measure(times, line.name, |folder| line.deploy(&url, input, folder));
        }
        place.with_folder(|folder| {
            let node = Node::start(daemon, folder);
            let seen = node::deploy(&node, input, &url, 0);
            node::check(folder, input);
            times.add("ours", seen.published);
            for (name, took) in seen.stages() {
                compared.stages.add(name, took);
            }
            compared.peak = compared.peak.max(node.peak());
        });
    }
    compared
}

/// A package that is here already: applied again, and given to a new version of its service.
fn again(input: &Input, server: &Nginx, daemon: &Daemon, rounds: usize) -> Times {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let node = Node::start(daemon, folder.path());
    let (url, mut times) = (server.url(input), Times::default());
    node::deploy(&node, input, &url, 0);
    for round in 1..=rounds {
        let unchanged = node::apply_again(&node, input, &url, round - 1);
        times.add("the same again, until it is answered", unchanged);
        let seen = node::deploy(&node, input, &url, round);
        times.add("another environment, until it is prepared", seen.prepared);
        times.add("another environment, until the new instance runs", seen.started);
    }
    times
}
