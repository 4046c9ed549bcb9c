//! Probes: how a service is asked whether it has started, works, and can take work, as Kubernetes and Baetyl v2 write it.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::CUT;

/// One probe: what is asked, and how often. Written with exactly one of `httpGet`, `tcpSocket`, `exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawProbe", into = "RawProbe")]
pub struct Probe {
    /// What is asked.
    pub check: Check,
    /// Seconds between the start of an instance and the first question.
    pub initial_delay_seconds: u32,
    /// Seconds between two questions.
    pub period_seconds: NonZeroU32,
    /// Seconds after which no answer is a bad one.
    pub timeout_seconds: NonZeroU32,
    /// Good answers in a row that make a bad state good.
    pub success_threshold: NonZeroU32,
    /// Bad answers in a row that make a good state bad.
    pub failure_threshold: NonZeroU32,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Whether a `GET` is answered with a status from 200 to 399.
    Http(HttpGet),
    /// Whether a connection is taken.
    Tcp(TcpSocket),
    /// Whether a command beside the instance ends with 0.
    Exec(ExecAction),
}

/// A `GET` request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpGet {
    /// What is asked for.
    #[serde(default = "root")]
    pub path: String,
    /// Where.
    pub port: ProbePort,
    /// On which machine; the instance's own address unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How.
    #[serde(default, skip_serializing_if = "crate::service::is_default")]
    pub scheme: Scheme,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
}

impl HttpGet {
    /// The path for people: without its query, which may hold a token.
    #[must_use]
    pub fn shown_path(&self) -> String {
        match self.path.split_once('?') {
            Some((path, _)) => format!("{path}?{CUT}"),
            None => self.path.clone(),
        }
    }
}

/// The protocol of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::also(&["http"])))]
pub enum Scheme {
    /// HTTP/1.1 without encryption, the one that there is.
    #[default]
    #[serde(rename = "HTTP", alias = "http")]
    Http,
}

/// A header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HttpHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TcpSocket {
    /// Where.
    pub port: ProbePort,
    /// On which machine; the instance's own address unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExecAction {
    /// Program and arguments.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub command: Vec<String>,
}

/// A port of an instance: a number, or `dynamic` for the one that the node chose (ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbePort {
    /// This one.
    Number(NonZeroU16),
    /// The one in `BAETYL_SERVICE_DYNAMIC_PORT`.
    Dynamic,
}

/// A probe that asks nothing, or several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProbe {
    /// Not exactly one question.
    #[error("a probe has {0} questions, but needs exactly one of httpGet, tcpSocket, exec")]
    Checks(usize),
    /// An empty command.
    #[error("exec.command is empty: name a program")]
    EmptyCommand,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::exactly_one(&["httpGet", "tcpSocket", "exec"])))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawProbe {
    /// Whether a `GET` is answered with a status from 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http_get: Option<HttpGet>,
    /// Whether a connection is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp_socket: Option<TcpSocket>,
    /// Whether a command beside the instance ends with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exec: Option<ExecAction>,
    /// Seconds between the start of an instance and the first question.
    #[serde(default, skip_serializing_if = "crate::service::is_default")]
    initial_delay_seconds: u32,
    /// Seconds between two questions.
    #[serde(default = "ten")]
    period_seconds: NonZeroU32,
    /// Seconds after which no answer is a bad one.
    #[serde(default = "once")]
    timeout_seconds: NonZeroU32,
    /// Good answers in a row that make a bad state good.
    #[serde(default = "once")]
    success_threshold: NonZeroU32,
    /// Bad answers in a row that make a good state bad.
    #[serde(default = "three")]
    failure_threshold: NonZeroU32,
}

impl Probe {
    /// A probe of the one check that was written, as often as Kubernetes asks unless it is told.
    ///
    /// # Errors
    /// [`InvalidProbe`] when there is not exactly one, or it names no program.
    pub fn new(mut checks: Vec<Check>) -> Result<Self, InvalidProbe> {
        let found = checks.len();
        match checks.pop() {
            Some(Check::Exec(exec)) if exec.command.is_empty() => Err(InvalidProbe::EmptyCommand),
            Some(check) if found == 1 => Ok(Self {
                check,
                initial_delay_seconds: 0,
                period_seconds: ten(),
                timeout_seconds: once(),
                success_threshold: once(),
                failure_threshold: three(),
            }),
            _ => Err(InvalidProbe::Checks(found)),
        }
    }
}

const fn ten() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(9)
}

const fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

const fn three() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(2)
}

fn root() -> String {
    "/".to_owned()
}

impl TryFrom<RawProbe> for Probe {
    type Error = InvalidProbe;

    fn try_from(raw: RawProbe) -> Result<Self, InvalidProbe> {
        let http = raw.http_get.map(Check::Http);
        let tcp = raw.tcp_socket.map(Check::Tcp);
        let checks = http.into_iter().chain(tcp).chain(raw.exec.map(Check::Exec));
        Ok(Self {
            initial_delay_seconds: raw.initial_delay_seconds,
            period_seconds: raw.period_seconds,
            timeout_seconds: raw.timeout_seconds,
            success_threshold: raw.success_threshold,
            failure_threshold: raw.failure_threshold,
            ..Self::new(checks.collect())?
        })
    }
}

impl From<Probe> for RawProbe {
    fn from(probe: Probe) -> Self {
        let (mut http_get, mut tcp_socket, mut exec) = (None, None, None);
        match probe.check {
            Check::Http(get) => http_get = Some(get),
            Check::Tcp(socket) => tcp_socket = Some(socket),
            Check::Exec(action) => exec = Some(action),
        }
        Self {
            http_get,
            tcp_socket,
            exec,
            initial_delay_seconds: probe.initial_delay_seconds,
            period_seconds: probe.period_seconds,
            timeout_seconds: probe.timeout_seconds,
            success_threshold: probe.success_threshold,
            failure_threshold: probe.failure_threshold,
        }
    }
}

const DYNAMIC: &str = "dynamic";

impl Serialize for ProbePort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u16(number.get()),
            Self::Dynamic => serializer.serialize_str(DYNAMIC),
        }
    }
}

impl<'de> Deserialize<'de> for ProbePort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortVisitor)
    }
}

/// Written out because an untagged enum would lose where in the text an error is.
struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = ProbePort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port from 1 to 65535, or `dynamic` for the one that the node chose")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ProbePort, E> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(ProbePort::Number)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ProbePort, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ProbePort, E> {
        match text {
            DYNAMIC => Ok(ProbePort::Dynamic),
            digits => match digits.parse() {
                Ok(number) => Ok(ProbePort::Number(number)),
                Err(_) => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Probe, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_in_kubernetes() {
        let probe = read(r#"{"tcpSocket":{"port":80}}"#).unwrap();
        let numbers = [
            probe.period_seconds,
            probe.timeout_seconds,
            probe.success_threshold,
            probe.failure_threshold,
        ];
        assert_eq!(numbers.map(NonZeroU32::get), [10, 1, 1, 3]);
    }

    #[test]
    fn each_question_is_written_as_it_is_read() {
        for check in [
            r#""httpGet":{"path":"/health","port":"dynamic","httpHeaders":[{"name":"A","value":"b"}]}"#,
            r#""tcpSocket":{"port":65535,"host":"127.0.0.2"}"#,
            r#""exec":{"command":["test","-e","ready"]}"#,
        ] {
            let rest = r#""initialDelaySeconds":1,"periodSeconds":2,"timeoutSeconds":3,"successThreshold":4,"failureThreshold":5"#;
            let json = format!("{{{check},{rest}}}");
            assert_eq!(serde_json::to_string(&read(&json).unwrap()).unwrap(), json);
        }
    }

    #[test]
    fn a_probe_asks_exactly_one_thing() {
        for (json, part) in [
            ("{}", "0 questions"),
            (r#"{"exec":{"command":["a"]},"tcpSocket":{"port":1}}"#, "2 questions"),
            (r#"{"exec":{"command":[]}}"#, "name a program"),
            (r#"{"tcpSocket":{"port":0}}"#, "from 1 to 65535"),
            (r#"{"tcpSocket":{"port":-1}}"#, "from 1 to 65535"),
            (r#"{"tcpSocket":{"port":"http"}}"#, "`dynamic`"),
            (r#"{"httpGet":{"port":1,"scheme":"HTTPS"}}"#, "HTTPS"),
            (r#"{"tcpSocket":{"port":1},"periodSeconds":0}"#, "nonzero"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(part), "{json}: {error}");
        }
    }
}
