use serde::{Deserialize, Serialize};

use crate::{Digest, Md5};

/// A download as its caller knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// What is the same for the same bytes of the same place, so that a download that was cut off is found again. It
    /// is hashed and kept nowhere. One download per key at a time.
    pub key: String,
    /// From where, as people are shown it; without secrets, since it is written to the disk.
    pub source: String,
    /// What is known of the bytes.
    pub expected: Expected,
}

/// What is known of a download before it arrives. Everything given must hold; nothing given means that whatever
/// arrives is taken under the digest it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The SHA-256 of the bytes.
    pub sha256: Option<Digest>,
    /// The MD5 of the bytes, as Baetyl's objects carry it.
    pub md5: Option<Md5>,
    /// The number of bytes.
    pub size: Option<u64>,
}

/// By what a place knows a state of its bytes (RFC 9110, section 8.8). The store compares these texts and nothing more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// The entity tag as the place writes it.
    pub etag: Option<String>,
    /// The time of the last change as the place writes it.
    pub last_modified: Option<String>,
}

impl Validator {
    /// Nothing tells one state of the bytes from another.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// Whether two states are known to be different: where both have a tag the tags decide, else the times.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        match (&self.etag, &other.etag) {
            (Some(one), Some(two)) => one != two,
            _ => matches!((&self.last_modified, &other.last_modified), (Some(one), Some(two)) if one != two),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_decide_where_both_have_one_and_times_elsewhere() {
        let of = |etag: &str, time: &str| Validator {
            etag: Some(etag.to_owned()).filter(|text| !text.is_empty()),
            last_modified: Some(time.to_owned()).filter(|text| !text.is_empty()),
        };
        for (one, two, contradict) in [
            (of("a", "1"), of("a", "2"), false),
            (of("a", "1"), of("b", "1"), true),
            (of("a", "1"), of("", "2"), true),
            (of("", "1"), of("", "1"), false),
            (of("a", ""), of("", "1"), false),
            (of("", ""), of("b", "1"), false),
        ] {
            assert_eq!(one.contradicts(&two), contradict, "{one:?} {two:?}");
            assert_eq!(two.contradicts(&one), contradict, "{one:?} {two:?}");
        }
    }
}
