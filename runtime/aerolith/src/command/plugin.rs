//! `aerolith plugin`: plugin instances and their files.

use std::path::{Path, PathBuf};

use aerolith_api::{Plugin, PluginDetail};
use aerolith_host::inspect::inspect;
use anyhow::Context as _;
use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Client, quoted};
use crate::outcome::Wrong;
use crate::screen::Screen;
use crate::table::{Cell, Table, state};

/// What the daemon is asked to do.
pub(crate) enum Done {
    List,
    Inspect(String),
    Install(PathBuf),
    Act(String, &'static str),
}

/// Asks the daemon.
pub(crate) async fn plugin(client: &Client, wanted: Done, screen: Screen) -> anyhow::Result<()> {
    match wanted {
        Done::List => list(&client.json(Method::GET, "/v1/plugins").await?, screen),
        Done::Inspect(name) => detail(
            &client
                .json(Method::GET, &format!("/v1/plugins/{}", quoted(&name)))
                .await?,
            screen,
        ),
        Done::Install(file) => {
            let path = std::fs::canonicalize(&file);
            let path = path.map_err(|error| Wrong::new(format!("{}: cannot be read: {error}", file.display())))?;
            let body = json!({ "path": path }).to_string();
            list(&client.send(Method::POST, "/v1/plugins", body).await?, screen)
        }
        Done::Act(name, action) => list(
            &client
                .json(Method::POST, &format!("/v1/plugins/{}/{action}", quoted(&name)))
                .await?,
            screen,
        ),
    }
}

fn list(answer: &Value, screen: Screen) -> anyhow::Result<()> {
    screen.show(answer, || {
        let plugins: Vec<Plugin> = serde_json::from_value(answer.clone())?;
        let headings = [
            "INSTANCE", "PLUGIN", "VERSION", "STATE", "PROVIDES", "RESTARTS", "MESSAGE",
        ];
        Ok(Table::new(headings, plugins.iter().map(row)))
    })
}

fn row(plugin: &Plugin) -> [Cell; 7] {
    [
        Cell::from(&plugin.instance),
        Cell::from(&plugin.plugin),
        Cell::from(&plugin.version),
        state(&plugin.state),
        Cell::from(&plugin.provides.join(",")),
        Cell::from(&plugin.restarts),
        Cell::from(&plugin.message),
    ]
}

fn detail(answer: &Value, screen: Screen) -> anyhow::Result<()> {
    screen.show(answer, || {
        let PluginDetail { status, manifest } = serde_json::from_value(answer.clone())?;
        let provides: Vec<String> = manifest.provides.into_keys().collect();
        let rows = [
            ("instance", status.instance),
            (
                "plugin",
                format!("{} {} by {}", status.plugin, status.version, manifest.vendor),
            ),
            ("state", status.state),
            ("message", status.message),
            ("isolation", status.isolation),
            ("required", status.required.to_string()),
            ("provides", provides.join(", ")),
            ("api", format!("{}, at least {}", manifest.api, manifest.api_min)),
            ("replace", manifest.replace),
            ("asks for", manifest.permissions.join(", ")),
            ("sha256", status.sha256),
        ];
        Ok(Table::new(
            ["FIELD", "VALUE"],
            rows.map(|(field, value)| [Cell::from(field), Cell::from(&value)]),
        ))
    })
}

/// Checks a file without running any of its code.
pub(crate) fn check(file: &Path, screen: Screen) -> anyhow::Result<()> {
    let refused = |reason: &dyn std::fmt::Display| Wrong::new(format!("{}: {reason}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| refused(&format_args!("cannot be read: {error}")))?;
    let manifest = inspect(&bytes).map_err(|refusal| refused(&refusal))?.manifest;
    let answer = serde_json::to_value(&manifest).context("the manifest cannot be written as JSON")?;
    screen.tell(&answer, || {
        let provides: Vec<&str> = manifest.provides.keys().map(String::as_str).collect();
        format!(
            "OK! {} {} by {}, provides {}\n",
            manifest.name,
            manifest.version,
            manifest.vendor,
            provides.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Format;

    #[test]
    fn a_file_that_is_no_plugin_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        let error = check(&file, Screen::new(Format::Table)).unwrap_err();
        assert!(error.to_string().contains("x.so: cannot be read"), "{error}");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let error = check(&file, Screen::new(Format::Table)).unwrap_err();
        assert!(error.is::<Wrong>() && error.to_string().contains("a script"), "{error}");
    }
}
