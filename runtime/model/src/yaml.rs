//! Reading one YAML document into a type, and saying where and why that fails.

use std::fmt;

use serde::Deserialize;
use serde_saphyr::{Error, Location};

use crate::hint::closest;
use crate::places::Places;
use crate::wording::{mismatch, reworded, scalar};

/// What is wrong in a text, and where. Shown as `source:line:column: message (hint)`; lines and columns count from 1,
/// columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// Where the text came from, a file name mostly.
    pub source_name: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What was wanted and found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.source_name, self.line, self.column, self.message
        )?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// Reads a text that is one YAML document (JSON is one too) into any type, with errors that say where. For resources
/// see [`crate::parse()`].
///
/// # Errors
/// Bad YAML, a duplicate key, or what the type refuses, with line and column.
pub fn read_yaml<T: for<'de> Deserialize<'de>>(source_name: &str, text: &str) -> Result<T, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Piece {
        source_name,
        text,
        lines_before: 0,
    }
    .read()
}

/// The text of a file, which is UTF-8.
///
/// # Errors
/// Bytes that are not, with line and column of the first.
pub fn utf8<'a>(source_name: &str, bytes: &'a [u8]) -> Result<&'a str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| no_text(source_name, bytes, error.valid_up_to()))
}

/// The error of the byte at `bad`, before which all is UTF-8.
fn no_text(source_name: &str, bytes: &[u8], bad: usize) -> ParseError {
    let before = String::from_utf8_lossy(&bytes[..bad]);
    let before = before.trim_start_matches('\u{feff}');
    let line = before.rsplit('\n').next().unwrap_or_default();
    ParseError {
        source_name: source_name.to_owned(),
        line: before.matches('\n').count() as u64 + 1,
        column: line.chars().count() as u64 + 1,
        message: format!("the byte 0x{:02x} is no UTF-8", bytes[bad]),
        hint: Some("save the file as UTF-8".to_owned()),
    }
}

/// A piece of a source: its text, and how many lines of the source lie before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) source_name: &'a str,
    pub(crate) text: &'a str,
    pub(crate) lines_before: u64,
}

impl Piece<'_> {
    /// Reads the piece, which is one YAML document.
    pub(crate) fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, ParseError> {
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(self.text, options).map_err(|error| self.explain(&error))
    }

    /// An error at a place of the piece.
    pub(crate) fn error(&self, location: Option<Location>, message: String, hint: Option<String>) -> ParseError {
        let (line, column) = location.map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
        let source_name = self.source_name.to_owned();
        ParseError {
            source_name,
            line: self.lines_before + line,
            column,
            message,
            hint,
        }
    }

    /// What stands at a place: one value as it is written, or what kind of thing begins there.
    fn at(&self, location: Location) -> String {
        if let Some(collection) = Places::of(self).collection(location) {
            return collection.to_owned();
        }
        let span = location.span();
        let length = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let (offset, count) = (length(span.offset()), length(span.len()));
        scalar(&self.text.chars().skip(offset).take(count).collect::<String>())
    }

    /// Unknown, missing and duplicate keys are in the message already; of anything else it is said whose value it is.
    fn explain(&self, error: &Error) -> ParseError {
        let named = |message| (self.named(error, message), None);
        let (message, hint) = match error.without_snippet() {
            Error::SerdeUnknownField { field, expected, .. } => unknown(field, expected, "key"),
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                let (message, hint) = unknown(variant, expected, "value");
                (self.named(error, message), hint)
            }
            Error::SerdeMissingField { field, .. } => (format!("`{field}` is missing"), None),
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                (format!("duplicate key `{key}`"), Some("keep one of them".to_owned()))
            }
            Error::InvalidScalar { ty, location } => named(mismatch(ty, &self.at(*location))),
            Error::Unexpected { expected, location } => named(mismatch(expected, &self.thing(*location))),
            Error::Message { msg, .. } => named(reworded(msg)),
            other => self.of_the_text(other),
        };
        self.error(error.location(), message, hint)
    }

    /// What kind of thing stands at a place. A text may be meant to be a secret, and is not shown.
    fn thing(&self, location: Location) -> String {
        let found = self.at(location);
        if found.starts_with('"') {
            "a text".to_owned()
        } else {
            found
        }
    }

    /// What is no YAML, or a value that does not fit; with what to do about the slips that are made most.
    fn of_the_text(&self, error: &Error) -> (String, Option<String>) {
        let message = plain(error);
        let hint = match message.as_str() {
            "mapping values are not allowed in this context" => {
                "check how far the line is indented, and put a text that holds `: ` in quotes"
            }
            text if text.contains("found a tab") => "indent with blanks, not with tabs",
            _ => return (self.named(error, reworded(&message)), None),
        };
        (self.named(error, message), Some(hint.to_owned()))
    }

    /// A message with the path of the field at whose value it is.
    fn named(&self, error: &Error, message: String) -> String {
        let places = Places::of(self);
        match error.location().and_then(|at| places.path(at)) {
            Some(path) => format!("{path}: {message}"),
            None => message,
        }
    }
}

/// Keys of a resource that others' forms have beside `kind`, which makes a document ours.
const FOREIGN: [&str; 6] = ["namespace", "metadata", "spec", "apiVersion", "selector", "cronStatus"];

fn unknown(found: &str, expected: &[&str], what: &str) -> (String, Option<String>) {
    let hint = match closest(found, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if FOREIGN.contains(&found) && expected.contains(&"extra") => {
            "`kind` makes the document Aerolith's own form, which has no such key: leave the key away, or leave `kind` away \
             if the document is Baetyl's JSON"
                .to_owned()
        }
        None => {
            let known = expected.iter().filter(|known| !known.is_empty());
            format!("known here: {}", known.copied().collect::<Vec<_>>().join(", "))
        }
    };
    (format!("unknown {what} `{found}`"), Some(hint))
}

/// The message without the place, which stands in front already.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
