//! Topics of the bus and the filters that choose among them. Pure.

use std::fmt;
use std::str::FromStr;

/// Longest topic or filter, in bytes (MQTT 3.1.1, section 4.7.3).
const LONGEST: usize = 65_535;

/// A topic filter as in MQTT (MQTT 3.1.1, section 4.7): `+` stands for one level, a final `#` for the rest, the parent
/// included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Level>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Name(String),
    One,
    Rest,
}

/// Text that is no topic or no topic filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTopic {
    /// A filter that breaks a rule.
    #[error("`{0}` is no topic filter: levels parted by `/`, `+` alone in its level, `#` alone in the last one")]
    Filter(String),
    /// A topic that breaks a rule.
    #[error("`{0}` is no topic: 1 to 65535 bytes of levels parted by `/`, without `+` and `#`")]
    Topic(String),
}

impl FromStr for Filter {
    type Err = BadTopic;

    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let levels: Vec<Level> = text.split('/').map(level).collect();
        let stray = |l: &Level| matches!(l, Level::Name(name) if name.contains(['+', '#', '\0']));
        let rest_inside = levels.iter().rev().skip(1).any(|l| *l == Level::Rest);
        match () {
            () if text.is_empty() || text.len() > LONGEST || rest_inside || levels.iter().any(stray) => {
                Err(BadTopic::Filter(text.to_owned()))
            }
            () => Ok(Self(levels)),
        }
    }
}

fn level(text: &str) -> Level {
    match text {
        "+" => Level::One,
        "#" => Level::Rest,
        name => Level::Name(name.to_owned()),
    }
}

impl Filter {
    /// Whether the filter takes a topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let mut names = topic.split('/');
        for level in &self.0 {
            match (level, names.next()) {
                (Level::Rest, _) => return true,
                (Level::One, Some(_)) => {}
                (Level::Name(wanted), Some(found)) if wanted == found => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<&str> = self.0.iter().map(Level::text).collect();
        f.write_str(&levels.join("/"))
    }
}

impl Level {
    fn text(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::One => "+",
            Self::Rest => "#",
        }
    }
}

/// Checks that a text can be published under.
///
/// # Errors
/// [`BadTopic::Topic`] when it is empty, too long or holds a wildcard.
pub(crate) fn check_topic(topic: &str) -> Result<(), BadTopic> {
    if topic.is_empty() || topic.len() > LONGEST || topic.contains(['+', '#', '\0']) {
        return Err(BadTopic::Topic(topic.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn takes(filter: &str, topic: &str) -> bool {
        filter.parse::<Filter>().unwrap().matches(topic)
    }

    #[test]
    fn wildcards_take_what_mqtt_says() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("+/+", "/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("#", "a/b"),
            ("+", "a"),
            ("a//b", "a//b"),
        ] {
            assert!(takes(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("a/b", "a"),
            ("a/b", "a/b/c"),
            ("+", "a/b"),
            ("a/+", "a"),
            ("a/+/c", "a/b/d"),
            ("a", "A"),
        ] {
            assert!(!takes(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn a_filter_with_a_misplaced_wildcard_is_refused_by_name() {
        for text in ["", "a#", "#/a", "a/+b", "a/#/b", "++"] {
            let error = text.parse::<Filter>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn a_topic_holds_no_wildcard() {
        check_topic("a/b").unwrap();
        for text in ["", "a/+", "#"] {
            check_topic(text).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn a_topic_is_taken_by_itself_and_by_its_generalisations(levels in proptest::collection::vec("[a-z]{0,3}", 1..6), at: usize) {
            let topic = levels.join("/");
            prop_assume!(!topic.is_empty());
            let at = at % levels.len();
            let mut one = levels.clone();
            one[at] = "+".into();
            let mut rest = levels[..at].to_vec();
            rest.push("#".into());
            for filter in [levels.join("/"), one.join("/"), rest.join("/")] {
                prop_assert!(takes(&filter, &topic), "{} {}", filter, topic);
                prop_assert_eq!(filter.parse::<Filter>().unwrap().to_string(), filter);
            }
        }
    }
}
