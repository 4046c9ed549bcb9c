//! What was measured, as text for a record.

use std::fmt::Write as _;
use std::time::Duration;

/// Times by name, in the order in which the names came.
#[derive(Default)]
pub(crate) struct Times(Vec<(String, Vec<Duration>)>);

/// What it takes to deploy one input in one place.
#[derive(Default)]
pub(crate) struct Compared {
    /// Of every contender; the first is the floor.
    pub(crate) contenders: Times,
    /// Of what ours does one after the other.
    pub(crate) stages: Times,
    /// The most memory of our daemon, in kB.
    pub(crate) peak: u64,
}

impl Times {
    pub(crate) fn add(&mut self, name: &str, took: Duration) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => times.push(took),
            None => self.0.push((name.to_owned(), vec![took])),
        }
    }

    /// Names with the median and the least.
    fn figures(&self) -> impl Iterator<Item = (&str, Duration, Duration)> {
        self.0.iter().map(|(name, times)| {
            let mut times = times.clone();
            times.sort_unstable();
            (name.as_str(), times[times.len() / 2], times[0])
        })
    }
}

/// Adds a table of a comparison.
pub(crate) fn deployment(text: &mut String, title: &str, compared: &Compared) {
    writeln!(
        text,
        "\n| {title} | median ms | least ms | of the floor |\n|---|---|---|---|"
    )
    .unwrap();
    let floor = compared
        .contenders
        .figures()
        .next()
        .map_or(Duration::ZERO, |(_, median, _)| median);
    for (name, median, least) in compared.contenders.figures() {
        let ratio = median.as_secs_f64() / floor.as_secs_f64();
        writeln!(text, "| {name} | {} | {} | {ratio:.2} |", ms(median), ms(least)).unwrap();
    }
    let stages: Vec<_> = compared
        .stages
        .figures()
        .map(|(name, median, _)| format!("{name} {}", ms(median)))
        .collect();
    let peak = compared.peak;
    writeln!(
        text,
        "\nOurs by stage, ms: {}; peak RSS of the daemon {peak} kB.",
        stages.join(", ")
    )
    .unwrap();
}

/// Adds a table of times.
pub(crate) fn times(text: &mut String, title: &str, times: &Times) {
    writeln!(text, "\n| {title} | median ms | least ms |\n|---|---|---|").unwrap();
    for (name, median, least) in times.figures() {
        writeln!(text, "| {name} | {} | {} |", ms(median), ms(least)).unwrap();
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
