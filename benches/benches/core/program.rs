//! The program that services run, its packages, and the applications made of it.

use crate::births::Births;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) struct Program {
    folder: TempDir,
}

/// A service of a bench. Its program tells its name, unless its environment names another.
#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    env: BTreeMap<&'static str, String>,
    fields: Vec<(&'static str, Value)>,
}

impl Program {
    /// Compiles it.
    pub(crate) fn compile() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/core/service.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let mut command = Command::new(compiler);
        command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
        command.arg(folder.path().join("service")).arg(source);
        assert!(command.status().unwrap().success(), "{command:?}");
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("service")
    }

    /// The configuration of a package with the program, whose bytes are others than those of any other number.
    pub(crate) fn package(&self, number: usize) -> Value {
        let path = self.folder.path().join(format!("{number}.zip"));
        if !path.exists() {
            self.write(&path, number);
        }
        let sha256: String = Sha256::digest(fs::read(&path).unwrap())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let url = format!("file://{}", path.display());
        let data = json!({"zip": {"url": url, "sha256": sha256, "unpack": "zip", "platform": "any"}});
        json!({
            "kind": "configuration",
            "name": format!("package-{number}"),
            "labels": {"baetyl-config-type": "baetyl-program"},
            "data": data,
        })
    }

    fn write(&self, path: &Path, number: usize) {
        let mut zip = ZipWriter::new(File::create(path).unwrap());
        let options = SimpleFileOptions::default();
        let files = [
            ("program.yml", b"entry: service\n".to_vec(), 0o644),
            ("number", number.to_string().into_bytes(), 0o644),
            ("service", fs::read(self.path()).unwrap(), 0o755),
        ];
        for (name, bytes, mode) in files {
            zip.start_file(name, options.unix_permissions(mode)).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.finish().unwrap();
    }
}

impl Service {
    /// One that tells of its birth.
    pub(crate) fn new(name: impl Into<String>, births: &Births) -> Self {
        let name = name.into();
        let env = BTreeMap::from([("NAME", name.clone()), ("BIRTHS", births.path().display().to_string())]);
        Self {
            name,
            env,
            fields: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.env.insert(name, value.to_string());
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
    }

    fn json(&self, package: usize) -> Value {
        let env = self.env.iter();
        let env: Vec<_> = env.map(|(name, value)| json!({"name": name, "value": value})).collect();
        let mut service = json!({"name": self.name, "programConfig": format!("package-{package}"), "env": env});
        for (name, value) in &self.fields {
            service[name] = value.clone();
        }
        service
    }
}

/// An application whose services run the package of this number.
pub(crate) fn application(name: &str, package: usize, services: &[Service]) -> Value {
    let services: Vec<_> = services.iter().map(|service| service.json(package)).collect();
    json!({"kind": "application", "name": name, "services": services})
}
