//! What a server's answer means for a fetch (RFC 9110, sections 14 and 15).

use crate::ask::Want;
use aerolith_plugin::wire::fetcher::{Head, Validator};
use aerolith_plugin::{Code, Error, Result};
use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION,
    RETRY_AFTER,
};
use std::time::Duration;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bytes follow.
    Bytes(Head),
    /// No byte follows: everything is here already.
    Complete(Head),
    /// What was said of the rest does not fit what is here: ask for all of it.
    Anew(Why),
    /// Ask there; nothing when the server does not say where.
    Elsewhere(Option<String>),
}

/// Why a part is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It is of another state.
    #[error("it has changed there")]
    Changed,
    /// It is another one than was asked for.
    #[error("the server answered 206 with the Content-Range `{found}`: expected bytes from {wanted} on")]
    Shifted {
        /// What the server says.
        found: String,
        /// The offset.
        wanted: u64,
    },
    /// There is no such part.
    #[error("the server has fewer bytes than are here already")]
    Beyond,
}

/// Reads an answer to a request.
///
/// # Errors
/// A status that gives no bytes, with the matching kind and the wait that the server asks for; a part where all was asked
/// for; an encoding, which was not asked for. The address is for the caller to add.
pub fn read(status: StatusCode, headers: &HeaderMap, want: Want<'_>) -> Result<Answer> {
    match (status.as_u16(), want) {
        (200, _) => whole(headers).map(Answer::Bytes),
        (206, Want::Rest(offset, known)) => part(headers, offset, known),
        (206, Want::Whole(_)) => {
            let found = text(headers, CONTENT_RANGE).unwrap_or_else(|| "nothing".into());
            let message =
                format!("the server answered 206 with the Content-Range `{found}`: expected 200 and everything");
            Err(Error::io(message).permanent())
        }
        (304, Want::Whole(unless)) if !unless.is_empty() => Ok(Answer::Complete(Head {
            validator: or(validator(headers), unless),
            unchanged: true,
            ..Head::default()
        })),
        (416, Want::Rest(offset, known)) => Ok(beyond(headers, offset, known)),
        (301 | 302 | 303 | 307 | 308, _) => Ok(Answer::Elsewhere(text(headers, LOCATION))),
        _ => Err(refusal(status, headers)),
    }
}

fn whole(headers: &HeaderMap) -> Result<Head> {
    unencoded(headers)?;
    Ok(Head {
        size: text(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        validator: validator(headers),
        ..Head::default()
    })
}

fn part(headers: &HeaderMap, offset: u64, known: &Validator) -> Result<Answer> {
    if is_another(known, &validator(headers)) {
        return Ok(Answer::Anew(Why::Changed));
    }
    let found = text(headers, CONTENT_RANGE);
    let range = found.as_deref().and_then(ContentRange::parse);
    let Some(ContentRange { size, .. }) = range.filter(|range| range.first == Some(offset)) else {
        return Ok(Answer::Anew(Why::Shifted {
            found: found.unwrap_or_else(|| "nothing".into()),
            wanted: offset,
        }));
    };
    unencoded(headers)?;
    Ok(Answer::Bytes(Head {
        offset,
        size,
        validator: or(validator(headers), known),
        ..Head::default()
    }))
}

/// Nothing is left to deliver when the server says that the end is where we are.
fn beyond(headers: &HeaderMap, offset: u64, known: &Validator) -> Answer {
    if is_another(known, &validator(headers)) {
        return Answer::Anew(Why::Changed);
    }
    let range = text(headers, CONTENT_RANGE);
    let size = range
        .as_deref()
        .and_then(ContentRange::parse)
        .and_then(|range| range.size);
    if size != Some(offset) {
        return Answer::Anew(Why::Beyond);
    }
    Answer::Complete(Head {
        offset,
        size,
        validator: or(validator(headers), known),
        ..Head::default()
    })
}

/// Only what is stored is wanted: a digest is of that, and what unpacks without end does not begin.
fn unencoded(headers: &HeaderMap) -> Result<()> {
    match text(headers, CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => Err(Error::io(format!(
            "the server answered with the Content-Encoding `{encoding}`, which was not asked for: let it send files as they are stored"
        ))
        .permanent()),
        _ => Ok(()),
    }
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
fn refusal(status: StatusCode, headers: &HeaderMap) -> Error {
    let code = match status.as_u16() {
        401 | 403 | 407 => Code::Denied,
        404 | 410 => Code::NotFound,
        408 => Code::Timeout,
        429 | 500..=599 => Code::Unavailable,
        400..=499 => Code::Invalid,
        _ => return Error::io(format!("the server answered {status}: expected 200")).permanent(),
    };
    let error = Error::new(code, format!("the server answered {status}"));
    match retry_after(headers).filter(|_| error.retryable) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// The time that a server asks to wait (RFC 9110, section 10.2.3): seconds, or a date, which counts from the server's own
/// clock, for this machine's may be anything.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = text(headers, RETRY_AFTER)?;
    if let Ok(seconds) = wait.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(&wait).ok()?;
    let now = httpdate::parse_http_date(&text(headers, DATE)?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
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
        let want = if offset == 0 {
            Want::Whole(known)
        } else {
            Want::Rest(offset, known)
        };
        read(StatusCode::from_u16(status).unwrap(), &headers(of), want)
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
    fn a_206_of_another_range_begins_anew_and_shows_both() {
        for range in [
            "bytes 4-11/12",
            "bytes 6-11/12",
            "bytes 5-12/12",
            "bytes */12",
            "lines 5-11/12",
            "bytes 5-4/12",
            "x",
        ] {
            let Ok(Answer::Anew(why)) = answer(206, &[(CONTENT_RANGE, range)], 5, &Validator::default()) else {
                panic!("{range}")
            };
            assert!(
                why.to_string().contains(range) && why.to_string().contains("from 5 on"),
                "{why}"
            );
        }
        let shifted = Why::Shifted {
            found: "nothing".into(),
            wanted: 5,
        };
        assert_eq!(answer(206, &[], 5, &Validator::default()), Ok(Answer::Anew(shifted)));
        let error = answer(206, &[(CONTENT_RANGE, "bytes 0-11/12")], 0, &Validator::default()).unwrap_err();
        assert!(!error.retryable && error.message.contains("expected 200"), "{error}");
    }

    #[test]
    fn an_encoding_that_was_not_asked_for_is_refused() {
        let none = Validator::default();
        for (status, offset) in [(200, 0), (200, 5), (206, 5)] {
            let sent = [(CONTENT_ENCODING, "gzip"), (CONTENT_RANGE, "bytes 5-11/12")];
            let error = answer(status, &sent, offset, &none).unwrap_err();
            assert!(!error.retryable && error.message.contains("`gzip`"), "{error}");
        }
        assert!(answer(200, &[(CONTENT_ENCODING, "identity")], 0, &none).is_ok());
    }

    #[test]
    fn a_304_is_an_unchanged_state_when_one_was_named_and_else_an_error() {
        let expected = Head {
            validator: tag("\"a\""),
            unchanged: true,
            ..Head::default()
        };
        assert_eq!(answer(304, &[], 0, &tag("\"a\"")), Ok(Answer::Complete(expected)));
        assert!(answer(304, &[], 0, &Validator::default()).is_err());
        assert!(answer(304, &[], 5, &tag("\"a\"")).is_err());
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_up_to_a_date_of_the_servers_clock() {
        let date = |text| (DATE, text);
        let wait = |of: &[(HeaderName, &str)]| answer(503, of, 0, &Validator::default()).unwrap_err().wait();
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(wait(&[(RETRY_AFTER, "2")]), Some(Duration::from_secs(2)));
        let then = (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:00 GMT");
        assert_eq!(wait(&[then.clone(), date(now)]), Some(Duration::from_secs(23)));
        let past = (RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT");
        assert_eq!(wait(&[past, date(now)]), Some(Duration::ZERO));
        for none in [
            &[then][..],
            &[(RETRY_AFTER, "soon"), date(now)],
            &[(RETRY_AFTER, "-2")],
            &[],
        ] {
            assert_eq!(wait(none), None);
        }
        let staying = answer(404, &[(RETRY_AFTER, "2")], 0, &Validator::default()).unwrap_err();
        assert_eq!(staying.wait(), None);
    }

    #[test]
    fn a_206_of_another_state_begins_anew() {
        let range = (CONTENT_RANGE, "bytes 5-11/12");
        assert_eq!(
            answer(206, &[range.clone(), (ETAG, "\"b\"")], 5, &tag("\"a\"")),
            Ok(Answer::Anew(Why::Changed))
        );
        let dated = Validator {
            etag: None,
            last_modified: Some("then".into()),
        };
        assert_eq!(
            answer(206, &[range, (LAST_MODIFIED, "now")], 5, &dated),
            Ok(Answer::Anew(Why::Changed))
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
            Ok(Answer::Anew(Why::Beyond))
        );
        assert_eq!(answer(416, &[], 5, &tag("\"a\"")), Ok(Answer::Anew(Why::Beyond)));
        assert_eq!(
            answer(416, &[(CONTENT_RANGE, "bytes */5"), (ETAG, "\"b\"")], 5, &tag("\"a\"")),
            Ok(Answer::Anew(Why::Changed))
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
            let none = Validator::default();
            let want = if offset == 0 { Want::Whole(&none) } else { Want::Rest(offset, &none) };
            match read(StatusCode::from_u16(status).unwrap(), &sent, want) {
                Ok(Answer::Bytes(head)) => prop_assert!(head.offset == 0 || (status == 206 && head.offset == offset)),
                Ok(Answer::Complete(head)) => prop_assert_eq!(head.size, Some(offset)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}
