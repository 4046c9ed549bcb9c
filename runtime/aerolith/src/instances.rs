//! Which plugin instances there are: one file each in `plugins.d`, and one for every plugin that came with the program.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aerolith_host::{Grants, Isolation, Source, Spec};
use aerolith_model::read_yaml;
use serde::Deserialize;

use crate::outcome::{Wrong, read_text, unreadable};
use crate::size::Size;

/// What `plugins.d/INSTANCE.yml` says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct InstanceFile {
    /// A shipped or installed plugin; the instance's own name, when neither this nor `file` is given.
    plugin: Option<String>,
    /// A plugin's file, when it is neither shipped nor installed.
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    file: Option<PathBuf>,
    /// Handed to the plugin as it stands.
    config: serde_json::Map<String, serde_json::Value>,
    /// Where its code runs.
    isolation: Isolation,
    /// Address space at most, with `isolation: process`.
    memory_limit: Option<Size>,
    /// Whether the node's health depends on it.
    required: bool,
    /// Whether it is started at all.
    enabled: bool,
    /// What it may do of what it asks for; everything but secrets, when absent.
    grants: Option<Vec<String>>,
}

impl Default for InstanceFile {
    fn default() -> Self {
        Self {
            plugin: None,
            file: None,
            config: serde_json::Map::new(),
            isolation: Isolation::None,
            memory_limit: None,
            required: false,
            enabled: true,
            grants: None,
        }
    }
}

/// The files of `plugins.d` by instance.
pub(crate) type InstanceFiles = BTreeMap<String, InstanceFile>;

/// Reads every `*.yml` of a folder; a folder that is not there holds none.
///
/// # Errors
/// [`Wrong`] for the first file that cannot be read, with the place of what is wrong in it.
pub(crate) fn read_folder(folder: &Path) -> Result<InstanceFiles, Wrong> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(InstanceFiles::new()),
        other => other.map_err(|error| unreadable(&folder.display().to_string(), &error))?,
    };
    let mut files = InstanceFiles::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(&folder.display().to_string(), &error))?;
        let path = entry.path();
        let Some(name) = instance_name(&path)? else { continue };
        files.insert(name, read(&path.display().to_string(), &read_text(&path)?)?);
    }
    Ok(files)
}

/// The instance that a file configures; hidden files and those of another ending configure none.
fn instance_name(path: &Path) -> Result<Option<String>, Wrong> {
    let file = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let Some(name) = file.strip_suffix(".yml").filter(|name| !name.starts_with('.')) else {
        return Ok(None);
    };
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(good) {
        let what = format!(
            "{}: `{name}` is no instance's name: expected 1 to 63 of a-z, 0-9 and -",
            path.display()
        );
        return Err(Wrong {
            message: what,
            hint: Some("rename the file".into()),
        });
    }
    Ok(Some(name.to_owned()))
}

/// Reads a text; one without anything in it is the default.
pub(crate) fn read(source_name: &str, text: &str) -> Result<InstanceFile, Wrong> {
    let nothing = text
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with('#'));
    let file: InstanceFile = if nothing {
        InstanceFile::default()
    } else {
        read_yaml(source_name, text)?
    };
    let wrong = |what: &str| Err(Wrong::new(format!("{source_name}:1:1: {what}")));
    match &file {
        InstanceFile {
            plugin: Some(_),
            file: Some(_),
            ..
        } => wrong("`plugin` and `file` both say where the code is: keep one of them"),
        InstanceFile { file: Some(path), .. } if !path.is_absolute() => wrong("`file` is not an absolute path"),
        InstanceFile {
            memory_limit: Some(_),
            isolation: Isolation::None,
            ..
        } => wrong("`memoryLimit` needs `isolation: process`: there is no limit inside the daemon"),
        _ => Ok(file),
    }
}

/// The instances to start: one per file, and one of its own name for every available plugin without a file.
pub(crate) fn specs(available: Vec<String>, files: InstanceFiles) -> Vec<Spec> {
    let own = available.into_iter().filter(|name| !files.contains_key(name));
    let mut specs: Vec<Spec> = own.map(|name| Spec::new(name.clone(), Source::Named(name))).collect();
    let enabled = files.into_iter().filter(|(_, file)| file.enabled);
    specs.extend(enabled.map(|(instance, file)| spec(instance, file)));
    specs
}

fn spec(instance: String, file: InstanceFile) -> Spec {
    let source = match (file.file, file.plugin) {
        (Some(path), _) => Source::File(path),
        (None, Some(plugin)) => Source::Named(plugin),
        (None, None) => Source::Named(instance.clone()),
    };
    Spec {
        config: serde_json::Value::Object(file.config),
        isolation: file.isolation,
        memory: file.memory_limit.map(|Size(bytes)| bytes),
        required: file.required,
        grants: file.grants.map_or(Grants::AsAsked, Grants::Only),
        ..Spec::new(instance, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let wrong = read("p.yml", text).unwrap_err();
        format!("{} | {}", wrong.message, wrong.hint.unwrap_or_default())
    }

    fn named(spec: &Spec) -> (&str, &str) {
        match &spec.source {
            Source::Named(plugin) => (&spec.instance, plugin),
            _ => panic!("{} is not named", spec.instance),
        }
    }

    #[test]
    fn a_shipped_plugin_gets_an_instance_unless_a_file_says_otherwise() {
        let files = [
            ("engine-process", "config: {a: 1}\nrequired: true\n"),
            ("fetcher-http", "enabled: false\n"),
            (
                "second",
                "plugin: fetcher-http\nisolation: process\nmemoryLimit: 64Mi\ngrants: [kv]\n",
            ),
        ];
        let files = files
            .into_iter()
            .map(|(name, text)| (name.to_owned(), read(name, text).unwrap()))
            .collect();
        let available = ["arch-resolver", "engine-process", "fetcher-http"]
            .map(str::to_owned)
            .to_vec();
        let specs = specs(available, files);
        let names: Vec<_> = specs.iter().map(named).collect();
        let expected = [
            ("arch-resolver", "arch-resolver"),
            ("engine-process", "engine-process"),
            ("second", "fetcher-http"),
        ];
        assert_eq!(names, expected);
        assert!(specs[1].required && specs[1].config["a"] == 1);
        assert_eq!(
            (specs[2].memory, specs[2].isolation),
            (Some(64 << 20), Isolation::Process)
        );
        assert_eq!(specs[2].grants, Grants::Only(vec!["kv".into()]));
    }

    #[test]
    fn what_is_wrong_is_located() {
        assert_eq!(
            error("plugn: a\n"),
            "p.yml:1:1: unknown key `plugn` | did you mean `plugin`?"
        );
        assert!(error("plugin: a\nfile: /a.so\n").contains("keep one of them"));
        assert!(error("file: a.so\n").contains("not an absolute path"));
        assert!(error("memoryLimit: 1Mi\n").contains("needs `isolation: process`"));
        assert!(
            error("isolation: process\nmemoryLimit: much\n").starts_with("p.yml:2:14: "),
            "{}",
            error("memoryLimit: much")
        );
    }

    #[test]
    fn the_files_of_a_folder_are_read_by_instance() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("a.yml", "# as it is\n"), ("b.yml.bak", "?"), (".c.yml", "?")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let files = read_folder(folder.path()).unwrap();
        assert_eq!(
            files.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), InstanceFile::default())]
        );
        fs::write(folder.path().join("Bad_Name.yml"), "").unwrap();
        assert!(
            read_folder(folder.path())
                .unwrap_err()
                .message
                .contains("`Bad_Name` is no instance's name")
        );
        assert!(read_folder(&folder.path().join("none")).unwrap().is_empty());
    }
}
