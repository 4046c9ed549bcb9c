//! A disk that fails at a chosen step, once or from then on, as at the end of the process.

use std::cell::Cell;
use std::io;

thread_local! {
    /// Steps that still work, and how many of those after them fail.
    static ARMED: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// Lets this thread's next steps work, and then so many fail.
pub(crate) fn after(works: usize, fails: usize) {
    ARMED.set(Some((works, fails)));
}

/// Lets every step work again, and answers whether one failed.
pub(crate) fn disarm(fails: usize) -> bool {
    ARMED.take().is_some_and(|(works, left)| works == 0 && left < fails)
}

pub(super) fn step() -> io::Result<()> {
    let (armed, result) = match ARMED.get() {
        Some((0, fails)) if fails > 0 => (Some((0, fails - 1)), Err(io::Error::other("the disk is gone"))),
        Some((works, fails)) if works > 0 => (Some((works - 1, fails)), Ok(())),
        armed => (armed, Ok(())),
    };
    ARMED.set(armed);
    result
}
