//! `program.yml`: which file of a package is the program.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::yaml::{ParseError, Piece, utf8};

/// The manifest of a program package (Baetyl v2, `program.yml`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramManifest {
    entry: String,
    source_name: String,
    /// Line and column at which the entry stands.
    at: (u64, u64),
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    /// The program: a file of the package, relative to `program.yml`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "String",
            regex(pattern = r"^(?![/\\])(?![a-zA-Z]:)(?!(.*[/\\])?\.\.([/\\]|$))(?!(.*[/\\])?\.?$)[^\x00-\x1f\x7f]+$")
        )
    )]
    entry: Spanned<String>,
}

impl ProgramManifest {
    /// What its file is called, at the root of a package (Baetyl v2).
    pub const FILE: &'static str = "program.yml";
    /// Bytes that it may have (ours).
    pub const MOST_BYTES: u64 = 64 << 10;

    /// Reads the bytes of a `program.yml`, as [`ProgramManifest::parse`] reads its text.
    ///
    /// # Errors
    /// Also bytes that are no UTF-8, with line and column of the first.
    pub fn read(source_name: &str, bytes: &[u8]) -> Result<Self, ParseError> {
        Self::parse(source_name, utf8(source_name, bytes)?)
    }

    /// Reads a `program.yml`; a byte order mark and Windows line ends are accepted. `source_name` is what errors call
    /// the text.
    ///
    /// # Errors
    /// Bad YAML, unknown, duplicate or missing keys, and an entry that is empty, absolute or climbs out of the
    /// package, with line and column.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, ParseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let piece = Piece {
            source_name,
            text,
            lines_before: 0,
        };
        let Raw { entry } = piece.read()?;
        let at = entry.referenced;
        let manifest = Self {
            entry: entry.value,
            source_name: source_name.to_owned(),
            at: (at.line(), at.column()),
        };
        match refusal(&manifest.entry) {
            None => Ok(manifest),
            Some(reason) => Err(manifest.refused(reason)),
        }
    }

    /// The error of an entry that cannot be used; the reason goes on behind the entry.
    #[must_use]
    pub fn refused(&self, reason: &str) -> ParseError {
        let (line, column) = self.at;
        ParseError {
            source_name: self.source_name.clone(),
            line,
            column,
            message: format!("entry `{}` {reason}", self.entry),
            hint: Some("name a file of the package, relative to program.yml, such as `bin/app`".to_owned()),
        }
    }

    /// Path of the program relative to `program.yml`, as written: never absolute, never climbing.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.entry
    }
}

/// Both separators and drive letters count on every platform: a package may be made on one and run on another.
fn refusal(entry: &str) -> Option<&'static str> {
    let is_separator = |c: char| matches!(c, '/' | '\\');
    let names_drive = entry.as_bytes().get(1) == Some(&b':') && entry.starts_with(|c: char| c.is_ascii_alphabetic());
    let names_file = entry
        .rsplit(is_separator)
        .next()
        .is_some_and(|last| !matches!(last, "" | "."));
    match () {
        () if entry.is_empty() => Some("is empty"),
        () if entry.chars().any(char::is_control) => Some("holds a control character"),
        () if entry.starts_with(is_separator) || names_drive => Some("is absolute"),
        () if entry.split(is_separator).any(|part| part == "..") => Some("climbs out of the package"),
        () if !names_file => Some("names a folder"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> Result<String, String> {
        let parsed = ProgramManifest::parse("program.yml", text);
        parsed
            .map(|manifest| manifest.entry().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_usual_forms_are_read() {
        for text in [
            "entry: bin/app",
            "entry: \"bin/app\"\n",
            "\u{feff}entry: 'bin/app'\r\n",
            "---\nentry: bin/app\n",
        ] {
            assert_eq!(entry(text).unwrap(), "bin/app", "{text:?}");
        }
        assert_eq!(entry("entry: ./run.sh").unwrap(), "./run.sh");
    }

    #[test]
    fn an_entry_outside_the_package_is_refused_with_its_place() {
        for (path, reason) in [
            ("/bin/sh", "is absolute"),
            ("\\\\host\\x", "is absolute"),
            ("C:\\x.exe", "is absolute"),
            ("../x", "climbs"),
            ("a/../../x", "climbs"),
            ("a\\..\\x", "climbs"),
            ("bin/", "names a folder"),
            (".", "names a folder"),
            ("", "is empty"),
        ] {
            let error = entry(&format!("# program\nentry: '{path}'\n")).unwrap_err();
            assert!(
                error.starts_with("program.yml:2:8: ") && error.contains(reason),
                "{path}: {error}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_refused_with_line_and_column() {
        for (bytes, place) in [
            (&b"\xff\xfee\0n\0"[..], "program.yml:1:1: the byte 0xff"),
            (b"\xef\xbb\xbfentry: caf\xe9", "program.yml:1:11: the byte 0xe9"),
            (b"# \xc3\xbc\r\nentry: \xc3\xbc\x80\n", "program.yml:2:9: the byte 0x80"),
        ] {
            let error = ProgramManifest::read("program.yml", bytes).unwrap_err().to_string();
            assert!(error.starts_with(place), "{error}");
        }
        let read = ProgramManifest::read("program.yml", b"\xef\xbb\xbfentry: a\r\n").unwrap();
        assert_eq!(read.entry(), "a");
    }

    #[test]
    fn bombs_of_aliases_and_of_brackets_are_refused_with_line_and_column_before_they_grow() {
        let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            aliases.push_str(&format!("a{n}: &a{n} [{}]\n", [before.as_str(); 9].join(", ")));
        }
        for (what, text) in [
            ("aliases", aliases + "entry: *a11\n"),
            ("brackets", "[".repeat(100_000)),
            ("braces", "entry: ".to_owned() + &"{a: ".repeat(100_000)),
            (
                "closed brackets",
                format!("entry: {}{}", "[".repeat(50_000), "]".repeat(50_000)),
            ),
            ("dashes", "- ".repeat(100_000)),
        ] {
            let error = entry(&text).expect_err(what);
            let place = error.strip_prefix("program.yml:").unwrap_or_default();
            assert!(place.starts_with(|c: char| c.is_ascii_digit()), "{what}: {error}");
            assert!(error.len() < 1000, "{what}: an error of {} bytes", error.len());
        }
    }

    #[test]
    fn missing_unknown_and_duplicate_keys_are_refused() {
        for (text, part) in [
            ("", "program.yml:1:1: unexpected end of input"),
            ("{}", "`entry` is missing"),
            ("entrypoint: a\n", "program.yml:1:1: unknown key `entrypoint`"),
            ("entry: a\nentry: b\n", "program.yml:2:1: duplicate key `entry`"),
            ("entry: a\nargs: b\n", "program.yml:2:1: unknown key `args`"),
            ("entry: [a]\n", "program.yml:1:8: "),
            ("entry:\n", "program.yml:1:"),
            ("entry: a\n---\nentry: b\n", "program.yml:"),
        ] {
            let error = entry(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_entry_never_leaves_its_folder(path in "[a./\\\\:]{0,8}") {
            if let Ok(accepted) = entry(&format!("entry: '{path}'\n")) {
                let joined = std::path::Path::new("/package").join(&accepted);
                prop_assert!(joined.starts_with("/package"));
                prop_assert!(!joined.components().any(|part| part == std::path::Component::ParentDir));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = entry(&text);
        }
    }
}
