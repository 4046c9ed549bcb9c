//! Conditions: what is so of a part of the node and what is not, why, and since when.

use serde::Serialize;

/// One thing that is so of a part of the node, or is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub aspect: Aspect,
    /// Whether it is so.
    pub status: Truth,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people; empty where the reason says it all.
    pub message: String,
    /// Milliseconds since 1970 at which status or reason came to be as they are, or at which the daemon first looked.
    pub since_ms: u64,
    /// Milliseconds since 1970 at which what failed is tried again, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_ms: Option<u64>,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Aspect {
    /// A node does all that it is to do; a plugin can be called; an instance can take work.
    Ready,
    /// All files of the node's state could be read.
    StateWhole,
    /// The node's own disk takes what is written.
    DiskWritable,
    /// The newest version of an application is in force, and good.
    Deployed,
    /// All instances that are wanted are ready, of whichever version, or have done what they were to do.
    Available,
    /// All that the wanted version of a service needs is here.
    Prepared,
    /// The engine keeps to all that the service declares.
    Enforced,
    /// An instance runs.
    Running,
    /// An instance has been ready without interruption for the health window of its service.
    Healthy,
}

/// Whether something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody can tell now.
    Unknown,
}

/// Why a condition is as it is. Where all is well, the reason is called like the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// It can take work.
    Ready,
    /// Nothing of the state is damaged.
    StateWhole,
    /// The disk takes what is written.
    DiskWritable,
    /// The newest version is in force, and good.
    Deployed,
    /// All wanted instances are ready.
    Available,
    /// All is here.
    Prepared,
    /// The engine keeps to all of it.
    Enforced,
    /// It runs.
    Running,
    /// It was ready for its health window.
    Healthy,

    /// A file of the state could not be read; it is kept aside.
    StateDamaged,
    /// The disk is full, read-only or broken.
    DiskRefuses,
    /// A required plugin does not run.
    PluginNotRunning,

    /// It is fetched, verified and unpacked.
    Preparing,
    /// It could not be fetched, verified or unpacked, and is tried again at the time that is told; without one, only another
    /// version of it can put that right.
    PreparationFailed,
    /// The node's policy does not take it.
    Refused,
    /// New instances start, and old ones stop.
    Progressing,
    /// It failed, and the version before is in force again.
    RolledBack,
    /// It is not due before its time.
    Scheduled,
    /// Its description cannot be used: it is left as it is.
    Held,
    /// It is wanted no more.
    Removing,

    /// It starts when what it depends on is ready, or all of its application is prepared.
    Waiting,
    /// It is being started.
    Starting,
    /// It runs, and is not ready yet.
    NotReady,
    /// It is ready, and has not been so for its health window.
    Proving,
    /// It ended or could not be started, and is started again.
    Restarting,
    /// It is looked for after the daemon was away.
    Recovering,
    /// It is being stopped.
    Stopping,
    /// It was stopped, and stays so.
    Stopped,
    /// It ended, and is not started again.
    Failed,
    /// It failed too often, and is left alone.
    Quarantined,
    /// It works, but not well.
    Degraded,
    /// It did what it was to do.
    Completed,
    /// No instance is wanted.
    NoneWanted,
    /// The engine cannot keep to all of it.
    NotEnforced,
}

impl Condition {
    /// Something that is so.
    pub(crate) fn is(aspect: Aspect, reason: Reason) -> Self {
        Self::new(aspect, Truth::True, reason, String::new())
    }

    /// Something that is not so.
    pub(crate) fn is_not(aspect: Aspect, reason: Reason, message: impl Into<String>) -> Self {
        Self::new(aspect, Truth::False, reason, message.into())
    }

    /// Not dated yet: that is the chronicle's business.
    pub(crate) fn new(aspect: Aspect, status: Truth, reason: Reason, message: String) -> Self {
        Self {
            aspect,
            status,
            reason,
            message,
            since_ms: 0,
            next_try_ms: None,
        }
    }

    /// The same, with the time of the next try.
    pub(crate) fn tried_at(self, next_try_ms: Option<u64>) -> Self {
        Self { next_try_ms, ..self }
    }

    /// Whether it is so.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.status == Truth::True
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_in_words_for_programs() {
        let condition = Condition::is_not(Aspect::Prepared, Reason::PreparationFailed, "the server answered 404");
        let json = serde_json::to_value(condition.tried_at(Some(7))).unwrap();
        let expected = serde_json::json!({"type": "Prepared", "status": "false", "reason": "PreparationFailed",
            "message": "the server answered 404", "sinceMs": 0, "nextTryMs": 7});
        assert_eq!(json, expected);
    }
}
