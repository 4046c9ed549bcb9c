//! What may be shown of a resource.

use aerolith_model::{Application, CUT, Check, Object, Probe, Resource, Secret};
use serde_json::{Value, json};

/// A resource as JSON, as it is stored but without anything secret: of a secret the keys and their sizes in bytes; of an
/// object no download token, no values of headers, and the URL cut as [`Url::shown`](aerolith_model::Url::shown) says; of a
/// probe no values of headers, no query, and of a command the program alone.
///
/// # Errors
/// When the resource cannot be written as JSON.
pub fn shown(resource: &Resource) -> serde_json::Result<Value> {
    match resource {
        Resource::Secret(secret) => Ok(sizes(secret)),
        Resource::Configuration(configuration) => {
            let mut value = serde_json::to_value(resource)?;
            for (key, object) in configuration.objects() {
                cut(object, &mut value["data"][key.as_str()]);
            }
            Ok(value)
        }
        Resource::Application(application) => {
            let mut value = serde_json::to_value(resource)?;
            cut_probes(application, &mut value);
            Ok(value)
        }
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

/// Takes from an object as JSON what may hold secrets.
fn cut(object: &Object, value: &mut Value) {
    value["url"] = object.url.shown().into();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("token");
    }
    for name in object.headers.keys() {
        value["headers"][name] = CUT.into();
    }
}

/// Takes from an application as JSON what its probes may prove themselves by.
fn cut_probes(application: &Application, value: &mut Value) {
    for (list, services) in [
        ("initServices", &application.init_services),
        ("services", &application.services),
    ] {
        for (index, service) in services.iter().enumerate() {
            for (name, probe) in [
                ("startupProbe", &service.startup_probe),
                ("livenessProbe", &service.liveness_probe),
                ("readinessProbe", &service.readiness_probe),
            ] {
                if let Some(probe) = probe {
                    cut_probe(probe, &mut value[list][index][name]);
                }
            }
        }
    }
}

fn cut_probe(probe: &Probe, value: &mut Value) {
    match &probe.check {
        Check::Http(get) => {
            value["httpGet"]["path"] = get.shown_path().into();
            for index in 0..get.http_headers.len() {
                value["httpGet"]["httpHeaders"][index]["value"] = CUT.into();
            }
        }
        Check::Exec(exec) => {
            for index in 1..exec.command.len() {
                value["exec"]["command"][index] = CUT.into();
            }
        }
        Check::Tcp(_) => {}
    }
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
    fn of_an_object_nothing_secret_is_shown_and_everything_else_is() {
        let text = r#"{"kind":"configuration","name":"weather","data":{"a":{"url":"https://u:hush@h/a?sig=hush",
            "token":"hush","headers":{"authorization":"hush"},"size":7},"b":"text"}}"#;
        let shown = shown(&resource(text)).unwrap();
        let object = json!({"url": "https://…@h/a?…", "headers": {"authorization": "…"}, "size": 7});
        assert_eq!(shown["data"], json!({"a": object, "b": "text"}));
    }

    #[test]
    fn of_a_probe_nothing_secret_is_shown_and_everything_else_is() {
        let text = r#"{"kind":"application","name":"shop",
            "initServices":[{"name":"first","programConfig":"pp","livenessProbe":{"exec":{"command":["redis-cli","-a","hush"]}}}],
            "services":[{"name":"web","programConfig":"pp","readinessProbe":{"httpGet":{"path":"/ready?token=hush","port":80,
                "httpHeaders":[{"name":"authorization","value":"hush"}]}},"startupProbe":{"tcpSocket":{"port":80}}}]}"#;
        let shown = shown(&resource(text)).unwrap();
        assert_eq!(
            shown["initServices"][0]["livenessProbe"]["exec"],
            json!({"command": ["redis-cli", "…", "…"]})
        );
        let get = json!({"path": "/ready?…", "port": 80, "httpHeaders": [{"name": "authorization", "value": "…"}]});
        assert_eq!(shown["services"][0]["readinessProbe"]["httpGet"], get);
        assert!(!shown.to_string().contains("hush"), "{shown}");
    }
}
