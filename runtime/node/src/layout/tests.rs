use super::*;
use std::sync::Arc;

use aerolith_model::Application;
use aerolith_plan::Updates;

use crate::policy::HostPathRule;

fn resources() -> Resources {
    let all = [
        r#"{"kind":"configuration","name":"conf","data":{"a.yml":"a","b.sh":"b","braces":"{{.PORT}} {{"}}"#,
        r#"{"kind":"configuration","name":"made","template":true,"data":{"a":"p: {{.PORT}}\n","b":"\n{{.NOPE}}"}}"#,
        r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"}}"#,
    ];
    all.iter()
        .map(|json| serde_json::from_str::<Resource>(json).unwrap())
        .map(|r| (ResourceId::of(&r), Arc::new(r)))
        .collect()
}

fn of(mounts: &str) -> Result<Vec<Place>, MountError> {
    let application = format!(
        r#"{{"name":"shop","services":[{{"name":"web","image":"i","volumeMounts":[{mounts}]}}],"volumes":[
        {{"name":"conf","config":{{"name":"conf"}}}},{{"name":"cert","secret":{{"name":"cert"}}}},
        {{"name":"data","hostPath":{{"path":"/srv/data"}}}},{{"name":"near","hostPath":{{"path":"near/by"}}}},
        {{"name":"made","config":{{"name":"made"}}}},{{"name":"tmp","emptyDir":{{}}}}]}}"#
    );
    let application: Application = serde_json::from_str(&application).unwrap();
    let all = resources();
    let (mut configurations, mut secrets) = (Vec::new(), Vec::new());
    for resource in all.values() {
        match &**resource {
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
    };
    layout(goals.values().next().unwrap(), &sources)
}

fn mount(name: &str, path: &str) -> String {
    format!(r#"{{"name":"{name}","mountPath":"{path}"}}"#)
}

/// As they are made for an instance with a port.
fn made(places: &[Place]) -> Result<Vec<Place<Shown>>, MountError> {
    let environment = BTreeMap::from([("PORT".to_owned(), "50200".to_owned())]);
    let mut settings = crate::foundation::Settings::new("/data".into(), "/run".into(), "gate".into());
    let (path, read_only) = ("/srv".into(), false);
    settings.workloads.host_paths = vec![HostPathRule { path, read_only }];
    finish(places, &environment, &Rules::of(&settings, "/data/host".into()))
}

fn shown(place: &Place<Shown>) -> String {
    let at = place.at.display();
    match &place.what {
        Shown::Files { files, kept } => format!("{at}: {:?}, {kept:?}", files.keys().collect::<Vec<_>>()),
        Shown::File { kept, .. } => format!("{at}: a file, {kept:?}"),
        Shown::Link { to, make } => format!("{at}: a link to {}, made: {make:?}", to.display()),
        Shown::Folder => format!("{at}: a folder"),
    }
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
    let places = made(&of(&mounts.join(",")).unwrap()).unwrap();
    let shown: Vec<String> = places.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "data: a link to /srv/data, made: Some(Folder)",
            r#"etc/cert: ["key"], Secret"#,
            r#"etc/conf: ["a.yml", "b.sh", "braces"], Open"#,
            "near: a link to /data/host/near/by, made: Some(Folder)",
            "tmp/x: a folder",
        ]
    );
}

#[test]
fn a_sub_path_shows_one_part() {
    let mounts = r#"{"name":"conf","mountPath":"/app.yml","subPath":"a.yml"},
        {"name":"data","mountPath":"/d","subPath":"one/two"}"#;
    let places = made(&of(mounts).unwrap()).unwrap();
    let bytes = b"a".to_vec();
    assert!(
        places[0].what
            == Shown::File {
                bytes,
                kept: Kept::Open
            }
    );
    let to = "/srv/data/one/two".into();
    assert!(
        places[1].what
            == Shown::Link {
                to,
                make: Some(Make::Folder)
            }
    );
    let part = r#"{"name":"cert","mountPath":"/key","subPath":"key","readOnly":true}"#;
    assert_eq!(shown(&made(&of(part).unwrap()).unwrap()[0]), "key: a file, Secret");
    let error = of(r#"{"name":"conf","mountPath":"/x","subPath":"z"}"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`z`") && error.contains("a.yml, b.sh"), "{error}");
}

#[test]
fn the_texts_of_a_template_are_filled_and_all_others_left_as_they_are() {
    let one = |name: &str, key: &str| -> Result<String, MountError> {
        let mount = format!(r#"{{"name":"{name}","mountPath":"/x","subPath":"{key}"}}"#);
        match made(&of(&mount).unwrap())?.remove(0).what {
            Shown::File { bytes, .. } => Ok(String::from_utf8(bytes).unwrap()),
            _ => panic!("no file"),
        }
    };
    assert_eq!(one("made", "a").as_deref(), Ok("p: 50200\n"));
    assert_eq!(one("conf", "braces").as_deref(), Ok("{{.PORT}} {{"));
    assert_eq!(
        one("made", "b").unwrap_err().to_string(),
        "entry `b` of configuration `made`, a template: line 2: the instance has no variable `NOPE`"
    );
    assert!(
        made(&of(&mount("made", "/m")).unwrap()).is_err(),
        "each of them is filled"
    );
}

#[test]
fn a_mount_that_would_leave_the_folder_is_refused() {
    let cases = [
        (mount("data", "/"), "`data` is mounted at `/`"),
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
            key: "k".into(),
            content: Content::plain(b"hush"),
            kept: Kept::Secret,
        },
    };
    assert!(!format!("{place:?}").contains("hush") && !format!("{place:?}").contains("104"));
}
