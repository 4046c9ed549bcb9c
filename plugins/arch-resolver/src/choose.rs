//! Which objects of a package are for a platform, and why the others are not.
//!
//! 1. An object belongs to every platform that its name holds as a whole word, or to the one that it says outright;
//!    `any` says that it is for all.
//! 2. The first platform of the chain for which the package has an object is taken: all objects of that platform, and
//!    those for all. An object of a later platform of the chain is passed over, so that no two builds are mixed.
//! 3. A package that names platforms, but none of the chain, has nothing for this machine, whatever is for all.

use crate::platform::Platform;
use aerolith_plugin::Error;
use aerolith_plugin::wire::arch::{Choice, Object, PassedOver};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The word for all platforms.
pub const ANY: &str = "any";

/// Why no choice was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Two objects of the same name.
    #[error("the package has two objects named `{0}`; give each object a name of its own")]
    Duplicate(String),
    /// Nothing for the platform.
    #[error(
        "no object is for {platform}; it takes {chain}, and the package offers {offered}; add an object whose name holds \
         `{platform}`{}", other_way(*has_any)
    )]
    NoMatch {
        /// The platform asked for.
        platform: Platform,
        /// What it would take, in its order.
        chain: String,
        /// Every object with what it is for.
        offered: String,
        /// Whether one of them is for any platform.
        has_any: bool,
    },
}

/// What else could be done for a platform without an object. Another object for all platforms would not help.
const fn other_way(has_any: bool) -> &'static str {
    match has_any {
        true => "; what is for any platform is taken only beside that, since the package has builds for others",
        false => ", or mark one `platform: any`",
    }
}

impl From<Unresolved> for Error {
    fn from(e: Unresolved) -> Self {
        match e {
            Unresolved::Duplicate(_) => Self::invalid(e),
            Unresolved::NoMatch { .. } => Self::not_found(e),
        }
    }
}

/// For which platforms an object is.
enum Claim<'a> {
    Any,
    Platforms(BTreeSet<Platform>),
    Unknown(&'a str),
    Nothing,
}

impl<'a> Claim<'a> {
    fn of(object: &'a Object) -> Self {
        match object.platform.as_deref() {
            Some(ANY) => Self::Any,
            Some(text) => text
                .parse()
                .map_or(Self::Unknown(text), |p| Self::Platforms(BTreeSet::from([p]))),
            None => Some(Platform::named_in(&object.name))
                .filter(|p| !p.is_empty())
                .map_or(Self::Nothing, Self::Platforms),
        }
    }

    fn holds(&self, platform: &Platform) -> bool {
        matches!(self, Self::Platforms(platforms) if platforms.contains(platform))
    }
}

impl fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("for any platform"),
            Self::Platforms(platforms) => write!(f, "for {}", list(platforms, " and ")),
            Self::Unknown(text) => write!(f, "for `{text}`, which is no known platform"),
            Self::Nothing => f.write_str("names no platform"),
        }
    }
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>, between: &str) -> String {
    items
        .into_iter()
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(between)
}

/// The objects of a package by name, each with its claim.
struct Offer<'a>(BTreeMap<&'a str, Claim<'a>>);

impl<'a> Offer<'a> {
    fn of(objects: &'a [Object]) -> Result<Self, Unresolved> {
        let mut offer = BTreeMap::new();
        for object in objects {
            if offer.insert(&*object.name, Claim::of(object)).is_some() {
                return Err(Unresolved::Duplicate(object.name.clone()));
            }
        }
        Ok(Self(offer))
    }

    /// The platform of the chain that the package serves; none when all that it has is for any platform.
    fn level(&self, wanted: Platform) -> Result<Option<Platform>, Unresolved> {
        let chain = wanted.chain();
        let level = chain
            .iter()
            .find(|platform| self.0.values().any(|claim| claim.holds(platform)));
        let names_platforms = self
            .0
            .values()
            .any(|c| matches!(c, Claim::Platforms(_) | Claim::Unknown(_)));
        let has_any = self.0.values().any(|c| matches!(c, Claim::Any));
        match level {
            Some(level) => Ok(Some(*level)),
            None if has_any && !names_platforms => Ok(None),
            None => Err(Unresolved::NoMatch {
                platform: wanted,
                chain: list(chain, ", "),
                offered: self.to_string(),
                has_any,
            }),
        }
    }
}

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&list(
            self.0.iter().map(|(name, claim)| format!("`{name}` ({claim})")),
            ", ",
        ))
    }
}

/// Chooses the objects for a platform. The order in which they come does not matter.
///
/// # Errors
/// [`Unresolved`]: no object is for the platform, or two have one name.
pub fn choose(wanted: Platform, objects: &[Object]) -> Result<Choice, Unresolved> {
    let offer = Offer::of(objects)?;
    let level = offer.level(wanted)?;
    let (mut taken, mut chosen, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
    for (name, claim) in &offer.0 {
        if matches!(claim, Claim::Any) || level.is_some_and(|level| claim.holds(&level)) {
            taken.push(format!("`{name}` ({claim})"));
            chosen.push((*name).to_owned());
        } else {
            passed_over.push(PassedOver {
                name: (*name).to_owned(),
                reason: why_not(claim, wanted, level),
            });
        }
    }
    let platform = level.map_or_else(|| ANY.to_owned(), |level| level.to_string());
    let mut reason = format!("{wanted}: took {} at {platform}", taken.join(", "));
    if !passed_over.is_empty() {
        let others = list(passed_over.iter().map(|p| format!("`{}` ({})", p.name, p.reason)), ", ");
        reason = format!("{reason}; passed over {others}");
    }
    Ok(Choice {
        platform,
        chosen,
        reason,
        passed_over,
    })
}

fn why_not(claim: &Claim<'_>, wanted: Platform, level: Option<Platform>) -> String {
    match level {
        Some(level) if wanted.chain().iter().any(|p| claim.holds(p)) => format!("{claim}, but {level} comes first"),
        _ => claim.to_string(),
    }
}

#[cfg(test)]
mod tests;
