//! The plugin boundary: files, lives, replacement, isolation, permissions.

mod compilers;
mod conformance;
mod files;
mod golden;
mod isolation;
mod life;
mod logs;
mod permissions;
mod replace;
