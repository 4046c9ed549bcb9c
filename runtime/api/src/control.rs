//! What the API needs of whoever serves it.

use std::path::Path;
use std::pin::Pin;

use aerolith_model::{Resource, ResourceKind};
use bytes::Bytes;
use futures_util::Stream;

use crate::failure::Failure;
use crate::view::{
    Applied, Cleaned, Deployment, Event, Health, NodeStatus, Package, Plugin, PluginDetail, Revision, Usage, Version,
};

/// Bytes as they come; an error ends the response before its proper end.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;
/// Events as they happen, until the node ends.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// How an apply is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Delete whatever is not given.
    pub prune: bool,
}

/// A resource, and the revision that made it as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// The revision.
    pub revision: u64,
    /// The resource.
    pub resource: Resource,
}

/// The node, as the API sees it. Dropping the future of a call gives up waiting for it and undoes nothing.
pub trait Control: Send + Sync + 'static {
    /// What this program is.
    fn version(&self) -> Version;

    /// Whether the node is as it should be; answered at once, also while it starts.
    fn health(&self) -> Health;

    /// What runs, what waits, and why.
    fn status(&self) -> impl Future<Output = Result<NodeStatus, Failure>> + Send;

    /// Every reading, in the text exposition format of Prometheus 0.0.4.
    fn metrics_text(&self) -> String;

    /// Makes resources desired as one transaction, or says what that would do.
    fn apply(&self, resources: Vec<Resource>, wanted: Wanted) -> impl Future<Output = Result<Applied, Failure>> + Send;

    /// Makes a resource desired no more.
    fn delete(&self, kind: ResourceKind, name: &str) -> impl Future<Output = Result<Applied, Failure>> + Send;

    /// All resources of a kind, by name.
    fn list(&self, kind: ResourceKind) -> impl Future<Output = Result<Vec<Versioned>, Failure>> + Send;

    /// One resource, as it is or in an earlier version.
    fn get(
        &self,
        kind: ResourceKind,
        name: &str,
        revision: Option<u64>,
    ) -> impl Future<Output = Result<Option<Versioned>, Failure>> + Send;

    /// The versions of a resource that are kept, newest first.
    fn versions(&self, kind: ResourceKind, name: &str) -> impl Future<Output = Result<Vec<Revision>, Failure>> + Send;

    /// Who uses a resource.
    fn usage(&self, kind: ResourceKind, name: &str) -> impl Future<Output = Result<Vec<Usage>, Failure>> + Send;

    /// The deployments of an application, newest first.
    fn history(&self, application: &str) -> impl Future<Output = Result<Vec<Deployment>, Failure>> + Send;

    /// Puts an earlier deployment back in force: the one of a revision, or the good one before.
    fn restore(&self, application: &str, to: Option<u64>) -> impl Future<Output = Result<Applied, Failure>> + Send;

    /// Lets what failed for good of an application or an instance be tried again; answers whether there was something.
    fn retry(&self, target: &str) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// What an instance wrote: its last `tail` lines or all, and with `follow` what it goes on to write.
    fn logs(
        &self,
        instance: &str,
        tail: Option<u64>,
        follow: bool,
    ) -> impl Future<Output = Result<ByteStream, Failure>> + Send;

    /// Events whose topic a filter with `+` and `#` takes, from now on.
    fn events(&self, filter: &str) -> Result<EventStream, Failure>;

    /// Everything in the package store: trees, blobs, unfinished downloads, what is in quarantine.
    fn packages(&self) -> impl Future<Output = Result<Vec<Package>, Failure>> + Send;

    /// Removes from the package store what nobody needs, or says what that would remove.
    fn clean_packages(&self, dry_run: bool) -> impl Future<Output = Result<Cleaned, Failure>> + Send;

    /// All plugin instances, by name.
    fn plugins(&self) -> Vec<Plugin>;

    /// One plugin instance.
    fn plugin(&self, instance: &str) -> Result<PluginDetail, Failure>;

    /// Switches a plugin instance on, for good.
    fn enable(&self, instance: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Switches a plugin instance off, for good.
    fn disable(&self, instance: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Goes back to the file that a plugin or an instance had before.
    fn rollback(&self, name: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Installs a plugin's file, which lies on the node, and answers the plugin's name.
    fn install(&self, file: &Path) -> impl Future<Output = Result<String, Failure>> + Send;
}
