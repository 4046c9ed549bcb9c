//! What is secret, and where it is never shown.

use super::*;

#[test]
fn an_error_in_a_secret_never_shows_it() {
    for (value, part) in [
        ("4711", "expected text in base64"),
        ("\"4711!\"", "not base64"),
        ("[4711]", "in base64"),
    ] {
        let text = format!(r#"[{{"kind": "secret", "name": "cert", "data": {{"pin": {value}}}}}]"#);
        let found = refusal(&text);
        assert!(
            found.starts_with("f.json: [0].data.pin: ") && found.contains(part),
            "{found}"
        );
        assert!(!found.contains("4711"), "{found}");
    }
}

#[test]
fn a_registry_becomes_a_secret_and_is_nowhere_shown() {
    let text = r#"[{"name": "reg-a", "address": "r.example.net", "username": "u", "password": "c4nary", "more": 1}]"#;
    let found = import("f.json", text).unwrap();
    let [Resource::Secret(registry)] = &found.resources[..] else {
        panic!("{found:?}")
    };
    assert_eq!(registry.data["password"].0, b"c4nary");
    assert_eq!(registry.kind(), Ok(Some(aerolith_model::SecretType::Registry)));
    assert!(!format!("{found:?}").contains("c4nary"), "{found:?}");
    let wrong = refusal(&text.replace(r#""c4nary""#, "4711"));
    assert!(
        wrong.starts_with("f.json: [0].password: ") && !wrong.contains("4711"),
        "{wrong}"
    );
    let lacks = r#"{"name": "reg", "labels": {"secret-type": "registry"}, "data": {"address": "cg=="}}"#;
    assert!(refusal(lacks).starts_with("f.json: data: ") && refusal(lacks).contains("`username` is missing"));
    let app = r#"{"name": "weather", "registries": [{"name": "reg-a", "password": "c4nary"}], "services": []}"#;
    assert!(!format!("{:?}", import("f.json", app).unwrap()).contains("c4nary"));
}
