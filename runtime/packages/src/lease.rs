use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::{StoreError, Stored};

/// Keeps what somebody holds from being cleaned away while they hold it. A lease lives in memory only: after a
/// restart nobody holds anything.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<Stored, Weak<()>>>);

/// Alive as long as one copy of it is.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    _alive: Arc<()>,
}

impl Leases {
    /// Runs `step`, which makes sure that `what` is stored, and leases it with no gap in which it could be removed.
    pub(crate) fn with<T>(
        &self,
        what: &Stored,
        step: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<(Lease, T), StoreError> {
        let mut held = self.lock();
        let made = step()?;
        let alive = held.get(what).and_then(Weak::upgrade).unwrap_or_default();
        held.insert(what.clone(), Arc::downgrade(&alive));
        Ok((Lease { _alive: alive }, made))
    }

    /// Runs `step` unless somebody holds `what`; answers whether it ran.
    pub(crate) fn unless_held(
        &self,
        what: &Stored,
        step: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let mut held = self.lock();
        if held.get(what).is_some_and(|alive| alive.strong_count() > 0) {
            return Ok(false);
        }
        held.remove(what);
        step().map(|()| true)
    }

    /// A panic elsewhere leaves the map whole, so a poisoned lock is taken all the same.
    fn lock(&self) -> MutexGuard<'_, HashMap<Stored, Weak<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn what_is_held_is_not_touched_until_the_last_copy_is_dropped() {
        let (leases, what) = (Leases::default(), Stored::Blob(Digest::of(b"x")));
        let (first, ()) = leases.with(&what, || Ok(())).unwrap();
        let (second, ()) = leases.with(&what, || Ok(())).unwrap();
        drop(first);
        assert!(!leases.unless_held(&what, || panic!("it is held")).unwrap());
        drop(second);
        assert!(leases.unless_held(&what, || Ok(())).unwrap());
    }

    #[test]
    fn a_step_that_fails_leases_nothing() {
        let (leases, what) = (Leases::default(), Stored::Blob(Digest::of(b"x")));
        leases
            .with::<()>(&what, || Err(StoreError::Gone("x".into())))
            .unwrap_err();
        assert!(leases.unless_held(&what, || Ok(())).unwrap());
    }
}
