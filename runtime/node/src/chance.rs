//! Chance, for spreading tries over time; nothing secret is made of it.

use std::hash::{BuildHasher, RandomState};

/// A number that nobody can foresee and that is another one each time: the standard library keys every hasher anew.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_differ() {
        let mut drawn: Vec<u64> = (0..100).map(|_| super::chance()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 95);
    }
}
