//! The text of a file turned into resources: our YAML, or one of Baetyl's forms.

use aerolith_baetyl::{ImportError, import, is_baetyl};
use aerolith_model::{ParseError, Resource, parse};

use crate::failure::{Failure, Reason};

/// What a text holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// In the order of the text.
    pub resources: Vec<Resource>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Reads a text, whichever of the two it is. `source_name` is what errors call it.
///
/// # Errors
/// What is wrong with it, beginning `source:line:column:`; a text without any resource is wrong too.
pub fn read(source_name: &str, text: &str) -> Result<Document, Failure> {
    let document = parsed(source_name, text)?;
    if document.resources.is_empty() {
        let hint = "begin each document with `kind:` and one of application, configuration or secret";
        return Err(Failure::invalid(format!("{source_name}:1:1: there is no resource in it")).hint(hint));
    }
    Ok(document)
}

/// Reads a text that is all that shall be. An empty one deletes everything: that must be meant.
pub(crate) fn read_whole(source_name: &str, text: &str, may_be_empty: bool) -> Result<Document, Failure> {
    let document = parsed(source_name, text)?;
    if document.resources.is_empty() && !may_be_empty {
        let what = format!("{source_name}:1:1: there is no resource in it, so that everything would be deleted");
        return Err(Failure::invalid(what).hint("if that is meant, say `--allow-empty` (`allowEmpty=true`)"));
    }
    Ok(document)
}

/// Bytes of a text that are read in a moment.
const SMALL: usize = 64 << 10;

/// Reads a text of a request, a large one on a thread for that: nobody else is to wait for it.
pub(crate) async fn apart(
    source_name: &str,
    text: String,
    read: impl FnOnce(&str, &str) -> Result<Document, Failure> + Send + 'static,
) -> Result<Document, Failure> {
    if text.len() <= SMALL {
        return read(source_name, &text);
    }
    let name = source_name.to_owned();
    let document = tokio::task::spawn_blocking(move || read(&name, &text)).await;
    let lost = |error| {
        Failure::new(
            Reason::Internal,
            format!("{source_name}: it was not read to its end: {error}"),
        )
    };
    document.map_err(lost)?
}

fn parsed(source_name: &str, text: &str) -> Result<Document, Failure> {
    Ok(if is_baetyl(text) {
        let import = import(source_name, text).map_err(|error| match error {
            ImportError::Text(error) => located(error),
            content @ ImportError::Content { .. } => Failure {
                hint: content.hint(),
                ..Failure::invalid(content.to_string())
            },
        })?;
        let warnings = import.warnings.iter().map(|w| format!("{source_name}: {w}")).collect();
        Document {
            resources: import.resources,
            warnings,
        }
    } else {
        Document {
            resources: parse(source_name, text).map_err(located)?,
            warnings: Vec::new(),
        }
    })
}

fn located(error: ParseError) -> Failure {
    let ParseError {
        source_name,
        line,
        column,
        message,
        hint,
    } = error;
    let failure = Failure::invalid(format!("{source_name}:{line}:{column}: {message}"));
    Failure { hint, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_yaml_and_baetyls_json_give_the_same_resource() {
        let ours = read("a.yml", "kind: configuration\nname: weather\ndata: {a: b}\n").unwrap();
        let theirs = r#"{"name":"weather","data":[{"key":"a","value":{"type":"kv","value":"b"}}]}"#;
        let theirs = read("a.json", theirs).unwrap();
        assert_eq!(ours.resources, theirs.resources);
    }

    #[test]
    fn what_is_wrong_is_located_and_the_hint_stands_apart() {
        let error = read("a.yml", "kind: secret\nname: cert\nlables: {}\n").unwrap_err();
        assert_eq!(error.message, "a.yml:3:1: unknown key `lables`");
        assert_eq!(error.hint.unwrap(), "did you mean `labels`?");
    }

    /// A text with a comment that makes it so many bytes.
    fn long(text: &str, bytes: usize) -> String {
        text.to_owned() + &"#".repeat(bytes - text.len())
    }

    #[tokio::test]
    async fn a_large_text_is_read_where_nobody_waits_for_it() {
        let here = std::thread::current().id();
        for (bytes, is_here) in [(SMALL, true), (SMALL + 1, false)] {
            let text = long("kind: configuration\nname: weather\n", bytes);
            let read = move |source: &str, text: &str| {
                assert_eq!(std::thread::current().id() == here, is_here);
                read(source, text)
            };
            let document = apart("a.yml", text, read).await.unwrap();
            assert_eq!(document.resources[0].name(), "weather");
        }
        let error = apart("a.yml", long("kind: nothing\n", SMALL + 1), read)
            .await
            .unwrap_err();
        assert!(error.message.starts_with("a.yml:1:"), "{}", error.message);
    }

    #[test]
    fn a_document_that_does_not_say_what_it_is_is_asked_for_its_kind() {
        let error = read("a.yml", "name: weather\nversion: v1\n").unwrap_err();
        assert_eq!(error.message, "a.yml:1:1: `kind` is missing");
        assert!(
            error
                .hint
                .unwrap()
                .contains("one of application, configuration or secret")
        );
    }

    #[test]
    fn a_key_of_baetyl_in_a_document_with_a_kind_is_told_why_it_is_unknown() {
        for key in ["namespace: x", "metadata: {}"] {
            let error = read("a.yml", &format!("kind: configuration\nname: conf\n{key}\n")).unwrap_err();
            assert!(error.message.starts_with("a.yml:3:1: unknown key"), "{error}");
            assert!(
                error
                    .hint
                    .unwrap()
                    .contains("leave `kind` away if the document is Baetyl's JSON")
            );
        }
    }

    #[test]
    fn a_text_without_a_resource_is_wrong() {
        assert!(
            read("a.yml", "# nothing\n")
                .unwrap_err()
                .message
                .starts_with("a.yml:1:1: ")
        );
    }
}
