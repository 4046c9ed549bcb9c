//! What is kept of each instance below the runtime folder, so that a daemon that comes back finds it again.
//!
//! A record is written before its instance is started, and again as soon as the engine has said how to find it. That a job
//! ended well is kept in the data folder too, since a boot does not undo it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aerolith_plan::probe::Probes;
use aerolith_plan::restart::{Row, Rule};
use aerolith_plan::trial::Proof;
use aerolith_plan::{Fingerprint, Goal, InstanceId, RunId, ServiceId, Updates};
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
    /// What its restart policy remembers.
    #[serde(default)]
    pub(crate) row: Row,
    /// Whether it has proven that its version is any good.
    #[serde(default)]
    pub(crate) proof: Proof,
    /// Whether its startup probe has said, of this start, that it has started.
    #[serde(default)]
    pub(crate) has_begun: bool,
}

impl Record {
    /// Whether it is never to be run again, whatever happens to the machine.
    fn is_lasting(&self) -> bool {
        self.terms.rule.once && matches!(self.life, Life::Ended { success: true, .. })
    }

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What to do when it ends.
    #[serde(flatten)]
    pub(crate) rule: Rule,
    grace_ms: u64,
    /// What it is asked while it runs.
    #[serde(default)]
    pub(crate) probes: Probes,
    /// How long it must be ready without interruption to be healthy.
    #[serde(default = "window")]
    pub(crate) window: Duration,
    /// How long it may take until it is healthy.
    #[serde(default = "deadline")]
    pub(crate) deadline: Duration,
}

fn window() -> Duration {
    Updates::default().window
}

fn deadline() -> Duration {
    Updates::default().deadline
}

impl Terms {
    pub(crate) fn of(goal: &Goal) -> Self {
        let service = &goal.service;
        Self {
            rule: goal.restart,
            grace_ms: u64::try_from(service.grace_period.0.as_millis()).unwrap_or(u64::MAX),
            probes: Probes::of(service),
            window: goal.updates.window,
            deadline: goal.updates.deadline,
        }
    }

    pub(crate) fn grace_ms(&self) -> u64 {
        self.grace_ms
    }
}

/// The records of all instances. Every call blocks, for a moment.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    folder: PathBuf,
    /// Of jobs that ended well.
    lasting: PathBuf,
}

impl Records {
    pub(crate) fn new(folder: PathBuf, lasting: PathBuf) -> Self {
        Self { folder, lasting }
    }

    /// All records. One that cannot be read is set aside: whoever writes one does it in one step, so only a power cut
    /// leaves such a file below the runtime folder, and nothing outlives that.
    pub(crate) fn load(&self) -> Result<Vec<Record>, FileError> {
        let mut records = load(&self.folder)?;
        for lasting in load(&self.lasting)? {
            if !records.iter().any(|record| record.run() == lasting.run()) {
                records.push(lasting);
            }
        }
        Ok(records)
    }

    /// The record of one run, if there is any.
    pub(crate) fn of(&self, run: &RunId) -> Option<Record> {
        let names = [format!("{run}.json"), format!("{}.json", run.instance)];
        let mut found = names.iter().filter_map(|name| read(&self.folder.join(name)).ok());
        found.find(|record| record.run() == *run)
    }

    pub(crate) fn put(&self, record: &Record) -> Result<(), FileError> {
        let path = self.folder.join(record.file());
        let bytes = serde_json::to_vec(record).on("encode", &path)?;
        if record.is_lasting() {
            durable::put(&self.lasting.join(record.file()), &bytes, 0o600, Survives::PowerCut)?;
        }
        durable::put(&path, &bytes, 0o600, Survives::Crash)
    }

    /// What lasts goes first: whoever dies in between finds the other, and does it again.
    pub(crate) fn remove(&self, record: &Record) -> Result<(), FileError> {
        durable::remove(&self.lasting.join(record.file()))?;
        durable::remove(&self.folder.join(record.file()))
    }
}

fn load(folder: &Path) -> Result<Vec<Record>, FileError> {
    durable::folder(folder, true)?;
    let mut records = Vec::new();
    for path in durable::entries(folder)? {
        if path.is_dir() {
            continue;
        }
        match read(&path) {
            Ok(record) if folder.join(record.file()) == path => records.push(record),
            Ok(record) => refuse(&path, folder, &format!("it is of {}", record.id))?,
            Err(reason) => refuse(&path, folder, &reason)?,
        }
    }
    Ok(records)
}

fn refuse(path: &Path, folder: &Path, reason: &str) -> Result<(), FileError> {
    let kept = durable::set_aside(path, &folder.join("damaged"))?;
    tracing::error!(file = %path.display(), kept = %kept.display(), reason, "a record of an instance is no use");
    Ok(())
}

fn read(path: &Path) -> Result<Record, String> {
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aerolith_model::{Backoff, RestartPolicy};

    pub(crate) fn record(id: &str, life: Life) -> Record {
        let rule = Rule {
            policy: RestartPolicy::Always,
            limit: None,
            forgets: true,
            once: false,
            backoff: Backoff::default(),
        };
        let terms = Terms {
            rule,
            grace_ms: 30_000,
            probes: Probes::default(),
            window: window(),
            deadline: deadline(),
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
            terms,
            asked: Asked::default(),
            life,
            restarts: 2,
            exit: None,
            edited: None,
            folder: None,
            row: Row::default(),
            proof: Proof::default(),
            has_begun: false,
        }
    }

    fn records(dir: &Path) -> Records {
        Records::new(dir.join("instances"), dir.join("completed"))
    }

    fn done(id: &str, once: bool) -> Record {
        let reason = String::new();
        let mut record = record(id, Life::Ended { success: true, reason });
        record.terms.rule.once = once;
        record
    }

    #[test]
    fn only_that_a_job_ended_well_outlives_a_boot_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let records = records(dir.path());
        assert_eq!(records.load().unwrap(), []);
        let (job, service) = (done("shop.job.1", true), done("shop.web.1", false));
        records.put(&job).unwrap();
        records.put(&service).unwrap();
        assert_eq!(records.load().unwrap(), [job.clone(), service]);
        fs::remove_dir_all(&records.folder).unwrap();
        assert_eq!(records.load().unwrap(), std::slice::from_ref(&job));
        records.remove(&job).unwrap();
        assert_eq!(records.load().unwrap(), []);
    }

    #[test]
    fn a_record_of_a_daemon_that_knew_less_is_read() {
        let old = record("shop.web.1", Life::Idle);
        let mut json = serde_json::to_value(&old).unwrap();
        for field in ["row", "proof", "has_begun"] {
            json.as_object_mut().unwrap().remove(field);
        }
        json["terms"] = serde_json::json!({"policy": "always", "limit": null, "forgets": true, "grace_ms": 30_000});
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), old);
    }

    #[test]
    fn every_life_reads_back_and_a_removed_record_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let records = records(dir.path());
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
        assert_eq!(records.of(&all[1].run()).as_ref(), Some(&all[1]));
        records.remove(&all[0]).unwrap();
        assert_eq!(records.load().unwrap(), all[1..]);
        assert_eq!(records.of(&all[0].run()), None);
    }

    #[test]
    fn a_record_that_is_no_use_is_set_aside_and_a_half_written_one_removed() {
        let dir = tempfile::tempdir().unwrap();
        let records = records(dir.path());
        records.load().unwrap();
        fs::write(records.folder.join("shop.web.1.json"), "{\"id\":").unwrap();
        fs::write(
            records.folder.join("shop.web.2.json"),
            serde_json::to_vec(&record("aa.bb.1", Life::Idle)).unwrap_or_default(),
        )
        .unwrap();
        fs::write(records.folder.join("~1"), "half").unwrap();
        assert_eq!(records.load().unwrap(), []);
        assert_eq!(durable::entries(&records.folder.join("damaged")).unwrap().len(), 2);
        assert!(!records.folder.join("~1").exists());
    }
}
