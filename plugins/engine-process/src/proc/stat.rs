//! `/proc/PID/stat`, proc_pid_stat(5).

/// The bit of the flags (field 9) that marks a thread of the kernel, `PF_KTHREAD`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What is read of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// `Z` and `X` have ended.
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// Whether it is a thread of the kernel's own.
    pub(crate) kernel: bool,
    /// Processor time of its own and of the children that it has waited for, in clock ticks.
    pub(crate) ticks: u64,
    pub(crate) threads: u64,
    /// Clock ticks between the boot and its start (field 22).
    pub(crate) start: u64,
    pub(crate) resident_pages: u64,
    /// Length of the environment in bytes; absent while it is executed, and when it may not be read.
    pub(crate) environment: Option<u64>,
}

impl Stat {
    /// Reads the line; nothing when it is none. The name in parentheses may hold anything, parentheses too.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.rsplit_once(')')?;
        let pid = before.split_once(" (")?.0.parse().ok()?;
        // Counted as in the manual page: the state is field 3.
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let id = |field: usize| fields.get(field - 3)?.parse::<u32>().ok();
        let ticks = [14, 15, 16, 17]
            .into_iter()
            .try_fold(0_u64, |sum, field| sum.checked_add(number(field)?))?;
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: id(4)?,
            session: id(6)?,
            kernel: number(9)? & KERNEL_THREAD != 0,
            ticks,
            threads: number(20)?,
            start: number(22)?,
            resident_pages: number(24)?,
            // The kernel sets where the code lies (field 26) last.
            environment: number(26)
                .filter(|code| *code > 0)
                .and_then(|_| number(51)?.checked_sub(number(50)?)),
        })
    }

    /// Whether it runs no more, though its pid is still taken.
    pub(crate) const fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(name: &str, state: char) -> String {
        let rest = "0 -1 4194560 9 0 0 0 10 20 30 40 20 0 4 0 243648 3133440 350 18446744073709551615 1 1 1 0 0 0 0 0 0 0 0 0 \
            17 0 0 0 0 0 0 1 1 1 1 1 1000 1024 0";
        format!("7 ({name}) {state} 3 5 6 {rest}")
    }

    #[test]
    fn the_fields_are_those_of_the_manual_page() {
        let stat = Stat::parse(&line("sh", 'S')).unwrap();
        let expected = Stat {
            pid: 7,
            state: 'S',
            parent: 3,
            session: 6,
            kernel: false,
            ticks: 100,
            threads: 4,
            start: 243_648,
            resident_pages: 350,
            environment: Some(24),
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn a_zombie_has_ended_and_a_stopped_process_has_not() {
        assert!(Stat::parse(&line("sh", 'Z')).unwrap().ended());
        assert!(!Stat::parse(&line("sh", 'T')).unwrap().ended());
    }

    #[test]
    fn a_process_that_is_executed_has_no_environment_yet() {
        let place = "18446744073709551615 1 1 1";
        let executed = line("sh", 'R').replace(place, "18446744073709551615 0 0 1");
        assert_eq!(Stat::parse(&executed).unwrap().environment, None);
        let bare = line("sh", 'R').replace("1000 1024 0", "1024 1024 0");
        assert_eq!(Stat::parse(&bare).unwrap().environment, Some(0));
    }

    #[test]
    fn a_line_that_was_cut_is_none() {
        assert_eq!(Stat::parse("7 (sh) S 3 5 6 0 -1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_thread_of_the_kernel_is_told_by_its_flag_and_not_by_its_number() {
        let thread = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2 0 0 18446744073709551615";
        assert!(Stat::parse(thread).unwrap().kernel);
        assert!(!Stat::parse(&thread.replace("2129984", "4194560")).unwrap().kernel);
    }

    proptest! {
        #[test]
        fn a_name_cannot_forge_fields(name in "[ -~]{0,15}") {
            let stat = Stat::parse(&line(&name, 'R')).unwrap();
            prop_assert_eq!((stat.pid, stat.start), (7, 243_648));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Stat::parse(&text);
        }
    }
}
