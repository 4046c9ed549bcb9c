//! What is fuzzed: one function to a target, which takes any bytes and panics where a promise is broken. The fuzzer's
//! binaries in `fuzz/` call them, and so does the test here, with everything that lies in `fuzz/corpus/`.
#![allow(clippy::panic, clippy::expect_used, reason = "a broken promise is told by a panic")]

mod answers;
mod archives;
mod manifests;
mod names;
mod node;

/// Takes any bytes; panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target under the name of its corpus and of its binary.
pub const TARGETS: &[(&str, Target)] = &[
    ("program", manifests::program),
    ("manifest", manifests::manifest),
    ("baetyl", manifests::baetyl),
    ("names", names::names),
    ("zip", archives::zip),
    ("tar", archives::tar),
    ("answer", answers::answer),
    ("template", node::template),
    ("record", node::record),
    ("state", node::state),
];

/// Runs the target of this name. Panics when there is none.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("there is no target `{name}`")).1(data);
}
