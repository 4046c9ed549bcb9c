//! JSON Schemas of types that read themselves by hand; all others derive theirs.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::configuration::{Entry, Object};
use crate::dependency::{Dependency, Written};
use crate::duration::GoDuration;
use crate::limits::Quantity;
use crate::probe::ProbePort;
use crate::program::{ProgramManifest, Raw};
use crate::secret::{SecretBytes, SecretType};
use crate::signature::Signature;
use crate::text::ServiceName;
use crate::timestamp::Timestamp;

/// Adds the other words that an enumeration is read from, of which a derived schema does not know.
pub(crate) fn also(words: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        if let Some(known) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
            known.push(json!({ "description": "The same as above.", "enum": words }));
        }
    }
}

/// Takes an object in which exactly one of some fields says something; null says nothing.
pub(crate) fn exactly_one(fields: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        let says = |field: &&str| json!({ "required": [field], "properties": { *field: NOT_NULL.clone() } });
        schema.insert("oneOf".to_owned(), fields.iter().map(says).collect());
    }
}

static NOT_NULL: LazyLock<Value> = LazyLock::new(|| json!({ "not": { "type": "null" } }));

/// A service runs one thing, and one bad answer of these probes ends it, so that one good answer is all there can be.
pub(crate) fn service(schema: &mut Schema) {
    exactly_one(&["programConfig", "image"])(schema);
    let once = json!({ "properties": { "successThreshold": { "const": 1 } } });
    schema.insert(
        "allOf".to_owned(),
        json!([{ "properties": { "startupProbe": once, "livenessProbe": once } }]),
    );
}

/// Only a job has a `jobConfig`, and init services say nothing that is for services which keep running.
pub(crate) fn application(schema: &mut Schema) {
    let has_config = json!({ "required": ["jobConfig"], "properties": { "jobConfig": NOT_NULL.clone() } });
    let is_job = json!({ "required": ["workload"], "properties": { "workload": { "const": "job" } } });
    let absent = json!({ "type": "null" });
    let init = json!({ "properties": {
        "replica": { "const": 1 },
        "dependsOn": { "maxItems": 0 },
        "update": { "additionalProperties": absent },
        "startupProbe": absent,
        "livenessProbe": absent,
        "readinessProbe": absent,
    } });
    schema.insert("if".to_owned(), has_config);
    schema.insert("then".to_owned(), is_job);
    schema.insert(
        "allOf".to_owned(),
        json!([{ "properties": { "initServices": { "items": init } } }]),
    );
}

/// A secret's type is one of four, and one of type registry holds what registries ask for.
pub(crate) fn secret(schema: &mut Schema) {
    let of_type = |kind: Value| json!({ "properties": { "labels": { "properties": { "secret-type": kind } } } });
    let types = of_type(json!({ "enum": SecretType::ALL.map(|(word, _)| word) }));
    let mut is_registry = of_type(json!({ "const": "registry" }));
    is_registry["required"] = json!(["labels"]);
    is_registry["properties"]["labels"]["required"] = json!(["secret-type"]);
    let holds = |key: &&str| {
        let holds = |map: &str| json!({ "required": [map], "properties": { map: { "required": [key] } } });
        json!({ "anyOf": [holds("data"), holds("stringData")] })
    };
    let all: Vec<Value> = SecretType::Registry.keys().iter().map(holds).collect();
    schema.insert("allOf".to_owned(), json!([types]));
    schema.insert("if".to_owned(), is_registry);
    schema.insert("then".to_owned(), json!({ "allOf": all }));
}

/// Text with a rule, in words and as a pattern.
macro_rules! text {
    ($name:ident, $rule:literal, $pattern:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $rule, "pattern": $pattern })
            }
        }
    };
}
pub(crate) use text;

text!(
    GoDuration,
    "numbers with units ns, us, ms, s, m or h, such as 500ms, 30s, 1h30m",
    r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"
);
text!(
    Signature,
    "the base64 text of 64 bytes, as `aerolith package sign` prints it",
    r"^[A-Za-z0-9+/]{86}==$"
);
text!(
    SecretBytes,
    "bytes in base64",
    r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
);
text!(
    Timestamp,
    "a moment as in RFC 3339, such as 2026-11-25T08:00:00Z",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[-+][0-9]{2}:[0-9]{2})$"
);

/// A schema under the name of its type.
macro_rules! schema {
    ($name:ident, $generator:ident, $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

schema!(
    Quantity,
    _generator,
    json_schema!({
        "description": "an amount as Kubernetes writes it, such as 2, 500m or 256Mi",
        "type": ["string", "number"],
        "minimum": 0,
        "pattern": r"^([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTP]|[KMGTP]i|[eE][-+]?[0-9]+)?$",
    })
);
schema!(
    ProbePort,
    _generator,
    json_schema!({
        "description": "a port, or `dynamic` for the one that the node chose",
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 65535,
        "pattern": "^(dynamic|[1-9][0-9]{0,4})$",
    })
);
schema!(
    Dependency,
    generator,
    json_schema!({
        "description": "a service that is waited for: its name, or `{service, condition}`",
        "anyOf": [generator.subschema_for::<ServiceName>(), generator.subschema_for::<Written>()],
    })
);
schema!(
    Entry,
    generator,
    json_schema!({
        "description": "text, or an object to download",
        "anyOf": [{ "type": "string" }, generator.subschema_for::<Object>()],
    })
);
schema!(ProgramManifest, generator, Raw::json_schema(generator));
