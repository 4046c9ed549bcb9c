//! The node and the plugin host, as the API asks for them.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aerolith_api::{
    Applied, ByteStream, Cleaned, Control, Deployment, EventStream, Failure, Health, NodeStatus, Package, Plugin,
    PluginDetail, Reason, Revision, Usage, Version, Versioned, Wanted,
};
use aerolith_host::{HostError, PluginHost, Source, Spec};
use aerolith_model::{Resource, ResourceKind};
use aerolith_node::{Foundation, Node};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::SetOnce;

use super::health::{Absent, Parts};
use super::heard::heard;
use super::plugins::apart;
use super::refusal::{of_change, of_cleaning, of_engine, of_host, of_logs, of_retry, of_topic};
use super::{shown, version};
use crate::instances::{InstanceFiles, specs};

/// Everything that the API asks. The node comes when its plugins are there; until then a question to it waits.
pub(super) struct Daemon {
    host: PluginHost,
    foundation: Foundation,
    node: SetOnce<Node>,
    failed: Failed,
    /// What the operator wants of instances.
    files: InstanceFiles,
}

/// What went wrong with plugins of which there is not even an instance to show.
#[derive(Clone, Default)]
pub(super) struct Failed(Arc<Mutex<Vec<Absent>>>);

impl Failed {
    pub(super) fn note(&self, what: String) {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.lock().push(Absent { what, since_ms });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Absent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Daemon {
    pub(super) fn new(host: PluginHost, foundation: Foundation, files: InstanceFiles) -> Self {
        Self {
            host,
            foundation,
            node: SetOnce::new(),
            failed: Failed::default(),
            files,
        }
    }

    pub(super) fn host(&self) -> &PluginHost {
        &self.host
    }

    /// What starting the plugins needs.
    pub(super) fn for_starting(&self) -> (PluginHost, Failed, InstanceFiles) {
        (self.host.clone(), self.failed.clone(), self.files.clone())
    }

    /// The node is there.
    pub(super) fn begin(&self, node: Node) {
        if self.node.set(node).is_err() {
            tracing::error!("the node was opened twice");
        }
    }

    /// Ends the node's work and every plugin; applications go on running.
    pub(super) async fn stop(&self) {
        if let Some(node) = self.node.get() {
            node.shutdown().await;
        }
        self.host.shutdown().await;
    }

    async fn node(&self) -> Node {
        self.node.wait().await.clone()
    }

    /// Asks the host for something that goes to its end though the client leaves.
    async fn ask<T, F>(&self, what: impl FnOnce(PluginHost) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, HostError>> + Send + 'static,
    {
        let asked = apart(what(self.host.clone())).await;
        asked.map_err(lost)?.map_err(|error| of_host(&error))
    }
}

/// The instances that a plugin gets which was not there when the daemon began.
fn new_specs(host: &PluginHost, plugin: &str, files: InstanceFiles) -> Vec<Spec> {
    let of_plugin = |spec: &Spec| matches!(&spec.source, Source::Named(name) if name == plugin);
    let specs = specs(vec![plugin.to_owned()], files).into_iter().filter(of_plugin);
    specs.filter(|spec| host.service(&spec.instance).is_none()).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn lost(error: tokio::task::JoinError) -> Failure {
    Failure::new(
        Reason::Internal,
        format!("what was asked was not done to its end: {error}"),
    )
}

impl Control for Daemon {
    fn version(&self) -> Version {
        version()
    }

    fn health(&self) -> Health {
        let own = self.node.get().map(Node::conditions);
        Parts::of(&self.host.list(), &self.failed.lock(), own.as_deref()).health()
    }

    async fn status(&self) -> Result<NodeStatus, Failure> {
        let status = self.node().await.status();
        let plugins = self.host.list();
        let parts = Parts::of(&plugins, &self.failed.lock(), Some(&status.conditions));
        Ok(shown::status(status, parts.ready(), parts.health(), plugins))
    }

    fn metrics_text(&self) -> String {
        self.node
            .get()
            .map_or_else(|| self.foundation.metrics().text(), Node::metrics_text)
    }

    async fn apply(&self, resources: Vec<Resource>, wanted: Wanted) -> Result<Applied, Failure> {
        let (node, Wanted { dry_run, prune }) = (self.node().await, wanted);
        let applied = tokio::spawn(async move {
            match prune {
                true => node.replace(resources, dry_run).await,
                false => node.apply(resources, dry_run).await,
            }
        });
        let applied = applied.await.map_err(lost)?.map_err(|error| of_change(&error))?;
        Ok(shown::applied(applied, dry_run))
    }

    async fn delete(&self, kind: ResourceKind, name: &str) -> Result<Applied, Failure> {
        let (node, id) = (self.node().await, name.to_owned());
        let deleted = tokio::spawn(async move { node.delete(kind, &id).await }).await;
        let revision = deleted.map_err(lost)?.map_err(|error| of_change(&error))?;
        let is_application = kind == ResourceKind::Application;
        Ok(Applied {
            revision,
            resources: vec![shown::removed(kind, name)],
            applications: is_application.then(|| name.to_owned()).into_iter().collect(),
            ..Applied::default()
        })
    }

    async fn list(&self, kind: ResourceKind) -> Result<Vec<Versioned>, Failure> {
        let all = self.node().await.versioned(kind);
        Ok(all.into_iter().map(shown::versioned).collect())
    }

    async fn get(&self, kind: ResourceKind, name: &str, revision: Option<u64>) -> Result<Option<Versioned>, Failure> {
        let found = self.node().await.version(kind, name, revision).await;
        Ok(found.map(shown::versioned))
    }

    async fn versions(&self, kind: ResourceKind, name: &str) -> Result<Vec<Revision>, Failure> {
        let node = self.node().await;
        let in_force = node.revision(kind, name);
        let revision = |revision| Revision {
            revision,
            current: Some(revision) == in_force,
        };
        Ok(node.revisions(kind, name).into_iter().map(revision).collect())
    }

    async fn usage(&self, kind: ResourceKind, name: &str) -> Result<Vec<Usage>, Failure> {
        let used = self.node().await.usage(kind, name).into_iter();
        Ok(used
            .map(|(application, services)| Usage {
                application,
                services: services.into_iter().collect(),
            })
            .collect())
    }

    async fn history(&self, application: &str) -> Result<Vec<Deployment>, Failure> {
        let found = self.node().await.history(application);
        let missing = || Failure::not_found(format!("there is no application `{application}`"));
        Ok(found.ok_or_else(missing)?.into_iter().map(shown::deployment).collect())
    }

    async fn restore(&self, application: &str, to: Option<u64>) -> Result<Applied, Failure> {
        let (node, name) = (self.node().await, application.to_owned());
        let applied = tokio::spawn(async move { node.rollback(&name, to).await }).await;
        let applied = applied.map_err(lost)?.map_err(|error| of_change(&error))?;
        Ok(shown::applied(applied, false))
    }

    async fn retry(&self, target: &str) -> Result<bool, Failure> {
        let retried = self.node().await.retry(target).await;
        retried.map_err(|error| of_retry(&error))
    }

    async fn logs(&self, instance: &str, tail: Option<u64>, follow: bool) -> Result<ByteStream, Failure> {
        let logs = self
            .node()
            .await
            .logs(instance, tail, follow)
            .await
            .map_err(|error| of_logs(&error))?;
        Ok(Box::pin(stream::try_unfold(logs, |mut logs| async move {
            let piece = logs.next().await.map_err(|error| of_engine(&error))?;
            Ok(piece.map(|piece| (Bytes::from(piece), logs)))
        })))
    }

    fn events(&self, filter: &str) -> Result<EventStream, Failure> {
        let events = self
            .foundation
            .bus()
            .subscribe(filter)
            .map_err(|error| of_topic(&error))?;
        Ok(heard(events))
    }

    async fn packages(&self) -> Result<Vec<Package>, Failure> {
        let packages = self.node().await.packages().await;
        let packages = packages.map_err(|error| of_cleaning(&error))?;
        Ok(packages.into_iter().map(shown::package).collect())
    }

    async fn clean_packages(&self, dry_run: bool) -> Result<Cleaned, Failure> {
        let cleaned = self.node().await.clean_packages(dry_run).await;
        cleaned
            .map(|cleaned| shown::cleaned(&cleaned, dry_run))
            .map_err(|error| of_cleaning(&error))
    }

    fn plugins(&self) -> Vec<Plugin> {
        self.host.list().into_iter().map(shown::plugin).collect()
    }

    fn plugin(&self, instance: &str) -> Result<PluginDetail, Failure> {
        let (status, manifest) = self.host.inspect(instance).map_err(|error| of_host(&error))?;
        Ok(PluginDetail {
            status: shown::plugin(status),
            manifest: shown::manifest(manifest),
        })
    }

    async fn enable(&self, instance: &str) -> Result<(), Failure> {
        let instance = instance.to_owned();
        self.ask(|host| async move { host.enable(&instance).await }).await
    }

    async fn disable(&self, instance: &str) -> Result<(), Failure> {
        let instance = instance.to_owned();
        self.ask(|host| async move { host.disable(&instance).await }).await
    }

    async fn rollback(&self, name: &str) -> Result<(), Failure> {
        let name = name.to_owned();
        self.ask(|host| async move { host.rollback(&name).await }).await
    }

    async fn install(&self, file: &Path) -> Result<String, Failure> {
        let file = file.to_owned();
        let stored = self.ask(|host| async move { host.install(&file).await }).await?;
        let name = stored.inspected.manifest.name;
        for spec in new_specs(&self.host, &name, self.files.clone()) {
            self.ask(|host| async move { host.start(spec).await }).await?;
        }
        Ok(name)
    }
}
