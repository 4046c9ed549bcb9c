//! The table of paths.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post, put};
use axum::{Extension, Router};

use crate::control::Control;
use crate::failure::{Failure, Reason};
use crate::followers::Followers;
use crate::routes::{images, kinds, logs, node, packages, plugins, resources};

/// Bytes that a request's body may have.
pub const MAX_BODY: usize = 8 << 20;

/// Every path of the API.
pub fn router<C: Control>(control: Arc<C>) -> Router {
    let v1 = Router::new()
        .route("/resources", put(resources::apply::<C>).post(resources::apply::<C>))
        .route("/status", get(node::status::<C>))
        .route("/events", get(node::events::<C>))
        .route("/instances", get(node::instances::<C>))
        .route("/instances/{id}/logs", get(logs::logs::<C>))
        .route("/images", get(images::list::<C>))
        .route("/packages", get(packages::list::<C>))
        .route("/packages/gc", post(packages::gc::<C>))
        .route("/plugins", get(plugins::list::<C>).post(plugins::install::<C>))
        .route("/plugins/{name}", get(plugins::inspect::<C>))
        .route("/plugins/{name}/{action}", post(plugins::act::<C>))
        .route("/{kind}", get(kinds::list::<C>))
        .route(
            "/{kind}/{name}",
            get(kinds::get::<C>).put(kinds::put::<C>).delete(kinds::delete::<C>),
        )
        .route("/{kind}/{name}/{what}", get(kinds::look::<C>).post(kinds::act::<C>));
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(node::health::<C>))
        .route("/version", get(node::version::<C>))
        .route("/metrics", get(node::metrics::<C>))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(Followers::default()))
        .with_state(control)
}

async fn no_such_path(uri: Uri) -> Failure {
    Failure::not_found(format!("no path `{}`", uri.path()))
        .hint("paths begin with /v1/, or are /healthz, /version, /metrics")
}

async fn no_such_method(method: Method, uri: Uri) -> Failure {
    Failure::new(
        Reason::MethodNotAllowed,
        format!("{method} is not for `{}`", uri.path()),
    )
}
