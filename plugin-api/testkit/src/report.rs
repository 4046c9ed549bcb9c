//! What a suite found out.

use std::fmt;
use std::time::Duration;

/// How long a check may take before it counts as failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What one check answers: nothing, or why it failed.
pub(crate) type Outcome = std::result::Result<(), String>;

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The check, as a sentence.
    pub name: &'static str,
    /// What was expected and what was found.
    pub why: String,
}

/// What a suite found out. Prints as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Names of the checks that passed, in order.
    pub passed: Vec<&'static str>,
    /// The checks that failed, in order.
    pub failed: Vec<Failed>,
}

impl Report {
    /// Runs one check; one that does not come to an end within 10 s has failed.
    pub(crate) async fn check(&mut self, name: &'static str, check: impl Future<Output = Outcome>) {
        let silent = Err(format!("did not come to an end within {} s", PATIENCE.as_secs()));
        match tokio::time::timeout(PATIENCE, check).await.unwrap_or(silent) {
            Ok(()) => self.passed.push(name),
            Err(why) => self.failed.push(Failed { name, why }),
        }
    }

    /// Both reports as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.passed.extend(other.passed);
        self.failed.extend(other.failed);
        self
    }

    /// Whether checks were made, and all of them passed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && !self.passed.is_empty()
    }

    /// For tests.
    ///
    /// # Panics
    /// With the table, when a check failed or none was made.
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.passed {
            writeln!(f, "ok      {name}")?;
        }
        for Failed { name, why } in &self.failed {
            writeln!(f, "FAILED  {name}: {why}")?;
        }
        write!(f, "{} passed, {} failed", self.passed.len(), self.failed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_never_ends_fails_and_the_next_is_still_made() {
        let mut report = Report::default();
        report.check("waits for ever", std::future::pending()).await;
        report.check("is quick", async { Ok(()) }).await;
        assert_eq!(report.passed, ["is quick"]);
        assert_eq!(
            report.to_string(),
            "ok      is quick\nFAILED  waits for ever: did not come to an end within 10 s\n1 passed, 1 failed"
        );
    }

    #[test]
    fn a_report_without_a_check_is_not_clean() {
        assert!(!Report::default().is_clean());
    }

    #[test]
    #[should_panic(expected = "FAILED  is right: it is wrong")]
    fn a_failure_is_shown_by_the_panic() {
        let failed = vec![Failed {
            name: "is right",
            why: "it is wrong".into(),
        }];
        Report {
            passed: vec!["is there"],
            failed,
        }
        .assert_clean();
    }
}
