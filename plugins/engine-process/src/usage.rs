//! How an instance is and what it uses.

use crate::cgroup::{Group, Readings};
use crate::instance::Instance;
use crate::proc::{self, Known, Stat};
use aerolith_plugin::wire::engine::{Status, Usage};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

/// What an instance uses: by its control groups, which count those that have ended too, else summed over its processes.
pub(crate) fn usage(instance: &Instance) -> Usage {
    let readings = instance.group.as_ref().map(Group::readings).unwrap_or_default();
    with(&readings, &summed(&instance.members()))
}

/// Readings of groups where there are some, else those of processes.
fn with(readings: &Readings, summed: &Usage) -> Usage {
    let (read, written) = readings.io_bytes.unzip();
    Usage {
        cpu_seconds: readings.cpu_seconds.or(summed.cpu_seconds),
        memory_bytes: readings.memory_bytes.or(summed.memory_bytes),
        read_bytes: read.or(summed.read_bytes),
        written_bytes: written.or(summed.written_bytes),
        throttled_seconds: readings.throttled_seconds,
        cpu_pressure: readings.cpu_pressure,
        memory_pressure: readings.memory_pressure,
        io_pressure: readings.io_pressure,
        ..summed.clone()
    }
}

/// Sums over processes. Memory that they share is counted for each of them, but in the proportional part.
fn summed(members: &[Stat]) -> Usage {
    let sum = |of: fn(&Stat) -> u64| (!members.is_empty()).then(|| members.iter().map(of).sum::<u64>());
    // One that goes meanwhile, or belongs to another user, leaves the others to be counted.
    let told = |of: fn(u32) -> Option<u64>| members.iter().filter_map(|p| of(p.pid)).reduce(|sum, one| sum + one);
    Usage {
        cpu_seconds: sum(|p| p.ticks).map(|ticks| ticks as f64 / clock_ticks_per_second() as f64),
        memory_bytes: sum(|p| p.resident_pages).map(|pages| pages * page_size() as u64),
        proportional_bytes: told(proc::proportional_bytes),
        read_bytes: told(|pid| proc::io_bytes(pid, "read_bytes")),
        written_bytes: told(|pid| proc::io_bytes(pid, "write_bytes")),
        processes: sum(|_| 1),
        threads: sum(|p| p.threads),
        descriptors: told(proc::descriptors),
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
            unenforced: instance.identity.applied.unenforced.clone(),
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

    #[test]
    fn this_process_uses_something_of_everything() {
        let own = summed(&[proc::stat(std::process::id()).unwrap()]);
        let all = [
            own.memory_bytes,
            own.proportional_bytes,
            own.processes,
            own.threads,
            own.descriptors,
        ];
        assert!(
            all.iter().all(|reading| reading.is_some_and(|reading| reading > 0)),
            "{own:?}"
        );
        assert!(own.cpu_seconds.is_some() && own.read_bytes.is_some() && own.written_bytes.is_some());
    }

    #[test]
    fn usage_is_the_sum_over_all_processes() {
        // Numbers that no process has.
        let process = |pid, ticks| Stat {
            pid,
            state: 'S',
            parent: 1,
            session: 10,
            kernel: false,
            ticks,
            threads: 2,
            start: 5,
            resident_pages: 3,
            environment: None,
        };
        let usage = summed(&[process(u32::MAX, 100), process(u32::MAX - 1, 50)]);
        assert_eq!(usage.cpu_seconds, Some(150.0 / clock_ticks_per_second() as f64));
        assert_eq!(usage.memory_bytes, Some(6 * page_size() as u64));
        assert_eq!((usage.processes, usage.threads), (Some(2), Some(4)));
        assert_eq!((usage.proportional_bytes, usage.descriptors), (None, None));
    }

    #[test]
    fn what_cannot_be_read_is_absent_and_not_zero() {
        assert_eq!(summed(&[]), Usage::default());
    }

    #[test]
    fn what_a_group_counts_goes_before_what_processes_tell() {
        let of_processes = Usage {
            cpu_seconds: Some(1.0),
            memory_bytes: Some(5),
            threads: Some(2),
            ..Usage::default()
        };
        let of_groups = Readings {
            cpu_seconds: Some(2.0),
            io_bytes: Some((3, 4)),
            ..Readings::default()
        };
        let usage = with(&of_groups, &of_processes);
        assert_eq!(
            (usage.cpu_seconds, usage.memory_bytes, usage.threads),
            (Some(2.0), Some(5), Some(2))
        );
        assert_eq!((usage.read_bytes, usage.written_bytes), (Some(3), Some(4)));
    }
}
