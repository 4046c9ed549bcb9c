//! As whom an instance runs, out of the system's users and groups (passwd(5), group(5), or whatever nsswitch.conf(5) names).

use crate::error::StartError;
use nix::unistd::{self, Group};
use rustix::process::{Gid, Uid, getegid, geteuid};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

/// A user with all of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(super) user: Uid,
    pub(super) group: Gid,
    pub(super) groups: Vec<Gid>,
    home: Option<PathBuf>,
}

/// Whether this engine runs as root.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

impl User {
    /// The user of `NAME`, `NUMBER`, `NAME:GROUP` or `NUMBER:NUMBER`. Its own group and those that it belongs to are taken
    /// when no group is named; a number that nobody has is taken as it is.
    ///
    /// # Errors
    /// When there is no such user or group, or this engine may become nobody else.
    pub(crate) fn named(text: &str) -> Result<Self, StartError> {
        let (name, group) = text
            .split_once(':')
            .map_or((text, None), |(user, group)| (user, Some(group)));
        let unknown = |reason: String| StartError::NoUser {
            user: text.to_owned(),
            reason,
        };
        let known = known(name).map_err(&unknown)?;
        let group = group.map(|group| group_of(group).map_err(&unknown)).transpose()?;
        let found = match (known, group) {
            (Some(user), group) => Self::of(&user, group),
            (None, group) => {
                let number = name
                    .parse()
                    .map_err(|_| unknown(format!("this machine has no user `{name}`")))?;
                let group =
                    group.ok_or_else(|| unknown("it has no name, so a group is needed: write UID:GID".into()))?;
                Self::of_numbers(Uid::from_raw(number), group, vec![group])
            }
        };
        if is_root() || found.user == geteuid() {
            Ok(found)
        } else {
            Err(unknown(
                "only root may become another user, and the daemon is not root".into(),
            ))
        }
    }

    fn of(user: &unistd::User, group: Option<Gid>) -> Self {
        let own = Gid::from_raw(user.gid.as_raw());
        let member = || {
            let name = CString::new(user.name.as_str()).ok()?;
            unistd::getgrouplist(&name, user.gid).ok()
        };
        let groups = match group {
            Some(group) => vec![group],
            None => member().map_or_else(
                || vec![own],
                |all| all.iter().map(|g| Gid::from_raw(g.as_raw())).collect(),
            ),
        };
        Self {
            user: Uid::from_raw(user.uid.as_raw()),
            group: group.unwrap_or(own),
            groups,
            home: Some(user.dir.clone()),
        }
    }

    /// A user of whom nothing is known but numbers.
    pub(super) const fn of_numbers(user: Uid, group: Gid, groups: Vec<Gid>) -> Self {
        Self {
            user,
            group,
            groups,
            home: None,
        }
    }

    /// Whether it is the one that this engine runs as.
    pub(super) fn is_own(&self) -> bool {
        self.user == geteuid() && self.group == getegid()
    }

    pub(crate) fn is_root(&self) -> bool {
        self.user.is_root()
    }

    /// Its number.
    pub(crate) const fn number(&self) -> u32 {
        self.user.as_raw()
    }

    /// Its home; none for a number without a name.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Gives it a folder with what the engine's own user has in it, once: the folder itself is given last. Links are not
    /// followed, and a file that has another name elsewhere stays whose it is.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn take(&self, folder: &Path) -> io::Result<()> {
        let owner = geteuid().as_raw();
        if owner == self.number() || fs::symlink_metadata(folder)?.uid() != owner {
            return Ok(());
        }
        let (mut left, mut given) = (vec![folder.to_owned()], Vec::new());
        while let Some(path) = left.pop() {
            let seen = fs::symlink_metadata(&path)?;
            if seen.is_dir() {
                for entry in fs::read_dir(&path)? {
                    left.push(entry?.path());
                }
            }
            if seen.uid() == owner && (seen.is_dir() || seen.nlink() == 1) {
                given.push(path);
            }
        }
        let mut deepest_first = given.iter().rev();
        deepest_first.try_for_each(|path| lchown(path, Some(self.number()), Some(self.group.as_raw())))
    }
}

/// The user of a name or a number.
fn known(name: &str) -> Result<Option<unistd::User>, String> {
    let found = match name.parse() {
        Ok(number) => unistd::User::from_uid(unistd::Uid::from_raw(number)),
        Err(_) => unistd::User::from_name(name),
    };
    found.map_err(|e| e.to_string())
}

fn group_of(name: &str) -> Result<Gid, String> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(name).map_err(|e| e.to_string())?;
    found
        .map(|group| Gid::from_raw(group.gid.as_raw()))
        .ok_or_else(|| format!("this machine has no group `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_name_and_number_with_its_home() {
        for name in ["root", "0"] {
            let found = known(name).unwrap().unwrap();
            let user = User::of(&found, None);
            assert!(user.is_root() && user.group.is_root() && user.groups.contains(&Gid::ROOT));
            assert_eq!(user.home(), Some(Path::new("/root")));
        }
    }

    #[test]
    fn a_named_group_is_the_only_one() {
        let user = User::of(&known("root").unwrap().unwrap(), Some(Gid::from_raw(7)));
        assert_eq!((user.group, user.groups), (Gid::from_raw(7), vec![Gid::from_raw(7)]));
    }

    #[test]
    fn who_is_unknown_is_told_and_a_bare_number_needs_a_group() {
        let told = |text: &str| User::named(text).unwrap_err().to_string();
        assert!(told("no-such-user").contains("no-such-user"));
        assert!(told("root:no-such-group").contains("no-such-group"));
        assert!(told("4000000").contains("UID:GID"));
    }

    #[test]
    fn a_folder_is_given_without_following_links_or_second_names() {
        if !is_root() {
            return eprintln!("SKIPPED: only root can give files away");
        }
        let dir = tempfile::tempdir().unwrap();
        let (own, outside) = (dir.path().join("own"), dir.path().join("outside"));
        fs::create_dir_all(own.join("sub")).unwrap();
        for file in [&own.join("sub/file"), &outside] {
            fs::write(file, "").unwrap();
        }
        fs::hard_link(&outside, own.join("second")).unwrap();
        std::os::unix::fs::symlink(&outside, own.join("link")).unwrap();
        let nobody = User::of_numbers(Uid::from_raw(65534), Gid::from_raw(65534), Vec::new());
        nobody.take(&own).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        assert_eq!(
            (owner(&own), owner(&own.join("sub/file")), owner(&own.join("link"))),
            (65534, 65534, 65534)
        );
        assert_eq!((owner(&outside), owner(&own.join("second"))), (0, 0));
    }
}
