//! Packages that are no good, or do not stay so: bad manifests, edited files, a disk that does not serve.

mod disk;
mod edited;
mod manifest;
