//! Who belongs to an instance: its session, whoever carries its mark, and everything that those started.

use super::Stat;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A process that was seen: its pid alone may be somebody else's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Its number.
    pub(crate) pid: u32,
    /// Clock ticks between the boot and its start.
    pub(crate) start: u64,
}

impl Known {
    /// Whether this is that process, and not a later one of its number.
    pub(crate) const fn is(self, stat: &Stat) -> bool {
        self.pid == stat.pid && self.start == stat.start
    }
}

impl From<&Stat> for Known {
    fn from(stat: &Stat) -> Self {
        Self {
            pid: stat.pid,
            start: stat.start,
        }
    }
}

/// The members of `leader`'s family that still run, ascending. `roots` are members by other signs.
///
/// The session counts only while the leader's pid is still its own, running or not yet waited for: a number that is free
/// may be a stranger's session.
pub(crate) fn family<'a>(all: &'a [Stat], leader: Known, roots: &[Known]) -> Vec<&'a Stat> {
    let held = all.iter().any(|p| leader.is(p));
    let is_root = |p: &Stat| (held && p.session == leader.pid) || roots.iter().any(|r| r.is(p));
    let mut children: BTreeMap<u32, Vec<&Stat>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut open: Vec<&Stat> = all.iter().filter(|p| is_root(p)).collect();
    let mut seen: BTreeSet<u32> = open.iter().map(|p| p.pid).collect();
    while let Some(process) = open.pop() {
        let born = children.get(&process.pid).into_iter().flatten();
        open.extend(born.filter(|child| child.start >= process.start && seen.insert(child.pid)));
    }
    all.iter().filter(|p| seen.contains(&p.pid) && !p.ended()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn process(pid: u32, parent: u32, session: u32, start: u64) -> Stat {
        Stat {
            pid,
            state: 'S',
            parent,
            session,
            kernel: false,
            ticks: 0,
            threads: 1,
            start,
            resident_pages: 1,
            environment: None,
        }
    }

    fn pids(all: &[Stat], leader: Known, roots: &[Known]) -> Vec<u32> {
        family(all, leader, roots).iter().map(|p| p.pid).collect()
    }

    const LEADER: Known = Known { pid: 10, start: 100 };

    #[test]
    fn session_and_descendants_belong_and_strangers_do_not() {
        let all = [
            process(1, 0, 1, 0),
            process(10, 1, 10, 100),
            process(11, 1, 10, 101),
            process(12, 11, 12, 102),
            process(20, 1, 20, 103),
        ];
        assert_eq!(pids(&all, LEADER, &[]), [10, 11, 12]);
    }

    #[test]
    fn a_session_of_a_reused_number_does_not_belong() {
        let all = [process(10, 1, 10, 500), process(11, 10, 10, 501)];
        assert!(pids(&all, LEADER, &[]).is_empty());
    }

    #[test]
    fn a_dead_leader_still_holds_its_session_but_is_no_member() {
        let mut all = [process(10, 1, 10, 100), process(11, 1, 10, 101)];
        all[0].state = 'Z';
        assert_eq!(pids(&all, LEADER, &[]), [11]);
    }

    #[test]
    fn a_marked_daemon_belongs_with_its_children() {
        let all = [
            process(30, 1, 30, 200),
            process(31, 30, 31, 201),
            process(32, 1, 32, 202),
        ];
        assert_eq!(pids(&all, LEADER, &[Known { pid: 30, start: 200 }]), [30, 31]);
        assert!(pids(&all, LEADER, &[Known { pid: 30, start: 199 }]).is_empty());
    }

    proptest! {
        #[test]
        fn every_member_is_a_root_or_the_child_of_a_member(
            tree in proptest::collection::vec((0_u32..40, 0_u32..40, 0_u64..50), 0..40)
        ) {
            let all: Vec<Stat> =
                tree.iter().enumerate().map(|(i, (p, s, t))| process(i as u32 + 1, *p, *s, *t)).collect();
            let leader = Known { pid: 10, start: all.get(9).map_or(0, |p| p.start) };
            let members = pids(&all, leader, &[]);
            for member in family(&all, leader, &[]) {
                prop_assert!(member.session == 10 || members.contains(&member.parent));
            }
        }
    }
}
