//! What of a process takes longer to read than its stat.

use std::fs;

/// Its own part of the memory that it shares, in bytes (PSS).
pub(crate) fn proportional_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kibibytes = value(&text, "Pss")?.strip_suffix(" kB")?;
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

/// Bytes that it and the children that it has waited for moved to or from disks: `read_bytes` or `write_bytes`.
pub(crate) fn io_bytes(pid: u32, which: &str) -> Option<u64> {
    value(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?, which)?
        .parse()
        .ok()
}

/// Its open descriptors.
pub(crate) fn descriptors(pid: u32) -> Option<u64> {
    u64::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    Some(lines.find(|(key, _)| *key == name)?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_behind_its_name() {
        assert_eq!(value("Rss:  10 kB\nPss:   7 kB\nPss_Anon: 1 kB\n", "Pss"), Some("7 kB"));
        assert_eq!(value("", "Pss"), None);
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_told() {
        let told = [
            proportional_bytes(u32::MAX),
            io_bytes(u32::MAX, "read_bytes"),
            descriptors(u32::MAX),
        ];
        assert_eq!(told, [None; 3]);
    }
}
