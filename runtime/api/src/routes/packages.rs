//! `/v1/packages`: what lies in the package store, and giving back what nobody needs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::{Params, flag};
use crate::control::Control;
use crate::failure::Failure;
use crate::view::{Cleaned, Package};

/// Everything in the package store.
pub(crate) async fn list<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Vec<Package>>, Failure> {
    Ok(Json(control.packages().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Wanted {
    /// Only say what would be removed.
    #[serde(default, deserialize_with = "flag")]
    dry_run: bool,
}

/// Removes what nobody needs, and answers what that was.
pub(crate) async fn gc<C: Control>(
    State(control): State<Arc<C>>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Cleaned>, Failure> {
    Ok(Json(control.clean_packages(wanted.dry_run).await?))
}
