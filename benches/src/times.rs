//! Times by name, and what is told of them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Times by name, in the order in which the names came.
#[derive(Debug, Default)]
pub struct Times(Vec<(String, Vec<Duration>)>);

impl Times {
    /// Keeps a time under a name.
    pub fn add(&mut self, name: &str, took: Duration) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => times.push(took),
            None => self.0.push((name.to_owned(), vec![took])),
        }
    }

    /// Keeps how long something takes.
    pub fn measure<T>(&mut self, name: &str, run: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = run();
        self.add(name, begun.elapsed());
        result
    }

    /// A table of them.
    #[must_use]
    pub fn table(&self, title: &str) -> String {
        let mut text = format!("\n| {title} | median ms | least ms |\n|---|---|---|\n");
        for (name, median, least) in self.figures() {
            writeln!(text, "| {name} | {} | {} |", ms(median), ms(least)).unwrap();
        }
        text
    }

    /// A table of them beside the first, which is the floor.
    #[must_use]
    pub fn compared(&self, title: &str) -> String {
        let mut text = format!("\n| {title} | median ms | least ms | of the floor |\n|---|---|---|---|\n");
        let floor = self.figures().next().map_or(Duration::ZERO, |(_, median, _)| median);
        for (name, median, least) in self.figures() {
            let ratio = median.as_secs_f64() / floor.as_secs_f64();
            writeln!(text, "| {name} | {} | {} | {ratio:.2} |", ms(median), ms(least)).unwrap();
        }
        text
    }

    /// Names with the median and the least.
    pub fn figures(&self) -> impl Iterator<Item = (&str, Duration, Duration)> {
        self.0.iter().map(|(name, times)| {
            let mut times = times.clone();
            times.sort_unstable();
            (name.as_str(), times[times.len() / 2], times[0])
        })
    }
}

/// Milliseconds as they are told.
#[must_use]
pub fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
