//! Compiled components, loaded once per process and shared by all containers of the same image.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Module, Store, TypedFunc};

use super::guest::Guest;
use super::ticker::Ticker;
use crate::{engine, host};

/// Instances of short life that can be prepared for at a time; more are made on demand.
const POOL_PLACES: u32 = 256;

/// How an instance gets its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// From the pool: for one request.
    Pooled,
    /// Mapped when made: for a command, or when the pool is full.
    OnDemand,
}

/// The engines of this process and what they have loaded.
pub(crate) struct Codes {
    ticker: Ticker,
    on_demand: OnceLock<Linker<Guest>>,
    pooled: OnceLock<Linker<Guest>>,
    loaded: Mutex<HashMap<PathBuf, Weak<Code>>>,
}

impl Codes {
    pub(crate) fn new(ticker: Ticker) -> Arc<Self> {
        Arc::new(Codes { ticker, on_demand: OnceLock::new(), pooled: OnceLock::new(), loaded: Mutex::default() })
    }

    /// The component whose compiled code lies at `path`; nothing is read yet.
    pub(crate) fn get(self: &Arc<Self>, path: &Path) -> Arc<Code> {
        let mut loaded = self.loaded.lock();
        if let Some(code) = loaded.get(path).and_then(Weak::upgrade) {
            return code;
        }
        loaded.retain(|_, code| code.strong_count() > 0);
        let code = Arc::new(Code {
            codes: self.clone(),
            path: path.to_owned(),
            on_demand: OnceLock::new(),
            pooled: OnceLock::new(),
            unfit: AtomicBool::new(false),
        });
        loaded.insert(path.to_owned(), Arc::downgrade(&code));
        code
    }

    /// A core module linked with WASI 0.1. Not kept: commands are loaded once for each run, in some tens of microseconds.
    fn linked_module(&self, path: &Path) -> wasmtime::Result<wasmtime::InstancePre<Guest>> {
        let engine = self.linker(Placement::OnDemand)?.engine();
        // SAFETY: as for components in `Code::linked`.
        let module = unsafe { Module::deserialize_file(engine, path) }?;
        host::module_linker(engine)?.instantiate_pre(&module)
    }

    /// The linker, and in it the engine, of a placement; made when first needed: the pool takes address space.
    fn linker(&self, placement: Placement) -> wasmtime::Result<&Linker<Guest>> {
        let (cell, make): (_, fn() -> wasmtime::Result<Engine>) = match placement {
            Placement::Pooled => (&self.pooled, || engine::pooling(POOL_PLACES)),
            Placement::OnDemand => (&self.on_demand, engine::on_demand),
        };
        if let Some(linker) = cell.get() {
            return Ok(linker);
        }
        let linker = host::linker(&make()?)?;
        let engine = linker.engine().clone();
        if cell.set(linker).is_ok() {
            self.ticker.add(engine);
        }
        Ok(cell.get().expect("set by this thread or another that was quicker"))
    }
}

/// One compiled component.
pub(crate) struct Code {
    codes: Arc<Codes>,
    path: PathBuf,
    on_demand: OnceLock<InstancePre<Guest>>,
    pooled: OnceLock<InstancePre<Guest>>,
    /// Its memories or tables are larger than the pool's places.
    unfit: AtomicBool,
}

impl Code {
    /// The component linked with the host, ready to be instantiated in a store of its engine.
    pub(crate) fn linked(&self, placement: Placement) -> wasmtime::Result<&InstancePre<Guest>> {
        let cell = match placement {
            Placement::Pooled => &self.pooled,
            Placement::OnDemand => &self.on_demand,
        };
        if let Some(linked) = cell.get() {
            return Ok(linked);
        }
        let linker = self.codes.linker(placement)?;
        // SAFETY: the agent names only files in its own cache, mode 0700, written whole by its compile child and then renamed into
        // place; wasmtime checks that version and settings are those of this engine.
        let component = unsafe { Component::deserialize_file(linker.engine(), &self.path) }?;
        let _ = cell.set(linker.instantiate_pre(&component)?);
        Ok(cell.get().expect("set by this thread or another that was quicker"))
    }

    /// Loads the code now, so that a container with code that cannot be loaded does not start.
    pub(crate) fn check(&self) -> wasmtime::Result<()> {
        if self.linked(Placement::Pooled).is_ok() {
            return Ok(());
        }
        self.unfit.store(true, Ordering::Relaxed);
        self.linked(Placement::OnDemand).map(drop)
    }

    fn store(&self, placement: Placement, guest: Guest) -> wasmtime::Result<Store<Guest>> {
        Ok(limited(self.linked(placement)?.engine(), guest))
    }

    /// An instance in a store of its own. A full pool is no error: memory is then mapped on demand.
    pub(crate) async fn instantiate(
        &self,
        placement: Placement,
        guest: impl Fn() -> wasmtime::Result<Guest>,
    ) -> Result<Instantiated, Failed> {
        if placement == Placement::OnDemand || self.unfit.load(Ordering::Relaxed) {
            return self.instantiate_in(Placement::OnDemand, guest()).await;
        }
        if self.linked(Placement::Pooled).is_err() {
            self.unfit.store(true, Ordering::Relaxed);
            return self.instantiate_in(Placement::OnDemand, guest()).await;
        }
        match self.instantiate_in(Placement::Pooled, guest()).await {
            Err(failed) if failed.error.is::<wasmtime::PoolConcurrencyLimitError>() => {
                self.instantiate_in(Placement::OnDemand, guest()).await
            }
            other => other,
        }
    }

    /// A core module and its `_start`.
    pub(crate) async fn instantiate_module(
        &self,
        guest: impl Fn() -> wasmtime::Result<Guest>,
    ) -> Result<(Store<Guest>, TypedFunc<(), ()>), Failed> {
        let linked = self.codes.linked_module(&self.path).map_err(Failed::before)?;
        let mut store = limited(linked.module().engine(), guest().map_err(Failed::before)?);
        let instance = match linked.instantiate_async(&mut store).await {
            Ok(instance) => instance,
            Err(error) => return Err(Failed { error: explain(error), denied: store.data().memory.denied() }),
        };
        let start = instance.get_typed_func(&mut store, "_start").map_err(Failed::before)?;
        Ok((store, start))
    }

    async fn instantiate_in(
        &self,
        placement: Placement,
        guest: wasmtime::Result<Guest>,
    ) -> Result<Instantiated, Failed> {
        let mut store = guest.and_then(|guest| self.store(placement, guest)).map_err(Failed::before)?;
        let linked = self.linked(placement).map_err(Failed::before)?;
        match linked.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Instantiated { store, instance }),
            Err(error) => Err(Failed { error: explain(error), denied: store.data().memory.denied() }),
        }
    }
}

/// A store with all limits in place.
fn limited(engine: &Engine, guest: Guest) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store
}

/// An instance and the store that holds it.
pub(crate) struct Instantiated {
    pub(crate) store: Store<Guest>,
    pub(crate) instance: Instance,
}

/// No instance could be made.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: wasmtime::Error,
    /// Because of the container's memory limit.
    pub(crate) denied: Option<super::memory::Denied>,
}

impl Failed {
    fn before(error: wasmtime::Error) -> Self {
        Failed { error: explain(error), denied: None }
    }
}

/// Says what to do when the kernel allows no more mappings: each instance takes six or seven.
fn explain(error: wasmtime::Error) -> wasmtime::Error {
    let out_of_maps = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error()));
    if !out_of_maps {
        return error;
    }
    error.context("the kernel gives this process no more memory mappings; raise the limit with `sysctl -w vm.max_map_count=1048576`")
}
