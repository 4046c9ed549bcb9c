//! `engine/1`: each method in a few lines.

use crate::cgroup::{self, Cgroups};
use crate::error::RequestError;
use crate::instance::Instance;
use crate::plugin::ProcessEngine;
use crate::process::Process;
use crate::recover::{Found, find};
use crate::{launch, logs, recover, sandbox, usage};
use aerolith_plugin::wire::engine::{
    Engine, Exec, Executed, Exit, Features, Fingerprint, Handle, Logs, Recover, Recovered, Signal, Status, Stop, Usage,
    Workload,
};
use aerolith_plugin::{Bytes, Code, Error, Result, Stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often, and how long apart, a start is tried whose program is open for writing: a fork elsewhere in the daemon holds
/// a descriptor for a moment that was just closed here.
const TEXT_BUSY: (u32, Duration) = (5, Duration::from_millis(20));

impl Engine for ProcessEngine {
    async fn capabilities(&self) -> Result<Features> {
        Ok(Features {
            kind: "process".into(),
            survives: true,
            exec: true,
            enforces: [
                sandbox::enforced(),
                cgroup::enforced(self.registry.cgroups.controllers()),
            ]
            .concat(),
            handover: false,
        })
    }

    async fn fingerprint(&self, into: Stream<Fingerprint>) -> Result<()> {
        into.write(&fingerprint(&self.registry.cgroups)).await?;
        // Nothing of it changes while the machine runs.
        std::future::pending().await
    }

    async fn prepare(&self, workload: Workload) -> Result<()> {
        self.blocking(move |_| launch::check(&workload)).await
    }

    async fn start(&self, workload: Workload) -> Result<Handle> {
        let working = Arc::new(self.working().await?);
        let workload = Arc::new(workload);
        for _ in 1..TEXT_BUSY.0 {
            match self.launch(&workload, &working).await {
                Err(Error { code: Code::Busy, .. }) => tokio::time::sleep(TEXT_BUSY.1).await,
                result => return result,
            }
        }
        self.launch(&workload, &working).await
    }

    async fn recover(&self, request: Recover) -> Result<Recovered> {
        let _working = self.working().await?;
        self.blocking(move |registry| recover::recover(registry, &request))
            .await
    }

    async fn wait(&self, handle: Handle) -> Result<Exit> {
        match self.find(handle).await? {
            Found::Here(instance) => instance.ended().await.map_err(Error::io),
            Found::Gone(_) => Ok(Exit::unknown()),
        }
    }

    async fn status(&self, handle: Handle) -> Result<Status> {
        Ok(match self.find(handle).await? {
            Found::Here(instance) => usage::status(&instance),
            Found::Gone(_) => Status::default(),
        })
    }

    async fn stop(&self, request: Stop) -> Result<Exit> {
        self.end(request).await
    }

    async fn remove(&self, handle: Handle) -> Result<()> {
        self.forget(handle).await
    }

    async fn stats(&self, handle: Handle) -> Result<Usage> {
        let instance = self.instance(handle).await?;
        running(&instance)?;
        self.blocking(move |_| Ok(usage::usage(&instance))).await
    }

    async fn logs(&self, request: Logs, into: Stream<Bytes>) -> Result<()> {
        logs::deliver(request, &into).await
    }

    async fn exec(&self, request: Exec) -> Result<Executed> {
        self.execute(request).await
    }

    async fn signal(&self, request: Signal) -> Result<()> {
        let unknown = RequestError::Signal(request.number);
        let signal = rustix::process::Signal::from_named_raw(request.number).ok_or(unknown)?;
        let instance = self.instance(request.handle).await?;
        running(&instance)?.signal(signal).map_err(Error::io)
    }
}

impl ProcessEngine {
    async fn launch<T: Send + Sync + 'static>(&self, workload: &Arc<Workload>, working: &Arc<T>) -> Result<Handle> {
        let (workload, working) = (workload.clone(), working.clone());
        self.blocking(move |registry| {
            let _until_registered = working;
            launch::launch(registry, &workload).map(|instance| instance.handle())
        })
        .await
    }

    async fn find(&self, handle: Handle) -> Result<Found> {
        self.blocking(move |registry| find(registry, &handle)).await
    }

    /// The instance of a handle, which must still be there.
    pub(crate) async fn instance(&self, handle: Handle) -> Result<Arc<Instance>> {
        let name = handle.instance.clone();
        match self.find(handle).await? {
            Found::Here(instance) => Ok(instance),
            Found::Gone(reason) => Err(Error::not_found(format!("{name}: {reason}"))),
        }
    }
}

/// The process of an instance, which must still run.
pub(crate) fn running(instance: &Instance) -> Result<&Process> {
    let ended = || Error::not_found(format!("{} has ended: start it first", instance.mark.instance));
    instance.running().ok_or_else(ended)
}

fn fingerprint(cgroups: &Cgroups) -> Fingerprint {
    let system = rustix::system::uname();
    let text = |t: &std::ffi::CStr| t.to_string_lossy().into_owned();
    let attributes = BTreeMap::from([
        ("kernel.release".to_owned(), text(system.release())),
        ("machine".to_owned(), text(system.machine())),
        ("cgroups".to_owned(), cgroups.words()),
    ]);
    match Process::child(std::process::id()) {
        Ok(_) => Fingerprint {
            ready: true,
            message: "native processes".into(),
            attributes,
        },
        Err(e) => {
            let message = format!("no process can be held by a descriptor: {e}; Linux 5.4 or later is needed");
            Fingerprint {
                ready: false,
                message,
                attributes,
            }
        }
    }
}
