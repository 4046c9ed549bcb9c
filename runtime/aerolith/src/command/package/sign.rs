//! `aerolith package sign`: detached signatures of files.

use std::path::Path;

use aerolith_builder::identify;
use aerolith_model::{Sha256, Signature};
use aerolith_trust::SigningKey;
use serde_json::{Value, json};

use super::mistake::judged;
use crate::arguments::package::Sign;
use crate::screen::Screen;

/// A file and what is to be pasted into its object.
struct Signed<'a> {
    file: &'a Path,
    sha256: Sha256,
    signature: Signature,
}

/// Signs every file; nothing is shown when one of them cannot be read.
pub(super) fn sign(wanted: &Sign, screen: Screen) -> anyhow::Result<()> {
    let key = SigningKey::load(&wanted.key).map_err(judged)?;
    let signed = wanted.files.iter().map(|file| one(&key, file));
    let signed = signed.collect::<anyhow::Result<Vec<_>>>()?;
    screen.tell(&signed.iter().map(Signed::value).collect(), || {
        let blocks: Vec<String> = signed.iter().map(Signed::text).collect();
        blocks.join("\n")
    })
}

fn one<'a>(key: &SigningKey, file: &'a Path) -> anyhow::Result<Signed<'a>> {
    let sha256 = identify(file).map_err(judged)?.sha256.bytes().into();
    Ok(Signed {
        file,
        signature: key.sign(&sha256),
        sha256,
    })
}

impl Signed<'_> {
    fn value(&self) -> Value {
        json!({ "file": self.file, "sha256": self.sha256, "signature": self.signature })
    }

    /// As it is pasted into YAML.
    fn text(&self) -> String {
        let Self {
            file,
            sha256,
            signature,
        } = self;
        format!("# {}\nsha256: {sha256}\nsignature: {signature}\n", file.display())
    }
}
