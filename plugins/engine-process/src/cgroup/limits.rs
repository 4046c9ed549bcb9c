//! From what a workload may use to what is written into which file of a control group. Pure.
//!
//! The files: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel.

use super::hierarchy::{Controller, Controllers, Version};
use aerolith_plugin::wire::engine::{Resources, enforce};

/// Processes and threads of an instance for which nobody said a number: what systemd allows a unit. It holds a fork bomb.
const PIDS: u64 = 4915;
/// Microseconds in which a share of the processors is spent, and the longest that the kernel takes.
const PERIODS: (u64, u64) = (100_000, 1_000_000);
/// The least share in microseconds that the kernel takes.
const LEAST_QUOTA: u64 = 1000;

/// What a file of a group is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// This.
    Text(String),
    /// What the file of that name in the group above holds.
    AsAbove,
}

/// One file of a group and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) controller: Controller,
    /// Files that kernels have for it, each with what it is given: the first that is there is meant.
    pub(crate) files: Vec<(&'static str, Value)>,
    /// The limit that is not kept when it cannot be written, in words; nothing where nobody asked for it.
    pub(crate) asked: Option<String>,
}

/// How a workload is limited on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) settings: Vec<Setting>,
    /// Processors that it is bound to by itself, since no group does it.
    pub(crate) affinity: Option<String>,
    /// Bytes of memory above which it is to be killed, since no group bounds it.
    pub(crate) watched_bytes: Option<u64>,
    /// What cannot be limited here and why, for people.
    pub(crate) unmet: Vec<String>,
}

/// One limit: what it is called, who can keep it, and how in either version.
struct Limit {
    words: String,
    controller: Controller,
    one: Vec<Files>,
    two: Vec<Files>,
}

/// The first of these that is there is given its value.
type Files = Vec<(&'static str, Value)>;

/// What is written for a workload on a host with these controllers.
pub(crate) fn plan(resources: &Resources, have: &Controllers) -> Plan {
    let mut plan = Plan::default();
    let guard = (resources.pids.is_none() && have.contains_key(&Controller::Pids)).then(|| pids(PIDS));
    plan.settings
        .extend(guard.into_iter().flat_map(|guard| guard.settings(Version::Two, false)));
    for limit in limits(resources) {
        match have
            .get(&limit.controller)
            .map(|version| limit.settings(*version, true))
        {
            Some(settings) if !settings.is_empty() => plan.settings.extend(settings),
            Some(_) => plan.unmet.push(unmet(
                &limit.words,
                "control groups of version 1 bound it beside memory alone",
            )),
            None if limit.controller == Controller::Cpuset => plan.affinity.clone_from(&resources.cpus),
            None => plan.unmet.push(unmet(&limit.words, &absent(limit.controller))),
        }
    }
    if !have.contains_key(&Controller::Memory) {
        plan.watched_bytes = resources.memory_bytes;
    }
    plan
}

impl Limit {
    fn settings(&self, version: Version, is_asked: bool) -> Vec<Setting> {
        let files = match version {
            Version::One => &self.one,
            Version::Two => &self.two,
        };
        let setting = |files: &Files| Setting {
            controller: self.controller,
            files: files.clone(),
            asked: is_asked.then(|| self.words.clone()),
        };
        files.iter().map(setting).collect()
    }
}

fn absent(controller: Controller) -> String {
    let watched = match controller {
        Controller::Memory => "; an instance that is seen above its memory limit is killed",
        _ => "",
    };
    let name = controller.name();
    format!("this host has no control group with `{name}` that the daemon may use{watched}")
}

/// A limit that is not kept, for people.
pub(crate) fn unmet(limit: &str, why: &str) -> String {
    format!("{limit} is not enforced: {why}")
}

/// What a host with these controllers can hold an instance to: names of [`enforce`].
pub(crate) fn enforced(have: &Controllers) -> Vec<String> {
    let by_group = [
        (Controller::Cpu, enforce::CPU),
        (Controller::Memory, enforce::MEMORY),
        (Controller::Memory, enforce::SWAP),
        (Controller::Pids, enforce::PIDS),
        (Controller::Io, enforce::IO_WEIGHT),
    ];
    let by_group = by_group
        .into_iter()
        .filter(|(controller, _)| have.contains_key(controller));
    // A processor affinity and a limit of descriptors need no group.
    let always = [enforce::CPUS, enforce::OPEN_FILES];
    by_group
        .map(|(_, name)| name)
        .chain(always)
        .map(str::to_owned)
        .collect()
}

fn limits(resources: &Resources) -> Vec<Limit> {
    let memory = resources.memory_bytes;
    [
        resources.cpu_millis.map(cpu),
        memory.map(memory_of),
        resources.swap_bytes.map(|bytes| swap(bytes, memory)),
        resources.pids.map(pids),
        resources.cpus.as_deref().map(cpuset),
        resources.io_weight.map(io_weight),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn cpu(millis: u64) -> Limit {
    let (usual, longest) = PERIODS;
    let is_tiny = millis < LEAST_QUOTA * 1000 / usual;
    let period = if is_tiny { longest } else { usual };
    let quota = (millis.saturating_mul(period) / 1000).max(LEAST_QUOTA);
    Limit {
        words: format!("cpu limit {millis}m"),
        controller: Controller::Cpu,
        one: vec![
            vec![("cpu.cfs_period_us", text(period))],
            vec![("cpu.cfs_quota_us", text(quota))],
        ],
        two: vec![vec![("cpu.max", text(format!("{quota} {period}")))]],
    }
}

fn memory_of(bytes: u64) -> Limit {
    Limit {
        words: format!("memory limit {}", binary(bytes)),
        controller: Controller::Memory,
        one: vec![vec![("memory.limit_in_bytes", text(bytes))]],
        two: vec![vec![("memory.max", text(bytes))]],
    }
}

/// Of v1 the file bounds memory and swap together: without a limit of memory there is nothing to add the swap to.
fn swap(bytes: u64, memory: Option<u64>) -> Limit {
    let both = memory.map(|memory| text(memory.saturating_add(bytes)));
    Limit {
        words: format!("swap limit {}", binary(bytes)),
        controller: Controller::Memory,
        one: both
            .into_iter()
            .map(|both| vec![("memory.memsw.limit_in_bytes", both)])
            .collect(),
        two: vec![vec![("memory.swap.max", text(bytes))]],
    }
}

fn pids(most: u64) -> Limit {
    let files = vec![vec![("pids.max", text(most))]];
    Limit {
        words: format!("pids limit {most}"),
        controller: Controller::Pids,
        one: files.clone(),
        two: files,
    }
}

/// A group of v1 takes nobody before it has memory nodes, too.
fn cpuset(cpus: &str) -> Limit {
    let files = vec![("cpuset.cpus", text(cpus))];
    Limit {
        words: format!("cpuset {cpus}"),
        controller: Controller::Cpuset,
        one: vec![vec![("cpuset.mems", Value::AsAbove)], files.clone()],
        two: vec![files],
    }
}

/// BFQ's weights end at 1000.
fn io_weight(weight: u64) -> Limit {
    let bfq = weight.clamp(1, 1000);
    Limit {
        words: format!("ioWeight {weight}"),
        controller: Controller::Io,
        one: vec![vec![("blkio.bfq.weight", text(bfq))]],
        two: vec![vec![
            ("io.weight", text(format!("default {weight}"))),
            ("io.bfq.weight", text(format!("default {bfq}"))),
        ]],
    }
}

/// A number of bytes in the largest unit that it is a whole number of.
fn binary(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter();
    let mut fitting = units.filter(|(bits, _)| bytes != 0 && bytes.trailing_zeros() >= *bits);
    let fitting = fitting.next();
    fitting.map_or_else(
        || format!("{bytes} bytes"),
        |(bits, unit)| format!("{} {unit}", bytes >> bits),
    )
}

#[allow(clippy::needless_pass_by_value, reason = "a number or a text that was just made")]
fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Controller; 5] = [
        Controller::Cpu,
        Controller::Cpuset,
        Controller::Io,
        Controller::Memory,
        Controller::Pids,
    ];

    fn everything() -> Resources {
        Resources {
            cpu_millis: Some(500),
            memory_bytes: Some(1 << 26),
            swap_bytes: Some(0),
            pids: Some(100),
            cpus: Some("0-1".into()),
            io_weight: Some(5000),
            ..Resources::default()
        }
    }

    fn written(plan: &Plan) -> Vec<String> {
        let value = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::AsAbove => "as above".into(),
        };
        let one = |setting: &Setting| {
            let ways: Vec<_> = setting
                .files
                .iter()
                .map(|(file, to)| format!("{file} = {}", value(to)))
                .collect();
            ways.join(" or ")
        };
        plan.settings.iter().map(one).collect()
    }

    fn all(version: Version) -> Controllers {
        ALL.into_iter().map(|controller| (controller, version)).collect()
    }

    #[test]
    fn each_version_has_its_own_files_and_values() {
        let one = plan(&everything(), &all(Version::One));
        let expected = [
            "cpu.cfs_period_us = 100000",
            "cpu.cfs_quota_us = 50000",
            "memory.limit_in_bytes = 67108864",
            "memory.memsw.limit_in_bytes = 67108864",
            "pids.max = 100",
            "cpuset.mems = as above",
            "cpuset.cpus = 0-1",
            "blkio.bfq.weight = 1000",
        ];
        assert_eq!(written(&one), expected);
        let two = plan(&everything(), &all(Version::Two));
        let expected = [
            "cpu.max = 50000 100000",
            "memory.max = 67108864",
            "memory.swap.max = 0",
            "pids.max = 100",
            "cpuset.cpus = 0-1",
            "io.weight = default 5000 or io.bfq.weight = default 1000",
        ];
        assert_eq!(written(&two), expected);
        assert_eq!((one.unmet, two.unmet), (vec![], vec![]));
    }

    #[test]
    fn without_groups_each_limit_is_told_and_processors_are_bound_by_affinity() {
        let plan = plan(&everything(), &Controllers::new());
        assert_eq!((written(&plan), plan.affinity.as_deref()), (vec![], Some("0-1")));
        assert_eq!(plan.watched_bytes, Some(1 << 26));
        let told = plan.unmet.join(
            "
",
        );
        assert_eq!(plan.unmet.len(), 5, "{told}");
        for words in [
            "cpu limit 500m is not enforced: this host has no",
            "memory limit 64 MiB",
            "`pids`",
        ] {
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_fork_bomb_is_held_though_nobody_said_so_and_its_absence_is_no_news() {
        let nothing = Resources::default();
        assert_eq!(written(&plan(&nothing, &all(Version::One))), ["pids.max = 4915"]);
        assert_eq!(plan(&nothing, &Controllers::new()), Plan::default());
    }

    #[test]
    fn swap_alone_cannot_be_bounded_by_version_one() {
        let swap = Resources {
            swap_bytes: Some(1),
            ..Resources::default()
        };
        assert!(plan(&swap, &all(Version::One)).unmet[0].contains("beside memory"));
        assert!(plan(&swap, &all(Version::Two)).unmet.is_empty());
    }

    #[test]
    fn what_is_enforced_is_what_there_is_a_controller_for() {
        let some = Controllers::from([(Controller::Memory, Version::One), (Controller::Freezer, Version::One)]);
        assert_eq!(enforced(&some), ["memory", "swap", "cpus", "openFiles"]);
    }

    proptest! {
        #[test]
        fn a_share_of_the_processors_is_right_within_what_the_kernel_takes(millis in 1_u64..1_000_000) {
            let resources = Resources { cpu_millis: Some(millis), ..Resources::default() };
            let plan = plan(&resources, &Controllers::from([(Controller::Cpu, Version::Two)]));
            let Value::Text(text) = &plan.settings[0].files[0].1 else { unreachable!() };
            let (quota, period) = text.split_once(' ').unwrap();
            let (quota, period): (u64, u64) = (quota.parse().unwrap(), period.parse().unwrap());
            prop_assert!(quota >= LEAST_QUOTA && period <= PERIODS.1);
            prop_assert_eq!(quota * 1000 / period, millis);
        }
    }
}
