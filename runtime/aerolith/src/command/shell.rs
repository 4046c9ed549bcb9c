//! `aerolith version` and `aerolith completions`.

use clap_complete::Shell;
use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Client, Unreachable};
use crate::completion::script;
use crate::daemon::version as own;
use crate::screen::Screen;

/// Shows this program's version, and the daemon's where one can be reached.
pub(crate) async fn version(client: &Client, screen: Screen) -> anyhow::Result<()> {
    let daemon = match client.json(Method::GET, "/version").await {
        Ok(version) => version,
        Err(error) if error.is::<Unreachable>() => Value::Null,
        Err(error) => return Err(error),
    };
    let own = own();
    let answer = json!({ "client": own, "daemon": daemon });
    screen.tell(&answer, || {
        let theirs = daemon["version"].as_str().unwrap_or("not reached");
        format!(
            "aerolith {} ({}, plugin API {})\ndaemon {theirs}\n",
            own.version, own.target, own.plugin_api
        )
    })
}

/// Prints a completion script.
pub(crate) fn completions(shell: Shell, screen: Screen) -> anyhow::Result<()> {
    screen.data(script(&shell.to_string())?)
}
