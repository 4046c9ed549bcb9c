//! The one binary: the daemon, and the command line that talks to it.
//!
//! This is where the rooms are put together: the node gets its plugins, the API gets its node. It may **not** know how
//! any of them works, and no rule about applications, plugins or files is made here but where things lie and how they
//! are shown.

mod arguments;
mod client;
mod command;
mod completion;
mod config;
mod daemon;
mod daemonless;
mod instances;
mod lines;
mod outcome;
mod places;
mod progress;
mod scratch;
mod screen;
mod settings;
mod size;
mod table;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command, Format, Plugin};
use crate::client::Client;
use crate::command::Done;
use crate::config::Config;
use crate::outcome::{DONE, FAILED, code, reported};
use crate::places::{Places, SOCKET, choose};
use crate::screen::Screen;

/// First argument with which the daemon starts this program to run a plugin in a process of its own. It is no command,
/// so that neither help nor completions offer it.
const CHILD: &str = "__plugin";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == CHILD) {
        return child();
    }
    completion::answer();
    let arguments = Arguments::parse();
    let screen = Screen::new(arguments.output);
    match perform(arguments, screen) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let code = code(&error);
            if code != DONE {
                screen.message(reported(&error, screen.format()).trim_end());
            }
            ExitCode::from(code)
        }
    }
}

fn child() -> ExitCode {
    match aerolith_host::child::run() {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            Screen::new(Format::Table).message(&format!("error: a plugin's process: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Does what needs no daemon; answers the exit code.
fn perform(arguments: Arguments, screen: Screen) -> anyhow::Result<u8> {
    let Arguments { socket, command, .. } = arguments;
    let socket = socket.or_else(socket_of_environment);
    match command {
        Command::Run(run) => daemon::run(run, socket)?,
        Command::Check { files } => return command::check(&files, screen),
        Command::Package(package) => return command::package(package, socket, screen),
        Command::Schema { name } => command::schema(name.as_deref(), screen)?,
        Command::Completions { shell } => command::completions(shell, screen)?,
        Command::Plugin(Plugin::Check { file }) => command::check_plugin(&file, screen)?,
        other => return asking(socket, async |client| ask(client, other, screen).await),
    }
    Ok(DONE)
}

/// Does what needs the daemon: the one at this socket, or the one that this user most likely means.
fn asking<T>(socket: Option<PathBuf>, ask: impl AsyncFnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let client = Client::new(socket.map_or_else(find_socket, Ok)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(&client))
}

/// Asks the daemon; answers the exit code.
async fn ask(client: &Client, command: Command, screen: Screen) -> anyhow::Result<u8> {
    let done = match command {
        Command::Apply { file, how, patience } => return command::apply(client, &file, how, patience, screen).await,
        Command::Delete(delete) => command::delete(client, delete, screen).await,
        Command::Get { kind, name } => command::get(client, kind.into(), name.as_deref(), screen).await,
        Command::Ps { target } => command::ps(client, target.as_ref(), screen).await,
        Command::Status { application, all } => command::status(client, application.as_deref(), all, screen).await,
        Command::History { application } => command::history(client, &application, screen).await,
        Command::Rollback {
            application,
            to,
            patience,
        } => command::rollback(client, &application, to, patience, screen).await,
        Command::Retry { target } => command::retry(client, &target, screen).await,
        Command::Logs(logs) => command::logs(client, &logs, screen).await,
        Command::Events { filter } => command::events(client, &filter, screen).await,
        Command::Plugin(plugin) => command::plugin(client, done(plugin), screen).await,
        Command::Version => command::version(client, screen).await,
        Command::Run(_)
        | Command::Check { .. }
        | Command::Schema { .. }
        | Command::Completions { .. }
        | Command::Package(_) => Ok(()),
    };
    done.map(|()| DONE)
}

fn done(plugin: Plugin) -> Done {
    match plugin {
        Plugin::List => Done::List,
        Plugin::Inspect { name } => Done::Inspect(name),
        Plugin::Install { file } | Plugin::Check { file } => Done::Install(file),
        Plugin::Enable { name } => Done::Act(name, "enable"),
        Plugin::Disable { name } => Done::Act(name, "disable"),
        Plugin::Rollback { name } => Done::Act(name, "rollback"),
    }
}

/// The socket that the environment names. Left to clap it would stand in every usage, as if it had to be given.
fn socket_of_environment() -> Option<PathBuf> {
    let named = std::env::var_os("AEROLITH_SOCKET").filter(|named| !named.is_empty());
    named.map(PathBuf::from)
}

/// The places of whoever runs this.
fn own_places() -> Result<Places, places::Homeless> {
    Places::find(rustix::process::geteuid().is_root(), |name| std::env::var_os(name))
}

/// The socket of the daemon that this user most likely means.
fn find_socket() -> anyhow::Result<PathBuf> {
    let socket_of = |places: &Places| -> anyhow::Result<PathBuf> {
        let config = Config::load(None, &places.config)?;
        let runtime = config.runtime.unwrap_or_else(|| places.runtime.clone());
        Ok(config.socket.unwrap_or_else(|| runtime.join(SOCKET)))
    };
    let own = socket_of(&own_places()?)?;
    Ok(choose([own, socket_of(&Places::system())?], std::path::Path::exists))
}
