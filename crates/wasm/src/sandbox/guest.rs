//! What one instance of a component has: its view of the world.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::memory::Memory;
use super::network::PodAddress;
use super::outgoing::Outgoing;

/// Handles one instance may hold on the host: streams, sockets, pollables, bodies.
const MOST_HANDLES: usize = 4096;

/// A store's data.
pub(crate) struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) pod: PodAddress,
    pub(crate) memory: Memory,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
}

impl Guest {
    pub(crate) fn new(wasi: WasiCtx, pod: PodAddress, memory: Memory) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        Guest { table, pod, memory, wasi, http: WasiHttpCtx::new(), outgoing: Outgoing::new(pod) }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}
