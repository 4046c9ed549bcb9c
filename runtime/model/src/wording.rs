//! What readers of text say of a wrong value, in words for who wrote it: no names of types, no terms of the parser.

/// A message of serde's about a value, such as ``invalid type: integer `3`, expected a string``, in words for people. Any
/// other message stays as it is.
#[must_use]
pub fn reworded(message: &str) -> String {
    let (told, place) = match message.rfind(" at line ") {
        Some(end) => message.split_at(end),
        None => (message, ""),
    };
    let kinds = ["invalid type: ", "invalid value: "];
    let wrong = kinds.iter().find_map(|kind| told.strip_prefix(kind));
    match wrong.and_then(|wrong| wrong.split_once(", expected ")) {
        Some((found, wanted)) => format!("{}{place}", mismatch(wanted, &unexpected(found))),
        None if told == "invalid IP address syntax" => format!("expected an IP address, such as 127.0.0.1{place}"),
        None => message.to_owned(),
    }
}

/// That something was wanted and another thing found.
pub(crate) fn mismatch(wanted: &str, found: &str) -> String {
    format!("expected {}, found {found}", expected(wanted))
}

/// What is wanted, by the name that a reader has for it.
fn expected(wanted: &str) -> String {
    match wanted.trim_start_matches("a ").trim_start_matches("an ") {
        "boolean" | "bool" => "true or false".to_owned(),
        "floating point" | "f32" | "f64" => "a number".to_owned(),
        "string scalar" | "scalar" => "a single value".to_owned(),
        "string" | "borrowed string" => "a text".to_owned(),
        "sequence start" | "sequence" => "a list".to_owned(),
        "mapping start" | "map" => "a map with keys".to_owned(),
        structure if structure.starts_with("struct ") => "a map with keys".to_owned(),
        other => whole_number(other).unwrap_or_else(|| wanted.to_owned()),
    }
}

/// The whole numbers that a type holds.
fn whole_number(name: &str) -> Option<String> {
    let (least, name) = match name.strip_prefix("nonzero ") {
        Some(name) => (1, name),
        None => (0, name),
    };
    let most = match name {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        "u64" | "usize" => u64::MAX,
        "i32" | "i64" => return Some("a whole number".to_owned()),
        _ => return None,
    };
    Some(format!("a whole number from {least} to {most}"))
}

/// What was found, by the words that serde has for it. A text may be meant to be a secret, and is not shown.
fn unexpected(found: &str) -> String {
    let value = || found.split('`').nth(1).map(str::to_owned);
    let (kind, _) = found.split_once([' ', '`']).unwrap_or((found, ""));
    match kind {
        "integer" | "floating" | "boolean" => value().unwrap_or_else(|| found.to_owned()),
        "string" | "character" => "a text".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        "unit" | "null" | "Option" => "nothing".to_owned(),
        _ => found.to_owned(),
    }
}

/// What stands in a text for one value, as it is shown: numbers as they are, all else in quotes.
pub(crate) fn scalar(text: &str) -> String {
    let text = text.trim();
    let inside = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match inside('"').or_else(|| inside('\'')) {
        Some(quoted) => format!("\"{quoted}\""),
        None if matches!(text, "" | "~" | "null") => "nothing".to_owned(),
        None if text.parse::<f64>().is_ok() => text.to_owned(),
        None => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_told_without_names_of_types() {
        for (message, told) in [
            (
                "invalid type: integer `3`, expected a string",
                "expected a text, found 3",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u16",
                "expected a whole number from 1 to 65535, found 0",
            ),
            (
                "invalid type: string \"hush\", expected u32",
                "expected a whole number from 0 to 4294967295, found a text",
            ),
            (
                "invalid type: null, expected struct View at line 1 column 2",
                "expected a map with keys, found nothing at line 1 column 2",
            ),
            (
                "invalid type: map, expected the name of a service",
                "expected the name of a service, found a map",
            ),
            ("missing field `name`", "missing field `name`"),
        ] {
            assert_eq!(reworded(message), told);
        }
    }

    #[test]
    fn numbers_are_shown_as_they_are_and_all_else_in_quotes() {
        for (text, shown) in [
            ("99999", "99999"),
            ("-1", "-1"),
            ("two", "\"two\""),
            ("'a b'", "\"a b\""),
            ("\"3\"", "\"3\""),
            ("~", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(scalar(text), shown);
        }
    }
}
