//! The listening side of a service: connections in, drained on stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use sampan_runtime::Exit;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{Container, Service, address};
use crate::sandbox::outcome;

/// Connections the kernel may hold until they are accepted.
const BACKLOG: u32 = 1024;

/// A client that has not sent its request's head by then is not going to.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes the container's address, so that a port in use is known before it counts as running.
pub(crate) fn bind(container: &Container) -> Result<TcpListener, String> {
    let address = address(container, &container.create.config.ports);
    listen(address).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AddrInUse {
            "; another container of the pod, or of the node's network, listens there"
        } else {
            ""
        };
        format!("failed to listen on {address}: {error}{hint}")
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted container must not wait for its predecessor's connections to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the container is told to stop, is killed or breaks its memory limit.
pub(crate) async fn supervise(container: Arc<Container>, listener: TcpListener) -> Exit {
    let (broken, mut breaks) = tokio::sync::mpsc::channel(1);
    let service = Service::new(container.clone(), broken);
    let connections = GracefulShutdown::new();
    let ended = tokio::select! {
        biased;
        () = container.killed.cancelled() => Some(outcome::killed("killed")),
        Some(exit) = breaks.recv() => Some(exit),
        () = container.stopping.cancelled() => None,
        never = accept(&listener, &service, &connections) => match never {},
    };
    drop(listener);
    if let Some(exit) = ended {
        container.killed.cancel();
        return exit;
    }
    tokio::select! {
        () = connections.shutdown() => outcome::stopped(),
        () = container.killed.cancelled() => outcome::killed("killed after its grace period with requests unfinished"),
    }
}

enum Never {}

async fn accept(listener: &TcpListener, service: &Arc<Service>, connections: &GracefulShutdown) -> Never {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, service.clone(), connections),
            Err(error) => {
                // Most likely too many open files; accepting at once again would spin.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// HTTP/1.1, or HTTP/2 for clients that begin with its preface.
fn serve(stream: TcpStream, service: Arc<Service>, connections: &GracefulShutdown) {
    // A response is written at once and whole where it can be.
    let _ = stream.set_nodelay(true);
    let container = service.container.clone();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Who has said all it has to say may still listen: `printf … | nc` does.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).half_close(true);
    builder.http2().timer(TokioTimer::new());
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, std::convert::Infallible>(service.handle(request).await) }
    });
    let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), answer).into_owned());
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = container.killed.cancelled() => {}
            result = connection => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
            }
        }
    });
}
