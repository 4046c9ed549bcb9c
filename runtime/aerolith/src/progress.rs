//! How far packages and applications have come, for whoever waits: bars on a terminal, else a line for each stage, or the
//! events themselves for programs. All of it goes to standard error, so that standard output holds the answer alone.

mod bars;
mod news;

use std::collections::{BTreeMap, BTreeSet};

use aerolith_api::Event;

use crate::arguments::Format;
use crate::command::shown_event;
use crate::screen::Screen;
use crate::target::named;
use bars::Bars;
use news::{News, Subject};

pub(crate) use news::short;

/// What is told of some applications.
pub(crate) struct Progress {
    screen: Screen,
    applications: BTreeSet<String>,
    /// Those of which the end has not been told.
    open: BTreeSet<String>,
    /// What was told of an older revision is no news.
    revision: u64,
    /// The last line of each application.
    told: BTreeMap<String, String>,
    subject: Subject,
    bars: Option<Bars>,
}

impl Progress {
    /// Of applications from a revision on; `moving` are those for which something is being done.
    pub(crate) fn new(screen: Screen, applications: BTreeSet<String>, moving: BTreeSet<String>, revision: u64) -> Self {
        Self {
            screen,
            applications,
            open: moving,
            revision,
            told: BTreeMap::new(),
            subject: named,
            bars: screen.draws().then(Bars::new),
        }
    }

    /// Of a package that is tried without any application: it goes by its own name.
    pub(crate) fn of_package(screen: Screen, package: String) -> Self {
        Self {
            subject: |package, _| package.to_owned(),
            ..Self::new(screen, BTreeSet::from([package]), BTreeSet::new(), 0)
        }
    }

    /// Something has happened on the node.
    pub(crate) fn hear(&mut self, event: &Event) {
        if !self.concerns(event) {
            return;
        }
        if event.data["settled"] == true {
            self.open.retain(|name| event.topic.split('/').nth(1) != Some(name));
        }
        match self.screen.format() {
            Format::Table => {
                if let Some(news) = News::of(event, self.subject).filter(|news| self.is_new(news)) {
                    self.show(news);
                }
            }
            format => {
                let text = shown_event(event, format).unwrap_or_default();
                self.screen.message(text.trim_end());
            }
        }
    }

    /// Whether everything has been told up to the news that each application has come to rest.
    pub(crate) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    fn concerns(&self, event: &Event) -> bool {
        let mut levels = event.topic.split('/');
        let is_known = matches!(levels.next(), Some("package" | "app"));
        let is_old = event.data["revision"].as_u64().is_some_and(|of| of < self.revision);
        let is_ours = levels.next().is_some_and(|name| self.applications.contains(name));
        is_known && is_ours && !is_old
    }

    /// An application is told of whenever anything in it changes; people are told when that makes another line.
    fn is_new(&mut self, news: &News) -> bool {
        let News::Application { name, line, .. } = news else {
            return true;
        };
        self.told.insert(name.clone(), line.clone()).as_ref() != Some(line)
    }

    fn show(&mut self, news: News) {
        match (&mut self.bars, news) {
            (Some(bars), news) => bars.show(news),
            (None, News::Fetching { .. }) => {}
            (None, News::Here { line, .. } | News::Package { line } | News::Application { line, .. }) => {
                self.screen.message(&line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(topic: &str, data: Value) -> Event {
        Event {
            topic: topic.into(),
            data,
        }
    }

    fn progress() -> Progress {
        let weather = BTreeSet::from(["weather".to_owned()]);
        Progress::new(Screen::new(Format::Table), weather.clone(), weather, 3)
    }

    #[test]
    fn only_what_becomes_of_the_applications_from_their_revision_on_is_told() {
        let progress = progress();
        let concerns = |topic: &str, data: Value| progress.concerns(&told(topic, data));
        assert!(concerns("package/weather/main/fetched", json!({})));
        assert!(concerns("app/weather/running", json!({"revision": 3})));
        assert!(!concerns("app/weather/running", json!({"revision": 2})));
        assert!(!concerns("app/other/running", json!({"revision": 3})));
        assert!(!concerns("plugin/weather/running", json!({})));
    }

    #[test]
    fn a_package_that_is_tried_goes_by_its_own_name() {
        let progress = Progress::of_package(Screen::new(Format::Table), "cam".into());
        let event = told("package/cam/trial/published", json!({"package": "cam-ab"}));
        assert!(progress.concerns(&event));
        let line = "cam: published cam-ab".to_owned();
        assert_eq!(News::of(&event, progress.subject), Some(News::Package { line }));
    }

    #[test]
    fn it_is_over_when_an_application_has_come_to_rest_at_its_revision() {
        let mut progress = progress();
        for (revision, settled) in [(2, true), (3, false)] {
            progress.hear(&told(
                "app/weather/running",
                json!({"revision": revision, "settled": settled}),
            ));
            assert!(!progress.is_over());
        }
        progress.hear(&told("app/weather/running", json!({"revision": 3, "settled": true})));
        assert!(progress.is_over());
    }

    #[test]
    fn an_application_is_told_of_again_only_when_it_says_something_else() {
        let mut progress = progress();
        let mut is_new = |state: &str, reason: &str| {
            let data = json!({"revision": 3, "settled": true, "reason": reason});
            progress.is_new(&News::of(&told(&format!("app/weather/{state}"), data), named).unwrap())
        };
        assert!(is_new("failed", "404"));
        assert!(!is_new("failed", "404"));
        assert!(is_new("failed", "503"));
        assert!(is_new("running", ""));
    }
}
