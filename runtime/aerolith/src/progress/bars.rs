//! Bars on a terminal, drawn on standard error: one for each object that is being fetched, below the lines of what is over.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::news::{Download, News, Object};

/// The bars. No colours are used, so that there is none to switch off.
pub(super) struct Bars {
    all: MultiProgress,
    of_objects: BTreeMap<Object, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            of_objects: BTreeMap::new(),
        }
    }

    pub(super) fn show(&mut self, news: News) {
        match news {
            News::Fetching { object, download } => self.fetching(object, download),
            News::Here { object, line } => {
                self.remove(|other| *other == object);
                self.say(&line);
            }
            News::Package { line } => self.say(&line),
            News::Application { name, failed, line } => {
                if failed {
                    self.remove(|object| object.application == name);
                }
                self.say(&line);
            }
        }
    }

    fn fetching(&mut self, object: Object, download: Download) {
        let all = &self.all;
        let bar = self
            .of_objects
            .entry(object)
            .or_insert_with_key(|object| all.add(bar(object, download)));
        bar.set_message(download.text());
        bar.set_position(download.bytes);
    }

    fn remove(&mut self, is_over: impl Fn(&Object) -> bool) {
        for (_, bar) in self.of_objects.extract_if(.., |object, _| is_over(object)) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// A line above the bars. A terminal that takes nothing is no reason to fail.
    fn say(&self, line: &str) {
        let _ = self.all.println(line);
    }
}

impl Drop for Bars {
    /// Leaves the lines alone on the terminal.
    fn drop(&mut self) {
        self.remove(|_| true);
    }
}

fn bar(object: &Object, download: Download) -> ProgressBar {
    let Object { subject, key, .. } = object;
    let bar = match download.size {
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::no_length(),
    };
    bar.with_prefix(format!("{subject}: {key}"))
        .with_style(style(download.size.is_some()))
}

fn style(is_size_known: bool) -> ProgressStyle {
    let template = if is_size_known {
        "{prefix} [{bar:24}] {msg}"
    } else {
        "{prefix} {msg}"
    };
    let style = ProgressStyle::with_template(template);
    style
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
