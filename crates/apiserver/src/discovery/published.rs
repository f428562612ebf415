//! What is published of the kinds, made anew when they change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sampan_registry::Registry;

use super::Discovery;
use crate::openapi::OpenApi;

/// The documents of the moment.
pub(crate) struct Published {
    current: ArcSwap<Documents>,
    making: Mutex<()>,
}

/// The documents about one set of kinds.
pub(crate) struct Documents {
    version: u64,
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
}

impl Published {
    pub(crate) fn new(registry: &Registry) -> Self {
        Self { current: ArcSwap::from_pointee(Documents::of(registry, None)), making: Mutex::default() }
    }

    /// The documents about the kinds that are served now. Those of group versions that stay as they are stay, too.
    pub(crate) fn now(&self, registry: &Registry) -> Arc<Documents> {
        let version = registry.served_version();
        let current = self.current.load_full();
        if current.version == version {
            return current;
        }
        let _making = self.making.lock();
        let current = self.current.load_full();
        if current.version >= version {
            return current;
        }
        let next = Arc::new(Documents::of(registry, Some(&current)));
        self.current.store(Arc::clone(&next));
        next
    }
}

impl Documents {
    fn of(registry: &Registry, before: Option<&Self>) -> Self {
        let version = registry.served_version();
        let discovery = Discovery::new(&registry.served());
        let openapi = OpenApi::new(&discovery, before.map(|before| &before.openapi));
        Self { version, discovery, openapi }
    }
}
