//! What a service asks and its engine cannot hold it to. Pure.

use aerolith_model::{Capabilities, CapabilityName, Medium, Service, Volume, VolumeSource};
use aerolith_plugin_wire::engine::{Features, enforce};

/// What a service asks in vain with the volumes that it mounts, in words. It runs all the same. What the engine `told` of
/// instances that run is said in its words: it knows why.
pub(crate) fn unenforced(service: &Service, volumes: &[Volume], features: &Features, told: &[String]) -> Vec<String> {
    let kind = &features.kind;
    let limits = limits(service).into_iter().map(|(name, limit)| {
        let about = |text: &str| text.split(' ').next() == limit.split(' ').next();
        let is_told = told.iter().any(|told| about(told));
        let what = format!("{limit} is not enforced: the {kind} engine does not limit {name}");
        (name, !is_told, what)
    });
    let is_container = service.program_config.is_none();
    let devices = service.devices.iter().map(|device| device.device_path.to_string());
    let others = [
        (
            enforce::HOSTNAME,
            service.hostname.is_some(),
            format!(
                "host name {} is not given: the {kind} engine leaves the host's",
                service.hostname.as_ref().map_or("", |name| name.as_str())
            ),
        ),
        (
            enforce::PRIVILEGED,
            service.security.privileged,
            format!("it is not privileged: the {kind} engine gives no more than it has"),
        ),
        (
            enforce::HOST_NETWORK,
            is_container && service.host_network,
            format!("it has not the host's network: the {kind} engine does not give it"),
        ),
        (
            enforce::DEVICES,
            !service.devices.is_empty(),
            format!(
                "access to {} is neither given nor limited by the {kind} engine",
                devices.collect::<Vec<_>>().join(", ")
            ),
        ),
        (
            enforce::RUNTIME,
            service.runtime.is_some(),
            format!(
                "runtime {} is not used: the {kind} engine knows none",
                service.runtime.as_deref().unwrap_or_default()
            ),
        ),
    ];
    let security = &service.security;
    let added = security.capabilities.add.iter().map(CapabilityName::as_str);
    let kept = [
        (
            enforce::CAPABILITIES,
            security.capabilities != Capabilities::default(),
            format!(
                "capabilities are not as asked for ({}): the {kind} engine does not change them",
                added.collect::<Vec<_>>().join(", ")
            ),
        ),
        (
            enforce::ESCALATION,
            security.allow_privilege_escalation,
            format!("its programs cannot have more power than it has: the {kind} engine does not let them"),
        ),
        (
            enforce::PRIVATE_TMP,
            security.private_tmp,
            format!("it shares /tmp with everybody: the {kind} engine gives it none of its own"),
        ),
        (
            enforce::READ_ONLY_HOST,
            security.read_only_host,
            format!("it can write to the host: the {kind} engine does not keep it from that"),
        ),
        (
            enforce::FILES,
            security.files.is_some(),
            format!("it can open every file of its user: the {kind} engine does not keep it from that"),
        ),
        (
            enforce::SYSTEM_CALLS,
            security.system_calls.is_some(),
            format!("it can make every system call: the {kind} engine does not filter them"),
        ),
    ];
    let read_only = service.volume_mounts.iter().filter(|mount| mount.read_only);
    let read_only = read_only.map(|mount| {
        let path = &mount.mount_path;
        let what =
            format!("the mount at {path} is not read-only: the {kind} engine does not keep it from being written");
        (enforce::READ_ONLY, true, what)
    });
    let all = limits.chain(others).chain(kept).chain(read_only);
    all.filter(|(name, is_asked, _)| *is_asked && !features.enforces(name))
        .map(|(_, _, what)| what)
        .chain(told.iter().cloned())
        .chain(volumes.iter().flat_map(unlimited))
        .collect()
}

/// The limits of a service by the engines' words for them, and as people call them.
fn limits(service: &Service) -> Vec<(&str, String)> {
    let resources = &service.resources;
    let limits = resources.limits.iter();
    let limits = limits.map(|(name, quantity)| (name.as_str(), format!("{name} limit {quantity}")));
    let cpus = resources
        .cpuset
        .iter()
        .map(|cpus| (enforce::CPUS, format!("cpuset {cpus}")));
    let weight = resources.io_weight.iter();
    let weight = weight.map(|weight| (enforce::IO_WEIGHT, format!("ioWeight {weight}")));
    limits.chain(cpus).chain(weight).collect()
}

/// What an empty folder is asked for and is not: it lies in the working folder, on the disk that everything shares.
fn unlimited(volume: &Volume) -> Vec<String> {
    let VolumeSource::EmptyDir(folder) = &volume.source else {
        return Vec::new();
    };
    let limit = folder.size_limit.as_ref();
    let limit = limit.map(|limit| {
        format!(
            "sizeLimit {limit} of volume {} is not enforced: it may fill the disk that the working folder lies on",
            volume.name
        )
    });
    let memory = (folder.medium == Medium::Memory)
        .then(|| format!("volume {} lies on disk: it is not kept in memory", volume.name));
    limit.into_iter().chain(memory).collect()
}

/// Whether a service would run as somebody else than it asks to. That is no detail: it does not run then.
pub(crate) fn is_somebody_else(user: Option<&str>, features: &Features) -> Option<WrongUser> {
    user.filter(|_| !features.enforces(enforce::USER))
        .map(|user| WrongUser {
            user: user.to_owned(),
            kind: features.kind.clone(),
        })
}

/// A service that would run as somebody else than it asks to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is to run as user `{user}`, and the {kind} engine runs everything as its own: take `security.user` away, or use an \
     engine that can"
)]
pub struct WrongUser {
    user: String,
    kind: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(more: &str) -> Service {
        serde_json::from_str(&format!(r#"{{"name":"web","programConfig":"pp"{more}}}"#)).unwrap()
    }

    fn engine(enforces: &[&str]) -> Features {
        Features {
            kind: "process".into(),
            enforces: enforces.iter().map(|name| (*name).to_owned()).collect(),
            ..Features::default()
        }
    }

    #[test]
    fn what_is_asked_in_vain_is_told_until_the_engine_can() {
        for (more, name, told) in [
            (
                r#","resources":{"limits":{"memory":"256Mi"}}"#,
                "memory",
                "memory limit 256Mi is not enforced: the process engine does not limit memory",
            ),
            (
                r#","resources":{"limits":{"cpu":"500m"}}"#,
                "cpu",
                "cpu limit 500m is not enforced",
            ),
            (
                r#","resources":{"limits":{"nvidia.com/gpu":"1"}}"#,
                "nvidia.com/gpu",
                "nvidia.com/gpu limit 1 is not enforced",
            ),
            (r#","resources":{"cpuset":"0-1"}"#, "cpus", "cpuset 0-1 is not enforced"),
            (
                r#","resources":{"ioWeight":50}"#,
                "ioWeight",
                "ioWeight 50 is not enforced",
            ),
            (r#","hostname":"gate""#, "hostname", "host name gate is not given"),
            (
                r#","security":{"privileged":true}"#,
                "privileged",
                "it is not privileged",
            ),
            (
                r#","devices":[{"devicePath":"/dev/a"}]"#,
                "devices",
                "access to /dev/a is neither given",
            ),
            (
                r#","security":{"capabilities":{"add":["NET_RAW"]}}"#,
                "capabilities",
                "capabilities are not as asked for (NET_RAW)",
            ),
            (
                r#","security":{"allowPrivilegeEscalation":true}"#,
                "escalation",
                "its programs cannot have more power",
            ),
            (r#","security":{"privateTmp":true}"#, "privateTmp", "it shares /tmp"),
            (r#","security":{"readOnlyHost":true}"#, "readOnlyHost", "it can write"),
            (r#","security":{"files":{}}"#, "files", "it can open every file"),
            (
                r#","security":{"systemCalls":{}}"#,
                "systemCalls",
                "it can make every system call",
            ),
            (r#","runtime":"nvidia""#, "runtime", "runtime nvidia is not used"),
            (
                r#","volumeMounts":[{"name":"conf","mountPath":"/etc/x","readOnly":true}]"#,
                "readOnly",
                "the mount at /etc/x is not read-only",
            ),
        ] {
            let told_of = unenforced(&service(more), &[], &engine(&[]), &[]);
            assert!(told_of.len() == 1 && told_of[0].starts_with(told), "{told_of:?}");
            assert_eq!(
                unenforced(&service(more), &[], &engine(&[name]), &[]),
                [""; 0],
                "{name}"
            );
        }
        let asks_nothing = r#","hostNetwork":true,"resources":{"requests":{"memory":"1Gi"}}"#;
        assert_eq!(unenforced(&service(asks_nothing), &[], &engine(&[]), &[]), [""; 0]);
    }

    #[test]
    fn what_the_engine_told_of_a_limit_is_said_once_and_in_its_words() {
        let asks = service(r#","resources":{"limits":{"memory":"256Mi","pids":9,"nvidia.com/gpu":1}}"#);
        let told = ["memory limit 256 MiB is not enforced: no cgroup".to_owned()];
        let said = unenforced(&asks, &[], &engine(&["pids"]), &told);
        let gpu = "nvidia.com/gpu limit 1 is not enforced: the process engine does not limit nvidia.com/gpu";
        assert_eq!(said, [gpu, told[0].as_str()]);
        let refused = ["pids limit 9 is not enforced: pids.max: no".to_owned()];
        assert_eq!(
            unenforced(&asks, &[], &engine(&["pids", "memory"]), &refused).last(),
            Some(&refused[0])
        );
    }

    #[test]
    fn the_host_network_is_told_of_where_a_container_asks_an_engine_that_does_not_give_it() {
        let container = Service {
            program_config: None,
            image: Some("i".into()),
            host_network: true,
            ..service("")
        };
        let told = unenforced(&container, &[], &engine(&[]), &[]);
        assert!(
            told.len() == 1 && told[0].starts_with("it has not the host's network"),
            "{told:?}"
        );
        assert_eq!(unenforced(&container, &[], &engine(&["hostNetwork"]), &[]), [""; 0]);
    }

    #[test]
    fn what_an_empty_folder_is_asked_for_is_told_whatever_the_engine_can() {
        let told = |folder: &str| {
            let volume = serde_json::from_str(&format!(r#"{{"name":"tmp","emptyDir":{folder}}}"#)).unwrap();
            unenforced(&service(""), &[volume], &engine(&["memory", "readOnly"]), &[]).join("; ")
        };
        assert_eq!(told("{}"), "");
        assert_eq!(
            told(r#"{"sizeLimit":"64Mi","medium":"Memory"}"#),
            "sizeLimit 64Mi of volume tmp is not enforced: it may fill the disk that the working folder lies on; \
             volume tmp lies on disk: it is not kept in memory"
        );
    }

    #[test]
    fn running_as_somebody_else_is_an_error() {
        let wrong = is_somebody_else(Some("app"), &engine(&[])).unwrap().to_string();
        assert!(
            wrong.contains("`app`") && wrong.contains("the process engine"),
            "{wrong}"
        );
        assert_eq!(is_somebody_else(Some("app"), &engine(&["user"])), None);
        assert_eq!(is_somebody_else(None, &engine(&[])), None);
    }
}
