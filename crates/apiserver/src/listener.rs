//! TLS connections: accepted, bounded, told apart by ALPN, ended gracefully.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::Caller;
use crate::server::ApiServer;
use crate::service::Service;

/// A peer that has not finished its handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A peer that has not sent a whole request head by then is dropped, so that slow writers cannot hold connections.
const HEADERS: Duration = Duration::from_secs(15);
/// HTTP/2 peers are asked for a sign of life this often and dropped if none comes in the same time.
const ALIVE: Duration = Duration::from_secs(30);
/// Bytes of a request head; a bearer token and a long selector fit many times.
const HEAD_BYTES: u32 = 64 * 1024;
/// Requests at once on one HTTP/2 connection, upstream's `--http2-max-streams-per-connection`.
const STREAMS: u32 = 250;
/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 10_000;
/// What running requests get after a shutdown began.
const FAREWELL: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection (no more files), so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(100);

pub(crate) async fn serve(
    server: Arc<ApiServer>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let mut tls = (*tls).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    while let Some((stream, place)) = accept(&listener, &places, &shutdown).await? {
        let connection =
            Connection { server: Arc::clone(&server), acceptor: acceptor.clone(), closing: shutdown.child_token() };
        connections.spawn(cut.clone().run_until_cancelled_owned(connection.run(stream, place)));
    }
    connections.close();
    if tokio::time::timeout(FAREWELL, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "connections still busy at shutdown are cut");
        cut.cancel();
    }
    Ok(())
}

/// Waits for a place and a connection. `None`: shutdown.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> std::io::Result<Option<(TcpStream, OwnedSemaphorePermit)>> {
    let next = async {
        let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Ok((stream, place)),
                Err(error) if lost(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(None),
        accepted = next => accepted.map(Some),
    }
}

/// True if no later attempt can succeed.
fn lost(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::NotConnected)
}

struct Connection {
    server: Arc<ApiServer>,
    acceptor: TlsAcceptor,
    closing: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was lost before it began");
            return;
        }
        match tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "tls handshake failed"),
            Err(_) => tracing::debug!("tls handshake took too long"),
        }
    }

    async fn speak(self, stream: TlsStream<TcpStream>) {
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificates = certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let address = stream.get_ref().0.peer_addr().ok().map(|address| address.ip().to_canonical());
        let caller = Caller::peer(certificates, self.closing.clone()).at(address);
        let service = Service::new(self.server, Arc::new(caller));
        let builder = builder();
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection ended early");
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEAD_BYTES as usize)
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE);
    builder
}
