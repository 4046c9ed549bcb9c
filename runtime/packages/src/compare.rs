use std::fmt;
use std::path::Path;

use crate::checkout::link_flaw;
use crate::durable::exists;
use crate::error::{OnPath, escape};
use crate::file_sum::FileSum;
use crate::published::Published;
use crate::sums::{Flaw, Sum, is_executable, kind_at};
use crate::{Store, StoreError, Tree};

/// In what a copy of a tree differs from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path, relative to the tree's root.
    pub path: String,
    /// What is wrong with it, as the end of a sentence.
    pub how: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", escape(&self.path), self.how)
    }
}

impl Store {
    /// Compares a copy that [`Store::checkout`] made at `dest` with what was published: the bytes and the execute bit of
    /// files, and on the way to each of them the links that the tree has and the folders, which must be real ones. The
    /// copy alone is read.
    pub fn differs(&self, published: &Published, dest: &Path) -> Result<Vec<Difference>, StoreError> {
        let mut found = Vec::new();
        for (path, sum) in &published.0 {
            found.extend(self.difference(dest, path, sum)?);
        }
        Ok(found)
    }

    /// Compares the tree itself, for whoever runs it where it lies. Errors: [`StoreError::RottenTree`] where it is not
    /// what was published, after which it is removed.
    pub fn verify_paths(&self, tree: &Tree, published: &Published) -> Result<(), StoreError> {
        match self.differs(published, tree.root())?.into_iter().next() {
            Some(Difference { path, how }) => Err(self.0.rotten(tree.id(), &Flaw { path, how })),
            None => Ok(()),
        }
    }

    pub(crate) fn difference(&self, dest: &Path, path: &str, sum: &Sum) -> Result<Option<Difference>, StoreError> {
        let place = dest.join(path);
        let how = match (kind_at(&place)?, sum) {
            (Some('d'), Sum::Directory) => None,
            (Some('l'), Sum::Link { target }) => link_flaw(&place, target)?,
            (Some('f'), Sum::File(sum)) => self.file_flaw(&place, sum)?,
            (None, _) if !exists(&place)? => Some("is missing"),
            _ => Some("has become something else"),
        };
        Ok(how.map(|how| Difference {
            path: path.to_owned(),
            how,
        }))
    }

    fn file_flaw(&self, place: &Path, sum: &FileSum) -> Result<Option<&'static str>, StoreError> {
        let mut file = self.0.disk.open(place).on("open", place)?;
        // A copy may be given more execute bits by its owner, which harms nothing.
        let executable = is_executable(&file).on("look at", place)? && sum.executable;
        let meta = file.metadata().on("look at", place)?;
        if meta.len() != sum.size {
            return Ok(Some("has other bytes"));
        }
        Ok(sum.flaw(&FileSum::of(&mut file, executable).on("read", place)?))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::sandbox::{Sandbox, checked_out};

    const PATHS: [&str; 2] = ["program.yml", "run"];

    #[test]
    fn a_tree_that_is_run_where_it_lies_is_removed_when_a_file_that_counts_was_edited() {
        let sandbox = Sandbox::new();
        let (tree, _) = checked_out(&sandbox);
        let published = sandbox.store().published(&tree, &PATHS).unwrap();
        sandbox.overwrite(&tree.root().join("bin/other"), b"2");
        sandbox.store().verify_paths(&tree, &published).unwrap();
        sandbox.overwrite(&tree.root().join("bin/app"), b"evil");
        let error = sandbox.store().verify_paths(&tree, &published).unwrap_err().to_string();
        assert!(error.contains("`bin/app` has other bytes"), "{error}");
        assert!(sandbox.store().tree(tree.id()).unwrap().is_none());
    }

    #[test]
    fn what_was_read_once_is_compared_without_the_list_of_the_tree_and_whatever_that_says_by_then() {
        let sandbox = Sandbox::new();
        let (tree, dest) = checked_out(&sandbox);
        let published = sandbox.store().published(&tree, &PATHS).unwrap();
        fs::write(dest.join("bin/app"), "evil").unwrap();
        fs::write(sandbox.root().join("sums/t"), "torn").unwrap();
        let found = sandbox.store().differs(&published, &dest).unwrap();
        assert_eq!(found[0].to_string(), "`bin/app` has other bytes");
        assert_eq!(sandbox.store().restore(&tree, &published, &dest).unwrap(), found);
        assert!(sandbox.store().differs(&published, &dest).unwrap().is_empty());
    }
}
