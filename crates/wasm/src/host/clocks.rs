//! `wasi:clocks`: the node's clocks.

use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::clocks;

use super::Package;
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:clocks/wall-clock@0.2.12",
        "wasi:clocks/monotonic-clock@0.2.12",
        "wasi:clocks/types@0.3.0",
        "wasi:clocks/system-clock@0.3.0",
        "wasi:clocks/monotonic-clock@0.3.0",
    ],
    link: |linker| {
        clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(linker, Guest::clocks)?;
        clocks::monotonic_clock::add_to_linker::<Guest, WasiClocks>(linker, Guest::clocks)?;
        wasmtime_wasi::p3::clocks::add_to_linker(linker)
    },
};
