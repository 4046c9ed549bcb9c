//! Files that the operator names, and folders of such.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aerolith_api::{Document, Failure, read};

use crate::outcome::{Wrong, read_text, text_of, unreadable};

/// What errors call a file, and its text; `-` is standard input.
pub(super) fn text(file: &Path) -> Result<(String, String), Wrong> {
    if file != Path::new("-") {
        return Ok((file.display().to_string(), read_text(file)?));
    }
    let (name, mut bytes) = ("<stdin>".to_owned(), Vec::new());
    let all = io::stdin().lock().read_to_end(&mut bytes);
    all.map_err(|error| unreadable(&name, &error))?;
    let text = text_of(&name, &bytes)?;
    Ok((name, text))
}

/// The files that were named; of a folder those in it, by name, that end in `.yml`, `.yaml` or `.json` and are not hidden.
pub(super) fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Wrong> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            files.extend(within(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn within(folder: &Path) -> Result<Vec<PathBuf>, Wrong> {
    let name = folder.display().to_string();
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let paths = entries.map_err(|error| unreadable(&name, &error))?;
    let mut files: Vec<PathBuf> = paths
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| is_ours(path))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Wrong::new(format!(
            "{name}: there is no *.yml, *.yaml or *.json in this folder"
        )));
    }
    Ok(files)
}

fn is_ours(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    matches!(ending, Some("yml" | "yaml" | "json")) && !is_hidden && !path.is_dir()
}

/// The text of one file as it stands, or of several as one, in our own form, with what is remarked on each.
pub(super) fn joined(named: &[PathBuf]) -> anyhow::Result<(String, String, Vec<String>)> {
    let files = files(named)?;
    if let [file] = &files[..] {
        let (name, text) = text(file)?;
        return Ok((name, text, Vec::new()));
    }
    let Document { resources, warnings } = documents(&files)?;
    let texts: Result<Vec<String>, _> = resources.iter().map(serde_json::to_string).collect();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok((names.join(", "), texts?.join("\n---\n"), warnings))
}

/// What several files hold, in the order of the files.
///
/// # Errors
/// The first thing that is wrong in one, or a resource that stands in two.
pub(super) fn documents(files: &[PathBuf]) -> anyhow::Result<Document> {
    let mut all = Document {
        resources: Vec::new(),
        warnings: Vec::new(),
    };
    let mut seen = BTreeMap::new();
    for file in files {
        let (name, text) = text(file)?;
        let document = read(&name, &text)?;
        for resource in &document.resources {
            let id = (resource.kind(), resource.name().to_owned());
            if let Some(other) = seen.insert(id, name.clone()) {
                let (kind, resource) = (resource.kind(), resource.name());
                let twice = Failure::invalid(format!("{name}: {kind} `{resource}` stands in {other} too"));
                return Err(twice.hint("keep one of them").into());
            }
        }
        all.resources.extend(document.resources);
        all.warnings.extend(document.warnings);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "kind: secret\nname: pin\nstringData: {a: b}\n---\nkind: configuration\nname: conf\n";
    const THEIRS: &str = r#"[{"name": "weather", "services": [{"name": "aa", "image": "a"}], "selector": "x"}]"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_files_of_a_folder_are_one_text_whatever_their_form() {
        let folder = folder(&[
            ("b.json", THEIRS),
            ("a.yml", OURS),
            ("notes.txt", "?"),
            (".c.yml", "?"),
            ("d.yaml", "kind: configuration\nname: more\n"),
        ]);
        fs::create_dir(folder.path().join("e.yml")).unwrap();
        let (name, text, warnings) = joined(&[folder.path().to_owned()]).unwrap();
        let all = read(&name, &text).unwrap().resources;
        let names: Vec<&str> = all.iter().map(aerolith_model::Resource::name).collect();
        assert_eq!(names, ["pin", "conf", "weather", "more"]);
        assert!(name.contains("a.yml, ") && warnings[0].contains("b.json: ") && warnings[0].contains("selector"));
    }

    #[test]
    fn one_file_is_left_as_it_stands() {
        let folder = folder(&[("a.yml", OURS)]);
        let (name, text, _) = joined(&[folder.path().to_owned()]).unwrap();
        assert!(name.ends_with("/a.yml") && text == OURS);
    }

    #[test]
    fn what_cannot_be_read_or_stands_twice_is_refused_by_name() {
        let folder = folder(&[
            ("a.yml", OURS),
            ("b.yml", OURS),
            ("bad.yml", "kind: secret\nname: a b\n"),
        ]);
        let path = |name: &str| folder.path().join(name);
        fs::write(path("latin.yml"), b"kind: secret\nname: caf\xe9\n").unwrap();
        fs::create_dir(path("empty")).unwrap();
        for (names, words) in [
            (&["a.yml", "b.yml"][..], "b.yml: secret `pin` stands in "),
            (
                &["a.yml", "bad.yml"],
                "bad.yml:2:7: name: `a b` is not a valid resource name",
            ),
            (&["latin.yml"], "latin.yml:2:10: the byte 0xe9 is no UTF-8"),
            (&["none.yml"], "none.yml: cannot be read: No such file"),
            (&["a.yml", "empty"], "empty: there is no *.yml, *.yaml or *.json"),
        ] {
            let named: Vec<PathBuf> = names.iter().map(|name| path(name)).collect();
            let error = joined(&named).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
