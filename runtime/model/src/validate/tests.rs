use super::*;

fn read(json: &str) -> Application {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn application(services: &str) -> Application {
    with(services, "")
}

fn with(services: &str, more: &str) -> Application {
    let volumes = r#"[{"name":"conf","emptyDir":{}}]"#;
    read(&format!(
        r#"{{"name":"weather","services":[{services}],"volumes":{volumes}{more}}}"#
    ))
}

/// What is refused, at which path, with which words; `|` parts the message from the hint.
fn refused(application: &Application, path: &str, words: &str) {
    let invalid = application.validate().unwrap_err();
    let told = format!("{invalid} | {}", invalid.fault.hint().unwrap_or_default());
    assert_eq!(invalid.path, path, "{told}");
    let parts: Vec<&str> = words.split(" | ").collect();
    assert!(
        told.starts_with("application `weather`: ") && parts.iter().all(|part| told.contains(part)),
        "{told}"
    );
}

#[test]
fn parts_that_fit_are_accepted() {
    let services = r#"{"name":"agent","image":"a","dependsOn":["db","setup"],
        "ports":[{"containerPort":80,"hostPort":80,"hostIP":"127.0.0.1"}],
        "livenessProbe":{"tcpSocket":{"port":80}},"readinessProbe":{"exec":{"command":["a"]},"successThreshold":2},
        "resources":{"limits":{"cpu":"1","memory":"64Mi","nvidia.com/gpu":1,"swap":0,"pids":100,"openFiles":256},
        "requests":{"cpu":"500m"},"cpuset":"0-1","ioWeight":50},
        "volumeMounts":[{"name":"conf","mountPath":"/a"},{"name":"conf","mountPath":"/b"}]},
        {"name":"db","programConfig":"db","ports":[{"containerPort":1,"hostPort":80,"protocol":"UDP"},
        {"containerPort":80,"hostPort":80,"hostIP":"127.0.0.2"}],"livenessProbe":{"tcpSocket":{"port":"dynamic"}}}"#;
    let more = r#","initServices":[{"name":"setup","image":"s"}]"#;
    assert_eq!(with(services, more).validate(), Ok(()));
}

#[test]
fn each_fault_of_a_service_stands_at_its_field() {
    let cases = [
        (
            r#""env":[{"name":"A"},{"name":"A"}]"#,
            "env[1].name",
            "variable `A` twice",
        ),
        (
            r#""volumeMounts":[{"name":"cnf","mountPath":"/a"}]"#,
            "volumeMounts[0].name",
            "volume `cnf` | did you mean `conf`?",
        ),
        (
            r#""volumeMounts":[{"name":"conf","mountPath":"/a"},{"name":"conf","mountPath":"/a"}]"#,
            "volumeMounts[1].mountPath",
            "two volumes at `/a`",
        ),
        (r#""engine":"""#, "engine", "`engine` of service `db` is empty"),
        (r#""security":{"user":""}"#, "security.user", "`security.user`"),
        (
            r#""security":{"privileged":true,"user":"nobody","privateTmp":true}"#,
            "security.privileged",
            "take `privileged` away",
        ),
        (
            r#""livenessProbe":{"tcpSocket":{"port":1},"successThreshold":2}"#,
            "livenessProbe.successThreshold",
            "must be 1",
        ),
        (
            r#""readinessProbe":{"httpGet":{"port":"dynamic"}}"#,
            "readinessProbe.httpGet.port",
            "not containers | port inside the container",
        ),
        (
            r#""resources":{"limits":{"memroy":"1Mi"}}"#,
            "resources.limits.memroy",
            "`memroy` | known: cpu, memory, swap, pids, openFiles",
        ),
        (
            r#""resources":{"requests":{"gpu":"1"}}"#,
            "resources.requests.gpu",
            "`gpu` | nvidia.com/gpu",
        ),
        (
            r#""resources":{"limits":{"memory":"256m"}}"#,
            "resources.limits.memory",
            "thousandths of a byte | `256Mi`",
        ),
        (
            r#""resources":{"limits":{"pids":0}}"#,
            "resources.limits.pids",
            "no `pids` at all | for no limit",
        ),
        (
            r#""resources":{"ioWeight":10001}"#,
            "resources.ioWeight",
            "above 10000 | 100 is everybody's",
        ),
        (
            r#""resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1500m"}}"#,
            "resources.requests.cpu",
            "more `cpu` than its limit",
        ),
        (
            r#""replica":2,"ports":[{"containerPort":80,"hostPort":8080}]"#,
            "ports[0].hostPort",
            "2 replicas | BAETYL_SERVICE_DYNAMIC_PORT",
        ),
        (
            r#""ports":[{"containerPort":80,"hostPort":80},{"containerPort":81,"hostPort":80,"hostIP":"127.0.0.1"}]"#,
            "ports[1].hostPort",
            "port 80/TCP of the host | hostIP of its own",
        ),
        (
            r#""update":{"strategy":"switch"},"ports":[{"containerPort":80,"hostPort":8080}]"#,
            "ports[0].hostPort",
            "only one container can have port 8080 | leave `update.strategy` away",
        ),
    ];
    for (fields, path, words) in cases {
        let services = format!(r#"{{"name":"aa","image":"a"}},{{"name":"db","image":"a",{fields}}}"#);
        refused(&application(&services), &format!("services[1].{path}"), words);
    }
}

#[test]
fn two_processes_of_one_service_can_share_a_port_and_those_of_two_services_cannot() {
    let of = |name: &str, more: &str| {
        format!(r#"{{"name":"{name}","programConfig":"db","ports":[{{"containerPort":80}}]{more}}}"#)
    };
    let shared = of("aa", r#","replica":2,"update":{"strategy":"switch"}"#);
    application(&shared).validate().unwrap();
    refused(
        &application(&format!("{},{}", of("aa", ""), of("db", ""))),
        "services[1].ports[0].containerPort",
        "service `aa` declares too | choose another port",
    );
    let container = |name: &str| format!(r#"{{"name":"{name}","image":"i","ports":[{{"containerPort":80}}]}}"#);
    let both = format!("{},{}", container("aa"), container("db"));
    with(&both, "").validate().unwrap();
    refused(
        &with(&both, r#","hostNetwork":true"#),
        "services[1].ports[0].containerPort",
        "service `aa` declares too",
    );
}

#[test]
fn each_service_runs_exactly_one_thing() {
    refused(
        &application(r#"{"name":"db"}"#),
        "services[0]",
        "neither `programConfig` nor `image`",
    );
    refused(
        &application(r#"{"name":"db","image":"a","programConfig":"db"}"#),
        "services[0].image",
        "both `programConfig` and `image`",
    );
}

#[test]
fn whom_a_service_waits_for_is_there_and_can_become_what_it_waits_for() {
    let waits = |dependency: &str, other: &str| {
        application(&format!(
            r#"{{"name":"aa","image":"a"{other}}},{{"name":"db","image":"a","dependsOn":[{dependency}]}}"#
        ))
    };
    let succeeded = r#"{"service":"aa","condition":"succeeded"}"#;
    let at = "services[1].dependsOn[0]";
    refused(&waits(r#""ab""#, ""), at, "depends on `ab` | did you mean `aa`?");
    refused(&waits(succeeded, ""), at, "whenever it ends | `on-failure` or `no`");
    refused(
        &waits(r#""aa",{"service":"aa","condition":"started"}"#, ""),
        "services[1].dependsOn[1]",
        "`aa` twice",
    );
    for policy in ["no", "on-failure"] {
        let ends = format!(r#","restart":{{"policy":"{policy}"}}"#);
        assert_eq!(waits(succeeded, &ends).validate(), Ok(()));
    }
    let job = Application {
        workload: Workload::Job,
        ..waits(succeeded, "")
    };
    assert_eq!(job.validate(), Ok(()));
    refused(
        &waits(r#""aa""#, r#","dependsOn":["db"]"#),
        "services[0].dependsOn",
        "aa -> db -> aa",
    );
}

#[test]
fn an_init_service_runs_once_and_shares_the_names_of_the_others() {
    let init = |fields: &str| {
        let more = format!(r#","initServices":[{{"name":"setup","image":"s"}},{{"name":"more","image":"s"{fields}}}]"#);
        with(r#"{"name":"db","image":"a"}"#, &more)
    };
    assert_eq!(init("").validate(), Ok(()));
    for (fields, field) in [
        (r#","replica":2"#, "replica"),
        (r#","dependsOn":["db"]"#, "dependsOn"),
        (r#","update":{"strategy":"switch"}"#, "update"),
        (r#","livenessProbe":{"tcpSocket":{"port":1}}"#, "livenessProbe"),
    ] {
        let words = format!("init service `more` has `{field}` | leave `{field}` away");
        refused(&init(fields), &format!("initServices[1].{field}"), &words);
    }
    refused(&init(r#","engine":"""#), "initServices[1].engine", "is empty");
    let mut twice = init("");
    twice.services[0].name = "setup".parse().unwrap();
    refused(&twice, "services[0].name", "two services are called `setup`");
    twice.init_services[1].name = "setup".parse().unwrap();
    refused(&twice, "initServices[1].name", "two services are called `setup`");
}

#[test]
fn how_a_job_is_retried_is_said_of_jobs_alone() {
    let more = r#","jobConfig":{"backoffLimit":2}"#;
    let keeps_running = with(r#"{"name":"db","image":"a"}"#, more);
    refused(&keeps_running, "jobConfig", "workload: job | add `workload: job`");
    let job = Application {
        workload: Workload::Job,
        ..keeps_running
    };
    assert_eq!(job.validate(), Ok(()));
}

#[test]
fn two_volumes_of_one_name_are_refused() {
    let mut weather = application(r#"{"name":"db","image":"a"}"#);
    weather.volumes.push(weather.volumes[0].clone());
    refused(&weather, "volumes[1].name", "two volumes are called `conf`");
}

#[test]
fn a_part_is_asked_of_folders_alone() {
    let mounting = |kind: &str| -> Application {
        let json = format!(
            r#"{{"name":"weather","services":[{{"name":"web","image":"a","volumeMounts":[
            {{"name":"data","mountPath":"/d","subPath":"part"}}]}}],
            "volumes":[{{"name":"data","hostPath":{{"path":"/srv","type":"{kind}"}}}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    };
    for kind in ["", "Directory", "DirectoryOrCreate"] {
        assert_eq!(mounting(kind).validate(), Ok(()), "{kind}");
    }
    let words = "`data`, whose hostPath.type `File` is no folder | leave `subPath` away";
    refused(&mounting("File"), "services[0].volumeMounts[0].subPath", words);
}
