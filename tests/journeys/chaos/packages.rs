//! What packages are: what comes of them when they are started, and where they come from.

use super::world::GOES_BACK;
use crate::support::random::Random;

/// What comes of a package when it is started, if it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Stays,
    /// It stays, and so does a child of its own.
    HasFamily,
    ExitsAtOnce,
    /// Its digest is another's.
    CannotBeHad,
}

impl Behaviour {
    fn any(random: &mut Random) -> Self {
        match random.below(10) {
            0 if GOES_BACK => Self::CannotBeHad,
            0 | 1 => Self::ExitsAtOnce,
            2 | 3 => Self::HasFamily,
            _ => Self::Stays,
        }
    }

    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Stays | Self::HasFamily)
    }
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Text,
    Http,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Package {
    pub(super) version: u64,
    pub(super) behaviour: Behaviour,
    pub(super) origin: Origin,
}

impl Package {
    pub(super) fn any(random: &mut Random, version: u64) -> Self {
        let behaviour = Behaviour::any(random);
        let origins: &[Origin] = match behaviour {
            Behaviour::CannotBeHad => &[Origin::Http, Origin::File],
            _ => &[Origin::Text, Origin::Http, Origin::File],
        };
        let origin = random.pick(origins).unwrap();
        Self {
            version,
            behaviour,
            origin,
        }
    }

    /// What it writes into its environment is what was mounted, so that it can be seen from outside.
    pub(super) fn script(self, name: &str) -> String {
        let rest = match self.behaviour {
            Behaviour::ExitsAtOnce => "exit 7",
            Behaviour::HasFamily => "sleep 86400 & exec sleep 86400",
            Behaviour::Stays | Behaviour::CannotBeHad => "exec sleep 86400",
        };
        format!(
            "export PACKAGE={name}:{} CONFIGURATION=- SECRET=-\n\
             [ -e etc/conf/key ] && read -r CONFIGURATION < etc/conf/key\n\
             [ -e etc/secret/key ] && read -r SECRET < etc/secret/key\n{rest}",
            self.version
        )
    }
}
