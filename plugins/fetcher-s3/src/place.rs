//! From an `s3` URL to an object of a store, and the address at which HTTP finds it.

use crate::config::Defaults;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use url::{Host, Url};

/// The scheme served.
pub const SCHEME: &str = "s3";

/// What is written as it is in the path of an object: the unreserved signs (RFC 3986, section 2.3) and the slash. A
/// signature is over exactly this writing.
const KEPT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Where the name of the bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Addressing {
    /// In front of the path: `https://HOST/BUCKET/KEY`.
    Path,
    /// In front of the host: `https://BUCKET.HOST/KEY`.
    Virtual,
}

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    address: Url,
    /// The region that a signature names.
    pub region: String,
    /// Whether the store gives it to everybody.
    pub anonymous: bool,
}

/// Why a URL names no object. What may hold a secret is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlace {
    /// No `s3` URL at all.
    #[error(
        "expected `s3://BUCKET/KEY`, perhaps with `?endpoint=…&region=…&addressing=path|virtual&anonymous=true` behind it"
    )]
    NotS3,
    /// User, password, port or fragment.
    #[error(
        "a user, a port or a fragment in an `s3` URL says nothing; keys belong into a secret that the object names as `credentials`"
    )]
    Extras,
    /// A bucket that is none.
    #[error("`{0}` is no name of a bucket: expected 1 to 63 letters, digits, `.`, `-` and `_`")]
    Bucket(String),
    /// A key that cannot be asked for.
    #[error(
        "the key `{0}` of the object is not UTF-8, empty, or has a part that is `.` or `..`, which no HTTP address can hold"
    )]
    Key(String),
    /// A question that is not known.
    #[error(
        "`{0}` is not known behind the `?` of an `s3` URL: expected `endpoint`, `region`, `addressing` or `anonymous`"
    )]
    Unknown(String),
    /// An answer that is not known.
    #[error("`{key}={found}`: expected {expected}")]
    Value {
        /// Of what.
        key: &'static str,
        /// What was found.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// A number cannot have a bucket in front of it.
    #[error("the endpoint is a number, which no bucket can stand in front of: use `addressing=path`")]
    Number,
}

impl Place {
    /// Reads a URL: `s3://BUCKET/KEY`, with what it says otherwise than the operator.
    ///
    /// # Errors
    /// [`BadPlace`].
    pub fn read(text: &str, defaults: &Defaults) -> Result<Self, BadPlace> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == SCHEME)
            .ok_or(BadPlace::NotS3)?;
        let extras = !url.username().is_empty() || url.password().is_some() || url.port().is_some();
        if extras || url.fragment().is_some() {
            return Err(BadPlace::Extras);
        }
        let (mut said, bucket, key) = (defaults.clone(), bucket(&url)?, key(&url)?);
        for (name, value) in url.query_pairs() {
            say(&mut said, &name, &value)?;
        }
        let endpoint = match said.endpoint {
            Some(endpoint) => endpoint,
            None => amazon(&said.region)?,
        };
        Ok(Self {
            address: address(endpoint, &bucket, &key, said.addressing)?,
            region: said.region,
            anonymous: said.anonymous,
        })
    }

    /// The address at which HTTP finds it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

fn bucket(url: &Url) -> Result<String, BadPlace> {
    let name = url.host_str().unwrap_or_default();
    let sign = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 63 || name.starts_with(['.', '-']) || !name.chars().all(sign) {
        return Err(BadPlace::Bucket(name.to_owned()));
    }
    Ok(name.to_owned())
}

fn key(url: &Url) -> Result<String, BadPlace> {
    let path = url.path().trim_start_matches('/');
    let wrong = || BadPlace::Key(path.to_owned());
    let key = percent_decode_str(path).decode_utf8().map_err(|_| wrong())?;
    if key.is_empty() || key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(wrong());
    }
    Ok(key.into_owned())
}

fn say(said: &mut Defaults, name: &str, value: &str) -> Result<(), BadPlace> {
    let wrong = |key, expected| BadPlace::Value {
        key,
        found: value.to_owned(),
        expected,
    };
    match name {
        "endpoint" => said.endpoint = Some(endpoint(value)?),
        "region" => said.region = region(value)?,
        "addressing" => {
            said.addressing = match value {
                "path" => Addressing::Path,
                "virtual" => Addressing::Virtual,
                _ => return Err(wrong("addressing", "`path` or `virtual`")),
            };
        }
        "anonymous" => said.anonymous = value.parse().map_err(|_| wrong("anonymous", "`true` or `false`"))?,
        _ => return Err(BadPlace::Unknown(name.to_owned())),
    }
    Ok(())
}

/// Reads where a store answers: scheme, host, perhaps a port, and nothing else.
///
/// # Errors
/// [`BadPlace::Value`], without a user and a password.
pub fn endpoint(text: &str) -> Result<Url, BadPlace> {
    let wrong = |found: &str| BadPlace::Value {
        key: "endpoint",
        found: found.to_owned(),
        expected: "`http://HOST:PORT` or `https://HOST`",
    };
    let url = Url::parse(text).map_err(|_| wrong(text))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("…@…"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if bare && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    Err(wrong(text))
}

/// Reads a region, which becomes part of a host and of a signature.
///
/// # Errors
/// [`BadPlace::Value`].
pub fn region(text: &str) -> Result<String, BadPlace> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(text.to_owned());
    }
    Err(BadPlace::Value {
        key: "region",
        found: text.to_owned(),
        expected: "letters, digits and `-`",
    })
}

/// Amazon's endpoint of a region (AWS General Reference, "Amazon S3 endpoints").
fn amazon(region: &str) -> Result<Url, BadPlace> {
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    endpoint(&format!("https://s3.{region}.amazonaws.com{china}"))
}

fn address(mut endpoint: Url, bucket: &str, key: &str, addressing: Addressing) -> Result<Url, BadPlace> {
    let key = utf8_percent_encode(key, &KEPT);
    match addressing {
        Addressing::Path => endpoint.set_path(&format!("/{bucket}/{key}")),
        Addressing::Virtual => {
            let Some(Host::Domain(host)) = endpoint.host() else {
                return Err(BadPlace::Number);
            };
            let host = format!("{bucket}.{host}");
            endpoint
                .set_host(Some(&host))
                .map_err(|_| BadPlace::Bucket(bucket.to_owned()))?;
            endpoint.set_path(&format!("/{key}"));
        }
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use proptest::prelude::*;

    fn read(url: &str) -> Result<Place, BadPlace> {
        Place::read(url, &Config::default().defaults().unwrap())
    }

    fn address(url: &str) -> String {
        read(url).unwrap().address()
    }

    #[test]
    fn amazon_answers_where_nothing_else_is_said() {
        assert_eq!(
            address("s3://depot/a/b.zip"),
            "https://s3.us-east-1.amazonaws.com/depot/a/b.zip"
        );
        assert_eq!(
            address("s3://depot/b.zip?region=cn-north-1&addressing=virtual"),
            "https://depot.s3.cn-north-1.amazonaws.com.cn/b.zip"
        );
    }

    #[test]
    fn a_url_says_where_and_how_the_store_answers() {
        let place = read("s3://depot/b.zip?endpoint=http://127.0.0.1:9000&region=bj&anonymous=true").unwrap();
        assert_eq!(place.address(), "http://127.0.0.1:9000/depot/b.zip");
        assert_eq!((place.region.as_str(), place.anonymous), ("bj", true));
        assert_eq!(
            address("s3://depot/b.zip?endpoint=https%3A%2F%2Fs3.bj.example%3A8443&addressing=virtual"),
            "https://depot.s3.bj.example:8443/b.zip"
        );
    }

    #[test]
    fn a_url_overrules_the_operator() {
        let config = Config {
            endpoint: Some("http://store.example:9000".into()),
            anonymous: true,
            addressing: Addressing::Virtual,
            ..Config::default()
        };
        let defaults = config.defaults().unwrap();
        assert_eq!(
            Place::read("s3://depot/x", &defaults).unwrap().address(),
            "http://depot.store.example:9000/x"
        );
        let said = Place::read("s3://depot/x?anonymous=false&addressing=path", &defaults).unwrap();
        assert_eq!(
            (said.address().as_str(), said.anonymous),
            ("http://store.example:9000/depot/x", false)
        );
    }

    #[test]
    fn a_key_is_written_as_it_is_signed() {
        assert_eq!(
            address("s3://d/%E4%BD%A0%20+a=b/~x_y-z.zip?endpoint=http://h"),
            "http://h/d/%E4%BD%A0%20%2Ba%3Db/~x_y-z.zip"
        );
        assert_eq!(address("s3://d/a%2Fb?endpoint=http://h"), "http://h/d/a/b");
    }

    #[test]
    fn what_names_no_object_is_refused() {
        assert_eq!(read("http://h/x"), Err(BadPlace::NotS3));
        assert_eq!(read("nonsense"), Err(BadPlace::NotS3));
        for extras in ["s3://user:secret@d/x", "s3://d:80/x", "s3://d/x#secret"] {
            assert_eq!(read(extras), Err(BadPlace::Extras));
        }
        for bucket in ["s3:///x", "s3://-d/x", "s3://d%2F/x"] {
            assert!(matches!(read(bucket), Err(BadPlace::Bucket(_))), "{bucket}");
        }
        for key in ["s3://d", "s3://d/", "s3://d/%FF", "s3://d/a%2F..%2Fb"] {
            assert!(matches!(read(key), Err(BadPlace::Key(_))), "{key}");
        }
        assert_eq!(read("s3://d/x?regoin=x"), Err(BadPlace::Unknown("regoin".into())));
        for value in [
            "addressing=dns",
            "anonymous=1",
            "region=a.b",
            "region=",
            "endpoint=h",
            "endpoint=ftp://h",
            "endpoint=http://h/x",
        ] {
            assert!(
                matches!(read(&format!("s3://d/x?{value}")), Err(BadPlace::Value { .. })),
                "{value}"
            );
        }
        assert_eq!(
            read("s3://d/x?endpoint=http://[::1]:9&addressing=virtual"),
            Err(BadPlace::Number)
        );
    }

    #[test]
    fn no_error_repeats_a_password_of_an_endpoint() {
        let error = read("s3://d/x?endpoint=http://u:s3cret@h").unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    proptest! {
        #[test]
        fn any_key_is_found_where_it_was_put(key in "[^/]{1,9}(/[^/.]{1,9}){0,3}") {
            prop_assume!(!key.split('/').any(|part| matches!(part, "." | "..")));
            let written = utf8_percent_encode(&key, NON_ALPHANUMERIC);
            let found = address(&format!("s3://d/{written}?endpoint=http://h"));
            let path = found.strip_prefix("http://h/d/").unwrap();
            prop_assert_eq!(percent_decode_str(path).decode_utf8().unwrap(), key);
        }
    }
}
