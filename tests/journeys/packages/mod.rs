//! Packages: made and checked without a daemon, and kept by a node whose own disk does not serve it.

mod disk;
mod verbs;
