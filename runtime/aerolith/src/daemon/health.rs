//! Whether the node does all that it is to do: its required plugins run, its state is whole, its disk takes what is written.

use aerolith_api::Health;
use aerolith_host::{State, Status};
use aerolith_node::{Aspect, Condition, Reason, Truth};

use super::shown::word;

/// Something that went wrong with plugins of which there is not even an instance.
#[derive(Debug, Clone)]
pub(super) struct Absent {
    pub(super) what: String,
    /// Milliseconds since 1970.
    pub(super) since_ms: u64,
}

/// Whether a plugin can be called. The host dates its states.
pub(super) fn of_plugin(status: &Status) -> Condition {
    let (truth, reason) = match status.state {
        State::Running => (Truth::True, Reason::Ready),
        State::Degraded => (Truth::True, Reason::Degraded),
        State::Discovered | State::Verified | State::Loaded | State::Created => (Truth::False, Reason::Starting),
        State::Draining => (Truth::False, Reason::Stopping),
        State::Stopped => (Truth::False, Reason::Stopped),
        State::Failed => (Truth::False, Reason::Failed),
        State::Quarantined => (Truth::False, Reason::Quarantined),
    };
    Condition {
        aspect: Aspect::Ready,
        status: truth,
        reason,
        message: status.message.clone(),
        since_ms: status.since.saturating_mul(1_000),
        next_try_ms: None,
    }
}

/// All that the node's health depends on.
pub(super) struct Parts {
    all: Vec<Condition>,
    /// Whether the node itself has begun.
    has_begun: bool,
}

impl Parts {
    /// Of its plugins and of the conditions of its own; without those it has not begun yet.
    pub(super) fn of(plugins: &[Status], absent: &[Absent], own: Option<&[Condition]>) -> Self {
        let required = plugins.iter().filter(|plugin| plugin.required).map(of_required);
        let absent = absent.iter().map(|absent| Condition {
            message: absent.what.clone(),
            since_ms: absent.since_ms,
            ..not_running()
        });
        let own_conditions = own.unwrap_or_default().iter().cloned();
        Self {
            all: required.chain(absent).chain(own_conditions).collect(),
            has_begun: own.is_some(),
        }
    }

    fn troubles(&self) -> impl Iterator<Item = &Condition> {
        self.all.iter().filter(|part| !part.holds())
    }

    fn reasons(&self) -> Vec<String> {
        self.troubles().map(|trouble| trouble.message.clone()).collect()
    }

    /// Whether the node is ready: where it is not, since the oldest of its troubles; where it is, since the last of them
    /// was over.
    pub(super) fn ready(&self) -> Condition {
        let latest = self.all.iter().map(|part| part.since_ms).max().unwrap_or_default();
        let oldest = self.troubles().min_by_key(|trouble| trouble.since_ms);
        let (status, reason, since_ms) = match oldest {
            _ if !self.has_begun => (Truth::Unknown, Reason::Starting, latest),
            Some(oldest) => (Truth::False, oldest.reason, oldest.since_ms),
            None => (Truth::True, Reason::Ready, latest),
        };
        Condition {
            status,
            reason,
            message: self.reasons().join("; "),
            since_ms,
            ..not_running()
        }
    }

    /// The same in one word, for whoever only asks whether all is well.
    pub(super) fn health(&self) -> Health {
        let (status, reasons) = match (self.has_begun, self.reasons()) {
            (false, _) => ("starting", Vec::new()),
            (true, reasons) if reasons.is_empty() => ("ok", reasons),
            (true, reasons) => ("degraded", reasons),
        };
        Health {
            status: status.into(),
            reasons,
        }
    }
}

fn of_required(plugin: &Status) -> Condition {
    let found = of_plugin(plugin);
    if plugin.state == State::Running {
        return found;
    }
    Condition {
        message: format!(
            "required plugin instance `{}` is {}: {}",
            plugin.instance,
            word(&plugin.state),
            plugin.message
        ),
        since_ms: found.since_ms,
        ..not_running()
    }
}

fn not_running() -> Condition {
    Condition {
        aspect: Aspect::Ready,
        status: Truth::False,
        reason: Reason::PluginNotRunning,
        message: String::new(),
        since_ms: 0,
        next_try_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(required: bool, state: State) -> Status {
        Status {
            instance: "engine".into(),
            plugin: "engine-process".into(),
            version: "0.1.0".into(),
            sha256: String::new(),
            provides: vec!["engine/1".into()],
            state,
            message: "gone".into(),
            since: 3,
            restarts: 0,
            required,
            isolation: "library",
            pid: None,
        }
    }

    fn own(status: Truth, reason: Reason, since_ms: u64) -> Condition {
        Condition {
            aspect: Aspect::StateWhole,
            status,
            reason,
            message: if status == Truth::True {
                String::new()
            } else {
                "a file is torn".into()
            },
            since_ms,
            next_try_ms: None,
        }
    }

    #[test]
    fn only_a_required_plugin_makes_the_node_ill() {
        let healthy = |required, state| Parts::of(&[engine(required, state)], &[], Some(&[])).health().status;
        assert_eq!(healthy(true, State::Running), "ok");
        assert_eq!(healthy(false, State::Failed), "ok");
        assert_eq!(healthy(true, State::Failed), "degraded");
        let early = Parts::of(&[engine(true, State::Created)], &[], None);
        assert_eq!(
            (early.health().status.as_str(), early.ready().status),
            ("starting", Truth::Unknown)
        );
    }

    #[test]
    fn every_trouble_is_told_and_the_oldest_dates_it() {
        let absent = [Absent {
            what: "`link` is not there".into(),
            since_ms: 2_000,
        }];
        let own = [own(Truth::False, Reason::StateDamaged, 1_000)];
        let parts = Parts::of(&[engine(true, State::Failed)], &absent, Some(&own));
        let ready = parts.ready();
        assert_eq!(
            (ready.aspect, ready.reason, ready.since_ms),
            (Aspect::Ready, Reason::StateDamaged, 1_000)
        );
        let told = [
            "required plugin instance `engine` is failed: gone",
            "`link` is not there",
            "a file is torn",
        ];
        assert_eq!(parts.health().reasons, told);
    }

    #[test]
    fn a_node_is_ready_since_its_last_trouble_was_over() {
        let own = [own(Truth::True, Reason::StateWhole, 5_000)];
        let ready = Parts::of(&[engine(true, State::Running)], &[], Some(&own)).ready();
        assert_eq!(
            (ready.status, ready.reason, ready.since_ms),
            (Truth::True, Reason::Ready, 5_000)
        );
    }

    #[test]
    fn a_plugin_that_cannot_be_called_is_not_ready() {
        let found = |state| {
            (
                of_plugin(&engine(false, state)).status,
                of_plugin(&engine(false, state)).reason,
            )
        };
        assert_eq!(found(State::Quarantined), (Truth::False, Reason::Quarantined));
        assert_eq!(found(State::Degraded), (Truth::True, Reason::Degraded));
        assert_eq!(found(State::Loaded), (Truth::False, Reason::Starting));
    }
}
