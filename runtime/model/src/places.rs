//! Where the fields of a document stand: from a path to a place, and back.

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use crate::documents::documents;
use crate::resource::ResourceKind;
use crate::yaml::Piece;

/// Every value of a document by its path, such as `services[0].name`; the document itself is the empty path. Also every key,
/// for some of a value's errors are placed there.
#[derive(Default)]
pub(crate) struct Places {
    values: Vec<(String, Location)>,
    maps: Vec<Location>,
    lists: Vec<Location>,
    keys: Vec<(String, Location)>,
}

impl Places {
    /// Those of a piece that is well-formed YAML; none of any other.
    pub(crate) fn of(piece: &Piece<'_>) -> Self {
        let mut places = Self::default();
        // Nothing of ours is deeper, and each level takes a lot of the stack.
        let options = serde_saphyr::options! { with_snippet: false, budget: serde_saphyr::budget! { max_depth: 20 } };
        if let Ok(root) = serde_saphyr::from_str_with_options::<Spanned<Node>>(piece.text, options) {
            places.collect("", &root);
        }
        places
    }

    /// Where a field stands, or the nearest thing around it that is there.
    pub(crate) fn at(&self, path: &str) -> Option<Location> {
        let mut path = path;
        loop {
            if let Some((_, location)) = self.values.iter().find(|(known, _)| known == path) {
                return Some(*location);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// What begins at a place, where it is more than one value.
    pub(crate) fn collection(&self, at: Location) -> Option<&'static str> {
        let begins = |all: &[Location]| all.iter().any(|known| is_same(*known, at));
        match () {
            () if begins(&self.maps) => Some("a map"),
            () if begins(&self.lists) => Some("a list"),
            () => None,
        }
    }

    /// The innermost field that stands at a place.
    pub(crate) fn path(&self, at: Location) -> Option<&str> {
        let same = |place: &&(String, Location)| is_same(place.1, at);
        let place = self.values.iter().rfind(same).or_else(|| self.keys.iter().rfind(same));
        place.map(|(path, _)| path.as_str()).filter(|path| !path.is_empty())
    }

    fn collect(&mut self, path: &str, node: &Spanned<Node>) {
        self.values.push((path.to_owned(), node.referenced));
        match &node.value {
            Node::Map(fields) => {
                self.maps.push(node.referenced);
                for (name, field) in fields {
                    let path = join(path, &name.value);
                    self.collect(&path, field);
                    self.keys.push((path, name.referenced));
                }
            }
            Node::List(items) => {
                self.lists.push(node.referenced);
                for (index, item) in items.iter().enumerate() {
                    self.collect(&format!("{path}[{index}]"), item);
                }
            }
            Node::Leaf => {}
        }
    }
}

/// Line and column, from 1, of a field of a resource that stands in a text in our own YAML, or of the nearest thing around it;
/// nothing where the text does not hold the resource.
#[must_use]
pub fn locate_in(text: &str, kind: ResourceKind, name: &str, path: &str) -> Option<(u64, u64)> {
    let documents = documents("", text);
    let own = documents.iter().find(|document| {
        let is = document.read::<Named>();
        is.is_ok_and(|is| is.kind == kind && is.name == name)
    })?;
    let places = Places::of(own);
    let at = places.at(path).or_else(|| places.at(""));
    Some(at.map_or((own.lines_before + 1, 1), |at| {
        (own.lines_before + at.line().max(1), at.column().max(1))
    }))
}

#[derive(Deserialize)]
struct Named {
    kind: ResourceKind,
    name: String,
}

fn is_same(one: Location, other: Location) -> bool {
    (one.line(), one.column()) == (other.line(), other.column())
}

/// Line and column, from 1, of a field of a text that is one document, or of the nearest thing around it.
#[must_use]
pub fn locate(text: &str, path: &str) -> (u64, u64) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let piece = Piece {
        source_name: "",
        text,
        lines_before: 0,
    };
    let place = Places::of(&piece).at(path);
    place.map_or((1, 1), |at| (at.line().max(1), at.column().max(1)))
}

/// A path one field further.
fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

/// A value, of which only what lies below it is of interest.
enum Node {
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Leaf,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        tagged.variant::<IgnoredAny>().map(|_| Node::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
name: weather
services:
  - name: agent
    args: [a, 5]
    env: {a.b: x}
  -
    name: db
";

    #[test]
    fn a_path_has_its_place() {
        for (path, place) in [
            ("name", (1, 7)),
            ("services[0].name", (3, 11)),
            ("services[0].args[1]", (4, 15)),
            ("services[0].env.a.b", (5, 16)),
            ("services[1].name", (7, 11)),
            ("services[1]", (7, 5)),
        ] {
            assert_eq!(locate(TEXT, path), place, "{path}");
        }
    }

    #[test]
    fn a_field_is_found_in_the_document_of_its_resource() {
        let text = format!("kind: secret\nname: weather\n---\nkind: application\n{TEXT}");
        let at = |kind, name, path| locate_in(&text, kind, name, path);
        let application = ResourceKind::Application;
        assert_eq!(at(application, "weather", "services[0].name"), Some((7, 11)));
        assert_eq!(at(application, "weather", "nothing"), Some((4, 1)));
        assert_eq!(at(ResourceKind::Secret, "weather", "name"), Some((2, 7)));
        assert_eq!(at(application, "other", "name"), None);
    }

    #[test]
    fn what_is_not_there_is_placed_at_what_is_around_it() {
        assert_eq!(locate(TEXT, "services[1].ports[0].hostPort"), (7, 5));
        assert_eq!(locate(TEXT, "volumes[0]"), (1, 1));
        assert_eq!(locate("a: [", "a"), (1, 1));
    }
}
