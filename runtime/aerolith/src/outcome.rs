//! How the program ends: what it says, and with which exit code.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use aerolith_api::{Failure, ListenError, Reason};
use serde_json::json;

use crate::arguments::Format;
use crate::client::Unreachable;
use crate::screen::encode;

/// Done.
pub(crate) const DONE: u8 = 0;
/// Failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong use, or an invalid file.
pub(crate) const WRONG: u8 = 2;
/// The daemon cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;

/// Something is to be done, of which a dry run was to tell by its exit code.
pub(crate) const TO_BE_DONE: u8 = 4;

/// The operator's own mistake: a file that is not valid or cannot be read, an argument that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Wrong {
    /// What was wanted and found.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// Whoever read what we say stopped reading.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(crate) struct Unread;

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

impl From<aerolith_model::ParseError> for Wrong {
    fn from(error: aerolith_model::ParseError) -> Self {
        let aerolith_model::ParseError {
            source_name,
            line,
            column,
            message,
            hint,
        } = error;
        Self {
            message: format!("{source_name}:{line}:{column}: {message}"),
            hint,
        }
    }
}

impl From<aerolith_model::InvalidText> for Wrong {
    fn from(error: aerolith_model::InvalidText) -> Self {
        Self::new(error.to_string())
    }
}

/// The text of a file that the operator wrote.
///
/// # Errors
/// [`Wrong`] when it cannot be read, or where it is no UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, Wrong> {
    match fs::read(path) {
        Ok(bytes) => text_of(&path.display().to_string(), &bytes),
        Err(error) => Err(unreadable(&path.display().to_string(), &error)),
    }
}

/// The text of bytes that the operator wrote, under the name that errors have for it.
pub(crate) fn text_of(name: &str, bytes: &[u8]) -> Result<String, Wrong> {
    Ok(aerolith_model::utf8(name, bytes)?.to_owned())
}

/// What is said of a file that cannot be read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Wrong {
    Wrong::new(format!("{name}: cannot be read: {error}"))
}

/// The exit code that goes with an error. Who stops reading our output has seen enough: that is no error. A pipe that breaks
/// anywhere else is one: a daemon that hung up has promised nothing.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Wrong>()
            || cause
                .downcast_ref::<Failure>()
                .is_some_and(|f| f.code == Reason::Invalid)
        {
            return WRONG;
        }
        if cause.is::<Unreachable>() {
            return UNREACHABLE;
        }
        if cause.is::<Unread>() {
            return DONE;
        }
    }
    FAILED
}

/// An error in the form that was asked for.
pub(crate) fn reported(error: &anyhow::Error, format: Format) -> String {
    let chain: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    let mut found = json!({"message": error.to_string(), "chain": chain});
    if let Some(hint) = hint(error) {
        found["hint"] = json!(hint);
    }
    let encoded = encode(&json!({ "error": found }), format);
    encoded.ok().flatten().unwrap_or_else(|| told(error))
}

/// What is said of an error: the message, its causes, the hint.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut last = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !last.contains(&cause) {
            let _ = writeln!(text, "  because: {cause}");
        }
        last = cause;
    }
    if let Some(hint) = hint(error) {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.hint.clone();
        }
        if let Some(unreachable) = cause.downcast_ref::<Unreachable>() {
            return Some(unreachable.hint().to_owned());
        }
        cause.downcast_ref::<Wrong>().and_then(|wrong| wrong.hint.clone())
    })
}

/// A place at which no socket can be is used wrongly. One that another daemon has, as it may have the data folder, is not.
pub(crate) fn listening(error: ListenError) -> anyhow::Error {
    match error {
        ListenError::Io { .. } | ListenError::Live(_) => error.into(),
        ListenError::NotASocket(_) | ListenError::TooLong(_) => Wrong::new(error.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn failure(code: Reason) -> anyhow::Error {
        Err::<(), _>(Failure::new(code, "no application `weather`").hint("look again"))
            .context("cannot delete application `weather`")
            .unwrap_err()
    }

    #[test]
    fn every_kind_of_error_has_its_code() {
        assert_eq!(code(&failure(Reason::NotFound)), FAILED);
        assert_eq!(code(&failure(Reason::Invalid)), WRONG);
        assert_eq!(code(&Wrong::new("a.yml:1:1: no").into()), WRONG);
        assert_eq!(code(&Unread.into()), DONE);
        assert_eq!(code(&io::Error::from(io::ErrorKind::NotFound).into()), FAILED);
    }

    #[test]
    fn a_daemon_that_hangs_up_has_done_nothing() {
        let hung_up = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("the daemon hung up");
        assert_eq!(code(&hung_up), FAILED);
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_the_hint() {
        let expected =
            "error: cannot delete application `weather`\n  because: no application `weather`\n  hint: look again\n";
        assert_eq!(told(&failure(Reason::NotFound)), expected);
    }

    #[test]
    fn an_error_for_programs_holds_the_same() {
        let text = reported(&failure(Reason::NotFound), Format::Json);
        let expected = json!({"error": {"message": "cannot delete application `weather`",
            "chain": ["no application `weather`"], "hint": "look again"}});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        assert_eq!(
            reported(&failure(Reason::NotFound), Format::Table),
            told(&failure(Reason::NotFound))
        );
    }

    #[test]
    fn a_cause_that_the_message_repeats_is_told_once() {
        let source = io::Error::other("disk full");
        let error = ListenError::Io {
            path: "/a".into(),
            action: "listen",
            source,
        };
        assert_eq!(told(&listening(error)), "error: socket /a: cannot listen: disk full\n");
    }

    #[test]
    fn a_place_that_another_daemon_has_is_no_wrong_use() {
        assert_eq!(code(&listening(ListenError::Live("/a".into()))), FAILED);
        assert_eq!(code(&listening(ListenError::NotASocket("/a".into()))), WRONG);
    }
}
