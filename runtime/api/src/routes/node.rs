//! The node as a whole: health, version, metrics, status, events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::Params;
use crate::control::Control;
use crate::failure::Failure;
use crate::followers::Followers;
use crate::view::{Instance, NodeStatus, Version};

/// 200 when the node is as it should be or starts, 503 with the reasons when not.
pub(crate) async fn health<C: Control>(State(control): State<Arc<C>>) -> Response {
    let health = control.health();
    let status = if health.reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

/// What this program is.
pub(crate) async fn version<C: Control>(State(control): State<Arc<C>>) -> Json<Version> {
    Json(control.version())
}

/// Every reading.
pub(crate) async fn metrics<C: Control>(State(control): State<Arc<C>>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        control.metrics_text(),
    )
        .into_response()
}

/// What runs, what waits, and why.
pub(crate) async fn status<C: Control>(State(control): State<Arc<C>>) -> Result<Json<NodeStatus>, Failure> {
    Ok(Json(control.status().await?))
}

/// Every instance of every application.
pub(crate) async fn instances<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Vec<Instance>>, Failure> {
    Ok(Json(control.status().await?.into_instances().collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// A topic filter with `+` and `#`; everything, when absent.
    filter: Option<String>,
}

/// Events as JSON, one a line, until the client leaves.
pub(crate) async fn events<C: Control>(
    State(control): State<Arc<C>>,
    Extension(followers): Extension<Followers>,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Failure> {
    let place = followers.join()?;
    let events = control.events(wanted.filter.as_deref().unwrap_or("#"))?;
    let lines = events.map(move |event| {
        let _held = &place;
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
