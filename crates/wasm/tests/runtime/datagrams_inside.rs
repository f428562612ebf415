//! Datagrams inside a pod: they come and go by its own address alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::UdpSocket;

use crate::datagram_guest;
use crate::setting::{LIMIT, Setting, next_address};

const PORT: u16 = 7008;

fn at(ip: IpAddr, port: u16) -> SocketAddrV4 {
    let IpAddr::V4(ip) = ip else { panic!("{ip} is of IPv6") };
    SocketAddrV4::new(ip, port)
}

/// Asks until the guest has bound its socket: until then the kernel answers that nobody is there.
async fn echo(setting: &Setting, container: &str, address: SocketAddrV4) {
    let socket = UdpSocket::bind((next_address(), 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    let mut answer = [0; 16];
    let ask = async {
        loop {
            let length = match socket.send(b"hello").await {
                Ok(_) => socket.recv(&mut answer).await,
                Err(error) => Err(error),
            };
            match length {
                Ok(length) => break length,
                Err(error) => assert!(setting.is_running(container).await, "{error}"),
            }
        }
    };
    let length = tokio::time::timeout(LIMIT, ask).await.expect("the guest answers");
    assert_eq!(&answer[..length], b"hello");
}

async fn succeeds(setting: &Setting, container: &str) {
    let exit = setting.exit(container).await;
    assert_eq!(exit.code, 0, "{container}: {}", exit.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_on_all_addresses_are_those_of_the_pods_alone() {
    let setting = Setting::new().await;
    let ip = setting.open("echo").await;
    let all = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT);
    setting.run("echo", datagram_guest::echoes(all, 2), |_| {}).await;
    echo(&setting, "echo", at(ip, PORT)).await;
    // A socket on all addresses would be in the way.
    drop(std::net::UdpSocket::bind((next_address(), PORT)).unwrap());
    let taken = std::net::UdpSocket::bind((ip, PORT)).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    echo(&setting, "echo", at(ip, PORT)).await;
    succeeds(&setting, "echo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_another_address_are_refused() {
    let setting = Setting::new().await;
    let ip = setting.open("binder").await;
    let node = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let rows = [("own", ip, 0), ("localhost", localhost, 0), ("neighbour", next_address(), 1), ("node", node, 1)];
    for (name, address, expected) in rows {
        let guest = datagram_guest::binds(at(address, PORT));
        setting.run(name, guest, |config| config.sandbox = "binder".to_owned()).await;
        assert_eq!(setting.exit(name).await.code, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_leave_from_the_pods_address() {
    let setting = Setting::new().await;
    let ip = setting.open("sender").await;
    let socket = UdpSocket::bind((next_address(), 0)).await.unwrap();
    let SocketAddr::V4(address) = socket.local_addr().unwrap() else { panic!("bound to IPv4") };
    let rows = [
        ("bound-to-all", datagram_guest::asks(address)),
        ("unbound", datagram_guest::sends3(address, false)),
        ("connected", datagram_guest::sends3(address, true)),
    ];
    for (name, guest) in rows {
        setting.run(name, guest, |config| config.sandbox = "sender".to_owned()).await;
        let mut data = [0; 16];
        let received = tokio::time::timeout(LIMIT, socket.recv_from(&mut data)).await;
        let (length, from) = received.unwrap_or_else(|_| panic!("{name} sends")).unwrap();
        assert_eq!((&data[..length], from.ip()), (&b"hi"[..], ip), "{name}");
        socket.send_to(&data[..length], from).await.unwrap();
        succeeds(&setting, name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_of_wasi_0_2_that_is_not_bound_does_not_send() {
    let setting = Setting::new().await;
    setting.open("unbound").await;
    setting.run("unbound", datagram_guest::streams_unbound(), |_| {}).await;
    succeeds(&setting, "unbound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pods_exchange_datagrams() {
    let setting = Setting::new().await;
    let ip = setting.open("echo").await;
    setting.run("echo", datagram_guest::echoes(at(ip, PORT), 2), |_| {}).await;
    echo(&setting, "echo", at(ip, PORT)).await;
    setting.open("client").await;
    setting.run("client", datagram_guest::asks(at(ip, PORT)), |_| {}).await;
    succeeds(&setting, "client").await;
    succeeds(&setting, "echo").await;
}
