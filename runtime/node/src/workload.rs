//! From a goal to what an engine is asked to run.

use aerolith_plan::{Goal, RunId};
use aerolith_plugin_wire::engine::Workload;

use crate::desired::Desired;
use crate::environment::{Host, environment};
use crate::folders::Folders;
use crate::layout::relative;
use crate::prepare::Prepared;

/// Engines by what they run.
pub(crate) const PROCESS: &str = "process";
const CONTAINER: &str = "container";

/// The kind of engine that a service needs.
pub(crate) fn engine_kind(goal: &Goal) -> String {
    let fitting = if goal.service.image.is_some() {
        CONTAINER
    } else {
        PROCESS
    };
    goal.service.engine.clone().unwrap_or_else(|| fitting.to_owned())
}

/// What an instance runs; its token is given at each start.
pub(crate) fn workload(
    folders: &Folders,
    host: &Host,
    desired: &Desired,
    goal: &Goal,
    prepared: &Prepared,
    run: &RunId,
) -> Workload {
    let id = &run.instance;
    let version = desired
        .application(id.service.application.as_str())
        .map_or("", |a| a.version.as_str());
    let start_in = goal
        .service
        .working_dir
        .as_ref()
        .map(|path| relative(path.as_str()))
        .unwrap_or_default();
    let command = if goal.service.image.is_some() {
        goal.service.command.as_slice()
    } else {
        &[]
    };
    Workload {
        instance: id.to_string(),
        token: String::new(),
        application: id.service.application.to_string(),
        service: id.service.service.to_string(),
        program: prepared.program.clone(),
        image: goal.service.image.clone(),
        arguments: command.iter().chain(&goal.service.args).cloned().collect(),
        environment: environment(host, id, version, &goal.service),
        directory: folders.instance(run).join(start_in).display().to_string(),
        output: folders.output(id).display().to_string(),
    }
}
