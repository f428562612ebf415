//! WASI 0.1, for core modules. They are run as they are: wrapped by an adapter into a component they would lose their exit codes (the
//! adapter knows success and failure alone) and gain 17 KB and a copy of every buffer.

use wasmtime::Linker;
use wasmtime_wasi::I32Exit;

use crate::sandbox::guest::Guest;

/// Beginning of the names of what is offered, as in [`crate::artifact::Artifact::imports`].
pub(super) const NAMESPACE: &str = "wasi_snapshot_preview1::";

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, Guest::preview1)?;
    // wasmtime refuses codes of 126 and more; processes end with 127 and 130 every day.
    linker.allow_shadowing(true);
    linker.func_wrap("wasi_snapshot_preview1", "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(I32Exit(code & 0xff).into())
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
