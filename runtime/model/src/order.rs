//! Start order: dependencies before dependents.

use std::collections::{BTreeMap, BTreeSet};

/// Services that wait for each other, in the order of waiting; the first is repeated at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependsOn goes in a circle: {}", .members.join(" -> "))]
pub struct Cycle {
    /// The members, each depending on the next.
    pub members: Vec<String>,
}

/// Sorts names so that each stands after all it depends on; among free ones, the given order of names is kept as the
/// map orders them. Dependencies that are no key of the map are ignored.
///
/// # Errors
/// [`Cycle`] names the members of one circle.
pub fn start_order<'a>(depends_on: &BTreeMap<&'a str, Vec<&'a str>>) -> Result<Vec<&'a str>, Cycle> {
    let mut placed = BTreeSet::new();
    let mut order = Vec::with_capacity(depends_on.len());
    for name in depends_on.keys() {
        place(name, depends_on, &mut placed, &mut order)?;
    }
    Ok(order)
}

/// Depth first with an explicit path, so that a long chain cannot exhaust the stack.
fn place<'a>(
    root: &'a str,
    depends_on: &BTreeMap<&'a str, Vec<&'a str>>,
    placed: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) -> Result<(), Cycle> {
    let mut path: Vec<(&str, usize)> = vec![(root, 0)];
    let mut waiting = BTreeSet::from([root]);
    while let Some((name, next)) = path.last_mut() {
        let waited_for = depends_on.get(name).and_then(|names| names.get(*next)).copied();
        *next += 1;
        match waited_for {
            Some(dependency) if waiting.contains(dependency) => return Err(cycle(&path, dependency)),
            Some(dependency) if placed.contains(dependency) || !depends_on.contains_key(dependency) => {}
            Some(dependency) => {
                waiting.insert(dependency);
                path.push((dependency, 0));
            }
            None => {
                let name = *name;
                path.pop();
                waiting.remove(name);
                if placed.insert(name) {
                    order.push(name);
                }
            }
        }
    }
    Ok(())
}

fn cycle(path: &[(&str, usize)], closing: &str) -> Cycle {
    let members = path
        .iter()
        .map(|(member, _)| *member)
        .skip_while(|member| *member != closing);
    Cycle {
        members: members.chain([closing]).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_circle_is_named_without_those_who_only_lead_to_it() {
        let edges = BTreeMap::from([("aa", vec!["bb"]), ("bb", vec!["cc"]), ("cc", vec!["bb"])]);
        assert_eq!(start_order(&edges).unwrap_err().members, ["bb", "cc", "bb"]);
        let own = BTreeMap::from([("aa", vec!["aa"])]);
        assert_eq!(
            start_order(&own).unwrap_err().to_string(),
            "dependsOn goes in a circle: aa -> aa"
        );
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let names: Vec<String> = (0..50_000).map(|i| format!("s{i:05}")).collect();
        let mut edges: BTreeMap<&str, Vec<&str>> = names
            .windows(2)
            .map(|pair| (pair[0].as_str(), vec![pair[1].as_str()]))
            .collect();
        edges.insert("s49999", Vec::new());
        assert_eq!(start_order(&edges).unwrap()[0], "s49999");
    }

    proptest! {
        #[test]
        fn dependencies_come_first_or_a_real_circle_is_named(
            edges in proptest::collection::vec((0_usize..8, 0_usize..8), 0..14),
        ) {
            const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let mut graph: BTreeMap<&str, Vec<&str>> = NAMES.iter().map(|name| (*name, Vec::new())).collect();
            for (from, to) in edges {
                graph.entry(NAMES[from]).or_default().push(NAMES[to]);
            }
            match start_order(&graph) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), NAMES.len());
                    let at = |name| order.iter().position(|placed| *placed == name);
                    for (name, dependencies) in &graph {
                        prop_assert!(dependencies.iter().all(|dependency| at(*dependency) < at(*name)));
                    }
                }
                Err(Cycle { members }) => {
                    prop_assert!(members.len() >= 2 && members.first() == members.last());
                    for pair in members.windows(2) {
                        prop_assert!(graph[pair[0].as_str()].contains(&pair[1].as_str()));
                    }
                }
            }
        }
    }
}
