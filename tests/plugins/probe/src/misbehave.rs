//! What goes wrong, and where. Everything here is on purpose.

use crate::{Config, Place};
use std::sync::{Arc, Mutex, PoisonError};

/// Status with which the probe ends its process when it is told to.
pub(crate) const EXIT_STATUS: i32 = 77;

/// What is to go wrong.
#[derive(Debug, Clone)]
pub(crate) struct Misbehaviour {
    panic_in: Option<Place>,
    hang_in: Option<Place>,
    crash_in: Option<Place>,
    exit_in: Option<Place>,
    bytes: usize,
    hoard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Misbehaviour {
    /// What the configuration asks for.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            panic_in: config.panic_in,
            hang_in: config.hang_in,
            crash_in: config.crash_in,
            exit_in: config.exit_in,
            bytes: config.allocate,
            hoard: Arc::default(),
        }
    }

    /// Passes an asynchronous place; a hang leaves the future pending.
    pub(crate) async fn pass(&self, place: Place) {
        self.strike(place);
        if self.hang_in == Some(place) {
            std::future::pending::<()>().await;
        }
    }

    /// Passes a place that cannot wait; a hang blocks the thread.
    pub(crate) fn reach(&self, place: Place) {
        self.strike(place);
        while self.hang_in == Some(place) {
            std::thread::park();
        }
    }

    /// Takes memory and keeps it, every byte written, so that it is really there.
    pub(crate) fn allocate(&self) {
        if self.bytes > 0 {
            self.hoard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(vec![1; self.bytes]);
        }
    }

    #[allow(clippy::panic, reason = "told to")]
    fn strike(&self, place: Place) {
        if self.panic_in == Some(place) {
            panic!("told to panic in {place:?}");
        }
        if self.crash_in == Some(place) {
            crash();
        }
        if self.exit_in == Some(place) {
            std::process::exit(EXIT_STATUS);
        }
    }
}

#[allow(unsafe_code, reason = "told to")]
fn crash() {
    let nowhere = std::hint::black_box(std::ptr::null_mut::<u8>());
    // SAFETY: none. The write faults, which is what the test asked for; inline assembly, because to the compiler a write
    // to null is undefined and may vanish.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("mov byte ptr [{0}], 1", in(reg) nowhere);
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "x86_64"))]
    unsafe {
        nowhere.write_volatile(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    fn told(config: &str) -> Misbehaviour {
        Misbehaviour::of(&serde_json::from_str(config).unwrap())
    }

    #[test]
    fn a_panic_names_its_place_and_strikes_nowhere_else() {
        let told = told(r#"{"panicIn":"drain"}"#);
        told.reach(Place::Create);
        let panic = std::panic::catch_unwind(|| told.reach(Place::Drain)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "told to panic in Drain");
    }

    #[test]
    fn a_hang_stays_pending_and_can_be_dropped() {
        let told = told(r#"{"hangIn":"stop"}"#);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(std::pin::pin!(told.pass(Place::Stop)).poll(&mut cx), Poll::Pending);
        assert_eq!(std::pin::pin!(told.pass(Place::Start)).poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn what_is_allocated_is_kept() {
        let told = told(r#"{"allocate":4096}"#);
        told.allocate();
        told.allocate();
        assert_eq!(told.hoard.lock().unwrap().iter().map(Vec::len).sum::<usize>(), 8192);
    }

    #[test]
    fn a_misbehaviour_that_does_not_exist_is_refused() {
        for config in [r#"{"panicIn":"breakfast"}"#, r#"{"panicAt":"start"}"#] {
            assert!(serde_json::from_str::<Config>(config).is_err(), "{config}");
        }
    }
}
