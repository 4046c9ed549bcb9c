//! What becomes of a package, told on the bus while it happens: `package/APP/SERVICE/STAGE`, and
//! `package/PACKAGE/trial/STAGE` of one that is only tried. The stages of an object are
//! `fetching`, `fetched`, `verified`, or `reused`; those of the package `unpacked`, `published`, or `reused`, and `edited`
//! before them where somebody changed it in the store.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerolith_model::Name;
use aerolith_packages::{Blob, Tree};
use aerolith_plan::ServiceId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bus::Bus;

/// Least time between two reports of how far a download has come.
const INTERVAL: Duration = Duration::from_millis(250);

/// Tells of the packages that one service needs, or of one that is tried.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    bus: Bus,
    /// Without the stage.
    topic: String,
}

/// Tells of one object.
pub(crate) struct Report<'a> {
    reporter: &'a Reporter,
    package: &'a str,
    object: &'a str,
    course: Mutex<Course>,
}

/// The course of one download.
struct Course {
    begun: Instant,
    /// Bytes that were here when it began.
    reused: u64,
    told: Option<Instant>,
}

impl Reporter {
    /// For the objects of a service.
    pub(crate) fn new(bus: &Bus, service: &ServiceId) -> Self {
        Self {
            bus: bus.clone(),
            topic: format!("package/{}/{}", service.application, service.service),
        }
    }

    /// For a package that is only tried.
    pub(crate) fn trial(bus: &Bus, package: &Name) -> Self {
        Self {
            bus: bus.clone(),
            topic: format!("package/{package}/trial"),
        }
    }

    /// For one object of a package.
    pub(crate) fn object<'a>(&'a self, package: &'a str, object: &'a str) -> Report<'a> {
        Report {
            reporter: self,
            package,
            object,
            course: Mutex::new(Course::from(0)),
        }
    }

    /// The objects of a package are unpacked into one tree of so many bytes.
    pub(crate) fn unpacked(&self, package: &str, bytes: u64, within: Duration) {
        let rate = per_second(bytes, within);
        self.tell(
            "unpacked",
            &json!({"package": package, "bytes": bytes, "bytesPerSecond": rate}),
        );
    }

    /// The tree of a package is in the store.
    pub(crate) fn published(&self, package: &str, tree: &Tree) {
        self.tell("published", &json!({"package": package, "tree": tree.id().as_str()}));
    }

    /// The tree of a package was in the store already.
    pub(crate) fn reused(&self, package: &str, tree: &Tree) {
        self.tell("reused", &json!({"package": package, "tree": tree.id().as_str()}));
    }

    /// The tree of a package was edited in the store, and is built again.
    pub(crate) fn edited(&self, package: &str, reason: &str) {
        self.tell("edited", &json!({"package": package, "reason": reason}));
    }

    fn tell(&self, stage: &str, data: &Value) {
        self.bus.tell(format!("{}/{stage}", self.topic), data.clone());
    }
}

impl Report<'_> {
    /// A download begins behind the bytes that are here.
    pub(crate) fn begin(&self, here: u64) {
        *self.course() = Course::from(here);
    }

    /// How far it has come, now and then.
    pub(crate) fn fetching(&self, bytes: u64, size: Option<u64>) {
        let (rate, reused) = {
            let mut course = self.course();
            if course.told.is_some_and(|told| told.elapsed() < INTERVAL) {
                return;
            }
            course.told = Some(Instant::now());
            course.pace(bytes)
        };
        self.tell(
            "fetching",
            json!({"bytes": bytes, "size": size, "bytesPerSecond": rate, "reusedBytes": reused}),
        );
    }

    /// All of it came, and has the digests that were promised.
    pub(crate) fn fetched(&self, blob: &Blob) {
        let (rate, reused) = self.course().pace(blob.size());
        self.tell(
            "fetched",
            json!({"bytes": blob.size(), "bytesPerSecond": rate, "reusedBytes": reused}),
        );
        self.tell(
            "verified",
            json!({"bytes": blob.size(), "sha256": blob.digest().to_string()}),
        );
    }

    /// It was in the store already.
    pub(crate) fn reused(&self, blob: &Blob) {
        self.tell(
            "reused",
            json!({"bytes": blob.size(), "sha256": blob.digest().to_string()}),
        );
    }

    fn tell(&self, stage: &str, mut data: Value) {
        data["package"] = self.package.into();
        data["object"] = self.object.into();
        self.reporter.tell(stage, &data);
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Course {
    fn from(here: u64) -> Self {
        Self {
            begun: Instant::now(),
            reused: here,
            told: None,
        }
    }

    /// Bytes per second of what came, and bytes that did not have to.
    fn pace(&self, bytes: u64) -> (u64, u64) {
        let came = bytes.saturating_sub(self.reused);
        (per_second(came, self.begun.elapsed()), self.reused)
    }
}

fn per_second(bytes: u64, within: Duration) -> u64 {
    let milliseconds = within.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / milliseconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_speed_is_that_of_what_came_and_not_of_what_was_here() {
        let bus = Bus::default();
        let mut events = bus.subscribe("package/#").unwrap();
        let instance: aerolith_plan::InstanceId = "shop.web.1".parse().unwrap();
        let reporter = Reporter::new(&bus, &instance.service);
        let report = reporter.object("pp", "a.zip");
        tokio::time::advance(Duration::from_secs(60)).await;
        report.begin(1_000);
        tokio::time::advance(Duration::from_secs(2)).await;
        report.fetching(3_000, Some(9_000));
        report.fetching(3_001, Some(9_000));
        let told = events.next().await.unwrap();
        assert_eq!(told.topic, "package/shop/web/fetching");
        let expected = json!({"package": "pp", "object": "a.zip", "bytes": 3_000, "size": 9_000,
            "bytesPerSecond": 1_000, "reusedBytes": 1_000});
        assert_eq!(told.data, expected);
        report.begin(0);
        tokio::time::advance(Duration::from_secs(1)).await;
        report.fetching(500, None);
        let told = events.next().await.unwrap().data;
        assert_eq!((&told["bytes"], &told["bytesPerSecond"]), (&500.into(), &500.into()));
    }
}
