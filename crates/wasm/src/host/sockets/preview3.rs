//! The functions of WASI 0.3 that name an address.

use std::net::SocketAddr;

use futures::FutureExt as _;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::p3::bindings::sockets::types::{
    HostTcpSocket, HostTcpSocketWithStore, HostUdpSocket, HostUdpSocketWithStore, IpSocketAddress, TcpSocket, UdpSocket,
};
use wasmtime_wasi::p3::sockets::SocketError;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};

use super::answer;
use crate::sandbox::guest::Guest;

pub(super) fn replace(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    types.func_wrap_async(
        "[method]tcp-socket.bind",
        |mut store: StoreContextMut<'_, Guest>, (socket, address): (Resource<TcpSocket>, IpSocketAddress)| {
            Box::new(async move {
                let guest = store.data_mut();
                let address = guest.pod.bind(address.into()).into();
                let result = HostTcpSocket::bind(&mut guest.sockets(), socket, address).await;
                answer(result, |error| error.downcast())
            })
        },
    )?;
    types.func_wrap_async(
        "[method]udp-socket.bind",
        |mut store: StoreContextMut<'_, Guest>, (socket, address): (Resource<UdpSocket>, IpSocketAddress)| {
            Box::new(async move {
                let guest = store.data_mut();
                let address = guest.pod.bind(address.into()).into();
                let result = HostUdpSocket::bind(&mut guest.sockets(), socket, address).await;
                answer(result, |error| error.downcast())
            })
        },
    )?;
    types.func_wrap_async(
        "[method]udp-socket.connect",
        |mut store: StoreContextMut<'_, Guest>, (socket, address): (Resource<UdpSocket>, IpSocketAddress)| {
            Box::new(async move {
                let guest = store.data_mut();
                let address = guest.pod.connect(address.into());
                let result = match bind_datagrams(guest, &socket, address) {
                    Ok(()) => HostUdpSocket::connect(&mut guest.sockets(), socket, address.into()).await,
                    Err(error) => Err(error),
                };
                answer(result, |error| error.downcast())
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]udp-socket.send",
        |accessor: &Accessor<Guest>,
         (socket, data, address): (Resource<UdpSocket>, Vec<u8>, Option<IpSocketAddress>)| {
            Box::pin(async move {
                let result = send(accessor, socket, data, address.map(SocketAddr::from)).await;
                answer(result, |error| error.downcast())
            })
        },
    )?;
    types.func_wrap_concurrent(
        "[method]tcp-socket.connect",
        |accessor: &Accessor<Guest>, (socket, address): (Resource<TcpSocket>, IpSocketAddress)| {
            Box::pin(async move {
                let result = connect(accessor, socket, address.into()).await;
                answer(result, |error| error.downcast())
            })
        },
    )
}

/// Binds the pod's address first, unless the guest did: others must see where a connection comes from.
async fn connect(
    accessor: &Accessor<Guest>,
    socket: Resource<TcpSocket>,
    address: SocketAddr,
) -> Result<(), SocketError> {
    let address = accessor.with(|mut store| {
        let guest = store.get();
        let address = guest.pod.connect(address);
        if let Some(source) = guest.pod.source(address) {
            bind_unless_bound(guest, &socket, source)?;
        }
        Ok::<_, SocketError>(address)
    })?;
    <WasiSockets as HostTcpSocketWithStore<Guest>>::connect(
        &accessor.with_getter::<WasiSockets>(Guest::sockets),
        socket,
        address.into(),
    )
    .await
}

fn bind_unless_bound(guest: &mut Guest, socket: &Resource<TcpSocket>, source: SocketAddr) -> Result<(), SocketError> {
    let mut sockets = guest.sockets();
    if HostTcpSocket::get_local_address(&mut sockets, Resource::new_borrow(socket.rep())).is_ok() {
        return Ok(());
    }
    let bind = HostTcpSocket::bind(&mut sockets, Resource::new_borrow(socket.rep()), source.into());
    bind.now_or_never().expect("binding waits for nothing but the address check, which answers at once")
}

/// Binds the pod's address first, unless the guest did.
async fn send(
    accessor: &Accessor<Guest>,
    socket: Resource<UdpSocket>,
    data: Vec<u8>,
    address: Option<SocketAddr>,
) -> Result<(), SocketError> {
    let address = accessor.with(|mut store| {
        let guest = store.get();
        let address = address.map(|address| guest.pod.connect(address));
        // Without an address the socket is connected, hence bound, or the call fails.
        if let Some(address) = address {
            bind_datagrams(guest, &socket, address)?;
        }
        Ok::<_, SocketError>(address)
    })?;
    <WasiSockets as HostUdpSocketWithStore<Guest>>::send(
        &accessor.with_getter::<WasiSockets>(Guest::sockets),
        socket,
        data,
        address.map(IpSocketAddress::from),
    )
    .await
}

fn bind_datagrams(guest: &mut Guest, socket: &Resource<UdpSocket>, address: SocketAddr) -> Result<(), SocketError> {
    let Some(source) = guest.pod.datagram_source(address) else { return Ok(()) };
    let mut sockets = guest.sockets();
    if HostUdpSocket::get_local_address(&mut sockets, Resource::new_borrow(socket.rep())).is_ok() {
        return Ok(());
    }
    let bind = HostUdpSocket::bind(&mut sockets, Resource::new_borrow(socket.rep()), source.into());
    bind.now_or_never().expect("binding waits for nothing but the address check, which answers at once")
}
