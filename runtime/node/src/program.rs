//! From a configuration with objects to a published tree. Blocks, once the objects are there.

use std::path::Path;

use aerolith_model::{Configuration, Entry, Key, Object, ProgramManifest, Unpack};
use aerolith_packages::{Blob, Content, Part, Rule, Store, StoreError, Tree, TreeId};

use crate::fetch::{Downloads, FetchError};

/// The file of a package that names its program (Baetyl v2).
const MANIFEST: &str = "program.yml";
/// Bytes that it may have.
const MOST_MANIFEST: u64 = 64 << 10;

/// Why a package does not become a tree.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Nobody could say which objects are for this machine.
    #[error("package `{package}`: {reason}")]
    Unresolved {
        /// The package.
        package: String,
        /// What the resolver answered: the platform and all keys.
        reason: String,
    },
    /// One object could not be had.
    #[error("object `{key}` of `{package}`: {error}")]
    Object {
        /// The package.
        package: String,
        /// The variable name.
        key: String,
        /// Why.
        error: Box<FetchError>,
    },
    /// An object in a format that is not unpacked yet.
    #[error("object `{key}` of `{package}`: unpack `tar.zst` is not supported by this store; use tgz or zip")]
    Format {
        /// The package.
        package: String,
        /// The variable name.
        key: String,
    },
    /// No `program.yml`.
    #[error(
        "package `{package}` has no {MANIFEST} at its root: put one there, in an archive or as a text entry, with a line \
         such as `entry: bin/app`"
    )]
    NoManifest {
        /// The package.
        package: String,
    },
    /// A bad `program.yml`.
    #[error("package `{package}`: {reason}")]
    Manifest {
        /// The package.
        package: String,
        /// What and where.
        reason: String,
    },
    /// The store refused the tree.
    #[error("package `{package}`: {error}")]
    Store {
        /// The package.
        package: String,
        /// Why.
        error: Box<StoreError>,
    },
}

/// Fetches every object of a configuration and answers what its tree is made of.
pub(crate) async fn parts(from: &Downloads, configuration: &Configuration) -> Result<Vec<Part>, PackageError> {
    let package = configuration.name.as_str();
    let mut parts = Vec::new();
    for (key, entry) in &configuration.data {
        let content = match entry {
            Entry::Text(text) => Content::Text(text.clone().into_bytes()),
            Entry::Object(object) => {
                let unpack = unpack(package, key, object.unpack)?;
                let failed = |error| PackageError::Object {
                    package: package.into(),
                    key: key.to_string(),
                    error: Box::new(error),
                };
                let blob = from.object(object).await.map_err(failed)?;
                Content::Object {
                    blob,
                    unpack,
                    file_name: file_name(configuration, key, object),
                }
            }
        };
        parts.push(Part {
            name: key.to_string(),
            content,
        });
    }
    Ok(parts)
}

/// The stored objects among parts.
pub(crate) fn blobs(parts: &[Part]) -> impl Iterator<Item = &Blob> {
    parts.iter().filter_map(|part| match &part.content {
        Content::Object { blob, .. } => Some(blob),
        Content::Text(_) => None,
    })
}

fn unpack(package: &str, key: &Key, unpack: Unpack) -> Result<aerolith_packages::Unpack, PackageError> {
    match unpack {
        Unpack::None => Ok(aerolith_packages::Unpack::None),
        Unpack::Zip => Ok(aerolith_packages::Unpack::Zip),
        Unpack::Tar => Ok(aerolith_packages::Unpack::Tar),
        Unpack::Tgz => Ok(aerolith_packages::Unpack::TarGz),
        Unpack::Auto => Ok(aerolith_packages::Unpack::Auto),
        Unpack::TarZst => Err(PackageError::Format {
            package: package.into(),
            key: key.to_string(),
        }),
    }
}

/// The name of an object that is not unpacked: in a package the last part of its URL, else its key (Baetyl v2).
fn file_name(configuration: &Configuration, key: &Key, object: &Object) -> String {
    let last = Some(object.file_name()).filter(|last| configuration.is_package() && !last.is_empty());
    last.unwrap_or(key.as_str()).to_owned()
}

/// Publishes a program's tree, its entry executable, and answers it with the entry. Blocks.
pub(crate) fn program(store: &Store, package: &str, parts: &[Part]) -> Result<(Tree, String), PackageError> {
    let failed = |error| PackageError::Store {
        package: package.into(),
        error: Box::new(error),
    };
    let id: TreeId = format!("program-{}", TreeId::of(parts)).parse().map_err(failed)?;
    if let Some(tree) = store.tree(&id).map_err(failed)? {
        let bytes = std::fs::read(tree.root().join(MANIFEST)).map_err(|e| PackageError::Manifest {
            package: package.into(),
            reason: format!("cannot read {}: {e}", tree.root().join(MANIFEST).display()),
        })?;
        let entry = entry(package, &bytes)?;
        return Ok((tree, entry));
    }
    let mut staged = store.stage(parts).map_err(failed)?;
    let bytes = staged.read(MANIFEST, MOST_MANIFEST).map_err(|error| match error {
        StoreError::Entry {
            rule: Rule::Missing, ..
        } => PackageError::NoManifest {
            package: package.into(),
        },
        error => failed(error),
    })?;
    let entry = entry(package, &bytes)?;
    staged.make_executable(&entry).map_err(failed)?;
    Ok((staged.publish(id).map_err(failed)?, entry))
}

fn entry(package: &str, bytes: &[u8]) -> Result<String, PackageError> {
    let bad = |reason| PackageError::Manifest {
        package: package.into(),
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|e| bad(format!("{MANIFEST} is no UTF-8 text: {e}")))?;
    let manifest = ProgramManifest::parse(MANIFEST, text).map_err(|e| bad(e.to_string()))?;
    Ok(manifest.entry().to_owned())
}

/// Publishes the tree of a configuration that is mounted as a volume. Blocks.
pub(crate) fn volume(store: &Store, name: &str, parts: &[Part]) -> Result<Tree, PackageError> {
    let failed = |error| PackageError::Store {
        package: name.into(),
        error: Box::new(error),
    };
    let id: TreeId = format!("volume-{}", TreeId::of(parts)).parse().map_err(failed)?;
    match store.tree(&id).map_err(failed)? {
        Some(tree) => Ok(tree),
        None => store.stage(parts).and_then(|staged| staged.publish(id)).map_err(failed),
    }
}

/// Gives a version its own copy of a tree; what an interrupted preparation left is removed. Blocks.
pub(crate) fn checkout(store: &Store, package: &str, tree: &Tree, to: &Path) -> Result<(), PackageError> {
    let failed = |error| PackageError::Store {
        package: package.into(),
        error: Box::new(error),
    };
    let io = |action, source| StoreError::Io {
        action,
        path: to.to_owned(),
        source,
    };
    crate::durable::remove(to).map_err(|e| failed(io("remove", e.source)))?;
    let parent = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| failed(io("make the folder of", e)))?;
    store.checkout(tree, to).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_packages::Limits;

    fn text(name: &str, text: &str) -> Part {
        Part {
            name: name.into(),
            content: Content::Text(text.into()),
        }
    }

    fn open() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store"), Limits::default()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_package_of_text_entries_becomes_a_program_and_its_checkout_is_executable() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, store) = open();
        let parts = [text("program.yml", "entry: run.sh\n"), text("run.sh", "#!/bin/sh\n")];
        let (tree, entry) = program(&store, "pp", &parts).unwrap();
        let (again, same) = program(&store, "pp", &parts).unwrap();
        assert_eq!((again.id(), &*same, &*entry), (tree.id(), "run.sh", "run.sh"));
        let to = dir.path().join("apps/a/tree");
        std::fs::create_dir_all(to.join("left by a crash")).unwrap();
        checkout(&store, "pp", &tree, &to).unwrap();
        assert_eq!(
            std::fs::metadata(to.join("run.sh")).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert!(!to.join("left by a crash").exists());
    }

    #[test]
    fn a_package_without_a_usable_program_yml_is_refused_with_the_reason_and_leaves_nothing() {
        let (_dir, store) = open();
        for (parts, part) in [
            (vec![text("run.sh", "")], "has no program.yml"),
            (vec![text("program.yml", "entry: gone.sh")], "`gone.sh`"),
            (vec![text("program.yml", "entry: ../../bin/sh")], "climbs out"),
            (vec![text("program.yml", "entry: x\nentry: y")], "program.yml:2"),
        ] {
            let error = program(&store, "weather", &parts).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("`weather`"), "{error}");
        }
        assert!(
            store
                .clean(&aerolith_packages::KeptParts::default(), |_| false)
                .unwrap()
                .removed
                .is_empty()
        );
    }

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
