//! The environment of an instance (Baetyl v2's native mode, and what v1 injects). Pure.

use std::collections::BTreeMap;

use aerolith_model::Service;
use aerolith_plan::InstanceId;

/// What programs are found by, unless the service says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is the same for every instance of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// The node's name.
    pub(crate) node: String,
    /// What the machine calls itself (`machine-id(5)`); empty where it does not.
    pub(crate) id: String,
    /// The machine's serial number, out of the file that `snfile` of aerolith.yml names; empty without one.
    pub(crate) serial: String,
    /// The data folder.
    pub(crate) data: String,
    /// As whom programs run whose service names no user.
    pub(crate) default_user: Option<String>,
}

const PREFIXES: [&str; 2] = ["BAETYL", "OPENEDGE"];
/// The port that an instance is given when it starts (Baetyl v2).
const DYNAMIC_PORT: &str = "SERVICE_DYNAMIC_PORT";

/// The environment: `PATH`, then what the service sets, then the system's variables, which win. Each of these exists as
/// `BAETYL_*` and as `OPENEDGE_*` (Baetyl v1). The port is added when the instance starts.
///
/// Baetyl v1 also gives `MASTER_API_ADDRESS`, `MASTER_API_VERSION` and, as the password for it, `SERVICE_TOKEN`. Nobody
/// answers Baetyl's API here yet, and nobody would check the token, so they are not promised either.
pub(crate) fn environment(host: &Host, id: &InstanceId, version: &str, service: &Service) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    all.extend(
        service
            .env
            .iter()
            .map(|variable| (variable.name.to_string(), variable.value.clone())),
    );
    let mode = if service.image.is_some() { "docker" } else { "native" };
    let system = [
        ("APP_NAME", id.service.application.as_str()),
        ("APP_VERSION", version),
        ("SERVICE_NAME", id.service.service.as_str()),
        ("SERVICE_INSTANCE_NAME", &instance_name(id)),
        ("SERVICE_MODE", mode),
        ("NODE_NAME", &host.node),
        ("RUN_MODE", mode),
        ("HOST_OS", std::env::consts::OS),
        ("HOST_ID", &host.id),
        ("HOST_SN", &host.serial),
        ("HOST_PATH_LIB", &host.data),
    ];
    for (name, value) in system {
        set(&mut all, name, value);
    }
    for prefix in PREFIXES {
        all.remove(&format!("{prefix}_{DYNAMIC_PORT}"));
    }
    all
}

fn set(environment: &mut BTreeMap<String, String>, name: &str, value: &str) {
    for prefix in PREFIXES {
        environment.insert(format!("{prefix}_{name}"), value.to_owned());
    }
}

/// The port that an instance was given, if it was.
pub(crate) fn port(environment: &BTreeMap<String, String>) -> Option<u16> {
    let name = format!("{}_{DYNAMIC_PORT}", PREFIXES[0]);
    environment.get(&name)?.parse().ok()
}

/// Tells an instance the port that it is given.
pub(crate) fn set_port(environment: &mut BTreeMap<String, String>, port: u16) {
    set(environment, DYNAMIC_PORT, &port.to_string());
}

/// Baetyl v1's name of an instance: that of its service, and from the second on with `.i1` and so forth.
fn instance_name(id: &InstanceId) -> String {
    match id.index {
        0 | 1 => id.service.service.to_string(),
        index => format!("{}.i{}", id.service.service, index - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(instance: &str, service: &str) -> BTreeMap<String, String> {
        let host = Host {
            node: "gate".into(),
            id: "4711".into(),
            serial: "SN-1".into(),
            data: "/var/lib/x".into(),
            default_user: None,
        };
        environment(
            &host,
            &instance.parse().unwrap(),
            "7",
            &serde_json::from_str(service).unwrap(),
        )
    }

    #[test]
    fn every_system_variable_exists_under_both_names() {
        let all = of("shop.web.1", r#"{"name":"web","programConfig":"pp"}"#);
        for (name, value) in [
            ("APP_NAME", "shop"),
            ("APP_VERSION", "7"),
            ("SERVICE_NAME", "web"),
            ("SERVICE_INSTANCE_NAME", "web"),
            ("SERVICE_MODE", "native"),
            ("NODE_NAME", "gate"),
            ("RUN_MODE", "native"),
            ("HOST_OS", "linux"),
            ("HOST_ID", "4711"),
            ("HOST_SN", "SN-1"),
            ("HOST_PATH_LIB", "/var/lib/x"),
        ] {
            assert_eq!(
                (
                    all[&format!("BAETYL_{name}")].as_str(),
                    all[&format!("OPENEDGE_{name}")].as_str()
                ),
                (value, value)
            );
        }
        assert_eq!(all.len(), 23);
    }

    #[test]
    fn the_services_variables_are_given_and_the_systems_win() {
        let service = r#"{"name":"web","image":"i","env":[{"name":"UNIT","value":"C"},{"name":"PATH","value":"/x"},
            {"name":"BAETYL_APP_NAME","value":"forged"}]}"#;
        let all = of("shop.web.3", service);
        assert_eq!(
            (
                all["UNIT"].as_str(),
                all["PATH"].as_str(),
                all["BAETYL_APP_NAME"].as_str()
            ),
            ("C", "/x", "shop")
        );
        assert_eq!(
            (
                all["BAETYL_SERVICE_INSTANCE_NAME"].as_str(),
                all["BAETYL_RUN_MODE"].as_str()
            ),
            ("web.i2", "docker")
        );
    }
    #[test]
    fn the_port_is_told_under_both_names_and_never_taken_from_the_service() {
        let service = r#"{"name":"web","image":"i","env":[{"name":"BAETYL_SERVICE_DYNAMIC_PORT","value":"80"}]}"#;
        let mut all = of("shop.web.1", service);
        assert_eq!(port(&all), None);
        set_port(&mut all, 50200);
        assert_eq!(
            (port(&all), all["OPENEDGE_SERVICE_DYNAMIC_PORT"].as_str()),
            (Some(50200), "50200")
        );
    }
}
