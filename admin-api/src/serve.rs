//! Accepts connections and answers their requests with a router.
//!
//! HTTP/1 only. Bounded: so many connections at once, so much time for a handshake and for the head
//! of a request. Stops when it is told to, and takes what it started with it.

use crate::lenient::Lenient;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// Time for the layer below HTTP. Go: the read header timeout of `startMonitoring`.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Time for the head of a request, which includes the wait for the next one on a connection that is
/// kept open. Longer than a minute, so that who asks once a minute need not connect again.
const REQUEST_HEAD_MAX: Duration = Duration::from_secs(75);
/// Pause after a failed accept: most often there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What happens on a connection before HTTP, such as TLS.
pub trait Accept: Clone + Send + Sync + 'static {
    /// What HTTP is spoken over.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes the layer. Given up when it takes too long.
    fn accept(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// HTTP over TCP, nothing between.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Accept for Plain {
    type Stream = TcpStream;

    fn accept(&self, stream: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send {
        std::future::ready(Ok(stream))
    }
}

/// Serves `router` on `listener` until `shutdown` is over. Open connections end with it.
pub async fn serve<A: Accept>(
    listener: TcpListener,
    accept: A,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, accept.clone(), router.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept an HTTP connection, will try again");
                    tokio::select! {
                        () = &mut shutdown => return,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
        }
    }
}

async fn serve_connection<A: Accept>(stream: TcpStream, accept: A, router: Router) {
    // Answers are written at once; a socket that refuses is about to fail.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE_MAX, accept.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return debug!(%error, "HTTP connection: handshake failed"),
        Err(_) => return debug!("HTTP connection: handshake took too long"),
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_MAX)
        .serve_connection(TokioIo::new(Lenient::new(stream)), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        debug!(%error, "HTTP connection ended");
    }
}

#[cfg(test)]
mod tests;
