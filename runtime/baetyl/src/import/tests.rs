use aerolith_model::{Application, Configuration, Entry, ObjectPlatform, Unpack, VolumeSource, Workload};
use proptest::prelude::*;

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

#[test]
fn the_cloud_view_of_a_package_is_read() {
    let package = a_configuration(PACKAGE);
    assert!(package.is_package() && package.version.is_empty());
    let (key, object) = package.objects().next().unwrap();
    assert_eq!(key.as_str(), "weather-linux-amd64.zip");
    assert_eq!(object.unpack, Unpack::Zip);
    assert_eq!(
        object.md5.as_ref().unwrap().as_str(),
        "0123456789abcdef0123456789abcdef"
    );
    let metadata: Vec<_> = object.metadata.keys().map(String::as_str).collect();
    assert_eq!(metadata, ["filename", "platform", "source"]);
    assert!(
        object.platform.is_none(),
        "the platform field has no effect, the key decides"
    );
    let second = package.objects().nth(1).unwrap().1;
    assert_eq!((second.unpack, &second.md5), (Unpack::None, &None));
    assert_eq!(package.data["notes.txt"], Entry::Text(String::new()));
}

#[test]
fn the_stored_form_gives_the_same_objects_as_the_view() {
    let stored = a_configuration(
        r#"{"name": "weather-agent", "labels": {"baetyl-config-type": "baetyl-program"}, "data": {
            "_object_weather-linux-amd64.zip":
              "{\"url\":\"https://f.example.net/a.zip\",\"md5\":\"0123456789abcdef0123456789abcdef\",\"unpack\":\"zip\",\"metadata\":{\"source\":\"http\",\"platform\":\"linux/amd64\",\"filename\":\"a.zip\"}}",
            "notes.txt": ""}}"#,
    );
    let view = a_configuration(PACKAGE);
    assert_eq!(
        stored.data["weather-linux-amd64.zip"],
        view.data["weather-linux-amd64.zip"]
    );
    assert_eq!(stored.data["notes.txt"], view.data["notes.txt"]);
}

#[test]
fn the_cloud_view_of_an_application_is_read() {
    let weather = an_application(APPLICATION);
    let [agent, second] = &weather.services[..] else {
        panic!("{weather:?}")
    };
    assert_eq!(agent.program_config.as_ref().unwrap().as_str(), "weather-agent");
    assert_eq!(
        (agent.replica, second.replica),
        (1, 2),
        "a service without replica takes the application's"
    );
    assert_eq!(agent.env.len(), 2);
    assert!(agent.ports[0].host_port.is_none() && agent.volume_mounts[0].sub_path.is_none());
    assert!(matches!(&weather.volumes[0].source, VolumeSource::Config(name) if name.as_str() == "weather-conf"));
}

#[test]
fn the_saved_form_gives_the_program_back() {
    let weather = an_application(SAVED);
    assert_eq!(
        weather.services[0].program_config.as_ref().unwrap().as_str(),
        "weather-agent"
    );
    let mounts: Vec<_> = weather.services[0]
        .volume_mounts
        .iter()
        .map(|mount| mount.name.as_str())
        .collect();
    let volumes: Vec<_> = weather.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!((mounts, volumes), (vec!["data"], vec!["data"]));
}

#[test]
fn unknown_fields_are_kept_and_named_in_one_warning() {
    let text = format!("[{APPLICATION}, {PACKAGE}]");
    let found = import("f.json", &text).unwrap();
    let [warning] = &found.warnings[..] else {
        panic!("{:?}", found.warnings)
    };
    let shown = warning.to_string();
    for part in [
        "services[0].livenessProbe.grpc of application `weather`",
        "selector",
        "system of configuration",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let Resource::Application(weather) = &found.resources[0] else {
        panic!()
    };
    assert_eq!(weather.extra["selector"], "site=roof");
    assert_eq!(weather.extra["services[0].livenessProbe.grpc"]["port"], 81);
    assert_eq!(
        weather.extra.len(),
        2,
        "versions, times and namespaces are no unknown fields"
    );
}

#[test]
fn a_values_message_gives_its_resources() {
    let text = format!(
        r#"{{"values": [{{"kind": "app", "name": "weather", "version": "1", "value": {APPLICATION}}},
            {{"kind": "config", "value": {PACKAGE}}},
            {{"kind": "secret", "value": {{"name": "cert", "data": {{"key": "aHVzaA=="}}}}}}]}}"#
    );
    let kinds: Vec<_> = import("f.json", &text)
        .unwrap()
        .resources
        .iter()
        .map(Resource::kind)
        .collect();
    assert_eq!(
        kinds,
        [
            ResourceKind::Application,
            ResourceKind::Configuration,
            ResourceKind::Secret
        ]
    );
}

#[test]
fn a_secret_is_known_by_its_label_or_kind() {
    for text in [
        r#"{"name": "cert", "labels": {"secret-type": "certificate"}, "data": {"key": "aHVzaA=="}}"#,
        r#"{"kind": "secret", "name": "cert", "data": {"key": "aHVzaA=="}}"#,
    ] {
        let Resource::Secret(secret) = one(text).0 else {
            panic!("{text}")
        };
        assert_eq!(secret.data["key"].0, b"hush");
    }
}

#[test]
fn an_error_in_a_secret_never_shows_it() {
    for (value, part) in [
        ("4711", "expected text in base64"),
        ("\"4711!\"", "not base64"),
        ("[4711]", "in base64"),
    ] {
        let text = format!(r#"[{{"kind": "secret", "name": "cert", "data": {{"pin": {value}}}}}]"#);
        let found = refusal(&text);
        assert!(
            found.starts_with("f.json: [0].data.pin: ") && found.contains(part),
            "{found}"
        );
        assert!(!found.contains("4711"), "{found}");
    }
}

#[test]
fn a_missing_field_is_named_at_its_resource() {
    assert_eq!(refusal(r#"[{"services": []}]"#), "f.json: [0]: missing field `name`");
    assert_eq!(refusal(r#"{"services": []}"#), "f.json: .: missing field `name`");
    let nameless = r#"{"name": "weather", "services": [{"image": "a"}]}"#;
    assert_eq!(refusal(nameless), "f.json: services[0]: missing field `name`");
}

#[test]
fn a_duplicate_key_is_refused_by_name_in_every_form() {
    let item = r#"{"key": "a.txt", "value": {"type": "kv", "value": "x"}}"#;
    let list = refusal(&format!(r#"{{"name": "conf", "data": [{item}, {item}]}}"#));
    assert_eq!(
        list,
        "f.json: data[1]: key `a.txt` stands twice: rename or remove one of them"
    );
    let map = refusal("{\"name\": \"conf\", \"data\": {\"a.txt\": \"x\",\n \"a.txt\": \"y\"}}");
    assert!(map.starts_with("f.json:2:2: duplicate key `a.txt`"), "{map}");
    let object = r#"{"name": "conf", "data": {"a": "x", "_object_a": "{\"url\":\"https://h/a\"}"}}"#;
    assert!(refusal(object).contains("key `a` stands twice"));
}

#[test]
fn an_object_of_a_package_without_a_platform_is_warned_of() {
    let text = PACKAGE.replace("weather-linux-amd64.zip", "weather.zip");
    let shown: Vec<_> = one(&text).1.iter().map(ToString::to_string).collect();
    assert!(
        shown
            .iter()
            .any(|warning| warning.contains("`weather.zip`") && warning.contains("names no platform"))
    );
    let plain = text.replace("baetyl-program", "other");
    assert!(
        !one(&plain)
            .1
            .iter()
            .any(|warning| matches!(warning, Warning::NoPlatform { .. }))
    );
    let any = text.replace("linux/amd64", "any");
    assert!(
        !one(&any)
            .1
            .iter()
            .any(|warning| matches!(warning, Warning::NoPlatform { .. }))
    );
    let Entry::Object(object) = &a_configuration(&any).data["weather.zip"] else {
        panic!("no object")
    };
    assert_eq!(object.platform, Some(ObjectPlatform::Any));
}

#[test]
fn known_fields_are_strict_and_named_by_their_path() {
    for (text, path, part) in [
        (
            APPLICATION.replace(r#""replica": 1"#, r#""replica": "1""#),
            "services[0].replica",
            "u32",
        ),
        (
            APPLICATION.replace(r#""agent""#, r#""Agent""#),
            "services[0].name",
            "not a valid service name",
        ),
        (
            APPLICATION.replace(r#""native""#, r#""swarm""#),
            "mode",
            "unknown variant `swarm`",
        ),
        (
            APPLICATION.replace(r#""container""#, r#""helm""#),
            "type",
            "application type `helm` is not supported",
        ),
        (
            APPLICATION.replace(r#""name": "conf", "mountPath""#, r#""name": "cnf", "mountPath""#),
            "services[0].volumeMounts[0].name",
            "volume `cnf`",
        ),
        (
            PACKAGE.replace(r#""type": "kv""#, r#""type": "kw""#),
            "data[2].value.type",
            "unknown variant `kw`",
        ),
        (
            PACKAGE.replace("https://f.example.net/b.zip", ""),
            "data[1].value",
            "`url` is missing",
        ),
        (
            PACKAGE.replace("0123456789abcdef0123456789abcdef", "0123"),
            "data[0].value",
            "32 hexadecimal digits",
        ),
        (
            PACKAGE.replace("notes.txt", "_object_x"),
            "data[2].key",
            "not beginning with `_object_`",
        ),
        (
            r#"{"name": "conf", "data": {"a": 5}}"#.to_owned(),
            "data.a",
            "expected text, found 5",
        ),
        (
            r#"{"name": "conf", "data": {"a": null}}"#.to_owned(),
            "data.a",
            "expected text, found null",
        ),
        (
            r#"{"name": "conf", "data": {"_object_a": "nonsense"}}"#.to_owned(),
            "data._object_a",
            "not a JSON object",
        ),
        (r#"{"name": "my-baetyl", "data": {}}"#.to_owned(), "name", "reserved"),
        (format!("[{PACKAGE}, {{\"x\": 1}}]"), "[1]", "found keys x"),
        (
            format!("[{PACKAGE}, {PACKAGE}]"),
            "[1]",
            "configuration `weather-agent` stands twice",
        ),
        (
            r#"{"kind": "node", "value": {}}"#.to_owned(),
            ".",
            "kind `node` is unknown",
        ),
    ] {
        let found = refusal(&text);
        assert!(
            found.starts_with(&format!("f.json: {path}: ")) && found.contains(part),
            "{path}: {found}"
        );
    }
}

#[test]
fn objects_of_a_store_that_cannot_be_asked_are_refused_with_a_way_out() {
    for (fields, ways) in [
        (
            r#""source": "awss3", "account": "mine""#,
            &["source `awss3`", "`ak` and `sk`", "`url`"][..],
        ),
        (
            r#""source": "azure", "ak": "c4nary", "sk": "c4nary""#,
            &["source `azure`", "`url`"],
        ),
        (r#""source": "awss3", "ak": "c4nary""#, &["one of `ak` and `sk`"]),
    ] {
        let object = format!(r#"{{"type": "object", "endpoint": "e", "bucket": "b", "object": "o", {fields}}}"#);
        let found = refusal(&format!(
            r#"{{"name": "conf", "data": [{{"key": "a", "value": {object}}}]}}"#
        ));
        assert!(ways.iter().all(|way| found.contains(way)), "{found}");
        assert!(!found.contains("c4nary"), "{found}");
    }
}

#[test]
fn objects_of_a_store_are_fetched_from_it_with_keys_that_became_a_secret() {
    let object = |key: &str, keys: &str| {
        format!(
            r#"{{"key": "{key}", "value": {{"type": "object", "source": "minio", "endpoint": "http://10.0.0.5:9000",
                "bucket": "depot", "object": "{key}.zip", "unpack": "zip", {keys}}}}}"#
        )
    };
    let (mine, yours) = (
        r#""ak": "AKMINE", "sk": "c4nary""#,
        r#""ak": "AKYOURS", "sk": "c4nary""#,
    );
    let objects = [object("a", mine), object("b", mine), object("c", yours)].join(",");
    let found = import("f.json", &format!(r#"{{"name": "conf", "data": [{objects}]}}"#)).unwrap();
    let names: Vec<_> = found.resources.iter().map(|r| (r.kind().as_str(), r.name())).collect();
    assert_eq!(
        names,
        [
            ("secret", "conf-credentials"),
            ("secret", "conf-credentials-2"),
            ("configuration", "conf")
        ]
    );
    let [Resource::Secret(first), _, Resource::Configuration(conf)] = &found.resources[..] else {
        panic!("{names:?}")
    };
    assert_eq!(first.data["accessKeyId"].0, b"AKMINE");
    assert_eq!(first.data["secretAccessKey"].0, b"c4nary");
    let objects: BTreeMap<_, _> = conf.objects().map(|(key, object)| (key.as_str(), object)).collect();
    assert_eq!(
        objects["b"].url.as_str(),
        "s3://depot/b.zip?endpoint=http://10.0.0.5:9000"
    );
    for (key, secret) in [
        ("a", "conf-credentials"),
        ("b", "conf-credentials"),
        ("c", "conf-credentials-2"),
    ] {
        assert_eq!(objects[key].credentials.as_ref().unwrap().as_str(), secret);
    }
    let shown = serde_json::to_string(conf).unwrap();
    assert!(!shown.contains("c4nary") && !shown.contains("AKMINE"), "{shown}");
}

#[test]
fn keys_beside_a_signed_address_are_not_kept() {
    let object = r#"{\"url\": \"https://h/a.zip?sign=x\", \"metadata\": {\"source\": \"awss3\", \"ak\": \"c4nary\", \"sk\": \"c4nary\"}}"#;
    let found = import(
        "f.json",
        &format!(r#"{{"name": "conf", "data": {{"_object_a": "{object}"}}}}"#),
    )
    .unwrap();
    assert_eq!(found.resources.len(), 1);
    assert!(!format!("{found:?}").contains("c4nary"));
}

const FULL: &str = include_str!("full.json");

#[test]
fn every_field_of_an_application_reaches_the_model() {
    let (Resource::Application(found), warnings) = one(FULL) else {
        panic!("no application")
    };
    let expected: Application = serde_json::from_str(
        r#"{"name":"weather","description":"d","labels":{"a":"b"},"workload":"job",
        "jobConfig":{"completions":4,"parallelism":2,"backoffLimit":3,"restartPolicy":"OnFailure"},
        "startAt":"2026-11-25T08:00:00Z","preserveUpdates":true,"hostNetwork":true,"registries":["reg-a","reg-b"],
        "initServices":[{"name":"setup","programConfig":"setup-program"}],
        "services":[{"name":"web","hostname":"web-1","image":"nginx:1","replica":1,"command":["c"],"args":["a"],
            "workingDir":"/srv","env":[{"name":"A","value":"b"}],"runtime":"nvidia","hostNetwork":true,
            "ports":[{"hostPort":8080,"containerPort":80,"protocol":"UDP","hostIP":"127.0.0.1"}],
            "volumeMounts":[{"name":"conf","mountPath":"/c","subPath":"s","readOnly":true,"immutable":true,"autoClean":true}],
            "devices":[{"devicePath":"/dev/ttyS0","policy":"rw","description":"meter"}],
            "resources":{"limits":{"cpu":"500m","memory":"256Mi","nvidia.com/gpu":"1"},"requests":{"cpu":"0.1"}},
            "security":{"privileged":true},"imagePullPolicy":"Always",
            "startupProbe":{"exec":{"command":["test","-e","x"]},"failureThreshold":30},
            "livenessProbe":{"httpGet":{"path":"/","port":80},"periodSeconds":10},
            "readinessProbe":{"tcpSocket":{"port":80,"host":"127.0.0.1"},"initialDelaySeconds":1,"periodSeconds":2,
                "timeoutSeconds":3,"successThreshold":4,"failureThreshold":5}},
            {"name":"plain","programConfig":"plain-program","replica":2}],
        "volumes":[{"name":"conf","config":{"name":"web-conf"}},{"name":"pin","secret":{"name":"pin"}},
            {"name":"cert","secret":{"name":"web-cert"}},{"name":"host","hostPath":{"path":"/srv","type":"Directory"}},
            {"name":"tmp","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}}],
        "extra":{"ota":{"task":"t"},"selector":"a=b","nodeSelector":"c=d","system":false,"dnsPolicy":"ClusterFirst",
            "autoScaleCfg":{"minReplicas":1},"updateTime2":"x","services[0].ports[0].serviceType":"ClusterIP",
            "services[0].ports[0].nodePort":30000,"services[0].labels":{"e":"f"}}}"#,
    )
    .unwrap();
    assert_eq!(found, expected);
    let [Warning::Unused(fields)] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert_eq!(fields.len(), expected.extra.len());
    let ours = serde_json::to_string(&Resource::Application(found.clone())).unwrap();
    assert_eq!(
        aerolith_model::parse("state", &ours).unwrap(),
        [Resource::Application(found)]
    );
}

#[test]
fn what_services_say_of_jobs_is_the_applications_if_they_agree() {
    let services = |second: &str| {
        format!(
            r#"{{"name": "weather", "services": [
            {{"name": "aa", "image": "a", "type": "job", "jobConfig": {{"backoffLimit": 2}}}},
            {{"name": "bb", "image": "b", {second}}}]}}"#
        )
    };
    let weather = an_application(&services(r#""type": "job""#));
    assert_eq!(
        (weather.workload, weather.job_config.unwrap().backoff_limit),
        (Workload::Job, 2)
    );
    let other = refusal(&services(r#""type": "deployment""#));
    assert!(
        other.starts_with("f.json: services[1].type: ") && other.contains("two applications"),
        "{other}"
    );
    let other = refusal(&services(r#""jobConfig": {"backoffLimit": 3}"#));
    assert!(other.starts_with("f.json: services[1].jobConfig: "), "{other}");
}

#[test]
fn only_who_waits_for_a_time_starts_at_it() {
    let cron = |fields: &str| format!(r#"{{"name": "weather", "services": [], {fields}}}"#);
    let waits = an_application(&cron(r#""cronStatus": 1, "cronTime": "2026-11-25T08:00:00+08:00""#));
    assert_eq!(waits.start_at.unwrap().to_string(), "2026-11-25T08:00:00+08:00");
    for done in [
        r#""cronStatus": 2, "cronTime": "2026-11-25T08:00:00Z""#,
        r#""cronStatus": 0, "cronTime": "0001-01-01T00:00:00Z""#,
        r#""cronTime": """#,
    ] {
        assert_eq!(an_application(&cron(done)).start_at, None, "{done}");
    }
    for (wrong, path) in [
        (r#""cronStatus": 1"#, "cronTime"),
        (r#""cronStatus": 1, "cronTime": "soon""#, "cronTime"),
        (r#""cronStatus": 3"#, "cronStatus"),
        (r#""cronStatus": "1""#, "cronStatus"),
    ] {
        let found = refusal(&cron(wrong));
        assert!(found.starts_with(&format!("f.json: {path}: ")), "{found}");
    }
}

#[test]
fn what_stands_for_nothing_in_a_probe_takes_its_default_and_what_is_wrong_is_named() {
    let probe = |probe: &str| {
        format!(r#"{{"name": "weather", "services": [{{"name": "aa", "image": "a", "readinessProbe": {probe}}}]}}"#)
    };
    let read = an_application(&probe(
        r#"{"httpGet": {"port": "80", "path": "", "host": "", "scheme": ""}, "periodSeconds": 0, "successThreshold": 0}"#,
    ));
    let expected: aerolith_model::Probe = serde_json::from_str(r#"{"httpGet": {"port": 80}}"#).unwrap();
    assert_eq!(read.services[0].readiness_probe, Some(expected));
    for (wrong, path) in [
        ("{}", ""),
        (r#"{"exec": {}}"#, ""),
        (r#"{"tcpSocket": {"port": "http"}}"#, ".tcpSocket.port"),
        (r#"{"tcpSocket": {"port": 1}, "periodSeconds": "1"}"#, ".periodSeconds"),
    ] {
        let found = refusal(&probe(wrong));
        assert!(
            found.starts_with(&format!("f.json: services[0].readinessProbe{path}: ")),
            "{found}"
        );
    }
}

#[test]
fn a_registry_becomes_a_secret_and_is_nowhere_shown() {
    let text = r#"[{"name": "reg-a", "address": "r.example.net", "username": "u", "password": "c4nary", "more": 1}]"#;
    let found = import("f.json", text).unwrap();
    let [Resource::Secret(registry)] = &found.resources[..] else {
        panic!("{found:?}")
    };
    assert_eq!(registry.data["password"].0, b"c4nary");
    assert_eq!(registry.kind(), Ok(Some(aerolith_model::SecretType::Registry)));
    assert!(!format!("{found:?}").contains("c4nary"), "{found:?}");
    let wrong = refusal(&text.replace(r#""c4nary""#, "4711"));
    assert!(
        wrong.starts_with("f.json: [0].password: ") && !wrong.contains("4711"),
        "{wrong}"
    );
    let lacks = r#"{"name": "reg", "labels": {"secret-type": "registry"}, "data": {"address": "cg=="}}"#;
    assert!(refusal(lacks).starts_with("f.json: data: ") && refusal(lacks).contains("`username` is missing"));
    let app = r#"{"name": "weather", "registries": [{"name": "reg-a", "password": "c4nary"}], "services": []}"#;
    assert!(!format!("{:?}", import("f.json", app).unwrap()).contains("c4nary"));
}

#[test]
fn what_is_wrong_has_line_and_column() {
    let text = "[\n {\"name\": \"weather\", \"services\": [\n   {\"name\": \"aa\", \"image\": \"a\",\n    \"replica\": \"1\"}]}]";
    let found = import("f.json", text).unwrap_err().to_string();
    assert!(found.starts_with("f.json:4:16: [0].services[0].replica: "), "{found}");
    let text = text
        .replace("\"1\"", "1, \"dependsOn\": []")
        .replace("\"image\": \"a\",", "");
    let found = import("f.json", &text.replace("\"image\"", "\"x\""))
        .unwrap_err()
        .to_string();
    assert!(found.starts_with("f.json:3:4: [0].services[0]: "), "{found}");
}

#[test]
fn broken_text_is_refused_with_line_and_column() {
    let found = refusal("{\"name\": \"conf\",\n  \"data\": \"x}");
    assert!(found.starts_with("f.json:2:"), "{found}");
}

#[test]
fn yaml_reads_like_json() {
    let yaml = "name: conf\ndata:\n  - key: a.txt\n    value: {type: kv, value: hello}\n";
    assert_eq!(a_configuration(yaml).data["a.txt"], Entry::Text("hello".to_owned()));
}

#[test]
fn our_own_yaml_is_told_apart() {
    for ours in [
        "kind: secret\nname: cert\n",
        "kind: secret\n---\nkind: secret\n",
        "- [",
        "",
    ] {
        assert!(!is_baetyl(ours), "{ours:?}");
    }
    for theirs in [
        PACKAGE,
        APPLICATION,
        "[]",
        r#"{"values": []}"#,
        r#"{"kind": "config", "value": {}}"#,
    ] {
        assert!(is_baetyl(theirs), "{theirs:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9 \n]{0,60}") {
        let _ = (is_baetyl(&text), import("f.json", &text));
    }

    #[test]
    fn damaging_a_field_never_panics_and_never_loses_a_resource(at in 0_usize..APPLICATION.len(), byte in 32_u8..127) {
        let mut damaged = APPLICATION.as_bytes().to_vec();
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).unwrap();
        if let Ok(found) = import("f.json", &damaged) {
            prop_assert_eq!(found.resources.len(), 1);
        }
    }
}
