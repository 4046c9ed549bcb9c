//! Connections: accepted within bounds, and brought to their end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::listener::Listener;

/// Connections at once; the next ones wait in the socket's queue.
pub(crate) const MOST_CONNECTIONS: usize = 128;
/// A request's line and headers may have so many bytes …
const HEAD_BYTES: usize = 16 << 10;
/// … and so many headers …
const HEADERS: usize = 32;
/// … and may take so long.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// What requests under way may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Wait after the system refused a connection, for want of descriptors mostly.
const BREATHER: Duration = Duration::from_millis(100);

/// Serves until `stop` comes, then lets requests under way finish for up to 2 s and cuts off what streams on.
pub async fn serve(listener: Listener, router: Router, stop: impl Future<Output = ()>) {
    let (ending, ended) = watch::channel(false);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.inner.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let conversation = converse(stream, router.clone(), ended.clone());
                    connections.spawn(async move {
                        conversation.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the API refuses a connection");
                    tokio::time::sleep(BREATHER).await;
                }
            },
        }
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Comes when the server ends.
async fn ending(ended: &mut watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

async fn converse(stream: UnixStream, router: Router, mut ended: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = ending(&mut ended) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client of the API went away");
    }
}
