use super::*;
use proptest::prelude::*;
use rustix::fs::{XattrFlags, setxattr};
use tempfile::TempDir;

const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
39 31 0:36 / /sys/fs/cgroup/pids ro,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:36 / /mnt/my\\040pids rw,relatime - cgroup cgroup rw,pids
";
const UNIFIED: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
const V2: &str = "26 25 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

/// A host with these folders, each with the controllers of v2 that it is given.
fn host(folders: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, controllers) in folders {
        let folder = root.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cgroup.controllers"), controllers).unwrap();
    }
    root
}

fn seen(host: &TempDir, mountinfo: &str, membership: &str) -> Vec<(Version, Vec<Controller>, String)> {
    let told = detect(host.path(), mountinfo, membership).into_iter();
    told.map(|found| {
        let base = found.base.strip_prefix(host.path()).unwrap().display().to_string();
        (found.version, found.controllers.into_iter().collect(), base)
    })
    .collect()
}

#[test]
fn each_controller_of_v1_lies_where_it_is_mounted_for_writing() {
    let host = host(&[
        ("sys/fs/cgroup/cpu,cpuacct", ""),
        ("sys/fs/cgroup/memory", ""),
        ("sys/fs/cgroup/pids", ""),
        ("mnt/my pids", ""),
    ]);
    let one = |controllers: &[Controller], base: &str| (Version::One, controllers.to_vec(), base.to_owned());
    let expected = [
        one(&[Controller::Cpu, Controller::Cpuacct], "sys/fs/cgroup/cpu,cpuacct"),
        one(&[Controller::Memory], "sys/fs/cgroup/memory"),
        one(&[Controller::Pids], "mnt/my pids"),
    ];
    assert_eq!(seen(&host, V1, "5:pids:/\n1:name=systemd:/a\n"), expected);
}

#[test]
fn beside_v1_stands_a_v2_that_limits_nothing_we_need() {
    let host = host(&[("sys/fs/cgroup/memory", ""), ("sys/fs/cgroup/unified", "hugetlb\n")]);
    let found = seen(&host, &format!("{V1}{UNIFIED}"), "0::/\n");
    let expected = [
        (
            Version::One,
            vec![Controller::Memory],
            "sys/fs/cgroup/memory".to_owned(),
        ),
        (Version::Two, vec![], "sys/fs/cgroup/unified".to_owned()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn without_a_manager_groups_of_v2_lie_at_the_top() {
    let host = host(&[("sys/fs/cgroup", "cpuset cpu io memory hugetlb pids\n")]);
    let all = [
        Controller::Cpu,
        Controller::Cpuset,
        Controller::Io,
        Controller::Memory,
        Controller::Pids,
    ];
    for membership in ["0::/\n", "0::/user.slice/session-1.scope\n", "0::/../elsewhere\n", ""] {
        let expected = [(Version::Two, all.to_vec(), "sys/fs/cgroup".to_owned())];
        assert_eq!(seen(&host, V2, membership), expected, "{membership}");
    }
}

#[test]
fn in_a_unit_that_was_delegated_they_lie_below_the_unit() {
    let unit = "sys/fs/cgroup/system.slice/aerolith.service";
    let host = host(&[
        ("sys/fs/cgroup", "cpu memory pids"),
        (unit, "memory pids"),
        (&format!("{unit}/daemon"), ""),
    ]);
    let set = setxattr(host.path().join(unit), "user.delegate", b"1", XattrFlags::empty());
    if set.is_err() {
        return eprintln!("SKIPPED: the folder for temporary files takes no attributes");
    }
    let expected = [(
        Version::Two,
        vec![Controller::Memory, Controller::Pids],
        unit.to_owned(),
    )];
    for own in [
        "0::/system.slice/aerolith.service",
        "0::/system.slice/aerolith.service/daemon",
    ] {
        assert_eq!(seen(&host, V2, own), expected, "{own}");
    }
    assert_eq!(seen(&host, V2, "0::/system.slice")[0].2, "sys/fs/cgroup");
}

#[test]
fn in_a_container_the_part_that_is_mounted_is_the_top() {
    let mounted = "26 25 0:22 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let host = host(&[("sys/fs/cgroup", "pids"), ("sys/fs/cgroup/inner", "pids")]);
    assert_eq!(seen(&host, mounted, "0::/docker/c1/inner")[0].2, "sys/fs/cgroup");
    assert_eq!(
        seen(&host, &mounted.replace("rw - ", "ro - "), "0::/docker/c1/inner"),
        []
    );
}

#[test]
fn without_mounts_and_without_their_folders_there_is_none() {
    let host = host(&[("sys", "")]);
    assert_eq!(seen(&host, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", ""), []);
    assert_eq!(seen(&host, &format!("{V1}{V2}"), "0::/\n"), []);
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_read(mountinfo in "(cgroup2?|[ /\\\\0-9:,.a-z-]|\n| - ){0,80}", own in "(0::|[/.a-z:]|\n){0,20}") {
        detect(Path::new("/nowhere"), &mountinfo, &own);
    }

    #[test]
    fn a_path_is_read_as_it_was_before_the_kernel_escaped_it(path in "[a-z \\\\\t/é]{0,20}") {
        let escaped = path.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
        prop_assert_eq!(unescaped(&escaped), PathBuf::from(path));
    }
}
