//! The descriptor store of an instance, after systemd's FDSTORE: what it leaves here by name, its successor takes.

use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// So many descriptors one instance may leave.
pub(crate) const MAX: usize = 256;

/// Descriptors by name.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Mutex<BTreeMap<String, OwnedFd>>);

/// Why a descriptor was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the descriptor store is full: at most {MAX}; take what is not needed any more")]
pub(crate) struct Full;

impl Descriptors {
    /// Keeps a descriptor; one of the same name is closed.
    ///
    /// # Errors
    /// [`Full`]
    pub(crate) fn keep(&self, name: &str, descriptor: OwnedFd) -> Result<(), Full> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX && !kept.contains_key(name) {
            return Err(Full);
        }
        kept.insert(name.into(), descriptor);
        Ok(())
    }

    /// Gives a descriptor away.
    pub(crate) fn take(&self, name: &str) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Duplicates of all descriptors, which stay in the store.
    pub(crate) fn copies(&self) -> BTreeMap<String, OwnedFd> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter_map(|(name, fd)| Some((name.clone(), fd.try_clone().ok()?)))
            .collect()
    }

    /// Puts back what is not in the store any more.
    pub(crate) fn restore(&self, copies: BTreeMap<String, OwnedFd>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, copy) in copies {
            kept.entry(name).or_insert(copy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn what_was_kept_is_taken_once() {
        let store = Descriptors::default();
        store.keep("a", null()).unwrap();
        assert!(store.copies().contains_key("a"));
        assert!(store.take("a").is_some() && store.take("a").is_none());
    }

    #[test]
    fn what_was_taken_can_be_put_back_and_what_was_kept_since_stays() {
        let store = Descriptors::default();
        store.keep("a", null()).unwrap();
        let copies = store.copies();
        store.take("a").unwrap();
        store.restore(copies);
        assert!(store.take("a").is_some());
    }

    #[test]
    fn the_store_is_bounded_but_a_name_can_be_replaced() {
        let store = Descriptors::default();
        for n in 0..MAX {
            store.keep(&n.to_string(), null()).unwrap();
        }
        assert_eq!(store.keep("more", null()), Err(Full));
        assert_eq!(store.keep("0", null()), Ok(()));
    }
}
