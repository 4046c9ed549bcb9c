use super::*;
use aerolith_model::{Resource, parse};
use std::path::PathBuf;

fn request(root: &Path) -> Request {
    Request {
        folder: root.join("from"),
        name: "weather".parse().unwrap(),
        version: Some("1.2".parse().unwrap()),
        base: Some("https://example.com/files/".into()),
        format: Format::Zip,
        out: root.join("out"),
    }
}

/// A package of two platforms and what is for both.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("any/program.yml", "entry: app\n"),
        ("linux-amd64/app", "amd64"),
        ("linux-arm-v7/app", "arm"),
    ] {
        let place = root.path().join("from").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    root
}

/// A folder beside the others for what is not published, and the draft in it.
fn draft(request: &Request) -> Result<(tempfile::TempDir, Draft), BuildError> {
    let into = tempfile::tempdir().unwrap();
    let draft = Draft::write(request, into.path())?;
    Ok((into, draft))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_platform_gets_an_archive_and_the_configuration_names_them_all() {
    let root = root();
    let (_into, mut draft) = draft(&request(root.path())).unwrap();
    let platforms: Vec<_> = draft
        .platforms()
        .map(|(platform, package)| (platform, package.data.keys().map(Key::to_string).collect::<Vec<_>>()))
        .collect();
    let expected = [
        (
            "linux-amd64",
            ["any.zip", "linux-amd64.zip"].map(str::to_owned).to_vec(),
        ),
        (
            "linux-arm-v7",
            ["any.zip", "linux-arm-v7.zip"].map(str::to_owned).to_vec(),
        ),
    ];
    assert_eq!(platforms, expected);
    draft.sign(|_| [0xff; 64].into());
    let written = draft.configuration().clone();
    let path = draft.publish(false).unwrap();
    let files = names(&root.path().join("out"));
    let expected = [
        "weather-1.2-any.zip",
        "weather-1.2-linux-amd64.zip",
        "weather-1.2-linux-arm-v7.zip",
        "weather.yml",
    ];
    assert_eq!(files, expected);
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(
        parse("weather.yml", &text).unwrap(),
        [Resource::Configuration(written.clone())]
    );
    let Some(Entry::Object(object)) = written.data.get("linux-arm-v7.zip") else {
        panic!("{written:?}")
    };
    let file = root.path().join("out/weather-1.2-linux-arm-v7.zip");
    let content = identify(&file).unwrap();
    assert_eq!(
        object.url.as_str(),
        "https://example.com/files/weather-1.2-linux-arm-v7.zip"
    );
    assert_eq!(object.sha256.as_ref().unwrap().as_str(), content.sha256.to_string());
    assert_eq!(object.size, Some(fs::metadata(&file).unwrap().len()));
    let any = |key| matches!(written.data.get(key), Some(Entry::Object(object)) if object.platform.is_some());
    assert!(written.is_package() && any("any.zip") && !any("linux-amd64.zip"));
}

#[test]
fn without_a_base_the_urls_lead_to_where_the_files_are_made() {
    let root = root();
    let (folder, out) = (root.path().join("from/any"), root.path().join("o ü%"));
    let one = Request {
        base: None,
        version: None,
        format: Format::TarZst,
        folder,
        out,
        ..request(root.path())
    };
    let (_into, draft) = draft(&one).unwrap();
    assert_eq!(draft.platforms().next().unwrap().0, "any");
    let (key, object) = draft.configuration().objects().next().unwrap();
    let out = fs::canonicalize(root.path()).unwrap();
    let url = format!("file://{}/o%20%C3%BC%25/weather-any.tar.zst", out.display());
    assert_eq!((key.as_str(), object.url.as_str()), ("any.tar.zst", &*url));
}

#[test]
fn nothing_lies_where_the_files_go_before_they_are_published() {
    let root = root();
    draft(&request(root.path())).unwrap();
    assert_eq!(names(&root.path().join("out")), [""; 0]);
    std::os::unix::net::UnixListener::bind(root.path().join("from/linux-arm-v7/s")).unwrap();
    let error = draft(&request(root.path())).unwrap_err();
    assert!(error.is_of_the_request(), "{error}");
    assert_eq!(names(&root.path().join("out")), [""; 0]);
}

#[test]
fn a_move_that_fails_names_what_is_in_place_and_another_run_finishes_it() {
    let root = root();
    let (into, half) = draft(&request(root.path())).unwrap();
    fs::remove_file(into.path().join("weather-1.2-linux-amd64.zip")).unwrap();
    let error = half.publish(false).unwrap_err();
    let text = error.to_string();
    assert!(!error.is_of_the_request(), "{text}");
    for part in [
        "weather-1.2-linux-amd64.zip: ",
        "in place: ",
        "out/weather-1.2-any.zip;",
        "once more",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(names(&root.path().join("out")), ["weather-1.2-any.zip"]);
    let (_into, whole) = draft(&request(root.path())).unwrap();
    whole.publish(false).unwrap();
    assert_eq!(names(&root.path().join("out")).len(), 4);
}

#[test]
fn what_the_system_refuses_is_no_mistake_of_who_asks() {
    let error = |kind: std::io::ErrorKind| -> BuildError {
        let source = std::io::Error::from(kind);
        let tree = crate::tree::TreeError::Io {
            path: "a".into(),
            source,
        };
        tree.into()
    };
    assert!(error(std::io::ErrorKind::NotFound).is_of_the_request());
    for kind in [std::io::ErrorKind::StorageFull, std::io::ErrorKind::PermissionDenied] {
        assert!(!error(kind).is_of_the_request(), "{kind}");
    }
}

#[test]
fn a_file_with_other_content_is_replaced_on_request_only() {
    let root = root();
    let make = |replace| draft(&request(root.path())).unwrap().1.publish(replace);
    make(false).unwrap();
    let before = fs::read(root.path().join("out/weather-1.2-any.zip")).unwrap();
    make(false).unwrap();
    fs::write(root.path().join("from/any/more"), "").unwrap();
    let error = make(false).unwrap_err().to_string();
    assert!(
        error.contains("weather-1.2-any.zip") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(fs::read(root.path().join("out/weather-1.2-any.zip")).unwrap(), before);
    make(true).unwrap();
    assert_ne!(fs::read(root.path().join("out/weather-1.2-any.zip")).unwrap(), before);
    assert_eq!(names(&root.path().join("out")).len(), 4);
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_packed() {
    let root = root();
    let from: PathBuf = root.path().join("from");
    let error = |request: Request| draft(&request).unwrap_err().to_string();
    let inside = error(Request {
        out: from.join("any"),
        ..request(root.path())
    });
    assert!(inside.contains("lies inside"), "{inside}");
    let query = error(Request {
        base: Some("https://h/?x=".into()),
        ..request(root.path())
    });
    assert!(query.contains("query"), "{query}");
    for version in ["", "a/b", "1 2", &"1".repeat(65)] {
        assert!(version.parse::<Version>().is_err(), "{version}");
    }
    fs::create_dir(from.join("linux amd64")).unwrap();
    let blank = error(request(root.path()));
    assert!(blank.contains("`linux amd64.zip` is not a valid key"), "{blank}");
}
