//! Waiting until the node has done what was asked: it is looked at again whenever something has happened, and only then.

use std::collections::BTreeSet;
use std::time::Duration;

use aerolith_api::{Application, Applied, NodeStatus};
use anyhow::Context as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::arguments::Patience;
use crate::client::{Client, next};

/// What is waited for, from a revision of the desired state on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    revision: u64,
    running: BTreeSet<String>,
    gone: BTreeSet<String>,
}

/// How far it has come.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    NotYet(Vec<String>),
    /// Nothing more is going to be done for it.
    Never(Vec<String>),
}

/// What was waited for did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsettled {
    /// Not in time.
    #[error("not done within {within:?}: {}", reasons.join("; "))]
    Late {
        /// How long it was waited for.
        within: Duration,
        /// Of each part, where it stands.
        reasons: Vec<String>,
    },
    /// Nor will it without a change.
    #[error("not done, and nothing more is tried: {}", .0.join("; "))]
    Never(Vec<String>),
    /// The daemon ended meanwhile.
    #[error("the daemon ended while it was waited for")]
    Ended,
}

impl Wanted {
    /// That everything which an apply concerns runs, or has done what it was to do.
    pub(super) fn run(applied: &Applied) -> Self {
        Self {
            revision: applied.revision,
            running: applied.applications.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// That nothing is left of what was deleted.
    pub(super) fn gone(applied: Applied) -> Self {
        let mut wanted = Self::default();
        wanted.add(applied);
        wanted
    }

    /// One more deletion.
    pub(super) fn add(&mut self, deleted: Applied) {
        self.revision = self.revision.max(deleted.revision);
        self.gone.extend(deleted.applications);
    }

    fn judge(&self, status: &NodeStatus) -> Verdict {
        if status.revision < self.revision {
            return Verdict::NotYet(vec![format!("revision {} is not in force yet", self.revision)]);
        }
        let (mut reasons, mut hopeless) = (Vec::new(), true);
        for application in &status.applications {
            let is_good = application.settled && matches!(&*application.state, "running" | "completed");
            let is_open = self.running.contains(&application.name) && !is_good;
            let is_left = self.gone.contains(&application.name);
            if is_open || is_left {
                reasons.extend(told(application));
                hopeless &= is_open && application.settled;
            }
        }
        match () {
            () if reasons.is_empty() => Verdict::Done,
            () if hopeless => Verdict::Never(reasons),
            () => Verdict::NotYet(reasons),
        }
    }
}

/// Every service that is not as it should be, or else the application.
fn told(application: &Application) -> Vec<String> {
    let say = |name: &str, state: &str, reason: &str| match reason {
        "" => format!("{name} is {state}"),
        reason => format!("{name} is {state}: {reason}"),
    };
    let ill = |state: &str| !matches!(state, "running" | "completed");
    let services = application.services.iter().filter(|service| ill(&service.state));
    let said: Vec<String> = services
        .map(|s| say(&format!("{}/{}", application.name, s.name), &s.state, &s.reason))
        .collect();
    if said.is_empty() {
        return vec![say(&application.name, &application.state, &application.reason)];
    }
    said
}

/// Listens from before something is asked until it is done.
pub(super) struct Watch<'a> {
    client: &'a Client,
    news: Option<Incoming>,
    within: Duration,
}

impl<'a> Watch<'a> {
    /// Begins to listen, where somebody is to wait at all.
    pub(super) async fn begin(client: &'a Client, patience: Patience) -> anyhow::Result<Self> {
        let news = if patience.wait {
            Some(client.stream("/v1/events").await?)
        } else {
            None
        };
        Ok(Self {
            client,
            news,
            within: patience.timeout.0,
        })
    }

    /// Waits, where that was asked for.
    ///
    /// # Errors
    /// [`Unsettled`] with the reasons, or when the daemon cannot be asked.
    pub(super) async fn until(self, wanted: &Wanted) -> anyhow::Result<()> {
        let Some(mut news) = self.news else { return Ok(()) };
        let deadline = Instant::now() + self.within;
        loop {
            let answer = self.client.json(Method::GET, "/v1/status").await?;
            let status = serde_json::from_value(answer).context("the daemon's status cannot be read")?;
            let reasons = match wanted.judge(&status) {
                Verdict::Done => return Ok(()),
                Verdict::Never(reasons) => return Err(Unsettled::Never(reasons).into()),
                Verdict::NotYet(reasons) => reasons,
            };
            let within = self.within;
            match timeout_at(deadline, next(&mut news)).await {
                Ok(heard) => heard?.ok_or(Unsettled::Ended).map(drop)?,
                Err(_) => return Err(Unsettled::Late { within, reasons }.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_api::Service;

    fn application(name: &str, state: &str, settled: bool) -> Application {
        Application {
            name: name.into(),
            state: state.into(),
            settled,
            ..Application::default()
        }
    }

    fn status(revision: u64, applications: &[Application]) -> NodeStatus {
        NodeStatus {
            revision,
            applications: applications.to_vec(),
            ..NodeStatus::default()
        }
    }

    fn applied(revision: u64, application: &str) -> Applied {
        Applied {
            revision,
            applications: vec![application.into()],
            ..Applied::default()
        }
    }

    #[test]
    fn what_runs_and_has_come_to_rest_is_done_whatever_others_do() {
        let wanted = Wanted::run(&applied(2, "a"));
        let other = application("b", "failed", true);
        let judge = |revision, state, settled| {
            wanted.judge(&status(revision, &[application("a", state, settled), other.clone()]))
        };
        assert_eq!(judge(2, "running", true), Verdict::Done);
        assert_eq!(judge(3, "completed", true), Verdict::Done);
        assert!(
            matches!(judge(1, "running", true), Verdict::NotYet(_)),
            "an older revision"
        );
        assert_eq!(judge(2, "running", false), Verdict::NotYet(vec!["a is running".into()]));
        assert_eq!(judge(2, "failed", true), Verdict::Never(vec!["a is failed".into()]));
    }

    #[test]
    fn what_is_deleted_is_done_when_nothing_is_left() {
        let wanted = Wanted::gone(applied(2, "a"));
        let left = status(2, &[application("a", "stopping", true)]);
        assert_eq!(wanted.judge(&left), Verdict::NotYet(vec!["a is stopping".into()]));
        assert_eq!(
            wanted.judge(&status(2, &[application("b", "failed", true)])),
            Verdict::Done
        );
    }

    #[test]
    fn the_services_at_fault_are_named_with_their_reasons() {
        let service = |name: &str, state: &str, reason: &str| Service {
            name: name.into(),
            state: state.into(),
            reason: reason.into(),
            ..Service::default()
        };
        let services = vec![
            service("web", "running", ""),
            service("db", "failed", "ended with code 1"),
        ];
        let shop = Application {
            services,
            ..application("shop", "failed", true)
        };
        let error = Unsettled::Never(told(&shop)).to_string();
        assert_eq!(
            error,
            "not done, and nothing more is tried: shop/db is failed: ended with code 1"
        );
    }
}
