//! The child's end: one library, one instance, until the daemon closes the socket.

use super::frame::{Frame, Kind};
use super::link::split;
use super::peer::{Peer, Remote};
use crate::context::{Context, Keeping, Log};
use crate::descriptors::Descriptors;
use crate::library::{Door, Library};
use crate::permissions::{Act, Grants, Permissions};
use crate::route::Checked;
use crate::store::Store;
use crate::tasks::Tasks;
use aerolith_plugin_wire::payload::Blob;
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Result, Sent, Service, SinkBox, payload};
use rustix::fd::{AsFd as _, OwnedFd};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Handle};

/// The method that makes the instance; it is nobody's capability.
pub(super) const CREATE: &str = "child.create";

/// What the daemon tells the child to make.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Create {
    pub(super) instance: String,
    pub(super) path: PathBuf,
    pub(super) sha256: String,
    pub(super) config: serde_json::Value,
    pub(super) state: Blob,
    /// What it may do of what its manifest asks for.
    pub(super) grants: Grants,
    /// The log's level when the child was started.
    pub(super) level: u8,
    /// Bytes of address space at most.
    pub(super) memory: Option<u64>,
}

/// Runs a plugin for the daemon, which is at the other end of standard input. Returns when the daemon closes it.
///
/// # Errors
/// When standard input is no socket or no thread is to be had.
pub fn run() -> io::Result<()> {
    let own = Builder::new_current_thread().enable_all().build()?;
    let executor = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("plugin")
        .enable_all()
        .build()?;
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?;
    // The plugin reads an empty standard input, not our socket.
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    let ended = own.block_on(converse(socket, executor.handle().clone()));
    executor.shutdown_background();
    ended
}

async fn converse(socket: std::os::unix::net::UnixStream, executor: Handle) -> io::Result<()> {
    let (mut reader, writer) = split(UnixStream::from_std(socket)?);
    let peer = Peer::begin(writer, &Handle::current());
    let kept = Arc::new(Descriptors::default());
    let child = Arc::new(Instance {
        peer: peer.clone(),
        kept: kept.clone(),
        executor: executor.clone(),
        made: Arc::default(),
    });
    let tasks = Tasks::new(executor);
    let other = Box::new(move |frame: Frame| {
        if let (Kind::Keep, Some(descriptor)) = (frame.kind, frame.descriptor) {
            // The daemon's store has the same bound.
            let _ = kept.keep(&frame.name, descriptor);
        }
    });
    let ended = peer.converse(&mut reader, child.clone(), tasks.clone(), other).await;
    tasks.close().await;
    if let Some((context, _)) = child.made.get() {
        context.close().await;
    }
    ended
}

/// The one instance of this process, once it is made.
#[derive(Clone)]
struct Instance {
    peer: Arc<Peer>,
    kept: Arc<Descriptors>,
    executor: Handle,
    made: Arc<OnceLock<(Arc<Context>, Door)>>,
}

impl Instance {
    fn make(&self, request: &[u8]) -> Result<Bytes> {
        let create: Create = payload::decode(request)?;
        if let Some(memory) = create.memory {
            limit(memory)?;
        }
        let folder = create.path.parent().unwrap_or(std::path::Path::new("/"));
        let stored = Store::open(folder)
            .and_then(|store| store.get(&create.sha256))
            .map_err(Error::invalid)?;
        let library = Library::load(&stored).map_err(Error::invalid)?;
        let permissions =
            Permissions::new(&stored.inspected.manifest.permissions, &create.grants).map_err(Error::invalid)?;
        let allowed = permissions.allow(Act::Descriptors);
        let descriptors = Local {
            kept: self.kept.clone(),
            peer: self.peer.clone(),
            allowed,
        };
        let service = Arc::new(Checked {
            permissions,
            next: Remote(self.peer.clone()),
        });
        let log = Box::new(Forward {
            peer: self.peer.clone(),
            level: create.level,
        });
        let context = Context::enter(service, log, Box::new(descriptors), self.executor.clone());
        let config = create.config.to_string();
        let door = library.create(&context, &create.instance, config.as_bytes(), &create.state.0)?;
        let made = self.made.set((context, door));
        made.map(|()| Bytes::new())
            .map_err(|_| Error::invalid("this process already holds an instance"))
    }

    fn door(&self) -> Result<&Door> {
        self.made
            .get()
            .map(|(_, door)| door)
            .ok_or_else(|| Error::stopped("no instance is made yet"))
    }
}

fn limit(bytes: u64) -> Result<()> {
    let limit = rustix::process::Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::setrlimit(rustix::process::Resource::As, limit)
        .map_err(|e| Error::invalid(format!("memory limit of {bytes} bytes: {e}")))
}

/// The instance as the daemon calls it.
impl Service for Instance {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        if method != CREATE {
            return match self.door() {
                Ok(door) => door.call(method, request, sink),
                Err(e) => Box::pin(std::future::ready(Err(e))),
            };
        }
        // On a thread of its own: it may block, and it may call the core and wait.
        let (instance, executor) = (self.clone(), self.executor.clone());
        let made = executor.spawn_blocking(move || instance.make(&request));
        Box::pin(async move { made.await.unwrap_or_else(|e| Err(Error::new(Code::Panic, e))) })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        self.door()?.send(method, item)
    }
}

/// Log lines on their way to the daemon.
struct Forward {
    peer: Arc<Peer>,
    level: u8,
}

impl Log for Forward {
    fn write(&self, level: u8, target: &str, message: &str, fields: &str) {
        let body = format!("{}\0{fields}", message.replace('\0', " "));
        // A full queue drops the line rather than hold the plugin up.
        let _ = self.peer.try_put(Frame::new(Kind::Log, level.into(), target, body));
    }

    fn level(&self) -> u8 {
        self.level
    }
}

/// The descriptor store of the daemon, with what lies in it at hand.
struct Local {
    kept: Arc<Descriptors>,
    peer: Arc<Peer>,
    allowed: bool,
}

impl Local {
    fn tell(&self, frame: Frame) -> Result<()> {
        match self.peer.try_put(frame)? {
            Sent::Accepted => Ok(()),
            Sent::Full => Err(Error::new(Code::Busy, "the connection to the daemon is full")),
        }
    }

    fn check(&self) -> Result<()> {
        if self.allowed {
            Ok(())
        } else {
            Err(crate::route::denied("descriptors"))
        }
    }
}

impl Keeping for Local {
    fn keep(&self, name: &str, descriptor: OwnedFd) -> Result<()> {
        self.check()?;
        let copy = descriptor.try_clone().map_err(Error::io)?;
        self.tell(Frame {
            descriptor: Some(copy),
            ..Frame::new(Kind::Keep, 0, name, [])
        })?;
        self.kept.keep(name, descriptor).map_err(Error::invalid)
    }

    fn take(&self, name: &str) -> Result<OwnedFd> {
        self.check()?;
        let taken = self
            .kept
            .take(name)
            .ok_or_else(|| Error::not_found(format!("no descriptor `{name}` is kept")))?;
        self.tell(Frame::new(Kind::Taken, 0, name, []))?;
        Ok(taken)
    }
}
