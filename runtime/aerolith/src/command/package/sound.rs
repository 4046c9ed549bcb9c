//! What is told of a package that is as it should be.

use std::fmt::Write as _;

use aerolith_builder::Tree;
use aerolith_node::Tried;
use serde_json::{Value, json};

/// A package that a node would take.
pub(super) struct Sound {
    name: String,
    platform: Option<String>,
    entry: String,
    files: u64,
    bytes: u64,
    objects: Vec<Value>,
}

impl Sound {
    /// What there is to say of it.
    pub(super) fn of(name: &str, platform: Option<&str>, tried: &Tried) -> anyhow::Result<Self> {
        let (files, bytes) = Tree::of(tried.staged.path())?.files();
        let objects = tried.objects.iter();
        let objects = objects.map(|(key, sha256, size)| json!({ "key": key, "sha256": sha256, "size": size }));
        Ok(Self {
            name: name.to_owned(),
            platform: platform.map(str::to_owned),
            entry: tried.entry.clone(),
            files,
            bytes,
            objects: objects.collect(),
        })
    }

    /// For programs.
    pub(super) fn answer(&self) -> Value {
        json!({
            "name": self.name,
            "valid": true,
            "platform": self.platform,
            "entry": self.entry,
            "files": self.files,
            "unpackedSize": self.bytes,
            "objects": self.objects,
        })
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let platform = self.platform.as_ref().map(|platform| format!(" for {platform}"));
        let mut text = format!(
            "OK! {}{}: entry {}, {} files, {} bytes\n",
            self.name,
            platform.unwrap_or_default(),
            self.entry,
            self.files,
            self.bytes
        );
        for object in &self.objects {
            let (key, sha256) = (&object["key"], &object["sha256"]);
            let words = [key, sha256].map(|word| word.as_str().unwrap_or_default());
            let _ = writeln!(text, "  {} {} bytes, sha256 {}", words[0], object["size"], words[1]);
        }
        text
    }
}
