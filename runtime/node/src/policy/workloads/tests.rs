use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::policy::asked::HostPath;

fn rules(policy: WorkloadPolicy) -> Rules {
    Rules {
        policy,
        relative: "/data/host".into(),
        own: ["/data", "/run/node", "/etc/aerolith/aerolith.yml", "/etc/aerolith/keys"]
            .map(Into::into)
            .into(),
    }
}

fn application(service: &str, host_path: &str) -> Application {
    serde_json::from_str(&format!(
        r#"{{"name":"shop","services":[{{"name":"web",{service}}}],
        "volumes":[{{"name":"data","hostPath":{{"path":"{host_path}"}}}}]}}"#
    ))
    .unwrap()
}

fn answer(policy: WorkloadPolicy, service: &str) -> Result<(), String> {
    let (rules, application) = (rules(policy), application(service, "/srv/data"));
    let admitted = rules.refused(&application).next().map_or(Ok(()), Err);
    admitted.map_err(|(service, error)| {
        assert_eq!(service.as_str(), "web");
        error.to_string()
    })
}

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn folders(all: &[&str]) -> WorkloadPolicy {
    let rule = |text: &&str| HostPathRule {
        path: text.trim_end_matches(":ro").into(),
        read_only: text.ends_with(":ro"),
    };
    WorkloadPolicy {
        host_paths: all.iter().map(rule).collect(),
        ..WorkloadPolicy::default()
    }
}

/// Each key refuses what it does not allow, with its own name and what to write, and allows it once that is written.
#[test]
fn every_key_of_the_policy_refuses_and_allows() {
    let none = WorkloadPolicy::default;
    let digest = format!(r#""image":"shop/web@sha256:{}""#, "ab".repeat(32));
    let cases = [
        (
            r#""image":"i","security":{"privileged":true}"#,
            "`policy.privileged: true`",
            WorkloadPolicy {
                privileged: true,
                ..none()
            },
        ),
        (
            r#""image":"i","security":{"capabilities":{"add":["CAP_NET_RAW"]}}"#,
            "`NET_RAW` in `policy.capabilities`",
            WorkloadPolicy {
                capabilities: list(&["NET_RAW"]),
                ..none()
            },
        ),
        (
            r#""image":"i","security":{"capabilities":{"add":["ALL"]}}"#,
            "`ALL` in `policy.capabilities`",
            WorkloadPolicy {
                capabilities: list(&["ALL"]),
                ..none()
            },
        ),
        (
            r#""image":"i","security":{"allowPrivilegeEscalation":true}"#,
            "`policy.privilegeEscalation: true`",
            WorkloadPolicy {
                privilege_escalation: true,
                ..none()
            },
        ),
        (
            r#""image":"i","envPassthrough":["HTTP_PROXY"]"#,
            "`HTTP_PROXY` in `policy.environment`",
            WorkloadPolicy {
                environment: list(&["HTTP_*"]),
                ..none()
            },
        ),
        (
            r#""image":"i","security":{"user":"app"}"#,
            "`app` in `policy.users`",
            WorkloadPolicy {
                users: list(&["app"]),
                ..none()
            },
        ),
        (
            r#""image":"i","volumeMounts":[{"name":"data","mountPath":"/d"}]"#,
            "`/srv/data` in `policy.hostPaths`",
            folders(&["/srv"]),
        ),
        (
            r#""image":"i","devices":[{"devicePath":"/dev/video0"}]"#,
            "`/dev/video0` in `policy.devices`",
            WorkloadPolicy {
                devices: list(&["/dev/video*"]),
                ..none()
            },
        ),
        (
            r#""image":"i","hostNetwork":true"#,
            "`policy.hostNetwork: true`",
            WorkloadPolicy {
                host_network: true,
                ..none()
            },
        ),
        (
            r#""image":"i","runtime":"nvidia""#,
            "`nvidia` in `policy.runtimes`",
            WorkloadPolicy {
                runtimes: list(&["nvidia"]),
                ..none()
            },
        ),
    ];
    for (service, words, allowing) in cases {
        let refused = answer(none(), service).unwrap_err();
        assert!(
            refused.contains(words) && refused.contains("aerolith.yml"),
            "{service}: {refused}"
        );
        assert_eq!(answer(allowing, service), Ok(()), "{service}");
    }
    let demanding = || WorkloadPolicy {
        require_digest: true,
        ..none()
    };
    let refused = answer(demanding(), r#""image":"shop/web:1""#).unwrap_err();
    assert!(
        refused.contains("`shop/web:1`") && refused.contains("`policy.requireDigest`"),
        "{refused}"
    );
    assert!(answer(demanding(), r#""image":"shop/web@sha256:ab""#).is_err());
    assert_eq!(answer(demanding(), &digest), Ok(()));
    assert_eq!(answer(none(), r#""image":"shop/web:1""#), Ok(()));
}

#[test]
fn a_service_that_asks_for_nothing_is_admitted_by_an_empty_policy() {
    assert_eq!(answer(WorkloadPolicy::default(), r#""programConfig":"pp""#), Ok(()));
    // It has no other network.
    assert_eq!(
        answer(WorkloadPolicy::default(), r#""programConfig":"pp","hostNetwork":true"#),
        Ok(())
    );
}

#[test]
fn every_user_is_allowed_but_root_who_must_be_named() {
    let may = |listed: &[&str], user: &str| {
        let policy = WorkloadPolicy {
            users: list(listed),
            ..WorkloadPolicy::default()
        };
        policy.allows_user(user)
    };
    assert!(may(&["*"], "app") && may(&["*"], "1000:1000"));
    for root in ["root", "0", "00", "0:0", "root:app"] {
        assert!(!may(&["*"], root) && may(&["*", root], root), "{root}");
    }
    assert!(!may(&["app"], "app2") && !may(&[], "app"));
}

#[test]
fn a_star_stands_for_text_within_a_name() {
    for (pattern, path, fits) in [
        ("/dev/video*", "/dev/video0", true),
        ("/dev/video*", "/dev/video", true),
        ("/dev/*", "/dev/snd/pcm", false),
        ("/dev/*/pcm*", "/dev/snd/pcmC0", true),
        ("/dev/*0", "/dev/tty00", true),
        ("/dev/null", "/dev/nullx", false),
        ("*", "/dev/null", false),
    ] {
        assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
    }
}

fn ask(policy: &[&str], path: &str, read_only: bool) -> Result<(), String> {
    let path = path.to_owned();
    let asked = HostPath { path, read_only };
    let judged = rules(folders(policy)).judge_host_path(&asked);
    judged.map_err(|error| error.to_string())
}

#[test]
fn host_paths_are_allowed_below_a_listed_folder_and_for_reading_where_it_says_so() {
    for allowed in ["/srv", "/srv/", "/srv/data", "/srv//data/./x", "near", "near/by"] {
        assert_eq!(ask(&["/srv"], allowed, false), Ok(()), "{allowed}");
    }
    for refused in ["/srv2", "/etc", "/srvdata"] {
        assert!(
            ask(&["/srv"], refused, false)
                .unwrap_err()
                .contains("`policy.hostPaths`"),
            "{refused}"
        );
    }
    for climbing in ["../x", "/srv/../etc", "near/../../x"] {
        assert!(
            ask(&["/srv"], climbing, false).unwrap_err().contains("climbs"),
            "{climbing}"
        );
    }
    assert_eq!(ask(&["/etc/ssl:ro"], "/etc/ssl/certs", true), Ok(()));
    assert!(
        ask(&["/etc/ssl:ro"], "/etc/ssl/certs", false)
            .unwrap_err()
            .contains("`:ro`")
    );
    // The nearest rule counts.
    assert_eq!(ask(&["/srv:ro", "/srv/data"], "/srv/data/x", false), Ok(()));
    assert!(ask(&["/srv", "/srv/keys:ro"], "/srv/keys/x", false).is_err());
}

#[test]
fn what_gives_the_machine_away_must_be_named_exactly() {
    let wide = ["/srv", "/run", "/run/node", "/var", "/data/packages", "/etc"];
    for (path, what) in [
        ("/", "the whole host"),
        ("/run/docker.sock", "docker's socket"),
        ("/var/run", "docker's socket"),
        ("/run/containerd/containerd.sock", "containerd's socket"),
        ("/var/run/podman", "podman's socket"),
        ("/run/crio/crio.sock", "CRI-O's socket"),
        ("/run/k3s/containerd", "k3s's socket"),
        ("/run/user/1000/docker.sock", "docker's socket"),
        ("/run/user/1000/podman/podman.sock", "podman's socket"),
        ("/run/user/1000", "docker's socket"),
        ("/run/user", "docker's socket"),
        ("/etc/aerolith", "the node's own files"),
        ("/etc/aerolith/aerolith.yml", "the node's own files"),
        ("/etc/aerolith/keys/vendor.pub", "the node's own files"),
        ("/data/state", "the node's own files"),
        ("/data/host/x", "the node's own files"),
        ("/run/node/instances", "the node's own files"),
    ] {
        let refused = ask(&wide, path, true).unwrap_err();
        assert!(
            refused.contains(what) && refused.contains(&format!("exactly `{path}`")),
            "{refused}"
        );
        assert_eq!(ask(&[path], path, false), Ok(()), "{path}");
    }
    assert_eq!(ask(&["/"], "/srv", false), Ok(()));
    assert!(ask(&["/"], "/data", false).is_err());
    for harmless in ["/run/user/1000/pulse", "/run/udev", "/etc/ssl"] {
        assert_eq!(ask(&wide, harmless, true), Ok(()), "{harmless}");
    }
}

struct Disk {
    dir: tempfile::TempDir,
    rules: Rules,
}

/// With `data/host`, and `srv` that is allowed.
fn disk() -> Disk {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for folder in ["data/host", "srv", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let rules = Rules {
        policy: folders(&[root.join("srv").to_str().unwrap()]),
        relative: root.join("data/host"),
        own: vec![root.join("data"), root.join("run")],
    };
    Disk { dir, rules }
}

impl Disk {
    fn path(&self, below: &str) -> String {
        self.dir
            .path()
            .canonicalize()
            .unwrap()
            .join(below)
            .display()
            .to_string()
    }

    fn follow(&self, path: &str) -> Result<String, String> {
        let (path, read_only) = (path.to_owned(), false);
        let followed = self.rules.follow(&HostPath { path, read_only });
        followed
            .map(|path| path.display().to_string())
            .map_err(|error| error.to_string())
    }
}

#[test]
fn a_place_that_is_not_there_yet_is_where_it_will_be_made() {
    let disk = disk();
    assert_eq!(disk.follow(&disk.path("srv/new/deep")), Ok(disk.path("srv/new/deep")));
    assert_eq!(disk.follow("new"), Ok(disk.path("data/host/new")));
}

#[test]
fn no_link_leads_out_of_what_is_allowed() {
    let disk = disk();
    let link = |to: &str, at: &str| symlink(to, Path::new(&disk.path(at))).unwrap();
    link(&disk.path("etc"), "srv/out");
    link(&disk.path("etc"), "data/host/out");
    link("/", "srv/root");
    link(&disk.path("data"), "srv/own");
    link(&disk.path("nowhere"), "srv/later");
    link(&disk.path("srv"), "data/host/in");
    for out in [
        disk.path("srv/out"),
        disk.path("srv/out/new"),
        "out".into(),
        "out/new".into(),
    ] {
        let refused = disk.follow(&out).unwrap_err();
        assert!(
            refused.contains(&format!("which leads to `{}", disk.path("etc"))),
            "{refused}"
        );
        assert!(refused.contains("`policy.hostPaths`"), "{refused}");
    }
    assert!(
        disk.follow(&disk.path("srv/root"))
            .unwrap_err()
            .contains("the whole host")
    );
    assert!(
        disk.follow(&disk.path("srv/own/state"))
            .unwrap_err()
            .contains("the node's own files")
    );
    assert!(
        disk.follow(&disk.path("srv/later"))
            .unwrap_err()
            .contains("cannot be followed")
    );
    assert_eq!(
        disk.follow("in/x"),
        Ok(disk.path("srv/x")),
        "it leads to what is allowed"
    );
}

#[test]
fn a_listed_folder_may_be_a_link_itself() {
    let mut disk = disk();
    symlink(disk.path("etc"), disk.path("alias")).unwrap();
    disk.rules.policy = folders(&[&disk.path("alias")]);
    assert_eq!(disk.follow(&disk.path("alias/x")), Ok(disk.path("etc/x")));
}
