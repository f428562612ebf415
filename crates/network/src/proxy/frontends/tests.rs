//! Real sockets on loopback: what a client of a Service sees while endpoints come and go.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// An endpoint that says its name to whoever connects and then echoes.
async fn endpoint(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(name.as_bytes()).await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// An address that nobody listens on: bound once, so that the kernel hands it to no other test right now.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn route(endpoints: &[SocketAddr]) -> Route {
    Route { endpoints: endpoints.to_vec(), affinity: None }
}

fn web() -> NamespacedName {
    NamespacedName { namespace: "default".into(), name: "web".into() }
}

fn tcp(address: SocketAddr) -> Frontend {
    Frontend { address, protocol: Protocol::Tcp }
}

async fn name_behind(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut name = [0; 1];
    stream.read_exact(&mut name).await.unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

#[tokio::test]
async fn connections_are_shared_out_and_a_dead_endpoint_fails_nobody() {
    let (frontend, dead) = (tcp(free_address().await), free_address().await);
    let (a, b) = (endpoint("a").await, endpoint("b").await);
    let mut frontends = Frontends::default();
    assert!(frontends.apply(&web(), BTreeMap::from([(frontend, route(&[a, dead, b]))])).is_empty());
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(name_behind(frontend.address).await);
    }
    names.sort();
    assert_eq!((names[0].as_str(), names[5].as_str()), ("a", "b"), "{names:?}");
}

#[tokio::test]
async fn a_connection_outlives_its_endpoint_leaving_the_service_and_the_service_itself() {
    let frontend = tcp(free_address().await);
    let (a, b) = (endpoint("a").await, endpoint("b").await);
    let mut frontends = Frontends::default();
    frontends.apply(&web(), BTreeMap::from([(frontend, route(&[a]))]));
    let mut stream = TcpStream::connect(frontend.address).await.unwrap();
    let mut name = [0; 1];
    stream.read_exact(&mut name).await.unwrap();

    frontends.apply(&web(), BTreeMap::from([(frontend, route(&[b]))]));
    assert_eq!(name_behind(frontend.address).await, "b");
    frontends.apply(&web(), BTreeMap::new());

    stream.write_all(b"still there?").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"still there?");
}

#[tokio::test]
async fn without_endpoints_connections_are_refused() {
    let frontend = tcp(free_address().await);
    let mut frontends = Frontends::default();
    frontends.apply(&web(), BTreeMap::from([(frontend, route(&[endpoint("a").await]))]));
    assert_eq!(name_behind(frontend.address).await, "a");
    frontends.apply(&web(), BTreeMap::new());
    // The accept loop notices on its next turn; until then the kernel may still take a connection, which then closes without a word.
    while TcpStream::connect(frontend.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_and_tried_again() {
    let occupied = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let frontend = tcp(occupied.local_addr().unwrap());
    let wanted = BTreeMap::from([(frontend, route(&[endpoint("a").await]))]);
    let mut frontends = Frontends::default();
    let refused = frontends.apply(&web(), wanted.clone());
    assert!(
        refused[0].message().contains("is in use on 127.0.0.1; stop what listens there"),
        "{}",
        refused[0].message()
    );
    drop(occupied);
    assert!(frontends.apply(&web(), wanted).is_empty());
    assert_eq!(name_behind(frontend.address).await, "a");
}

#[tokio::test]
async fn datagrams_find_their_endpoint_and_answers_find_back() {
    let endpoint = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = endpoint.local_addr().unwrap();
    let frontend = Frontend { address: free_address().await, protocol: Protocol::Udp };
    let mut frontends = Frontends::default();
    assert!(frontends.apply(&web(), BTreeMap::from([(frontend, route(&[address]))])).is_empty());

    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(b"ping", frontend.address).await.unwrap();
    let mut buffer = [0; 16];
    let (length, from) = endpoint.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"ping");
    endpoint.send_to(b"pong", from).await.unwrap();
    let (length, from) = client.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&b"pong"[..], frontend.address));
}
