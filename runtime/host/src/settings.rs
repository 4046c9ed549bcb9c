//! Where the host keeps things, and how patient it is.

use crate::lifecycle::Patience;
use std::path::PathBuf;
use std::time::Duration;

/// Where the host keeps things, and how patient it is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store of verified files and the records.
    pub folder: PathBuf,
    /// Folders with the plugins that came with the program.
    pub shipped: Vec<PathBuf>,
    /// The program that runs a plugin in a child process, and its first arguments.
    pub helper: (PathBuf, Vec<String>),
    /// Threads that poll plugins.
    pub workers: usize,
    /// Deadline of `create`.
    pub create: Duration,
    /// Deadline of `start` and `resume`.
    pub start: Duration,
    /// Deadline of `reload`.
    pub reload: Duration,
    /// Deadline of `drain`.
    pub drain: Duration,
    /// Time between two questions for an instance's health, and the deadline of each.
    pub health: Duration,
    /// Deadline of `stop`.
    pub stop: Duration,
    /// Deadline of every other call, unless its declaration leaves it open.
    pub call: Duration,
    /// How failures are dealt with.
    pub patience: Patience,
}

impl Settings {
    /// The defaults, in a folder.
    #[must_use]
    pub fn new(folder: PathBuf, helper: (PathBuf, Vec<String>)) -> Self {
        let seconds = Duration::from_secs;
        Self {
            folder,
            shipped: Vec::new(),
            helper,
            workers: 2,
            create: seconds(10),
            start: seconds(30),
            reload: seconds(10),
            drain: seconds(30),
            health: seconds(10),
            stop: seconds(5),
            call: seconds(30),
            patience: Patience::default(),
        }
    }
}
