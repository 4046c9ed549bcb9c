//! What a tree is made of: the texts of a configuration, and its objects once their bytes are there.

use aerolith_model::{Configuration, Entry, Key, Object, Unpack};
use aerolith_packages::{Blob, Content, Part};

use super::PackageError;
use crate::desired::Desired;
use crate::fetch::{Downloads, FetchError, Reporter, Wanted};
use crate::policy::PackagePolicy;

/// Makes sure of every object of a configuration and answers what its tree is made of. Nothing is fetched of one with an
/// entry that the node's policy does not take.
pub(crate) async fn parts(
    from: &Downloads,
    desired: &Desired,
    configuration: &Configuration,
    is_program: bool,
    reporter: &Reporter,
) -> Result<Vec<Part>, PackageError> {
    let package = configuration.name.as_str();
    admitted(from.policy(), configuration, is_program)?;
    let mut parts = Vec::new();
    for (key, entry) in &configuration.data {
        let part = match entry {
            Entry::Text(text) => text_part(key, text),
            Entry::Object(object) => {
                let wanted = Wanted {
                    pinned: desired.pinned(configuration, key, object),
                    object,
                    credentials: desired.credentials(object),
                };
                let report = reporter.object(package, key.as_str());
                let blob = from.object(&wanted, &report).await;
                object_part(configuration, key, object, blob)?
            }
        };
        parts.push(part);
    }
    Ok(parts)
}

/// Checks that the node's policy takes every entry of a configuration.
pub(crate) fn admitted(
    policy: &PackagePolicy,
    configuration: &Configuration,
    is_program: bool,
) -> Result<(), PackageError> {
    let admitted = policy.admits(configuration, is_program);
    admitted.map_err(|(key, error)| PackageError::Forbidden {
        package: configuration.name.to_string(),
        key: key.to_string(),
        error,
    })
}

pub(crate) fn text_part(key: &Key, text: &str) -> Part {
    Part {
        name: key.to_string(),
        content: Content::Text(text.into()),
    }
}

/// An object with its bytes, if they could be had.
pub(crate) fn object_part(
    configuration: &Configuration,
    key: &Key,
    object: &Object,
    blob: Result<Blob, FetchError>,
) -> Result<Part, PackageError> {
    let blob = blob.map_err(|error| PackageError::Object {
        package: configuration.name.to_string(),
        key: key.to_string(),
        error: Box::new(error),
    })?;
    Ok(Part {
        name: key.to_string(),
        content: Content::Object {
            blob,
            unpack: unpack(object.unpack),
            file_name: file_name(configuration, key, object),
        },
    })
}

/// The stored objects among parts, by their keys.
pub(crate) fn blobs(parts: &[Part]) -> impl Iterator<Item = (&str, &Blob)> {
    parts.iter().filter_map(|part| match &part.content {
        Content::Object { blob, .. } => Some((part.name.as_str(), blob)),
        Content::Text(_) => None,
    })
}

fn unpack(unpack: Unpack) -> aerolith_packages::Unpack {
    match unpack {
        Unpack::None => aerolith_packages::Unpack::None,
        Unpack::Zip => aerolith_packages::Unpack::Zip,
        Unpack::Tar => aerolith_packages::Unpack::Tar,
        Unpack::Tgz => aerolith_packages::Unpack::TarGz,
        Unpack::TarZst => aerolith_packages::Unpack::TarZst,
        Unpack::Auto => aerolith_packages::Unpack::Auto,
    }
}

/// The name of an object that is not unpacked: in a package the last part of its URL, else its key (Baetyl v2).
fn file_name(configuration: &Configuration, key: &Key, object: &Object) -> String {
    let last = Some(object.file_name()).filter(|last| configuration.is_package() && !last.is_empty());
    last.unwrap_or(key.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_unpacked_is_called_as_baetyl_calls_it() {
        let name = |labels: &str, url: &str| {
            let json = format!(r#"{{"name":"pp","labels":{{{labels}}},"data":{{"key":{{"url":"{url}"}}}}}}"#);
            let configuration: Configuration = serde_json::from_str(&json).unwrap();
            let (key, object) = configuration.objects().next().unwrap();
            file_name(&configuration, key, object)
        };
        let package = r#""baetyl-config-type":"baetyl-program""#;
        assert_eq!(name(package, "http://h/a/app.bin?sig=1/2"), "app.bin");
        assert_eq!(name(package, "http://h/a/"), "key");
        assert_eq!(name("", "http://h/a/app.bin"), "key");
    }
}
