//! Which places of the host may be shown: as they are written, and as they are once every link is followed.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::asked::HostPath;
use super::workloads::{HostPathRule, NotAllowed, Rules};

/// Where the sockets of container engines lie below the runtime folders, of the system and of each user. Whoever may speak
/// to one has the machine, or all that its user has.
const SOCKETS: [(&str, &str); 6] = [
    ("docker.sock", "docker's socket, and with it the machine"),
    ("containerd", "containerd's socket, and with it the machine"),
    ("podman", "podman's socket, and with it the machine"),
    ("crio", "CRI-O's socket, and with it the machine"),
    ("k3s", "k3s's socket, and with it the machine"),
    ("cri-dockerd.sock", "docker's socket, and with it the machine"),
];
/// The runtime folder of the system, by both of its names.
const RUN: [&str; 2] = ["/run", "/var/run"];

impl Rules {
    /// Asks about a host path as it is written.
    pub(super) fn judge_host_path(&self, asked: &HostPath) -> Result<(), NotAllowed> {
        if climbs(&asked.path) {
            return Err(NotAllowed::Climbs(asked.path.clone()));
        }
        match asked.path.starts_with('/') {
            false => Ok(()),
            true => self.judge_place(
                &format!("`{}`", asked.path),
                &plain(&asked.path),
                asked.read_only,
                &|path| path.to_owned(),
            ),
        }
    }

    /// Where a host path lies, before links are followed.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.relative.join(path)
    }

    /// Follows every link of a host path and asks about where it leads: answers that place, which is to be shown. What is
    /// not there yet lies where it will be made. Blocks.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub(crate) fn follow(&self, asked: &HostPath) -> Result<PathBuf, NotAllowed> {
        self.judge_host_path(asked)?;
        let unknown = |error: io::Error| NotAllowed::Unknown {
            path: asked.path.clone(),
            reason: error.to_string(),
        };
        let place = followed(&self.place(&asked.path)).map_err(unknown)?;
        let is_relative = !asked.path.starts_with('/');
        if is_relative && place.starts_with(followed(&self.relative).map_err(unknown)?) {
            return Ok(place);
        }
        let shown = if place == Path::new(&asked.path) {
            format!("`{}`", asked.path)
        } else {
            format!("`{}`, which leads to `{}`", asked.path, place.display())
        };
        // What is allowed and guarded may be links themselves.
        let follow = |path: &Path| followed(path).unwrap_or_else(|_| path.to_owned());
        self.judge_place(&shown, &place, asked.read_only, &follow)?;
        Ok(place)
    }

    fn judge_place(
        &self,
        asked: &str,
        place: &Path,
        read_only: bool,
        follow: &dyn Fn(&Path) -> PathBuf,
    ) -> Result<(), NotAllowed> {
        let exactly = |rule: &&HostPathRule| place == follow(&rule.path);
        let within = |rule: &&HostPathRule| place.starts_with(follow(&rule.path));
        let rules = &self.policy.host_paths;
        let (asked, path) = (asked.to_owned(), place.display().to_string());
        let what = self.shows(place, follow);
        let rule = match what {
            Some(_) => rules.iter().find(exactly),
            // The nearest rule counts: a part of what may be written may be for reading only, and the other way round.
            None => rules
                .iter()
                .filter(within)
                .max_by_key(|rule| rule.path.as_os_str().len()),
        };
        match (rule, what) {
            (None, Some(what)) => Err(NotAllowed::Guarded { asked, what, path }),
            (None, None) => Err(NotAllowed::HostPath { asked, path }),
            (Some(rule), _) if rule.read_only && !read_only => Err(NotAllowed::ReadOnly { asked }),
            (Some(_), _) => Ok(()),
        }
    }

    /// What a place would show that nobody expects: it lies in it, or the other way round.
    fn shows(&self, place: &Path, follow: &dyn Fn(&Path) -> PathBuf) -> Option<&'static str> {
        let meets = |guarded: &Path| place.starts_with(guarded) || guarded.starts_with(place);
        if place == Path::new("/") {
            return Some("the whole host");
        }
        let mut sockets = RUN
            .iter()
            .flat_map(|run| SOCKETS.map(|(name, what)| (*run, name, what)));
        let is_shown = |run: &str, name: &str| {
            let socket = Path::new(run).join(name);
            meets(&socket) || meets(&follow(&socket)) || shows_users(place, run, name)
        };
        if let Some((.., what)) = sockets.find(|(run, name, _)| is_shown(run, name)) {
            return Some(what);
        }
        let is_own = |own: &PathBuf| meets(own) || meets(&follow(own));
        self.own.iter().any(is_own).then_some("the node's own files")
    }
}

/// Whether a place shows the socket of an engine that a user runs, below `/run/user/UID`.
fn shows_users(place: &Path, run: &str, name: &str) -> bool {
    let Ok(of_users) = place.strip_prefix(Path::new(run).join("user")) else {
        return false;
    };
    let below: PathBuf = of_users.components().skip(1).collect();
    below.starts_with(name) || Path::new(name).starts_with(&below)
}

/// Whether a path has `..` in it. In an absolute one it would come after links that are not followed yet.
fn climbs(path: &str) -> bool {
    Path::new(path).components().any(|part| part == Component::ParentDir)
}

/// Without `.` and double slashes.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

/// Where a path leads: links are followed as far as it is there, and what is not there has none.
fn followed(path: &Path) -> io::Result<PathBuf> {
    for there in path.ancestors() {
        match fs::canonicalize(there) {
            Ok(real) => {
                let missing = path.strip_prefix(there).unwrap_or(Path::new(""));
                return Ok(real.join(missing).components().collect());
            }
            // A link that leads nowhere yet would lead somewhere later.
            Err(error) if error.kind() == io::ErrorKind::NotFound && there.symlink_metadata().is_err() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path.to_owned())
}
