//! Answers connections until it is told to end; a connection that was accepted is always answered.

use aerolith_plugin::tracing::warn;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A task that accepts. Dropping this ends it as well.
pub(crate) struct Accepting {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Accepting {
    /// Begins to answer with a line.
    pub(crate) fn begin(socket: Arc<TcpListener>, line: String) -> Self {
        let (end, ended) = oneshot::channel();
        Self {
            end,
            task: tokio::spawn(run(socket, line, ended)),
        }
    }

    /// Accepts no more, and comes back once what was accepted has its answer.
    pub(crate) async fn end(self) {
        drop(self.end);
        if let Err(e) = self.task.await {
            warn!(error = %e, "the accepting task broke off");
        }
    }
}

async fn run(socket: Arc<TcpListener>, line: String, mut ended: oneshot::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut ended => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => answer(stream, &line).await,
            Err(e) => {
                warn!(error = %e, "accept");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A line has room in the send buffer of a new connection, so a peer that does not read holds nobody up.
async fn answer(mut stream: TcpStream, line: &str) {
    let written = async {
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Err(e) = written.await {
        warn!(error = %e, "a peer went away without its answer");
    }
}
