//! What is kept of each instance below the runtime folder, so that a daemon that comes back finds it again.
//!
//! A record is written before its instance is started, and again as soon as the engine has said how to find it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aerolith_model::RestartPolicy;
use aerolith_plan::restart::Rule;
use aerolith_plan::{Fingerprint, InstanceId, RunId, ServiceId};
use aerolith_plugin_wire::engine::{Exit, Handle, Workload};
use serde::{Deserialize, Serialize};

use crate::durable::{self, FileError, On, Survives};
use crate::policy::Asked;

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: InstanceId,
    pub(crate) fingerprint: Fingerprint,
    /// The services it depended on when it was started.
    pub(crate) depends_on: BTreeSet<ServiceId>,
    /// The kind of engine that runs it.
    pub(crate) engine: String,
    /// What it runs; the token is that of the last start.
    pub(crate) workload: Workload,
    /// The stored tree of its program, when it runs a package.
    pub(crate) tree: Option<String>,
    pub(crate) terms: Terms,
    /// What it asks of the host; nothing in records of a daemon that had no policy about that.
    #[serde(default)]
    pub(crate) asked: Asked,
    pub(crate) life: Life,
    /// Restarts since it was first started.
    pub(crate) restarts: u64,
    /// How it ended last.
    pub(crate) exit: Option<Exit>,
    /// What was found the last time that its program was not what was published.
    pub(crate) edited: Option<String>,
    /// Its working folder; absent in records of a daemon that had one for each instance.
    #[serde(default)]
    pub(crate) folder: Option<PathBuf>,
}

impl Record {
    pub(crate) fn run(&self) -> RunId {
        RunId {
            instance: self.id.clone(),
            fingerprint: self.fingerprint,
        }
    }

    /// Its working folder, below that of all.
    pub(crate) fn folder(&self, instances: &Path) -> PathBuf {
        let former = || instances.join(self.id.to_string());
        self.folder.clone().unwrap_or_else(former)
    }

    /// The name of its file.
    fn file(&self) -> String {
        match self.folder {
            Some(_) => format!("{}.json", self.run()),
            None => format!("{}.json", self.id),
        }
    }
}

/// Where an instance is in its life, as far as a daemon that comes back must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Life {
    /// Nothing of it runs; it is to be started.
    Idle,
    /// It is being started: it may run, and its token finds it.
    Intended,
    /// It runs, and this finds it.
    Running(Handle),
    /// It has ended for good.
    Ended {
        /// Whether it did what it was to do.
        success: bool,
        /// For people.
        reason: String,
    },
}

/// What may change while an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    policy: RestartPolicy,
    limit: Option<u32>,
    forgets: bool,
    grace_ms: u64,
}

impl Terms {
    pub(crate) fn new(rule: Rule, grace: Duration) -> Self {
        let Rule { policy, limit, forgets } = rule;
        Self {
            policy,
            limit,
            forgets,
            grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn rule(self) -> Rule {
        Rule {
            policy: self.policy,
            limit: self.limit,
            forgets: self.forgets,
        }
    }

    pub(crate) fn grace_ms(self) -> u64 {
        self.grace_ms
    }
}

/// The records of all instances. Every call blocks, for a moment.
#[derive(Debug, Clone)]
pub(crate) struct Records(pub(crate) PathBuf);

impl Records {
    /// All records. One that cannot be read is set aside: whoever writes one does it in one step, so only a power cut
    /// leaves such a file, and nothing outlives that.
    pub(crate) fn load(&self) -> Result<Vec<Record>, FileError> {
        durable::folder(&self.0, true)?;
        let mut records = Vec::new();
        for path in durable::entries(&self.0)? {
            if path.is_dir() {
                continue;
            }
            match read(&path) {
                Ok(record) if self.path(&record) == path => records.push(record),
                Ok(record) => self.refuse(&path, &format!("it is of {}", record.id))?,
                Err(reason) => self.refuse(&path, &reason)?,
            }
        }
        Ok(records)
    }

    fn refuse(&self, path: &Path, reason: &str) -> Result<(), FileError> {
        let kept = durable::set_aside(path, &self.0.join("damaged"))?;
        tracing::error!(file = %path.display(), kept = %kept.display(), reason, "a record of an instance is no use");
        Ok(())
    }

    pub(crate) fn put(&self, record: &Record) -> Result<(), FileError> {
        let path = self.path(record);
        let bytes = serde_json::to_vec(record).on("encode", &path)?;
        durable::put(&path, &bytes, 0o600, Survives::Crash)
    }

    pub(crate) fn remove(&self, record: &Record) -> Result<(), FileError> {
        durable::remove(&self.path(record))
    }

    fn path(&self, record: &Record) -> PathBuf {
        self.0.join(record.file())
    }
}

fn read(path: &Path) -> Result<Record, String> {
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(id: &str, life: Life) -> Record {
        let rule = Rule {
            policy: RestartPolicy::Always,
            limit: None,
            forgets: true,
        };
        Record {
            id: id.parse().unwrap(),
            fingerprint: "ab".repeat(32).parse().unwrap(),
            depends_on: BTreeSet::new(),
            engine: "process".into(),
            workload: Workload {
                instance: id.into(),
                token: "t1".into(),
                ..Workload::default()
            },
            tree: Some("program-1".into()),
            terms: Terms::new(rule, Duration::from_secs(30)),
            asked: Asked::default(),
            life,
            restarts: 2,
            exit: None,
            edited: None,
            folder: None,
        }
    }

    #[test]
    fn every_life_reads_back_and_a_removed_record_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records(dir.path().join("instances"));
        assert_eq!(records.load().unwrap(), []);
        let handle = Handle {
            instance: "shop.web.2".into(),
            token: "t1".into(),
            state: serde_json::json!({"pid": 7}),
        };
        let all = [
            record("shop.web.1", Life::Intended),
            record("shop.web.2", Life::Running(handle)),
            record("shop.web.3", Life::Idle),
            record(
                "shop.web.4",
                Life::Ended {
                    success: true,
                    reason: "done".into(),
                },
            ),
        ];
        all.iter().for_each(|record| records.put(record).unwrap());
        assert_eq!(records.load().unwrap(), all);
        records.remove(&all[0]).unwrap();
        assert_eq!(records.load().unwrap(), all[1..]);
    }

    #[test]
    fn a_record_that_is_no_use_is_set_aside_and_a_half_written_one_removed() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records(dir.path().join("instances"));
        records.load().unwrap();
        fs::write(records.0.join("shop.web.1.json"), "{\"id\":").unwrap();
        fs::write(
            records.0.join("shop.web.2.json"),
            serde_json::to_vec(&record("aa.bb.1", Life::Idle)).unwrap_or_default(),
        )
        .unwrap();
        fs::write(records.0.join("~1"), "half").unwrap();
        assert_eq!(records.load().unwrap(), []);
        assert_eq!(durable::entries(&records.0.join("damaged")).unwrap().len(), 2);
        assert!(!records.0.join("~1").exists());
    }
}
