//! What the rooms refuse, as the API says it.

use aerolith_api::{Failure, Fault, Reason};
use aerolith_host::HostError;
use aerolith_node::{BadTopic, ChangeError, CleanError, LogsError, Misfit, RetryError, RollbackError};
use aerolith_plugin_wire::{Code, Error};

/// Of the plugin host.
pub(super) fn of_host(error: &HostError) -> Failure {
    let code = match error {
        HostError::NoPlugin { .. } | HostError::NoInstance { .. } => Reason::NotFound,
        HostError::NothingBefore { .. } | HostError::Twice { .. } | HostError::SameName { .. } => Reason::Conflict,
        HostError::Store(_) | HostError::LinkedManifest(_) => Reason::Invalid,
        HostError::Load(_) | HostError::Plugin { .. } => Reason::Conflict,
        HostError::Child { .. } | HostError::Folder { .. } => Reason::Internal,
    };
    Failure::new(code, error.to_string())
}

/// Of a change of the desired state.
pub(super) fn of_change(error: &ChangeError) -> Failure {
    let code = match error {
        ChangeError::Unfit(all) if !all.iter().any(|misfit| misfit.reason.is_of_the_given()) => Reason::Conflict,
        ChangeError::Twice(_) | ChangeError::Unfit(_) => Reason::Invalid,
        ChangeError::NotFound(_) => Reason::NotFound,
        ChangeError::Rollback(error) => of_rollback(error),
        ChangeError::File(_) | ChangeError::Thread(_) => Reason::Internal,
    };
    let faults = match error {
        ChangeError::Unfit(all) => all.iter().map(fault).collect(),
        _ => Vec::new(),
    };
    Failure {
        faults,
        ..Failure::new(code, error.to_string())
    }
}

fn fault(misfit: &Misfit) -> Fault {
    Fault {
        resource: misfit.resource.to_string(),
        path: misfit.path.clone(),
        message: misfit.to_string(),
    }
}

fn of_rollback(error: &RollbackError) -> Reason {
    match error {
        RollbackError::NoApplication(_) | RollbackError::NoDeployment { .. } => Reason::NotFound,
        RollbackError::NothingBefore { .. } => Reason::Conflict,
        RollbackError::Unreadable { .. } => Reason::Internal,
    }
}

/// Of trying again.
pub(super) fn of_retry(error: &RetryError) -> Failure {
    let code = match error {
        RetryError::NotFound(_) => Reason::NotFound,
        RetryError::File(_) | RetryError::Thread(_) => Reason::Internal,
    };
    Failure::new(code, error.to_string())
}

/// Of looking into the package store, or cleaning it.
pub(super) fn of_cleaning(error: &CleanError) -> Failure {
    let code = match error {
        CleanError::Ended => Reason::Unavailable,
        CleanError::Store(_) | CleanError::File(_) | CleanError::Thread(_) => Reason::Internal,
    };
    Failure::new(code, error.to_string())
}

/// Of reading an instance's output.
pub(super) fn of_logs(error: &LogsError) -> Failure {
    let code = match error {
        LogsError::Name(_) => Reason::Invalid,
        LogsError::NotFound { .. } => Reason::NotFound,
        LogsError::NoEngine(_) => Reason::Unavailable,
    };
    Failure::new(code, error.to_string())
}

/// Of listening to events.
pub(super) fn of_topic(error: &BadTopic) -> Failure {
    Failure::invalid(error.to_string()).hint("levels parted by /, `+` for any one level, `#` at the end for the rest")
}

/// Of an engine that delivers output.
pub(super) fn of_engine(error: &Error) -> Failure {
    let code = if error.code == Code::NotFound {
        Reason::NotFound
    } else {
        Reason::Unavailable
    };
    Failure::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_node::{ResourceId, Unfit};

    #[test]
    fn a_refusal_keeps_its_words_and_gets_its_status() {
        let failure = of_host(&HostError::NoInstance { name: "engine".into() });
        assert!(
            failure.code == Reason::NotFound && failure.message.contains("`engine`"),
            "{failure:?}"
        );
        let resource: ResourceId = "secret/cert".to_owned().try_into().unwrap();
        let reason = Unfit::InUse {
            resource: resource.clone(),
            applications: vec!["weather".into()],
        };
        let failure = of_change(&ChangeError::Unfit(vec![Misfit {
            resource,
            path: String::new(),
            reason,
        }]));
        assert!(
            failure.code == Reason::Conflict && failure.message.contains("application `weather`"),
            "{failure:?}"
        );
        assert_eq!(of_engine(&Error::io("gone")).code, Reason::Unavailable);
    }
}
