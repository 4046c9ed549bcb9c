//! In what two trees differ.

use std::collections::BTreeSet;

use aerolith_packages::Digest;

use crate::content::identify;
use crate::tree::{Kind, Tree, TreeError};

/// One path at which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: String,
    /// What the first tree has there.
    pub was: Option<Side>,
    /// What the second has.
    pub is: Option<Side>,
}

/// What one tree has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Kind, size and execute bit, or the link's target.
    pub kind: Kind,
    /// Of a file: its bytes.
    pub sha256: Option<Digest>,
}

impl Side {
    fn of(tree: &Tree, path: &str) -> Result<Option<Self>, TreeError> {
        let Some(kind) = tree.get(path) else { return Ok(None) };
        let content = || identify(&tree.root().join(path)).map(|identity| identity.sha256);
        let sha256 = matches!(kind, Kind::File { .. }).then(content).transpose()?;
        Ok(Some(Self {
            kind: kind.clone(),
            sha256,
        }))
    }
}

/// Compares two trees by kinds, execute bits, targets of links and the bytes of files; answers the differences in the
/// order of the paths.
///
/// # Errors
/// When a file cannot be read.
pub fn compare(one: &Tree, other: &Tree) -> Result<Vec<Change>, TreeError> {
    let paths: BTreeSet<&str> = one.entries().chain(other.entries()).map(|(path, _)| path).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (was, is) = (Side::of(one, path)?, Side::of(other, path)?);
        if was != is {
            changes.push(Change {
                path: path.to_owned(),
                was,
                is,
            });
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn every_kind_of_difference_is_found_and_nothing_else() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for root in [one.path(), other.path()] {
            for name in ["same", "bytes", "mode", "kind"] {
                fs::write(root.join(name), "1").unwrap();
            }
            symlink("same", root.join("same-link")).unwrap();
        }
        fs::write(one.path().join("gone"), "1").unwrap();
        fs::write(other.path().join("new"), "1").unwrap();
        fs::write(other.path().join("bytes"), "2").unwrap();
        fs::set_permissions(other.path().join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(other.path().join("kind")).unwrap();
        fs::create_dir(other.path().join("kind")).unwrap();
        symlink("a", one.path().join("link")).unwrap();
        symlink("b", other.path().join("link")).unwrap();
        let (one, other) = (Tree::of(one.path()).unwrap(), Tree::of(other.path()).unwrap());
        let changes = compare(&one, &other).unwrap();
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["bytes", "gone", "kind", "link", "mode", "new"]);
        assert!(changes[1].is.is_none() && changes[5].was.is_none());
        assert_eq!(compare(&one, &one.clone()).unwrap(), []);
    }
}
