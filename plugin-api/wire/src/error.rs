//! The error of every call, as Rust sees it.

use aerolith_plugin_abi::{PluginError, RETRYABLE};
use std::fmt;
use std::time::Duration;

const RETRY_AFTER: &str = "retryAfterSeconds";

/// What kind of failure it is. The numbers are frozen; one that is not known here reads as `Internal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Code {
    /// The plugin's code panicked. The instance is done for.
    Panic = 1,
    /// The other side does not know the method.
    Unimplemented = 2,
    /// The request or the configuration is wrong.
    Invalid = 3,
    /// A file, socket or device failed.
    Io = 4,
    /// No room now.
    Busy = 5,
    /// A fault of the program.
    Internal = 6,
    /// What the request names does not exist.
    NotFound = 7,
    /// Neither the manifest nor the operator permits it.
    Denied = 8,
    /// The deadline passed.
    Timeout = 9,
    /// The instance has stopped, or the call was cancelled.
    Stopped = 10,
    /// The other side cannot be reached now.
    Unavailable = 11,
}

impl Code {
    const ALL: [Self; 11] = [
        Self::Panic,
        Self::Unimplemented,
        Self::Invalid,
        Self::Io,
        Self::Busy,
        Self::Internal,
        Self::NotFound,
        Self::Denied,
        Self::Timeout,
        Self::Stopped,
        Self::Unavailable,
    ];

    /// The code of a number; an unknown number is `Internal`.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        Self::ALL
            .into_iter()
            .find(|c| *c as u32 == number)
            .unwrap_or(Self::Internal)
    }
}

/// Why a call failed: what was wanted, what was found, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The kind.
    pub code: Code,
    /// For people.
    pub message: String,
    /// JSON for programs, or empty.
    pub detail: String,
    /// Whether trying again may help.
    pub retryable: bool,
}

/// What every call answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of any kind; `Io`, `Busy`, `Timeout` and `Unavailable` are retryable unless said otherwise.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        let retryable = matches!(code, Code::Io | Code::Busy | Code::Timeout | Code::Unavailable);
        Self {
            code,
            message: message.to_string(),
            detail: String::new(),
            retryable,
        }
    }

    /// The request or the configuration is wrong.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// A file, socket or device failed; retryable.
    pub fn io(message: impl fmt::Display) -> Self {
        Self::new(Code::Io, message)
    }

    /// What the request names does not exist.
    pub fn not_found(message: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// The method is not known.
    pub fn unimplemented(method: impl fmt::Display) -> Self {
        Self::new(Code::Unimplemented, format!("no such method: {method}"))
    }

    /// The instance has stopped, or the call was cancelled.
    pub fn stopped(message: impl fmt::Display) -> Self {
        Self::new(Code::Stopped, message)
    }

    /// The same error, with the time after which another try may help (HTTP's `Retry-After`, RFC 9110, section
    /// 10.2.3), kept as whole seconds in the detail.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let detail = serde_json::json!({ RETRY_AFTER: wait.as_secs() }).to_string();
        Self { detail, ..self }
    }

    /// The time of [`Error::retry_after`], where there is one.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let detail: serde_json::Value = serde_json::from_str(&self.detail).ok()?;
        detail.get(RETRY_AFTER)?.as_u64().map(Duration::from_secs)
    }

    /// The same error, not worth another try.
    #[must_use]
    pub fn permanent(self) -> Self {
        Self {
            retryable: false,
            ..self
        }
    }
}

impl From<PluginError> for Error {
    fn from(e: PluginError) -> Self {
        Self {
            code: Code::from_number(e.code),
            message: e.message.into_string(),
            detail: e.detail.into_string(),
            retryable: e.flags & RETRYABLE != 0,
        }
    }
}

impl From<Error> for PluginError {
    fn from(e: Error) -> Self {
        let flags = if e.retryable { RETRYABLE } else { 0 };
        Self {
            code: e.code as u32,
            flags,
            message: e.message.into(),
            detail: e.detail.into(),
        }
    }
}
