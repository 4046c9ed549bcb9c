//! What `/proc` tells: who runs, who belongs to whom, who carries which mark. Reads only, signals nobody.

mod detail;
mod environ;
mod family;
mod stat;

pub(crate) use detail::{descriptors, io_bytes, proportional_bytes};
pub(crate) use environ::{Mark, Patience, environment};
pub(crate) use family::{Known, family};
pub(crate) use stat::Stat;

use std::fs;

/// One process as it is now, or nothing when there is none or it cannot be read.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that can be seen, zombies included. Those that come or go meanwhile may be missing.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| stat(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// Those of the processes that carry the mark and still run. Environments are read of those alone that were started no earlier than
/// `since`, in ticks: whom an instance started is no older than its first process.
pub(crate) fn marked(all: &[Stat], mark: &Mark, since: u64) -> Vec<Stat> {
    let patience = Patience::new();
    let carries = |p: &&Stat| environment(p.pid, &patience).is_ok_and(|e| mark.is_in(&e));
    all.iter()
        .filter(|p| p.start >= since && !p.ended() && !p.kernel)
        .filter(carries)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_among_all_with_its_parent_and_threads() {
        let own = all().into_iter().find(|p| p.pid == std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(own.threads >= 1 && own.resident_pages > 0 && !own.ended());
    }

    #[test]
    fn nobody_carries_a_mark_that_was_never_given() {
        let mark = Mark::new("shop.web.1", "a token that nobody was given").unwrap();
        assert!(marked(&all(), &mark, 0).is_empty());
    }
}
