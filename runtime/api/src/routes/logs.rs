//! `/v1/instances/{id}/logs`: bytes as the instance wrote them.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::{Params, Place, dotted, flag, number};
use crate::control::Control;
use crate::failure::Failure;
use crate::followers::Followers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The last so many lines; all, when absent.
    #[serde(default, deserialize_with = "number")]
    tail: Option<u64>,
    /// Go on until the client leaves.
    #[serde(default, deserialize_with = "flag")]
    follow: bool,
}

/// What an instance wrote.
pub(crate) async fn logs<C: Control>(
    State(control): State<Arc<C>>,
    Extension(followers): Extension<Followers>,
    Place(instance): Place<String>,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Failure> {
    let place = wanted.follow.then(|| followers.join()).transpose()?;
    let bytes = control.logs(&dotted(&instance), wanted.tail, wanted.follow).await?;
    let bytes = bytes.map(move |piece| {
        let _held = &place;
        piece
    });
    Ok(([(CONTENT_TYPE, "application/octet-stream")], Body::from_stream(bytes)).into_response())
}
