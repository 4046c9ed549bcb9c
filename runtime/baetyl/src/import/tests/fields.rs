//! Which field of an application goes where.

use aerolith_model::Workload;

use super::*;

const FULL: &str = include_str!("../full.json");

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
