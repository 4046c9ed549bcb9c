//! What may happen to a node.

use super::world::{APPLICATIONS, CONFIGURATIONS, Origin, PACKAGES, SECRETS, World};
use crate::support::random::Random;
use std::time::Duration;

/// The fetchers, which an operator switches off and on.
pub(super) const FETCHERS: [&str; 2] = ["fetcher-file", "fetcher-http"];
/// Longest time from an order to the kill of the daemon that works on it.
const SOON: Duration = Duration::from_millis(150);

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An application is made or changed, together with a new version of a package.
    Apply(&'static str, Option<&'static str>),
    ApplyAgain(&'static str),
    /// A new version of a package, a configuration or a secret.
    Update(&'static str),
    Delete(&'static str),
    /// A configuration, secret or package is deleted, which is refused where it is used.
    DeleteContent(&'static str),
    KillInstance(String),
    /// SIGSTOP. It goes on when all settles.
    StopInstance(String),
    Away(Origin),
    Back(Origin),
    /// The process of a plugin that has its own.
    KillPlugin(&'static str),
    Disable(&'static str),
    Enable(&'static str),
    /// And instances while it is away.
    KillDaemon(Vec<String>),
    KillWhileApplying(&'static str, Duration),
    KillWhileStarting(Duration),
    Reboot,
}

impl Step {
    pub(super) fn any(random: &mut Random, world: &World) -> Self {
        loop {
            if let Some(step) = Self::perhaps(random, world) {
                return step;
            }
        }
    }

    /// One of them, unless there is nothing that it could happen to.
    fn perhaps(random: &mut Random, world: &World) -> Option<Self> {
        let contents: Vec<&'static str> = [&CONFIGURATIONS[..], &SECRETS, &PACKAGES].concat();
        let present: Vec<&'static str> = world.applications.keys().copied().collect();
        let instances = world.instances();
        let origins = [Origin::Http, Origin::File];
        Some(match random.below(100) {
            0..26 => {
                let with = random.percent(30).then(|| random.pick(&PACKAGES)).flatten();
                Self::Apply(random.pick(&APPLICATIONS)?, with)
            }
            26..31 => Self::ApplyAgain(random.pick(&present)?),
            31..47 => Self::Update(random.pick(&contents)?),
            47..54 => Self::Delete(random.pick(&present)?),
            54..58 => Self::DeleteContent(random.pick(&contents)?),
            58..69 => Self::KillInstance(random.pick(&instances)?),
            69..73 => Self::StopInstance(random.pick(&instances)?),
            73..77 => Self::Away(random.pick(&origins)?),
            77..81 => Self::Back(random.pick(&origins)?),
            81..85 => Self::KillPlugin(random.pick(&["engine-process", "fetcher-http"])?),
            85..87 => Self::Disable(random.pick(&FETCHERS)?),
            87..89 => Self::Enable(random.pick(&FETCHERS)?),
            89..92 => {
                let victims = (0..random.below(3)).filter_map(|_| random.pick(&instances)).collect();
                Self::KillDaemon(victims)
            }
            92..96 => Self::KillWhileApplying(random.pick(&present)?, random.part_of(SOON)),
            96..98 => Self::KillWhileStarting(random.part_of(SOON)),
            _ => Self::Reboot,
        })
    }
}
