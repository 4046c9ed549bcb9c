//! Where packages come from: a server and a folder, both of which can be away.

use super::packages::{Behaviour, Origin, Package};
use crate::deployment::texts::object;
use crate::support::depot::{Depot, Reply, good};
use crate::support::package;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    is_down: bool,
}

/// A server and a folder with every package that was ever offered.
pub(super) struct Sources {
    depot: Depot,
    shelf: Arc<Mutex<Shelf>>,
    folder: PathBuf,
}

impl Sources {
    pub(super) fn new(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        let shelf: Arc<Mutex<Shelf>> = Arc::default();
        let shared = shelf.clone();
        let depot = Depot::start(move |request| {
            let shelf = shared.lock().unwrap();
            match shelf.files.get(&request.path) {
                Some(bytes) if !shelf.is_down => good(bytes, &request.path, request),
                _ => Reply::new("503 Service Unavailable", b""),
            }
        });
        Self { depot, shelf, folder }
    }

    /// Offers a package at its place, and answers the object that names it.
    pub(super) fn offer(&self, name: &str, package: Package) -> Value {
        let bytes = package::script(&package.script(name));
        let promised = match package.behaviour {
            Behaviour::CannotBeHad => b"other bytes".to_vec(),
            _ => bytes.clone(),
        };
        let file = format!("{name}-{}.zip", package.version);
        let url = if package.origin == Origin::File {
            let present = if self.folder.exists() {
                self.folder.clone()
            } else {
                self.hidden()
            };
            fs::write(present.join(&file), bytes).unwrap();
            format!("file://{}", self.folder.join(&file).display())
        } else {
            let path = format!("/{file}");
            self.shelf.lock().unwrap().files.insert(path.clone(), bytes);
            self.depot.url(&path)
        };
        object(&url, &promised)
    }

    /// Takes the server or the folder away, or brings it back.
    pub(super) fn switch(&self, origin: Origin, present: bool) {
        match origin {
            Origin::File if present == self.folder.exists() => {}
            Origin::File if present => fs::rename(self.hidden(), &self.folder).unwrap(),
            Origin::File => fs::rename(&self.folder, self.hidden()).unwrap(),
            Origin::Text | Origin::Http => self.shelf.lock().unwrap().is_down = !present,
        }
    }

    fn hidden(&self) -> PathBuf {
        self.folder.with_extension("away")
    }
}
