//! What of this room is fuzzed and not to be seen otherwise: readers of texts and files that others may have written.

use aerolith_model::{TemplateError, fill_template};

use crate::record::Record;

/// A text with the values of an instance that has two variables in their places.
///
/// # Errors
/// The first place that cannot be filled.
pub fn template(text: &str) -> Result<String, TemplateError> {
    fill_template(text, |name| match name {
        "PORT" => Some("50200"),
        "NAME" => Some("{{.PORT}}"),
        _ => None,
    })
}

/// A record of an instance, read and written again. Nothing where it is no record.
#[must_use]
pub fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    let record: Record = serde_json::from_slice(bytes).ok()?;
    serde_json::to_vec(&record).ok()
}
