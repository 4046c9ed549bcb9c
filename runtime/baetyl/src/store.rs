//! Objects that lie in an object store: where, and with which keys. Baetyl's cloud signs an address for the edge; here the
//! fetcher for `s3` asks the store itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aerolith_model::{Name, Secret, SecretBytes, Url};
use serde_json::Value;

use crate::error::Problem;

/// The sources of Baetyl's cloud that speak the S3 protocol, Baidu's own BOS with an endpoint of its own for it.
const SOURCES: [&str; 5] = ["s3", "awss3", "minio", "bos", "baidubos"];
/// The domain of Baidu's BOS.
const BAIDU: &str = ".bcebos.com";

type Fields = BTreeMap<String, Value>;

/// Whether objects of a source lie in a store that can be asked.
pub(crate) fn is_known(source: &str) -> bool {
    SOURCES.contains(&source.to_ascii_lowercase().as_str())
}

/// Keys that an object brings along.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    ak: String,
    sk: String,
}

/// Takes the keys out of the fields: they are secret, and never kept with what is shown (baetyl.md, weakness 7.1.8).
///
/// # Errors
/// One key without the other, or one that is no text.
pub(crate) fn take_keys(fields: &mut Fields) -> Result<Option<Keys>, Problem> {
    let mut take = |name| match fields.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(Problem::Field(format!("`{name}` is not text"))),
    };
    match (take("ak")?, take("sk")?) {
        (Some(ak), Some(sk)) => Ok(Some(Keys { ak, sk })),
        (None, None) => Ok(None),
        _ => Err(Problem::Field("one of `ak` and `sk` is missing".into())),
    }
}

/// The address of an object: `s3://BUCKET/OBJECT` with the endpoint, the region and the addressing behind it.
///
/// # Errors
/// Fields that are missing or wrong.
pub(crate) fn address(fields: &Fields) -> Result<Url, Problem> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let needed = |name: &str| text(name).ok_or_else(|| Problem::Field(format!("`{name}` is missing, or no text")));
    let (bucket, object) = (needed("bucket")?, needed("object")?);
    let (endpoint, own_region) = endpoint(needed("endpoint")?);
    let mut url = format!(
        "s3://{bucket}/{}?endpoint={}",
        escaped(object, "/"),
        escaped(&endpoint, ":/")
    );
    if let Some(region) = text("region").or(own_region.as_deref()) {
        let _ = write!(url, "&region={}", escaped(region, ""));
    }
    match text("addressFormat").unwrap_or("pathStyle") {
        "pathStyle" => {}
        "virtualHostedStyle" | "virtualHosted" => url.push_str("&addressing=virtual"),
        other => {
            let expected = "expected `pathStyle` or `virtualHostedStyle`";
            return Err(Problem::Field(format!("`addressFormat` is `{other}`: {expected}")));
        }
    }
    Ok(Url::try_from(url)?)
}

/// The endpoint with a scheme, and the region that it names. Baidu's stores answer the S3 protocol at a name of their own,
/// `s3.REGION.bcebos.com` (BOS documentation, "S3 compatibility").
fn endpoint(text: &str) -> (String, Option<String>) {
    let (scheme, host) = text.split_once("://").unwrap_or(("https", text));
    let host = host.trim_end_matches('/');
    let Some(region) = host.strip_suffix(BAIDU) else {
        return (format!("{scheme}://{host}"), None);
    };
    let region = region.strip_prefix("s3.").unwrap_or(region);
    (format!("{scheme}://s3.{region}{BAIDU}"), Some(region.to_owned()))
}

/// Percent-encoding (RFC 3986, section 2.1) of all but the unreserved signs and those to keep.
fn escaped(text: &str, kept: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        let sign = char::from(byte);
        if sign.is_ascii_alphanumeric() || "-_.~".contains(sign) || kept.contains(sign) {
            escaped.push(sign);
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Keys on their way into secrets: equal ones of one configuration share one.
pub(crate) struct Companions<'a> {
    configuration: &'a Name,
    secrets: Vec<(Keys, Name)>,
}

impl<'a> Companions<'a> {
    pub(crate) const fn of(configuration: &'a Name) -> Self {
        Self {
            configuration,
            secrets: Vec::new(),
        }
    }

    /// The name of the secret that will hold these keys: `CONFIGURATION-credentials`, and with a number from the second on.
    ///
    /// # Errors
    /// A name that is none, for the configuration's is too long.
    pub(crate) fn name(&mut self, keys: Keys) -> Result<Name, Problem> {
        if let Some((_, name)) = self.secrets.iter().find(|(known, _)| *known == keys) {
            return Ok(name.clone());
        }
        let number = match self.secrets.len() {
            0 => String::new(),
            more => format!("-{}", more + 1),
        };
        let name = Name::try_from(format!("{}-credentials{number}", self.configuration))?;
        self.secrets.push((keys, name.clone()));
        Ok(name)
    }

    /// The secrets, with the entries that fetchers look for.
    pub(crate) fn into_secrets(self) -> Vec<Secret> {
        let secret = |(Keys { ak, sk }, name)| Secret {
            name,
            version: String::new(),
            description: format!("Keys that came with the configuration {}", self.configuration),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            data: [("accessKeyId", ak), ("secretAccessKey", sk)]
                .into_iter()
                .filter_map(|(key, value)| Some((key.parse().ok()?, SecretBytes(value.into_bytes()))))
                .collect(),
            extra: BTreeMap::new(),
        };
        self.secrets.into_iter().map(secret).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(fields: &Value) -> Result<String, String> {
        let fields: Fields = serde_json::from_value(fields.clone()).unwrap();
        address(&fields)
            .map(|url| url.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn an_object_lies_in_a_bucket_of_an_endpoint() {
        let minio = json!({"endpoint": "http://10.0.0.5:9000/", "bucket": "depot", "object": "a b/p?.zip"});
        assert_eq!(
            at(&minio).unwrap(),
            "s3://depot/a%20b/p%3F.zip?endpoint=http://10.0.0.5:9000"
        );
        let amazon = json!({"endpoint": "s3.eu-west-1.amazonaws.com", "region": "eu-west-1", "bucket": "d", "object": "x",
                            "addressFormat": "virtualHostedStyle"});
        assert_eq!(
            at(&amazon).unwrap(),
            "s3://d/x?endpoint=https://s3.eu-west-1.amazonaws.com&region=eu-west-1&addressing=virtual"
        );
    }

    #[test]
    fn baidus_stores_are_asked_where_they_speak_s3() {
        for endpoint in ["http://bj.bcebos.com", "http://s3.bj.bcebos.com"] {
            let object = json!({"endpoint": endpoint, "bucket": "d", "object": "x"});
            assert_eq!(
                at(&object).unwrap(),
                "s3://d/x?endpoint=http://s3.bj.bcebos.com&region=bj"
            );
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (name, value) in [
            ("endpoint", Value::Null),
            ("bucket", json!("")),
            ("object", json!(7)),
            ("addressFormat", json!("dns")),
        ] {
            let mut object = json!({"endpoint": "h", "bucket": "d", "object": "x"});
            object[name] = value;
            let problem = at(&object).unwrap_err();
            assert!(problem.contains(&format!("`{name}`")), "{problem}");
        }
    }

    #[test]
    fn keys_are_taken_out_in_pairs() {
        let mut fields: Fields = serde_json::from_value(json!({"ak": "a", "sk": "s", "bucket": "d"})).unwrap();
        assert!(take_keys(&mut fields).unwrap().is_some());
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["bucket"]);
        for wrong in [
            json!({"ak": "canary"}),
            json!({"sk": "canary", "ak": ""}),
            json!({"ak": 7, "sk": "canary"}),
        ] {
            let mut fields: Fields = serde_json::from_value(wrong).unwrap();
            let Err(problem) = take_keys(&mut fields) else { panic!() };
            assert!(!problem.to_string().contains("canary"), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_name_of_an_object_reaches_into_the_question(object in "\\PC{1,20}") {
            let url = at(&json!({"endpoint": "h", "bucket": "d", "object": object}));
            prop_assume!(url.is_ok());
            prop_assert!(url.unwrap().ends_with("?endpoint=https://h"));
        }
    }
}
