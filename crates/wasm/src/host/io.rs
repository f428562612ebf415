//! `wasi:io`: the streams and pollables of WASI 0.2.

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::p2::bindings::io;

use super::Package;
use crate::sandbox::guest::Guest;

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

pub(super) const PACKAGE: Package = Package {
    interfaces: &["wasi:io/error@0.2.12", "wasi:io/poll@0.2.12", "wasi:io/streams@0.2.12"],
    link: |linker| {
        io::error::add_to_linker::<Guest, Table>(linker, |guest| &mut guest.table)?;
        io::poll::add_to_linker::<Guest, Table>(linker, |guest| &mut guest.table)?;
        io::streams::add_to_linker::<Guest, Table>(linker, |guest| &mut guest.table)
    },
};
