//! `/v1/resources`: the text of a file, applied.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::HttpBody as _;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;

use super::{Params, flag};
use crate::control::{self, Control};
use crate::document::{apart, read, read_whole};
use crate::failure::{Failure, Reason};
use crate::router::MAX_BODY;
use crate::view::Applied;

/// What a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Wanted {
    /// Only say what would be done.
    #[serde(default, deserialize_with = "flag")]
    dry_run: bool,
    /// Delete whatever is not in the text, in the same transaction.
    #[serde(default, deserialize_with = "flag")]
    prune: bool,
    /// With `prune`, take a text without any resource: everything is deleted.
    #[serde(default, deserialize_with = "flag")]
    allow_empty: bool,
    /// What errors call the text; a file name mostly.
    source: Option<String>,
}

/// How one resource is put.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct One {
    /// Only say what would be done.
    #[serde(default, deserialize_with = "flag")]
    pub(crate) dry_run: bool,
    /// What errors call the text.
    pub(crate) source: Option<String>,
}

/// Applies a text, in our YAML or in one of Baetyl's forms, as one transaction.
pub(crate) async fn apply<C: Control>(
    State(control): State<Arc<C>>,
    Params(wanted): Params<Wanted>,
    request: Request,
) -> Result<Json<Applied>, Failure> {
    let source = wanted.source.as_deref().unwrap_or("body");
    let text = text(source, request).await?;
    let document = match (wanted.prune, wanted.allow_empty) {
        (true, may_be_empty) => apart(source, text, move |source, text| read_whole(source, text, may_be_empty)).await?,
        (false, _) => apart(source, text, read).await?,
    };
    let meant = control::Wanted {
        dry_run: wanted.dry_run,
        prune: wanted.prune,
    };
    let mut applied = control.apply(document.resources, meant).await?;
    applied.warnings.splice(0..0, document.warnings);
    Ok(Json(applied))
}

/// The whole text of a request.
pub(super) async fn text(source: &str, request: Request) -> Result<String, Failure> {
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large(source));
    }
    let late = |_| {
        Failure::new(
            Reason::TooSlow,
            format!("{source}: expected the whole text within 30 s"),
        )
    };
    let body = tokio::time::timeout(BODY_TIME, Bytes::from_request(request, &()))
        .await
        .map_err(late)?;
    let bytes = body.map_err(|error| refused(source, &error))?;
    String::from_utf8(bytes.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::invalid(format!(
            "{source}: expected UTF-8 text, found another byte at offset {at}"
        ))
    })
}

fn refused(source: &str, error: &BytesRejection) -> Failure {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(source),
        _ => Failure::invalid(format!("{source}: {}", error.body_text())),
    }
}

fn too_large(source: &str) -> Failure {
    let what = format!("{source}: expected at most {MAX_BODY} bytes of text, found more");
    Failure::new(Reason::TooLarge, what).hint("put files into a package and name them by `url`")
}
