//! `/v1/{kind}` and `/v1/{kind}/{name}`: resources as they are desired.

use std::sync::Arc;

use aerolith_model::{Resource, ResourceKind};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::Place;
use crate::control::Control;
use crate::failure::{Failure, Reason};
use crate::redact::shown;
use crate::view::Applied;

/// The kind behind its plural.
fn kind(plural: &str) -> Result<ResourceKind, Failure> {
    let found = ResourceKind::ALL
        .into_iter()
        .find(|kind| plural.strip_suffix('s') == Some(kind.as_str()));
    found.ok_or_else(|| {
        Failure::not_found(format!("no path `/v1/{plural}`")).hint("kinds: applications, configurations, secrets")
    })
}

fn json(resource: &Resource) -> Result<Value, Failure> {
    shown(resource).map_err(|error| {
        let what = format!(
            "{} `{}` cannot be written as JSON: {error}",
            resource.kind(),
            resource.name()
        );
        Failure::new(Reason::Internal, what)
    })
}

/// All resources of a kind, by name.
pub(crate) async fn list<C: Control>(
    State(control): State<Arc<C>>,
    Place(plural): Place<String>,
) -> Result<Json<Vec<Value>>, Failure> {
    let resources = control.list(kind(&plural)?).await?;
    Ok(Json(resources.iter().map(json).collect::<Result<_, _>>()?))
}

/// One resource.
pub(crate) async fn get<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name)): Place<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let kind = kind(&plural)?;
    let found = control.get(kind, &name).await?;
    let found = found.ok_or_else(|| {
        Failure::not_found(format!("no {kind} `{name}`")).hint(format!("`aerolith get {plural}` shows what there is"))
    })?;
    Ok(Json(json(&found)?))
}

/// Makes one desired no more.
pub(crate) async fn delete<C: Control>(
    State(control): State<Arc<C>>,
    Place((plural, name)): Place<(String, String)>,
) -> Result<Json<Applied>, Failure> {
    Ok(Json(control.delete(kind(&plural)?, &name).await?))
}
