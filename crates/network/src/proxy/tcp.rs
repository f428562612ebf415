//! Carrying TCP connections from a frontend to an endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::balance::Balancer;

/// How long one endpoint may take to answer before the next is tried. On one machine a healthy endpoint answers in microseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Waiting connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;

/// Listens on `address`. `SO_REUSEADDR` lets a Service come back while old connections to it still wind down.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until `stop`. Connections accepted before go on until one of their ends closes: that is how a removed Service drains.
pub(super) async fn serve(listener: TcpListener, balancer: Arc<Balancer>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, from)) => drop(tokio::spawn(carry(client, from, balancer.clone()))),
            // Out of file descriptors or a connection that died before we took it: neither ends the service.
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn carry(mut client: TcpStream, from: SocketAddr, balancer: Arc<Balancer>) {
    let Some((mut endpoint, address)) = connect(from, &balancer).await else { return };
    balancer.served(from.ip(), address);
    // Small answers should leave at once; whoever speaks at the ends does its own gathering.
    let _ = client.set_nodelay(true);
    let _ = endpoint.set_nodelay(true);
    let _ = tokio::io::copy_bidirectional(&mut client, &mut endpoint).await;
}

async fn connect(from: SocketAddr, balancer: &Balancer) -> Option<(TcpStream, SocketAddr)> {
    for address in balancer.candidates(from.ip()) {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Some((stream, address)),
            Ok(Err(error)) => tracing::debug!(%address, %error, "endpoint refused a connection"),
            Err(_) => tracing::debug!(%address, "endpoint did not answer in time"),
        }
    }
    None
}
