//! What one instance of a component has: its view of the world.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::memory::Memory;
use super::network::PodAddress;
use super::outgoing::Outgoing;
use super::services::Services;

/// Handles one instance may hold on the host: files, streams, sockets, pollables, bodies. The one that asks for more traps.
const MOST_HANDLES: usize = 4096;

/// A store's data.
pub(crate) struct Guest {
    pub(crate) table: ResourceTable,
    pub(crate) pod: PodAddress,
    pub(crate) memory: Memory,
    pub(crate) services: Arc<Services>,
    wasi: WasiCtx,
    /// Only for core modules, which have a table of their own in it.
    preview1: Option<Box<WasiP1Ctx>>,
    http: WasiHttpCtx,
    outgoing: Outgoing,
}

impl Guest {
    /// For a component.
    pub(crate) fn component(
        mut wasi: WasiCtxBuilder,
        pod: PodAddress,
        memory: Memory,
        services: Arc<Services>,
    ) -> Self {
        Guest::new(wasi.build(), None, pod, memory, services)
    }

    /// For a core module.
    pub(crate) fn module(mut wasi: WasiCtxBuilder, pod: PodAddress, memory: Memory, services: Arc<Services>) -> Self {
        let mut preview1 = Box::new(wasi.build_p1());
        preview1.ctx().table.set_max_capacity(MOST_HANDLES);
        Guest::new(WasiCtx::builder().build(), Some(preview1), pod, memory, services)
    }

    /// WASI 0.1 for a core module.
    pub(crate) fn preview1(&mut self) -> &mut WasiP1Ctx {
        self.preview1.as_mut().expect("modules are linked only with guests made for modules")
    }

    fn new(
        wasi: WasiCtx,
        preview1: Option<Box<WasiP1Ctx>>,
        pod: PodAddress,
        memory: Memory,
        services: Arc<Services>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        Guest { table, pod, memory, services, wasi, preview1, http: WasiHttpCtx::new(), outgoing: Outgoing::new(pod) }
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
