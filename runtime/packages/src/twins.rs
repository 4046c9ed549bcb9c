use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::entry_path::EntryPath;

/// The paths of a tree by what is left of them where neither case nor the form of Unicode counts, as on the usual file
/// systems of macOS and Windows and on FAT: there two such paths would be one file.
#[derive(Debug, Default)]
pub(crate) struct Twins(HashMap<String, EntryPath>);

impl Twins {
    /// Takes a path in; answers another one that such a file system could not tell from it.
    pub(crate) fn add(&mut self, path: &EntryPath) -> Option<EntryPath> {
        let before = self.0.entry(blind(path.as_str())).or_insert_with(|| path.clone());
        (before != path).then(|| before.clone())
    }
}

/// Decomposed (UAX #15, form D), in lower case, and decomposed again, since lower case may bring marks.
fn blind(path: &str) -> String {
    path.nfd().flat_map(char::to_lowercase).nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn case_and_the_form_of_unicode_make_twins_and_nothing_else_does() {
        let path = |text| EntryPath::parse(text, &Limits::default()).unwrap();
        for (one, other, are) in [
            ("bin/app", "bin/APP", true),
            ("Bin/x", "bin/x", true),
            ("caf\u{e9}", "cafe\u{301}", true),
            ("CAFE\u{301}", "caf\u{e9}", true),
            ("\u{130}", "i\u{307}", true),
            ("a", "a", false),
            ("caf\u{e9}", "cafe", false),
            ("a/b", "a.b", false),
        ] {
            let mut twins = Twins::default();
            assert_eq!(twins.add(&path(one)), None);
            assert_eq!(twins.add(&path(other)), are.then(|| path(one)), "{one} {other}");
        }
    }
}
