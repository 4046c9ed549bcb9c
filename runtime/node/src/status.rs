//! How the node is, for people and programs.

mod application;
mod chronicle;
mod condition;
mod instance;
mod picture;
mod service;
mod waiting;

use serde::Serialize;

use crate::driver::{Board, Look, Works};
use crate::state::Damaged;
use crate::time::Moment;

pub use application::ApplicationStatus;
pub(crate) use chronicle::Chronicle;
use chronicle::Subject;
pub use condition::{Aspect, Condition, Reason, Truth};
pub use instance::InstanceStatus;
use picture::Picture;
pub use service::ServiceStatus;

/// How the node is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Revision of the desired state in force.
    pub revision: u64,
    /// Whether its state is whole and its disk writable.
    pub conditions: Vec<Condition>,
    /// Every application that is desired, or of which something is left still.
    pub applications: Vec<ApplicationStatus>,
    /// Files of the state that could not be read.
    pub damaged: Vec<Damaged>,
    /// What the disk refuses. What runs goes on running.
    pub disk: Vec<String>,
}

/// What a service or an application does, in one word; the later, the more it wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Summary {
    /// Did what it was to do.
    Completed,
    /// Runs as wanted; so does a service of which nothing is wanted.
    Running,
    /// Is being started.
    Starting,
    /// Is being stopped.
    Stopping,
    /// Is being fetched and unpacked.
    Preparing,
    /// Waits for another service, or for the node's policy to take it.
    Waiting,
    /// Ended, and is started again in a moment.
    Restarting,
    /// Cannot be prepared, or ended and is not started again. What ran before runs still.
    Failed,
    /// Is left as it is, because its description cannot be used.
    Held,
}

/// How everything is now.
pub(crate) fn status(works: &Works) -> NodeStatus {
    let damaged = works.foundation.snapshot().damaged().to_vec();
    let mut board = works.board();
    let look = board.look(&board.desired, &works.supervisor);
    shown(works, &mut board, &look, damaged)
}

/// Whether the node's state is whole and its disk writable, and nothing else, so that it may be asked over and over.
pub(crate) fn conditions(works: &Works) -> Vec<Condition> {
    let now = works.foundation.snapshot();
    let mut board = works.board();
    let mut conditions = own_conditions(now.damaged(), &refusals(&board));
    board.chronicle.date_one(Moment::now(), Subject::Node, &mut conditions);
    conditions
}

/// How everything was when the driver looked.
pub(crate) fn status_at(works: &Works, look: &Look) -> NodeStatus {
    let damaged = works.foundation.snapshot().damaged().to_vec();
    shown(works, &mut works.board(), look, damaged)
}

/// Whoever looks first at a change dates it.
fn shown(works: &Works, board: &mut Board, look: &Look, damaged: Vec<Damaged>) -> NodeStatus {
    let mut status = {
        let picture = Picture::of(works, board, look);
        let applications = picture.applications().map(|name| picture.application(name)).collect();
        NodeStatus {
            node: works.foundation.0.settings.node.clone(),
            revision: board.revision,
            conditions: Vec::new(),
            applications,
            damaged,
            disk: refusals(board),
        }
    };
    status.conditions = own_conditions(&status.damaged, &status.disk);
    board.chronicle.date(Moment::now(), status.subjects());
    status
}

/// What the disk has refused.
fn refusals(board: &Board) -> Vec<String> {
    let troubles = board.troubles.values().filter(|trouble| trouble.disk);
    let reasons = troubles.map(|trouble| trouble.reason.clone());
    reasons.chain(board.unclean.clone()).collect()
}

fn own_conditions(damaged: &[Damaged], disk: &[String]) -> Vec<Condition> {
    let damaged: Vec<&str> = damaged.iter().map(|damaged| damaged.reason.as_str()).collect();
    let whole = match damaged.as_slice() {
        [] => Condition::is(Aspect::StateWhole, Reason::StateWhole),
        reasons => Condition::is_not(Aspect::StateWhole, Reason::StateDamaged, reasons.join("; ")),
    };
    let writable = match disk {
        [] => Condition::is(Aspect::DiskWritable, Reason::DiskWritable),
        reasons => Condition::is_not(Aspect::DiskWritable, Reason::DiskRefuses, reasons.join("; ")),
    };
    vec![whole, writable]
}

impl NodeStatus {
    /// Every part of it with its conditions.
    fn subjects(&mut self) -> impl Iterator<Item = (Subject, &mut [Condition])> {
        let node = (Subject::Node, self.conditions.as_mut_slice());
        let applications = self.applications.iter_mut().flat_map(ApplicationStatus::subjects);
        std::iter::once(node).chain(applications)
    }
}
