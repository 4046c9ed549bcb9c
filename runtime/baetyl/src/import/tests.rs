mod fields;
mod forms;
mod objects;
mod refusals;
mod secrecy;

use aerolith_model::{Application, Configuration};

use super::*;

const PACKAGE: &str = r#"{
  "name": "weather-agent", "description": "packages", "labels": {"baetyl-config-type": "baetyl-program"},
  "version": "1700000000abc123", "namespace": "default", "createTime": "2024-01-02T03:04:05Z", "system": false,
  "data": [
    {"key": "weather-linux-amd64.zip",
     "value": {"type": "object", "source": "http", "platform": "linux/amd64", "url": "https://f.example.net/a.zip",
               "filename": "a.zip", "md5": "0123456789abcdef0123456789abcdef", "unpack": "zip"}},
    {"key": "weather-linux-arm64-v8.zip",
     "value": {"type": "object", "source": "http", "url": "https://f.example.net/b.zip", "md5": "", "unpack": ""}},
    {"key": "notes.txt", "value": {"type": "kv", "value": ""}}
  ]
}"#;

const APPLICATION: &str = r#"{
  "name": "weather", "mode": "native", "type": "container", "selector": "site=roof", "replica": 2, "workload": "",
  "services": [
    {"name": "agent", "programConfig": "weather-agent", "replica": 1, "image": "",
     "args": ["--interval", "30"], "env": [{"name": "UNIT", "value": "C"}, {"name": "EMPTY", "value": ""}],
     "ports": [{"hostPort": 0, "containerPort": 80, "protocol": "", "hostIP": ""}],
     "volumeMounts": [{"name": "conf", "mountPath": "/etc/weather", "subPath": ""}],
     "livenessProbe": {"grpc": {"port": 81}, "tcpSocket": {"port": 80}}},
    {"name": "second", "image": "nginx:1", "command": null}
  ],
  "volumes": [{"name": "conf", "config": {"name": "weather-conf", "version": "1"}}]
}"#;

const SAVED: &str = r#"{
  "name": "weather",
  "services": [
    {"name": "agent", "volumeMounts": [
      {"name": "baetyl-program-config-abcdefghi", "mountPath": "/var/lib/baetyl/bin", "readOnly": true},
      {"name": "data", "mountPath": "/data"}]}
  ],
  "volumes": [
    {"name": "baetyl-program-config-abcdefghi", "config": {"name": "weather-agent", "version": "17"}},
    {"name": "data", "hostPath": {"path": "/srv/data", "type": "Directory"}}
  ]
}"#;

fn one(text: &str) -> (Resource, Vec<Warning>) {
    let mut found = import("f.json", text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.resources.len(), 1);
    (found.resources.remove(0), found.warnings)
}

fn an_application(text: &str) -> Application {
    match one(text).0 {
        Resource::Application(application) => application,
        other => panic!("{other:?}"),
    }
}

fn a_configuration(text: &str) -> Configuration {
    match one(text).0 {
        Resource::Configuration(configuration) => configuration,
        other => panic!("{other:?}"),
    }
}

/// What is said of a text that is refused, without line and column where a field says where it is.
fn refusal(text: &str) -> String {
    let error = import("f.json", text).unwrap_err();
    let told = error.to_string();
    match error {
        ImportError::Content { line, column, .. } => told.replacen(&format!(":{line}:{column}"), "", 1),
        ImportError::Text(_) => told,
    }
}
