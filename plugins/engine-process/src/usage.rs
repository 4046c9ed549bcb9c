//! How an instance is and what it uses.

use crate::instance::Instance;
use crate::proc::{self, Known, Stat};
use aerolith_plugin::wire::engine::{Status, Usage};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

/// Sums over session and descendants. Memory that processes share is counted for each of them.
pub(crate) fn usage(all: &[Stat], leader: Known) -> Usage {
    let family = proc::family(all, leader, &[]);
    let sum = |of: fn(&Stat) -> u64| (!family.is_empty()).then(|| family.iter().map(|p| of(p)).sum::<u64>());
    Usage {
        cpu_seconds: sum(|p| p.ticks).map(|ticks| ticks as f64 / clock_ticks_per_second() as f64),
        memory_bytes: sum(|p| p.resident_pages).map(|pages| pages * page_size() as u64),
        threads: sum(|p| p.threads),
        ..Usage::default()
    }
}

/// The status of an instance, or of one that has ended.
pub(crate) fn status(instance: &Instance) -> Status {
    instance.running().map_or_else(Status::default, |process| {
        let Known { pid, start } = process.known();
        Status {
            running: true,
            pid: Some(pid),
            up_ms: Some(up_ms(start)),
            unenforced: instance.identity.unenforced.clone(),
            address: None,
        }
    })
}

/// Milliseconds since a start; the clock runs on while the machine sleeps, as the start's own does.
fn up_ms(start: u64) -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let now = u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    now.saturating_sub(start * 1000 / clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, ticks: u64) -> Stat {
        Stat {
            pid,
            state: 'S',
            parent,
            session: 10,
            kernel: false,
            ticks,
            threads: 2,
            start: 5,
            resident_pages: 3,
            environment: None,
        }
    }

    #[test]
    fn usage_is_the_sum_over_the_family() {
        let all = [
            process(10, 1, 100),
            process(11, 10, 50),
            Stat {
                session: 9,
                ..process(12, 1, 7)
            },
        ];
        let usage = usage(&all, Known { pid: 10, start: 5 });
        assert_eq!(usage.cpu_seconds, Some(150.0 / clock_ticks_per_second() as f64));
        assert_eq!(usage.memory_bytes, Some(6 * page_size() as u64));
        assert_eq!(usage.threads, Some(4));
    }

    #[test]
    fn what_cannot_be_read_is_absent_and_not_zero() {
        assert_eq!(usage(&[], Known { pid: 10, start: 5 }), Usage::default());
    }
}
