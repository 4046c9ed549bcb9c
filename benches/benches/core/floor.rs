//! The floor: the same program, started by a bare loop that keeps nothing and knows nothing.

use crate::births::Births;
use crate::program::Program;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Programs that end with this.
pub(crate) struct Bare(Vec<Child>);

pub(crate) fn command(program: &Program, births: &Births, name: &str) -> Command {
    let mut command = Command::new(program.path());
    command
        .env_clear()
        .env("NAME", name)
        .env("BIRTHS", births.path())
        .stdin(Stdio::null());
    command
}

/// Starts so many and waits until all are born.
pub(crate) fn start(program: &Program, births: &Births, count: usize) -> (Bare, Duration) {
    let begun = Instant::now();
    let started = (0..count).map(|number| command(program, births, &number.to_string()).spawn().unwrap());
    let bare = Bare(started.collect());
    let (_, last) = births.all(count);
    (bare, last - begun)
}

/// Kills one that runs and starts it again when it has ended.
pub(crate) fn restart(program: &Program, births: &Births) -> Duration {
    let mut child = command(program, births, "floor").spawn().unwrap();
    births.of("floor");
    let begun = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    let again = command(program, births, "floor").spawn().unwrap();
    let took = births.of("floor").at - begun;
    drop(Bare(vec![again]));
    took
}

impl Drop for Bare {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
