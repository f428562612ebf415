//! `wasi:filesystem`: the container's mounts and nothing else.

use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem;

use super::Package;
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:filesystem/types@0.2.12",
        "wasi:filesystem/preopens@0.2.12",
        "wasi:filesystem/types@0.3.0",
        "wasi:filesystem/preopens@0.3.0",
    ],
    link: |linker| {
        filesystem::types::add_to_linker::<Guest, WasiFilesystem>(linker, Guest::filesystem)?;
        filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(linker, Guest::filesystem)?;
        wasmtime_wasi::p3::filesystem::add_to_linker(linker)
    },
};
