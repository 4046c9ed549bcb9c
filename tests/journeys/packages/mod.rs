//! Packages that are no good or do not stay so, a disk that does not serve, and what is shown of all that.

mod disk;
mod edited;
mod manifest;
mod showing;
