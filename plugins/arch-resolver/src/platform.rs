//! A platform as a value: read from text, found inside names, and what else runs where it runs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Operating systems as Go names them.
const SYSTEMS: [&str; 5] = ["linux", "windows", "darwin", "android", "freebsd"];

/// How an architecture may be spelt, and its name in Go.
const ARCHITECTURES: [(&str, &str); 14] = [
    ("amd64", "amd64"),
    ("x86_64", "amd64"),
    ("arm64", "arm64"),
    ("aarch64", "arm64"),
    ("arm", "arm"),
    ("386", "386"),
    ("riscv64", "riscv64"),
    ("loong64", "loong64"),
    ("ppc64le", "ppc64le"),
    ("s390x", "s390x"),
    ("mips", "mips"),
    ("mipsle", "mipsle"),
    ("mips64", "mips64"),
    ("mips64le", "mips64le"),
];

/// What stands between the parts: Baetyl's sign, and that of container images.
const JOINTS: [char; 2] = ['-', '/'];

/// `os-arch[-variant]`, such as `linux-arm64-v8` (Baetyl's platform string). Only known systems, architectures and
/// variants can be told apart from other words of a name, so no others exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    system: &'static str,
    architecture: &'static str,
    variant: Option<u8>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no known platform: expected {known}", known = known())]
pub struct Unknown(pub String);

impl Platform {
    /// The same system and architecture with another variant, as far as the architecture has it.
    #[must_use]
    pub fn with_variant(self, variant: Option<u8>) -> Self {
        Self {
            variant: variant.filter(|v| self.variants().contains(v)),
            ..self
        }
    }

    /// The variants of the architecture, newest first; the last is its baseline. Other architectures than ARM's have
    /// none, as in Baetyl: in `linux-amd64-v2`, `v2` is some other word.
    #[must_use]
    pub fn variants(self) -> &'static [u8] {
        match self.architecture {
            "arm" => &[8, 7, 6, 5],
            "arm64" => &[9, 8],
            _ => &[],
        }
    }

    /// Whether it is 32-bit ARM, on which a newer kernel claims more than its programs can be.
    #[must_use]
    pub fn is_arm32(self) -> bool {
        self.architecture == "arm"
    }

    /// Whose programs run here, best first: its own, those of lower variants, then those that name no variant. Where
    /// the variant is not known, the baseline of the architecture runs too.
    #[must_use]
    pub fn chain(self) -> Vec<Self> {
        let with = |variant| Self { variant, ..self };
        let variants = self.variants().iter();
        match self.variant {
            Some(own) => variants
                .filter(|v| **v <= own)
                .map(|v| with(Some(*v)))
                .chain([with(None)])
                .collect(),
            None => [self]
                .into_iter()
                .chain(variants.last().map(|v| with(Some(*v))))
                .collect(),
        }
    }

    /// Every platform that a name holds as a whole word: with no letter or digit next to it, and each time the longest
    /// that can be read there. Case counts, as in Baetyl.
    #[must_use]
    pub fn named_in(text: &str) -> BTreeSet<Self> {
        let (mut found, mut rest, mut bounded) = (BTreeSet::new(), text, true);
        while let Some(first) = rest.chars().next() {
            let step = match Self::at_start_of(rest).filter(|_| bounded) {
                Some((platform, length)) => {
                    found.insert(platform);
                    length
                }
                None => first.len_utf8(),
            };
            bounded = !rest[..step].ends_with(char::is_alphanumeric);
            rest = &rest[step..];
        }
        found
    }

    /// The longest platform that a text begins with, and its length in bytes.
    fn at_start_of(text: &str) -> Option<(Self, usize)> {
        let (system, rest) = SYSTEMS
            .iter()
            .find_map(|s| Some((*s, text.strip_prefix(s)?.strip_prefix(JOINTS)?)))?;
        let (architecture, rest) = ARCHITECTURES
            .iter()
            .find_map(|(spelt, name)| Some((*name, end_of_word(rest.strip_prefix(spelt)?)?)))?;
        let bare = Self {
            system,
            architecture,
            variant: None,
        };
        let (variant, rest) = bare
            .variant_at_start_of(rest)
            .map_or((None, rest), |(v, rest)| (Some(v), rest));
        Some((Self { variant, ..bare }, text.len() - rest.len()))
    }

    fn variant_at_start_of(self, text: &str) -> Option<(u8, &str)> {
        let digit = text.strip_prefix(JOINTS)?.strip_prefix('v')?;
        self.variants()
            .iter()
            .find_map(|v| Some((*v, end_of_word(digit.strip_prefix(char::from(b'0' + v))?)?)))
    }
}

/// How a platform is written.
fn known() -> String {
    format!(
        "SYSTEM-ARCHITECTURE[-VARIANT] such as `linux-arm64-v8` or `linux/amd64`, with a system of {}, an architecture \
         of {}, and a variant v5 to v8 of arm, v8 or v9 of arm64",
        SYSTEMS.join(", "),
        ARCHITECTURES.map(|(spelt, _)| spelt).join(", ")
    )
}

/// The text itself, if the word before it ends there.
fn end_of_word(rest: &str) -> Option<&str> {
    (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
}

impl FromStr for Platform {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match Self::at_start_of(text) {
            Some((platform, length)) if length == text.len() => Ok(platform),
            _ => Err(Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.system, self.architecture)?;
        self.variant.map_or(Ok(()), |v| write!(f, "-v{v}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    fn named(text: &str) -> String {
        Platform::named_in(text)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn chain(text: &str) -> String {
        platform(text)
            .chain()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn aliases_and_slashes_read_as_the_same_platform() {
        for text in ["linux/arm64/v8", "linux/arm64-v8", "linux-aarch64-v8"] {
            assert_eq!(platform(text).to_string(), "linux-arm64-v8");
        }
        assert_eq!(platform("linux/x86_64").to_string(), "linux-amd64");
    }

    #[test]
    fn a_text_that_is_no_platform_is_refused_by_name() {
        for text in [
            "",
            "linux",
            "linux-",
            "linux-amd64-v2",
            "linux-arm46",
            "Linux-amd64",
            "linux-amd64 ",
            "any",
            "linux--arm",
        ] {
            let error = text.parse::<Platform>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("linux-arm64-v8"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_platform_is_found_at_the_front_in_the_middle_and_at_the_end() {
        for name in [
            "linux-arm64-v8-x.zip",
            "x-linux-arm64-v8.zip",
            "x.zip-linux-arm64-v8",
            "_object_linux-arm64-v8",
        ] {
            assert_eq!(named(name), "linux-arm64-v8", "{name}");
        }
    }

    #[test]
    fn the_longest_platform_wins_and_is_no_other_one_besides() {
        assert_eq!(named("a-linux-arm64-v8"), "linux-arm64-v8");
        assert_eq!(named("a-linux-arm-v7"), "linux-arm-v7");
        assert_eq!(named("a-linux-arm64.zip"), "linux-arm64");
    }

    #[test]
    fn a_platform_inside_a_longer_word_is_none() {
        for name in [
            "linux-amd64p32",
            "mylinux-amd64",
            "linux-amd64é",
            "linux-armv7",
            "xlinux-arm64-v8",
            "linux_amd64",
        ] {
            assert_eq!(named(name), "", "{name}");
        }
        assert_eq!(named("mylinux-amd64-legacy-linux-386"), "linux-386");
    }

    #[test]
    fn a_platform_in_another_case_is_none() {
        for name in ["Linux-amd64", "linux-AMD64", "LINUX-ARM64-V8"] {
            assert_eq!(named(name), "", "{name}");
        }
    }

    #[test]
    fn a_word_that_is_no_variant_stays_outside() {
        for name in [
            "app-linux-arm64-v2.zip",
            "app-linux-arm64-v8beta",
            "app-linux-arm64-v10",
        ] {
            assert_eq!(named(name), "linux-arm64", "{name}");
        }
        assert_eq!(named("app-linux-amd64-v3"), "linux-amd64");
    }

    #[test]
    fn a_key_naming_two_platforms_names_both() {
        assert_eq!(named("x-linux-amd64-linux-arm64-v8.zip"), "linux-amd64 linux-arm64-v8");
        assert_eq!(named("emqx-5.0.8-ubuntu20.04-arm64-linux-arm64-v8"), "linux-arm64-v8");
    }

    #[test]
    fn lower_variants_run_then_what_names_none() {
        assert_eq!(chain("linux-arm64-v8"), "linux-arm64-v8 linux-arm64");
        assert_eq!(
            chain("linux-arm-v7"),
            "linux-arm-v7 linux-arm-v6 linux-arm-v5 linux-arm"
        );
        assert_eq!(chain("linux-arm-v5"), "linux-arm-v5 linux-arm");
        assert_eq!(chain("linux-arm64"), "linux-arm64 linux-arm64-v8");
        assert_eq!(chain("linux-amd64"), "linux-amd64");
    }

    fn any_platform() -> impl Strategy<Value = Platform> {
        let spelt = ARCHITECTURES.map(|(spelt, _)| spelt).to_vec();
        (select(SYSTEMS.to_vec()), select(spelt), proptest::option::of(5_u8..10))
            .prop_map(|(system, spelt, variant)| platform(&format!("{system}-{spelt}")).with_variant(variant))
    }

    proptest! {
        #[test]
        fn a_platform_reads_back_what_it_prints(p in any_platform()) {
            prop_assert_eq!(p.to_string().parse(), Ok(p));
        }

        #[test]
        fn a_chain_begins_with_itself_and_holds_nothing_twice(p in any_platform()) {
            let chain = p.chain();
            prop_assert_eq!(chain[0], p);
            prop_assert_eq!(chain.iter().collect::<BTreeSet<_>>().len(), chain.len());
        }

        #[test]
        fn between_other_signs_it_is_found_and_beside_a_letter_it_is_not(
            p in any_platform(), before in "([a-z0-9.]{0,5}[-._])?", after in "([._][a-z]{0,5})?", glue in "[a-z0-9]",
        ) {
            let found = |name: String| Platform::named_in(&name);
            let apart = format!("{before}{p}{after}");
            let (glued_before, glued_after) = (format!("{before}{glue}{p}"), format!("{before}{p}{glue}"));
            prop_assert_eq!(found(apart), BTreeSet::from([p]));
            prop_assert!(!found(glued_before).contains(&p));
            prop_assert!(!found(glued_after).contains(&p));
        }

        #[test]
        fn no_text_makes_the_search_fail(text in "\\PC{0,40}") {
            for p in Platform::named_in(&text) {
                prop_assert!(text.contains(p.system));
            }
        }
    }
}
