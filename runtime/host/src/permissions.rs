//! What an instance may ask of the core: what its manifest asks for, cut down to what the operator grants.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One thing that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Permission {
    /// `call hub/1`: the methods of another plugin's capability.
    Call(String),
    /// `publish accel/#`: events on these topics.
    Publish(String),
    /// `subscribe app/#`: events of these topics.
    Subscribe(String),
    /// `kv`: a key/value space of its own.
    Kv,
    /// `secrets`: the secrets that the operator names.
    Secrets,
    /// `descriptors`: the descriptor store.
    Descriptors,
    /// `processes`: to start processes and wait for them.
    Processes,
}

/// A text that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no permission: expected `call CAPABILITY`, `publish FILTER`, `subscribe FILTER`, `kv`, `secrets`, `descriptors` or `processes`"
)]
pub(crate) struct NoPermission(String);

impl FromStr for Permission {
    type Err = NoPermission;

    fn from_str(text: &str) -> Result<Self, NoPermission> {
        match text.split_once(' ') {
            Some(("call", capability)) => Ok(Self::Call(capability.into())),
            Some(("publish", filter)) => Ok(Self::Publish(filter.into())),
            Some(("subscribe", filter)) => Ok(Self::Subscribe(filter.into())),
            None if text == "kv" => Ok(Self::Kv),
            None if text == "secrets" => Ok(Self::Secrets),
            None if text == "descriptors" => Ok(Self::Descriptors),
            None if text == "processes" => Ok(Self::Processes),
            _ => Err(NoPermission(text.into())),
        }
    }
}

/// What the operator grants of what a manifest asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Grants {
    /// Everything but secrets, which are always granted by name.
    #[default]
    AsAsked,
    /// Only these of them, written as in the manifest; `secret NAME` grants a secret.
    Only(Vec<String>),
}

/// What an instance may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Permissions {
    allowed: Vec<Permission>,
    secrets: Vec<String>,
}

/// An act that needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    /// Calling a capability.
    Call(&'a str),
    /// Publishing on a topic.
    Publish(&'a str),
    /// Subscribing to a filter.
    Subscribe(&'a str),
    /// Using the key/value space.
    Kv,
    /// Reading a secret.
    Secret(&'a str),
    /// Using the descriptor store.
    Descriptors,
    /// Reporting processes.
    Processes,
}

impl fmt::Display for Act<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(what) => write!(f, "call {what}"),
            Self::Publish(what) => write!(f, "publish {what}"),
            Self::Subscribe(what) => write!(f, "subscribe {what}"),
            Self::Secret(what) => write!(f, "secret {what}"),
            Self::Kv => f.write_str("kv"),
            Self::Descriptors => f.write_str("descriptors"),
            Self::Processes => f.write_str("processes"),
        }
    }
}

impl Permissions {
    /// The permissions of a manifest as far as granted.
    ///
    /// # Errors
    /// [`NoPermission`] in the manifest.
    pub(crate) fn new(asked: &[String], grants: &Grants) -> Result<Self, NoPermission> {
        let mut permissions = Self::default();
        let granted = |text: &String| match grants {
            Grants::AsAsked => true,
            Grants::Only(list) => list.contains(text),
        };
        for text in asked {
            let permission: Permission = text.parse()?;
            let secrets = permission == Permission::Secrets;
            if secrets && let Grants::Only(list) = grants {
                permissions.secrets = list
                    .iter()
                    .filter_map(|g| g.strip_prefix("secret ").map(Into::into))
                    .collect();
            }
            if granted(text) || secrets {
                permissions.allowed.push(permission);
            }
        }
        Ok(permissions)
    }

    /// Whether an act is permitted.
    #[must_use]
    pub(crate) fn allow(&self, act: Act<'_>) -> bool {
        if let Act::Secret(name) = act {
            return self.allowed.contains(&Permission::Secrets) && self.secrets.iter().any(|s| s == name);
        }
        self.allowed.iter().any(|permission| match (permission, act) {
            (Permission::Call(granted), Act::Call(capability)) => granted == capability,
            (Permission::Publish(granted), Act::Publish(topic)) => covers(granted, topic),
            (Permission::Subscribe(granted), Act::Subscribe(filter)) => covers(granted, filter),
            (Permission::Kv, Act::Kv)
            | (Permission::Descriptors, Act::Descriptors)
            | (Permission::Processes, Act::Processes) => true,
            _ => false,
        })
    }
}

/// Whether a granted filter covers a topic, or every topic of a narrower filter. A `+` in the narrower one is covered by
/// `+` and `#` only, a `#` by `#` only.
#[must_use]
pub fn covers(granted: &str, wanted: &str) -> bool {
    let (mut granted, mut wanted) = (granted.split('/'), wanted.split('/'));
    loop {
        match (granted.next(), wanted.next()) {
            (Some("#"), _) | (None, None) => return true,
            (_, Some("#")) | (None, _) | (_, None) => return false,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(other)) if level == other && level != "+" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(asked: &[&str], grants: &Grants) -> Permissions {
        Permissions::new(&asked.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>(), grants).unwrap()
    }

    #[test]
    fn only_what_the_manifest_asks_for_is_allowed() {
        let p = permissions(&["call hub/1", "publish accel/#", "kv"], &Grants::AsAsked);
        assert!(p.allow(Act::Call("hub/1")) && p.allow(Act::Publish("accel/a/b")) && p.allow(Act::Kv));
        assert!(!p.allow(Act::Call("hub/2")) && !p.allow(Act::Publish("app/x")) && !p.allow(Act::Descriptors));
    }

    #[test]
    fn an_operator_cuts_it_down_and_cannot_add_to_it() {
        let grants = Grants::Only(vec!["kv".into(), "call engine/1".into()]);
        let p = permissions(&["call hub/1", "kv"], &grants);
        assert!(p.allow(Act::Kv) && !p.allow(Act::Call("hub/1")) && !p.allow(Act::Call("engine/1")));
    }

    #[test]
    fn a_secret_is_granted_by_name_only() {
        let p = permissions(&["secrets"], &Grants::AsAsked);
        assert!(!p.allow(Act::Secret("cloud")));
        let p = permissions(&["secrets"], &Grants::Only(vec!["secret cloud".into()]));
        assert!(p.allow(Act::Secret("cloud")) && !p.allow(Act::Secret("other")));
        let p = permissions(&[], &Grants::Only(vec!["secret cloud".into()]));
        assert!(!p.allow(Act::Secret("cloud")));
    }

    #[test]
    fn a_filter_is_covered_by_containment_not_by_matching() {
        for (granted, wanted) in [
            ("#", "a/#"),
            ("a/#", "a"),
            ("a/#", "a/b/#"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("a", "a"),
        ] {
            assert!(covers(granted, wanted), "{granted} covers {wanted}");
        }
        for (granted, wanted) in [
            ("a/+", "a/#"),
            ("a/b", "a/+"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("+", "#"),
            ("a/+", "a"),
        ] {
            assert!(!covers(granted, wanted), "{granted} does not cover {wanted}");
        }
    }

    #[test]
    fn a_text_that_is_no_permission_is_refused() {
        assert!(Permissions::new(&["fly".into()], &Grants::AsAsked).is_err());
    }
}
