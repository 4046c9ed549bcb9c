//! Files that the operator names, and folders of such.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aerolith_api::{Document, Failure, Fault, read};
use aerolith_model::{ResourceKind, locate_in};

use crate::outcome::{Wrong, read_text, text_of, unreadable};

/// The text of a file, under the name that errors have for it.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

/// The texts of all files that were named, in their order.
pub(super) struct Sources(Vec<Source>);

impl Source {
    /// Reads a file; `-` is standard input.
    pub(super) fn of(file: &Path) -> Result<Self, Wrong> {
        if file != Path::new("-") {
            let (name, text) = (file.display().to_string(), read_text(file)?);
            return Ok(Self { name, text });
        }
        let (name, mut bytes) = ("<stdin>".to_owned(), Vec::new());
        let all = io::stdin().lock().read_to_end(&mut bytes);
        all.map_err(|error| unreadable(&name, &error))?;
        let text = text_of(&name, &bytes)?;
        Ok(Self { name, text })
    }

    /// What it holds.
    pub(super) fn document(&self) -> Result<Document, Failure> {
        read(&self.name, &self.text)
    }

    /// Where a field of a resource stands, if the resource stands in here: file, line and column; the file alone where it is in
    /// another form than ours.
    pub(super) fn place(&self, kind: ResourceKind, name: &str, path: &str) -> Option<String> {
        if let Some((line, column)) = locate_in(&self.text, kind, name, path) {
            return Some(format!("{}:{line}:{column}", self.name));
        }
        let document = self.document().ok()?;
        let mut resources = document.resources.iter();
        let is_here = resources.any(|resource| resource.kind() == kind && resource.name() == name);
        is_here.then(|| self.name.clone())
    }
}

impl Sources {
    /// Reads the files that were named, and those of folders.
    pub(super) fn read(named: &[PathBuf]) -> Result<Self, Wrong> {
        let all: Result<_, Wrong> = files(named)?.iter().map(|file| Source::of(file)).collect();
        Ok(Self(all?))
    }

    /// The text of one file as it stands, or of several as one, in our own form, with what is remarked on each.
    pub(super) fn joined(&self) -> anyhow::Result<(String, String, Vec<String>)> {
        if let [Source { name, text }] = &self.0[..] {
            return Ok((name.clone(), text.clone(), Vec::new()));
        }
        let Document { resources, warnings } = self.document()?;
        let texts: Result<Vec<String>, _> = resources.iter().map(serde_json::to_string).collect();
        let names: Vec<&str> = self.0.iter().map(|source| &*source.name).collect();
        Ok((names.join(", "), texts?.join("\n---\n"), warnings))
    }

    /// What the files hold, in their order.
    ///
    /// # Errors
    /// The first thing that is wrong in one, or a resource that stands in two.
    pub(super) fn document(&self) -> anyhow::Result<Document> {
        let mut all = Document {
            resources: Vec::new(),
            warnings: Vec::new(),
        };
        let mut seen = BTreeMap::new();
        for source in &self.0 {
            let (name, document) = (&source.name, source.document()?);
            for resource in &document.resources {
                let id = (resource.kind(), resource.name().to_owned());
                if let Some(other) = seen.insert(id, name) {
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

    /// What the daemon refuses, each thing on a line of its own that begins with where it stands.
    pub(super) fn located(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<Failure>() {
            Ok(failure) if !failure.faults.is_empty() => {
                let lines: Vec<String> = failure.faults.iter().map(|fault| self.line(fault)).collect();
                let message = lines.join("\n  ");
                Failure { message, ..failure }.into()
            }
            Ok(failure) => failure.into(),
            Err(other) => other,
        }
    }

    fn line(&self, fault: &Fault) -> String {
        let place = || {
            let (kind, name) = fault.resource.split_once('/')?;
            let kind = ResourceKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
            self.0.iter().find_map(|source| source.place(kind, name, &fault.path))
        };
        place().map_or_else(|| fault.message.clone(), |place| format!("{place}: {}", fault.message))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "kind: secret\nname: pin\nstringData: {a: b}\n---\nkind: configuration\nname: conf\n";
    const THEIRS: &str = r#"[{"name": "weather", "services": [{"name": "aa", "image": "a"}], "selector": "x"}]"#;

    fn joined(named: &[PathBuf]) -> anyhow::Result<(String, String, Vec<String>)> {
        Sources::read(named)?.joined()
    }

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

    #[test]
    fn what_the_daemon_refuses_is_told_line_by_line_with_file_line_and_column() {
        let app = "kind: application\nname: shop\nservices:\n- name: web\n  programConfig: none\n";
        let folder = folder(&[("a.yml", OURS), ("b.yml", app), ("c.json", THEIRS)]);
        let sources = Sources::read(&[folder.path().to_owned()]).unwrap();
        let fault = |resource: &str, path: &str| Fault {
            resource: resource.into(),
            path: path.into(),
            message: format!("{resource} is wrong"),
        };
        let faults = vec![
            fault("application/shop", "services[0].programConfig"),
            fault("configuration/conf", ""),
            fault("application/weather", "services[0]"),
            fault("application/there", ""),
        ];
        let failure = Failure {
            faults,
            ..Failure::invalid("all in a row")
        };
        let told = sources.located(failure.into()).to_string();
        let lines: Vec<&str> = told.lines().collect();
        for (line, (file, end)) in lines.iter().zip([
            ("", "/b.yml:5:18: application/shop is wrong"),
            ("  ", "/a.yml:5:1: configuration/conf is wrong"),
            ("  ", "/c.json: application/weather is wrong"),
        ]) {
            assert!(line.starts_with(&format!("{file}/")) && line.ends_with(end), "{told}");
        }
        assert_eq!(lines[3], "  application/there is wrong");
    }
}
