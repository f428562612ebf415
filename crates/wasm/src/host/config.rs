//! `wasi:config`: the container's environment, so that one manifest fits programs of either kind.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lower};

use super::Package;
use crate::sandbox::guest::Guest;

pub(super) const PACKAGE: Package = Package {
    interfaces: &["wasi:config/store@0.2.0-rc.1"],
    link: |linker| {
        let mut store = linker.instance("wasi:config/store@0.2.0-rc.1")?;
        store.func_wrap("get", |store: StoreContextMut<'_, Guest>, (key,): (String,)| {
            let found = store.data().services.settings.iter().rfind(|(name, _)| *name == key);
            Ok((Ok::<_, Error>(found.map(|(_, value)| value.clone())),))
        })?;
        store.func_wrap("get-all", |store: StoreContextMut<'_, Guest>, (): ()| {
            Ok((Ok::<_, Error>(store.data().services.settings.clone()),))
        })
    },
};

/// `store.error`; nothing here fails.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[expect(dead_code, reason = "the type has to be the interface's own")]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}
