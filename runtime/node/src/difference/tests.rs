use aerolith_model::Resource;
use aerolith_plan::Fingerprints;

use super::*;
use crate::desired::anew;

/// A desired state from JSON, planned for without any plugin.
fn desired(all: &[&str]) -> Desired {
    let all = all
        .iter()
        .map(|json| serde_json::from_str::<Resource>(json).unwrap_or_else(|e| panic!("{e}: {json}")));
    let resources = all
        .map(|resource| (ResourceId::of(&resource), Arc::new(resource)))
        .collect();
    let (generations, failures) = anew(&resources, &Fingerprints::default());
    assert!(failures.is_empty(), "{failures:?}");
    Desired {
        resources,
        generations,
        ..Desired::default()
    }
}

fn package(sha256: &str, token: &str) -> String {
    format!(
        r#"{{"kind":"configuration","name":"pp","labels":{{"baetyl-config-type":"baetyl-program"}},
        "data":{{"a.zip":{{"url":"https://h/a.zip","sha256":"{}","token":"{token}"}}}}}}"#,
        sha256.repeat(64)
    )
}

fn shop(services: &str) -> String {
    format!(r#"{{"kind":"application","name":"shop","services":[{services}]}}"#)
}

fn web(more: &str) -> String {
    format!(r#"{{"name":"web","programConfig":"pp"{more}}}"#)
}

/// What becomes of the one service when only its description is another.
fn change(before: &str, after: &str) -> ServiceChange {
    let (before, after) = (shop(&web(before)), shop(&web(after)));
    let pp = package("0", "");
    let mut all = difference(
        &desired(&[&pp, &before]),
        &desired(&[&pp, &after]),
        &["shop".into()],
        &|_| false,
        &|_| true,
    );
    all.remove(0).services.remove(0)
}

#[test]
fn what_is_the_same_is_unchanged_and_only_told_of_who_was_named() {
    let before = [package("0", ""), shop(&web(""))];
    let before = desired(&[&before[0], &before[1]]);
    let again = difference(&before, &before, &["shop".into()], &|_| false, &|_| false);
    assert_eq!(
        (again[0].action, again[0].services[0].action),
        (Action::Unchanged, Action::Unchanged)
    );
    assert!(again[0].services[0].fetches.is_empty());
    assert_eq!(difference(&before, &before, &[], &|_| false, &|_| false), []);
}

#[test]
fn fields_are_told_by_their_paths_and_never_by_their_values() {
    let env = |unit: &str, more: &str| format!(r#","env":[{{"name":"UNIT","value":"{unit}"}}{more}]"#);
    let change = change(
        &env("canary", ""),
        &format!(r#"{},"args":["canary"]"#, env("F", r#",{"name":"PORT","value":"1"}"#)),
    );
    assert_eq!(
        (change.action, change.strategy),
        (Action::Updated, Some(Strategy::Switch))
    );
    assert_eq!(change.changes, ["args", "env.PORT", "env.UNIT"]);
    assert!(!serde_json::to_string(&change).unwrap().contains("canary"));
}

#[test]
fn what_restarts_nothing_is_told_apart_from_what_does() {
    let scaled = change("", r#","replica":3"#);
    assert_eq!(
        (scaled.action, scaled.replicas, scaled.strategy),
        (Action::Scaled, (1, 3), None)
    );
    let adjusted = change("", r#","restart":{"policy":"no"},"gracePeriod":"5s""#);
    assert_eq!(adjusted.action, Action::Adjusted);
    assert_eq!(adjusted.changes, ["gracePeriod", "restart"]);
}

#[test]
fn the_strategy_is_the_one_that_will_be_taken() {
    let port = r#","ports":[{"containerPort":80,"hostPort":8080}]"#;
    let strategy = |more: &str| change("", &format!("{port}{more}")).strategy;
    assert_eq!(strategy(""), Some(Strategy::Restart));
    assert_eq!(strategy(r#","update":{"strategy":"switch"}"#), Some(Strategy::Switch));
    // No engine is there that hands sockets over.
    assert_eq!(
        strategy(r#","update":{"strategy":"handover"}"#),
        Some(Strategy::Restart)
    );
}

#[test]
fn another_object_restarts_its_users_and_is_fetched_unless_it_is_here() {
    let shop = shop(&web(""));
    let before = desired(&[&package("0", ""), &shop]);
    let after = desired(&[&package("1", ""), &shop]);
    let one = |is_here: bool| {
        difference(&before, &after, &[], &|_| false, &|_| is_here)
            .remove(0)
            .services
            .remove(0)
    };
    let change = one(false);
    assert_eq!(change.changes, ["package pp: object a.zip"]);
    assert_eq!(
        (change.action, change.fetches),
        (Action::Updated, vec!["a.zip of pp".to_owned()])
    );
    assert!(one(true).fetches.is_empty());
}

#[test]
fn a_new_token_of_the_same_content_restarts_nobody() {
    let shop = shop(&web(""));
    let (before, after) = (
        desired(&[&package("0", "a"), &shop]),
        desired(&[&package("0", "b"), &shop]),
    );
    let change = difference(&before, &after, &[], &|_| false, &|_| false)
        .remove(0)
        .services
        .remove(0);
    assert_eq!((change.action, change.fetches.len()), (Action::Adjusted, 0));
}

#[test]
fn applications_and_services_that_come_and_go_are_told() {
    let pp = package("0", "");
    let both = shop(&format!("{},{}", web(""), r#"{"name":"db","programConfig":"pp"}"#));
    let other = r#"{"kind":"application","name":"other","version":"2","services":[]}"#;
    let before = desired(&[&pp, &both]);
    let after = desired(&[&pp, &shop(&web("")), other]);
    let changes = difference(&before, &after, &[], &|_| false, &|_| true);
    let actions: Vec<_> = changes
        .iter()
        .map(|change| (change.name.as_str(), change.action))
        .collect();
    assert_eq!(actions, [("other", Action::Added), ("shop", Action::Updated)]);
    assert_eq!(changes[1].services[0].action, Action::Removed);
    let gone = difference(&after, &desired(&[&pp]), &[], &|_| false, &|_| true);
    assert!(gone.iter().all(|change| change.action == Action::Removed));
}

#[test]
fn a_mounted_secret_is_told_by_its_keys() {
    let secret =
        |value: &str| format!(r#"{{"kind":"secret","name":"cert","stringData":{{"key":"{value}","pin":"1"}}}}"#);
    let shop = r#"{"kind":"application","name":"shop","services":[{"name":"web","programConfig":"pp",
        "volumeMounts":[{"name":"cert","mountPath":"/c"}]}],"volumes":[{"name":"cert","secret":{"name":"cert"}}]}"#;
    let pp = package("0", "");
    let of = |value: &str| desired(&[&pp, &secret(value), shop]);
    let change = difference(&of("canary"), &of("b"), &[], &|_| false, &|_| true).remove(0);
    assert_eq!(change.services[0].changes, ["secret cert: key"]);
    assert!(!serde_json::to_string(&change).unwrap().contains("canary"));
}

#[test]
fn resources_are_told_by_what_becomes_of_them() {
    let of = |all: &[&str]| desired(all).resources;
    let secret = r#"{"kind":"secret","name":"one","stringData":{"key":"1"}}"#;
    let (one, other) = (secret.replace("\"1\"", "\"2\""), secret.replace("\"one\"", "\"two\""));
    let told = |before: &[&str], after: &[&str]| {
        let changes = resources(&of(before), &of(after));
        changes
            .iter()
            .map(|change| (change.resource.to_string(), change.action))
            .collect::<Vec<_>>()
    };
    let expected = [
        ("secret/one".to_owned(), Action::Updated),
        ("secret/two".to_owned(), Action::Added),
    ];
    assert_eq!(told(&[secret], &[&one, &other]), expected);
    assert_eq!(told(&[secret], &[]), [("secret/one".to_owned(), Action::Removed)]);
}
