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
        held.retain(|_, alive| alive.strong_count() > 0);
        let alive = held.get(what).and_then(Weak::upgrade).unwrap_or_default();
        held.insert(what.clone(), Arc::downgrade(&alive));
        Ok((Lease { _alive: alive }, made))
    }

    /// Leases what is not stored yet.
    pub(crate) fn hold(&self, what: Stored) -> Lease {
        let alive = Arc::default();
        self.lock().insert(what, Arc::downgrade(&alive));
        Lease { _alive: alive }
    }

    /// Leases `what` to one holder, unless somebody holds it.
    pub(crate) fn alone(&self, what: Stored) -> Option<Lease> {
        let mut held = self.lock();
        if is_held(&held, &what) {
            return None;
        }
        let alive = Arc::default();
        held.insert(what, Arc::downgrade(&alive));
        Some(Lease { _alive: alive })
    }

    /// Whether somebody holds `what` at the moment.
    pub(crate) fn holds(&self, what: &Stored) -> bool {
        is_held(&self.lock(), what)
    }

    /// Runs `step` unless somebody holds `what`; answers whether it ran.
    pub(crate) fn unless_held(
        &self,
        what: &Stored,
        step: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let mut held = self.lock();
        if is_held(&held, what) {
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

fn is_held(held: &HashMap<Stored, Weak<()>>, what: &Stored) -> bool {
    held.get(what).is_some_and(|alive| alive.strong_count() > 0)
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
    fn what_is_for_one_holder_is_given_to_the_next_only_when_it_is_dropped() {
        let (leases, what) = (Leases::default(), Stored::Part(Digest::of(b"x")));
        let first = leases.alone(what.clone()).unwrap();
        assert!(leases.alone(what.clone()).is_none() && leases.holds(&what));
        drop(first);
        assert!(!leases.holds(&what));
        leases.alone(what).unwrap();
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
