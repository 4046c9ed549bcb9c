use super::*;
use aerolith_model::Application;
use aerolith_plan::Updates;

fn resources() -> BTreeMap<ResourceId, Resource> {
    let all = [
        r#"{"kind":"configuration","name":"conf","data":{"a.yml":"a","b.sh":"b"}}"#,
        r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#,
    ];
    all.iter()
        .map(|json| serde_json::from_str::<Resource>(json).unwrap())
        .map(|r| (ResourceId::of(&r), r))
        .collect()
}

fn of(mounts: &str) -> Result<Vec<Place>, MountError> {
    let application = format!(
        r#"{{"name":"shop","services":[{{"name":"web","image":"i","volumeMounts":[{mounts}]}}],"volumes":[
        {{"name":"conf","config":{{"name":"conf"}}}},{{"name":"cert","secret":{{"name":"cert"}}}},
        {{"name":"data","hostPath":{{"path":"/srv/data"}}}},{{"name":"near","hostPath":{{"path":"near/by"}}}},
        {{"name":"up","hostPath":{{"path":"../etc"}}}},{{"name":"tmp","emptyDir":{{}}}}]}}"#
    );
    let application: Application = serde_json::from_str(&application).unwrap();
    let all = resources();
    let (mut configurations, mut secrets) = (Vec::new(), Vec::new());
    for resource in all.values() {
        match resource {
            Resource::Configuration(c) => configurations.push(c),
            Resource::Secret(s) => secrets.push(s),
            Resource::Application(_) => {}
        }
    }
    let library = aerolith_plan::Library::new(configurations, secrets);
    let goals = library.generation(&application, Updates::default()).unwrap();
    let downloaded = BTreeMap::new();
    let sources = Sources {
        resources: &all,
        downloaded: &downloaded,
        host: Path::new("/data/host"),
    };
    layout(goals.values().next().unwrap(), &sources)
}

fn mount(name: &str, path: &str) -> String {
    format!(r#"{{"name":"{name}","mountPath":"{path}"}}"#)
}

#[test]
fn each_kind_of_volume_is_shown_as_baetyl_shows_it() {
    let mounts = [
        mount("conf", "/etc/conf"),
        mount("cert", "etc/cert"),
        mount("data", "/data"),
        mount("near", "/near"),
        mount("tmp", "/tmp/x/"),
        mount("conf", "/var/lib/baetyl/bin"),
    ];
    let places = of(&mounts.join(",")).unwrap();
    let shown: Vec<String> = places
        .iter()
        .map(|place| format!("{}: {:?}", place.at.display(), place.what))
        .collect();
    assert_eq!(
        shown,
        [
            "data: a link to /srv/data",
            "etc/cert: 1 files with mode 600",
            "etc/conf: 2 files with mode 755",
            "near: a link to /data/host/near/by",
            "tmp/x: a folder",
        ]
    );
}

#[test]
fn a_sub_path_shows_one_part() {
    let mounts = r#"{"name":"conf","mountPath":"/app.yml","subPath":"a.yml"},
        {"name":"data","mountPath":"/d","subPath":"one/two"}"#;
    let places = of(mounts).unwrap();
    assert_eq!(
        places[0].what,
        What::File {
            bytes: b"a".to_vec(),
            mode: 0o755
        }
    );
    assert_eq!(
        places[1].what,
        What::Link {
            to: "/srv/data/one/two".into(),
            make: true
        }
    );
    let error = of(r#"{"name":"conf","mountPath":"/x","subPath":"z"}"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`z`") && error.contains("a.yml, b.sh"), "{error}");
}

#[test]
fn a_mount_that_would_leave_the_folder_is_refused() {
    let cases = [
        (mount("data", "/"), "`data` is mounted at `/`"),
        (mount("up", "/x"), "`../etc` climbs out"),
        (
            format!("{},{}", mount("data", "/d"), mount("cert", "/d/cert")),
            "`/d/cert` lies on or below `/d`",
        ),
    ];
    for (mounts, part) in cases {
        let error = of(&mounts).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    of(&format!("{},{}", mount("tmp", "/d"), mount("cert", "/d/cert"))).unwrap();
}

#[test]
fn a_secret_is_never_shown_in_debug() {
    let place = Place {
        at: "k".into(),
        what: What::File {
            bytes: b"hush".to_vec(),
            mode: 0o600,
        },
    };
    assert!(!format!("{place:?}").contains("hush") && !format!("{place:?}").contains("104"));
}
