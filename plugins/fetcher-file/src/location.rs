//! From a `file` URL to a path (RFC 8089), strictly: what cannot be meant is refused, not guessed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Why a URL names no file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// No `file://` at its front, or no absolute path.
    #[error("`{0}` is no file URL: expected `file:///` and an absolute path")]
    NotFile(String),
    /// Another machine's file.
    #[error("`{url}` names a file of the host `{host}`; only this machine's files are served: leave the host out")]
    Host {
        /// The URL.
        url: String,
        /// Its host.
        host: String,
    },
    /// `?` or `#`, which end the path of a URL.
    #[error(
        "`{0}` has a query or a fragment, which files do not have; write `%3F` for `?` and `%23` for `#` in a name"
    )]
    Query(String),
    /// A `%` that begins no byte, or a zero byte.
    #[error("`{url}` holds `{found}`, which stands for no byte of a path; write `%25` for `%` in a name")]
    Escape {
        /// The URL.
        url: String,
        /// What is wrong in it.
        found: String,
    },
}

/// The path that a URL names. Scheme and `localhost` may be in any case.
///
/// # Errors
/// [`BadLocation`] with the URL.
pub fn path_of(url: &str) -> Result<PathBuf, BadLocation> {
    let not_file = || BadLocation::NotFile(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(not_file)?;
    let (host, path) = rest.split_at(rest.find('/').ok_or_else(not_file)?);
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(not_file());
    }
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err(BadLocation::Host {
            url: url.to_owned(),
            host: host.to_owned(),
        });
    }
    if path.contains(['?', '#']) {
        return Err(BadLocation::Query(url.to_owned()));
    }
    let bytes = decode(path).map_err(|found| BadLocation::Escape {
        url: url.to_owned(),
        found,
    })?;
    Ok(OsString::from_vec(bytes).into())
}

/// Percent-decoding (RFC 3986, section 2.1); a wrong escape is the error.
fn decode(path: &str) -> Result<Vec<u8>, String> {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let wrong = || format!("%{}", part.chars().take(2).collect::<String>());
        let (digits, plain) = part.as_bytes().split_at_checked(2).ok_or_else(wrong)?;
        out.push(byte(digits).filter(|b| *b != 0).ok_or_else(wrong)?);
        out.extend_from_slice(plain);
    }
    Ok(out)
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn an_absolute_path_follows_an_empty_host_or_localhost() {
        for url in [
            "file:///a/b.zip",
            "file://localhost/a/b.zip",
            "FILE://LocalHost/a/b.zip",
        ] {
            assert_eq!(path_of(url), Ok("/a/b.zip".into()), "{url}");
        }
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(path_of("file:///a%20b/%3F%23%25").unwrap(), PathBuf::from("/a b/?#%"));
        assert_eq!(path_of("file:///%e4%BD%A0").unwrap(), PathBuf::from("/你"));
        assert_eq!(path_of("file:///%FF").unwrap().as_os_str().as_bytes(), b"/\xff");
    }

    #[test]
    fn what_names_no_file_of_this_machine_is_refused_by_name() {
        for url in [
            "",
            "/a",
            "file:/a",
            "file:a",
            "file://",
            "file://localhost",
            "http://localhost/a",
            "file//x/a",
        ] {
            assert_eq!(path_of(url), Err(BadLocation::NotFile(url.into())), "{url}");
        }
        assert!(path_of("file://nas/a").unwrap_err().to_string().contains("host `nas`"));
        assert!(path_of("file://user@localhost/a").is_err());
        for url in ["file:///a?b", "file:///a#b"] {
            assert_eq!(path_of(url), Err(BadLocation::Query(url.into())));
        }
    }

    #[test]
    fn a_wrong_escape_is_shown() {
        for (url, shown) in [
            ("file:///a%", "`%`"),
            ("file:///a%2", "`%2`"),
            ("file:///%zzb", "`%zz`"),
            ("file:///%00", "`%00`"),
            ("file:///%+1", "`%+1`"),
        ] {
            let error = path_of(url).unwrap_err().to_string();
            assert!(error.contains(shown) && error.contains(url), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_path_can_be_written_as_a_url(bytes in proptest::collection::vec(1_u8..=255, 0..40)) {
            let escaped: String = bytes.iter().map(|b| format!("%{b:02X}")).collect();
            let path = path_of(&format!("file:///{escaped}")).unwrap();
            prop_assert_eq!(&path.as_os_str().as_bytes()[1..], &*bytes);
        }

        #[test]
        fn no_text_makes_the_reading_fail_without_an_error(text in "\\PC{0,40}") {
            if let Ok(path) = path_of(&format!("file://{text}")) {
                prop_assert!(path.is_absolute());
            }
        }
    }
}
