use super::*;
use aerolith_plugin::Code;
use aerolith_plugin::testing::Host;
use aerolith_plugin::wire::arch::{Client, Object};
use std::fs;

fn objects(names: &[&str], platform: Option<&str>) -> Objects {
    let object = |name: &&str| Object {
        name: (*name).into(),
        platform: None,
    };
    Objects {
        objects: names.iter().map(object).collect(),
        platform: platform.map(Into::into),
    }
}

fn made(host: &Host, config: &str) -> Result<Client<impl aerolith_plugin::Service>> {
    host.instance(aerolith_root(), "arch", config).map(Client)
}

#[test]
fn the_running_machine_has_a_platform_with_a_reason() {
    let host = Host::new();
    let platform = host.block_on(made(&host, "{}").unwrap().platform()).unwrap();
    assert!(
        platform.name.starts_with(&format!("{}-", std::env::consts::OS)),
        "{platform:?}"
    );
    assert_eq!(platform.chain[0], platform.name);
    assert!(platform.reason.contains(std::env::consts::ARCH), "{platform:?}");
}

#[test]
fn the_machine_is_read_below_the_configured_root() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    fs::write(root.path().join("proc/cpuinfo"), b"CPU architecture: 6TEJ\n\xff\n").unwrap();
    let detected = probe::detect_at(root.path(), Some("armv7l")).unwrap();
    assert_eq!(
        detected.reason.contains("6TEJ"),
        cfg!(any(target_arch = "arm", target_arch = "aarch64")),
        "{detected:?}"
    );
    let absent = probe::detect_at(&root.path().join("absent"), None).unwrap();
    assert!(!absent.platform.to_string().is_empty());
}

#[test]
fn the_configuration_may_say_the_platform() {
    let host = Host::new();
    let client = made(&host, r#"{"platform":"linux/arm/v7"}"#).unwrap();
    let platform = host.block_on(client.platform()).unwrap();
    assert_eq!(platform.name, "linux-arm-v7");
    assert_eq!(
        platform.chain,
        ["linux-arm-v7", "linux-arm-v6", "linux-arm-v5", "linux-arm"]
    );
    let choice = host
        .block_on(client.resolve(&objects(&["a-linux-arm-v6", "b-linux-amd64"], None)))
        .unwrap();
    assert_eq!(
        (&*choice.platform, &*choice.chosen),
        ("linux-arm-v6", &["a-linux-arm-v6".to_owned()][..])
    );
}

#[test]
fn another_platform_may_be_asked_for() {
    let host = Host::new();
    let client = made(&host, r#"{"platform":"linux-amd64"}"#).unwrap();
    let asked = objects(&["a-linux-arm64", "b-linux-amd64"], Some("linux/arm64/v8"));
    assert_eq!(host.block_on(client.resolve(&asked)).unwrap().chosen, ["a-linux-arm64"]);
    let error = host
        .block_on(client.resolve(&objects(&["a"], Some("vax"))))
        .unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    assert!(error.message.contains("`vax`"), "{error}");
}

#[test]
fn no_match_is_not_found_across_the_boundary() {
    let host = Host::new();
    let client = made(&host, r#"{"platform":"linux-amd64"}"#).unwrap();
    let error = host
        .block_on(client.resolve(&objects(&["a-linux-386"], None)))
        .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(
        error.message.contains("linux-amd64") && error.message.contains("`a-linux-386`"),
        "{error}"
    );
}

#[test]
fn a_wrong_configuration_is_refused_by_name() {
    let host = Host::new();
    for (config, named) in [
        (r#"{"platform":"linux-vax"}"#, "linux-vax"),
        (r#"{"plattform":"x"}"#, "plattform"),
    ] {
        let error = made(&host, config).err().unwrap();
        assert_eq!(error.code, Code::Invalid);
        assert!(error.message.contains(named), "{error}");
    }
}
