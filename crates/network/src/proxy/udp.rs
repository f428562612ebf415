//! Carrying datagrams from a frontend to an endpoint, and the answers back.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::balance::Balancer;

/// A client that says nothing for this long is forgotten.
const IDLE: Duration = Duration::from_secs(60);

/// Clients served at once by one frontend; further ones wait until some are forgotten.
const MOST_CLIENTS: usize = 4096;

/// The largest datagram there is.
const LARGEST: usize = 65_535;

/// Listens on `address`.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// Carries datagrams until `stop`. Each client has a socket of its own towards one endpoint, by which the answers find back.
pub(super) async fn serve(socket: UdpSocket, balancer: Arc<Balancer>, stop: CancellationToken) {
    let socket = Arc::new(socket);
    let mut clients: HashMap<SocketAddr, Client> = HashMap::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let Ok((length, from)) = received else { continue };
        clients.retain(|_, client| !client.answers.is_finished());
        if !clients.contains_key(&from) && clients.len() < MOST_CLIENTS {
            let opened = Client::open(from, &balancer, &socket).await;
            clients.extend(opened.map(|client| (from, client)));
        }
        if let Some(client) = clients.get(&from) {
            let _ = client.socket.send(&buffer[..length]).await;
        }
    }
}

struct Client {
    socket: Arc<UdpSocket>,
    answers: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl Client {
    async fn open(from: SocketAddr, balancer: &Balancer, frontend: &Arc<UdpSocket>) -> Option<Self> {
        let endpoint = *balancer.candidates(from.ip()).first()?;
        let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)).await.ok()?;
        socket.connect(endpoint).await.ok()?;
        balancer.served(from.ip(), endpoint);
        let socket = Arc::new(socket);
        let answers = tokio::spawn(answer(socket.clone(), frontend.clone(), from));
        Some(Self { socket, answers })
    }
}

async fn answer(endpoint: Arc<UdpSocket>, frontend: Arc<UdpSocket>, client: SocketAddr) {
    let mut buffer = vec![0; LARGEST];
    while let Ok(Ok(length)) = tokio::time::timeout(IDLE, endpoint.recv(&mut buffer)).await {
        let _ = frontend.send_to(&buffer[..length], client).await;
    }
}
