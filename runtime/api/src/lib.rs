//! The local REST API: HTTP/1.1 on a Unix socket, resources in, state and streams out.
//!
//! It turns requests into calls of [`Control`] and answers into JSON. It may **not** know how a node works, how a plugin
//! is loaded, who the client is (the socket's file permissions decide who may ask), or any way to the outside world but
//! its own socket. Whoever serves it implements [`Control`].

mod control;
mod document;
mod failure;
mod followers;
mod listener;
mod redact;
mod router;
mod routes;
mod serve;
mod view;

pub use control::{ByteStream, Control, EventStream, Versioned, Wanted};
pub use document::{Document, read};
pub use failure::{Failure, Fault, Reason};
pub use listener::{ListenError, Listener};
pub use redact::shown;
pub use router::{MAX_BODY, router};
pub use serve::serve;
pub use view::{
    Application, ApplicationChange, Applied, Cleaned, Condition, Deployment, Event, Exit, Health, Image, ImageUsage,
    Instance, Manifest, NodeStatus, Package, Plugin, PluginDetail, Removed, ResourceChange, Retried, Revision, Service,
    ServiceChange, Step, Usage, Version,
};
