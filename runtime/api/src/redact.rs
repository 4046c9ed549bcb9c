//! What may be shown of a resource.

use aerolith_model::{Configuration, Entry, Resource, Secret};
use serde_json::{Value, json};

/// A resource as JSON, as it is stored but without anything secret: of a secret the keys and their sizes in bytes, of a
/// configuration no download token.
///
/// # Errors
/// When the resource cannot be written as JSON.
pub fn shown(resource: &Resource) -> serde_json::Result<Value> {
    match resource {
        Resource::Secret(secret) => Ok(sizes(secret)),
        Resource::Configuration(configuration) => {
            serde_json::to_value(Resource::Configuration(without_tokens(configuration.clone())))
        }
        Resource::Application(_) => serde_json::to_value(resource),
    }
}

/// Fields of another system (`extra`) are left out, since nobody knows what they hold.
fn sizes(secret: &Secret) -> Value {
    let data = secret
        .data
        .iter()
        .map(|(key, bytes)| (key.as_str().to_owned(), json!({ "bytes": bytes.0.len() })));
    json!({
        "kind": "secret",
        "name": secret.name,
        "version": secret.version,
        "description": secret.description,
        "labels": secret.labels,
        "data": data.collect::<serde_json::Map<_, _>>(),
    })
}

fn without_tokens(mut configuration: Configuration) -> Configuration {
    for entry in configuration.data.values_mut() {
        if let Entry::Object(object) = entry {
            object.token = None;
        }
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(json: &str) -> Resource {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_secret_shows_its_keys_and_sizes_only() {
        let text = r#"{"kind":"secret","name":"cert","stringData":{"key":"hush"},"extra":{"annotation":"hush"}}"#;
        let shown = shown(&resource(text)).unwrap();
        assert_eq!(shown["data"], json!({"key": {"bytes": 4}}));
        let text = shown.to_string();
        assert!(!text.contains("hush") && !text.contains("aHVzaA"), "{text}");
    }

    #[test]
    fn a_download_token_is_not_shown_and_everything_else_is() {
        let text =
            r#"{"kind":"configuration","name":"weather","data":{"a":{"url":"https://h/a","token":"hush"},"b":"text"}}"#;
        let shown = shown(&resource(text)).unwrap();
        assert_eq!(shown["data"], json!({"a": {"url": "https://h/a"}, "b": "text"}));
    }
}
