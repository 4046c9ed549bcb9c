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
    /// What is given would not fit together, with what is there or with the node's policy: all of it.
    #[error("{}", in_a_row(.0))]
    Unfit(Vec<Misfit>),
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(ResourceId),
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

/// One thing that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Misfit {
    /// The resource at fault.
    pub resource: ResourceId,
    /// The field of it that says so, such as `services[0].programConfig`; empty where it is all of it.
    pub path: String,
    /// Why.
    pub reason: Unfit,
}

/// Why something does not fit.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Parts of an application, or what it needs.
    #[error(transparent)]
    Plan(Box<PlanError>),
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
    Port(PortConflict),
    /// Applications need what was to be deleted.
    #[error("{resource} is used by {}: delete or change {} first", list(.applications), list(.applications))]
    InUse {
        /// What was to be deleted.
        resource: ResourceId,
        /// Who uses it.
        applications: Vec<String>,
    },
}

impl Unfit {
    /// Whether what is given is wrong whatever else is there, rather than that it clashes with that.
    #[must_use]
    pub const fn is_of_the_given(&self) -> bool {
        matches!(self, Self::Plan(_) | Self::NotAllowed { .. })
    }
}

fn in_a_row(all: &[Misfit]) -> String {
    let told: Vec<String> = all.iter().map(ToString::to_string).collect();
    told.join("; ")
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("application `{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
