use aerolith_model::{Resource, parse};

use super::*;

const WORLD: &str = "\
kind: application
name: weather
services:
  - {name: agent, programConfig: weather-agent, volumeMounts: [{name: conf, mountPath: /etc}], dependsOn: [store]}
  - {name: store, programConfig: store, volumeMounts: [{name: cert, mountPath: /cert}]}
volumes:
  - {name: conf, config: {name: weather-conf}}
  - {name: cert, secret: {name: weather-cert}}
---
kind: application
name: other
services:
  - {name: agent, programConfig: weather-agent}
  - {name: page, image: 'nginx:1'}
---
kind: configuration
name: weather-agent
labels: {baetyl-config-type: baetyl-program}
data: {a-linux-amd64.zip: {url: 'https://h/a.zip', unpack: zip, token: t1}}
---
kind: configuration
name: store
labels: {baetyl-config-type: baetyl-program}
data: {s-linux-amd64.zip: {url: 'https://h/s.zip', unpack: zip}}
---
kind: configuration
name: weather-conf
data: {unit: C}
---
kind: secret
name: weather-cert
stringData: {key: hush}
";

const SIGNED: &str =
    "signature: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=='";

/// The services of all applications.
fn flatten(text: &str) -> Result<Generation, PlanError> {
    let resources = parse("w.yml", text).unwrap();
    let applications = resources.iter().filter_map(|resource| match resource {
        Resource::Application(application) => Some(application),
        _ => None,
    });
    let configurations = resources.iter().filter_map(|resource| match resource {
        Resource::Configuration(configuration) => Some(configuration),
        _ => None,
    });
    let secrets = resources.iter().filter_map(|resource| match resource {
        Resource::Secret(secret) => Some(secret),
        _ => None,
    });
    let fingerprints = Fingerprints::default();
    let library = Library::new(configurations, secrets, &fingerprints);
    let mut all = Generation::new();
    for application in applications {
        all.extend(library.generation(application, Updates::default())?);
    }
    Ok(all)
}

/// The services whose fingerprint a change of the text changes.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(WORLD.contains(from), "{from}");
    let (before, after) = (flatten(WORLD).unwrap(), flatten(&WORLD.replace(from, to)).unwrap());
    let differs = |(id, goal): &(&ServiceId, &Goal)| after[id].fingerprint != goal.fingerprint;
    before.iter().filter(differs).map(|(id, _)| id.to_string()).collect()
}

fn without(kind_and_name: &str) -> String {
    let documents: Vec<_> = WORLD
        .split("---\n")
        .filter(|document| !document.starts_with(kind_and_name))
        .collect();
    documents.join("---\n")
}

#[test]
fn applications_are_flattened_into_services() {
    let goals = flatten(WORLD).unwrap();
    let names: Vec<_> = goals.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["other.agent", "other.page", "weather.agent", "weather.store"]);
    let agent = &goals.values().nth(2).unwrap();
    assert_eq!(
        agent.depends_on.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["weather.store"]
    );
    assert_eq!(agent.volumes.len(), 1);
}

#[test]
fn a_changed_package_touches_exactly_its_users() {
    assert_eq!(
        changed("https://h/a.zip", "https://h/b.zip"),
        ["other.agent", "weather.agent"]
    );
    assert_eq!(changed("https://h/s.zip", "https://h/t.zip"), ["weather.store"]);
}

#[test]
fn a_changed_configuration_secret_or_service_touches_exactly_its_users() {
    assert_eq!(changed("unit: C", "unit: F"), ["weather.agent"]);
    assert_eq!(
        changed("name: weather-conf\n", "name: weather-conf\ntemplate: true\n"),
        ["weather.agent"]
    );
    assert_eq!(changed("hush", "quiet"), ["weather.store"]);
    assert_eq!(changed("nginx:1", "nginx:2"), ["other.page"]);
    assert_eq!(changed("mountPath: /etc", "mountPath: /srv"), ["weather.agent"]);
    assert_eq!(
        changed(
            "{name: conf, config: {name: weather-conf}}",
            "{name: conf, emptyDir: {}}"
        ),
        ["weather.agent"]
    );
}

#[test]
fn what_a_running_instance_does_not_see_touches_nobody() {
    for (from, to) in [
        (
            "programConfig: store,",
            "programConfig: store, replica: 3, gracePeriod: 5s, restart: {policy: no},",
        ),
        (", dependsOn: [store]", ""),
        ("token: t1", "token: t2"),
        (
            "name: weather-conf\n",
            "name: weather-conf\nversion: '8'\ndescription: new\nlabels: {a: b}\n",
        ),
        ("name: weather\n", "name: weather\nversion: '8'\nlabels: {a: b}\n"),
    ] {
        assert!(changed(from, to).is_empty(), "{to}");
    }
}

#[test]
fn an_object_with_a_digest_may_move_and_be_renamed_unless_its_name_is_seen() {
    let fingerprints = |place: &str, unpack: &str| -> Vec<_> {
        let digest = "ab".repeat(32);
        let object = format!("{{url: '{place}', sha256: '{digest}', unpack: {unpack}}}");
        let world = WORLD.replace("{url: 'https://h/a.zip', unpack: zip, token: t1}", &object);
        let services = flatten(&world).unwrap();
        services.into_values().map(|goal| goal.fingerprint).collect()
    };
    let (before, moved, renamed) = ("https://h/1/a-7.zip", "s3://b/2/a-7.zip", "https://h/1/a-8.zip");
    for unpack in ["zip", "tar", "tgz", "tar.zst"] {
        assert_eq!(fingerprints(before, unpack), fingerprints(moved, unpack), "{unpack}");
        assert_eq!(fingerprints(before, unpack), fingerprints(renamed, unpack), "{unpack}");
    }
    for unpack in ["''", "auto"] {
        assert_eq!(fingerprints(before, unpack), fingerprints(moved, unpack), "{unpack}");
        assert_ne!(fingerprints(before, unpack), fingerprints(renamed, unpack), "{unpack}");
    }
}

#[test]
fn a_signature_replaces_an_instance_only_where_no_digest_says_what_runs() {
    let digest = "md5: 0123456789abcdef0123456789abcdef";
    let with_digest = WORLD.replace("token: t1", digest);
    let signed = with_digest.replace(digest, &format!("{digest}, {SIGNED}"));
    let fingerprints = |text: &str| -> Vec<_> {
        let services = flatten(text).unwrap();
        services.into_values().map(|goal| goal.fingerprint).collect()
    };
    assert_eq!(fingerprints(&with_digest), fingerprints(&signed));
    assert_eq!(changed("token: t1", SIGNED), ["other.agent", "weather.agent"]);
}

#[test]
fn the_order_of_volumes_touches_nobody() {
    let two = "{name: cert, mountPath: /cert}, {name: conf, mountPath: /conf}";
    let before = WORLD.replace("{name: cert, mountPath: /cert}", two);
    let (conf, cert) = (
        "  - {name: conf, config: {name: weather-conf}}\n",
        "  - {name: cert, secret: {name: weather-cert}}\n",
    );
    let after = before.replace(&format!("{conf}{cert}"), &format!("{cert}{conf}"));
    assert_ne!(before, after);
    assert_eq!(flatten(&before).unwrap(), flatten(&after).unwrap());
}

#[test]
fn what_is_missing_is_named_with_who_needs_it() {
    let missing = |kind_and_name| flatten(&without(kind_and_name)).unwrap_err().to_string();
    let package = missing("kind: configuration\nname: store\n");
    assert!(
        package.contains("service `store` of application `weather` runs program package `store`"),
        "{package}"
    );
    let configuration = missing("kind: configuration\nname: weather-conf\n");
    assert!(configuration.contains("volume `conf` of application `weather` shows configuration `weather-conf`"));
    let secret = missing("kind: secret\nname: weather-cert\n");
    assert!(
        secret.contains("volume `cert` of application `weather` shows secret `weather-cert`"),
        "{secret}"
    );
}

#[test]
fn a_configuration_without_the_label_is_no_program() {
    let text = WORLD.replacen("labels: {baetyl-config-type: baetyl-program}", "labels: {}", 1);
    let error = flatten(&text).unwrap_err().to_string();
    assert!(
        error.contains("`weather-agent`") && error.contains("baetyl-config-type: baetyl-program"),
        "{error}"
    );
}

#[test]
fn circles_are_refused_by_name() {
    let error = alone(
        r#"{"name":"weather","services":[{"name":"agent","image":"a","dependsOn":["store"]},
            {"name":"store","image":"a","dependsOn":["agent"]}]}"#,
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("`weather`") && error.contains("agent -> store -> agent"),
        "{error}"
    );
}

/// An application that refers to nothing, as its services are to run.
fn alone(json: &str) -> Result<Vec<Goal>, PlanError> {
    let application: Application = serde_json::from_str(json).unwrap();
    let generation = Library::new([], [], &Fingerprints::default()).generation(&application, Updates::default())?;
    Ok(generation.into_values().collect())
}

#[test]
fn two_versions_are_beside_each_other_unless_they_want_the_same_port_or_it_is_said_otherwise() {
    let package = "---\nkind: configuration\nname: pp\nlabels: {baetyl-config-type: baetyl-program}\ndata: {a: b}\n";
    let strategy = |application: &str, service: &str| {
        let text =
            format!("kind: application\nname: app1\n{application}services: [{{name: web, {service}}}]\n{package}");
        flatten(&text).unwrap().into_values().next().unwrap().strategy
    };
    for (service, expected) in [
        ("image: a", Strategy::Switch),
        ("image: a, ports: [{containerPort: 80}]", Strategy::Switch),
        (
            "image: a, ports: [{containerPort: 80, hostPort: 8080}]",
            Strategy::Restart,
        ),
        (
            "image: a, ports: [{containerPort: 80}], hostNetwork: true",
            Strategy::Restart,
        ),
        ("image: a, hostNetwork: true", Strategy::Switch),
        (
            "image: a, ports: [{containerPort: 80, hostPort: 8080}], update: {strategy: handover}",
            Strategy::Handover,
        ),
        ("programConfig: pp", Strategy::Switch),
        ("programConfig: pp, ports: [{containerPort: 80}]", Strategy::Restart),
        (
            "programConfig: pp, ports: [{containerPort: 80}], update: {strategy: switch}",
            Strategy::Switch,
        ),
    ] {
        assert_eq!(strategy("", service), expected, "{service}");
    }
    let shared = strategy("hostNetwork: true\n", "image: a, ports: [{containerPort: 80}]");
    assert_eq!(shared, Strategy::Restart);
}

#[test]
fn a_service_says_how_it_proves_itself_and_the_node_says_it_for_the_others() {
    let services =
        r#"{"name":"app1","services":[{"name":"aa","image":"a","update":{"window":"1s"}},{"name":"bb","image":"b"}]}"#;
    let goals = alone(services).unwrap();
    let window = Duration::from_secs(1);
    let said = Updates {
        window,
        ..Updates::default()
    };
    assert_eq!([goals[0].updates, goals[1].updates], [said, Updates::default()]);
}

#[test]
fn a_job_has_as_many_instances_as_must_end_well() {
    let job = |config: &str| {
        let json = format!(
            r#"{{"name":"app1","workload":"job"{config},"services":[{{"name":"sum","image":"a","replica":2}}]}}"#
        );
        let goal = &alone(&json).unwrap()[0];
        (goal.count(), goal.job.unwrap().parallelism)
    };
    assert_eq!(job(""), (2, 2));
    assert_eq!(job(r#","jobConfig":{"completions":5}"#), (5, 5));
    assert_eq!(job(r#","jobConfig":{"completions":5,"parallelism":3}"#), (5, 3));
}

#[test]
fn init_services_come_one_after_the_other_and_everything_after_them() {
    let goals = alone(
        r#"{"name":"app1","initServices":[{"name":"zz","image":"a"},{"name":"yy","image":"a"}],
            "services":[{"name":"aa","image":"a"},{"name":"bb","image":"a","dependsOn":["aa"]}]}"#,
    );
    let waits = |goal: &Goal| {
        let on = |(id, condition): (&ServiceId, &StartCondition)| format!("{} {}", id.service, condition.as_str());
        goal.depends_on.iter().map(on).collect::<Vec<_>>()
    };
    let waits: Vec<_> = goals.unwrap().iter().map(waits).collect();
    let after_init = vec!["yy succeeded".to_owned()];
    let both = vec!["aa ready".to_owned(), "yy succeeded".to_owned()];
    assert_eq!(waits, [after_init, both, vec!["zz succeeded".to_owned()], vec![]]);
}

#[test]
fn a_goal_wants_only_runs_of_its_own_service() {
    let all = flatten(WORLD).unwrap();
    for (id, goal) in &all {
        let run = |id: &ServiceId, index| RunId {
            instance: id.instance(index),
            fingerprint: goal.fingerprint,
        };
        let wanted: Vec<_> = all.keys().filter(|other| goal.wants(&run(other, 1))).collect();
        assert_eq!(wanted, [id]);
        assert!(!goal.wants(&run(id, 2)));
    }
}

#[test]
fn a_window_is_as_long_as_a_liveness_probe_needs_and_leaves_half_of_the_time_to_become_ready() {
    let window = |probe: &str, update: &str| {
        let text = format!(
            "kind: application\nname: app1\nservices: [{{name: aa, image: a, update: {{{update}}}, \
             livenessProbe: {{tcpSocket: {{port: 80}}, {probe}}}}}]"
        );
        let goals = flatten(&text).unwrap();
        goals.values().next().unwrap().updates.window.as_secs()
    };
    assert_eq!(window("periodSeconds: 2", ""), 10, "it is found out earlier");
    assert_eq!(window("initialDelaySeconds: 7", ""), 37);
    assert_eq!(window("periodSeconds: 5, timeoutSeconds: 9", "window: 1s"), 27);
    assert_eq!(window("periodSeconds: 5, failureThreshold: 4", "window: 1m"), 60);
    assert_eq!(window("periodSeconds: 600", ""), 150);
    assert_eq!(window("periodSeconds: 30", "deadline: 1m"), 30);
}
