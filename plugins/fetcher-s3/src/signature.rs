//! Signature Version 4 (AWS, "Authenticating Requests: Using the Authorization Header"). Amazon's own crate signs.

use crate::place::Place;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Access key, secret key, and the token of keys that pass.
#[derive(Debug, Clone)]
pub struct Keys(Credentials);

/// Why nothing can be signed. No value is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// Entries are missing.
    #[error(
        "the store wants a signature: name a secret with `accessKeyId` and `secretAccessKey` (or `ak` and `sk`) as the object's \
         `credentials`, or write `anonymous=true` where everybody may read"
    )]
    NoKeys,
    /// The signer refuses.
    #[error("the request cannot be signed: {0}")]
    Signer(String),
}

impl Keys {
    /// Reads the entries of a secret: `accessKeyId`, `secretAccessKey`, perhaps `sessionToken`; or Baetyl's `ak` and `sk`.
    ///
    /// # Errors
    /// [`NotSigned::NoKeys`].
    pub fn read(entries: &BTreeMap<String, String>) -> Result<Self, NotSigned> {
        let entry = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| entries.get(*name))
                .filter(|value| !value.is_empty())
        };
        let access = entry(["accessKeyId", "ak"]).ok_or(NotSigned::NoKeys)?;
        let secret = entry(["secretAccessKey", "sk"]).ok_or(NotSigned::NoKeys)?;
        let token = entry(["sessionToken", "token"]).cloned();
        Ok(Self(Credentials::new(access, secret, token, None, "secret")))
    }
}

/// The headers that prove who asks for an object. Range and conditions are not part of it.
///
/// # Errors
/// [`NotSigned::Signer`].
pub fn headers(place: &Place, keys: &Keys, now: SystemTime) -> Result<BTreeMap<String, String>, NotSigned> {
    let failed = |e: &dyn std::fmt::Display| NotSigned::Signer(e.to_string());
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = keys.0.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&place.region)
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|e| failed(&e))?
        .into();
    let address = place.address();
    let request = SignableRequest::new("GET", address, std::iter::empty(), SignableBody::Bytes(&[]));
    let (signed, _) = sign(request.map_err(|e| failed(&e))?, &parameters)
        .map_err(|e| failed(&e))?
        .into_parts();
    Ok(signed
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::Duration;

    fn keys(entries: &[(&str, &str)]) -> Result<Keys, NotSigned> {
        Keys::read(&entries.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    fn signed(url: &str, entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let place = Place::read(url, &Config::default().defaults().unwrap()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        headers(&place, &keys(entries).unwrap(), now).unwrap()
    }

    /// What botocore, the library of Amazon for Python, makes of the same request.
    #[test]
    fn a_request_is_signed_as_others_sign_it() {
        let entries = [
            ("accessKeyId", "AKIAIOSFODNN7EXAMPLE"),
            ("secretAccessKey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ];
        let headers = signed(
            "s3://examplebucket/test%20%24file.text?addressing=virtual&endpoint=https://s3.amazonaws.com",
            &entries,
        );
        assert_eq!(headers["x-amz-date"], "20130524T000000Z");
        assert!(headers["authorization"].starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
        ));
        assert!(
            headers["authorization"].ends_with(BOTOCORE),
            "{}",
            headers["authorization"]
        );
    }

    const BOTOCORE: &str = "b52da0b7649fe9c2ad56c9550e8d0e7f1f6420a28128b50b8f15354f084cfaf9";

    #[test]
    fn keys_of_baetyl_and_keys_that_pass_sign_too() {
        let headers = signed("s3://d/x", &[("ak", "a"), ("sk", "s")]);
        assert!(headers["authorization"].contains("Credential=a/"));
        let passing = [
            ("accessKeyId", "a"),
            ("secretAccessKey", "s"),
            ("sessionToken", "t0ken"),
        ];
        assert_eq!(signed("s3://d/x", &passing)["x-amz-security-token"], "t0ken");
    }

    #[test]
    fn half_a_pair_of_keys_is_none() {
        for entries in [&[][..], &[("ak", "a")], &[("sk", "s")], &[("ak", ""), ("sk", "s")]] {
            assert_eq!(keys(entries).unwrap_err(), NotSigned::NoKeys);
        }
    }

    #[test]
    fn keys_do_not_show_their_secret() {
        let shown = format!("{:?}", keys(&[("ak", "a"), ("sk", "s3cret")]).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
