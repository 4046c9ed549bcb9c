//! An instance in the hands of a suite.

use aerolith_plugin_wire::{Bytes, Result, Service, plugin};
use std::sync::Arc;

/// A service that answers methods by name.
pub(crate) type Shared = Arc<dyn Service>;

/// A call without items.
pub(crate) async fn call(service: &Shared, method: &str, request: &[u8]) -> Result<Bytes> {
    service.call(method, Bytes::from(request), None).await
}

/// The life of an instance.
pub(crate) fn life(service: &Shared) -> plugin::Client<Shared> {
    plugin::Client(service.clone())
}

/// Lets an instance go. An instance may end a runtime of its own, which must not happen on a thread of this one.
pub(crate) async fn gone(service: Shared) {
    // A panic in the drop is the service's: whoever runs the test sees it on standard error.
    let _ = tokio::task::spawn_blocking(move || drop(service)).await;
}
