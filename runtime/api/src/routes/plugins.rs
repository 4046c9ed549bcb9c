//! `/v1/plugins`: plugin instances and what may be done with them.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::Deserialize;

use super::Place;
use crate::control::Control;
use crate::failure::{Failure, Reason};
use crate::view::{Plugin, PluginDetail};

/// All plugin instances, by name.
pub(crate) async fn list<C: Control>(State(control): State<Arc<C>>) -> Json<Vec<Plugin>> {
    Json(control.plugins())
}

/// One plugin instance and its manifest.
pub(crate) async fn inspect<C: Control>(
    State(control): State<Arc<C>>,
    Place(name): Place<String>,
) -> Result<Json<PluginDetail>, Failure> {
    Ok(Json(control.plugin(&name)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Install {
    /// Where the file lies on the node.
    path: PathBuf,
}

/// Installs a file, and answers the instances of its plugin.
pub(crate) async fn install<C: Control>(
    State(control): State<Arc<C>>,
    body: Result<Json<Install>, JsonRejection>,
) -> Result<Json<Vec<Plugin>>, Failure> {
    let Json(Install { path }) = body.map_err(|error| {
        Failure::invalid(format!(
            "body: expected `{{\"path\": FILE}}`, found something else: {}",
            error.body_text()
        ))
    })?;
    if !path.is_absolute() {
        let what = format!(
            "`path`: expected an absolute path on the node, found `{}`",
            path.display()
        );
        return Err(Failure::invalid(what));
    }
    let name = control.install(&path).await?;
    Ok(Json(instances_of(control.as_ref(), &name)))
}

/// Switches an instance on or off, or goes back to a former file; answers the instances that it meant.
pub(crate) async fn act<C: Control>(
    State(control): State<Arc<C>>,
    Place((name, action)): Place<(String, String)>,
) -> Result<Json<Vec<Plugin>>, Failure> {
    match action.as_str() {
        "enable" => control.enable(&name).await?,
        "disable" => control.disable(&name).await?,
        "rollback" => control.rollback(&name).await?,
        other => {
            let failure = Failure::new(
                Reason::NotFound,
                format!("nothing called `{other}` can be done with a plugin"),
            );
            return Err(failure.hint("enable, disable, rollback"));
        }
    }
    Ok(Json(instances_of(control.as_ref(), &name)))
}

/// Instances of that name, or of a plugin of that name.
fn instances_of<C: Control>(control: &C, name: &str) -> Vec<Plugin> {
    control
        .plugins()
        .into_iter()
        .filter(|p| p.instance == name || p.plugin == name)
        .collect()
}
