//! HTTP clients, which are as different as what they show of themselves.

use crate::config::Config;
use crate::link::Names;
use crate::tls::{Identity, Trust};
use crate::transport::told;
use aerolith_plugin::{Error, Result};
use reqwest::{Client, redirect};
use std::time::Duration;

#[cfg(feature = "http2")]
/// Bytes that a server may send ahead of the reading, in one stream and in all of them (RFC 9113, section 5.2).
const WINDOW: u32 = 1024 * 1024;

/// What clients are made from, and those that are always needed.
pub(crate) struct Clients {
    trust: Trust,
    agent: String,
    connect: Duration,
    allow_link_local: bool,
    /// For servers that a redirect leads to: shows nothing of this machine.
    pub(crate) bare: Client,
    /// For the server of the address: shows the operator's certificate, where there is one.
    own: Client,
}

impl Clients {
    /// Looks whether a configuration makes clients. Those themselves are made for the first fetch, for the system's
    /// authorities take memory, and a plugin that is never asked should not.
    ///
    /// # Errors
    /// Files that cannot be read or are not what they should be.
    pub(crate) fn check(config: &Config) -> Result<()> {
        let identity = Identity::files(config.client_certificate.as_deref(), config.client_key.as_deref())?;
        Trust::own(config.ca.as_deref())?.client(identity).map(drop)
    }

    pub(crate) fn new(config: &Config, agent: &str) -> Result<Self> {
        let trust = Trust::load(config.ca.as_deref())?;
        let connect = config.connect_timeout_seconds.0;
        let identity = Identity::files(config.client_certificate.as_deref(), config.client_key.as_deref())?;
        let make = |identity| client(&trust, identity, agent, connect, config.allow_link_local);
        let bare = make(None)?;
        let own = if identity.is_some() {
            make(identity)?
        } else {
            bare.clone()
        };
        Ok(Self {
            agent: agent.to_owned(),
            connect,
            allow_link_local: config.allow_link_local,
            bare,
            own,
            trust,
        })
    }

    /// The client for the server of an address: with the object's own certificate, else the operator's.
    pub(crate) fn of(&self, identity: Option<Identity>) -> Result<Client> {
        if identity.is_none() {
            return Ok(self.own.clone());
        }
        client(&self.trust, identity, &self.agent, self.connect, self.allow_link_local)
    }
}

/// A client that follows no redirect by itself, decodes nothing, and takes proxies from the environment. An answer's head
/// is bounded by what hyper allows: 100 headers and 400 KiB (HTTP/1), 16 KiB (HTTP/2).
fn client(
    trust: &Trust,
    identity: Option<Identity>,
    agent: &str,
    connect: Duration,
    allow_link_local: bool,
) -> Result<Client> {
    let client = Client::builder()
        .tls_backend_preconfigured(trust.client(identity)?)
        .dns_resolver(Names { allow_link_local })
        .redirect(redirect::Policy::none())
        .connect_timeout(connect)
        .user_agent(agent);
    #[cfg(feature = "http2")]
    let client = client
        .http2_initial_stream_window_size(WINDOW)
        .http2_initial_connection_window_size(WINDOW);
    client
        .build()
        .map_err(|e| Error::invalid(format!("no HTTP client can be made: {}", told(e))))
}
