//! Baetyl's configurations: the list of the cloud view, and the map of the stored form.

use std::collections::BTreeMap;

use aerolith_model::{
    Configuration, Entry, Key, Md5, Name, Object, ObjectPlatform, Secret, Sha256, Token, Unpack, Url, reworded,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envelope::join;
use crate::error::{Problem, Warning};
use crate::platform::names_platform;
use crate::store::{self, Companions};
use crate::view::{Viewed, blank_is_none, inside, view};

/// What marks an object's key in the stored form.
const OBJECT_PREFIX: &str = "_object_";

type Located<T> = Result<T, (String, Problem)>;

#[derive(Deserialize)]
struct ConfigurationView {
    name: Name,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    key: Key,
    value: ItemValue,
}

/// One value of the cloud view; every field that is not named here is opaque metadata.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ItemValue {
    Kv { value: String },
    Object(ObjectView),
    Function {},
}

/// An object, in the view and in the text of the stored form.
#[derive(Deserialize)]
struct ObjectView {
    #[serde(default, deserialize_with = "blank_is_none")]
    url: Option<Url>,
    #[serde(default, deserialize_with = "blank_is_none")]
    sha256: Option<Sha256>,
    #[serde(default, deserialize_with = "blank_is_none")]
    md5: Option<Md5>,
    #[serde(default, deserialize_with = "blank_is_none")]
    token: Option<Token>,
    #[serde(default)]
    unpack: Unpack,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Reads a configuration in either form, with the secrets that its objects' keys become.
pub(crate) fn configuration(path: &str, fields: Map<String, Value>) -> Located<(Configuration, Vec<Secret>)> {
    let Viewed { view, extra } = view::<ConfigurationView>(path, fields)?;
    let ConfigurationView {
        name,
        description,
        labels,
        data,
    } = view;
    let path = join(path, "data");
    let mut companions = Companions::of(&name);
    let data = match data {
        Value::Null => BTreeMap::new(),
        Value::Array(items) => from_list(&path, items, &mut companions)?,
        Value::Object(entries) => from_map(&path, entries, &mut companions)?,
        other => return Err((path, Problem::Field(format!("expected a list or a map, found {other}")))),
    };
    let secrets = companions.into_secrets();
    let configuration = Configuration {
        template: false,
        name,
        version: String::new(),
        description,
        labels,
        data,
        extra,
    };
    configuration
        .validate()
        .map_err(|invalid| (join(&path, invalid.key.as_str()), Problem::Content(invalid)))?;
    Ok((configuration, secrets))
}

fn from_list(path: &str, items: Vec<Value>, companions: &mut Companions<'_>) -> Located<BTreeMap<Key, Entry>> {
    let mut data = BTreeMap::new();
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Item { key, value } = read(&path, item)?;
        let entry = match value {
            ItemValue::Kv { value } => Entry::Text(value),
            ItemValue::Object(view) => object(&join(&path, "value"), view, companions)?,
            ItemValue::Function {} => return Err((path, function(&key))),
        };
        insert(&path, &mut data, key, entry)?;
    }
    Ok(data)
}

fn from_map(path: &str, entries: Map<String, Value>, companions: &mut Companions<'_>) -> Located<BTreeMap<Key, Entry>> {
    let mut data = BTreeMap::new();
    for (name, value) in entries {
        let path = join(path, &name);
        let Value::String(text) = value else {
            return Err((path, Problem::Field(format!("expected text, found {value}"))));
        };
        let (key, entry) = match name.strip_prefix(OBJECT_PREFIX) {
            Some(key) => (key.to_owned(), stored_object(&path, &text, companions)?),
            None => (name, Entry::Text(text)),
        };
        let key = Key::try_from(key).map_err(|error| (path.clone(), error.into()))?;
        insert(&path, &mut data, key, entry)?;
    }
    Ok(data)
}

fn insert(path: &str, data: &mut BTreeMap<Key, Entry>, key: Key, entry: Entry) -> Located<()> {
    if data.contains_key(&key) {
        return Err((path.to_owned(), Problem::DuplicateKey(key)));
    }
    data.insert(key, entry);
    Ok(())
}

fn stored_object(path: &str, text: &str, companions: &mut Companions<'_>) -> Located<Entry> {
    let value = serde_json::from_str(text).map_err(|error| {
        (
            path.to_owned(),
            Problem::Field(format!("the text is not a JSON object: {error}")),
        )
    })?;
    object(path, read(path, value)?, companions)
}

fn read<T: for<'de> Deserialize<'de>>(path: &str, value: Value) -> Located<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = inside(path, error.path());
        (path, Problem::Field(reworded(&error.into_inner().to_string())))
    })
}

/// An object, from its address or from where it lies in a store. Keys for that become a secret.
fn object(path: &str, view: ObjectView, companions: &mut Companions<'_>) -> Located<Entry> {
    let ObjectView {
        url,
        sha256,
        md5,
        token,
        unpack,
        mut metadata,
        rest,
    } = view;
    metadata.extend(rest);
    let located = |problem| (path.to_owned(), problem);
    let keys = store::take_keys(&mut metadata).map_err(located)?;
    let (url, credentials) = match (url, keys) {
        (Some(url), _) => (url, None),
        (None, keys) => {
            let source = metadata.get("source").and_then(Value::as_str).unwrap_or("http");
            let keys = asked(source, keys).map_err(located)?;
            let url = store::address(&metadata).map_err(located)?;
            (url, Some(companions.name(keys).map_err(located)?))
        }
    };
    let is_any = metadata.get("platform").is_some_and(|platform| platform == "any");
    let platform = is_any.then_some(ObjectPlatform::Any);
    Ok(Entry::Object(Box::new(Object {
        sha256,
        md5,
        token,
        credentials,
        unpack,
        platform,
        metadata,
        ..Object::at(url)
    })))
}

/// The keys for a source that can be asked. What is signed with an account of Baetyl's cloud has none here.
fn asked(source: &str, keys: Option<store::Keys>) -> Result<store::Keys, Problem> {
    if source == "http" {
        return Err(Problem::Field("`url` is missing".to_owned()));
    }
    let refused = |instead| Problem::Unsupported {
        what: "source",
        found: source.to_owned(),
        instead,
    };
    if !store::is_known(source) {
        return Err(refused("give the object a `url` that can be downloaded"));
    }
    keys.ok_or_else(|| {
        refused("give the object `ak` and `sk`, or a `url` that can be downloaded; an account is the cloud's")
    })
}

fn function(key: &Key) -> Problem {
    let instead = "give the code as an object with a `url`";
    Problem::Unsupported {
        what: "entry of type function",
        found: key.to_string(),
        instead,
    }
}

/// Objects of a package that no node will ever take, because their key names no platform.
pub(crate) fn warnings(configuration: &Configuration) -> impl Iterator<Item = Warning> {
    let objects = configuration
        .is_package()
        .then(|| configuration.objects())
        .into_iter()
        .flatten();
    objects
        .filter(|(key, object)| object.platform.is_none() && !names_platform(key.as_str()))
        .map(|(key, _)| Warning::NoPlatform {
            package: configuration.name.to_string(),
            key: key.clone(),
        })
}
