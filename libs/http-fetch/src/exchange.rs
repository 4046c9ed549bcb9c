//! Talks to servers: one request after the other until one gives bytes, then the bytes.

use crate::address::{self, Shown};
use crate::answer::{self, Answer};
use crate::ask::{self, Want};
use crate::clients::Clients;
use crate::config::Config;
use crate::credentials;
use crate::hop::{self, Refused};
use crate::pace::{Floor, Pace};
use crate::transport;
use aerolith_plugin::wire::fetcher::{Fetch, Fetched, Head, Validator, write_head};
use aerolith_plugin::{Bytes, Code, Error, Result, Stream, tracing};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Response, Url};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Most bytes of one piece.
const PIECE: usize = 256 * 1024;
/// Most bytes of a refusal that are read.
const REFUSAL: usize = 4 * 1024;

/// Time for it. Nobody waits long for what only explains: a server that trickles it out must not make a refusal look like
/// silence to whoever asked.
const REFUSAL_TIME: Duration = Duration::from_secs(3);

/// Finds in the beginning of what a server sends with a refusal why it refuses, if it says so.
pub type Explain = fn(&[u8]) -> Option<String>;

/// Clients with their patience.
pub struct Exchange {
    config: Config,
    agent: String,
    /// There from the first fetch on.
    clients: OnceLock<Clients>,
    /// Until the head of an answer is there.
    head: Duration,
    /// Between two pieces of the body.
    stall: Duration,
    /// Over many pieces of it.
    floor: Floor,
    explain: Option<Explain>,
}

/// The request to send next.
struct Ask<'a> {
    want: Want<'a>,
    url: Url,
    client: Client,
    /// What the caller gave, as long as the server is the one that it was given for.
    given: HeaderMap,
    hops: usize,
}

/// What an answer brings.
struct Found {
    url: Url,
    head: Head,
    /// Nothing when no bytes follow.
    body: Option<Response>,
}

impl Exchange {
    /// What fetches as an operator has set it, and calls itself `agent`.
    ///
    /// # Errors
    /// Files of the configuration that cannot be read or are not what they should be.
    pub fn new(config: Config, agent: &str) -> Result<Self> {
        Clients::check(&config)?;
        let (connect, stall) = (config.connect_timeout_seconds.0, config.stall_timeout_seconds.0);
        Ok(Self {
            agent: agent.to_owned(),
            clients: OnceLock::new(),
            head: connect.saturating_add(stall),
            stall,
            floor: config.floor(),
            explain: None,
            config,
        })
    }

    /// Has refusals explained: what `explain` makes of one stands in the error.
    #[must_use]
    pub fn explaining(self, explain: Explain) -> Self {
        Self {
            explain: Some(explain),
            ..self
        }
    }

    /// Delivers what an address gives.
    ///
    /// # Errors
    /// Whatever kept the bytes from coming, with the address as it may be shown, and whether and when another try may help.
    pub async fn fetch(&self, request: &Fetch, into: &Stream<Bytes>) -> Result<Fetched> {
        let clients = self.clients()?;
        let found = self.find(clients, first(clients, request)?).await?;
        write_head(into, &found.head).await?;
        let Some(body) = found.body else {
            return Ok(Fetched { bytes: 0 });
        };
        let bytes = self.deliver(&found.url, &found.head, body, into).await?;
        Ok(Fetched { bytes })
    }

    /// Two first fetches at once may each make some; one of them is kept.
    fn clients(&self) -> Result<&Clients> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let made = Clients::new(&self.config, &self.agent)?;
        Ok(self.clients.get_or_init(|| made))
    }

    /// Asks until a server gives bytes, or says that there are no more.
    async fn find(&self, clients: &Clients, mut ask: Ask<'_>) -> Result<Found> {
        const ANY: &Validator = &Validator {
            etag: None,
            last_modified: None,
        };
        loop {
            let response = self.send(&ask).await?;
            let answer = answer::read(response.status(), response.headers(), ask.want);
            let (head, body) = match answer {
                Err(error) => return Err(at(&ask.url, self.explained(error, response).await)),
                Ok(Answer::Bytes(head)) => (head, Some(response)),
                Ok(Answer::Complete(head)) => (head, None),
                Ok(Answer::Anew(why)) => {
                    tracing::warn!(url = %Shown(&ask.url), %why, "a download begins anew");
                    // No answer to this can be `Anew` again.
                    ask.want = Want::Whole(ANY);
                    continue;
                }
                Ok(Answer::Elsewhere(location)) => {
                    self.follow(clients, &mut ask, location.as_deref())?;
                    continue;
                }
            };
            let url = ask.url;
            return Ok(Found { url, head, body });
        }
    }

    /// The refusal with what its body says, as far as that comes in time.
    async fn explained(&self, refusal: Error, mut response: Response) -> Error {
        let Some(explain) = self.explain else {
            return refusal;
        };
        let mut body = Vec::new();
        let read = async {
            while body.len() < REFUSAL
                && let Ok(Some(chunk)) = response.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        // Where the rest does not come, the beginning may do.
        let _ = timeout(self.stall.min(REFUSAL_TIME), read).await;
        match explain(&body) {
            Some(why) => Error {
                message: format!("{}: {why}", refusal.message),
                ..refusal
            },
            None => refusal,
        }
    }

    /// What was given for a server, and what is shown to it, stays with it.
    fn follow(&self, clients: &Clients, ask: &mut Ask<'_>, location: Option<&str>) -> Result<()> {
        let refused = |why: Refused| at(&ask.url, Error::io(why).permanent());
        if ask.hops == hop::MOST {
            return Err(refused(Refused::TooMany));
        }
        let hop = hop::next(&ask.url, location, self.config.allow_link_local).map_err(refused)?;
        ask.hops += 1;
        ask.url = hop.url;
        if !hop.same_server {
            ask.given.clear();
            ask.client = clients.bare.clone();
        }
        Ok(())
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Response> {
        let request = ask.client.get(ask.url.clone());
        let sent = request.headers(ask.given.clone()).headers(ask.want.headers()).send();
        let answer = timeout(self.head, sent).await;
        let silent = |_| Error::new(Code::Timeout, format!("no answer for {:?}", self.head));
        answer
            .map_err(silent)
            .and_then(|response| response.map_err(transport::failed))
            .map_err(|e| at(&ask.url, e))
    }

    async fn deliver(&self, url: &Url, head: &Head, mut body: Response, into: &Stream<Bytes>) -> Result<u64> {
        let mut position = head.offset;
        let mut pace = Pace::new(self.floor);
        let broken = |e: Error, position| at(url, behind(e, position));
        while let Some(chunk) = self
            .chunk(&mut body, &mut pace)
            .await
            .map_err(|e| broken(e, position))?
        {
            position += chunk.len() as u64;
            if let Some(size) = head.size.filter(|size| position > *size) {
                let more = Error::io(format!("the body goes on behind the {size} bytes that were announced"));
                return Err(at(url, more));
            }
            write(chunk, into).await?;
        }
        match head.size.filter(|size| *size != position) {
            Some(size) => Err(at(
                url,
                Error::io(format!("the body ended at byte {position}, but {size} were announced")),
            )),
            None => Ok(position - head.offset),
        }
    }

    async fn chunk(&self, body: &mut Response, pace: &mut Pace) -> Result<Option<Vec<u8>>> {
        let begun = Instant::now();
        let silent = |_| Error::new(Code::Timeout, format!("the server sent nothing for {:?}", self.stall));
        let chunk = timeout(self.stall, body.chunk()).await.map_err(silent)?;
        let Some(chunk) = chunk.map_err(transport::failed)? else {
            return Ok(None);
        };
        pace.note(begun.elapsed(), chunk.len() as u64)
            .map_err(|slow| Error::new(Code::Timeout, slow))?;
        Ok(Some(chunk.into()))
    }
}

fn first<'a>(clients: &Clients, request: &'a Fetch) -> Result<Ask<'a>> {
    let url = address::read(&request.url).map_err(Error::invalid)?;
    let mut given = ask::given(request)?;
    let proof = credentials::read(&request.credentials)?;
    given.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
    Ok(Ask {
        want: Want::of(request),
        url,
        client: clients.of(proof.identity)?,
        given,
        hops: 0,
    })
}

/// Hands on a piece, or several where it is large.
async fn write(chunk: Vec<u8>, into: &Stream<Bytes>) -> Result<()> {
    if chunk.len() <= PIECE {
        return into.write_raw(chunk).await;
    }
    for piece in chunk.chunks(PIECE) {
        into.write_raw(piece.to_vec()).await?;
    }
    Ok(())
}

/// The error with how far it came.
fn behind(error: Error, position: u64) -> Error {
    let message = format!("{}, at byte {position}", error.message);
    Error { message, ..error }
}

/// The error with the address that it came from.
fn at(url: &Url, error: Error) -> Error {
    let message = format!("GET {}: {}", Shown(url), error.message);
    Error { message, ..error }
}
