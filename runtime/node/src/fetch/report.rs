//! What becomes of an object, told on the bus while it happens: `package/APP/SERVICE/STAGE`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aerolith_plan::ServiceId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bus::Bus;

/// Least time between two reports of how far a download has come.
const INTERVAL: Duration = Duration::from_millis(250);

/// Tells of the objects that one service needs.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    bus: Bus,
    /// Nobody, where a package is only tried.
    service: Option<ServiceId>,
}

/// Tells of one object.
pub(crate) struct Report<'a> {
    reporter: &'a Reporter,
    object: &'a str,
    begun: Instant,
    told: Mutex<Option<Instant>>,
}

impl Reporter {
    /// For the objects of a service.
    pub(crate) fn new(bus: &Bus, service: &ServiceId) -> Self {
        Self {
            bus: bus.clone(),
            service: Some(service.clone()),
        }
    }

    /// For nobody: nothing is told.
    pub(crate) fn silent() -> Self {
        Self {
            bus: Bus::default(),
            service: None,
        }
    }

    /// For one object, from now on.
    pub(crate) fn object<'a>(&'a self, object: &'a str) -> Report<'a> {
        Report {
            reporter: self,
            object,
            begun: Instant::now(),
            told: Mutex::default(),
        }
    }

    /// The package as a whole has come to a stage.
    pub(crate) fn tell(&self, stage: &str, data: Value) {
        let Some(ServiceId { application, service }) = &self.service else {
            return;
        };
        self.bus.tell(format!("package/{application}/{service}/{stage}"), data);
    }
}

impl Report<'_> {
    /// How far it has come, now and then.
    pub(crate) fn fetching(&self, bytes: u64, size: Option<u64>) {
        let now = Instant::now();
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_some_and(|told| now.duration_since(told) < INTERVAL) {
                return;
            }
            *told = Some(now);
        }
        let data = json!({"object": self.object, "bytes": bytes, "size": size, "bytesPerSecond": self.speed(bytes)});
        self.reporter.tell("fetching", data);
    }

    /// All of it came, and has the digests that were promised.
    pub(crate) fn fetched(&self, bytes: u64) {
        let fetched = json!({"object": self.object, "bytes": bytes, "bytesPerSecond": self.speed(bytes)});
        self.reporter.tell("fetched", fetched);
    }

    /// It has what was promised of it.
    pub(crate) fn verified(&self, bytes: u64, sha256: &str) {
        self.reporter.tell(
            "verified",
            json!({"object": self.object, "bytes": bytes, "sha256": sha256}),
        );
    }

    /// It was in the store already.
    pub(crate) fn reused(&self, bytes: u64) {
        self.reporter
            .tell("reused", json!({"object": self.object, "bytes": bytes}));
    }

    fn speed(&self, bytes: u64) -> u64 {
        let milliseconds = self.begun.elapsed().as_millis().max(1);
        u64::try_from(u128::from(bytes) * 1000 / milliseconds).unwrap_or(u64::MAX)
    }
}
