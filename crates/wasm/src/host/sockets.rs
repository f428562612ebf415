//! `wasi:sockets`, as seen from inside a pod: its own address is the only one it can bind, and it is what `0.0.0.0` and `localhost`
//! mean. wasmtime's implementation can only allow or deny an address, so the few functions that name one are replaced here and hand
//! on with the address that is meant.

mod preview2;
mod preview3;

use wasmtime_wasi::p2::bindings::sockets as p2;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};

use super::Package;
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:sockets/network@0.2.12",
        "wasi:sockets/instance-network@0.2.12",
        "wasi:sockets/ip-name-lookup@0.2.12",
        "wasi:sockets/tcp@0.2.12",
        "wasi:sockets/tcp-create-socket@0.2.12",
        "wasi:sockets/udp@0.2.12",
        "wasi:sockets/udp-create-socket@0.2.12",
        "wasi:sockets/types@0.3.0",
        "wasi:sockets/ip-name-lookup@0.3.0",
    ],
    link: |linker| {
        p2::network::add_to_linker::<Guest, WasiSockets>(linker, &p2::network::LinkOptions::default(), Guest::sockets)?;
        p2::instance_network::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        p2::ip_name_lookup::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        p2::tcp::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        p2::tcp_create_socket::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        p2::udp::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        p2::udp_create_socket::add_to_linker::<Guest, WasiSockets>(linker, Guest::sockets)?;
        wasmtime_wasi::p3::sockets::add_to_linker(linker)?;
        linker.allow_shadowing(true);
        preview2::replace(linker)?;
        preview3::replace(linker)?;
        linker.allow_shadowing(false);
        Ok(())
    },
};

/// The outcome of a replaced function: an error of the guest's kind, or a trap.
fn answer<T, E, C>(result: Result<T, wasmtime_wasi::TrappableError<E>>, convert: C) -> wasmtime::Result<(Result<T, E>,)>
where
    C: FnOnce(wasmtime_wasi::TrappableError<E>) -> wasmtime::Result<E>,
{
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(convert(error)?),)),
    }
}
