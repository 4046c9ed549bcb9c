//! What is asked of a server.

use aerolith_plugin::wire::fetcher::{Fetch, Validator};
use aerolith_plugin::{Error, Result};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE};

/// The headers of a fetch that the caller gives. Marked as secret, so that nothing prints them.
///
/// # Errors
/// A name or value that no header can have; the value is not repeated.
pub fn given(request: &Fetch) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let key = HeaderName::try_from(name).map_err(|_| Error::invalid(format!("`{name}` is no name of a header")))?;
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

/// Adds the headers of our own, which count more than those given: bytes as they are stored, from `offset` on, if they
/// are still the same (RFC 9110, sections 13.1.5 and 14.2).
pub fn add_own(headers: &mut HeaderMap, offset: u64, validator: &Validator) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    if offset == 0 {
        return;
    }
    // Digits are always a header's value.
    headers.extend(
        HeaderValue::try_from(format!("bytes={offset}-"))
            .ok()
            .map(|range| (RANGE, range)),
    );
    let condition = if_range(validator).and_then(|text| HeaderValue::try_from(text).ok());
    headers.extend(condition.map(|condition| (IF_RANGE, condition)));
}

/// A strong entity tag, else the time of the last change: a weak tag cannot promise equal bytes.
fn if_range(validator: &Validator) -> Option<&str> {
    let strong = validator.etag.as_deref().filter(|tag| tag.starts_with('"'));
    strong.or(validator.last_modified.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(offset: u64, etag: Option<&str>, last_modified: Option<&str>) -> HeaderMap {
        let validator = Validator {
            etag: etag.map(Into::into),
            last_modified: last_modified.map(Into::into),
        };
        let mut headers = HeaderMap::new();
        add_own(&mut headers, offset, &validator);
        headers
    }

    fn with(name: &str, value: &str) -> Fetch {
        Fetch {
            headers: [(name.to_owned(), value.to_owned())].into(),
            ..Fetch::default()
        }
    }

    #[test]
    fn a_whole_fetch_asks_for_no_range_and_no_encoding() {
        let headers = own(0, Some("\"a\""), None);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[ACCEPT_ENCODING], "identity");
    }

    #[test]
    fn a_resume_asks_from_the_offset_under_the_strongest_condition() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let headers = own(7, Some("\"a\""), Some(date));
        assert_eq!(
            (&headers[RANGE], &headers[IF_RANGE]),
            (
                &HeaderValue::from_static("bytes=7-"),
                &HeaderValue::from_static("\"a\"")
            )
        );
        assert_eq!(own(7, Some("W/\"a\""), Some(date))[IF_RANGE], date);
        assert!(!own(7, Some("W/\"a\""), None).contains_key(IF_RANGE));
        assert!(!own(7, Some("\"a\nb"), None).contains_key(IF_RANGE));
    }

    #[test]
    fn a_given_header_arrives_as_a_secret_and_cannot_move_the_range() {
        let mut headers = given(&with("X-Bce-Security-Token", "t0ken")).unwrap();
        assert!(headers["x-bce-security-token"].is_sensitive());
        assert!(!format!("{headers:?}").contains("t0ken"));
        headers.extend(given(&with("range", "bytes=1-")).unwrap());
        add_own(&mut headers, 0, &Validator::default());
        assert!(!headers.contains_key(RANGE));
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
