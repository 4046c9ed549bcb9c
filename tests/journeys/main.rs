//! Journeys with the real binary, real plugin files and real servers. One test binary, one module to a subject.

mod boundary;
mod support;
