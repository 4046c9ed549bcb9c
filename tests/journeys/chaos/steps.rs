//! What may happen to a node.

use super::packages::Origin;
use super::world::{APPLICATIONS, CONFIGURATIONS, PACKAGES, SECRETS, World};
use crate::support::random::Random;
use std::time::Duration;

/// The plugins that an operator switches off and on.
pub(super) const SWITCHED: [&str; 4] = ["fetcher-file", "fetcher-http", "arch-resolver", "engine-process"];
/// Those that have, or may have, a process of their own.
const APART: [&str; 2] = ["engine-process", "fetcher-http"];
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
    /// SIGSTOP to such a process. It goes on when all settles.
    StopPlugin(&'static str),
    Disable(&'static str),
    Enable(&'static str),
    /// Somebody else listens on the port of an application.
    StrangerComes(&'static str),
    StrangerLeaves(&'static str),
    /// To one of the good deployments of an application, by a number out of all.
    RollBack(&'static str, u64),
    Retry(&'static str),
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
            0..20 => {
                let with = random.percent(30).then(|| random.pick(&PACKAGES)).flatten();
                Self::Apply(random.pick(&APPLICATIONS)?, with)
            }
            20..24 => Self::ApplyAgain(random.pick(&present)?),
            24..38 => Self::Update(random.pick(&contents)?),
            38..43 => Self::Delete(random.pick(&present)?),
            43..46 => Self::DeleteContent(random.pick(&contents)?),
            46..55 => Self::KillInstance(random.pick(&instances)?),
            55..58 => Self::StopInstance(random.pick(&instances)?),
            58..61 => Self::Away(random.pick(&origins)?),
            61..64 => Self::Back(random.pick(&origins)?),
            64..67 => Self::KillPlugin(random.pick(&APART)?),
            67..69 => Self::StopPlugin(random.pick(&APART)?),
            69..73 => Self::Disable(random.pick(&SWITCHED)?),
            73..77 => Self::Enable(random.pick(&SWITCHED)?),
            77..80 => Self::StrangerComes(random.pick(&APPLICATIONS)?),
            80..82 => Self::StrangerLeaves(random.pick(&APPLICATIONS)?),
            82..86 => Self::RollBack(random.pick(&present)?, random.next()),
            86..89 => Self::Retry(random.pick(&present)?),
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
