//! Where the daemon's log goes: standard error, a line per event.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::{Level, LogFormat};

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Begins to log. Only the first call in a process has an effect.
pub(super) fn begin(level: Level, format: LogFormat) {
    let log = fmt().with_max_level(LevelFilter::from(level)).with_writer(io::stderr);
    let begun = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    if let Err(error) = begun {
        tracing::warn!(%error, "the log was begun already");
    }
}
