use std::fmt;

use crate::{Limits, Rule};

/// A path that stays inside its tree: relative, at least one name, no `..`, no `.`, no empty name, names of at most
/// 255 bytes, joined with `/`. The only way to make one is [`EntryPath::parse`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryPath(String);

impl EntryPath {
    /// Reads a path as archives write it. `./` in front, doubled slashes and a slash at the end are common in honest
    /// archives and fall away; everything that could lead out, here or on Windows, is refused.
    pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Self, Rule> {
        check_text(text)?;
        let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        if names.is_empty() {
            return Err(Rule::EmptyName);
        }
        if names.contains(&"..") {
            return Err(Rule::Climbs);
        }
        if let Some(name) = names.iter().find(|name| name.len() > 255) {
            return Err(Rule::NameTooLong { found: name.len() });
        }
        if names.len() > limits.max_depth {
            return Err(Rule::TooDeep {
                found: names.len(),
                limit: limits.max_depth,
            });
        }
        let path = names.join("/");
        if path.len() > limits.max_path {
            return Err(Rule::PathTooLong {
                found: path.len(),
                limit: limits.max_path,
            });
        }
        Ok(EntryPath(path))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders above, outermost first.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = EntryPath> + '_ {
        self.0
            .match_indices('/')
            .map(|(end, _)| EntryPath(self.0[..end].to_owned()))
    }
}

impl std::borrow::Borrow<str> for EntryPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_text(text: &str) -> Result<(), Rule> {
    if text.contains('\0') {
        return Err(Rule::NulInName);
    }
    if text.contains('\\') {
        return Err(Rule::Backslash);
    }
    if text.starts_with('/') {
        return Err(Rule::Absolute);
    }
    let trimmed = text.trim_start_matches("./").as_bytes();
    if trimmed.first().is_some_and(u8::is_ascii_alphabetic) && trimmed.get(1) == Some(&b':') {
        return Err(Rule::Drive);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<String, Rule> {
        EntryPath::parse(text, &Limits::default()).map(|path| path.to_string())
    }

    #[test]
    fn an_honest_path_is_kept_and_its_noise_falls_away() {
        for (text, path) in [
            ("bin/app", "bin/app"),
            ("./a//b/./c/", "a/b/c"),
            ("...", "..."),
            ("日本/ü", "日本/ü"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(path));
        }
    }

    #[test]
    fn a_path_that_could_lead_out_is_refused_with_its_rule() {
        for (text, rule) in [
            ("", Rule::EmptyName),
            (".", Rule::EmptyName),
            ("././", Rule::EmptyName),
            ("..", Rule::Climbs),
            ("a/../b", Rule::Climbs),
            ("a/..", Rule::Climbs),
            ("/etc/passwd", Rule::Absolute),
            ("//server/share", Rule::Absolute),
            (r"\\server\share", Rule::Backslash),
            (r"a\..\b", Rule::Backslash),
            ("C:/x", Rule::Drive),
            ("./c:x", Rule::Drive),
            ("a\0b", Rule::NulInName),
        ] {
            assert_eq!(parse(text), Err(rule), "{text:?}");
        }
    }

    #[test]
    fn length_and_depth_are_bounded() {
        assert_eq!(parse(&"n".repeat(256)), Err(Rule::NameTooLong { found: 256 }));
        assert!(parse(&"n".repeat(255)).is_ok());
        assert_eq!(parse(&"d/".repeat(2000)), Err(Rule::TooDeep { found: 2000, limit: 64 }));
        let long = ["n".repeat(200).as_str(); 6].join("/");
        assert_eq!(
            parse(&long),
            Err(Rule::PathTooLong {
                found: 1205,
                limit: 1024
            })
        );
    }

    #[test]
    fn the_folders_above_come_outermost_first() {
        let path = EntryPath::parse("a/b/c", &Limits::default()).unwrap();
        assert_eq!(
            path.ancestors().map(|p| p.to_string()).collect::<Vec<_>>(),
            ["a", "a/b"]
        );
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_inside_and_parses_to_itself(text in r"[a-z./\\:\x00]{0,24}") {
            if let Ok(path) = parse(&text) {
                prop_assert!(path.split('/').all(|name| !matches!(name, "" | "." | "..")));
                prop_assert!(!path.contains('\\') && !path.contains('\0'));
                prop_assert_eq!(parse(&path), Ok(path.clone()));
            }
        }
    }
}
