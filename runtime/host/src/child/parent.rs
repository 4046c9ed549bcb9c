//! The daemon's end: starts the child, and notices its end.

use super::frame::{Frame, Kind as FrameKind};
use super::helper::Create;
use super::link::{Reader, split};
use super::peer::{Peer, Remote};
use crate::HostError;
use crate::context::{Context, Log};
use crate::descriptors::Descriptors;
use crate::slot::Slot;
use crate::store::Stored;
use aerolith_plugin_wire::manifest::Manifest;
use aerolith_plugin_wire::payload::Blob;
use aerolith_plugin_wire::{Bytes, Code, Error, Kind, Reply, Result, Sent, Service, SinkBox, kind_of, payload};
use rustix::fd::OwnedFd;
use std::io;
use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

/// How long a child may take to end by itself once nobody speaks to it any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// A plugin instance in a child.
pub(crate) struct Spawned {
    pub(crate) service: ChildService,
    pub(crate) pid: u32,
}

/// The child as a service. Dropping it ends the child.
pub(crate) struct ChildService {
    remote: Remote,
    manifest: Manifest,
    /// Our end of the socket: the child ends when it is shut.
    socket: std::os::unix::net::UnixStream,
    /// Dropped with this: the watch then sees to it that the child ends.
    alive: Option<oneshot::Sender<()>>,
    /// The watch says when it has.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl Drop for ChildService {
    /// Returns when the child is gone, so that nothing of it runs on beside a successor.
    fn drop(&mut self) {
        // One that is closed already has ended by itself.
        let _ = self.socket.shutdown(Shutdown::Write);
        drop(self.alive.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(2 * PATIENCE);
    }
}

impl Service for ChildService {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        self.remote.call(method, request, sink)
    }

    /// The child cannot answer an item, so what its manifest does not list is refused here.
    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        let listed = method
            .rsplit_once('.')
            .and_then(|(id, name)| Some((self.manifest.provides.get(id)?, name)));
        match listed {
            Some((methods, name)) if one_way(method) && methods.iter().any(|m| m == name) => {
                self.remote.send(method, item)
            }
            _ => Err(Error::unimplemented(method)),
        }
    }
}

/// Whether a method may be of the one-way path: one that this API does not know may.
fn one_way(method: &str) -> bool {
    kind_of(method).is_none_or(|kind| kind == Kind::Send)
}

/// Starts a child with an instance in it.
pub(crate) async fn spawn(
    slot: &Arc<Slot>,
    stored: &Stored,
    context: &Arc<Context>,
    generation: u64,
    state: &[u8],
) -> std::result::Result<Spawned, HostError> {
    let spec = slot.spec();
    let (program, arguments) = &slot.shared.settings.helper;
    let failed = |source| HostError::Child {
        instance: spec.instance.clone(),
        program: program.clone(),
        source,
    };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let socket = ours.try_clone().map_err(failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let pid = child.id().unwrap_or(0);
    let (reader, writer) = split(UnixStream::from_std(ours).map_err(failed)?);
    let peer = Peer::begin(writer, &slot.shared.own);
    let (alive, gone) = oneshot::channel();
    converse(slot, &peer, reader, context);
    let create = Create {
        instance: spec.instance.clone(),
        path: stored.path.clone(),
        sha256: stored.sha256.clone(),
        config: spec.config.clone(),
        state: Blob(state.to_vec()),
        grants: spec.grants.clone(),
        level: context.log.level(),
        memory: spec.memory,
    };
    let made = tokio::time::timeout(slot.shared.settings.create, make(&peer, &slot.descriptors, &create)).await;
    let made = made.unwrap_or_else(|_| {
        let deadline = slot.shared.settings.create;
        Err(Error::new(
            Code::Timeout,
            format!("it did not answer within {deadline:?}"),
        ))
    });
    if let Err(error) = made {
        // Whatever it does now, it is not wanted any more.
        let _ = child.start_kill();
        let status = child.wait().await.ok().filter(|s| s.signal() != Some(9));
        let ended = status.map(|s| format!("; {}", end(s))).unwrap_or_default();
        return Err(slot.error(
            "create",
            Error {
                message: error.message + &ended,
                ..error
            },
        ));
    }
    let (last, ended) = mpsc::channel();
    watch(slot, child, gone, last, generation);
    Ok(Spawned {
        service: ChildService {
            remote: Remote(peer),
            manifest: stored.inspected.manifest.clone(),
            socket,
            alive: Some(alive),
            ended: Mutex::new(ended),
        },
        pid,
    })
}

async fn make(peer: &Arc<Peer>, kept: &Descriptors, create: &Create) -> Result<()> {
    for (name, copy) in kept.copies() {
        let keep = Frame::new(FrameKind::Keep, 0, &name, []);
        peer.put(Frame {
            descriptor: Some(copy),
            ..keep
        })
        .await?;
    }
    let body = payload::encode(create)?;
    Remote(peer.clone())
        .call(super::helper::CREATE, body, None)
        .await
        .map(drop)
}

/// What the child may ask, as long as its instance is one.
struct Living(Arc<Context>);

impl Service for Living {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        match Context::of(self.0.number()) {
            Ok(context) => context.service.call(method, request, sink),
            Err(e) => Box::pin(std::future::ready(Err(e))),
        }
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        Context::of(self.0.number())?.service.send(method, item)
    }
}

/// Reads what the child says until it says nothing any more.
fn converse(slot: &Arc<Slot>, peer: &Arc<Peer>, mut reader: Reader, context: &Arc<Context>) {
    let (peer, context, kept) = (peer.clone(), context.clone(), slot.descriptors.clone());
    slot.shared.own.spawn(async move {
        let (service, tasks, heard) = (
            Arc::new(Living(context.clone())),
            context.tasks.clone(),
            context.clone(),
        );
        let other = Box::new(move |frame| hear(frame, &*heard.log, &heard, &kept));
        // The watch tells how the child ended; how the socket did is of no interest.
        let _ = peer.converse(&mut reader, service, tasks, other).await;
    });
}

fn hear(frame: Frame, log: &dyn Log, context: &Context, kept: &Descriptors) {
    match frame.kind {
        FrameKind::Log => {
            let text = String::from_utf8_lossy(&frame.body);
            let (message, fields) = text.split_once('\0').unwrap_or((&text, ""));
            log.write(u8::try_from(frame.id).unwrap_or(3), &frame.name, message, fields);
        }
        FrameKind::Keep => {
            if let Some(Err(error)) = frame.descriptor.map(|d| context.descriptors.keep(&frame.name, d)) {
                log.write(2, "descriptors", &format!("`{}` was not kept: {error}", frame.name), "");
            }
        }
        FrameKind::Taken => drop(kept.take(&frame.name)),
        _ => {}
    }
}

/// Notices the child's end, or ends it when the instance is dropped.
fn watch(slot: &Arc<Slot>, mut child: Child, gone: oneshot::Receiver<()>, last: mpsc::Sender<()>, generation: u64) {
    let slot = Arc::downgrade(slot);
    let own = slot.upgrade().map(|slot| slot.shared.own.clone());
    let watching = async move {
        // Dropped at the end of this, which is what the instance's drop waits for.
        let _last = last;
        tokio::select! {
            status = child.wait() => {
                if let Some(slot) = slot.upgrade() {
                    slot.failed(generation, &status.map_or_else(|e: io::Error| e.to_string(), end));
                }
            }
            _ = gone => {
                if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                    // One that cannot be killed has ended by itself.
                    let _ = child.kill().await;
                }
            }
        }
    };
    if let Some(own) = own {
        own.spawn(watching);
    }
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the child process exited with status {code}"),
        (None, Some(11)) => "the child process was ended by signal 11 (segmentation fault)".into(),
        (None, Some(signal)) => format!("the child process was ended by signal {signal}"),
        (None, None) => "the child process ended".into(),
    }
}
