use crate::entry_path::EntryPath;
use crate::error::escape;
use crate::links::MOST_LINKS;
use crate::sums::{Sum, Sums};
use crate::{Rule, Store, StoreError, Tree};

/// What was published at some paths of a tree and on the way to them. Reading it takes the list of the whole tree, 10 MB
/// for 50,000 files; it is small itself, so whoever compares again and again keeps it, and then compares with what the
/// store had on record when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published(pub(crate) Vec<(String, Sum)>);

impl Store {
    /// All that must be right for these paths to lead where they should, in an order in which it can be put right.
    /// Errors: [`StoreError::Entry`] for a path that leads to no file of the tree.
    pub fn published(&self, tree: &Tree, paths: &[&str]) -> Result<Published, StoreError> {
        let (sums, mut all) = (self.0.sums(tree.id())?, Vec::new());
        for path in paths {
            let refuse = |rule| StoreError::entry(path, rule);
            let asked = EntryPath::parse(path, &self.0.limits).map_err(refuse)?;
            for step in way(&sums, asked.as_str()).map_err(refuse)? {
                if !all.contains(&step) {
                    all.push(step);
                }
            }
        }
        let owned = |(path, sum): (&str, &Sum)| (path.to_owned(), sum.clone());
        Ok(Published(all.into_iter().map(owned).collect()))
    }
}

/// The folders and links on the way to the file at which `path` arrives, and the file. The tree was checked when it was
/// built, so no link leads out of it.
fn way<'s>(sums: &'s Sums, path: &str) -> Result<Vec<(&'s str, &'s Sum)>, Rule> {
    let mut way = Vec::new();
    let mut todo: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
    let (mut here, mut links) = (Vec::<String>::new(), 0);
    while let Some(name) = todo.pop() {
        match name.as_str() {
            "" | "." => continue,
            ".." => drop(here.pop()),
            _ => {
                here.push(name);
                let (path, sum) = sums.0.get_key_value(&here.join("/")).ok_or(Rule::Missing)?;
                way.push((path.as_str(), sum));
                if let Sum::Link { target } = sum {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Rule::LinkLoop { target: escape(target) });
                    }
                    here.pop();
                    todo.extend(target.rsplit('/').map(str::to_owned));
                }
            }
        }
    }
    match way.last() {
        Some((_, Sum::File(_))) => Ok(way),
        _ => Err(Rule::NotAFile { kind: "a folder" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, checked_out};

    #[test]
    fn a_path_comes_with_the_folders_and_links_on_its_way() {
        let sandbox = Sandbox::new();
        let (tree, _) = checked_out(&sandbox);
        let published = sandbox.store().published(&tree, &["bin/app", "run"]).unwrap();
        let paths: Vec<_> = published.0.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["bin", "bin/app", "run", "lib"]);
    }

    #[test]
    fn a_path_that_leads_to_no_file_of_the_tree_is_refused() {
        let sandbox = Sandbox::new();
        let (tree, _) = checked_out(&sandbox);
        for (path, rule) in [
            ("absent", Rule::Missing),
            ("../x", Rule::Climbs),
            ("bin", Rule::NotAFile { kind: "a folder" }),
            ("lib", Rule::NotAFile { kind: "a folder" }),
        ] {
            let error = sandbox.store().published(&tree, &[path]).unwrap_err();
            assert_eq!(error.rule(), Some(&rule), "{path}: {error}");
        }
    }
}
