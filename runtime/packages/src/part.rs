use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::error::escape;
use crate::{Blob, Digest, StoreError, Unpack};

/// One thing a package is made of: an object or a plain entry of its configuration.
#[derive(Debug, Clone)]
pub struct Part {
    /// The variable's name, unique in the package. Parts are merged in the order of their names.
    pub name: String,
    /// What it brings.
    pub content: Content,
}

/// What a part brings into the tree.
#[derive(Debug, Clone)]
pub enum Content {
    /// A downloaded object.
    Object {
        /// The stored file.
        blob: Blob,
        /// Whether and how it is unpacked.
        unpack: Unpack,
        /// The path in the tree that it gets when it is not unpacked.
        file_name: String,
    },
    /// A plain key and its text, which become a file named like the key. Baetyl loses these beside objects.
    Text(Vec<u8>),
}

/// The name of a tree in the store: 1 to 128 of `a-z 0-9 - _ .`, no dot in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(String);

impl TreeId {
    /// The id that follows from what a tree is made of: equal parts, in whatever order, give the equal id, so that a
    /// tree is built once.
    pub fn of(parts: &[Part]) -> Self {
        let mut parts: Vec<&Part> = parts.iter().collect();
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(b"aerolith tree 1");
        for part in parts {
            field(part.name.as_bytes());
            match &part.content {
                Content::Object {
                    blob,
                    unpack,
                    file_name,
                } => {
                    field(unpack.name().as_bytes());
                    // What is unpacked shows the names in it, not its own.
                    let is_archive = !matches!(unpack, Unpack::None | Unpack::Auto);
                    field(if is_archive { b"" } else { file_name.as_bytes() });
                    field(blob.digest().to_string().as_bytes());
                }
                Content::Text(bytes) => {
                    field(b"text");
                    field(bytes);
                }
            }
        }
        TreeId(Digest::from(hasher).to_string())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TreeId {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let good = (1..=128).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(legal);
        if good {
            Ok(TreeId(text.to_owned()))
        } else {
            Err(StoreError::BadTreeId { text: escape(text) })
        }
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, object, text};

    #[test]
    fn an_id_that_could_be_a_path_or_a_leftover_is_refused() {
        for bad in ["", ".staging-1", "..", "a/b", "A", "a b", &"x".repeat(129)] {
            bad.parse::<TreeId>().unwrap_err();
        }
        assert_eq!("weather-1.2_x".parse::<TreeId>().unwrap().as_str(), "weather-1.2_x");
    }

    #[test]
    fn the_id_follows_the_content_and_not_the_order() {
        let sandbox = Sandbox::new();
        let a = object(&sandbox, "a.zip", b"one", Unpack::Zip);
        let b = text("b", "two");
        assert_eq!(TreeId::of(&[a.clone(), b.clone()]), TreeId::of(&[b.clone(), a.clone()]));
        let renamed = |unpack, file_name: &str| {
            let mut part = object(&sandbox, "a.zip", b"one", unpack);
            let Content::Object { file_name: name, .. } = &mut part.content else {
                unreachable!()
            };
            file_name.clone_into(name);
            TreeId::of(&[part])
        };
        assert_eq!(renamed(Unpack::Zip, "a-1.zip"), renamed(Unpack::Zip, "a-2.zip"));
        assert_ne!(renamed(Unpack::None, "a-1.zip"), renamed(Unpack::None, "a-2.zip"));
        let mut ids = vec![
            TreeId::of(&[a.clone(), b.clone()]),
            TreeId::of(&[a.clone(), text("b", "three")]),
            TreeId::of(&[a.clone(), text("c", "two")]),
            TreeId::of(&[object(&sandbox, "a.zip", b"one", Unpack::None), b.clone()]),
            TreeId::of(&[object(&sandbox, "a.zip", b"other", Unpack::Zip), b]),
            TreeId::of(&[a]),
        ];
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6);
    }
}
