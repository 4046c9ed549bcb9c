//! Objects of packages, and the stores they lie in.

use aerolith_model::{Entry, ObjectPlatform};

use super::*;

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
