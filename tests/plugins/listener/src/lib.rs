//! A plugin for tests that owns a listening TCP socket, which is handed over without closing it: no connection is
//! refused while an instance is replaced.
//!
//! It answers each connection with one line, `GENERATION VERSION`, and closes it.

mod accept;
mod state;

use accept::Accepting;
use aerolith_plugin::{Context, Error, Plugin, Result, export_plugin};
use serde::Deserialize;
use serde_json::json;
use state::State;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// Name of the socket in the descriptor store.
const SOCKET: &str = "listener";

/// Configuration of the listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Where to listen when nothing is inherited; port 0 takes a free one.
    pub address: SocketAddr,
    /// What the answers call the version; by default the crate's.
    pub version: String,
    /// Fails there, after everything else there was done.
    pub fail_in: Option<Place>,
}

impl Default for Config {
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            version,
            fail_in: None,
        }
    }
}

/// Where the listener can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// While it is made, with the socket already taken out of the store.
    Create,
    /// In `plugin/1.start`, with connections already answered.
    Start,
}

impl Config {
    fn reach(&self, place: Place) -> Result<()> {
        if self.fail_in == Some(place) {
            Err(Error::io(format!("told to fail in {place:?}")))
        } else {
            Ok(())
        }
    }
}

/// The listener.
pub struct Listener {
    context: Context,
    config: Config,
    socket: Arc<TcpListener>,
    state: State,
    accepting: Mutex<Option<Accepting>>,
}

impl Plugin for Listener {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        let inherited = State::read(context.inherited())?;
        let socket = match inherited {
            Some(former) => taken(&context, former)?,
            None => bound(config.address)?,
        };
        let port = socket.local_addr().map_err(Error::io)?.port();
        let generation = inherited.map_or(1, |former| former.generation + 1);
        config.reach(Place::Create)?;
        Ok(Self {
            context,
            config,
            socket: Arc::new(socket),
            state: State { generation, port },
            accepting: Mutex::default(),
        })
    }

    async fn start(&self) -> Result<()> {
        self.accept().await;
        let State { generation, port } = self.state;
        self.context.gauge("listener_port", f64::from(port), &[]);
        self.context.gauge("listener_generation", f64::from(generation), &[]);
        let said = json!({ "port": port, "generation": generation, "version": self.config.version });
        self.context.publish("listener/ready", said)?;
        self.config.reach(Place::Start)
    }

    async fn drain(&self) -> Result<Vec<u8>> {
        self.cease().await;
        self.context.keep(SOCKET, self.socket.as_fd())?;
        self.state.write()
    }

    /// Its own socket was never closed, so what lies in the store, unless a successor took it, is only a duplicate.
    async fn resume(&self, _: &[u8]) -> Result<()> {
        self.context.take(SOCKET)?;
        self.accept().await;
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        self.cease().await;
        Ok(())
    }
}

impl Listener {
    async fn accept(&self) {
        let line = format!("{} {}\n", self.state.generation, self.config.version);
        self.accepting
            .lock()
            .await
            .get_or_insert_with(|| Accepting::begin(self.socket.clone(), line));
    }

    async fn cease(&self) {
        let accepting = self.accepting.lock().await.take();
        if let Some(accepting) = accepting {
            accepting.end().await;
        }
    }
}

fn bound(address: SocketAddr) -> Result<TcpListener> {
    let socket = StdListener::bind(address).map_err(|e| Error::io(format!("cannot listen on {address}: {e}")))?;
    registered(socket)
}

fn taken(context: &Context, former: State) -> Result<TcpListener> {
    let missing = || {
        let State { generation, port } = former;
        Error::not_found(format!(
            "generation {generation} left no socket of port {port} as descriptor `{SOCKET}`"
        ))
    };
    registered(context.take(SOCKET)?.ok_or_else(missing)?.into())
}

fn registered(socket: StdListener) -> Result<TcpListener> {
    socket
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(socket))
        .map_err(Error::io)
}

export_plugin! {
    plugin: Listener, name: "listener", vendor: "Aerolith", provides: [],
    replace: handover, permissions: ["descriptors", "publish listener/#"],
}

#[cfg(test)]
mod tests;
