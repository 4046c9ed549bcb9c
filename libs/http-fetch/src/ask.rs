//! What is asked of a server.

use aerolith_plugin::wire::fetcher::{Fetch, Validator};
use aerolith_plugin::{Error, Result};
use reqwest::header::{
    ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE,
};

/// Headers that nobody gives: they are the protocol's, or say which bytes are meant.
const OURS: [&str; 17] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of a fetch that the caller gives. Marked as secret, so that nothing prints them.
///
/// # Errors
/// A name or value that no header can have, or one that is not the caller's to give; the value is not repeated.
pub fn given(request: &Fetch) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let key = HeaderName::try_from(name).map_err(|_| Error::invalid(format!("`{name}` is no name of a header")))?;
        if OURS.contains(&key.as_str()) {
            return Err(Error::invalid(format!(
                "the header `{name}` is the fetcher's own: leave it out"
            )));
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            Error::invalid(format!(
                "the value of the header `{name}` holds a sign that no header can"
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// What of a place's bytes is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want<'a> {
    /// All of them, unless the place is still in this state.
    Whole(&'a Validator),
    /// Those behind what is here already, of this state.
    Rest(u64, &'a Validator),
}

impl<'a> Want<'a> {
    /// What a request wants.
    #[must_use]
    pub const fn of(request: &'a Fetch) -> Self {
        match request.offset {
            0 => Self::Whole(&request.unless),
            offset => Self::Rest(offset, &request.validator),
        }
    }

    /// The headers that say so: bytes as they are stored, and under which condition (RFC 9110, sections 13.1 and 14.2).
    #[must_use]
    pub fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut add = |name, value: Option<&str>| {
            // A validator that no header can hold is none.
            let value = value.and_then(|text| HeaderValue::try_from(text).ok());
            headers.extend(value.map(|value| (name, value)));
        };
        match self {
            Self::Whole(unless) => {
                add(IF_NONE_MATCH, unless.etag.as_deref());
                add(IF_MODIFIED_SINCE, unless.last_modified.as_deref());
            }
            Self::Rest(offset, validator) => {
                add(RANGE, Some(&format!("bytes={offset}-")));
                add(IF_RANGE, if_range(validator));
            }
        }
        headers
    }
}

/// A strong entity tag, else the time of the last change: a weak tag cannot promise equal bytes.
fn if_range(validator: &Validator) -> Option<&str> {
    let strong = validator.etag.as_deref().filter(|tag| tag.starts_with('"'));
    strong.or(validator.last_modified.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(etag: Option<&str>, last_modified: Option<&str>) -> Validator {
        Validator {
            etag: etag.map(Into::into),
            last_modified: last_modified.map(Into::into),
        }
    }

    fn rest(etag: Option<&str>, last_modified: Option<&str>) -> HeaderMap {
        Want::Rest(7, &state(etag, last_modified)).headers()
    }

    fn with(name: &str, value: &str) -> Fetch {
        Fetch {
            headers: [(name.to_owned(), value.to_owned())].into(),
            ..Fetch::default()
        }
    }

    #[test]
    fn a_whole_fetch_asks_for_no_range_and_no_encoding() {
        let headers = Want::of(&Fetch::default()).headers();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[ACCEPT_ENCODING], "identity");
    }

    #[test]
    fn a_resume_asks_from_the_offset_under_the_strongest_condition() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let headers = rest(Some("\"a\""), Some(date));
        assert_eq!(
            (&headers[RANGE], &headers[IF_RANGE]),
            (
                &HeaderValue::from_static("bytes=7-"),
                &HeaderValue::from_static("\"a\"")
            )
        );
        assert_eq!(rest(Some("W/\"a\""), Some(date))[IF_RANGE], date);
        assert!(!rest(Some("W/\"a\""), None).contains_key(IF_RANGE));
        assert!(!rest(Some("\"a\nb"), None).contains_key(IF_RANGE));
    }

    #[test]
    fn a_known_state_is_asked_for_only_if_it_changed_and_only_without_an_offset() {
        let unless = state(Some("W/\"a\""), Some("then"));
        let headers = Want::Whole(&unless).headers();
        assert_eq!(
            (&headers[IF_NONE_MATCH], &headers[IF_MODIFIED_SINCE]),
            (&HeaderValue::from_static("W/\"a\""), &HeaderValue::from_static("then"))
        );
        let resumed = Fetch {
            offset: 7,
            unless,
            ..Fetch::default()
        };
        assert!(!Want::of(&resumed).headers().contains_key(IF_NONE_MATCH));
    }

    #[test]
    fn a_given_header_arrives_as_a_secret() {
        let headers = given(&with("X-Bce-Security-Token", "t0ken")).unwrap();
        assert!(headers["x-bce-security-token"].is_sensitive());
        assert!(!format!("{headers:?}").contains("t0ken"));
    }

    #[test]
    fn a_header_of_the_protocol_cannot_be_given() {
        for name in [
            "Host",
            "range",
            "If-Range",
            "CONNECTION",
            "Transfer-Encoding",
            "Accept-Encoding",
        ] {
            let error = given(&with(name, "secret")).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{name}`")) && !error.contains("secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_wrong_header_is_refused_by_name_without_its_value() {
        for (name, value) in [("a b", "secret"), ("token", "secret\r\nX: y"), ("", "secret")] {
            let error = given(&with(name, value)).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{name}`")) && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
