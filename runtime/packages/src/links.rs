use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::Rule;
use crate::entry_path::EntryPath;
use crate::error::escape;
use crate::file_sum::FileSum;

/// Links that one walk may follow before it counts as a loop; Linux's own figure (path_resolution(7)).
pub(crate) const MOST_LINKS: usize = 40;

/// Steps that one walk may always take.
const FUEL: usize = 10_000;

/// What lies at a path of a tree under construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { executable: bool, sum: Written },
    Link { target: String },
}

impl Kind {
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Kind::Directory => "a folder",
            Kind::File { .. } => "a file",
            Kind::Link { .. } => "a link",
        }
    }
}

/// The sum of a file's bytes, there once they are written.
pub(crate) type Written = Arc<OnceLock<FileSum>>;

/// One path of a tree and the number of the part that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) part: usize,
}

/// A whole tree in memory. It says where a link leads without asking the file system.
pub(crate) type Nodes = BTreeMap<EntryPath, Node>;

/// Follows `target` as the kernel would from the folder `base` (names, outermost first) and answers the names it
/// arrives at, which exist or not. Pure; refuses what leaves the tree even for one step. Every step costs one of
/// `fuel`, so that a tree full of long chains cannot keep the processor busy; without fuel it counts as a loop.
fn walk(nodes: &Nodes, base: Vec<String>, target: &str, fuel: &mut usize) -> Result<Vec<String>, Rule> {
    let mut here = base;
    let mut todo: Vec<String> = steps(target)?;
    let mut links = 0;
    while let Some(name) = todo.pop() {
        *fuel = fuel
            .checked_sub(1)
            .ok_or_else(|| Rule::LinkLoop { target: escape(target) })?;
        if name == ".." {
            here.pop().ok_or_else(|| Rule::LinkEscapes { target: escape(target) })?;
            continue;
        }
        here.push(name);
        if let Some(Kind::Link { target: next }) = at(nodes, &here) {
            links += 1;
            if links > MOST_LINKS {
                return Err(Rule::LinkLoop { target: escape(target) });
            }
            here.pop();
            todo.extend(steps(next)?);
        }
    }
    Ok(here)
}

/// The names at which `path` arrives when every link on the way is followed.
pub(crate) fn resolve(nodes: &Nodes, path: &EntryPath) -> Result<Vec<String>, Rule> {
    walk(nodes, Vec::new(), path.as_str(), &mut { FUEL })
}

/// The first link that leads out or never arrives, with the rule. One that leads to nothing inside the tree is
/// allowed, since the application may put something there.
pub(crate) fn first_bad(nodes: &Nodes) -> Option<(&EntryPath, &Node, Rule)> {
    let mut fuel = FUEL + 100 * nodes.len();
    nodes.iter().find_map(|(path, node)| {
        let Kind::Link { target } = &node.kind else { return None };
        let mut base: Vec<String> = path.as_str().split('/').map(str::to_owned).collect();
        base.pop();
        walk(nodes, base, target, &mut fuel)
            .err()
            .map(|rule| (path, node, rule))
    })
}

/// What lies at `names`, if anything.
pub(crate) fn at<'n>(nodes: &'n Nodes, names: &[String]) -> Option<&'n Kind> {
    nodes.get(names.join("/").as_str()).map(|node| &node.kind)
}

/// The steps of a link's target, last first.
fn steps(target: &str) -> Result<Vec<String>, Rule> {
    if target.is_empty() || target.contains(['\0', '\\']) || target.starts_with('/') {
        return Err(Rule::LinkEscapes { target: escape(target) });
    }
    let names = target.split('/').filter(|name| !matches!(*name, "" | "."));
    Ok(names.rev().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use proptest::prelude::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text, &Limits::default()).unwrap()
    }

    fn tree(entries: &[(&str, &str)]) -> Nodes {
        let kind = |target: &str| match target {
            "dir" => Kind::Directory,
            "file" => Kind::File {
                executable: false,
                sum: Written::default(),
            },
            target => Kind::Link {
                target: target.to_owned(),
            },
        };
        entries
            .iter()
            .map(|(name, what)| {
                (
                    path(name),
                    Node {
                        kind: kind(what),
                        part: 0,
                    },
                )
            })
            .collect()
    }

    /// The rule that stops a link to `target` at `link`.
    fn rule(mut nodes: Nodes, link: &str, target: &str) -> Option<Rule> {
        nodes.insert(
            path(link),
            Node {
                kind: Kind::Link {
                    target: target.to_owned(),
                },
                part: 0,
            },
        );
        first_bad(&nodes).map(|(_, _, rule)| rule)
    }

    #[test]
    fn a_link_inside_arrives_where_the_kernel_would() {
        let nodes = tree(&[("a", "dir"), ("a/f", "file"), ("l", "a"), ("a/up", "../l/f")]);
        assert_eq!(resolve(&nodes, &path("l/up")).unwrap(), ["a", "f"]);
        assert_eq!(first_bad(&nodes), None);
        assert_eq!(rule(nodes, "x", "nothing/there"), None);
    }

    #[test]
    fn a_link_that_leads_out_directly_or_by_a_chain_is_refused() {
        let nodes = tree(&[("d", "."), ("s", "dir"), ("s/t", "dir"), ("deep", "s/t")]);
        for target in [
            "..",
            "../x",
            "/etc",
            "s/../../x",
            "d/../x",
            "deep/../../..",
            "",
            "a\\b",
            "a\0",
        ] {
            let expected = Rule::LinkEscapes { target: escape(target) };
            assert_eq!(rule(nodes.clone(), "l", target), Some(expected));
        }
        assert_eq!(rule(nodes, "s/l", "../s/t"), None);
    }

    #[test]
    fn a_loop_of_links_is_refused() {
        let nodes = tree(&[("b", "a")]);
        for (link, target) in [("a", "b"), ("self", "self"), ("fat", "fat/fat")] {
            let nodes = if link == "a" { nodes.clone() } else { Nodes::new() };
            assert_eq!(
                rule(nodes, link, target),
                Some(Rule::LinkLoop { target: target.into() })
            );
        }
    }

    #[test]
    fn a_tree_of_long_chains_stops_when_the_fuel_is_gone() {
        let mut nodes = tree(&[("d", ".")]);
        let detour = "d/".repeat(39);
        for n in 0..2000 {
            let kind = Kind::Link {
                target: format!("{detour}{}", "x/../".repeat(60)),
            };
            nodes.insert(path(&format!("l{n}")), Node { kind, part: 0 });
        }
        assert!(matches!(first_bad(&nodes), Some((_, _, Rule::LinkLoop { .. }))));
    }

    proptest! {
        #[test]
        fn every_walk_ends_inside_or_is_refused(
            links in prop::collection::vec(("[a-c](/[a-c]){0,2}", r"(\.\./|[a-c]/|\./){0,4}[a-c]"), 0..8),
            target in r"(\.\./|[a-c]/){0,5}[a-c]",
        ) {
            let nodes = links.iter().map(|(name, target)| {
                (path(name), Node { kind: Kind::Link { target: target.clone() }, part: 0 })
            }).collect();
            if let Ok(names) = walk(&nodes, vec![], &target, &mut { FUEL }) {
                prop_assert!(names.iter().all(|name| name != ".."));
            }
        }
    }
}
