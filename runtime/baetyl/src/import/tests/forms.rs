//! In which forms resources come.

use aerolith_model::{Entry, Unpack, VolumeSource};

use super::*;

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
fn yaml_reads_like_json() {
    let yaml = "name: conf\ndata:\n  - key: a.txt\n    value: {type: kv, value: hello}\n";
    assert_eq!(a_configuration(yaml).data["a.txt"], Entry::Text("hello".to_owned()));
}

#[test]
fn our_own_yaml_is_told_apart() {
    for ours in [
        "kind: secret\nname: cert\n",
        "kind: secret\n---\nkind: secret\n",
        "name: cert\nstringData: {key: hush}\n",
        "{}",
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
