//! Splitting a YAML stream into its documents.

use crate::yaml::Piece;

/// The documents of a stream that hold more than blanks and comments. A line that begins with `---` or `...` and then
/// ends or goes on with a blank is a document marker wherever it stands (YAML 1.2.2, 9.1.2: `c-forbidden`), even
/// inside a block or quoted scalar, so no parser is needed to find it.
pub(crate) fn documents<'a>(source_name: &'a str, text: &'a str) -> Vec<Piece<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pieces = Vec::new();
    let (mut start, mut lines_before, mut at, mut line) = (0, 0, 0, 0);
    for full in text.split_inclusive('\n') {
        if is_marker(full) {
            pieces.push(Piece {
                source_name,
                text: &text[start..at],
                lines_before,
            });
            (start, lines_before) = if full.starts_with("---") {
                (at, line)
            } else {
                (at + full.len(), line + 1)
            };
        }
        at += full.len();
        line += 1;
    }
    pieces.push(Piece {
        source_name,
        text: &text[start..],
        lines_before,
    });
    pieces.retain(|piece| !is_empty(piece.text));
    pieces
}

fn is_marker(line: &str) -> bool {
    ["---", "..."].iter().any(|marker| {
        line.strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    })
}

fn is_empty(document: &str) -> bool {
    let body = document.strip_prefix("---").unwrap_or(document);
    body.lines()
        .map(str::trim_start)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u64, &str)> {
        documents("x", text)
            .into_iter()
            .map(|piece| (piece.lines_before, piece.text))
            .collect()
    }

    #[test]
    fn documents_keep_their_first_line() {
        assert_eq!(split("a: 1\n---\nb: 2\n"), [(0, "a: 1\n"), (1, "---\nb: 2\n")]);
        assert_eq!(
            split("---\na: 1\n...\n---\nb: 2"),
            [(0, "---\na: 1\n"), (3, "---\nb: 2")]
        );
        assert_eq!(
            split("--- {a: 1}\r\n---\r\nb: 2"),
            [(0, "--- {a: 1}\r\n"), (1, "---\r\nb: 2")]
        );
    }

    #[test]
    fn blanks_and_comments_alone_are_no_document() {
        assert!(split("").is_empty());
        assert!(split("\u{feff}# nothing\n---\n  # here\n...\n").is_empty());
    }

    #[test]
    fn dashes_that_go_on_or_are_indented_are_text() {
        assert_eq!(split("a: |\n  ---\n  x\n---- b\n").len(), 1);
    }
}
