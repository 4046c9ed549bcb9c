//! What came for objects without a digest: the first sha256 is the one that counts, as long as their configuration stays
//! the same version.
//!
//! ```text
//! <data>/pins.json   per configuration and object: revision, sha256, and by what the place knew those bytes
//! ```
//!
//! When the configuration is another version, the place is asked whether it still has the same, and only what has changed
//! is fetched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aerolith_packages::Digest;
use aerolith_plugin_wire::fetcher::Validator;
use serde::{Deserialize, Serialize};

use crate::durable::{self, FileError, On, Survives};

/// By configuration and object.
type Held = BTreeMap<String, BTreeMap<String, Pin>>;

/// The pins of this node.
#[derive(Debug)]
pub(crate) struct Pins {
    file: PathBuf,
    held: Mutex<Held>,
}

/// What came for one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pin {
    /// Of the configuration's version.
    revision: u64,
    sha256: String,
    /// Of the address, which may hold a secret itself.
    address_sha256: String,
    validator: Validator,
}

/// Which object of which version of a configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinned<'a> {
    pub(crate) configuration: &'a str,
    pub(crate) revision: u64,
    pub(crate) object: &'a str,
    pub(crate) url: &'a str,
}

impl Pin {
    /// Of bytes with this digest, by which their place knows them.
    pub(crate) fn new(of: Pinned<'_>, digest: &Digest, validator: Validator) -> Self {
        Self {
            revision: of.revision,
            sha256: digest.to_string(),
            address_sha256: address(of),
            validator,
        }
    }
}

fn address(of: Pinned<'_>) -> String {
    Digest::of(of.url.as_bytes()).to_string()
}

impl Pins {
    /// Reads the pins back. A damaged file is set aside beside its place with a warning: every object is pinned anew
    /// then. Blocks.
    pub(crate) fn open(file: PathBuf) -> Result<Self, FileError> {
        let held = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).or_else(|error| set_aside(&file, &error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Held::new(),
            Err(error) => return Err(error).on("read", &file),
        };
        Ok(Self {
            file,
            held: Mutex::new(held),
        })
    }

    /// The digest that the object must have.
    pub(crate) fn get(&self, of: Pinned<'_>) -> Option<Digest> {
        self.pin(of)
            .filter(|pin| pin.revision == of.revision)?
            .sha256
            .parse()
            .ok()
    }

    /// What came from the same address for a version before, where the place can be asked whether it still has it.
    pub(crate) fn former(&self, of: Pinned<'_>) -> Option<(Digest, Validator)> {
        let pin = self.pin(of).filter(|pin| !pin.validator.is_empty())?;
        Some((pin.sha256.parse().ok()?, pin.validator))
    }

    /// Pins an object of a configuration durably. Blocks.
    pub(crate) fn put(&self, configuration: String, object: String, pin: Pin) -> Result<(), FileError> {
        if self.lock().get(&configuration).and_then(|pins| pins.get(&object)) == Some(&pin) {
            return Ok(());
        }
        self.change(|held| drop(held.entry(configuration).or_default().insert(object, pin)))
    }

    /// Forgets the pins of configurations that are gone. Blocks.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) -> Result<(), FileError> {
        if self.lock().keys().all(|name| is_there(name)) {
            return Ok(());
        }
        self.change(|held| held.retain(|name, _| is_there(name)))
    }

    fn pin(&self, of: Pinned<'_>) -> Option<Pin> {
        let held = self.lock();
        let pin = held.get(of.configuration)?.get(of.object)?;
        (pin.address_sha256 == address(of)).then(|| pin.clone())
    }

    /// Changes what is on disk first.
    fn change(&self, step: impl FnOnce(&mut Held)) -> Result<(), FileError> {
        let mut held = self.lock();
        let mut next = held.clone();
        step(&mut next);
        let bytes = serde_json::to_vec(&next).on("encode", &self.file)?;
        durable::put(&self.file, &bytes, 0o600, Survives::PowerCut)?;
        *held = next;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_aside(file: &Path, error: &serde_json::Error) -> Result<Held, FileError> {
    let first = std::iter::once(file.with_extension("json.damaged"));
    let others = (2_u32..).map(|n| file.with_extension(format!("json.damaged.{n}")));
    // What was set aside before is kept too.
    let free = first.chain(others).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| file.with_extension("json.damaged"));
    std::fs::rename(file, &aside).on("set aside", file)?;
    tracing::warn!(%error, kept = %aside.display(), "the pins of objects without a digest are damaged: pinned anew");
    Ok(Held::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(configuration: &'a str, revision: u64, object: &'static str) -> Pinned<'a> {
        Pinned {
            configuration,
            revision,
            object,
            url: "http://h/a?sig=hush",
        }
    }

    fn put(pins: &Pins, of: Pinned<'_>, digest: &Digest, validator: Validator) {
        let pin = Pin::new(of, digest, validator);
        pins.put(of.configuration.into(), of.object.into(), pin).unwrap();
    }

    fn tagged() -> Validator {
        Validator {
            etag: Some("\"1\"".into()),
            last_modified: None,
        }
    }

    #[test]
    fn a_pin_outlives_the_daemon_and_holds_for_its_version_and_address_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pins.json");
        let pins = Pins::open(file.clone()).unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        put(&pins, of("weather", 7, "a.zip"), &one, tagged());
        put(&pins, of("weather", 7, "b.zip"), &two, Validator::default());
        let pins = Pins::open(file.clone()).unwrap();
        assert_eq!(pins.get(of("weather", 7, "a.zip")), Some(one));
        assert_eq!(pins.get(of("weather", 7, "b.zip")), Some(two));
        let moved = Pinned {
            url: "http://h/b",
            ..of("weather", 7, "a.zip")
        };
        for other in [
            of("other", 7, "a.zip"),
            of("weather", 8, "a.zip"),
            of("weather", 7, "c"),
            moved,
        ] {
            assert_eq!(pins.get(other), None, "{other:?}");
        }
        assert_eq!(pins.former(of("weather", 8, "a.zip")), Some((one, tagged())));
        assert_eq!(
            pins.former(of("weather", 8, "b.zip")),
            None,
            "nothing to ask the place by"
        );
        assert!(!std::fs::read_to_string(file).unwrap().contains("hush"));
    }

    #[test]
    fn pins_go_with_their_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::open(dir.path().join("pins.json")).unwrap();
        let one = Digest::of(b"1");
        put(&pins, of("weather", 7, "a.zip"), &one, tagged());
        put(&pins, of("other", 7, "a.zip"), &one, tagged());
        pins.retain(|name| name == "weather").unwrap();
        let pins = Pins::open(dir.path().join("pins.json")).unwrap();
        assert_eq!(pins.get(of("weather", 7, "a.zip")), Some(one));
        assert_eq!(pins.get(of("other", 7, "a.zip")), None);
    }

    #[test]
    fn a_damaged_file_is_kept_beside_earlier_ones_and_pinning_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pins.json");
        std::fs::write(&file, "{half").unwrap();
        let pins = Pins::open(file.clone()).unwrap();
        assert_eq!(pins.get(of("weather", 1, "a.zip")), None);
        put(&pins, of("weather", 1, "a.zip"), &Digest::of(b"1"), tagged());
        std::fs::write(&file, "{other").unwrap();
        Pins::open(file).unwrap();
        for (name, content) in [("pins.json.damaged", "{half"), ("pins.json.damaged.2", "{other")] {
            assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap(), content);
        }
    }
}
