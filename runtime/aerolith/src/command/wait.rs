//! Waiting until the node has done what was asked: it is looked at again whenever something has happened, and only then.

mod wanted;

use std::time::Duration;

use aerolith_api::Event;
use anyhow::Context as _;
use hyper::Method;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::arguments::Patience;
use crate::client::{Client, next};
use crate::lines::Lines;
use crate::progress::Progress;
use crate::screen::Screen;
use wanted::Verdict;

pub(super) use wanted::Wanted;

/// How long the news of the end may be behind the status that shows it.
const BEHIND: Duration = Duration::from_secs(2);

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
