//! Waiting until the node has done what was asked: it is looked at again whenever something has happened, and only then.

use std::collections::BTreeSet;
use std::time::Duration;

use aerolith_api::{Application, Applied, Condition, Event, NodeStatus, Step};
use anyhow::Context as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::arguments::Patience;
use crate::client::{Client, next};
use crate::lines::Lines;
use crate::progress::Progress;
use crate::screen::Screen;

/// How long the news of the end may be behind the status that shows it.
const BEHIND: Duration = Duration::from_secs(2);

/// What is waited for, from a revision of the desired state on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    revision: u64,
    running: BTreeSet<String>,
    /// Those of `running` for which something is done, so that news of them comes.
    moving: BTreeSet<String>,
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
            moving: applied
                .applications
                .iter()
                .filter(|name| moves(applied, name))
                .cloned()
                .collect(),
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
            let is_good = application.settled && is_good(application);
            let is_open = self.running.contains(&application.name) && !is_good;
            let is_left = self.gone.contains(&application.name);
            if is_open || is_left {
                reasons.extend(told(application));
                hopeless &= is_open && (application.settled || is_final(application));
            }
        }
        match () {
            () if reasons.is_empty() => Verdict::Done,
            () if hopeless => Verdict::Never(reasons),
            () => Verdict::NotYet(reasons),
        }
    }
}

/// Whether a step is taken for an application.
fn moves(applied: &Applied, name: &str) -> bool {
    let is_ours = |step: &Step| step.target.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    applied.steps.iter().any(is_ours)
}

/// Whether the newest version is in force and does what it is to do.
fn is_good(application: &Application) -> bool {
    let holds = |aspect| Condition::of(&application.conditions, aspect).is_none_or(Condition::holds);
    matches!(&*application.state, "running" | "completed") && holds("Deployed") && holds("Available")
}

/// Whether it cannot be deployed without a change, whatever is still done for the version before.
fn is_final(application: &Application) -> bool {
    let reason = undeployed(application).map(|deployed| deployed.reason.as_str());
    matches!(reason, Some("RolledBack" | "Failed" | "Refused" | "Held"))
}

fn undeployed(application: &Application) -> Option<&Condition> {
    Condition::of(&application.conditions, "Deployed").filter(|deployed| !deployed.holds())
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
    if let (true, Some(deployed)) = (said.is_empty(), undeployed(application)) {
        let reason = format!("{}: {}", deployed.reason, deployed.message);
        return vec![say(&application.name, "not deployed", reason.trim_end_matches(": "))];
    }
    if said.is_empty() {
        return vec![say(&application.name, &application.state, &application.reason)];
    }
    said
}

/// Listens from before something is asked until it is done.
pub(super) struct Watch<'a> {
    client: &'a Client,
    news: Option<News>,
    within: Duration,
    screen: Screen,
}

/// The node's events as they come.
struct News {
    stream: Incoming,
    lines: Lines,
}

impl News {
    async fn listen(client: &Client) -> anyhow::Result<Self> {
        Ok(Self {
            stream: client.stream("/v1/events").await?,
            lines: Lines::default(),
        })
    }

    /// The next events; nothing when the stream is lost.
    async fn next(&mut self) -> Option<Vec<Event>> {
        let piece = next(&mut self.stream).await.ok()??;
        let lines = self.lines.push(&piece);
        Some(
            lines
                .iter()
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect(),
        )
    }

    /// Tells what is still on its way, up to the news of the end.
    async fn tell_rest(&mut self, progress: &mut Progress) {
        let end = Instant::now() + BEHIND;
        while !progress.is_over() {
            let Ok(Some(events)) = timeout_at(end, self.next()).await else {
                return;
            };
            events.iter().for_each(|event| progress.hear(event));
        }
    }
}

impl<'a> Watch<'a> {
    /// Begins to listen, where somebody is to wait at all.
    pub(super) async fn begin(client: &'a Client, patience: Patience, screen: Screen) -> anyhow::Result<Self> {
        let news = if patience.wait {
            Some(News::listen(client).await?)
        } else {
            None
        };
        Ok(Self {
            client,
            news,
            within: patience.timeout.0,
            screen,
        })
    }

    /// Waits, where that was asked for, and tells meanwhile what becomes of what is to run.
    ///
    /// # Errors
    /// [`Unsettled`] with the reasons, or when the daemon cannot be asked.
    pub(super) async fn until(mut self, wanted: &Wanted) -> anyhow::Result<()> {
        let Some(mut news) = self.news.take() else {
            return Ok(());
        };
        let mut progress = Progress::new(
            self.screen,
            wanted.running.clone(),
            wanted.moving.clone(),
            wanted.revision,
        );
        let settled = self.settle(wanted, &mut news, &mut progress).await?;
        news.tell_rest(&mut progress).await;
        settled.map_err(Into::into)
    }

    /// A stream that is lost is listened to anew: only a daemon that cannot be asked any more ends the wait.
    async fn settle(
        &self,
        wanted: &Wanted,
        news: &mut News,
        progress: &mut Progress,
    ) -> anyhow::Result<Result<(), Unsettled>> {
        let deadline = Instant::now() + self.within;
        loop {
            let answer = self.client.json(Method::GET, "/v1/status").await?;
            let status = serde_json::from_value(answer).context("the daemon's status cannot be read")?;
            let reasons = match wanted.judge(&status) {
                Verdict::Done => return Ok(Ok(())),
                Verdict::Never(reasons) => return Ok(Err(Unsettled::Never(reasons))),
                Verdict::NotYet(reasons) => reasons,
            };
            match timeout_at(deadline, news.next()).await {
                Ok(Some(events)) => events.iter().for_each(|event| progress.hear(event)),
                Ok(None) if Instant::now() < deadline => {
                    *news = News::listen(self.client).await.map_err(|_| Unsettled::Ended)?;
                }
                Ok(None) | Err(_) => {
                    let within = self.within;
                    return Err(Unsettled::Late { within, reasons }.into());
                }
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
    fn what_cannot_come_by_itself_ends_the_wait_though_the_version_before_is_still_at_work() {
        let wanted = Wanted::run(&applied(2, "shop"));
        let judge = |reason: &str| {
            let deployed = Condition {
                aspect: "Deployed".into(),
                status: "false".into(),
                reason: reason.into(),
                message: "web: ended with code 3".into(),
                ..Condition::default()
            };
            let shop = Application {
                conditions: vec![deployed],
                ..application("shop", "running", false)
            };
            wanted.judge(&status(2, &[shop]))
        };
        for reason in ["RolledBack", "Failed", "Refused", "Held"] {
            let told = format!("shop is not deployed: {reason}: web: ended with code 3");
            assert_eq!(judge(reason), Verdict::Never(vec![told]));
        }
        for reason in ["Preparing", "PreparationFailed", "Progressing", "Scheduled"] {
            assert!(matches!(judge(reason), Verdict::NotYet(_)), "{reason}");
        }
    }

    #[test]
    fn news_is_awaited_of_applications_for_which_something_is_done() {
        let step = |target: &str| Step {
            action: "start".into(),
            target: target.into(),
        };
        let applied = Applied {
            applications: ["shop", "shop-two", "idle"].map(str::to_owned).into(),
            steps: vec![step("shop.web.1"), step("shop-two.web")],
            ..Applied::default()
        };
        let moving: Vec<String> = Wanted::run(&applied).moving.into_iter().collect();
        assert_eq!(moving, ["shop", "shop-two"]);
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
