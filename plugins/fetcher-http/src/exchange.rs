//! Talks to servers: one request after the other until one gives bytes, then the bytes.

use crate::address::{self, Shown};
use crate::answer::{self, Answer};
use crate::ask;
use crate::config::Config;
use crate::hop::{self, Refused};
use crate::tls;
use aerolith_plugin::wire::fetcher::{Fetch, Fetched, Head, write_head};
use aerolith_plugin::{Bytes, Code, Error, Result, Stream};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, Url, redirect};
use std::error::Error as _;
use std::time::Duration;
use tokio::time::timeout;

/// Most bytes of one piece.
const PIECE: usize = 256 * 1024;

/// A client with its patience.
pub(crate) struct Exchange {
    client: Client,
    /// Until the head of an answer is there.
    head: Duration,
    /// Between two pieces of the body.
    stall: Duration,
}

/// The request to send next.
struct Ask<'a> {
    request: &'a Fetch,
    url: Url,
    /// What the caller gave, as long as the server is the one that it was given for.
    given: HeaderMap,
    offset: u64,
}

impl Ask<'_> {
    fn headers(&self) -> HeaderMap {
        let mut headers = self.given.clone();
        ask::add_own(&mut headers, self.offset, &self.request.validator);
        headers
    }

    fn follow(&mut self, location: Option<&str>) -> Result<()> {
        let hop = hop::next(&self.url, location).map_err(|e| at(&self.url, Error::io(e).permanent()))?;
        self.url = hop.url;
        if !hop.same_server {
            self.given.clear();
        }
        Ok(())
    }
}

impl Exchange {
    /// A client that follows no redirect by itself, decodes nothing, and takes proxies from the environment.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let (connect, stall) = (config.connect_timeout_seconds.0, config.stall_timeout_seconds.0);
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client(config.ca.as_deref())?)
            .redirect(redirect::Policy::none())
            .connect_timeout(connect)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Error::invalid(format!("no HTTP client can be made: {}", told(e))))?;
        Ok(Self {
            client,
            head: connect.saturating_add(stall),
            stall,
        })
    }

    /// Delivers what an address gives.
    pub(crate) async fn fetch(&self, request: &Fetch, into: &Stream<Bytes>) -> Result<Fetched> {
        let url = address::read(&request.url).map_err(Error::invalid)?;
        let given = ask::given(request)?;
        let (url, head, body) = self
            .find(Ask {
                request,
                url,
                given,
                offset: request.offset,
            })
            .await?;
        write_head(into, &head).await?;
        let Some(body) = body else {
            return Ok(Fetched { bytes: 0 });
        };
        let bytes = self.deliver(&url, &head, body, into).await?;
        Ok(Fetched { bytes })
    }

    /// Asks until a server gives bytes, or says that there are no more.
    async fn find(&self, mut ask: Ask<'_>) -> Result<(Url, Head, Option<Response>)> {
        let mut hops = 0;
        loop {
            let response = self.send(&ask).await?;
            let known = &ask.request.validator;
            let answer = answer::read(response.status(), response.headers(), ask.offset, known);
            match answer.map_err(|e| at(&ask.url, e))? {
                Answer::Bytes(head) => return Ok((ask.url, head, Some(response))),
                Answer::Complete(head) => return Ok((ask.url, head, None)),
                // Without an offset no answer can be `Anew` again.
                Answer::Anew => ask.offset = 0,
                Answer::Elsewhere(_) if hops == hop::MOST => {
                    return Err(at(&ask.url, Error::io(Refused::TooMany).permanent()));
                }
                Answer::Elsewhere(location) => {
                    hops += 1;
                    ask.follow(location.as_deref())?;
                }
            }
        }
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let sent = self.client.get(ask.url.clone()).headers(ask.headers()).send();
        match timeout(self.head, sent).await {
            Ok(response) => response.map_err(|e| at(&ask.url, transport(e))),
            Err(_) => Err(at(
                &ask.url,
                Error::new(Code::Timeout, format!("no answer for {:?}", self.head)),
            )),
        }
    }

    async fn deliver(&self, url: &Url, head: &Head, mut body: Response, into: &Stream<Bytes>) -> Result<u64> {
        let (mut position, size) = (head.offset, head.size);
        while let Some(chunk) = self.chunk(url, position, &mut body).await? {
            position += chunk.len() as u64;
            if chunk.len() <= PIECE {
                into.write_raw(chunk).await?;
                continue;
            }
            for piece in chunk.chunks(PIECE) {
                into.write_raw(piece.to_vec()).await?;
            }
        }
        match size.filter(|size| *size != position) {
            Some(size) => Err(at(
                url,
                Error::io(format!("the body ended at byte {position}, but {size} were announced")),
            )),
            None => Ok(position - head.offset),
        }
    }

    async fn chunk(&self, url: &Url, position: u64, body: &mut Response) -> Result<Option<Vec<u8>>> {
        let error = match timeout(self.stall, body.chunk()).await {
            Ok(Ok(chunk)) => return Ok(chunk.map(Into::into)),
            Ok(Err(e)) => transport(e),
            Err(_) => Error::new(Code::Timeout, format!("the server sent nothing for {:?}", self.stall)),
        };
        Err(at(
            url,
            Error {
                message: format!("{}, at byte {position}", error.message),
                ..error
            },
        ))
    }
}

/// The error of a connection; another try may help.
fn transport(e: reqwest::Error) -> Error {
    if e.is_builder() {
        return Error::invalid(told(e));
    }
    Error::new(
        if e.is_timeout() {
            Code::Timeout
        } else {
            Code::Unavailable
        },
        told(e),
    )
}

/// The error with its causes, and without the address, which may hold secrets.
fn told(e: reqwest::Error) -> String {
    let e = e.without_url();
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

/// The error with the address that it came from.
fn at(url: &Url, error: Error) -> Error {
    Error {
        message: format!("GET {}: {}", Shown(url), error.message),
        ..error
    }
}
