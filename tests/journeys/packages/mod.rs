//! Packages: made and checked without a daemon, no good or edited, on a disk that does not serve, and what is shown of them.

mod disk;
mod edited;
mod manifest;
mod showing;
mod verbs;
