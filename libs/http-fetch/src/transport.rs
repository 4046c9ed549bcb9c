//! Why no answer came, in words.

use crate::link::{self, LinkLocalName};
use aerolith_plugin::{Code, Error};
use rustls::{CertificateError, Error as TlsError};
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

/// The error of a connection. Another try may help, unless the server has no HTTP, or a certificate that will not get
/// better.
pub(crate) fn failed(e: reqwest::Error) -> Error {
    if e.is_builder() {
        return Error::invalid(told(e));
    }
    if let Some(name) = cause::<LinkLocalName>(&e) {
        return link::refused(name);
    }
    if let Some(TlsError::InvalidCertificate(why)) = cause::<TlsError>(&e) {
        return distrust(why);
    }
    let garbage = cause::<hyper::Error>(&e).is_some_and(hyper::Error::is_parse);
    let code = if e.is_timeout() {
        Code::Timeout
    } else {
        Code::Unavailable
    };
    let (is_unconnected, why) = (e.is_connect(), deepest(&e));
    match () {
        () if garbage => Error::io(format!("the server's answer is no HTTP: {}", told(e))).permanent(),
        () if is_unconnected => Error::new(code, format!("cannot connect: {why}")),
        () => Error::new(code, told(e)),
    }
}

/// What is at the bottom of an error; the layers above say how we are built.
fn deepest(e: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(e), |e| StdError::source(*e))
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Why a server's certificate is not believed. Only what a clock that is set right can cure is worth another try.
fn distrust(why: &CertificateError) -> Error {
    let date = |seconds: u64| {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds))
            .map_or_else(|| format!("second {seconds}"), httpdate::fmt_http_date)
    };
    let clock = |time: &rustls::pki_types::UnixTime| {
        format!(
            "the clock of this machine says {}; set it if that is wrong",
            date(time.as_secs())
        )
    };
    let (reason, passes) = match why {
        CertificateError::Expired => ("it has expired".to_owned(), true),
        CertificateError::ExpiredContext { time, not_after } => (
            format!("it expired on {}, and {}", date(not_after.as_secs()), clock(time)),
            true,
        ),
        CertificateError::NotValidYet => (
            "it is not valid yet; is the clock of this machine right?".to_owned(),
            true,
        ),
        CertificateError::NotValidYetContext { time, not_before } => (
            format!(
                "it is not valid before {}, and {}",
                date(not_before.as_secs()),
                clock(time)
            ),
            true,
        ),
        CertificateError::UnknownIssuer => (
            "nobody who is trusted has issued it (UnknownIssuer); name its authority as `ca` if it is the right one"
                .to_owned(),
            false,
        ),
        CertificateError::Revoked => ("it was revoked".to_owned(), false),
        other => (other.to_string(), false),
    };
    let error = Error::new(
        Code::Unavailable,
        format!("the server's certificate is refused: {reason}"),
    );
    if passes { error } else { error.permanent() }
}

/// The error with its causes, and without the address, which may hold secrets.
pub(crate) fn told(e: reqwest::Error) -> String {
    let e = e.without_url();
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

/// The cause of a kind. An I/O error hides the one that it was made from, so it is asked for it.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = hidden
            .map(|e| e as &(dyn StdError + 'static))
            .or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_certificate_that_the_clock_does_not_like_is_refused_with_both_times_and_worth_another_try() {
        let early = CertificateError::NotValidYetContext {
            time: at(5),
            not_before: at(1_700_000_000),
        };
        let error = distrust(&early);
        assert!(error.retryable);
        assert!(
            error.message.contains("Tue, 14 Nov 2023") && error.message.contains("Thu, 01 Jan 1970"),
            "{error}"
        );
        let late = CertificateError::ExpiredContext {
            time: at(1_700_000_000),
            not_after: at(5),
        };
        assert!(distrust(&late).message.contains("expired on Thu, 01 Jan 1970"));
    }

    #[test]
    fn a_certificate_that_will_not_get_better_is_not_tried_again() {
        for why in [
            CertificateError::UnknownIssuer,
            CertificateError::Revoked,
            CertificateError::BadSignature,
        ] {
            assert!(!distrust(&why).retryable, "{why:?}");
        }
    }

    #[test]
    fn a_cause_is_found_behind_errors_that_hide_it() {
        let hidden = std::io::Error::other(std::io::Error::other(LinkLocalName("h".into())));
        assert_eq!(cause::<LinkLocalName>(&hidden), Some(&LinkLocalName("h".into())));
        assert_eq!(cause::<TlsError>(&hidden), None);
    }
}
