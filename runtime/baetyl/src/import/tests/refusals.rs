//! What is refused, and how it is named.

use proptest::prelude::*;

use super::*;

#[test]
fn a_missing_field_is_named_at_its_resource() {
    assert_eq!(refusal(r#"[{"services": []}]"#), "f.json: [0]: missing field `name`");
    assert_eq!(refusal(r#"{"services": []}"#), "f.json: .: missing field `name`");
    let nameless = r#"{"name": "weather", "services": [{"image": "a"}]}"#;
    assert_eq!(refusal(nameless), "f.json: services[0]: missing field `name`");
}

#[test]
fn a_duplicate_key_is_refused_by_name_in_every_form() {
    let item = r#"{"key": "a.txt", "value": {"type": "kv", "value": "x"}}"#;
    let list = refusal(&format!(r#"{{"name": "conf", "data": [{item}, {item}]}}"#));
    assert_eq!(
        list,
        "f.json: data[1]: key `a.txt` stands twice: rename or remove one of them"
    );
    let map = refusal("{\"name\": \"conf\", \"data\": {\"a.txt\": \"x\",\n \"a.txt\": \"y\"}}");
    assert!(map.starts_with("f.json:2:2: duplicate key `a.txt`"), "{map}");
    let object = r#"{"name": "conf", "data": {"a": "x", "_object_a": "{\"url\":\"https://h/a\"}"}}"#;
    assert!(refusal(object).contains("key `a` stands twice"));
}

#[test]
fn known_fields_are_strict_and_named_by_their_path() {
    for (text, path, part) in [
        (
            APPLICATION.replace(r#""replica": 1"#, r#""replica": "1""#),
            "services[0].replica",
            "a whole number from 0 to 4294967295, found a text",
        ),
        (
            APPLICATION.replace(r#""agent""#, r#""Agent""#),
            "services[0].name",
            "not a valid service name",
        ),
        (
            APPLICATION.replace(r#""native""#, r#""swarm""#),
            "mode",
            "unknown variant `swarm`",
        ),
        (
            APPLICATION.replace(r#""container""#, r#""helm""#),
            "type",
            "application type `helm` is not supported",
        ),
        (
            APPLICATION.replace(r#""name": "conf", "mountPath""#, r#""name": "cnf", "mountPath""#),
            "services[0].volumeMounts[0].name",
            "volume `cnf`",
        ),
        (
            PACKAGE.replace(r#""type": "kv""#, r#""type": "kw""#),
            "data[2].value.type",
            "unknown variant `kw`",
        ),
        (
            PACKAGE.replace("https://f.example.net/b.zip", ""),
            "data[1].value",
            "`url` is missing",
        ),
        (
            PACKAGE.replace("0123456789abcdef0123456789abcdef", "0123"),
            "data[0].value",
            "32 hexadecimal digits",
        ),
        (
            PACKAGE.replace("notes.txt", "_object_x"),
            "data[2].key",
            "not beginning with `_object_`",
        ),
        (
            r#"{"name": "conf", "data": {"a": 5}}"#.to_owned(),
            "data.a",
            "expected text, found 5",
        ),
        (
            r#"{"name": "conf", "data": {"a": null}}"#.to_owned(),
            "data.a",
            "expected text, found null",
        ),
        (
            r#"{"name": "conf", "data": {"_object_a": "nonsense"}}"#.to_owned(),
            "data._object_a",
            "not a JSON object",
        ),
        (
            r#"{"name": "pp", "labels": {"baetyl-config-type": "baetyl-program"}, "data": {"program.yml": "entrie: x"}}"#
                .to_owned(),
            "data.program.yml",
            "unknown key `entrie`",
        ),
        (r#"{"name": "my-baetyl", "data": {}}"#.to_owned(), "name", "reserved"),
        (format!("[{PACKAGE}, {{\"x\": 1}}]"), "[1]", "found keys x"),
        (
            format!("[{PACKAGE}, {PACKAGE}]"),
            "[1]",
            "configuration `weather-agent` stands twice",
        ),
        (
            r#"{"kind": "node", "value": {}}"#.to_owned(),
            ".",
            "kind `node` is unknown",
        ),
    ] {
        let found = refusal(&text);
        assert!(
            found.starts_with(&format!("f.json: {path}: ")) && found.contains(part),
            "{path}: {found}"
        );
    }
}

#[test]
fn what_is_wrong_has_line_and_column() {
    let text = "[\n {\"name\": \"weather\", \"services\": [\n   {\"name\": \"aa\", \"image\": \"a\",\n    \"replica\": \"1\"}]}]";
    let found = import("f.json", text).unwrap_err().to_string();
    assert!(found.starts_with("f.json:4:16: [0].services[0].replica: "), "{found}");
    let text = text
        .replace("\"1\"", "1, \"dependsOn\": []")
        .replace("\"image\": \"a\",", "");
    let found = import("f.json", &text.replace("\"image\"", "\"x\""))
        .unwrap_err()
        .to_string();
    assert!(found.starts_with("f.json:3:4: [0].services[0]: "), "{found}");
}

#[test]
fn broken_text_is_refused_with_line_and_column() {
    let found = refusal("{\"name\": \"conf\",\n  \"data\": \"x}");
    assert!(found.starts_with("f.json:2:"), "{found}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9 \n]{0,60}") {
        let _ = (is_baetyl(&text), import("f.json", &text));
    }

    #[test]
    fn damaging_a_field_never_panics_and_never_loses_a_resource(at in 0_usize..APPLICATION.len(), byte in 32_u8..127) {
        let mut damaged = APPLICATION.as_bytes().to_vec();
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).unwrap();
        if let Ok(found) = import("f.json", &damaged) {
            prop_assert_eq!(found.resources.len(), 1);
        }
    }
}
