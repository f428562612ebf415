//! The functions of WASI 0.2 that name an address.

use std::net::SocketAddr;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket;
use wasmtime_wasi::p2::bindings::sockets::udp::{self, HostOutgoingDatagramStream as _, HostUdpSocket};
use wasmtime_wasi::p2::{Network, SocketError, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::answer;
use crate::sandbox::guest::Guest;

pub(super) fn replace(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    replace_tcp(linker)?;
    replace_udp(linker)
}

fn replace_tcp(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut tcp = linker.instance("wasi:sockets/tcp@0.2.12")?;
    tcp.func_wrap_async(
        "[method]tcp-socket.start-bind",
        |mut store: StoreContextMut<'_, Guest>,
         (socket, network, address): (Resource<TcpSocket>, Resource<Network>, IpSocketAddress)| {
            Box::new(async move {
                let guest = store.data_mut();
                let address = guest.pod.bind(address.into()).into();
                let result = HostTcpSocket::start_bind(&mut guest.sockets(), socket, network, address).await;
                answer::<(), ErrorCode, _>(result, SocketError::downcast)
            })
        },
    )?;
    tcp.func_wrap_async(
        "[method]tcp-socket.start-connect",
        |mut store: StoreContextMut<'_, Guest>,
         (socket, network, address): (Resource<TcpSocket>, Resource<Network>, IpSocketAddress)| {
            Box::new(async move {
                let result = start_connect(store.data_mut(), socket, network, address.into()).await;
                answer::<(), ErrorCode, _>(result, SocketError::downcast)
            })
        },
    )
}

/// Binds the pod's address first, unless the guest did: others must see where a connection comes from.
async fn start_connect(
    guest: &mut Guest,
    socket: Resource<TcpSocket>,
    network: Resource<Network>,
    address: SocketAddr,
) -> Result<(), SocketError> {
    let address = guest.pod.connect(address);
    let source = guest.pod.source(address);
    let mut sockets = guest.sockets();
    if let Some(source) = source
        && HostTcpSocket::local_address(&mut sockets, Resource::new_borrow(socket.rep())).is_err()
    {
        HostTcpSocket::start_bind(
            &mut sockets,
            Resource::new_borrow(socket.rep()),
            Resource::new_borrow(network.rep()),
            source.into(),
        )
        .await?;
        HostTcpSocket::finish_bind(&mut sockets, Resource::new_borrow(socket.rep()))?;
    }
    HostTcpSocket::start_connect(&mut sockets, socket, network, address.into())
}

/// There is no implicit bind to replace: by WASI 0.2 `stream` fails with `invalid-state` until the guest has bound the socket.
fn replace_udp(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut udp = linker.instance("wasi:sockets/udp@0.2.12")?;
    udp.func_wrap_async(
        "[method]udp-socket.start-bind",
        |mut store: StoreContextMut<'_, Guest>,
         (socket, network, address): (Resource<UdpSocket>, Resource<Network>, IpSocketAddress)| {
            Box::new(async move {
                let guest = store.data_mut();
                let address = guest.pod.bind(address.into()).into();
                let result = HostUdpSocket::start_bind(&mut guest.sockets(), socket, network, address).await;
                answer::<(), ErrorCode, _>(result, SocketError::downcast)
            })
        },
    )?;
    udp.func_wrap_async(
        "[method]udp-socket.stream",
        |mut store: StoreContextMut<'_, Guest>, (socket, remote): (Resource<UdpSocket>, Option<IpSocketAddress>)| {
            Box::new(async move {
                let guest = store.data_mut();
                let remote = remote.map(|address| guest.pod.connect(address.into()).into());
                let result = HostUdpSocket::stream(&mut guest.sockets(), socket, remote).await;
                answer(result, SocketError::downcast)
            })
        },
    )?;
    udp.func_wrap(
        "[method]outgoing-datagram-stream.send",
        |mut store: StoreContextMut<'_, Guest>,
         (stream, mut datagrams): (Resource<udp::OutgoingDatagramStream>, Vec<udp::OutgoingDatagram>)| {
            let guest = store.data_mut();
            for address in datagrams.iter_mut().filter_map(|datagram| datagram.remote_address.as_mut()) {
                *address = guest.pod.connect((*address).into()).into();
            }
            let result = guest.sockets().send(stream, datagrams);
            answer(result, SocketError::downcast)
        },
    )
}
