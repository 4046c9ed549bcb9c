//! Where no control group bounds an instance's memory, it is looked at now and then, and killed when it uses too much.

use crate::cgroup::kill_each;
use crate::instance::Instance;
use crate::proc::{Known, Stat};
use aerolith_plugin::{Context, tracing};
use rustix::param::page_size;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long apart it is looked at. What eats faster than that meets the kernel's own killer first.
const APART: Duration = Duration::from_secs(1);

/// Begins to look at an instance that is to be watched, until it ends or is forgotten.
pub(crate) fn watch(context: &Context, instance: &Arc<Instance>) {
    let Some(limit) = instance.identity.applied.watched_bytes else {
        return;
    };
    let watched = Arc::downgrade(instance);
    context.spawn(async move {
        loop {
            let watched = watched.clone();
            let look = tokio::task::spawn_blocking(move || is_worth_another_look(&watched, limit));
            if !look.await.unwrap_or(false) {
                return;
            }
            tokio::time::sleep(APART).await;
        }
    });
}

/// Kills an instance that uses more than so many bytes; whether it is to be looked at again.
fn is_worth_another_look(watched: &Weak<Instance>, limit: u64) -> bool {
    let Some(instance) = watched.upgrade().filter(|instance| instance.running().is_some()) else {
        return false;
    };
    let members = instance.members();
    if resident_bytes(&members) > limit {
        tracing::warn!(
            instance = instance.mark.instance,
            limit,
            "killed, since it uses more memory than it may"
        );
        instance.exhaust();
        if let Err(error) = kill_each(members.iter().map(Known::from)) {
            tracing::warn!(instance = instance.mark.instance, %error, "it goes on using more memory than it may");
        }
    }
    true
}

fn resident_bytes(members: &[Stat]) -> u64 {
    members
        .iter()
        .map(|member| member.resident_pages * page_size() as u64)
        .sum()
}
