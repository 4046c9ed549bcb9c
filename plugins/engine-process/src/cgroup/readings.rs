//! What the control groups of a start tell of it. What a host does not account for is absent.

use super::group::{Group, number};
use super::hierarchy::{Controller, Version};
use std::fs;
use std::path::Path;

/// Readings of groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Readings {
    /// Processor time in seconds, of those that have ended, too.
    pub(crate) cpu_seconds: Option<f64>,
    /// Memory in bytes, without what of files could be dropped at once.
    pub(crate) memory_bytes: Option<u64>,
    /// Bytes read from and written to disks.
    pub(crate) io_bytes: Option<(u64, u64)>,
    pub(crate) throttled_seconds: Option<f64>,
    pub(crate) cpu_pressure: Option<f64>,
    pub(crate) memory_pressure: Option<f64>,
    pub(crate) io_pressure: Option<f64>,
}

impl Group {
    /// How it is now.
    pub(crate) fn readings(&self) -> Readings {
        let unified = self.unified();
        let pressure = |file| some_of_ten(&read(&unified.as_ref()?.join(file)));
        Readings {
            cpu_seconds: self.cpu_seconds(),
            memory_bytes: self.memory_bytes(),
            io_bytes: self.io_bytes(),
            throttled_seconds: self.throttled_seconds(),
            cpu_pressure: pressure("cpu.pressure"),
            memory_pressure: pressure("memory.pressure"),
            io_pressure: pressure("io.pressure"),
        }
    }

    fn cpu_seconds(&self) -> Option<f64> {
        // Every group of v2 counts, also where its controller is one of v1.
        if let Some(micros) = self
            .unified()
            .and_then(|folder| number(&read(&folder.join("cpu.stat")), "usage_usec"))
        {
            return Some(micros as f64 / 1e6);
        }
        let (folder, _) = self.with(Controller::Cpuacct)?;
        let nanos: u64 = read(&folder.join("cpuacct.usage")).trim().parse().ok()?;
        Some(nanos as f64 / 1e9)
    }

    fn throttled_seconds(&self) -> Option<f64> {
        let (folder, version) = self.with(Controller::Cpu)?;
        let text = read(&folder.join("cpu.stat"));
        Some(match version {
            Version::One => number(&text, "throttled_time")? as f64 / 1e9,
            Version::Two => number(&text, "throttled_usec")? as f64 / 1e6,
        })
    }

    fn memory_bytes(&self) -> Option<u64> {
        let (folder, version) = self.with(Controller::Memory)?;
        let (file, idle) = match version {
            Version::One => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.current", "inactive_file"),
        };
        let used: u64 = read(&folder.join(file)).trim().parse().ok()?;
        Some(used.saturating_sub(number(&read(&folder.join("memory.stat")), idle).unwrap_or(0)))
    }

    fn io_bytes(&self) -> Option<(u64, u64)> {
        let (folder, version) = self.with(Controller::Io)?;
        match version {
            Version::One => Some(of_v1(
                &fs::read_to_string(folder.join("blkio.throttle.io_service_bytes_recursive")).ok()?,
            )),
            Version::Two => Some(of_v2(&fs::read_to_string(folder.join("io.stat")).ok()?)),
        }
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// The part of the last ten seconds in which some waited, from 0 to 1 (PSI).
fn some_of_ten(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some avg10="))?;
    let percent: f64 = line.split(' ').next()?.parse().ok()?;
    Some(percent / 100.0)
}

/// Read and written, from lines such as `8:0 Read 4096`.
fn of_v1(text: &str) -> (u64, u64) {
    let of = |what| {
        let amounts = text.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            (words.next()? == what).then(|| words.next()?.parse::<u64>().ok())?
        });
        amounts.sum()
    };
    (of("Read"), of("Write"))
}

/// Read and written, from lines such as `8:0 rbytes=4096 wbytes=0 rios=1`.
fn of_v2(text: &str) -> (u64, u64) {
    let of = |key| {
        let amounts = text
            .split_whitespace()
            .filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok());
        amounts.sum()
    };
    (of("rbytes="), of("wbytes="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_disks_are_summed_in_either_version() {
        let one = "8:0 Read 4096\n8:0 Write 100\n8:0 Sync 7\n8:16 Read 4\n8:16 Total 4\nTotal 4200\n";
        assert_eq!(of_v1(one), (4100, 100));
        let two = "8:0 rbytes=4096 wbytes=100 rios=1 wios=1 dbytes=9 dios=1\n8:16 rbytes=4 wbytes=0\n";
        assert_eq!(of_v2(two), (4100, 100));
        assert_eq!((of_v1(""), of_v2("")), ((0, 0), (0, 0)));
    }

    #[test]
    fn a_pressure_is_a_part_of_the_time() {
        let text = "some avg10=12.50 avg60=1.00 avg300=0.10 total=5\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(some_of_ten(text), Some(0.125));
        assert_eq!(some_of_ten(""), None);
    }
}
