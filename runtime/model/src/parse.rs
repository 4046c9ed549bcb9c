//! Our own YAML: one or several documents, each an application, a configuration or a secret under `kind`.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::documents::documents;
use crate::hint::closest;
use crate::places::Places;
use crate::resource::{Resource, ResourceKind};
use crate::yaml::{ParseError, Piece};

/// Reads every resource of a text in our own YAML. `source_name` is what errors call the text, a file name mostly.
///
/// # Errors
/// The first thing that is wrong, with its line and column: bad YAML, an unknown or duplicate key, a wrong type, a
/// name against its rule, a reference to nothing, or a second resource of the same kind and name.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Resource>, ParseError> {
    let mut seen = BTreeSet::new();
    let mut resources = Vec::new();
    for piece in documents(source_name, text) {
        let (resource, head) = document(&piece)?;
        let identity = (resource.kind(), resource.name().to_owned());
        if !seen.insert(identity) {
            let message = format!("{} `{}` stands here twice", resource.kind(), resource.name());
            let place = head.name.map(|name| name.referenced);
            return Err(piece.error(place, message, Some("keep one of them".to_owned())));
        }
        resources.push(resource);
    }
    Ok(resources)
}

fn document(piece: &Piece<'_>) -> Result<(Resource, Head), ParseError> {
    let head: Head = piece.read()?;
    let resource = match kind(piece, head.kind.as_ref())? {
        ResourceKind::Application => Resource::Application(piece.read::<Body<_>>()?.0),
        ResourceKind::Configuration => Resource::Configuration(piece.read::<Body<_>>()?.0),
        ResourceKind::Secret => Resource::Secret(piece.read::<Body<_>>()?.0),
    };
    match &resource {
        Resource::Application(application) => application.validate().map_err(|invalid| {
            let place = Places::of(piece).at(&invalid.path);
            piece.error(place, invalid.to_string(), invalid.fault.hint())
        })?,
        Resource::Secret(secret) => secret
            .validate()
            .map_err(|invalid| piece.error(Places::of(piece).at(invalid.path()), invalid.to_string(), None))?,
        Resource::Configuration(configuration) => configuration.validate().map_err(|invalid| {
            let path = invalid.path();
            piece.error(
                Places::of(piece).at(&path),
                format!("{path}: {invalid}"),
                invalid.hint(),
            )
        })?,
    }
    Ok((resource, head))
}

fn kind(piece: &Piece<'_>, found: Option<&Spanned<String>>) -> Result<ResourceKind, ParseError> {
    const WORDS: &str = "application, configuration or secret";
    let Some(found) = found else {
        let hint = format!("begin each document with `kind:` and one of {WORDS}");
        return Err(piece.error(None, "`kind` is missing".to_owned(), Some(hint)));
    };
    ResourceKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == found.value)
        .ok_or_else(|| {
            let near = closest(&found.value, ResourceKind::ALL.map(ResourceKind::as_str));
            let hint = near.map_or_else(|| format!("known: {WORDS}"), |near| format!("did you mean `{near}`?"));
            piece.error(
                Some(found.referenced),
                format!("unknown kind `{}`", found.value),
                Some(hint),
            )
        })
}

/// What is read before the kind is known, and where it stands.
#[derive(Deserialize)]
struct Head {
    kind: Option<Spanned<String>>,
    name: Option<Spanned<IgnoredAny>>,
}

/// A resource in a map that also holds `kind`.
struct Body<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Body<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor(PhantomData)).map(Self)
    }
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `kind` and `name`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(WithoutKind(map)))
    }
}

/// A map as if `kind` were not in it. Serde's own tagged enums would buffer the document and lose all places.
struct WithoutKind<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutKind<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.0.next_key::<String>()? {
            if key != "kind" {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            self.0.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEATHER: &str = "\
kind: application
name: weather
services:
  - name: agent
    programConfig: weather-agent
    args: [--interval, '30']
    env:
      - {name: UNIT, value: C}
    volumeMounts:
      - {name: conf, mountPath: /etc/weather}
    restart: {policy: on-failure}
    gracePeriod: 5s
volumes:
  - name: conf
    config: {name: weather-conf}
---
name: weather-agent
kind: configuration
labels: {baetyl-config-type: baetyl-program}
data:
  weather-linux-amd64.zip:
    url: https://files.example.net/w.zip
    unpack: zip
  notes.txt: |
    hello
---
kind: secret
name: weather-cert
stringData: {key: hush}
";

    fn error(text: &str) -> String {
        parse("f.yml", text).unwrap_err().to_string()
    }

    #[test]
    fn several_documents_give_their_resources_in_order() {
        let resources = parse("f.yml", WEATHER).unwrap();
        let names: Vec<_> = resources
            .iter()
            .map(|resource| (resource.kind(), resource.name()))
            .collect();
        let expected = [
            (ResourceKind::Application, "weather"),
            (ResourceKind::Configuration, "weather-agent"),
            (ResourceKind::Secret, "weather-cert"),
        ];
        assert_eq!(names, expected);
        let Resource::Configuration(package) = &resources[1] else {
            panic!("{resources:?}")
        };
        assert!(package.is_package() && package.data.len() == 2);
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
        let windows = format!("\u{feff}{}", WEATHER.replace('\n', "\r\n"));
        assert_eq!(parse("f.yml", &windows).unwrap(), parse("f.yml", WEATHER).unwrap());
    }

    #[test]
    fn what_is_stored_as_json_is_also_our_yaml() {
        for resource in parse("f.yml", WEATHER).unwrap() {
            let stored = serde_json::to_string_pretty(&resource).unwrap();
            assert_eq!(parse("state", &stored).unwrap(), [resource]);
        }
    }

    #[test]
    fn an_unknown_key_is_located_and_the_nearest_named() {
        let text = WEATHER.replace("programConfig", "programConfg");
        assert_eq!(
            error(&text),
            "f.yml:5:5: unknown key `programConfg` (did you mean `programConfig`?)"
        );
        let text = WEATHER.replace("labels:", "lables:");
        assert_eq!(
            error(&text),
            "f.yml:19:1: unknown key `lables` (did you mean `labels`?)"
        );
    }

    #[test]
    fn a_type_of_a_host_path_that_there_is_not_is_located_and_those_that_there_are_are_named() {
        let text = "kind: application\nname: shop\nvolumes:\n- name: data\n  hostPath: {path: /srv, type: Folder}\n";
        let told = error(text);
        let expected = "f.yml:5:32: volumes[0].hostPath.type: unknown value `Folder` (known here: DirectoryOrCreate, ";
        assert!(told.starts_with(expected), "{told}");
    }

    #[test]
    fn a_wrong_value_is_located() {
        for (from, to, place, part) in [
            (
                "name: agent",
                "name: Agent",
                "f.yml:4:11: services[0].name:",
                "`Agent` is not a valid service name",
            ),
            (
                "5s",
                "5",
                "f.yml:12:18: services[0].gracePeriod:",
                "`5` is not a duration",
            ),
            (
                "on-failure",
                "sometimes",
                "f.yml:11:23: services[0].restart.policy:",
                "unknown value `sometimes`",
            ),
            (
                "    args: [--interval, '30']",
                "    replica: many",
                "f.yml:6:14: services[0].replica:",
                "many",
            ),
            (
                "unpack: zip",
                "unpack: rar",
                "f.yml:23:13: data.weather-linux-amd64.zip.unpack:",
                "unknown value `rar`",
            ),
            ("notes.txt: |\n    hello", "notes.txt: 5", "f.yml:24:3:", "in quotes"),
            ("unpack: zip", "unpak: zip", "f.yml:23:5:", "did you mean `unpack`?"),
            (
                "policy: on-failure",
                "polcy: no",
                "f.yml:11:15:",
                "did you mean `policy`?",
            ),
            (
                "config: {name: weather-conf}",
                "config: {name: A}",
                "f.yml:15:20: volumes[0].config.name:",
                "not a valid resource name",
            ),
            (
                "config: {name: weather-conf}",
                "path: /srv",
                "f.yml:15:5:",
                "unknown key `path`",
            ),
            ("    config: {name: weather-conf}\n", "", "f.yml:14:5:", "has 0 sources"),
            ("notes.txt: |", "notes/txt: |", "f.yml:24:3:", "not a valid key"),
            (
                "https://files.example.net/w.zip",
                "w.zip",
                "f.yml:22:10: data.weather-linux-amd64.zip.url:",
                "not a valid URL",
            ),
        ] {
            let found = error(&WEATHER.replace(from, to));
            assert!(found.starts_with(place) && found.contains(part), "{found}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_told_in_words_and_alone() {
        for (line, told) in [
            (
                "replica: two",
                "replica: expected a whole number from 0 to 4294967295, found \"two\"",
            ),
            ("replica: [2]", "replica: expected a single value, found a list"),
            (
                "ports: [{containerPort: 99999}]",
                "ports[0].containerPort: expected a whole number from 0 to 65535, found 99999",
            ),
            (
                "ports: [{containerPort: 0}]",
                "ports[0].containerPort: expected a whole number from 1 to 65535, found 0",
            ),
            ("ports: 5", "ports: expected a list, found 5"),
            ("restart: no", "restart: expected a map with keys, found a text"),
            ("restart: [a]", "restart: expected a map with keys, found a list"),
            (
                "hostNetwork: maybe",
                "hostNetwork: expected true or false, found \"maybe\"",
            ),
            (
                "dependsOn: [3]",
                "dependsOn[0]: expected the name of a service, or `{service, condition}`, found 3",
            ),
            (
                "ports: [{containerPort: 80, hostIP: x}]",
                "ports[0].hostIP: expected an IP address, such as 127.0.0.1",
            ),
        ] {
            let text = format!("kind: application\nname: aa\nservices: [{{name: bb, image: cc, {line}}}]\n");
            let found = error(&text);
            assert!(found.ends_with(&format!(": services[0].{told}")), "{line}: {found}");
        }
        let tab = error("kind: secret\nname: cert\n\ttype: x\n");
        assert!(tab.contains("(indent with blanks"), "{tab}");
    }

    #[test]
    fn what_may_be_left_empty_is_no_word_of_a_hint() {
        let found = error(&WEATHER.replace("unpack: zip", "unpack: 7z"));
        assert!(
            found.ends_with("(known here: zip, tar, tar.gz, tgz, tar.zst, tzst, auto)"),
            "{found}"
        );
    }

    #[test]
    fn duplicates_are_refused_where_the_second_stands() {
        let found = error("kind: secret\nname: cert\nname: cert\n");
        assert_eq!(found, "f.yml:3:1: duplicate key `name` (keep one of them)");
        let found = error("kind: secret\nname: cert\n---\nkind: secret\nname: cert\n");
        assert_eq!(found, "f.yml:5:7: secret `cert` stands here twice (keep one of them)");
        let found = error(&WEATHER.replace("  notes.txt: |", "  weather-linux-amd64.zip: |"));
        assert!(
            found.starts_with("f.yml:24:3: duplicate key `weather-linux-amd64.zip`"),
            "{found}"
        );
    }

    #[test]
    fn the_kind_must_be_there_and_known() {
        assert!(error("name: weather\n").starts_with("f.yml:1:1: `kind` is missing"));
        let found = error("name: weather\nkind: aplication\n");
        assert_eq!(
            found,
            "f.yml:2:7: unknown kind `aplication` (did you mean `application`?)"
        );
        assert!(error("kind: secret\n").contains("`name` is missing"));
        assert!(error("- a\n- b\n").starts_with("f.yml:1:1:"));
    }

    #[test]
    fn broken_yaml_is_located_in_its_document() {
        let found = error("kind: secret\nname: cert\n---\nkind: [\n");
        assert!(
            found.starts_with("f.yml:4:") || found.starts_with("f.yml:5:"),
            "{found}"
        );
        assert!(!found.contains(" at line "), "{found}");
    }

    #[test]
    fn a_dangling_reference_is_located_where_it_stands() {
        let found = error(&WEATHER.replace("{name: conf, mountPath", "{name: cnf, mountPath"));
        assert!(
            found.starts_with("f.yml:10:16:") && found.contains("`cnf`") && found.contains("`conf`"),
            "{found}"
        );
    }

    #[test]
    fn an_empty_text_holds_no_resource() {
        assert_eq!(parse("f.yml", "# nothing\n").unwrap(), []);
    }
}
