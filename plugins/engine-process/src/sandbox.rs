//! What is kept from an instance: prepared before the fork, so that the child only makes system calls.

mod beside;
mod capabilities;
mod enter;
mod files;
mod private_tmp;
mod system_calls;
mod user;

pub(crate) use user::User;

use crate::error::StartError;
use aerolith_plugin::wire::engine::{Workload, enforce};
use capabilities::Powers;
use private_tmp::PrivateTmp;
use rustix::fd::OwnedFd;
use seccompiler::BpfProgram;

/// Everything that a child takes upon itself before it becomes the program.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    user: Option<User>,
    powers: Option<Powers>,
    no_new_privileges: bool,
    private_tmp: Option<PrivateTmp>,
    files: Option<OwnedFd>,
    system_calls: Option<BpfProgram>,
}

/// What of a sandbox this host cannot do, for people.
pub(crate) type Unenforced = Vec<String>;

/// What this host can keep from an instance, by the words of [`enforce`].
pub(crate) fn enforced() -> Vec<String> {
    let by_root = [enforce::CAPABILITIES, enforce::USER, enforce::PRIVATE_TMP];
    let by_kernel = [enforce::FILES, enforce::READ_ONLY_HOST];
    let all = [enforce::SYSTEM_CALLS, enforce::ESCALATION, enforce::PRIVILEGED];
    let by_root = by_root.into_iter().filter(|_| user::is_root());
    let by_kernel = by_kernel.into_iter().filter(|_| files::are_known());
    all.into_iter()
        .chain(by_root)
        .chain(by_kernel)
        .map(str::to_owned)
        .collect()
}

impl Sandbox {
    /// The sandbox of a workload, and what of it cannot be had here.
    ///
    /// # Errors
    /// What is wrong with what it asks for: a user or a name that nobody knows, a user that this engine may not become, a
    /// folder of its own that a `/tmp` of its own would hide.
    pub(crate) fn of(workload: &Workload) -> Result<(Self, Unenforced), StartError> {
        let asked = &workload.sandbox;
        let mut unenforced = Unenforced::new();
        let user = workload.user.as_deref().map(User::named).transpose()?;
        if workload.privileged {
            let sandbox = Self {
                user,
                ..Self::default()
            };
            return Ok((sandbox, unenforced));
        }
        let becomes_root = user.as_ref().map_or_else(user::is_root, User::is_root);
        let sandbox = Self {
            powers: Powers::of(&asked.capabilities, becomes_root, &mut unenforced)?,
            no_new_privileges: !asked.escalates,
            private_tmp: PrivateTmp::of(workload, &mut unenforced)?,
            files: files::ruleset(workload, &mut unenforced)?,
            system_calls: asked.system_calls.as_ref().map(system_calls::filter).transpose()?,
            user,
        };
        Ok((sandbox, unenforced))
    }

    /// As whom the program runs; as the engine itself when nobody was named.
    pub(crate) const fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }
}
