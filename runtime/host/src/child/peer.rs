//! One end of the conversation: it calls the other side, and answers the other side's calls.

use super::frame::{Frame, Kind};
use super::link::{Reader, Writer};
use crate::tasks::Tasks;
use aerolith_plugin_wire::{Bytes, Code, Error, Reply, Result, Sent, Service, SinkBox, Stream, payload, stream};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, mpsc};

/// Frames that may wait to be written.
const QUEUE: usize = 256;
/// Items of one stream that may be under way.
const WINDOW: usize = 16;

/// Calls the other side.
pub(super) struct Peer {
    out: mpsc::Sender<Frame>,
    runtime: tokio::runtime::Handle,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    /// Why the conversation is over.
    over: Option<String>,
    calls: HashMap<u64, mpsc::Sender<Arrival>>,
    /// Room for items that this side writes, by the other side's call.
    room: HashMap<u64, Arc<Semaphore>>,
    /// The other side's calls under way.
    answering: HashMap<u64, u64>,
}

/// What comes in for a call of ours, in order.
enum Arrival {
    Item(Vec<u8>),
    End(Result<Bytes>),
}

/// An error as JSON.
#[derive(Serialize, Deserialize)]
struct ErrorBody {
    code: u32,
    message: String,
    detail: String,
    retryable: bool,
}

fn to_body(error: Error) -> Vec<u8> {
    let Error {
        code,
        message,
        detail,
        retryable,
    } = error;
    payload::encode(&ErrorBody {
        code: code as u32,
        message,
        detail,
        retryable,
    })
    .map(Bytes::into_vec)
    .unwrap_or_default()
}

fn from_body(body: &[u8]) -> Error {
    payload::decode::<ErrorBody>(body).map_or_else(
        |e| e,
        |b| Error {
            code: Code::from_number(b.code),
            message: b.message,
            detail: b.detail,
            retryable: b.retryable,
        },
    )
}

/// What a side does with the frames that are not of calls.
pub(super) type Other = Box<dyn FnMut(Frame) + Send>;

impl Peer {
    /// Begins a conversation: frames are written by a task of its own.
    pub(super) fn begin(writer: Writer, runtime: &tokio::runtime::Handle) -> Arc<Self> {
        let (out, mut queue) = mpsc::channel::<Frame>(QUEUE);
        runtime.spawn(async move {
            while let Some(frame) = queue.recv().await {
                if writer.write(&frame).await.is_err() {
                    break; // the reading end learns why
                }
            }
        });
        Arc::new(Self {
            out,
            runtime: runtime.clone(),
            waiting: Mutex::default(),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a frame into the queue; answers when there was room.
    pub(super) async fn put(&self, frame: Frame) -> Result<()> {
        self.out.send(frame).await.map_err(|_| self.over())
    }

    /// Puts a frame into the queue if there is room now.
    pub(super) fn try_put(&self, frame: Frame) -> Result<Sent> {
        match self.out.try_send(frame) {
            Ok(()) => Ok(Sent::Accepted),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(Sent::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.over()),
        }
    }

    /// Puts a frame into the queue, now or as soon as there is room.
    fn put_soon(&self, frame: Frame) {
        if let Err(mpsc::error::TrySendError::Full(frame)) = self.out.try_send(frame) {
            let out = self.out.clone();
            self.runtime.spawn(async move { out.send(frame).await });
        }
    }

    fn over(&self) -> Error {
        let why = self
            .waiting()
            .over
            .clone()
            .unwrap_or_else(|| "the connection was closed".into());
        Error::new(Code::Unavailable, format!("the other process is gone: {why}"))
    }

    /// Reads until the other side is gone, answering its calls with `service`.
    pub(super) async fn converse(
        self: &Arc<Self>,
        reader: &mut Reader,
        service: Arc<dyn Service>,
        tasks: Arc<Tasks>,
        mut other: Other,
    ) -> io::Result<()> {
        let ended = loop {
            match reader.next().await {
                Ok(Some(frame)) => self.arrived(frame, &service, &tasks, &mut other).await,
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.end(&ended.as_ref().map_or_else(ToString::to_string, |()| "it ended".into()))
            .await;
        ended
    }

    /// Ends every call that waits.
    async fn end(&self, why: &str) {
        let calls: Vec<_> = {
            let mut waiting = self.waiting();
            waiting.over = Some(why.to_owned());
            waiting.room.values().for_each(|room| room.close());
            waiting.calls.drain().map(|(_, call)| call).collect()
        };
        for call in calls {
            // Nobody waits: then nobody need be told.
            let _ = call.send(Arrival::End(Err(self.over()))).await;
        }
    }

    async fn arrived(
        self: &Arc<Self>,
        frame: Frame,
        service: &Arc<dyn Service>,
        tasks: &Arc<Tasks>,
        other: &mut Other,
    ) {
        match frame.kind {
            Kind::Call | Kind::Stream => self.answer(frame, service.clone(), tasks),
            Kind::Send => drop(service.send(&frame.name, &frame.body)),
            Kind::Answer => self.deliver(frame.id, Arrival::End(Ok(Bytes::from(frame.body)))).await,
            Kind::Failed => self.deliver(frame.id, Arrival::End(Err(from_body(&frame.body)))).await,
            Kind::Item => self.deliver(frame.id, Arrival::Item(frame.body)).await,
            Kind::Close => self.deliver(frame.id, Arrival::End(Err(from_body(&frame.body)))).await,
            Kind::Room => {
                if let Some(room) = self.waiting().room.get(&frame.id) {
                    room.add_permits(1);
                }
            }
            Kind::Cancel => {
                let number = self.waiting().answering.remove(&frame.id);
                if let Some(number) = number {
                    tasks.abort(number);
                }
                self.waiting().room.remove(&frame.id);
            }
            Kind::Log | Kind::Keep | Kind::Taken => other(frame),
        }
    }

    async fn deliver(&self, id: u64, arrival: Arrival) {
        let call = match &arrival {
            Arrival::End(_) => self.waiting().calls.remove(&id),
            Arrival::Item(_) => self.waiting().calls.get(&id).cloned(),
        };
        if let Some(call) = call {
            // The window is as large as the queue: this waits for nobody who keeps to it.
            let _ = call.send(arrival).await;
        }
    }

    /// Answers a call of the other side.
    fn answer(self: &Arc<Self>, frame: Frame, service: Arc<dyn Service>, tasks: &Arc<Tasks>) {
        let (peer, id, streams) = (self.clone(), frame.id, frame.kind == Kind::Stream);
        let mut waiting = self.waiting();
        let number = tasks.spawn(async move {
            let sink = streams.then(|| peer.sink(id));
            let result = service.call(&frame.name, Bytes::from(frame.body), sink).await;
            {
                let mut waiting = peer.waiting();
                waiting.answering.remove(&id);
                waiting.room.remove(&id);
            }
            let frame = match result {
                Ok(bytes) => Frame::new(Kind::Answer, id, "", bytes.into_vec()),
                Err(error) => Frame::new(Kind::Failed, id, "", to_body(error)),
            };
            // When the other side is gone, nobody waits for the answer.
            let _ = peer.put(frame).await;
        });
        if let Some(number) = number {
            waiting.answering.insert(id, number);
        }
    }

    /// A sink whose items the other side receives, as far as it has room.
    fn sink(self: &Arc<Self>, id: u64) -> SinkBox {
        let room = Arc::new(Semaphore::new(WINDOW));
        self.waiting().room.insert(id, room.clone());
        let (peer, closing) = (self.clone(), self.clone());
        let write = move |item: Bytes| {
            let (peer, room) = (peer.clone(), room.clone());
            async move {
                room.acquire()
                    .await
                    .map_err(|_| Error::stopped("nobody reads this stream any more"))?
                    .forget();
                peer.put(Frame::new(Kind::Item, id, "", item.into_vec())).await
            }
        };
        stream::forward(write, move |reason| {
            if let Some(reason) = reason {
                closing.put_soon(Frame::new(Kind::Close, id, "", to_body(reason)));
            }
        })
    }

    fn enter(&self) -> Result<(u64, mpsc::Receiver<Arrival>)> {
        let mut waiting = self.waiting();
        if waiting.over.is_some() {
            drop(waiting);
            return Err(self.over());
        }
        waiting.next += 1;
        let id = waiting.next;
        let (call, arrivals) = mpsc::channel(WINDOW + 1);
        waiting.calls.insert(id, call);
        Ok((id, arrivals))
    }
}

/// The other side, as a service.
pub(super) struct Remote(pub(super) Arc<Peer>);

impl Service for Remote {
    fn call(&self, method: &str, request: Bytes, sink: Option<SinkBox>) -> Reply {
        let (peer, method) = (self.0.clone(), method.to_owned());
        Box::pin(async move {
            let (id, mut arrivals) = peer.enter()?;
            let mut cancel = Cancel {
                peer: peer.clone(),
                id,
                armed: true,
            };
            let kind = if sink.is_some() { Kind::Stream } else { Kind::Call };
            peer.put(Frame::new(kind, id, &method, request.into_vec())).await?;
            let into = sink.map(Stream::<Bytes>::new);
            while let Some(arrival) = arrivals.recv().await {
                match (arrival, &into) {
                    (Arrival::End(result), _) => {
                        cancel.armed = false;
                        return result;
                    }
                    (Arrival::Item(item), Some(into)) => {
                        into.write_raw(item).await?;
                        peer.put(Frame::new(Kind::Room, id, "", [])).await?;
                    }
                    (Arrival::Item(_), None) => {}
                }
            }
            Err(peer.over())
        })
    }

    fn send(&self, method: &str, item: &[u8]) -> Result<Sent> {
        self.0.try_put(Frame::new(Kind::Send, 0, method, item))
    }
}

/// Tells the other side that nobody waits any more.
struct Cancel {
    peer: Arc<Peer>,
    id: u64,
    armed: bool,
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.peer.waiting().calls.remove(&self.id);
        if self.armed {
            self.peer.put_soon(Frame::new(Kind::Cancel, self.id, "", []));
        }
    }
}
