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
    /// The data folder.
    pub(crate) data: String,
}

/// The whole environment: `PATH`, then what the service sets, then the system's variables, which win. Each of these
/// exists as `BAETYL_*` and as `OPENEDGE_*` (Baetyl v1).
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
        ("HOST_PATH_LIB", &host.data),
    ];
    for (name, value) in system {
        for prefix in ["BAETYL", "OPENEDGE"] {
            all.insert(format!("{prefix}_{name}"), value.to_owned());
        }
    }
    all
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
            data: "/var/lib/x".into(),
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
        assert_eq!(all.len(), 21);
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
}
