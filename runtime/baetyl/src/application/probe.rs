//! Probes of Baetyl's services, which are Kubernetes' own: what is zero or empty there means the default.

use std::num::NonZeroU32;

use aerolith_model::{Check, ExecAction, HttpGet, HttpHeader, InvalidProbe, Probe, ProbePort, Scheme, TcpSocket};
use serde::Deserialize;

use crate::view::blank_is_none;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct ProbeView {
    http_get: Option<HttpGetView>,
    tcp_socket: Option<TcpSocketView>,
    exec: Option<ExecView>,
    initial_delay_seconds: u32,
    period_seconds: u32,
    timeout_seconds: u32,
    success_threshold: u32,
    failure_threshold: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpGetView {
    #[serde(default, deserialize_with = "blank_is_none")]
    path: Option<String>,
    port: ProbePort,
    #[serde(default, deserialize_with = "blank_is_none")]
    host: Option<String>,
    #[serde(default, deserialize_with = "blank_is_none")]
    scheme: Option<Scheme>,
    #[serde(default)]
    http_headers: Vec<HeaderView>,
}

#[derive(Deserialize)]
struct HeaderView {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct TcpSocketView {
    port: ProbePort,
    #[serde(default, deserialize_with = "blank_is_none")]
    host: Option<String>,
}

#[derive(Deserialize)]
struct ExecView {
    #[serde(default)]
    command: Vec<String>,
}

impl TryFrom<ProbeView> for Probe {
    type Error = InvalidProbe;

    fn try_from(view: ProbeView) -> Result<Self, InvalidProbe> {
        let http = view.http_get.map(|get| Check::Http(get.into()));
        let tcp = view
            .tcp_socket
            .map(|TcpSocketView { port, host }| TcpSocket { port, host });
        let exec = view.exec.map(|ExecView { command }| ExecAction { command });
        let checks = http.into_iter().chain(tcp.map(Check::Tcp)).chain(exec.map(Check::Exec));
        let plain = Self::new(checks.collect())?;
        Ok(Self {
            initial_delay_seconds: view.initial_delay_seconds,
            period_seconds: or(view.period_seconds, plain.period_seconds),
            timeout_seconds: or(view.timeout_seconds, plain.timeout_seconds),
            success_threshold: or(view.success_threshold, plain.success_threshold),
            failure_threshold: or(view.failure_threshold, plain.failure_threshold),
            ..plain
        })
    }
}

fn or(said: u32, default: NonZeroU32) -> NonZeroU32 {
    NonZeroU32::new(said).unwrap_or(default)
}

impl From<HttpGetView> for HttpGet {
    fn from(view: HttpGetView) -> Self {
        let header = |HeaderView { name, value }| HttpHeader { name, value };
        Self {
            path: view.path.unwrap_or_else(|| "/".to_owned()),
            port: view.port,
            host: view.host,
            scheme: view.scheme.unwrap_or_default(),
            http_headers: view.http_headers.into_iter().map(header).collect(),
        }
    }
}
