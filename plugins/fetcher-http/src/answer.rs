//! What a server's answer means for a fetch (RFC 9110, sections 14 and 15).

use aerolith_plugin::wire::fetcher::{Head, Validator};
use aerolith_plugin::{Code, Error, Result};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bytes follow.
    Bytes(Head),
    /// Everything is here already.
    Complete(Head),
    /// What is here already is of another state: ask for all of it.
    Anew,
    /// Ask there; nothing when the server does not say where.
    Elsewhere(Option<String>),
}

/// Reads an answer to a request for the bytes from `offset` on.
///
/// # Errors
/// A status that gives no bytes, with the matching kind; a range that was not asked for. The address is for the caller
/// to add.
pub fn read(status: StatusCode, headers: &HeaderMap, offset: u64, known: &Validator) -> Result<Answer> {
    let changed = offset > 0 && is_another(known, &validator(headers));
    match status.as_u16() {
        200 => {
            let size = text(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok());
            Ok(Answer::Bytes(Head {
                offset: 0,
                size,
                validator: validator(headers),
                ..Head::default()
            }))
        }
        206 if changed => Ok(Answer::Anew),
        206 => part(headers, offset, known).map(Answer::Bytes),
        416 if offset > 0 => Ok(beyond(headers, offset, known)
            .filter(|_| !changed)
            .map_or(Answer::Anew, Answer::Complete)),
        301 | 302 | 303 | 307 | 308 => Ok(Answer::Elsewhere(text(headers, LOCATION))),
        _ => Err(refusal(status)),
    }
}

fn part(headers: &HeaderMap, offset: u64, known: &Validator) -> Result<Head> {
    let found = text(headers, CONTENT_RANGE);
    let wrong = || {
        let found = found.as_deref().unwrap_or("nothing");
        let wanted = if offset == 0 {
            "200 and everything".into()
        } else {
            format!("bytes from {offset} on")
        };
        Error::io(format!(
            "the server answered 206 with the Content-Range `{found}`: expected {wanted}"
        ))
        .permanent()
    };
    let range = found
        .as_deref()
        .and_then(ContentRange::parse)
        .filter(|r| offset > 0 && r.first == Some(offset));
    let ContentRange { size, .. } = range.ok_or_else(wrong)?;
    Ok(Head {
        offset,
        size,
        validator: or(validator(headers), known),
        ..Head::default()
    })
}

/// The head of a fetch that has nothing left to deliver, when the server says that the end is where we are.
fn beyond(headers: &HeaderMap, offset: u64, known: &Validator) -> Option<Head> {
    let size = ContentRange::parse(&text(headers, CONTENT_RANGE)?)?.size;
    (size == Some(offset)).then(|| Head {
        offset,
        size,
        validator: or(validator(headers), known),
        ..Head::default()
    })
}

/// What a server does not repeat with a part is as it was.
fn or(told: Validator, known: &Validator) -> Validator {
    Validator {
        etag: told.etag.or_else(|| known.etag.clone()),
        last_modified: told.last_modified.or_else(|| known.last_modified.clone()),
    }
}

/// Whether two validators are surely of different states: the tags decide where both have one, else the times.
fn is_another(known: &Validator, told: &Validator) -> bool {
    match (&known.etag, &told.etag) {
        (Some(known), Some(told)) => known != told,
        _ => known.last_modified.is_some() && told.last_modified.is_some() && known.last_modified != told.last_modified,
    }
}

fn validator(headers: &HeaderMap) -> Validator {
    Validator {
        etag: text(headers, ETAG),
        last_modified: text(headers, LAST_MODIFIED),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(Into::into)
}

/// The error of a status: 408, 429 and 5xx may pass, other refusals stay.
fn refusal(status: StatusCode) -> Error {
    let code = match status.as_u16() {
        401 | 403 | 407 => Code::Denied,
        404 | 410 => Code::NotFound,
        408 => Code::Timeout,
        429 | 500..=599 => Code::Unavailable,
        400..=499 => Code::Invalid,
        _ => return Error::io(format!("the server answered {status}: expected 200")).permanent(),
    };
    Error::new(code, format!("the server answered {status}"))
}

/// `bytes FIRST-LAST/SIZE`, where the size may be `*`, or `bytes */SIZE` (RFC 9110, section 14.4).
struct ContentRange {
    first: Option<u64>,
    size: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, size) = rest
            .trim()
            .split_once('/')
            .filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
        let size = if size == "*" {
            None
        } else {
            Some(size.parse::<u64>().ok()?)
        };
        if range == "*" {
            return Some(Self { first: None, size });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last && size.is_none_or(|size| last < size)).then_some(Self {
            first: Some(first),
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    fn headers(of: &[(HeaderName, &str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (name.clone(), HeaderValue::try_from(*value).unwrap()))
            .collect()
    }

    fn tag(etag: &str) -> Validator {
        Validator {
            etag: Some(etag.into()),
            last_modified: None,
        }
    }

    fn answer(status: u16, of: &[(HeaderName, &str)], offset: u64, known: &Validator) -> Result<Answer> {
        read(StatusCode::from_u16(status).unwrap(), &headers(of), offset, known)
    }

    #[test]
    fn a_200_is_everything_from_the_start_even_when_a_part_was_asked_for() {
        let sent = [(CONTENT_LENGTH, "12"), (ETAG, "\"b\""), (LAST_MODIFIED, "then")];
        let validator = Validator {
            etag: Some("\"b\"".into()),
            last_modified: Some("then".into()),
        };
        let head = Head {
            offset: 0,
            size: Some(12),
            validator,
            ..Head::default()
        };
        assert_eq!(
            answer(200, &sent, 0, &Validator::default()),
            Ok(Answer::Bytes(head.clone()))
        );
        assert_eq!(answer(200, &sent, 5, &tag("\"a\"")), Ok(Answer::Bytes(head)));
    }

    #[test]
    fn a_206_at_the_offset_keeps_what_it_does_not_repeat() {
        let got = answer(206, &[(CONTENT_RANGE, "bytes 5-11/12")], 5, &tag("\"a\""));
        assert_eq!(
            got,
            Ok(Answer::Bytes(Head {
                offset: 5,
                size: Some(12),
                validator: tag("\"a\""),
                ..Head::default()
            }))
        );
        let got = answer(206, &[(CONTENT_RANGE, "Bytes 5-11/*")], 5, &Validator::default());
        assert_eq!(
            got,
            Ok(Answer::Bytes(Head {
                offset: 5,
                size: None,
                validator: Validator::default(),
                ..Head::default()
            }))
        );
    }

    #[test]
    fn a_206_of_another_range_is_an_error_that_shows_both() {
        for range in [
            "bytes 4-11/12",
            "bytes 6-11/12",
            "bytes 5-12/12",
            "bytes */12",
            "lines 5-11/12",
            "bytes 5-4/12",
            "x",
        ] {
            let error = answer(206, &[(CONTENT_RANGE, range)], 5, &Validator::default()).unwrap_err();
            assert!(
                error.message.contains(range) && error.message.contains("from 5 on"),
                "{error}"
            );
            assert!(!error.retryable);
        }
        assert!(
            answer(206, &[], 5, &Validator::default())
                .unwrap_err()
                .message
                .contains("`nothing`")
        );
        assert!(answer(206, &[(CONTENT_RANGE, "bytes 0-11/12")], 0, &Validator::default()).is_err());
    }

    #[test]
    fn a_206_of_another_state_begins_anew() {
        let range = (CONTENT_RANGE, "bytes 5-11/12");
        assert_eq!(
            answer(206, &[range.clone(), (ETAG, "\"b\"")], 5, &tag("\"a\"")),
            Ok(Answer::Anew)
        );
        let dated = Validator {
            etag: None,
            last_modified: Some("then".into()),
        };
        assert_eq!(
            answer(206, &[range, (LAST_MODIFIED, "now")], 5, &dated),
            Ok(Answer::Anew)
        );
    }

    #[test]
    fn a_416_is_complete_at_the_end_and_else_begins_anew() {
        let complete = answer(416, &[(CONTENT_RANGE, "bytes */5")], 5, &tag("\"a\""));
        assert_eq!(
            complete,
            Ok(Answer::Complete(Head {
                offset: 5,
                size: Some(5),
                validator: tag("\"a\""),
                ..Head::default()
            }))
        );
        assert_eq!(
            answer(416, &[(CONTENT_RANGE, "bytes */4")], 5, &tag("\"a\"")),
            Ok(Answer::Anew)
        );
        assert_eq!(answer(416, &[], 5, &tag("\"a\"")), Ok(Answer::Anew));
        assert_eq!(
            answer(416, &[(CONTENT_RANGE, "bytes */5"), (ETAG, "\"b\"")], 5, &tag("\"a\"")),
            Ok(Answer::Anew)
        );
        assert!(answer(416, &[], 0, &Validator::default()).is_err());
    }

    #[test]
    fn a_redirect_says_where() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(
                answer(status, &[(LOCATION, "/x")], 0, &Validator::default()),
                Ok(Answer::Elsewhere(Some("/x".into())))
            );
        }
        assert_eq!(answer(302, &[], 0, &Validator::default()), Ok(Answer::Elsewhere(None)));
    }

    #[test]
    fn what_may_pass_is_retryable_and_what_stays_is_not() {
        let passing = [
            (408, Code::Timeout),
            (429, Code::Unavailable),
            (500, Code::Unavailable),
            (503, Code::Unavailable),
        ];
        let staying = [
            (400, Code::Invalid),
            (401, Code::Denied),
            (403, Code::Denied),
            (404, Code::NotFound),
            (410, Code::NotFound),
            (204, Code::Io),
            (300, Code::Io),
            (304, Code::Io),
        ];
        for (cases, retryable) in [(&passing[..], true), (&staying[..], false)] {
            for (status, code) in cases {
                let error = answer(*status, &[], 0, &Validator::default()).unwrap_err();
                assert_eq!((error.code, error.retryable), (*code, retryable), "{status}");
                assert!(error.message.contains(&status.to_string()), "{error}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_the_bytes_begin_at_the_offset_or_at_zero(
            status in 100_u16..600, range in "(bytes )?[0-9*]{1,3}(-[0-9]{1,3})?/[0-9*]{1,3}|\\PC{0,9}", offset in 0_u64..99,
        ) {
            let mut sent = HeaderMap::new();
            sent.extend(HeaderValue::try_from(range).ok().map(|range| (CONTENT_RANGE, range)));
            match read(StatusCode::from_u16(status).unwrap(), &sent, offset, &Validator::default()) {
                Ok(Answer::Bytes(head)) => prop_assert!(head.offset == 0 || (status == 206 && head.offset == offset)),
                Ok(Answer::Complete(head)) => prop_assert_eq!(head.size, Some(offset)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}
