//! `wasi:http`: requests from outside come to the component's export; its own requests leave through [`crate::sandbox::outgoing`].

use super::Package;

pub(super) const PACKAGE: Package = Package {
    interfaces: &[
        "wasi:http/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:http/types@0.3.0",
        "wasi:http/client@0.3.0",
    ],
    link: |linker| {
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)
    },
};
