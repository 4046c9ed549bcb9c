//! Why the desired state is not changed.

use aerolith_model::{AppName, ServiceName};
use aerolith_plan::PlanError;

use crate::blocking::LostThread;
use crate::durable::FileError;
use crate::policy::NotAllowed;
use crate::ports::PortConflict;
use crate::state::{ResourceId, RollbackError};

/// Why a change is refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// One resource is given twice.
    #[error("{0} is given twice: give each resource once")]
    Twice(ResourceId),
    /// Applications would not fit together with what they need.
    #[error(transparent)]
    Plan(#[from] Box<PlanError>),
    /// A service asks for more of the host than the node's policy allows.
    #[error("service `{service}` of application `{application}`: {error}")]
    NotAllowed {
        /// The application.
        application: AppName,
        /// Its service.
        service: ServiceName,
        /// What it may not have.
        error: NotAllowed,
    },
    /// Two services would have one port of the host.
    #[error(transparent)]
    Port(#[from] PortConflict),
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(ResourceId),
    /// Applications need it.
    #[error("{resource} is used by {}: delete or change {} first", list(.applications), list(.applications))]
    InUse {
        /// What was to be deleted.
        resource: ResourceId,
        /// Who uses it.
        applications: Vec<String>,
    },
    /// There is no going back.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
    /// It could not be stored.
    #[error(transparent)]
    File(#[from] FileError),
    /// The thread that stores was lost; `get` tells what is in force.
    #[error(transparent)]
    Thread(#[from] LostThread),
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("application `{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
