//! Moments in time, as RFC 3339 writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, such as `2026-11-25T08:00:00Z` or `2026-11-25T08:00:00+01:00` (RFC 3339). Kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    text: String,
    ms: u64,
}

/// Text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a time: expected RFC 3339 from 1970 on, as in 2026-11-25T08:00:00Z")]
pub struct InvalidTimestamp {
    /// The text as found.
    pub found: String,
}

impl Timestamp {
    /// Milliseconds since 1970.
    #[must_use]
    pub const fn ms(&self) -> u64 {
        self.ms
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
        let ms = moment.and_then(|moment| u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok());
        let ms = ms.ok_or_else(|| InvalidTimestamp { found: text.to_owned() })?;
        let text = text.to_owned();
        Ok(Self { text, ms })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_zone() {
        for text in [
            "1970-01-02T00:00:00Z",
            "1970-01-02T08:00:00+08:00",
            "1970-01-02T00:00:00.000Z",
        ] {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!((moment.ms(), moment.to_string().as_str()), (86_400_000, text));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-11-25",
            "2026-11-25 08:00:00",
            "2026-13-01T00:00:00Z",
            "1969-12-31T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
