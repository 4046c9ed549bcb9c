//! What each command of the command line does, but for the daemon itself.

mod check;
mod events;
mod logs;
mod package;
mod plugin;
mod ps;
mod resources;
mod schema;
mod shell;
mod source;
mod wait;

pub(crate) use check::check;
pub(crate) use events::{events, shown as shown_event};
pub(crate) use logs::logs;
pub(crate) use package::package;
pub(crate) use plugin::{Done, check as check_plugin, plugin};
pub(crate) use ps::ps;
pub(crate) use resources::{apply, delete, get};
pub(crate) use schema::{names as schemas, schema};
pub(crate) use shell::{completions, version};
