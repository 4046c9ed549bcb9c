//! Texts with places for variables, as Go's templates write them: `{{.NAME}}`, and ``{{`{{`}}`` for the braces
//! themselves. Pure.

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A place in a text that cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No end.
    #[error(
        "line {line}: `{{{{` has no `}}}}` on its line: write {{{{.NAME}}}}, or {{{{`{{{{`}}}} for the braces themselves"
    )]
    Open {
        /// From 1.
        line: usize,
    },
    /// Something else between the braces.
    #[error(
        "line {line}: `{{{{{found}}}}}` is no variable: write {{{{.NAME}}}}, or {{{{`{{{{`}}}} for the braces themselves"
    )]
    NoVariable {
        /// From 1.
        line: usize,
        /// What stands between the braces.
        found: String,
    },
    /// The instance has no such variable.
    #[error("line {line}: the instance has no variable `{name}`")]
    Unknown {
        /// From 1.
        line: usize,
        /// Its name.
        name: String,
    },
}

/// The text with every variable's value in its place.
///
/// # Errors
/// The first place that cannot be filled: nothing is left as it is in a text that is said to be a template.
pub fn fill_template<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        filled.push_str(before);
        let at = text.len() - behind.len();
        let line = text[..at].matches('\n').count() + 1;
        let (place, length) = place(behind).ok_or(TemplateError::Open { line })?;
        match place {
            Place::Raw(raw) => filled.push_str(raw),
            Place::Variable(name) => filled.push_str(value(name).ok_or_else(|| TemplateError::Unknown {
                line,
                name: name.to_owned(),
            })?),
            Place::Other(found) => {
                let found = found.to_owned();
                return Err(TemplateError::NoVariable { line, found });
            }
        }
        rest = &behind[length..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Whether every place of a text can be filled, provided that the instance has its variables.
pub(crate) fn check(text: &str) -> Result<(), TemplateError> {
    fill_template(text, |_| Some("")).map(drop)
}

enum Place<'t> {
    Variable(&'t str),
    Raw(&'t str),
    Other(&'t str),
}

/// What stands between the braces, and how long it is with the closing ones.
fn place(behind: &str) -> Option<(Place<'_>, usize)> {
    if let Some(found) = raw(behind) {
        return Some(found);
    }
    let (inside, _) = behind.split_once(CLOSE).filter(|(inside, _)| !inside.contains('\n'))?;
    let name = inside.trim_matches(is_blank).strip_prefix('.');
    let place = match name.filter(|name| is_name(name)) {
        Some(name) => Place::Variable(name),
        None => Place::Other(inside),
    };
    Some((place, inside.len() + CLOSE.len()))
}

/// Text in backquotes, which may hold whatever else.
fn raw(behind: &str) -> Option<(Place<'_>, usize)> {
    let (raw, rest) = behind.trim_start_matches(is_blank).strip_prefix('`')?.split_once('`')?;
    let rest = rest.trim_start_matches(is_blank).strip_prefix(CLOSE)?;
    Some((Place::Raw(raw), behind.len() - rest.len()))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit()) && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, TemplateError> {
        fill_template(text, |name| match name {
            "PORT" => Some("50200"),
            "UNIT_2" => Some("{{.PORT}}"),
            _ => None,
        })
    }

    proptest! {
        #[test]
        fn a_text_without_double_braces_is_left_as_it_is(text in any::<String>()) {
            let text = text.replace('{', "{ ");
            prop_assert_eq!(filled(&text), Ok(text));
        }

        /// Whatever stands around it and within: a place is filled, or the text refused.
        #[test]
        fn no_place_is_left_unfilled(pieces in prop::collection::vec(prop_oneof![
            Just("{{"), Just("}}"), Just(".PORT"), Just(" "), Just("\n"), Just("{"), Just("é"), Just("{{.PORT}}")
        ], 0..12)) {
            if let Ok(filled) = filled(&pieces.concat()) {
                prop_assert!(!filled.contains("{{"), "{}", filled);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}`. A-Z\n]{0,40}") {
            drop(filled(&text));
        }

        #[test]
        fn every_text_can_be_written_raw(text in "[^`]*") {
            prop_assert_eq!(filled(&format!("{{{{`{text}`}}}}")), Ok(text));
        }
    }

    #[test]
    fn variables_are_put_in_with_or_without_blanks_and_only_once() {
        for (text, result) in [
            ("port: {{.PORT}}\n", "port: 50200\n"),
            ("{{ .PORT\t}}{{.PORT}}", "5020050200"),
            ("a{{.UNIT_2}}b", "a{{.PORT}}b"),
            ("{{`{{`}}.PORT}}", "{{.PORT}}"),
            ("{{ `{{.PORT}}` }}", "{{.PORT}}"),
            ("{ {.PORT}} }}", "{ {.PORT}} }}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_told_with_its_line() {
        for (text, told) in [
            ("a\nb {{.NOPE}}", "line 2: the instance has no variable `NOPE`"),
            (
                "{{if .PORT}}",
                "line 1: `{{if .PORT}}` is no variable: write {{.NAME}}, or {{`{{`}} for the braces themselves",
            ),
            ("{{PORT}}", "line 1: `{{PORT}}` is no variable"),
            ("{{.2}}", "line 1: `{{.2}}` is no variable"),
            ("\n\n{{.PORT\n}}", "line 3: `{{` has no `}}` on its line"),
            ("{{", "line 1: `{{` has no"),
            ("{{{.PORT}}}", "line 1: `{{{.PORT}}` is no variable"),
        ] {
            let error = filled(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
